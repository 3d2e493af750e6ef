//! Real handshakes between our listener's side and a rustls client, over an in-memory pipe.

use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, HandshakeKind, NamedGroup, ServerConfig,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use seawall_tls::{
    CertMap, CertMapBuilder, ClientOptions, InternalCa, Resolver, TlsError, accept,
    acme::Challenges, certified_key, client_config, names, openssl_cipher_name,
    openssl_protocol_name, server_config,
};
use std::{io, sync::Arc};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsConnector, client, server};

/// A listener with a CA of its own.
struct Listener {
    ca: InternalCa,
    resolver: Arc<Resolver>,
    config: Arc<ServerConfig>,
    challenges: Arc<Challenges>,
    _dir: TempDir,
}

type Pair = (
    client::TlsStream<DuplexStream>,
    server::TlsStream<DuplexStream>,
);

impl Listener {
    /// With a certificate for each name.
    fn with(map_names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = InternalCa::open_or_create(dir.path()).unwrap();
        let resolver = Resolver::new(map_of(&ca, map_names));
        let config = server_config(Arc::clone(&resolver), &[b"h2", b"http/1.1"]).unwrap();
        Self {
            ca,
            resolver,
            config,
            challenges: Arc::default(),
            _dir: dir,
        }
    }

    /// With one certificate for every name.
    fn with_key(key: Arc<CertifiedKey>) -> Self {
        let listener = Self::with(&[]);
        listener.resolver.store(default_map([key]));
        listener
    }

    /// A client that trusts the CA.
    fn client(&self) -> ClientConfig {
        ClientConfig::clone(
            &client_config(&ClientOptions {
                ca_pem: Some(self.ca.root_pem().as_bytes()),
                verify: true,
                ..ClientOptions::default()
            })
            .unwrap(),
        )
    }

    async fn connect(
        &self,
        client: ClientConfig,
        name: &str,
    ) -> (io::Result<Pair>, Option<io::Error>) {
        self.connect_shared(Arc::new(client), name).await
    }

    /// Both ends, or the server's error with the client's beside it.
    async fn connect_shared(
        &self,
        client: Arc<ClientConfig>,
        name: &str,
    ) -> (io::Result<Pair>, Option<io::Error>) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let (client, server) = tokio::join!(
            TlsConnector::from(client).connect(name, near),
            accept(far, &self.config, &self.resolver, &self.challenges),
        );
        match (client, server) {
            (Ok(client), Ok(server)) => (Ok((client, server.stream)), None),
            (client, Err(error)) => (Err(error), client.err()),
            (Err(error), Ok(_)) => (Err(io::Error::other("the client refused")), Some(error)),
        }
    }

    /// The first name of the certificate that a client gets when it asks for a name.
    async fn certificate_for(&self, name: &str) -> String {
        let (client, _) = self.connect(self.trusting_client(), name).await.0.unwrap();
        first_name(&client)
    }

    /// A client that takes any certificate.
    fn trusting_client(&self) -> ClientConfig {
        ClientConfig::clone(&client_config(&ClientOptions::default()).unwrap())
    }
}

fn map_of(ca: &InternalCa, map_names: &[&str]) -> CertMap {
    let mut map = CertMapBuilder::new();
    for name in map_names {
        let certified = if *name == "*" {
            "default.test"
        } else {
            name.trim_start_matches('.')
        };
        map.add(name, ca.issue(&[certified]).unwrap().key);
    }
    map.build()
}

fn default_map(keys: impl IntoIterator<Item = Arc<CertifiedKey>>) -> CertMap {
    let mut map = CertMapBuilder::new();
    for key in keys {
        map.add("*", key);
    }
    map.build()
}

fn leaf(client: &client::TlsStream<DuplexStream>) -> CertificateDer<'static> {
    client.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn first_name(client: &client::TlsStream<DuplexStream>) -> String {
    let key = certified_key(
        include_bytes!("fixtures/v1-ec.pem"),
        include_bytes!("fixtures/v1-ec.key.pem"),
    )
    .unwrap();
    names(&CertifiedKey::new(vec![leaf(client)], Arc::clone(&key.key))).remove(0)
}

