//! A CA of a test's own: it checks no proof, and does what it is told, above all what no CA should.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// What a CA should.
    Good,
    /// Certifies another key than the one asked for.
    OtherKey,
    /// Certifies another name.
    OtherName,
    /// Certifies for a time that is past.
    Expired,
    /// Gives something that is no certificate.
    Garbage,
    /// Answers without end.
    Endless,
    /// Takes connections and says nothing.
    Silent,
    /// Answers a page for people.
    Page,
    /// Refuses, and says when to come again.
    Limited,
    /// Sends clients away from TLS.
    Plain,
    /// Says what would clear a terminal.
    Rude,
}

pub struct Ca {
    address: SocketAddr,
    pub root_pem: String,
    inner: Arc<Inner>,
}

struct Inner {
    address: SocketAddr,
    manner: Mutex<Manner>,
    issuer: Issuer<'static, KeyPair>,
    /// Payloads of newOrder.
    orders: Mutex<Vec<Value>>,
    accounts: Mutex<usize>,
    /// How long from now the window for renewals begins and ends, in hours.
    window: Mutex<Option<(i64, i64)>>,
    issued: Mutex<Option<String>>,
    proved: Mutex<bool>,
}

impl Ca {
    pub async fn start(manner: Manner) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root_pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let server = server.signed_by(&server_key, &issuer).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(seawall_tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![server.der().clone()], secret)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            address,
            manner: Mutex::new(manner),
            issuer,
            orders: Mutex::default(),
            accounts: Mutex::default(),
            window: Mutex::default(),
            issued: Mutex::default(),
            proved: Mutex::default(),
        });
        tokio::spawn(listen(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            inner.clone(),
        ));
        Self {
            address,
            root_pem,
            inner,
        }
    }

    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.address.port())
    }

    pub fn behave(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
    }

    pub fn window(&self, hours: (i64, i64)) {
        *self.inner.window.lock().unwrap() = Some(hours);
    }

    pub fn orders(&self) -> Vec<Value> {
        self.inner.orders.lock().unwrap().clone()
    }

    pub fn accounts(&self) -> usize {
        *self.inner.accounts.lock().unwrap()
    }
}

async fn listen(listener: TcpListener, tls: TlsAcceptor, ca: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, ca) = (tls.clone(), ca.clone());
        tokio::spawn(async move {
            if let Ok(mut stream) = tls.accept(stream).await {
                serve(&mut stream, &ca).await;
            }
        });
    }
}

async fn serve(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), ca: &Inner) -> Option<()> {
    let (line, body) = request(stream).await?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let manner = *ca.manner.lock().unwrap();
    match manner {
        Manner::Silent => std::future::pending().await,
        Manner::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
            stream.write_all(head).await.ok()?;
            loop {
                stream.write_all(&[b' '; 65536]).await.ok()?;
            }
        }
        Manner::Page => {
            let page =
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>";
            stream.write_all(page.as_bytes()).await.ok()?;
            return Some(());
        }
        _ => {}
    }
    let payload = serde_json::from_slice::<Value>(&body).ok().and_then(|jws| {
        let payload = jws.get("payload")?.as_str()?.to_owned();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    });
    let (status, location, answer) = ca.answer(manner, path, payload.unwrap_or(Value::Null));
    let text = match &answer {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let length = text.len();
    let location = location.map_or_else(String::new, |l| format!("Location: {}\r\n", ca.url(l)));
    let again = match (status, path) {
        (429, _) => "Retry-After: 3600\r\n",
        (_, path) if path.starts_with("/ari/") => "Retry-After: 7200\r\n",
        _ => "",
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nReplay-Nonce: n\r\n{location}{again}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    if method != "HEAD" {
        stream.write_all(text.as_bytes()).await.ok()?;
    }
    stream.shutdown().await.ok()
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|l| {
        let (name, value) = l.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse::<usize>().ok())?
    });
    while bytes.len() < end + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head.lines().next()?.to_owned(), bytes.split_off(end)))
}

