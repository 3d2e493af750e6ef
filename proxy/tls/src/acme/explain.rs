//! Why a name has the certificate it has, or none: what is asked at three in the morning.

use super::{
    challenges::{ALPN, Challenges},
    managed::{Managed, Source},
    options::{AcmeOptions, Challenge},
    resolve::Lookup,
    timeline::tame,
};
use crate::client::{ClientOptions, client_config};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a look at one address may take.
const LOOK_TIME_MAX: Duration = Duration::from_secs(5);

/// Addresses of a name that are looked at.
const LOOKS_MAX: usize = 4;

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What, in a word: `certificate`, `ca`, `dns`, `caa`, `reach`.
    pub what: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// In a sentence or two, with the remedy.
    pub text: String,
}

impl Finding {
    fn new(what: &'static str, ok: bool, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { what, ok, text }
    }
}

/// Looks at everything between a name and its certificate, from the certificate outwards.
pub async fn why(
    managed: &Managed,
    name: &str,
    options: &AcmeOptions,
    challenges: &Arc<Challenges>,
    zones: &dyn super::Zones,
) -> Vec<Finding> {
    let mut found = vec![certificate(managed)];
    let state = managed.snapshot();
    if let Some((at, text, problem)) = &state.last_failure {
        let ago = SystemTime::now().duration_since(*at).unwrap_or_default();
        let advice = problem.as_deref().and_then(advice).unwrap_or_default();
        let text = format!("{} s ago: {text}. {advice}", ago.as_secs());
        found.push(Finding::new("ca", false, text.trim_end()));
    }
    let lookup = Lookup::new(&options.name_servers);
    let kind = options.challenge_for(managed.names());
    if kind == Challenge::Dns01 {
        found.push(match lookup.challenge_place(name, zones).await {
            Ok(place) => {
                let text = format!("the proof for dns-01 is answered here, at {place}");
                Finding::new("dns", true, text)
            }
            Err(text) => Finding::new("dns", false, text),
        });
    } else {
        reach(&mut found, name, kind, &lookup, challenges).await;
    }
    if let Some((at, issuers)) = lookup.issuers(name.trim_start_matches("*.")).await {
        let directory = options.directories.first().map_or("", String::as_str);
        let ours = options
            .directories
            .iter()
            .any(|d| d.contains("letsencrypt.org"));
        let named = issuers.iter().any(|i| i.contains("letsencrypt.org"));
        let list = tame(&issuers.join(" | "));
        let text = format!("CAA at {at} allows {list}; {directory} must be among them");
        found.push(Finding::new("caa", !ours || named, text));
    }
    found
}

fn certificate(managed: &Managed) -> Finding {
    let state = managed.snapshot();
    let now = SystemTime::now();
    let next = match state.next_order.duration_since(now) {
        _ if state.working => "an order is under way".to_owned(),
        Ok(pause) => format!("the next order is due in {} s", pause.as_secs()),
        Err(_) => "an order is due now".to_owned(),
    };
    match (state.source, state.validity) {
        (Source::Acme, Some(validity)) => match validity.not_after.duration_since(now) {
            Ok(left) => {
                let days = left.as_secs() / 86_400;
                let text =
                    format!("the CA's certificate is served, valid for {days} more days; {next}");
                Finding::new("certificate", true, text)
            }
            Err(_) => Finding::new("certificate", false, format!("it has expired; {next}")),
        },
        (Source::StandIn, _) => {
            let text =
                format!("the internal CA's certificate stands in: browsers will warn; {next}");
            Finding::new("certificate", false, text)
        }
        _ => Finding::new("certificate", false, format!("there is none; {next}")),
    }
}

/// What to do about a type of problem (RFC 8555 §6.7).
fn advice(problem: &str) -> Option<&'static str> {
    Some(match problem {
        "rateLimited" => {
            "The CA's rate limit is reached: wait; asking again sooner only makes it longer. Its staging directory is for trying out."
        }
        "caa" => {
            "The CAA records of the name do not allow this CA: change them, or ask another CA."
        }
        "dns" => {
            "The CA could not look the name up: check its delegation, its addresses and DNSSEC."
        }
        "connection" => {
            "The CA could not connect: the name's addresses must lead here, and port 80 (http-01) or 443 (tls-alpn-01) be open from outside."
        }
        "unauthorized" | "incorrectResponse" => {
            "Somebody else answered the CA: the name's addresses lead to another server or to a proxy in front of this one."
        }
        "tls" => {
            "The CA's handshake failed: something in front of this server ends TLS; use http-01 or dns-01."
        }
        "rejectedIdentifier" => "The CA does not issue for this name.",
        "unsupportedIdentifier" => "The CA does not issue for this kind of name.",
        "externalAccountRequired" => {
            "The CA wants `acme: { eab: { key_id, key } }` from its web site."
        }
        "userActionRequired" => "The CA's terms have changed: look at its web site.",
        "invalidContact" | "unsupportedContact" => {
            "The CA does not take the mail address in `acme: { email }`."
        }
        "accountDoesNotExist" => {
            "The CA has forgotten the account: a new one is made with the next order."
        }
        "invalidProfile" => "The CA does not have this `acme: { profile }`.",
        "serverInternal" => "The CA itself has a problem: it is asked again.",
        _ => return None,
    })
}

