//! Descriptors that survive `exec`: how a process hands its sockets to the program that takes its place.
//!
//! Everything we open is close-on-exec. A process that replaces itself by a newer program of the same number makes what it
//! hands over inheritable ([`bequeath`]), writes down the numbers in a file without a name ([`letter`]), and the newer
//! program takes them ([`inherit`]), once each, and makes them close-on-exec again.

use crate::Error;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use std::{
    fs::File,
    io::{Read, Seek, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Bytes of a letter at most.
pub const LETTER_BYTES_MAX: u64 = 16 << 20;

/// Lets a descriptor be open in the program that `exec` starts; its number there.
pub fn bequeath(fd: impl AsFd) -> Result<RawFd, Error> {
    let fd = fd.as_fd();
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map_err(Error::errno_of("fcntl"))?;
    Ok(fd.as_raw_fd())
}

/// Takes it back, where `exec` has failed.
pub fn keep(fd: impl AsFd) -> Result<(), Error> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(Error::errno_of("fcntl"))?;
    Ok(())
}

/// Takes a descriptor that the program before this one has bequeathed. A number is taken once; the three standard ones
/// never.
///
/// # Errors
/// `EBADF` where there is no such descriptor.
pub fn inherit(number: RawFd) -> Result<OwnedFd, Error> {
    if number <= 2 {
        return Err(Error::errno_of("fcntl")(Errno::EBADF));
    }
    // SAFETY: only used for the next call, which says whether it is open at all.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    keep(borrowed)?;
    // SAFETY: it is open, as the call before has found, and it was inherited: this program has opened nothing under that
    // number, or it would be close-on-exec already and in the hands of its owner. Callers take each number of a letter
    // once, at the start and before they open anything else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Writes a letter to the program that comes next: a file in memory, inherited under this number.
pub fn letter(text: &[u8]) -> Result<OwnedFd, Error> {
    let fd = memfd_create("seawall-handover", MFdFlags::empty())
        .map_err(Error::errno_of("memfd_create"))?;
    let mut file = File::from(fd);
    file.write_all(text).map_err(Error::call("write"))?;
    file.rewind().map_err(Error::call("lseek"))?;
    Ok(file.into())
}

/// Reads the letter of the program before.
pub fn read_letter(number: RawFd) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    File::from(inherit(number)?)
        .take(LETTER_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(Error::call("read"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        process::Command,
    };

    #[test]
    fn what_is_bequeathed_is_open_in_the_next_program_and_the_rest_is_not() {
        let (open, closed) = (
            File::open("/dev/null").unwrap(),
            File::open("/dev/null").unwrap(),
        );
        let number = bequeath(&open).unwrap();
        let script = format!(
            "test -e /proc/self/fd/{number} && ! test -e /proc/self/fd/{}",
            closed.as_raw_fd()
        );
        assert!(
            Command::new("sh")
                .args(["-c", &script])
                .status()
                .unwrap()
                .success()
        );
        keep(&open).unwrap();
        assert!(
            !Command::new("sh")
                .args(["-c", &script])
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn an_inherited_socket_takes_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // As after an exec: nobody owns the number.
        let number = std::os::fd::IntoRawFd::into_raw_fd(OwnedFd::from(listener));
        let listener = TcpListener::from(inherit(number).unwrap());
        let _client = TcpStream::connect(address).unwrap();
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn a_letter_is_read_and_a_number_that_is_not_open_is_refused() {
        let number = std::os::fd::IntoRawFd::into_raw_fd(letter(b"{}").unwrap());
        assert_eq!(read_letter(number).unwrap(), b"{}");
        for bad in [-1, 0, 2, 1_000_000] {
            assert_eq!(inherit(bad).unwrap_err().errno(), Some(9), "{bad}");
        }
    }
}
