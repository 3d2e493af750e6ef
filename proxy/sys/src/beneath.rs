//! Files below a root: opened without leaving it, and sent without a copy.
//!
//! A worker thread must not wait for a disk. [`open`] and [`read_now`] therefore can be asked to answer from the kernel's
//! caches alone (`RESOLVE_CACHED`, Linux 5.12; `RWF_NOWAIT`): what is not there is [`io::ErrorKind::WouldBlock`], and the
//! caller asks again from a thread that may wait.
//!
//! Where the kernel, or what it is confined by, has no `openat2`, [`Links::Beneath`] opens first and then asks where the
//! descriptor leads, and [`Links::Off`] walks the path a name at a time: neither can be tricked by a path that changes
//! meanwhile, because what is looked at is what was opened.

use nix::{
    errno::Errno,
    fcntl::{
        AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open as open_at_once, openat, openat2,
    },
    sys::stat::{Mode, fstat, fstatat},
};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

/// What symbolic links below the root may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Links {
    /// Lead anywhere.
    Follow,
    /// Lead to what lies below the root.
    Beneath,
    /// Lead to what belongs to the link's own owner.
    Owner,
    /// Nothing.
    Off,
}

/// Whether a call may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It may.
    Allowed,
    /// What would wait is `WouldBlock`.
    Never,
}

/// How often a path is looked up again after a race with a rename.
const RACES_MAX: usize = 32;
/// `RESOLVE_CACHED` (linux/openat2.h).
const CACHED: u64 = 0x20;

/// Opens `path` for reading; its first `root` bytes are the root, which may be a symbolic link itself.
///
/// # Errors
/// The kernel's; a link that leads where it may not is `PermissionDenied`. A pipe is opened, and does not wait for its other
/// end.
pub fn open(path: &[u8], root: usize, links: Links, wait: Wait) -> io::Result<File> {
    let (root, below) = split(path, root);
    match links {
        Links::Follow if wait == Wait::Allowed => plain(path).map_err(io::Error::from),
        Links::Follow => through(AT_FDCWD, path, ResolveFlag::empty(), wait),
        Links::Beneath | Links::Off => {
            let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
            let resolve = match links {
                Links::Off => beneath | ResolveFlag::RESOLVE_NO_SYMLINKS,
                _ => beneath,
            };
            let directory = directory(root, wait)?;
            match through(directory.as_fd(), below, resolve, wait) {
                Err(e) if wait == Wait::Allowed && e.raw_os_error() == Some(libc::ENOSYS) => {
                    without_openat2(&directory, path, below, links)
                }
                other => other,
            }
        }
        // Owners are compared name by name.
        Links::Owner if wait == Wait::Never => Err(io::ErrorKind::WouldBlock.into()),
        Links::Owner => walk(directory(root, wait)?, below, Links::Owner),
    }
}

/// Opens `name` below `directory` for appending, made with mode 0644 if it is missing; no link is followed.
///
/// # Errors
/// The kernel's. Without `openat2` only a name in the directory itself can be had.
pub fn append(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let mode = Mode::from_bits_truncate(0o644);
    let flags = OFlag::O_WRONLY
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_CLOEXEC
        | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).mode(mode).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    match openat2(directory, os(name), how) {
        Err(Errno::ENOSYS) if !name.contains(&b'/') => openat(directory, os(name), flags, mode),
        other => other,
    }
    .map(File::from)
    .map_err(io::Error::from)
}

/// The root as a directory, and what lies below it without the slashes between.
fn split(path: &[u8], root: usize) -> (&[u8], &[u8]) {
    let (mut directory, mut below) = path.split_at_checked(root).unwrap_or((path, b""));
    if !directory.ends_with(b"/") && !below.starts_with(b"/") {
        // "/srv/html" and "x.txt" are the file "htmlx.txt" in "/srv".
        let slash = directory.iter().rposition(|b| *b == b'/');
        let at = slash.map_or(0, |at| at + 1);
        (directory, below) = path.split_at_checked(at).unwrap_or((path, b""));
    }
    let slashes = below.iter().take_while(|b| **b == b'/').count();
    let below = below.get(slashes..).unwrap_or_default();
    (
        if directory.is_empty() {
            b"/"
        } else {
            directory
        },
        if below.is_empty() { b"." } else { below },
    )
}

