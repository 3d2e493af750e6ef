//! Who changed what, and when: one line of JSON each, chained by hashes, on the disk before the change is answered.
//!
//! A change has two lines: `asked` before it is made and `done` with its status after. A crash between them leaves the first
//! alone, which says as much. Each line holds the SHA-256 of the one before it, so a line that was altered, removed from
//! the middle or put in is found by `seawall audit verify`; lines cut off at the end are found by whoever kept the last
//! hash, which verify prints and the API tells.
//!
//! A line that was being written when the machine died has no newline: it was never answered and is cut off when the log is
//! opened. A log that has grown past [`SEGMENT_BYTES_MAX`] is put aside under the number of its last line
//! (`audit-000000041234.log`), and the next line begins a new one that follows it: numbers and hashes go on, so the chain is
//! verified over all of them. None is ever removed here.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

/// The longest line that is read; a longer one is no line of ours.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The longest detail that is written.
const DETAIL_CHARS_MAX: usize = 2000;

/// Lines that [`AuditLog::tail`] gives at most.
pub const TAIL_MAX: usize = 1000;

/// Bytes after which a log is put aside: 40,000 changes or so.
pub const SEGMENT_BYTES_MAX: u64 = 16 << 20;

/// What the first line has in the place of a hash.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why the log is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not what was written.
    #[error("line {line}: {why}")]
    Broken {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a whole log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Lines.
    pub lines: u64,
    /// The last line's hash.
    pub hash: String,
}

/// The log, open for appending.
pub struct AuditLog {
    path: PathBuf,
    state: Mutex<State>,
    segment_bytes_max: u64,
}

struct State {
    file: File,
    head: Head,
    /// Bytes when the head was found: another worker may write while this one drains (an upgrade).
    length: u64,
}

/// What is written of a change.
#[derive(Clone, Debug, Default)]
pub struct Entry<'a> {
    /// `asked` or `done`.
    pub phase: &'a str,
    /// Who: `uid 0`, `token ci`.
    pub actor: &'a str,
    /// The method and path.
    pub action: &'a str,
    /// More about it.
    pub detail: &'a str,
    /// What became of it.
    pub status: Option<u16>,
    /// The line that it was asked by.
    pub of: Option<u64>,
}

