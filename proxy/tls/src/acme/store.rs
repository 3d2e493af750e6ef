//! Where accounts and certificates are kept: `accounts/` and `certificates/` in a directory that only we may enter, each
//! in one file, so that a key and its certificate are never of two ages.

use super::{limits::FILE_BYTES_MAX, schedule::Validity};
use crate::{certificate, durable, error::TlsError, provider::sha256};
use rustls::sign::CertifiedKey;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

/// A certificate that may be served.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

impl Store {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Makes the directories, and removes what a crash left half written.
    pub(super) fn prepare(&self) -> Result<(), TlsError> {
        for directory in [self.accounts(), self.certificates()] {
            durable::private_directory(&directory)?;
            durable::sweep(&directory);
        }
        Ok(())
    }

    fn accounts(&self) -> PathBuf {
        self.directory.join("accounts")
    }

    fn certificates(&self) -> PathBuf {
        self.directory.join("certificates")
    }

    /// The account at a CA, as the client library writes it.
    pub(super) fn account(&self, directory: &str) -> Result<Option<Vec<u8>>, TlsError> {
        durable::read(&self.account_path(directory), FILE_BYTES_MAX)
    }

    pub(super) fn put_account(&self, directory: &str, json: &[u8]) -> Result<(), TlsError> {
        self.prepare()?;
        durable::write(&self.account_path(directory), json)
    }

    /// Whether there is room for an account.
    pub(super) fn probe(&self) -> Result<(), TlsError> {
        self.prepare()?;
        let path = self.accounts().join("room");
        let written = durable::write(&path, &[b' '; 4096]);
        // Where it was not written there is nothing to remove.
        let _ = std::fs::remove_file(&path);
        written
    }

    /// Forgets an account that the CA no longer knows; its file is kept beside for whoever wants to know.
    pub(super) fn retire_account(&self, directory: &str) {
        let path = self.account_path(directory);
        // Where it cannot be renamed, the next order fails in the same way and says so.
        let _ = std::fs::rename(&path, path.with_extension("json.retired"));
    }

    fn account_path(&self, directory: &str) -> PathBuf {
        let name = format!("{}.json", digest(directory.as_bytes()));
        self.accounts().join(name)
    }

    /// The certificate for these names, if there is one that fits its key.
    pub(super) fn certificate(&self, names: &[String]) -> Result<Option<Stored>, TlsError> {
        let path = self.certificate_path(names);
        let Some(pem) = durable::read(&path, FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        let key = certificate::certified_key(&pem, &pem)?;
        let validity = certificate::validity(&key).ok_or(TlsError::BadCertificate {
            position: 1,
            reason: "its validity cannot be read".into(),
        })?;
        Ok(Some(Stored { key, validity }))
    }

    /// Puts key and chain in place, on the disk for good when this returns.
    pub(super) fn put_certificate(
        &self,
        names: &[String],
        key_pem: &str,
        chain_pem: &str,
    ) -> Result<PathBuf, TlsError> {
        self.prepare()?;
        let path = self.certificate_path(names);
        durable::write(&path, format!("{key_pem}{chain_pem}").as_bytes())?;
        Ok(path)
    }

    fn certificate_path(&self, names: &[String]) -> PathBuf {
        let first = names.first().map_or("", String::as_str);
        let readable: String = first
            .chars()
            .map(|c| match c {
                'a'..='z' | '0'..='9' | '-' | '.' => c,
                _ => '_',
            })
            .take(100)
            .collect();
        let name = format!("{readable}-{}.pem", digest(names.join(" ").as_bytes()));
        self.certificates().join(name)
    }
}

fn digest(bytes: &[u8]) -> String {
    sha256(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    fn pair(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.signing_key.serialize_pem(), made.cert.pem())
    }

    #[test]
    fn what_is_put_is_private_and_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(&directory.path().join("acme"));
        let wanted = names(&["*.a.test", "a.test"]);
        assert!(store.certificate(&wanted).unwrap().is_none());
        let (key, chain) = pair("a.test");
        let path = store.put_certificate(&wanted, &key, &chain).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let parent = path.parent().unwrap().metadata().unwrap();
        assert_eq!(parent.permissions().mode() & 0o777, 0o700);
        assert!(store.certificate(&wanted).unwrap().is_some());
        assert!(store.certificate(&names(&["a.test"])).unwrap().is_none());
        store.put_account("https://ca.test/dir", b"{}").unwrap();
        assert_eq!(
            store.account("https://ca.test/dir").unwrap().unwrap(),
            b"{}"
        );
        assert!(store.account("https://other.test/dir").unwrap().is_none());
        store.retire_account("https://ca.test/dir");
        assert!(store.account("https://ca.test/dir").unwrap().is_none());
    }

    #[test]
    fn a_key_of_another_certificate_is_never_given_out() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        let wanted = names(&["a.test"]);
        let ((key, _), (_, chain)) = (pair("a.test"), pair("a.test"));
        store.put_certificate(&wanted, &key, &chain).unwrap();
        assert!(matches!(
            store.certificate(&wanted),
            Err(TlsError::KeyMismatch { .. })
        ));
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_directory() {
        let store = Store::new(Path::new("/s"));
        let path = store.certificate_path(&names(&["../../etc/x\0"]));
        assert_eq!(path.parent().unwrap(), Path::new("/s/certificates"));
    }

    #[test]
    fn what_a_crash_left_is_swept_and_never_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path());
        store.prepare().unwrap();
        let left = store.certificates().join(".new-x.tmp");
        std::fs::write(&left, "half").unwrap();
        store.prepare().unwrap();
        assert!(!left.exists());
    }
}