fn fixture(certificate: &[u8], key: &[u8]) -> Arc<CertifiedKey> {
    certified_key(certificate, key).unwrap()
}

fn legacy_rsa() -> Arc<CertifiedKey> {
    fixture(
        include_bytes!("fixtures/v1-rsa.pem"),
        include_bytes!("fixtures/v1-rsa.key.pem"),
    )
}

fn legacy_ec() -> Arc<CertifiedKey> {
    fixture(
        include_bytes!("fixtures/v1-ec.pem"),
        include_bytes!("fixtures/v1-ec.key.pem"),
    )
}

/// A client that takes any certificate and speaks only this version, with only these suites (by a part of OpenSSL's
/// name).
fn limited(version: &'static rustls::SupportedProtocolVersion, suites: &str) -> ClientConfig {
    let mut provider = CryptoProvider::clone(&seawall_tls::provider());
    provider
        .cipher_suites
        .retain(|suite| openssl_cipher_name(suite.suite()).contains(suites));
    with_provider(provider, version)
}

fn with_provider(
    provider: CryptoProvider,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting {
            schemes: seawall_tls::provider()
                .signature_verification_algorithms
                .supported_schemes(),
        }))
        .with_no_client_auth()
}

/// Takes any certificate, with these kinds of signature.
#[derive(Debug)]
struct Trusting {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

fn alert_of(error: io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_internal_ca_is_served() {
    let listener = Listener::with(&["a.test"]);
    let (mut client, mut server) = listener
        .connect(listener.client(), "a.test")
        .await
        .0
        .unwrap();
    client.write_all(b"hello").await.unwrap();
    client.flush().await.unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn a_client_that_does_not_trust_it_is_not() {
    let listener = Listener::with(&["a.test"]);
    let other = Listener::with(&[]);
    let (result, error) = listener.connect(other.client(), "a.test").await;
    assert!(result.is_err());
    assert!(error.unwrap().to_string().contains("UnknownIssuer"));
    // Right CA, wrong name.
    listener
        .resolver
        .store(default_map([listener.ca.issue(&["a.test"]).unwrap().key]));
    let (result, error) = listener.connect(listener.client(), "b.test").await;
    assert!(result.is_err());
    assert!(error.unwrap().to_string().contains("not valid for name"));
}

#[tokio::test]
async fn the_most_specific_name_wins() {
    let listener = Listener::with(&["a.test", "*.a.test", "www.a.test", ".deep.test", "*"]);
    for (asked, given) in [
        ("a.test", "a.test"),
        ("WWW.A.Test", "www.a.test"),
        ("shop.a.test", "*.a.test"),
        ("x.shop.a.test", "default.test"),
        ("deep.test", "default.test"),
        ("x.deep.test", "deep.test"),
        ("x.y.deep.test", "deep.test"),
        ("test", "default.test"),
        ("b.test", "default.test"),
        // Clients name no server when they have only its address.
        ("192.0.2.1", "default.test"),
    ] {
        assert_eq!(
            listener.certificate_for(asked).await,
            given,
            "asked for {asked}"
        );
    }
    assert_eq!(listener.resolver.unrecognised(), 0);
}

#[tokio::test]
async fn an_unknown_name_gets_its_alert_and_is_counted() {
    let listener = Listener::with(&["a.test"]);
    let (result, error) = listener.connect(listener.client(), "b.test").await;
    let server_error = result.err().unwrap();
    let inner = server_error
        .get_ref()
        .unwrap()
        .downcast_ref::<TlsError>()
        .unwrap();
    assert!(matches!(inner, TlsError::UnrecognisedName(Some(name)) if name == "b.test"));
    assert_eq!(
        alert_of(error.unwrap()),
        Some(AlertDescription::UnrecognisedName)
    );
    let (result, error) = listener.connect(listener.client(), "192.0.2.1").await;
    assert_eq!(
        result.err().unwrap().to_string(),
        "no certificate for a client that names no server"
    );
    assert_eq!(
        alert_of(error.unwrap()),
        Some(AlertDescription::UnrecognisedName)
    );
    assert_eq!(listener.resolver.unrecognised(), 2);
}

#[tokio::test]
async fn without_accept_rustls_refuses_an_unknown_name_too() {
    let listener = Listener::with(&["a.test"]);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::new(listener.client()));
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&listener.config));
    let name = ServerName::try_from("b.test").unwrap();
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    assert!(client.is_err() && server.is_err());
    assert_eq!(listener.resolver.unrecognised(), 1);
}

