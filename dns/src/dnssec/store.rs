//! Where keys and their states are kept: one small file a zone, replaced as a whole, so that a crash leaves the file
//! of before or of after and nothing between.
//!
//! A line is a key: `key ROLE ALGORITHM STATE since=SECONDS born=SECONDS delegated=BOOL private=BASE64 public=BASE64`.

use super::key::{Algorithm, Key};
use super::rollover::{Keyring, Managed, Role, State};
use crate::{Error, Name};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keys of one zone that are read; a file with more is no file of ours.
const KEYS_MAX: usize = 64;
/// Bytes of a file of keys.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Keeps the keys of one zone.
pub trait KeyStore: Send {
    /// What was kept last; `None` if nothing was.
    fn load(&self) -> io::Result<Option<String>>;
    /// Keeps this instead, whole or not at all, and returns when it would survive a power cut.
    fn replace(&mut self, text: &str) -> io::Result<()>;
    /// Where it is, for people.
    fn place(&self) -> String;
}

/// Keys in a file that only its owner can read.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file of a zone in a directory, which is made if it is missing.
    pub fn of(directory: &Path, zone: &str) -> Self {
        let zone = zone.trim_end_matches('.').to_ascii_lowercase();
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let zone: String = zone
            .chars()
            .map(|c| if safe(c) { c } else { '_' })
            .collect();
        Self {
            path: directory.join(format!("{zone}.keys")),
        }
    }
}

impl KeyStore for KeyFile {
    fn load(&self) -> io::Result<Option<String>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)?;
        Ok(Some(text))
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let new = self.path.with_extension("keys.new");
        // A leftover of a crash may be anything, with any mode.
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(directory)?.sync_all()
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Writes a ring as text.
pub(crate) fn write(ring: &Keyring, origin: &Name) -> String {
    let mut text = format!(
        "# The keys that sign {origin} and where they are in their lives. Keep it secret.\n"
    );
    if let Some(serial) = ring.serial {
        let _ = writeln!(text, "serial {serial}");
    }
    let _ = writeln!(text, "ttl {}", ring.ttl_max);
    for key in &ring.keys {
        let number = key.key.algorithm.number();
        let _ = write!(
            text,
            "key {} {number} {}",
            key.role.name(),
            key.state.name()
        );
        if let Some(since) = key.since {
            let _ = write!(text, " since={since}");
        }
        if let Some(born) = key.born {
            let _ = write!(text, " born={born}");
        }
        let _ = writeln!(
            text,
            " delegated={} private={} public={}",
            key.delegated,
            STANDARD.encode(key.key.private()),
            STANDARD.encode(key.key.public())
        );
    }
    text
}

/// Reads a ring; says which line is wrong.
pub(crate) fn read(text: &str) -> Result<Keyring, String> {
    let mut ring = Keyring::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        read_line(line, &mut ring).ok_or_else(|| format!("line {} cannot be read", number + 1))?;
        if ring.keys.len() > KEYS_MAX {
            return Err(format!("there are more than {KEYS_MAX} keys"));
        }
    }
    let entry = ring.keys.iter().any(|k| k.role != Role::Zsk);
    let zone = ring
        .keys
        .iter()
        .any(|k| k.role == Role::Csk || (k.role == Role::Zsk && k.state == State::Active));
    if entry && zone {
        Ok(ring)
    } else {
        Err("it lacks a key that signs keys or one that signs the zone".to_owned())
    }
}

fn read_line(line: &str, ring: &mut Keyring) -> Option<()> {
    let mut words = line.split_ascii_whitespace();
    match words.next()? {
        "serial" => ring.serial = Some(words.next()?.parse().ok()?),
        "ttl" => ring.ttl_max = words.next()?.parse().ok()?,
        "key" => ring.keys.push(read_key(words)?),
        _ => return None,
    }
    Some(())
}

fn read_key<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Managed> {
    let role = words.next()?;
    let role = [Role::Ksk, Role::Zsk, Role::Csk]
        .into_iter()
        .find(|r| r.name() == role)?;
    let algorithm = Algorithm::from_number(words.next()?.parse().ok()?)?;
    let state = words.next()?;
    let states = [
        State::Published,
        State::Submitted,
        State::Active,
        State::Retired,
    ];
    let state = states.into_iter().find(|s| s.name() == state)?;
    let (mut since, mut born, mut delegated) = (None, None, false);
    let (mut private, mut public) = (Vec::new(), Vec::new());
    for word in words {
        let (name, value) = word.split_once('=')?;
        match name {
            "since" => since = Some(value.parse().ok()?),
            "born" => born = Some(value.parse().ok()?),
            "delegated" => delegated = value.parse().ok()?,
            "private" => private = STANDARD.decode(value).ok()?,
            "public" => public = STANDARD.decode(value).ok()?,
            _ => return None,
        }
    }
    let key = Key::from_parts(algorithm, role != Role::Zsk, &private, &public).ok()?;
    Some(Managed {
        key: Arc::new(key),
        role,
        state,
        since,
        born,
        delegated,
    })
}

/// Loads what is kept, or makes the first keys and keeps them.
pub(crate) fn open(
    store: &mut dyn KeyStore,
    origin: &Name,
    first: impl FnOnce() -> Result<Keyring, Error>,
) -> Result<Keyring, Error> {
    let kept = store.load();
    match kept.map_err(|e| failed(store, origin, "read", &e.to_string()))? {
        Some(text) => read(&text).map_err(|e| failed(store, origin, "read", &e)),
        None => {
            let ring = first()?;
            save(store, origin, &ring)?;
            Ok(ring)
        }
    }
}

/// Keeps a ring.
pub(crate) fn save(store: &mut dyn KeyStore, origin: &Name, ring: &Keyring) -> Result<(), Error> {
    let written = store.replace(&write(ring, origin));
    written.map_err(|e| failed(store, origin, "written", &e.to_string()))
}

fn failed(store: &dyn KeyStore, origin: &Name, verb: &'static str, problem: &str) -> Error {
    Error::KeyFile {
        zone: origin.to_string(),
        file: store.place(),
        verb,
        problem: problem.to_owned(),
    }
}
