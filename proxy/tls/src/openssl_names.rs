//! OpenSSL's names, which nginx's `$ssl_cipher` and `$ssl_protocol` have.

use rustls::{CipherSuite, ProtocolVersion};

/// OpenSSL's name of a cipher suite that [`provider`](crate::provider) has; `UNKNOWN` for another.
pub fn openssl_cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        // OpenSSL has the standard's names for TLS 1.3.
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "UNKNOWN",
    }
}

/// OpenSSL's name of a protocol version.
pub fn openssl_protocol_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_we_speak_has_a_name_of_its_own() {
        let suites = crate::provider().cipher_suites.clone();
        let mut names: Vec<_> = suites
            .iter()
            .map(|suite| openssl_cipher_name(suite.suite()))
            .collect();
        assert!(!names.contains(&"UNKNOWN"));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), suites.len());
        assert_eq!(
            openssl_cipher_name(CipherSuite::TLS_NULL_WITH_NULL_NULL),
            "UNKNOWN"
        );
    }
}