#[tokio::test]
async fn a_swap_serves_the_next_handshake_and_leaves_open_connections_alone() {
    let listener = Listener::with(&["a.test"]);
    let (mut client, mut server) = listener
        .connect(listener.client(), "a.test")
        .await
        .0
        .unwrap();
    let old = leaf(&client);
    let renewed = listener.ca.issue(&["a.test", "b.test"]).unwrap().key;
    let mut map = CertMapBuilder::new();
    map.add("a.test", Arc::clone(&renewed));
    listener.resolver.store(map.build());
    let (next, _) = listener
        .connect(listener.client(), "a.test")
        .await
        .0
        .unwrap();
    assert_eq!(leaf(&next), renewed.cert[0]);
    assert_ne!(leaf(&next), old);
    server.write_all(b"still here").await.unwrap();
    server.flush().await.unwrap();
    let mut heard = [0; 10];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    assert_eq!(listener.resolver.map().len(), 1);
}

#[tokio::test]
async fn of_two_kinds_of_certificate_a_client_gets_the_one_it_can_use() {
    let listener = Listener::with(&[]);
    listener
        .resolver
        .store(default_map([legacy_rsa(), legacy_ec()]));
    for (version, suites, expected) in [
        (&TLS12, "ECDHE-RSA", legacy_rsa()),
        (&TLS12, "ECDHE-ECDSA", legacy_ec()),
        (&TLS12, "ECDHE", legacy_ec()),
        (&TLS13, "TLS_", legacy_ec()),
    ] {
        let (client, _) = listener
            .connect(limited(version, suites), "a.test")
            .await
            .0
            .unwrap();
        assert_eq!(leaf(&client), expected.cert[0], "{suites}");
    }
}

#[tokio::test]
async fn a_client_that_verifies_only_rsa_gets_rsa() {
    let listener = Listener::with(&[]);
    listener
        .resolver
        .store(default_map([legacy_ec(), legacy_rsa()]));
    let mut client = limited(&TLS13, "TLS_");
    client
        .dangerous()
        .set_certificate_verifier(Arc::new(Trusting {
            schemes: vec![SignatureScheme::RSA_PSS_SHA256],
        }));
    let (client, _) = listener.connect(client, "a.test").await.0.unwrap();
    assert_eq!(leaf(&client), legacy_rsa().cert[0]);
}

#[tokio::test]
async fn a_client_that_can_use_no_certificate_is_told_so() {
    let listener = Listener::with_key(legacy_ec());
    let (result, error) = listener
        .connect(limited(&TLS12, "ECDHE-RSA"), "a.test")
        .await;
    assert!(result.is_err());
    assert_eq!(
        alert_of(error.unwrap()),
        Some(AlertDescription::HandshakeFailure)
    );
    assert_eq!(listener.resolver.unrecognised(), 0);
}

#[tokio::test]
async fn version_1_certificates_are_served_and_taken_from_origins_that_are_not_verified() {
    for key in [legacy_rsa(), legacy_ec()] {
        let listener = Listener::with_key(Arc::clone(&key));
        for version in [&TLS12, &TLS13] {
            let client = limited(
                version,
                if std::ptr::eq(version, &TLS12) {
                    "ECDHE"
                } else {
                    "TLS_"
                },
            );
            assert!(listener.connect(client, "legacy.test").await.0.is_ok());
        }
        assert!(
            listener
                .connect(listener.trusting_client(), "legacy.test")
                .await
                .0
                .is_ok()
        );
        assert!(
            listener
                .connect(listener.client(), "legacy.test")
                .await
                .0
                .is_err(),
            "verified, it is refused"
        );
    }
}

