//! Access logs in files that requests name (ngx_http_log_module: variables in the path of `access_log`).
//!
//! Which file it is a request decides, so it decides nothing else: of a variable's value `/` and bytes that no name should
//! have become `_`, names are at most [`NAME_BYTES_MAX`] long, none is `.` or `..`, links are not followed, and all are below
//! the directory that the operator wrote, where the kernel keeps them (`openat2`). The worker opens them with its own rights,
//! as nginx does. A thread keeps some of them open; a line is written at once.

use crate::template::{Scope, Template};
use seawall_conf::model;
use std::{
    cell::RefCell,
    fs::File,
    io::Write,
    os::fd::AsFd,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of a name below the directory.
pub const NAME_BYTES_MAX: usize = 255;

/// Where such a log's files are.
pub struct NamedFiles {
    directory: PathBuf,
    name: Template,
    open_max: usize,
    inactive: Duration,
    valid: Duration,
}

impl NamedFiles {
    /// As a configuration says; `name` is its compiled name.
    pub fn new(from: &model::NamedFiles, name: Template) -> Self {
        Self {
            directory: from.directory.clone(),
            name,
            open_max: from.open_max.max(1),
            inactive: from.inactive,
            valid: from.valid,
        }
    }
}

/// The files that a thread has open.
#[derive(Default)]
pub struct OpenLogs {
    open: RefCell<Vec<Open>>,
    name: RefCell<Vec<u8>>,
    line: RefCell<Vec<u8>>,
}

struct Open {
    of: Arc<NamedFiles>,
    name: Box<[u8]>,
    file: File,
    since: Instant,
    used: Instant,
    /// [`super::AccessLogs::opened`] when it was opened.
    generation: u64,
}

impl OpenLogs {
    /// Writes a line (without newline) that `line` writes; whether it was written.
    pub fn line(
        &self,
        to: &Arc<NamedFiles>,
        scope: &Scope<'_>,
        generation: u64,
        line: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let mut name = self.name.borrow_mut();
        name.clear();
        to.name.render_name(scope, &mut name);
        if !is_name(&name) {
            return false;
        }
        let now = Instant::now();
        let mut open = self.open.borrow_mut();
        let known = open
            .iter()
            .position(|o| Arc::ptr_eq(&o.of, to) && *o.name == **name);
        let at = match known {
            Some(at) if open.get(at).is_some_and(|o| o.is_good(now, generation)) => at,
            known => {
                if let Some(at) = known {
                    open.swap_remove(at);
                }
                let Some(file) = open_below(to, &name) else {
                    return false;
                };
                make_room(&mut open, to, now);
                open.push(Open {
                    of: to.clone(),
                    name: name.as_slice().into(),
                    file,
                    since: now,
                    used: now,
                    generation,
                });
                open.len() - 1
            }
        };
        let Some(found) = open.get_mut(at) else {
            return false;
        };
        found.used = now;
        let mut text = self.line.borrow_mut();
        text.clear();
        line(&mut text);
        text.push(b'\n');
        (&found.file).write_all(&text).is_ok()
    }

    /// Closes what nobody has written to for a while; called once a tick.
    pub fn sweep(&self) {
        let mut open = self.open.borrow_mut();
        if !open.is_empty() {
            let now = Instant::now();
            open.retain(|o| now.duration_since(o.used) < o.of.inactive.max(Duration::from_secs(1)));
        }
    }
}

impl Open {
    fn is_good(&self, now: Instant, generation: u64) -> bool {
        self.generation == generation && now.duration_since(self.since) < self.of.valid
    }
}

/// The file used longest ago makes room.
fn make_room(open: &mut Vec<Open>, to: &Arc<NamedFiles>, now: Instant) {
    // A plan that is gone has none of its files open.
    open.retain(|o| Arc::strong_count(&o.of) > 1 || now.duration_since(o.used) < o.of.inactive);
    while open.len() >= to.open_max {
        let oldest = open.iter().enumerate().min_by_key(|(_, o)| o.used);
        let Some((at, _)) = oldest else { return };
        open.swap_remove(at);
    }
}

/// Whether every part of it is a name.
fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name
            .split(|b| *b == b'/')
            .all(|part| !matches!(part, b"" | b"." | b".."))
}

fn open_below(to: &NamedFiles, name: &[u8]) -> Option<File> {
    let directory = File::open(&to.directory).ok()?;
    seawall_sys::beneath::append(directory.as_fd(), name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_way_up() {
        for good in [&b"a.test.log"[..], b"a/b.log", b"...", b"-"] {
            assert!(is_name(good));
        }
        let long = [b'x'; NAME_BYTES_MAX + 1];
        for bad in [
            &b""[..],
            b"..",
            b".",
            b"../x",
            b"a/../b",
            b"/etc/passwd",
            b"a//b",
            b"a/",
            &long,
        ] {
            assert!(!is_name(bad), "{}", String::from_utf8_lossy(bad));
        }
    }
}
