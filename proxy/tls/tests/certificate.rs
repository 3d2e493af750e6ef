//! Reading certificates and keys as operators have them.

use seawall_tls::{TlsError, certified_key, limits, names, not_after};
use std::time::{Duration, SystemTime};

const RSA: &[u8] = include_bytes!("fixtures/v1-rsa.pem");
const RSA_PKCS1: &[u8] = include_bytes!("fixtures/v1-rsa.key.pem");
const RSA_PKCS8: &[u8] = include_bytes!("fixtures/v1-rsa.pkcs8.pem");
const EC: &[u8] = include_bytes!("fixtures/v1-ec.pem");
const EC_SEC1: &[u8] = include_bytes!("fixtures/v1-ec.key.pem");
const EC_ENCRYPTED: &[u8] = include_bytes!("fixtures/v1-ec.encrypted.pem");
const ED25519: &[u8] = include_bytes!("fixtures/ed25519.pem");
const ED25519_KEY: &[u8] = include_bytes!("fixtures/ed25519.key.pem");

fn refusal(chain: &[u8], key: &[u8]) -> TlsError {
    certified_key(chain, key).expect_err("it should be refused")
}

#[test]
fn every_form_of_key_is_read() {
    for (chain, key) in [
        (RSA, RSA_PKCS1),
        (RSA, RSA_PKCS8),
        (EC, EC_SEC1),
        (ED25519, ED25519_KEY),
    ] {
        assert!(certified_key(chain, key).is_ok());
    }
}

#[test]
fn a_key_and_its_certificate_may_stand_in_one_file() {
    let both = [EC_SEC1, EC].concat();
    assert_eq!(certified_key(&both, &both).unwrap().cert.len(), 1);
}

#[test]
fn a_key_of_another_certificate_is_refused_and_both_are_named() {
    let error = refusal(RSA, EC_SEC1);
    assert!(matches!(error, TlsError::KeyMismatch { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with("the private key (ECDSA, SHA-256 "),
        "{text}"
    );
    assert!(
        text.contains("does not belong to the certificate of legacy.test (RSA, SHA-256 "),
        "{text}"
    );
}

#[test]
fn the_leaf_comes_first_and_only_the_leaf_has_the_key() {
    assert_eq!(
        certified_key(&[EC, RSA].concat(), EC_SEC1)
            .unwrap()
            .cert
            .len(),
        2
    );
    assert!(matches!(
        refusal(&[RSA, EC].concat(), EC_SEC1),
        TlsError::KeyMismatch { .. }
    ));
}

#[test]
fn what_is_missing_is_named() {
    assert!(matches!(refusal(b"", EC_SEC1), TlsError::NoCertificate));
    assert!(matches!(refusal(EC_SEC1, EC_SEC1), TlsError::NoCertificate));
    assert!(matches!(refusal(EC, b""), TlsError::NoKey));
    assert!(matches!(refusal(EC, EC), TlsError::NoKey));
    assert!(matches!(refusal(EC, EC_ENCRYPTED), TlsError::EncryptedKey));
    assert!(
        refusal(EC, EC_ENCRYPTED)
            .to_string()
            .contains("openssl pkey")
    );
}

#[test]
fn a_broken_certificate_is_named_by_its_place() {
    let cut = &EC[..EC.len() / 2];
    assert!(matches!(
        refusal(cut, EC_SEC1),
        TlsError::NoCertificate | TlsError::BadCertificate { .. }
    ));
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = refusal(&[EC, bad].concat(), EC_SEC1);
    assert!(
        matches!(error, TlsError::BadCertificate { position: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_chain_past_the_limit_is_refused() {
    assert!(certified_key(&EC.repeat(limits::CHAIN_MAX), EC_SEC1).is_ok());
    assert!(matches!(
        refusal(&EC.repeat(limits::CHAIN_MAX + 1), EC_SEC1),
        TlsError::ChainTooLong(17)
    ));
}

#[test]
fn names_are_the_alternative_names_or_else_the_common_name() {
    let key = certified_key(ED25519, ED25519_KEY).unwrap();
    assert_eq!(names(&key), ["ed.test", "192.0.2.1", "2001:db8::1"]);
    assert_eq!(
        names(&certified_key(RSA, RSA_PKCS1).unwrap()),
        ["legacy.test"]
    );
}

#[test]
fn the_end_of_validity_is_read() {
    let not_after = not_after(&certified_key(RSA, RSA_PKCS1).unwrap()).unwrap();
    assert!(not_after > SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000));
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    // Every place is hit once, with a step that is no multiple of a line's length.
    for (chain, key) in [(RSA, RSA_PKCS1), (EC, EC_SEC1), (ED25519, ED25519_KEY)] {
        for at in (0..chain.len()).step_by(7) {
            let mut damaged = chain.to_vec();
            damaged[at] = damaged[at].wrapping_add(1);
            if let Ok(read) = certified_key(&damaged, key) {
                names(&read);
                not_after(&read);
            }
            let _ = certified_key(&chain[..at], key);
        }
        for at in (0..key.len()).step_by(29) {
            let mut damaged = key.to_vec();
            damaged[at] = damaged[at].wrapping_add(1);
            let _ = certified_key(chain, &damaged);
        }
    }
}
