//! Looking at what a socket has received without taking it.

use nix::sys::socket::{MsgFlags, recv};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// Copies what has come into `buf` and leaves it there. `Ok(0)` is the end; a socket that does not block fails with
/// [`io::ErrorKind::WouldBlock`] while nothing is there.
pub fn peek<S: AsFd>(socket: &S, buf: &mut [u8]) -> io::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    Ok(recv(fd, buf, MsgFlags::MSG_PEEK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    #[test]
    fn what_was_looked_at_is_still_there() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut buf = [0; 8];
        let nothing = peek(&near, &mut buf).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        far.write_all(b"abc").unwrap();
        assert_eq!(peek(&near, &mut buf).unwrap(), 3);
        let mut taken = [0; 3];
        near.read_exact(&mut taken).unwrap();
        assert_eq!((&buf[..3], &taken), (&b"abc"[..], b"abc"));
        drop(far);
        assert_eq!(peek(&near, &mut buf).unwrap(), 0);
    }
}
