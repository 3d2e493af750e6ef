//! Keys that are kept in the state directory, so that what they sign outlives the process: all workers, and both binaries
//! of an upgrade, have the same.

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// A key that ends with the process.
pub fn process_key() -> [u8; KEY_BYTES] {
    static KEY: std::sync::OnceLock<[u8; KEY_BYTES]> = std::sync::OnceLock::new();
    *KEY.get_or_init(|| fresh_key().unwrap_or_default())
}

fn fresh_key() -> Option<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).ok()?;
    Some(key)
}

/// The key of a file; made where there is none, for its owner alone.
///
/// # Errors
/// A file that cannot be read or written, or that holds something else.
pub fn kept_key(path: &std::path::Path) -> std::io::Result<[u8; KEY_BYTES]> {
    use std::{fs, io, io::Write, os::unix::fs::OpenOptionsExt};
    let wrong = || {
        io::Error::other(format!(
            "{} does not hold {KEY_BYTES} bytes",
            path.display()
        ))
    };
    let read =
        || -> io::Result<[u8; KEY_BYTES]> { fs::read(path)?.try_into().map_err(|_| wrong()) };
    match read() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        known => return known,
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let key = fresh_key().ok_or_else(|| io::Error::other("the system gives no random bytes"))?;
    // Written apart and linked into place: another process sees the whole key or none, and the first one wins.
    let apart = path.with_extension(format!("{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&apart)?;
    file.write_all(&key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&apart, path);
    fs::remove_file(&apart)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => read(),
    }
}