impl AuditLog {
    /// Opens the log, made if it is missing, and looks for its end. The chain is not verified: that is for
    /// [`verify`].
    ///
    /// # Errors
    /// [`AuditError::Io`]; [`AuditError::Broken`] if the last line is none of ours.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        Self::open_with(path, SEGMENT_BYTES_MAX)
    }

    /// The same with another size after which it is put aside.
    ///
    /// # Errors
    /// As [`AuditLog::open`].
    pub fn open_with(path: &Path, segment_bytes_max: u64) -> Result<Self, AuditError> {
        let fail = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = opened(path).map_err(fail)?;
        let (head, length) = end(&mut file, path)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State { file, head, length }),
            segment_bytes_max,
        })
    }

    /// Writes a line and waits until it is on the disk. Gives its number.
    ///
    /// # Errors
    /// [`AuditError::Io`]: nothing counts as written then.
    pub fn append(&self, entry: &Entry<'_>) -> Result<u64, AuditError> {
        let fail = |source| AuditError::Io {
            path: self.path.clone(),
            source,
        };
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.file.lock().map_err(fail)?;
        // Who wrote the last line may have put the log aside.
        while !is_still(&state.file, &self.path).map_err(fail)? {
            state.file = opened(&self.path).map_err(fail)?;
            state.file.lock().map_err(fail)?;
            state.length = u64::MAX;
        }
        let appended = self.append_locked(&mut state, entry);
        if appended.is_ok() && state.length >= self.segment_bytes_max {
            // Where it cannot be put aside it grows on, and the next line tries again.
            let _ = self.put_aside(&mut state);
        }
        let _ = state.file.unlock();
        appended
    }

    /// Renames the log and begins another. A crash in between leaves no log of this name: whoever opens it next goes on
    /// from the newest that was put aside.
    fn put_aside(&self, state: &mut State) -> io::Result<()> {
        let aside = aside(&self.path, state.head.lines);
        std::fs::rename(&self.path, aside)?;
        state.file = opened(&self.path)?;
        state.file.lock()?;
        state.length = 0;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn append_locked(&self, state: &mut State, entry: &Entry<'_>) -> Result<u64, AuditError> {
        let fail = |source| AuditError::Io {
            path: self.path.clone(),
            source,
        };
        let before = state.file.metadata().map_err(fail)?.len();
        if before != state.length {
            (state.head, state.length) = found(&mut state.file, &self.path)?;
        }
        let seq = state.head.lines + 1;
        let mut line = json!({
            "seq": seq, "at": now_text(), "phase": entry.phase, "actor": entry.actor,
            "action": entry.action, "prev": state.head.hash,
        });
        if let Some(fields) = line.as_object_mut() {
            if !entry.detail.is_empty() {
                fields.insert("detail".into(), shortened(entry.detail).into());
            }
            if let Some(status) = entry.status {
                fields.insert("status".into(), status.into());
            }
            if let Some(of) = entry.of {
                fields.insert("of".into(), of.into());
            }
        }
        let hash = hash_of(&line);
        if let Some(fields) = line.as_object_mut() {
            fields.insert("hash".into(), hash.as_str().into());
        }
        let before = state.length;
        let text = format!("{line}\n");
        let written = state
            .file
            .write_all(text.as_bytes())
            .and_then(|()| state.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand before the next one.
            let _ = state.file.set_len(before);
            return Err(fail(error));
        }
        state.head = Head { lines: seq, hash };
        state.length = before + text.len() as u64;
        Ok(seq)
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .head
            .clone()
    }

    /// The last lines, the newest first.
    ///
    /// # Errors
    /// [`AuditError::Io`]
    pub fn tail(&self, count: usize) -> Result<Vec<Value>, AuditError> {
        let count = count.min(TAIL_MAX);
        let mut all = self.tail_of(&self.path, count)?;
        for path in segments(&self.path).iter().rev() {
            if all.len() >= count {
                break;
            }
            all.extend(self.tail_of(path, count - all.len())?);
        }
        Ok(all)
    }

    fn tail_of(&self, path: &Path, count: usize) -> Result<Vec<Value>, AuditError> {
        let fail = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        // A line is a few hundred bytes; those of the longest details are found by the second look.
        let mut reach = (count as u64 + 1).saturating_mul(1024).min(length);
        loop {
            file.seek(SeekFrom::Start(length - reach)).map_err(fail)?;
            let mut text = Vec::new();
            (&file).take(reach).read_to_end(&mut text).map_err(fail)?;
            let mut lines: Vec<&[u8]> = text
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .collect();
            if reach < length && !lines.is_empty() {
                lines.remove(0);
            }
            if lines.len() >= count || reach == length {
                let newest = lines.iter().rev().take(count);
                return Ok(newest
                    .filter_map(|l| serde_json::from_slice(l).ok())
                    .collect());
            }
            reach = reach.saturating_mul(4).min(length);
        }
    }
}

/// Opened for appending, made if it is missing.
fn opened(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Whether a file is what its path leads to.
fn is_still(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match path.metadata() {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Where a log goes whose last line has this number.
fn aside(path: &Path, lines: u64) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{lines:012}.log"))
}

/// Logs that were put aside, the oldest first.
fn segments(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ours = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let digits = name
            .strip_prefix(&*stem)
            .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".log"));
        digits.is_some_and(|d| d.len() == 12 && d.bytes().all(|b| b.is_ascii_digit()))
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.filter(ours).map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// Reads a log from its beginning, with what was put aside of it, and follows the chain.
///
/// # Errors
/// The first line that is not what was written. Lines are counted over all files.
pub fn verify(path: &Path) -> Result<Head, AuditError> {
    let mut head = Head {
        lines: 0,
        hash: GENESIS.to_owned(),
    };
    for path in segments(path) {
        head = follow(&path, head)?;
    }
    follow(path, head)
}

/// Follows the chain through one file.
fn follow(path: &Path, mut head: Head) -> Result<Head, AuditError> {
    let fail = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(fail)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let read = (&mut reader)
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(fail)?;
        if read == 0 {
            return Ok(head);
        }
        let number = head.lines + 1;
        let broken = |why: &str| AuditError::Broken {
            line: number,
            why: why.to_owned(),
        };
        if line.last() != Some(&b'\n') {
            return Err(broken(
                "it is cut off: the daemon ends it when it starts next",
            ));
        }
        let value: Value = serde_json::from_slice(&line).map_err(|_| broken("it is no JSON"))?;
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        if value.get("seq").and_then(Value::as_u64) != Some(number) {
            return Err(broken(
                "its number is another: a line is missing or was put in before it",
            ));
        }
        if text("prev") != head.hash {
            return Err(broken("it does not follow the line before it"));
        }
        let hash = text("hash").to_owned();
        if hash_of(&value) != hash {
            return Err(broken("it was altered"));
        }
        head = Head {
            lines: number,
            hash,
        };
    }
}

