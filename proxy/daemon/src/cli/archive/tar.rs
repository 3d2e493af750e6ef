//! The archive's form: a tar file (POSIX.1-1988, ustar) that any tar can list, whose last member is the SHA-256 of all bytes
//! before it. Regular files alone: an archive with anything else in it is none of ours.

use sha2::{Digest, Sha256};
use std::{
    io::{self, Read, Write},
    path::{Component, Path},
};

/// Bytes of a block.
const BLOCK: usize = 512;

/// The last member.
pub const CHECKSUM: &str = "seawall-backup.sha256";

/// The largest member that is read.
pub const MEMBER_BYTES_MAX: u64 = 4 << 30;

/// Members that are read at most.
pub const MEMBERS_MAX: usize = 1_000_000;

/// The longest name.
const NAME_BYTES_MAX: usize = 255;

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// A relative path of plain parts.
    pub name: String,
    /// Permissions.
    pub mode: u32,
    /// Whose it is.
    pub owner: (u32, u32),
    /// When it was changed, in seconds since 1970.
    pub changed_s: u64,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Why it is no archive of ours, or not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("the archive is damaged, or none of ours: {0}")]
    Damaged(String),
    /// A member would lie outside of where it belongs.
    #[error("the archive holds {0:?}, which leads elsewhere: nothing was restored")]
    LeadsElsewhere(String),
}

fn damaged(why: impl Into<String>) -> ArchiveError {
    ArchiveError::Damaged(why.into())
}

/// Writes an archive.
pub struct Writer<W> {
    to: W,
    sum: Sha256,
}

impl<W: Write> Writer<W> {
    /// Into this.
    pub fn new(to: W) -> Self {
        Self {
            to,
            sum: Sha256::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.to.write_all(bytes)
    }

    /// Adds a member.
    ///
    /// # Errors
    /// It cannot be written, or its name is too long.
    pub fn add(&mut self, member: &Member) -> Result<(), ArchiveError> {
        self.put(&header(member)?)?;
        self.put(&member.bytes)?;
        let rest = (BLOCK - member.bytes.len() % BLOCK) % BLOCK;
        self.put(&vec![0; rest])?;
        Ok(())
    }

    /// Ends it with its checksum.
    ///
    /// # Errors
    /// As [`Writer::add`].
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        let sum = hex(&self.sum.clone().finalize());
        self.add(&Member {
            name: CHECKSUM.into(),
            mode: 0o600,
            owner: (0, 0),
            changed_s: 0,
            bytes: format!("{sum}\n").into_bytes(),
        })?;
        self.put(&[0; 2 * BLOCK])?;
        self.to.flush()?;
        Ok(self.to)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn header(member: &Member) -> Result<[u8; BLOCK], ArchiveError> {
    let name = member.name.as_bytes();
    // A long name is cut at a slash: what is before it goes into the prefix.
    let cut = match name.len() > 100 {
        false => None,
        true => (name.len() - 101..name.len().min(156))
            .find(|at| name.get(*at) == Some(&b'/'))
            .map(Some)
            .ok_or_else(|| damaged(format!("the name {:?} is too long", member.name)))?,
    };
    let (prefix, name) = match cut {
        Some(at) => (name.get(..at), name.get(at + 1..)),
        None => (None, Some(name)),
    };
    let mut head = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = head.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, name.unwrap_or_default());
    put(100, format!("{:07o}\0", member.mode & 0o7777).as_bytes());
    put(
        108,
        format!("{:07o}\0", member.owner.0 & 0o7_777_777).as_bytes(),
    );
    put(
        116,
        format!("{:07o}\0", member.owner.1 & 0o7_777_777).as_bytes(),
    );
    put(124, format!("{:011o}\0", member.bytes.len()).as_bytes());
    put(136, format!("{:011o}\0", member.changed_s).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.unwrap_or_default());
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    let sum = format!("{sum:06o}\0 ");
    if let Some(place) = head.get_mut(148..156) {
        place.copy_from_slice(sum.as_bytes());
    }
    Ok(head)
}

/// Reads a whole archive: every member is handed on, and the checksum must be right at the end. What is handed on counts for
/// nothing before that.
///
/// # Errors
/// See [`ArchiveError`], or what `each` says.
pub fn read<E: From<ArchiveError>>(
    mut from: impl Read,
    mut each: impl FnMut(Member) -> Result<(), E>,
) -> Result<(), E> {
    let mut sum = Sha256::new();
    let mut head = [0; BLOCK];
    for _ in 0..MEMBERS_MAX {
        let cut_short = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
            _ => ArchiveError::Io(e),
        };
        from.read_exact(&mut head).map_err(cut_short)?;
        let before = sum.clone();
        sum.update(head);
        let (mut member, length) = parsed(&head)?;
        let whole = length.div_ceil(BLOCK as u64) * BLOCK as u64;
        let mut bytes = Vec::new();
        let read = (&mut from).take(whole).read_to_end(&mut bytes);
        if read.map_err(ArchiveError::Io)? as u64 != whole {
            return Err(damaged("it is cut short").into());
        }
        sum.update(&bytes);
        bytes.truncate(length as usize);
        member.bytes = bytes;
        if member.name == CHECKSUM {
            // Its own header is not in the sum.
            if header(&member)? != head {
                return Err(damaged("its end is none of ours").into());
            }
            let right = hex(&before.finalize());
            return match String::from_utf8_lossy(&member.bytes).trim() == right {
                true => Ok(()),
                false => Err(damaged("its checksum is another").into()),
            };
        }
        if !is_plain(&member.name) {
            return Err(ArchiveError::LeadsElsewhere(member.name).into());
        }
        each(member)?;
    }
    Err(damaged("it has too many members").into())
}

