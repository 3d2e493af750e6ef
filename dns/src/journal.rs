//! Edits on disk: what was acknowledged survives whatever ends the process.
//!
//! A text file, one edit a line in the words of a zone file, a `commit SERIAL CRC` behind the edits of one change;
//! the file is flushed to the disk before a change is published. A change without its commit, or with a wrong sum,
//! was never acknowledged, and ends what is read.

use crate::authority::Edit;
use crate::limits::JOURNAL_BYTES_MAX;
use crate::master::record_line;
use crate::zone::Record;
use crate::{Name, RType, edit, present};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// The journal of one zone, open for appending.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// What a journal held.
#[derive(Default)]
pub(crate) struct Recovered {
    pub edits: Vec<Edit>,
    pub serial: Option<u32>,
}

impl Journal {
    /// Opens or makes a journal, and reads it. What is behind the last whole change is cut off.
    pub fn open(path: &Path) -> io::Result<(Self, Recovered)> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let (recovered, whole) = read(&text);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
        file.sync_all()?;
        sync_folder(path)?;
        let journal = Self {
            file,
            path: path.to_owned(),
            bytes: whole as u64,
        };
        Ok((journal, recovered))
    }

    /// Writes a change and waits until it is on the disk.
    pub fn append(&mut self, edits: &[Edit], serial: u32) -> io::Result<()> {
        let text = block(edits, serial);
        if self.bytes + text.len() as u64 > JOURNAL_BYTES_MAX {
            return Err(io::Error::other(format!(
                "{} is full ({JOURNAL_BYTES_MAX} bytes): put its records into the zone file and remove it",
                self.path.display()
            )));
        }
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(e) = written {
            // A half-written change would end the journal for all that follow.
            let _ = self.file.set_len(self.bytes);
            let _ = self.file.seek(io::SeekFrom::End(0));
            return Err(e);
        }
        self.bytes += text.len() as u64;
        Ok(())
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn block(edits: &[Edit], serial: u32) -> String {
    let mut text = String::new();
    for edit in edits {
        // Writing to a String does not fail. Tokens are an order's, which a restart begins anew.
        let _ = match edit {
            Edit::Add(r) => writeln!(
                text,
                "add {}",
                edit::line(&r.owner, r.ttl, r.rtype, &r.data)
            ),
            Edit::Remove { owner, rtype, data } => {
                writeln!(
                    text,
                    "del {owner} 0 IN {rtype} {}",
                    present::rdata(*rtype, data)
                )
            }
            Edit::RemoveSet { owner, rtype } => writeln!(text, "set {owner} {rtype}"),
            Edit::RemoveName { owner } => writeln!(text, "name {owner}"),
            // What an alias names is looked up again.
            Edit::AddToken(_) | Edit::RemoveToken { .. } | Edit::Alias { .. } => Ok(()),
        };
    }
    let sum = crc32fast::hash(text.as_bytes());
    let _ = writeln!(text, "commit {serial} {sum:08x}");
    text
}

/// Reads whole changes, and tells where the last one ends.
fn read(text: &str) -> (Recovered, usize) {
    let mut recovered = Recovered::default();
    let (mut start, mut at, mut pending) = (0, 0, Vec::new());
    for line in text.split_inclusive('\n') {
        let words = line.trim_end();
        let before = at;
        at += line.len();
        if let Some(rest) = words.strip_prefix("commit ") {
            let body = text.get(start..before).unwrap_or_default();
            let Some(serial) = commit(rest, body).filter(|_| line.ends_with('\n')) else {
                break;
            };
            recovered.edits.append(&mut pending);
            recovered.serial = Some(serial);
            start = at;
            continue;
        }
        match edit_of(words) {
            Some(edit) => pending.push(edit),
            None => break,
        }
    }
    (recovered, start)
}

fn commit(rest: &str, body: &str) -> Option<u32> {
    let (serial, sum) = rest.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32fast::hash(body.as_bytes()))
        .then(|| serial.parse().ok())
        .flatten()
}

fn edit_of(line: &str) -> Option<Edit> {
    let (verb, rest) = line.split_once(' ')?;
    let name = |text: &str| Name::parse(text, None).ok();
    Some(match verb {
        "add" => Edit::Add(record_line(rest)?),
        "del" => {
            let Record {
                owner, rtype, data, ..
            } = record_line(rest)?;
            Edit::Remove { owner, rtype, data }
        }
        "set" => {
            let (owner, rtype) = rest.split_once(' ')?;
            Edit::RemoveSet {
                owner: name(owner)?,
                rtype: RType::parse(rtype)?,
            }
        }
        "name" => Edit::RemoveName { owner: name(rest)? },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Edit {
        Edit::Add(record_line(text).unwrap())
    }

    #[test]
    fn what_was_committed_is_read_back_and_what_was_torn_is_cut_off() {
        let folder = std::env::temp_dir().join(format!("seawall-journal-{}", std::process::id()));
        let path = folder.join("z.test.journal");
        let _ = std::fs::remove_file(&path);
        let first = vec![
            add("a.z.test. 60 IN TXT \"x y\""),
            Edit::RemoveName {
                owner: Name::parse("b.z.test.", None).unwrap(),
            },
        ];
        let second = vec![Edit::RemoveSet {
            owner: Name::parse("c.z.test.", None).unwrap(),
            rtype: RType::MX,
        }];
        let (mut journal, empty) = Journal::open(&path).unwrap();
        assert!(empty.edits.is_empty());
        journal.append(&first, 5).unwrap();
        journal.append(&second, 6).unwrap();
        drop(journal);
        let whole = std::fs::read_to_string(&path).unwrap();
        let (_, read) = Journal::open(&path).unwrap();
        assert_eq!(
            (read.edits, read.serial),
            ([first.clone(), second].concat(), Some(6))
        );
        for cut in 1..12 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (mut journal, read) = Journal::open(&path).unwrap();
            assert_eq!((read.edits, read.serial), (first.clone(), Some(5)), "{cut}");
            journal
                .append(&[add("d.z.test. 1 IN A 192.0.2.1")], 7)
                .unwrap();
            assert_eq!(Journal::open(&path).unwrap().1.serial, Some(7));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
