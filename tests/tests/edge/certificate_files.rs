//! Certificates that others write: watched, exchanged, and never worse than the one before.

use seawall_tests::{Edge, Running, eventually, tls};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Arc, Mutex},
};

fn served_from(certificate: &str, key: &str, more: &str, prepare: impl FnOnce(&Edge)) -> Running {
    let edge = Edge::yaml(format!(
        "listen: [{{ https: \"@https@\" }}]
sites: [{{ host: a.test, tls: {{ certificate: {certificate}, key: {key}{more} }}, respond: {{ status: 200, body: a }} }}]"
    ));
    prepare(&edge);
    edge.start()
}

fn shown(edge: &Running, trusted: &Path) -> Option<Vec<u8>> {
    let session = tls::connect(edge.address("https"), "a.test", trusted).ok()?;
    Some(session.certificate)
}

/// Puts a link in the place of another, as certbot does.
fn relink(target: &str, link: &Path) {
    let next = link.with_file_name("next-link");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}

#[test]
fn certbots_links_are_followed_when_they_are_exchanged() {
    let edge = served_from("live/cert.pem", "live/key.pem", "", |edge| {
        fs::create_dir_all(edge.path("archive")).unwrap();
        fs::create_dir_all(edge.path("live")).unwrap();
        tls::write_certificate(
            "a.test",
            &edge.path("archive/cert1.pem"),
            &edge.path("archive/key1.pem"),
        );
        symlink("../archive/cert1.pem", edge.path("live/cert.pem")).unwrap();
        symlink("../archive/key1.pem", edge.path("live/key.pem")).unwrap();
    });
    let first = shown(&edge, &edge.path("archive/cert1.pem")).unwrap();
    tls::write_certificate(
        "a.test",
        &edge.path("archive/cert2.pem"),
        &edge.path("archive/key2.pem"),
    );
    relink("../archive/cert2.pem", &edge.path("live/cert.pem"));
    // Between the two the pair does not fit: the one before serves on.
    edge.logged("does not belong to the certificate");
    assert_eq!(
        shown(&edge, &edge.path("archive/cert1.pem")).unwrap(),
        first
    );
    relink("../archive/key2.pem", &edge.path("live/key.pem"));
    eventually("the second certificate", || {
        shown(&edge, &edge.path("archive/cert2.pem"))
    });
}

#[test]
fn a_link_to_the_directory_is_followed_when_it_is_exchanged() {
    let edge = served_from("certs/cert.pem", "certs/key.pem", "", |edge| {
        for n in ["..1", "..2"] {
            let directory = edge.path("certs").join(n);
            fs::create_dir_all(&directory).unwrap();
            tls::write_certificate(
                "a.test",
                &directory.join("cert.pem"),
                &directory.join("key.pem"),
            );
        }
        symlink("..1", edge.path("certs/..data")).unwrap();
        symlink("..data/cert.pem", edge.path("certs/cert.pem")).unwrap();
        symlink("..data/key.pem", edge.path("certs/key.pem")).unwrap();
    });
    assert!(shown(&edge, &edge.path("certs/..1/cert.pem")).is_some());
    relink("..2", &edge.path("certs/..data"));
    eventually("the other directory", || {
        shown(&edge, &edge.path("certs/..2/cert.pem"))
    });
}

/// What was stapled, as a client sees it.
#[derive(Debug, Default)]
struct Stapled(Mutex<Vec<u8>>);

impl rustls::client::danger::ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        ocsp: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = ocsp.to_vec();
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn staple(edge: &Running) -> Vec<u8> {
    let seen = Arc::new(Stapled::default());
    let trusted = edge.path("a.pem");
    let config = tls::trusting(&trusted, &[b"http/1.1"]).unwrap();
    let mut config = rustls::ClientConfig::clone(&config);
    config.dangerous().set_certificate_verifier(seen.clone());
    tls::shake(edge.address("https"), "a.test", Arc::new(config)).unwrap();
    std::mem::take(&mut *seen.0.lock().unwrap())
}

#[test]
fn an_ocsp_response_is_stapled_and_one_that_is_none_is_left_out() {
    let edge = served_from("a.pem", "a.key", ", ocsp: a.ocsp", |edge| {
        tls::write_certificate("a.test", &edge.path("a.pem"), &edge.path("a.key"));
        edge.write("a.ocsp", [0x30, 3, 0x0a, 1, 0]);
    });
    assert_eq!(staple(&edge), [0x30, 3, 0x0a, 1, 0]);
    edge.write("a.ocsp", "-----BEGIN OCSP RESPONSE-----");
    edge.logged("cannot staple");
    eventually("a handshake without it", || {
        staple(&edge).is_empty().then_some(())
    });
}