#[tokio::test]
async fn the_key_exchange_is_post_quantum_where_the_client_can() {
    let listener = Listener::with(&["a.test"]);
    let group = |pair: &Pair| {
        pair.1
            .get_ref()
            .1
            .negotiated_key_exchange_group()
            .unwrap()
            .name()
    };
    let pair = listener
        .connect(listener.client(), "a.test")
        .await
        .0
        .unwrap();
    assert_eq!(group(&pair), NamedGroup::X25519MLKEM768);
    let mut provider = CryptoProvider::clone(&seawall_tls::provider());
    provider
        .kx_groups
        .retain(|group| group.name() != NamedGroup::X25519MLKEM768);
    let pair = listener
        .connect(with_provider(provider, &TLS13), "a.test")
        .await
        .0
        .unwrap();
    assert_eq!(group(&pair), NamedGroup::X25519);
}

#[tokio::test]
async fn versions_and_ciphers_have_openssls_names() {
    let listener = Listener::with(&["a.test"]);
    for (version, suite, name) in [
        (
            &TLS12,
            "ECDHE-ECDSA-AES128",
            "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            &TLS13,
            "TLS_CHACHA20",
            "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let (_, server) = listener
            .connect(limited(version, suite), "a.test")
            .await
            .0
            .unwrap();
        let connection = server.get_ref().1;
        let protocol = openssl_protocol_name(connection.protocol_version().unwrap());
        let cipher = openssl_cipher_name(connection.negotiated_cipher_suite().unwrap().suite());
        assert_eq!(format!("{protocol} {cipher}"), name);
    }
}

#[tokio::test]
async fn protocols_are_negotiated_by_the_listeners_preference() {
    let listener = Listener::with(&["a.test"]);
    let negotiated = async |offered: &[&[u8]]| {
        let mut client = listener.client();
        client.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let (_, server) = listener.connect(client, "a.test").await.0.ok()?;
        Some(server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(
        negotiated(&[b"http/1.1", b"h2"]).await,
        Some(Some(b"h2".to_vec()))
    );
    assert_eq!(
        negotiated(&[b"http/1.1"]).await,
        Some(Some(b"http/1.1".to_vec()))
    );
    assert_eq!(negotiated(&[]).await, Some(None));
    assert_eq!(
        negotiated(&[b"gopher"]).await,
        None,
        "RFC 7301 §3.2: no_application_protocol"
    );
}

#[tokio::test]
async fn sessions_are_resumed_by_ticket_alone_and_across_a_swap_of_certificates() {
    for (version, suites) in [(&TLS12, "ECDHE"), (&TLS13, "TLS_")] {
        let mut listener = Listener::with(&["a.test"]);
        let mut forgetful = ServerConfig::clone(&listener.config);
        forgetful.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        listener.config = Arc::new(forgetful);
        let client = Arc::new(limited(version, suites));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let (mut client, mut server) = listener
                .connect_shared(Arc::clone(&client), "a.test")
                .await
                .0
                .unwrap();
            // In TLS 1.3 the tickets come after the handshake.
            server.write_all(b"x").await.unwrap();
            server.flush().await.unwrap();
            client.read_exact(&mut [0]).await.unwrap();
            kinds.push(server.get_ref().1.handshake_kind().unwrap());
            listener
                .resolver
                .store(map_of(&listener.ca, &["a.test", "*"]));
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
}

#[tokio::test]
async fn what_is_not_tls_is_an_error() {
    let listener = Listener::with(&["a.test"]);
    let hellos: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"",
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0],
        &[22, 3, 1, 255, 255],
        &[0; 600],
    ];
    for hello in hellos {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        near.write_all(hello).await.unwrap();
        near.shutdown().await.unwrap();
        assert!(
            accept(
                far,
                &listener.config,
                &listener.resolver,
                &listener.challenges
            )
            .await
            .is_err()
        );
    }
}

#[test]
fn origins_cannot_be_verified_by_nothing() {
    assert!(matches!(
        client_config(&ClientOptions {
            ca_pem: Some(b""),
            verify: true,
            ..ClientOptions::default()
        }),
        Err(TlsError::NoCertificate)
    ));
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        client_config(&ClientOptions {
            ca_pem: Some(bad),
            verify: true,
            ..ClientOptions::default()
        }),
        Err(TlsError::BadCertificate { position: 1, .. })
    ));
}