/// Whether a name is a relative path of plain parts.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains('\0')
        && !name.ends_with('/')
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// A member without its bytes, and their number.
fn parsed(head: &[u8; BLOCK]) -> Result<(Member, u64), ArchiveError> {
    let field = |at: usize, length: usize| {
        let bytes = head.get(at..at + length).unwrap_or_default();
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(length);
        String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
    };
    let number = |at: usize, length: usize| {
        u64::from_str_radix(field(at, length).trim(), 8)
            .map_err(|_| damaged("a header holds no number"))
    };
    if field(257, 5) != "ustar" {
        return Err(damaged("it is no tar file"));
    }
    let sum = head.iter().enumerate().map(|(at, b)| match at {
        148..156 => u64::from(b' '),
        _ => u64::from(*b),
    });
    if sum.sum::<u64>() != number(148, 8)? {
        return Err(damaged("a header's checksum is another"));
    }
    let name = match field(345, 155) {
        prefix if prefix.is_empty() => field(0, 100),
        prefix => format!("{prefix}/{}", field(0, 100)),
    };
    if !matches!(head.get(156), Some(b'0' | 0)) {
        return Err(ArchiveError::LeadsElsewhere(name));
    }
    let length = number(124, 12)?;
    if length > MEMBER_BYTES_MAX {
        return Err(damaged(format!(
            "{name:?} is larger than {MEMBER_BYTES_MAX} bytes"
        )));
    }
    let member = Member {
        name,
        mode: (number(100, 8)? & 0o777) as u32,
        owner: (number(108, 8)? as u32, number(116, 8)? as u32),
        changed_s: number(136, 12)?,
        bytes: Vec::new(),
    };
    Ok((member, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, bytes: &[u8]) -> Member {
        Member {
            name: name.into(),
            mode: 0o600,
            owner: (1000, 33),
            changed_s: 1_700_000_000,
            bytes: bytes.to_vec(),
        }
    }

    fn archive(members: &[Member]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        members.iter().for_each(|m| writer.add(m).unwrap());
        writer.finish().unwrap()
    }

    fn all(bytes: &[u8]) -> Result<Vec<Member>, ArchiveError> {
        let mut all = Vec::new();
        read(bytes, |member| {
            all.push(member);
            Ok::<(), ArchiveError>(())
        })?;
        Ok(all)
    }

    #[test]
    fn what_is_written_is_read_and_tar_lists_it() {
        let long = format!("state/{}/{}", "d".repeat(90), "f".repeat(90));
        let members = [
            member("a", b""),
            member("state/b", &[7; 1000]),
            member(&long, b"x"),
        ];
        let bytes = archive(&members);
        assert_eq!(all(&bytes).unwrap(), members);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar");
        std::fs::write(&path, &bytes).unwrap();
        let listed = std::process::Command::new("tar")
            .arg("-tf")
            .arg(&path)
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(
            listed.lines().collect::<Vec<_>>(),
            ["a", "state/b", &long, CHECKSUM]
        );
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let bytes = archive(&[member("a", b"hello"), member("b/c", &[1; 700])]);
        // What is behind the checksum is padding.
        let end = bytes.len() - 3 * BLOCK + 65;
        for at in 0..end {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(all(&changed).is_err(), "byte {at}");
        }
        for end in 0..bytes.len() - 2 * BLOCK {
            assert!(all(&bytes[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../x", "a/../../x", "/etc/passwd", "a/./../b/..", "", "."] {
            let bytes = archive(&[member(name, b"x")]);
            assert!(
                matches!(all(&bytes), Err(ArchiveError::LeadsElsewhere(_))),
                "{name}"
            );
        }
        // A link, by its type.
        let mut head = header(&member("link", b"")).unwrap();
        head[156] = b'2';
        let sum: u32 = head
            .iter()
            .enumerate()
            .map(|(i, b)| {
                if (148..156).contains(&i) {
                    32
                } else {
                    u32::from(*b)
                }
            })
            .sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(matches!(all(&head), Err(ArchiveError::LeadsElsewhere(_))));
    }
}