/// Whether the name's addresses lead here: a proof of our own is put up, and looked for as a CA would.
async fn reach(
    found: &mut Vec<Finding>,
    name: &str,
    kind: Challenge,
    lookup: &Lookup,
    challenges: &Arc<Challenges>,
) {
    let addresses = match lookup.addresses(name).await {
        Ok(addresses) => addresses,
        Err(e) => {
            let text = format!(
                "{name} cannot be looked up ({}): the CA will not find it either",
                tame(&e)
            );
            found.push(Finding::new("dns", false, text));
            return;
        }
    };
    let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let text = format!("{name} has the addresses {}", list.join(", "));
    found.push(Finding::new("dns", !addresses.is_empty(), text));
    for address in addresses.into_iter().take(LOOKS_MAX) {
        let port = if kind == Challenge::Http01 { 80 } else { 443 };
        let place = SocketAddr::new(address, port);
        let look = async {
            match kind {
                Challenge::Http01 => look_by_http(place, name, challenges).await,
                _ => look_by_tls(place, name, challenges).await,
            }
        };
        let looked = tokio::time::timeout(LOOK_TIME_MAX, look).await;
        found.push(match looked {
            Ok(Ok(())) => Finding::new("reach", true, format!("{place} leads here")),
            Ok(Err(text)) => Finding::new(
                "reach",
                false,
                format!("{place} {text} (seen from here: a router that does not send its own address back inside may mislead)"),
            ),
            Err(_) => Finding::new("reach", false, format!("{place} does not answer within {} s: a firewall?", LOOK_TIME_MAX.as_secs())),
        });
    }
}

async fn connect(place: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(place)
        .await
        .map_err(|e| format!("cannot be connected to: {e}"))
}

async fn look_by_http(
    place: SocketAddr,
    name: &str,
    challenges: &Arc<Challenges>,
) -> Result<(), String> {
    let token = format!("probe-{:016x}", getrandom::u64().unwrap_or_default());
    let _held = challenges.put_http(&token, &token);
    let mut stream = connect(place).await?;
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    );
    let broken = |e: std::io::Error| format!("broke the connection: {e}");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    let mut answered = stream.take(8192);
    answered.read_to_end(&mut answer).await.map_err(broken)?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.starts_with("HTTP/1.1 200") && answer.ends_with(&token) {
        return Ok(());
    }
    let status = tame(answer.lines().next().unwrap_or("nothing"));
    Err(format!(
        "is another server: it answered the proof with {status}"
    ))
}

async fn look_by_tls(
    place: SocketAddr,
    name: &str,
    challenges: &Arc<Challenges>,
) -> Result<(), String> {
    let mut digest = [0; 32];
    let _ = getrandom::fill(&mut digest);
    // An order under way for the name has its own proof up, which must stay.
    let held = match challenges.alpn(name) {
        Some(_) => None,
        None => Some(
            challenges
                .put_alpn(name, &digest)
                .map_err(|e| e.to_string())?,
        ),
    };
    let shown = challenges.alpn(name);
    let config = client_config(&ClientOptions {
        verify: false,
        alpn: &[ALPN],
        ..ClientOptions::default()
    });
    let config = config.map_err(|e| e.to_string())?;
    let server = name.to_owned().try_into();
    let server = server.map_err(|_| "has no name that TLS takes".to_owned())?;
    let stream = connect(place).await?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(server, stream)
        .await
        .map_err(|e| format!("is another server: the handshake for the proof failed: {e}"))?;
    let peer = stream.get_ref().1.peer_certificates();
    let same = peer.and_then(|c| c.first()) == shown.as_ref().and_then(|k| k.cert.first());
    drop(held);
    match same {
        true => Ok(()),
        false => Err("is another server: it showed another certificate".to_owned()),
    }
}