/// Of all fields but the hash itself; serde_json keeps them in one order.
fn hash_of(line: &Value) -> String {
    let mut line = line.clone();
    if let Some(fields) = line.as_object_mut() {
        fields.remove("hash");
    }
    hex(&Sha256::digest(line.to_string().as_bytes()))
}

/// SHA-256 in hexadecimal digits: what texts are told apart by.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// In lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Where a log ends, found while nobody else writes.
fn end(file: &mut File, path: &Path) -> Result<(Head, u64), AuditError> {
    let fail = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    file.lock().map_err(fail)?;
    let end = found(file, path);
    let _ = file.unlock();
    end
}

fn found(file: &mut File, path: &Path) -> Result<(Head, u64), AuditError> {
    let fail = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    let broken = |why| AuditError::Broken {
        line: 0,
        why: format!("the last line: {why}"),
    };
    let mut head = end_of(file).map_err(fail)?.map_err(broken)?;
    if head.lines == 0
        && let Some(before) = segments(path).last()
    {
        // It begins where the one before it ends.
        let mut before = File::open(before).map_err(fail)?;
        head = last_of(&mut before).map_err(fail)?.1.map_err(broken)?;
    }
    Ok((head, file.metadata().map_err(fail)?.len()))
}

/// Cuts off what was not finished, and finds the last line.
fn end_of(file: &mut File) -> io::Result<Result<Head, String>> {
    let (cut, head) = last_of(file)?;
    if let Some(length) = cut {
        file.set_len(length)?;
        file.sync_data()?;
    }
    Ok(head)
}

/// The last whole line of a file, and the length it has without what was not finished.
fn last_of(file: &mut File) -> io::Result<(Option<u64>, Result<Head, String>)> {
    let length = file.metadata()?.len();
    let reach = length.min(2 * LINE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(length - reach))?;
    let mut text = Vec::new();
    (&*file).take(reach).read_to_end(&mut text)?;
    let end = text
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let is_cut = end < text.len() && (end > 0 || reach == length);
    let cut = is_cut.then(|| length - (text.len() - end) as u64);
    let whole = text.get(..end.saturating_sub(1)).unwrap_or_default();
    if whole.is_empty() {
        let empty = Head {
            lines: 0,
            hash: GENESIS.to_owned(),
        };
        return Ok((cut, Ok(empty)));
    }
    let start = whole
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let value: Option<Value> = whole
        .get(start..)
        .and_then(|l| serde_json::from_slice(l).ok());
    let head = value.as_ref().and_then(|value| {
        Some(Head {
            lines: value.get("seq")?.as_u64()?,
            hash: value.get("hash")?.as_str()?.to_owned(),
        })
    });
    let head = head.ok_or_else(|| "it is no line of an audit log".to_owned());
    Ok((cut, head))
}

fn shortened(text: &str) -> &str {
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((at, _)) => text.get(..at).unwrap_or_default(),
        None => text,
    }
}

/// RFC 3339, to the millisecond, in UTC.
pub(crate) fn now_text() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    time_text(since.as_millis() as u64)
}