fn flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY
}

fn os(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path)
}

fn plain(path: &[u8]) -> Result<File, Errno> {
    open_at_once(os(path), flags(), Mode::empty()).map(File::from)
}

fn directory(root: &[u8], wait: Wait) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    if wait == Wait::Allowed {
        return Ok(open_at_once(os(root), flags, Mode::empty())?);
    }
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::from_bits_retain(CACHED));
    openat2(AT_FDCWD, os(root), how).map_err(|e| unwaited(e).into())
}

fn through(
    directory: BorrowedFd<'_>,
    path: &[u8],
    resolve: ResolveFlag,
    wait: Wait,
) -> io::Result<File> {
    let resolve = match wait {
        Wait::Never => resolve | ResolveFlag::from_bits_retain(CACHED),
        Wait::Allowed => resolve,
    };
    let how = OpenHow::new().flags(flags()).resolve(resolve);
    let mut opened = openat2(directory, os(path), how);
    // A rename anywhere on the machine may keep the kernel from being sure of a `..`: openat2(2) asks to try again.
    for _ in 0..RACES_MAX {
        if wait == Wait::Never || !matches!(opened, Err(Errno::EAGAIN)) {
            break;
        }
        opened = openat2(directory, os(path), how);
    }
    opened.map(File::from).map_err(|e| match e {
        // It leads out of the root, or is a link where there may be none.
        Errno::EXDEV => io::ErrorKind::PermissionDenied.into(),
        Errno::ELOOP if resolve.contains(ResolveFlag::RESOLVE_NO_SYMLINKS) => {
            io::ErrorKind::PermissionDenied.into()
        }
        e if wait == Wait::Never => unwaited(e).into(),
        // A filter that does not know the call says EPERM.
        Errno::EPERM => Errno::ENOSYS.into(),
        e => e.into(),
    })
}

/// What a kernel says that cannot answer from its caches, or does not know how.
fn unwaited(e: Errno) -> Errno {
    match e {
        Errno::ENOSYS | Errno::EINVAL | Errno::EPERM => Errno::EAGAIN,
        e => e,
    }
}

