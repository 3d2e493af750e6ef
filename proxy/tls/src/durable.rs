//! Small private files that are there whole or not at all, whatever happens while they are written.

use crate::error::TlsError;
use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};
use tempfile::{Builder, NamedTempFile};

/// Makes a directory that only its owner may enter.
pub(crate) fn private_directory(path: &Path) -> Result<(), TlsError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| failed("create the directory", path, source))
}

/// Puts a file (mode 0600) in place: written beside it, synced, renamed, and the directory synced. After a crash there is
/// the old file or the new one; what was being written has a name that nobody reads, and is removed by [`sweep`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    let directory = path
        .parent()
        .ok_or_else(|| failed("write", path, ErrorKind::InvalidInput.into()))?;
    let written = temporary(directory, bytes).map_err(|source| failed("write", path, source))?;
    written
        .persist(path)
        .map_err(|error| failed("write", path, error.error))?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| failed("sync", directory, source))
}

/// A file of at most `bytes_max`, or `None` if there is none. Permissions that let others read it are taken away.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, TlsError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("open", path, source)),
    };
    let mode = file
        .metadata()
        .map_err(|source| failed("read", path, source))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(|source| failed("make private", path, source))?;
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| failed("read", path, source))?;
    if bytes.len() as u64 > bytes_max {
        let source = io::Error::new(ErrorKind::InvalidData, "it is too large");
        return Err(failed("read", path, source));
    }
    Ok(Some(bytes))
}

/// Removes what a crash left half written.
pub(crate) fn sweep(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            // One that stays is read by nobody.
            let _ = fs::remove_file(entry.path());
        }
    }
}

const PREFIX: &str = ".new-";
const SUFFIX: &str = ".tmp";

fn temporary(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = Builder::new()
        .prefix(PREFIX)
        .suffix(SUFFIX)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> TlsError {
    TlsError::File {
        action,
        path: path.to_owned(),
        source,
    }
}
