//! The keys that puzzles are signed with: one for each month, and the one of the month before, which proofs may still be
//! of.
//!
//! A key lies in a file of its month in the state directory; whoever needs it first makes it, and whoever comes second
//! finds it. So all processes have the same keys without a word to one another: a restart asks nobody to work again.

use super::proof::Key;
use crate::{log_error, plan::kept, shared::Shared};
use arc_swap::ArcSwap;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a key signs, in seconds. Proofs hold no longer (`lifetime` is at most 30 days), so the key before is enough.
pub const PERIOD_S: u64 = 30 * 86_400;
/// How often it is looked whether another key's time has come.
const LOOK: Duration = Duration::from_secs(60);

/// What signs, and what is still accepted.
pub struct Keys {
    period: u64,
    /// Signs.
    pub current: Key,
    /// Signed until the current one did.
    pub before: Option<Key>,
}

/// Keys that are exchanged as time passes.
pub struct KeyRing {
    directory: PathBuf,
    keys: ArcSwap<Keys>,
}

fn period_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs() / PERIOD_S)
}

fn path(directory: &Path, period: u64) -> PathBuf {
    directory.join(format!("{period}.key"))
}

impl Keys {
    /// The keys of a period; those of others, which nothing is signed with any more, are removed.
    fn kept(directory: &Path, period: u64) -> io::Result<Self> {
        let current = Key::new(kept::kept_key(&path(directory, period))?);
        let last = path(directory, period.saturating_sub(1));
        let before = if last.exists() {
            Some(Key::new(kept::kept_key(&last)?))
        } else {
            None
        };
        for entry in directory.read_dir()?.flatten() {
            let name = entry.file_name();
            let of = name.to_str().and_then(|n| n.strip_suffix(".key"));
            let is_old = of
                .and_then(|n| n.parse::<u64>().ok())
                .is_some_and(|of| of + 1 < period);
            if is_old {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            period,
            current,
            before,
        })
    }
}

impl KeyRing {
    /// The keys in a directory, which is made.
    ///
    /// # Errors
    /// A directory or a file that cannot be read or written.
    pub fn kept(directory: PathBuf) -> io::Result<Self> {
        let keys = Keys::kept(&directory, period_now())?;
        Ok(Self {
            keys: ArcSwap::from_pointee(keys),
            directory,
        })
    }

    /// A key that ends with the process.
    pub fn of_process() -> Self {
        let keys = Keys {
            period: u64::MAX,
            current: Key::new(kept::process_key()),
            before: None,
        };
        Self {
            directory: PathBuf::new(),
            keys: ArcSwap::from_pointee(keys),
        }
    }

    /// The keys of the moment.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    fn renew(&self, period: u64) -> io::Result<()> {
        let held = self.keys.load().period;
        if held != u64::MAX && held != period {
            self.keys
                .store(Arc::new(Keys::kept(&self.directory, period)?));
        }
        Ok(())
    }
}

/// Exchanges keys as their time comes; ends with the task it runs in.
pub async fn renew_forever(shared: Arc<Shared>, ring: Arc<KeyRing>) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(e) = ring.renew(period_now()) {
            let directory = ring.directory.display();
            log_error!(
                shared,
                Error,
                0,
                "the key of challenges in {directory} cannot be exchanged: {e}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::proof;
    use std::os::unix::fs::PermissionsExt;

    const BOUND: [&[u8]; 1] = [b"a.test"];

    #[test]
    fn two_processes_have_the_same_keys_and_the_one_before_still_counts() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("challenge");
        let first = Keys::kept(&directory, 100).unwrap();
        let second = Keys::kept(&directory, 100).unwrap();
        let puzzle = |key| proof::puzzle(key, &BOUND, 1, 2000);
        assert_eq!(puzzle(&first.current), puzzle(&second.current));
        let mode = path(&directory, 100)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let next = Keys::kept(&directory, 101).unwrap();
        assert_ne!(puzzle(&next.current), puzzle(&first.current));
        assert_eq!(
            puzzle(next.before.as_ref().unwrap()),
            puzzle(&first.current)
        );
        let later = Keys::kept(&directory, 103).unwrap();
        assert!(later.before.is_none());
        assert!(!path(&directory, 100).exists() && !path(&directory, 101).exists());
    }

    #[test]
    fn a_ring_exchanges_its_key_when_another_period_begins() {
        let state = tempfile::tempdir().unwrap();
        let ring = KeyRing::kept(state.path().join("challenge")).unwrap();
        let sum = |ring: &KeyRing| proof::puzzle(&ring.keys().current, &BOUND, 1, 2000);
        let before = sum(&ring);
        ring.renew(period_now()).unwrap();
        assert_eq!(sum(&ring), before);
        ring.renew(period_now() + 1).unwrap();
        assert_ne!(sum(&ring), before);
        assert!(ring.keys().before.is_some());
        let own = KeyRing::of_process();
        let before = sum(&own);
        own.renew(7).unwrap();
        assert_eq!(sum(&own), before);
    }

    #[test]
    fn a_file_that_holds_no_key_is_no_key() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(path(state.path(), period_now()), "short").unwrap();
        assert!(KeyRing::kept(state.path().to_owned()).is_err());
    }
}