fn without_openat2(
    directory: &OwnedFd,
    path: &[u8],
    below: &[u8],
    links: Links,
) -> io::Result<File> {
    if links == Links::Off {
        return walk(directory.try_clone()?, below, Links::Off);
    }
    let file = plain(path)?;
    let place =
        |fd: BorrowedFd<'_>| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    if place(file.as_fd())?.starts_with(place(directory.as_fd())?) {
        Ok(file)
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// Goes down a name at a time, and looks at each that is a link.
fn walk(mut at: OwnedFd, below: &[u8], links: Links) -> io::Result<File> {
    let names: Vec<&[u8]> = below
        .split(|b| *b == b'/')
        .filter(|n| !n.is_empty())
        .collect();
    for (i, name) in names.iter().enumerate() {
        if *name == b".." {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let is_last = i + 1 == names.len() && !below.ends_with(b"/");
        let flags = if is_last {
            flags()
        } else {
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
        };
        let next = match links {
            Links::Off => openat(&at, os(name), flags | OFlag::O_NOFOLLOW, Mode::empty()).map_err(
                |e| match e {
                    // ENOTDIR: a link where a directory was asked for.
                    Errno::ELOOP => io::ErrorKind::PermissionDenied.into(),
                    e => io::Error::from(e),
                },
            )?,
            _ => openat(&at, os(name), flags, Mode::empty())?,
        };
        if links == Links::Owner {
            let link = fstatat(&at, os(name), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if link.st_mode & libc::S_IFMT == libc::S_IFLNK && link.st_uid != fstat(&next)?.st_uid {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        if is_last {
            return Ok(next.into());
        }
        at = next;
    }
    Ok(openat(&at, ".", flags(), Mode::empty())?.into())
}

/// Reads from `offset` what the page cache holds; `WouldBlock` where it holds nothing of it.
///
/// # Errors
/// The kernel's; `Unsupported` where the file system cannot say.
pub fn read_now(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: `part` describes `buffer`, which is borrowed mutably for the call, and the kernel writes at most its length.
    // The descriptor is open while `file` is borrowed.
    let n = unsafe { libc::preadv2(file.as_raw_fd(), &part, 1, offset, libc::RWF_NOWAIT) };
    match usize::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => match Errno::last() {
            Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL => {
                Err(io::ErrorKind::Unsupported.into())
            }
            e => Err(e.into()),
        },
    }
}

/// Sends `count` bytes of a file from `offset` into a socket that does not wait; gives how many were taken, 0 at the file's
/// end.
///
/// # Errors
/// The kernel's; `WouldBlock` while the socket takes nothing.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: &File,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: both descriptors are open while they are borrowed, and `offset` is a local that the call may write.
    let n = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &mut offset, count) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Sends bytes that more will follow: the kernel may hold them until it can fill a packet.
///
/// # Errors
/// The kernel's; `WouldBlock` while the socket takes nothing.
pub fn send_more(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    socket2::SockRef::from(&socket).send_with_flags(bytes, libc::MSG_MORE | libc::MSG_NOSIGNAL)
}

/// Whether an error is one of the device under a file, not of a peer: no socket says so.
pub fn is_of_device(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EIO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_to_lies_below_and_no_link_leads_away() {
        use std::io::Write;
        let root = std::env::temp_dir().join(format!("seawall-append-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("below/sub")).unwrap();
        std::fs::write(root.join("outside"), "").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("below/link")).unwrap();
        let directory = File::open(root.join("below")).unwrap();
        for name in [&b"a.log"[..], b"sub/b.log"] {
            let mut file = append(directory.as_fd(), name).unwrap();
            file.write_all(b"1").unwrap();
            append(directory.as_fd(), name)
                .unwrap()
                .write_all(b"2")
                .unwrap();
            let path = root.join("below").join(os(name));
            assert_eq!(std::fs::read(path).unwrap(), b"12");
        }
        for name in [
            &b"../outside"[..],
            b"link",
            b"/etc/hostname",
            b"sub/../../outside",
            b"missing/x",
        ] {
            assert!(append(directory.as_fd(), name).is_err());
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
    use std::{
        fs,
        io::{Read, Write},
        os::unix::fs::symlink,
        os::unix::net::UnixStream,
        path::{Path, PathBuf},
    };

    fn scratch(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("seawall-beneath-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("root/sub")).unwrap();
        fs::write(directory.join("outside"), "outside").unwrap();
        fs::write(directory.join("root/file"), "file").unwrap();
        fs::write(directory.join("root/sub/deep"), "deep").unwrap();
        symlink("../outside", directory.join("root/out")).unwrap();
        symlink("sub/deep", directory.join("root/in")).unwrap();
        symlink("sub", directory.join("root/dir")).unwrap();
        directory
    }

    fn read(directory: &Path, below: &str, links: Links, wait: Wait) -> Result<String, io::Error> {
        let root = directory.join("root");
        let root_len = root.as_os_str().len();
        let path = [root.as_os_str().as_bytes(), b"/", below.as_bytes()].concat();
        let mut text = String::new();
        let file = match open(&path, root_len, links, wait) {
            // The caches alone cannot always tell: then the file is opened as by those who may wait.
            Err(e) if wait == Wait::Never && e.kind() == io::ErrorKind::WouldBlock => {
                open(&path, root_len, links, Wait::Allowed)
            }
            other => other,
        };
        file?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn links_lead_where_they_may() {
        let d = scratch("links");
        for wait in [Wait::Allowed, Wait::Never] {
            for links in [Links::Follow, Links::Beneath, Links::Off] {
                assert_eq!(read(&d, "file", links, wait).unwrap(), "file");
                assert_eq!(read(&d, "sub/deep", links, wait).unwrap(), "deep");
                assert_eq!(
                    read(&d, "none", links, wait).unwrap_err().kind(),
                    io::ErrorKind::NotFound
                );
            }
            assert_eq!(read(&d, "out", Links::Follow, wait).unwrap(), "outside");
            assert_eq!(read(&d, "in", Links::Beneath, wait).unwrap(), "deep");
            assert_eq!(read(&d, "dir/deep", Links::Beneath, wait).unwrap(), "deep");
            for (below, links) in [
                ("out", Links::Beneath),
                ("../outside", Links::Beneath),
                ("in", Links::Off),
                ("dir/deep", Links::Off),
            ] {
                let refused = read(&d, below, links, wait).unwrap_err().kind();
                assert_eq!(
                    refused,
                    io::ErrorKind::PermissionDenied,
                    "{below} {links:?} {wait:?}"
                );
            }
        }
    }

    #[test]
    fn a_kernel_without_openat2_gives_the_same_answers() {
        let d = scratch("old");
        let root = d.join("root");
        let opened = directory(root.as_os_str().as_bytes(), Wait::Allowed).unwrap();
        let try_ = |below: &str, links| {
            let path = root.join(below);
            let path = path.as_os_str().as_bytes();
            without_openat2(&opened, path, below.as_bytes(), links).map(drop)
        };
        assert!(try_("file", Links::Beneath).is_ok() && try_("in", Links::Beneath).is_ok());
        assert!(try_("file", Links::Off).is_ok() && try_("sub/deep", Links::Off).is_ok());
        assert!(
            try_("out", Links::Beneath).is_err() && try_("../outside", Links::Beneath).is_err()
        );
        assert!(try_("in", Links::Off).is_err() && try_("dir/deep", Links::Off).is_err());
    }

    #[test]
    fn the_owner_of_a_link_owns_what_it_leads_to() {
        let d = scratch("owner");
        assert_eq!(
            read(&d, "out", Links::Owner, Wait::Allowed).unwrap(),
            "outside"
        );
        assert_eq!(
            read(&d, "sub/deep", Links::Owner, Wait::Allowed).unwrap(),
            "deep"
        );
        if crate::privileges::effective_uid() == 0 {
            std::os::unix::fs::lchown(d.join("root/in"), Some(65534), Some(65534)).unwrap();
            let kind = read(&d, "in", Links::Owner, Wait::Allowed)
                .unwrap_err()
                .kind();
            assert_eq!(kind, io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_root_without_a_slash_is_the_beginning_of_a_name() {
        assert_eq!(split(b"/srv/htmlx", 9), (&b"/srv/"[..], &b"htmlx"[..]));
        assert_eq!(split(b"/srv/html/x", 9), (&b"/srv/html"[..], &b"x"[..]));
        assert_eq!(split(b"/srv/html", 9), (&b"/srv/"[..], &b"html"[..]));
        assert_eq!(split(b"/srv/html/", 9), (&b"/srv/html"[..], &b"."[..]));
        assert_eq!(split(b"/x", 0), (&b"/"[..], &b"x"[..]));
        assert_eq!(split(b"/x", 99), (&b"/"[..], &b"x"[..]));
    }

    #[test]
    fn what_was_just_written_is_read_and_sent_at_once() {
        let d = scratch("send");
        let file = File::open(d.join("root/file")).unwrap();
        let mut buffer = [0; 8];
        match read_now(&file, &mut buffer, 1) {
            Ok(n) => assert_eq!(&buffer[..n], b"ile"),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::Unsupported),
        }
        let (a, mut b) = UnixStream::pair().unwrap();
        (&a).write_all(b"<").unwrap();
        assert_eq!(send_more(a.as_fd(), b"head").unwrap(), 4);
        assert_eq!(send_file(a.as_fd(), &file, 2, 100).unwrap(), 2);
        assert_eq!(send_file(a.as_fd(), &file, 4, 100).unwrap(), 0);
        drop(a);
        let mut text = String::new();
        b.read_to_string(&mut text).unwrap();
        assert_eq!(text, "<headle");
    }
}
