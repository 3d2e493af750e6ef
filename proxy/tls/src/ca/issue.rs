//! The root, and what it signs.

use super::{IssuedCertificate, short_fingerprint};
use crate::{
    certificate,
    error::TlsError,
    limits::{CLOCK_SKEW, LEAF_LIFETIME, LEAF_NAMES_MAX, ROOT_LIFETIME},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::{DnsName, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{fmt, net::IpAddr, time::SystemTime};

/// Bytes of a common name (RFC 5280, `ub-common-name`).
const COMMON_NAME_BYTES_MAX: usize = 64;

/// The root's key and certificate.
pub(super) struct Root {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    not_after: SystemTime,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Root {
    /// A new root as the text of its file: ECDSA on P-256, for ten years, for leaves only.
    pub(super) fn generate(now: SystemTime) -> Result<String, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // Two installations' roots must differ by name: clients look issuers up by it.
        let name = format!("Seawall internal CA {}", short_fingerprint(key.der_bytes()));
        params.distinguished_name = common_name(&name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - CLOCK_SKEW).into();
        params.not_after = (now + ROOT_LIFETIME).into();
        let certificate = params.self_signed(&key)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// The root from the text of its file, or what is wrong with it.
    pub(super) fn from_pem(pem: &str) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "its key is missing or damaged")?;
        // The same checks as for any certificate: above all, that the key is this certificate's.
        let pair = certificate::certified_key(pem.as_bytes(), pem.as_bytes())
            .map_err(|error| error.to_string())?;
        let [der] = pair.cert.as_slice() else {
            return Err("it must hold one certificate".into());
        };
        let not_after = certificate::not_after(&pair).ok_or("its validity cannot be read")?;
        let key = KeyPair::try_from(&key).map_err(|error| error.to_string())?;
        let issuer = Issuer::from_ca_cert_der(der, key).map_err(|error| error.to_string())?;
        let certificate_pem = certificate_section(pem).ok_or("its certificate is missing")?;
        Ok(Self {
            issuer,
            certificate_pem: certificate_pem.to_owned(),
            not_after,
        })
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(super) fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// A certificate for these names with a key of its own.
    pub(super) fn issue(
        &self,
        names: &[&str],
        now: SystemTime,
    ) -> Result<IssuedCertificate, TlsError> {
        if names.is_empty() || names.len() > LEAF_NAMES_MAX {
            return Err(TlsError::NameCount(names.len()));
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| alternative(name))
            .collect::<Result<_, _>>()?;
        let short = names
            .iter()
            .find(|name| name.len() <= COMMON_NAME_BYTES_MAX);
        params.distinguished_name = common_name(&short.unwrap_or(&"Seawall").to_ascii_lowercase());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let not_before = now - CLOCK_SKEW;
        let not_after = (now + LEAF_LIFETIME).min(self.not_after);
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let leaf = params.signed_by(&key, &self.issuer)?;
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = certificate::from_der(vec![leaf.der().clone()], secret)?;
        Ok(IssuedCertificate {
            key,
            not_before,
            not_after,
        })
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// A subject alternative name.
fn alternative(name: &str) -> Result<SanType, TlsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad = || TlsError::BadName(name.to_owned());
    let host = name.strip_prefix("*.").unwrap_or(name);
    DnsName::try_from(host).map_err(|_| bad())?;
    Ok(SanType::DnsName(
        name.to_ascii_lowercase().try_into().map_err(|_| bad())?,
    ))
}

/// The certificate's lines in the file.
fn certificate_section(pem: &str) -> Option<&str> {
    const END: &str = "-----END CERTIFICATE-----";
    let start = pem.find("-----BEGIN CERTIFICATE-----")?;
    let end = pem.get(start..)?.find(END)? + start + END.len();
    // With its newline, where it has one.
    let end = if pem.get(end..end + 1) == Some("\n") {
        end + 1
    } else {
        end
    };
    pem.get(start..end)
}
