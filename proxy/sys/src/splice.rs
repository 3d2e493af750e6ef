//! A pipe through which the kernel moves bytes from one socket to another without copying them.
//!
//! `splice` hands on the pages that hold the bytes, so a body that nobody looks at costs neither a copy in nor a copy out.
//! A pipe is filled only while it is empty: then `WouldBlock` says something of the socket, never of the pipe.

use crate::pages::Pages;
use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, splice};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{BorrowedFd, OwnedFd},
};

/// What a pipe may hold at most; the kernel may allow less.
pub const PIPE_BYTES: usize = 256 * 1024;

/// A pipe of one's own.
pub struct Pipe {
    read: File,
    write: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe.
    ///
    /// # Errors
    /// The kernel's: the process has as many descriptors as it may.
    pub fn new() -> io::Result<Self> {
        let flags = nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK;
        let (read, write) = nix::unistd::pipe2(flags)?;
        // A smaller pipe works as well: a body just takes more turns.
        let _ = fcntl(&write, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES as i32));
        Ok(Self {
            read: read.into(),
            write,
            held: 0,
        })
    }

    /// Bytes that wait in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves at most `most` bytes from a socket; 0 is its end. To be called while nothing is held.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` while it has nothing.
    pub fn fill(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let most = most.min(PIPE_BYTES);
        let n = splice(from, None, &self.write, None, most, flags)?;
        self.held += n;
        Ok(n)
    }

    /// Is lent bytes of pages from an offset, as many as fit; how many. To be called while nothing is held.
    ///
    /// # Errors
    /// The kernel's.
    pub fn lend(&mut self, pages: &Pages, from: usize) -> io::Result<usize> {
        let n = pages.lend(&self.write, from, PIPE_BYTES)?;
        self.held += n;
        Ok(n)
    }

    /// Moves what is held to a socket, as much as it takes.
    ///
    /// # Errors
    /// The socket's; `WouldBlock` while it takes nothing.
    pub fn pour(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let n = splice(&self.read, None, to, None, self.held, flags)?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// Copies out what is held.
    ///
    /// # Errors
    /// The kernel's.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.held];
        self.read.read_exact(&mut bytes)?;
        self.held = 0;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::fd::AsFd, os::unix::net::UnixStream};

    fn pair() -> (UnixStream, UnixStream) {
        let (a, b) = UnixStream::pair().unwrap();
        b.set_nonblocking(true).unwrap();
        (a, b)
    }

    #[test]
    fn bytes_go_from_socket_to_socket_in_order() {
        let (mut origin, from) = pair();
        let (mut client, to) = pair();
        let mut pipe = Pipe::new().unwrap();
        origin.write_all(b"hello world").unwrap();
        assert_eq!(pipe.fill(from.as_fd(), 5).unwrap(), 5);
        assert_eq!(pipe.held(), 5);
        assert_eq!(pipe.pour(to.as_fd()).unwrap(), 5);
        assert_eq!(pipe.held(), 0);
        assert_eq!(pipe.fill(from.as_fd(), 100).unwrap(), 6);
        assert_eq!(pipe.take().unwrap(), b" world");
        drop(to);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_silent_socket_a_full_one_and_the_end_are_told_apart() {
        let (origin, from) = pair();
        let (_client, mut to) = pair();
        let mut pipe = Pipe::new().unwrap();
        let silent = pipe.fill(from.as_fd(), 5).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::WouldBlock);
        (&origin).write_all(&[b'x'; 1000]).unwrap();
        assert_eq!(pipe.fill(from.as_fd(), PIPE_BYTES).unwrap(), 1000);
        let junk = [0; 4096];
        while to.write(&junk).is_ok() {}
        let full = pipe.pour(to.as_fd()).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(pipe.held(), 1000);
        assert_eq!(pipe.take().unwrap(), [b'x'; 1000]);
        drop(origin);
        assert_eq!(pipe.fill(from.as_fd(), 5).unwrap(), 0);
    }
}
