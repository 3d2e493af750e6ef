//! The internal CA: certificates for names that no public CA would sign.
//!
//! One file, `ca-key.pem` (mode 0600), holds the root's key and certificate, so that either both exist or neither;
//! `ca.pem` is a copy of the certificate for people and clients, restored whenever it is missing or differs. The file is
//! written under another name, synced, and linked into place, which fails if somebody was faster: of two processes that
//! start at once one makes the CA and both use it. A file that cannot be used is an error and is never replaced, since
//! clients may trust its root.

mod files;
mod issue;

use crate::{error::TlsError, limits::ISSUED_MAX, provider::sha256};
use files::Files;
use issue::Root;
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// A private certificate authority kept in a directory.
#[derive(Debug)]
pub struct InternalCa {
    files: Files,
    root: Root,
    /// By their sorted names. Kept in memory only: after a restart they are issued anew, within a millisecond each.
    issued: Mutex<HashMap<Vec<String>, IssuedCertificate>>,
}

/// A certificate of the internal CA.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// The certificate with its key.
    pub key: Arc<CertifiedKey>,
    /// When it becomes valid.
    pub not_before: SystemTime,
    /// When it expires.
    pub not_after: SystemTime,
}

impl IssuedCertificate {
    /// Whether two thirds of its life have passed.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        self.not_before
            .checked_add(life / 3 * 2)
            .is_none_or(|due| now >= due)
    }
}

impl InternalCa {
    /// Opens the CA in a directory; both are made if they do not exist.
    pub fn open_or_create(dir: &Path) -> Result<Self, TlsError> {
        let files = Files::in_directory(dir)?;
        let pem = match files.read()? {
            Some(pem) => pem,
            None => files.create(&Root::generate(SystemTime::now())?)?,
        };
        let root = Root::from_pem(&pem).map_err(|reason| files.bad(reason))?;
        files.publish(root.certificate_pem())?;
        Ok(Self {
            files,
            root,
            issued: Mutex::default(),
        })
    }

    /// A certificate for DNS names, wildcards and IP addresses, valid for 90 days from now on (or as long as the root,
    /// if that is less). One that was issued before for the same names is given again until it needs renewal.
    pub fn issue(&self, names: &[&str]) -> Result<IssuedCertificate, TlsError> {
        self.issue_at(names, SystemTime::now())
    }

    /// [`issue`](Self::issue), by the caller's clock.
    pub fn issue_at(&self, names: &[&str], now: SystemTime) -> Result<IssuedCertificate, TlsError> {
        let mut wanted: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if let Some(known) = self
            .issued
            .lock()
            .get(&wanted)
            .filter(|known| !known.needs_renewal(now))
        {
            return Ok(known.clone());
        }
        if now >= self.root.not_after() {
            return Err(TlsError::RootExpired(self.root_path()));
        }
        // Two threads may issue the same at once: both certificates are good, one is kept.
        let fresh = self.root.issue(names, now)?;
        let mut issued = self.issued.lock();
        if issued.len() >= ISSUED_MAX {
            issued.clear();
        }
        issued.insert(wanted, fresh.clone());
        Ok(fresh)
    }

    /// Where clients find the root: `ca.pem`.
    pub fn root_path(&self) -> PathBuf {
        self.files.certificate_path()
    }

    /// The root, as PEM.
    pub fn root_pem(&self) -> &str {
        self.root.certificate_pem()
    }

    /// When the root expires.
    pub fn root_not_after(&self) -> SystemTime {
        self.root.not_after()
    }
}

/// A few characters that tell one CA's name from another's.
fn short_fingerprint(bytes: &[u8]) -> String {
    sha256(bytes)
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