/// The same of milliseconds since 1970.
pub fn time_text(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    // Howard Hinnant's civil_from_days: the calendar repeats every 146,097 days.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (s, milli) = (in_day / 1000, in_day % 1000);
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str) -> Entry<'_> {
        Entry {
            phase: "done",
            actor: "uid 0",
            action,
            status: Some(200),
            ..Entry::default()
        }
    }

    fn written(count: usize) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let log = AuditLog::open(&path).unwrap();
        for n in 0..count {
            log.append(&entry(&format!("POST /{n}"))).unwrap();
        }
        (directory, path)
    }

    #[test]
    fn lines_follow_each_other_over_restarts() {
        let (_directory, path) = written(3);
        let log = AuditLog::open(&path).unwrap();
        assert_eq!(log.head().lines, 3);
        log.append(&entry("POST /again")).unwrap();
        assert_eq!(verify(&path).unwrap(), log.head());
        let newest = log.tail(2).unwrap();
        assert_eq!(
            (newest.len(), newest[0]["action"].as_str()),
            (2, Some("POST /again"))
        );
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_line_altered_removed_swapped_or_put_in_is_found() {
        let (_directory, path) = written(5);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let forged = |lines: Vec<String>| {
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            match verify(&path) {
                Err(AuditError::Broken { line, .. }) => line,
                other => panic!("{other:?}"),
            }
        };
        let owned = || lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        let mut altered = owned();
        altered[2] = altered[2].replace("POST /2", "POST /9");
        assert_eq!(forged(altered), 3);
        let mut removed = owned();
        removed.remove(1);
        assert_eq!(forged(removed), 2);
        let mut swapped = owned();
        swapped.swap(3, 4);
        assert_eq!(forged(swapped), 4);
        let mut put_in = owned();
        put_in.insert(2, owned()[1].clone());
        assert_eq!(forged(put_in), 3);
        // Altered with a hash that fits, the next line betrays it.
        let mut value: Value = serde_json::from_str(lines[2]).unwrap();
        value["actor"] = "uid 1".into();
        value["hash"] = hash_of(&value).into();
        let mut rehashed = owned();
        rehashed[2] = value.to_string();
        assert_eq!(forged(rehashed), 4);
    }

    #[test]
    fn two_who_write_follow_each_other() {
        let (_directory, path) = written(1);
        let (old, new) = (
            AuditLog::open(&path).unwrap(),
            AuditLog::open(&path).unwrap(),
        );
        for _ in 0..3 {
            old.append(&entry("POST /old")).unwrap();
            new.append(&entry("POST /new")).unwrap();
        }
        assert_eq!(verify(&path).unwrap(), new.head());
    }

    #[test]
    fn a_log_that_has_grown_is_put_aside_and_the_chain_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let open = || AuditLog::open_with(&path, 1000).unwrap();
        // Two who write, as during an upgrade, and one that starts in between.
        let (one, two) = (open(), open());
        for n in 0..20 {
            one.append(&entry(&format!("POST /one/{n}"))).unwrap();
            two.append(&entry(&format!("POST /two/{n}"))).unwrap();
        }
        let three = open();
        assert_eq!(three.append(&entry("POST /three")).unwrap(), 41);
        let aside = segments(&path);
        assert!(aside.len() > 5, "{aside:?}");
        assert_eq!(verify(&path).unwrap(), three.head());
        assert_eq!(three.head().lines, 41);
        let newest = three.tail(30).unwrap();
        let numbers: Vec<u64> = newest.iter().filter_map(|l| l["seq"].as_u64()).collect();
        assert_eq!(numbers, (12..=41).rev().collect::<Vec<_>>());
        use std::os::unix::fs::PermissionsExt;
        assert!(
            aside
                .iter()
                .all(|p| p.metadata().unwrap().permissions().mode() & 0o777 == 0o600)
        );
        // One that is missing, or altered, is found.
        let text = std::fs::read_to_string(&aside[2]).unwrap();
        std::fs::write(&aside[2], text.replace("POST /", "POST ,")).unwrap();
        assert!(verify(&path).is_err());
        std::fs::remove_file(&aside[2]).unwrap();
        assert!(verify(&path).is_err());
        std::fs::write(&aside[2], text).unwrap();
        assert_eq!(verify(&path).unwrap().lines, 41);
    }

    #[test]
    fn a_crash_between_putting_aside_and_beginning_anew_breaks_nothing() {
        let (_directory, path) = written(3);
        std::fs::rename(&path, aside(&path, 3)).unwrap();
        let log = AuditLog::open(&path).unwrap();
        assert_eq!(log.append(&entry("POST /after")).unwrap(), 4);
        assert_eq!(verify(&path).unwrap(), log.head());
    }

    #[test]
    fn half_a_line_is_cut_off_at_the_next_start() {
        let (_directory, path) = written(2);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"seq\":3,\"at\":\"2026").unwrap();
        assert!(verify(&path).is_err());
        let log = AuditLog::open(&path).unwrap();
        log.append(&entry("POST /after")).unwrap();
        assert_eq!(verify(&path).unwrap().lines, 3);
    }

    #[test]
    fn a_full_disk_is_an_error_and_leaves_the_log_whole() {
        // What is read from it has no end: only what is written fails as on a full disk.
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let head = Head {
            lines: 7,
            hash: GENESIS.into(),
        };
        let log = AuditLog {
            path: "/dev/full".into(),
            state: Mutex::new(State {
                file,
                head: head.clone(),
                length: 0,
            }),
            segment_bytes_max: SEGMENT_BYTES_MAX,
        };
        assert!(log.append(&entry("POST /x")).is_err());
        assert_eq!(log.head(), head);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time_text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time_text(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(time_text(1_795_972_800_000), "2026-11-29T17:20:00.000Z");
    }
}
