//! What a thread remembers of the files it has opened: descriptors, facts, small contents, and what is not there
//! (nginx: `open_file_cache`).
//!
//! Entries are believed for `valid`, then opened again and compared. When there are too many, the one that was not asked for
//! since the hand last came by goes first (second chance), so that a scan over many files does not push out those in use.

use super::open::Found;
use hashbrown::HashMap;
use seawall_sys::beneath::Links;
use std::{
    cell::{Cell, RefCell},
    io,
    time::Duration,
};

/// Bytes of small contents that one thread keeps.
pub const KEPT_BYTES_MAX: usize = 32 << 20;

/// The open files of one thread.
#[derive(Default)]
pub struct OpenFiles {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    slots: Vec<Slot>,
    by_path: HashMap<Box<[u8]>, usize, ahash::RandomState>,
    hand: usize,
    kept_bytes: usize,
}

struct Slot {
    path: Box<[u8]>,
    links: Links,
    checked_ms: u64,
    used: Cell<bool>,
    found: Result<Found, i32>,
}

impl Slot {
    fn kept_bytes(&self) -> usize {
        match &self.found {
            Ok(Found::File(file)) => file.content().len(),
            _ => 0,
        }
    }
}

impl OpenFiles {
    /// What is known of a path, and whether that still holds.
    pub fn find(
        &self,
        path: &[u8],
        links: Links,
        now_ms: u64,
        valid: Duration,
    ) -> Option<(io::Result<Found>, bool)> {
        let inner = self.inner.borrow();
        let slot = inner.slots.get(*inner.by_path.get(path)?)?;
        if slot.links != links {
            return None;
        }
        slot.used.set(true);
        let found = match &slot.found {
            Ok(found) => Ok(found.clone()),
            Err(code) => Err(io::Error::from_raw_os_error(*code)),
        };
        let age = now_ms.saturating_sub(slot.checked_ms);
        Some((found, u128::from(age) <= valid.as_millis()))
    }

    /// Remembers what a path led to.
    pub fn put(
        &self,
        path: &[u8],
        links: Links,
        now_ms: u64,
        max: usize,
        found: &io::Result<Found>,
    ) {
        let found = match found {
            Ok(found) => Ok(found.clone()),
            // Only what the kernel said of the path itself.
            Err(e) => match e.raw_os_error() {
                Some(code) => Err(code),
                None => return,
            },
        };
        self.inner.borrow_mut().put(
            Slot {
                path: path.into(),
                links,
                checked_ms: now_ms,
                // A scan's entries are asked for once, and are the first to go.
                used: Cell::new(false),
                found,
            },
            max,
        );
    }
}

impl Inner {
    fn put(&mut self, slot: Slot, max: usize) {
        self.kept_bytes += slot.kept_bytes();
        match self.by_path.get(&slot.path).copied() {
            Some(at) => self.replace(at, slot),
            None if self.slots.len() < max => {
                self.by_path.insert(slot.path.clone(), self.slots.len());
                self.slots.push(slot);
            }
            None => {
                let at = self.victim();
                if let Some(old) = self.slots.get(at) {
                    self.by_path.remove(&old.path);
                    self.by_path.insert(slot.path.clone(), at);
                    self.replace(at, slot);
                }
            }
        }
        // One after the other until what is kept fits.
        while self.kept_bytes > KEPT_BYTES_MAX && !self.slots.is_empty() {
            let at = self.victim();
            self.remove(at);
        }
    }

    fn replace(&mut self, at: usize, slot: Slot) {
        if let Some(old) = self.slots.get_mut(at) {
            self.kept_bytes -= old.kept_bytes().min(self.kept_bytes);
            if old.path == slot.path {
                slot.used.set(old.used.get());
            }
            *old = slot;
        }
    }

    fn remove(&mut self, at: usize) {
        if at >= self.slots.len() {
            return;
        }
        let old = self.slots.swap_remove(at);
        self.kept_bytes -= old.kept_bytes().min(self.kept_bytes);
        self.by_path.remove(&old.path);
        if let Some(moved) = self.slots.get(at) {
            self.by_path.insert(moved.path.clone(), at);
        }
    }

    /// The next entry that was not used since the hand came by; the hand clears the mark as it goes, so that it finds one
    /// within two rounds.
    fn victim(&mut self) -> usize {
        for _ in 0..=self.slots.len() * 2 {
            self.hand = if self.hand + 1 < self.slots.len() {
                self.hand + 1
            } else {
                0
            };
            match self.slots.get(self.hand) {
                Some(slot) if slot.used.replace(false) => {}
                _ => break,
            }
        }
        self.hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: Duration = Duration::from_secs(1);

    fn put(files: &OpenFiles, path: &str, max: usize) {
        files.put(
            path.as_bytes(),
            Links::Follow,
            0,
            max,
            &Ok(Found::Directory),
        );
    }

    fn knows(files: &OpenFiles, path: &str) -> bool {
        files
            .find(path.as_bytes(), Links::Follow, 0, VALID)
            .is_some()
    }

    #[test]
    fn an_entry_is_believed_for_its_time() {
        let files = OpenFiles::default();
        put(&files, "/a", 8);
        let fresh = |now| files.find(b"/a", Links::Follow, now, VALID).map(|f| f.1);
        assert_eq!(fresh(1000), Some(true));
        assert_eq!(fresh(1001), Some(false));
        assert!(files.find(b"/a", Links::Off, 0, VALID).is_none());
        let missing = Err(io::Error::from_raw_os_error(2));
        files.put(b"/none", Links::Follow, 0, 8, &missing);
        let found = files.find(b"/none", Links::Follow, 0, VALID);
        assert_eq!(
            found.unwrap().0.err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn what_is_used_outlives_a_scan_and_there_are_never_too_many() {
        let files = OpenFiles::default();
        put(&files, "/hot", 16);
        for n in 0..1000 {
            put(&files, &format!("/cold/{n}"), 16);
            // The hot one is asked for between any two of the others.
            assert!(knows(&files, "/hot"), "{n}");
        }
        assert_eq!(files.inner.borrow().slots.len(), 16);
        assert_eq!(files.inner.borrow().by_path.len(), 16);
    }
}
