//! The CA's files: atomic, durable, private.

use crate::{error::TlsError, limits::CA_FILE_BYTES_MAX};
use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::{Builder, NamedTempFile};

const SECRET_FILE: &str = "ca-key.pem";
const CERTIFICATE_FILE: &str = "ca.pem";

#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Makes the directory if it does not exist.
    pub(super) fn in_directory(dir: &Path) -> Result<Self, TlsError> {
        fs::create_dir_all(dir).map_err(|source| failed("create the directory", dir, source))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    pub(super) fn certificate_path(&self) -> PathBuf {
        self.dir.join(CERTIFICATE_FILE)
    }

    fn secret_path(&self) -> PathBuf {
        self.dir.join(SECRET_FILE)
    }

    /// The error for a file that can be read but not used.
    pub(super) fn bad(&self, reason: String) -> TlsError {
        TlsError::BadCa {
            path: self.secret_path(),
            reason,
        }
    }

    /// Key and certificate, or `None` if there are none yet. Permissions that let others read the key are taken away.
    pub(super) fn read(&self) -> Result<Option<String>, TlsError> {
        let path = self.secret_path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed("open", &path, source)),
        };
        let metadata = file
            .metadata()
            .map_err(|source| failed("read", &path, source))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            let private = Permissions::from_mode(0o600);
            file.set_permissions(private)
                .map_err(|source| failed("make private", &path, source))?;
        }
        let mut pem = String::new();
        let read = file.take(CA_FILE_BYTES_MAX + 1).read_to_string(&mut pem);
        match read {
            Ok(length) if length as u64 > CA_FILE_BYTES_MAX => {
                Err(self.bad("it is too large".into()))
            }
            Ok(_) => Ok(Some(pem)),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(self.bad("it is not text".into()))
            }
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    /// Writes key and certificate, unless another process was faster: gives what is in force.
    pub(super) fn create(&self, pem: &str) -> Result<String, TlsError> {
        let path = self.secret_path();
        let written = self
            .temporary(pem, 0o600)
            .map_err(|source| failed("write", &path, source))?;
        match written.persist_noclobber(&path) {
            Ok(_) => {
                self.sync()?;
                Ok(pem.to_owned())
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                let theirs = self.read()?;
                theirs.ok_or_else(|| failed("read", &path, ErrorKind::NotFound.into()))
            }
            Err(error) => Err(failed("write", &path, error.error)),
        }
    }

    /// Makes `ca.pem` hold the certificate, for everybody to read.
    pub(super) fn publish(&self, certificate_pem: &str) -> Result<(), TlsError> {
        let path = self.certificate_path();
        if fs::read(&path).is_ok_and(|known| known == certificate_pem.as_bytes()) {
            return Ok(());
        }
        let written = self
            .temporary(certificate_pem, 0o644)
            .map_err(|source| failed("write", &path, source))?;
        written
            .persist(&path)
            .map_err(|error| failed("write", &path, error.error))?;
        self.sync()
    }

    /// A file beside its place to be, with its bytes on the disk. It is removed again unless persisted; what a crash
    /// leaves has a name that nobody reads.
    fn temporary(&self, text: &str, mode: u32) -> io::Result<NamedTempFile> {
        let mut builder = Builder::new();
        let mut file = builder
            .prefix(".ca-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.dir)?;
        file.write_all(text.as_bytes())?;
        // Not at creation, where the umask would narrow it.
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Puts the directory's entries on the disk too.
    fn sync(&self) -> Result<(), TlsError> {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|source| failed("sync", &self.dir, source))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> TlsError {
    TlsError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
