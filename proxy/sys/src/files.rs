//! Opening files for somebody with fewer rights.
//!
//! A log directory often belongs to the unprivileged user, while root opens the logs in it. A symbolic link that this
//! user put in a log's place must not make root append to `/etc/crontab` (CVE-2016-1247 was just that), nor one in the
//! place of a configuration file make root hand out `/etc/shadow`. A link that
//! root or we ourselves made (`access.log -> /dev/stdout` in container images) is followed.

use crate::Error;
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, readlinkat},
    sys::stat::{Mode, fstatat},
};
use std::{
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
};

/// Opens a file for appending, creating it with mode 0644; see the module for symbolic links.
pub fn open_append(path: &Path) -> Result<File, Error> {
    match append(path, OFlag::O_NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            append(&trusted_target(path)?, OFlag::empty()).map_err(failed(path))
        }
        other => other.map_err(failed(path)),
    }
}

/// Puts a log away that holds `size` bytes or more (`log` becomes `log.1`, `log.1` becomes `log.2`, up to `keep` of them), and
/// opens it anew as [`open_append`] does, with the owner and mode that it had. One that holds less was put away by somebody
/// else meanwhile, and is only opened; so is one that cannot be renamed, or is no file.
///
/// # Errors
/// As [`open_append`].
pub fn rotate(path: &Path, size: u64, keep: u32) -> Result<File, Error> {
    let before = fs::symlink_metadata(path);
    let grown = before.ok().filter(|m| m.is_file() && m.len() >= size);
    let Some(grown) = grown else {
        return open_append(path);
    };
    let numbered = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    };
    for n in (1..keep.max(1)).rev() {
        // Most are not there until the log has been put away often enough.
        let _ = fs::rename(numbered(n), numbered(n + 1));
    }
    if fs::rename(path, numbered(1)).is_err() {
        return open_append(path);
    }
    let file = open_append(path)?;
    // Whoever may read the old one may read the new one; without the right to it the file is the daemon's own.
    let _ = std::os::unix::fs::fchown(&file, Some(grown.uid()), Some(grown.gid()));
    let _ = file.set_permissions(grown.permissions());
    Ok(file)
}

/// Opens a file for reading; see the module for symbolic links. A FIFO does not block: whoever reads it sees its end.
pub fn open_read(path: &Path) -> Result<File, Error> {
    match read(path, OFlag::O_NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            read(&trusted_target(path)?, OFlag::empty()).map_err(failed(path))
        }
        other => other.map_err(failed(path)),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::Open {
        path: path.to_owned(),
        source,
    }
}

fn append(path: &Path, extra: OFlag) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o644);
    options
        .custom_flags((extra | OFlag::O_NOCTTY).bits())
        .open(path)
}

fn read(path: &Path, extra: OFlag) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags((extra | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
}

/// Where a link leads that root or we own. The link is held open meanwhile: it cannot be exchanged between the look at
/// its owner and the look at its target.
fn trusted_target(path: &Path) -> Result<PathBuf, Error> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let link: OwnedFd = open(path, flags, Mode::empty()).map_err(Error::errno_of("open"))?;
    let meta = fstatat(&link, "", AtFlags::AT_EMPTY_PATH).map_err(Error::errno_of("fstat"))?;
    if meta.st_uid != 0 && meta.st_uid != crate::privileges::effective_uid() {
        return Err(Error::errno_of("open")(Errno::ELOOP));
    }
    let target = readlinkat(&link, "").map_err(Error::errno_of("readlink"))?;
    let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes())).to_owned();
    // A relative target starts from the link's directory; join() leaves an absolute one alone.
    Ok(path
        .parent()
        .map_or(target.clone(), |directory| directory.join(&target)))
}

/// Bytes that an unprivileged process may still fill of the file system that a path is on.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let known = nix::sys::statvfs::statvfs(path)?;
    Ok(known
        .blocks_available()
        .saturating_mul(known.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn scratch(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("seawall-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn appending_creates_and_appends() {
        let path = scratch("append").join("error.log");
        open_append(&path).unwrap().write_all(b"one\n").unwrap();
        open_append(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_log_that_has_grown_is_put_away_and_so_many_are_kept() {
        let path = scratch("rotate").join("a.log");
        let content = |name: &str| fs::read_to_string(path.with_file_name(name)).ok();
        for text in ["one.", "two.", "three."] {
            open_append(&path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            rotate(&path, 4, 2).unwrap();
        }
        assert_eq!(content("a.log").as_deref(), Some(""));
        assert_eq!(content("a.log.1").as_deref(), Some("three."));
        assert_eq!(content("a.log.2").as_deref(), Some("two."));
        assert_eq!(content("a.log.3"), None);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        rotate(&path, 4, 2).unwrap().write_all(b"new").unwrap();
        assert_eq!(content("a.log").as_deref(), Some("new"), "too small");
        assert_eq!(content("a.log.1").as_deref(), Some("three."));
    }

    #[test]
    fn a_link_of_our_own_is_followed_and_a_strangers_is_not() {
        let directory = scratch("links");
        let (target, link) = (directory.join("real.log"), directory.join("access.log"));
        symlink("real.log", &link).unwrap();
        open_append(&link).unwrap().write_all(b"line\n").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "line\n");
        assert_eq!(
            io::read_to_string(open_read(&link).unwrap()).unwrap(),
            "line\n"
        );
        if !crate::privileges::is_root() {
            return; // only root can make a link that somebody else owns
        }
        std::os::unix::fs::lchown(&link, Some(65534), Some(65534)).unwrap();
        assert_eq!(open_append(&link).unwrap_err().errno(), Some(libc::ELOOP));
        assert_eq!(open_read(&link).unwrap_err().errno(), Some(libc::ELOOP));
        assert_eq!(fs::read_to_string(&target).unwrap(), "line\n");
    }

    #[test]
    fn a_missing_directory_is_told_as_nginx_does() {
        let path = scratch("missing").join("no/error.log");
        let error = open_append(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "open() \"{}\" failed (2: No such file or directory)",
                path.display()
            )
        );
    }
}