impl Inner {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    fn answer(
        &self,
        manner: Manner,
        path: &str,
        payload: Value,
    ) -> (u16, Option<&'static str>, Value) {
        match path {
            "/dir" => (200, None, self.directory(manner)),
            "/nonce" => (200, None, Value::Null),
            "/account" => {
                *self.accounts.lock().unwrap() += 1;
                (201, Some("/account/1"), json!({ "status": "valid" }))
            }
            "/new-order" => self.new_order(manner, payload),
            "/authz" => {
                let status = if *self.proved.lock().unwrap() {
                    "valid"
                } else {
                    "pending"
                };
                (
                    200,
                    None,
                    json!({
                        "status": status, "identifier": { "type": "dns", "value": "shop.test" },
                        "challenges": [self.challenge(), { "type": "dns-persist-01", "url": self.url("/no"), "status": "pending" }],
                    }),
                )
            }
            "/challenge" => {
                *self.proved.lock().unwrap() = true;
                (200, None, self.challenge())
            }
            "/order" => (200, None, self.order()),
            "/finalize" => {
                let request = payload["csr"].as_str().unwrap();
                let request = BASE64_URL_SAFE_NO_PAD.decode(request).unwrap();
                *self.issued.lock().unwrap() = Some(self.certify(manner, request));
                (200, None, self.order())
            }
            "/certificate" => (
                200,
                None,
                Value::String(self.issued.lock().unwrap().clone().unwrap()),
            ),
            path if path.starts_with("/ari/") => {
                let window = self.window.lock().unwrap().unwrap();
                let at = |hours: i64| {
                    let at = time::OffsetDateTime::now_utc() + time::Duration::hours(hours);
                    at.format(&time::format_description::well_known::Rfc3339)
                        .unwrap()
                };
                (
                    200,
                    None,
                    json!({ "suggestedWindow": { "start": at(window.0), "end": at(window.1) } }),
                )
            }
            _ => (
                404,
                None,
                json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "no such thing" }),
            ),
        }
    }

    fn directory(&self, manner: Manner) -> Value {
        let url = |path: &str| match manner {
            Manner::Plain => self.url(path).replace("https:", "http:"),
            _ => self.url(path),
        };
        let mut directory = json!({
            "newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/new-order"),
            "meta": { "profiles": { "shortlived": "six days" } },
        });
        if self.window.lock().unwrap().is_some() {
            directory["renewalInfo"] = url("/ari").into();
        }
        directory
    }

    fn new_order(&self, manner: Manner, payload: Value) -> (u16, Option<&'static str>, Value) {
        let problem = |status, kind: &str, detail: &str| {
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            (
                status,
                None,
                json!({ "type": kind, "detail": detail, "status": status }),
            )
        };
        match manner {
            Manner::Limited => return problem(429, "rateLimited", "too many certificates"),
            Manner::Rude => {
                return problem(403, "unauthorized", "\u{1b}[2Jno\r\nFAKE: all is well");
            }
            _ => {}
        }
        if let Some(profile) = payload.get("profile")
            && profile != "shortlived"
        {
            return problem(400, "invalidProfile", "there is no such profile");
        }
        let mut order = self.orders.lock().unwrap();
        order.push(payload);
        drop(order);
        *self.issued.lock().unwrap() = None;
        *self.proved.lock().unwrap() = false;
        (201, Some("/order"), self.order())
    }

    fn challenge(&self) -> Value {
        json!({ "type": "http-01", "url": self.url("/challenge"), "status": "pending", "token": "token-1" })
    }

    fn order(&self) -> Value {
        let last = self
            .orders
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default();
        let status = match (
            self.issued.lock().unwrap().is_some(),
            *self.proved.lock().unwrap(),
        ) {
            (true, _) => "valid",
            (_, true) => "ready",
            _ => "pending",
        };
        let mut order = json!({
            "status": status, "identifiers": last["identifiers"], "authorizations": [self.url("/authz")],
            "finalize": self.url("/finalize"), "certificate": self.url("/certificate"),
        });
        for field in ["replaces", "profile"] {
            if let Some(value) = last.get(field) {
                order[field] = value.clone();
            }
        }
        order
    }

    fn certify(&self, manner: Manner, request: Vec<u8>) -> String {
        if manner == Manner::Garbage {
            return "-----BEGIN CERTIFICATE-----\nQUFB\n-----END CERTIFICATE-----\n".to_owned();
        }
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request).unwrap();
        let now = SystemTime::now();
        let day = Duration::from_secs(86_400);
        let (from, to) = match manner {
            Manner::Expired => (now - day * 90, now - day),
            _ => (now - day / 24, now + day * 90),
        };
        let mut params = request.params;
        params.not_before = from.into();
        params.not_after = to.into();
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(vec![7, 8, 9].into());
        if manner == Manner::OtherName {
            params.subject_alt_names =
                vec![rcgen::SanType::DnsName("evil.test".try_into().unwrap())];
        }
        if manner == Manner::OtherKey {
            let key = KeyPair::generate().unwrap();
            return params.signed_by(&key, &self.issuer).unwrap().pem();
        }
        request.params = params;
        request.signed_by(&self.issuer).unwrap().pem()
    }
}
