//! Messages with descriptors over a socketpair.
//!
//! `SOCK_SEQPACKET` keeps the borders of messages and tells of the other side's death by an empty read, so that no
//! framing of our own is needed and a process that dies is noticed without a timer. Descriptors travel as
//! `SCM_RIGHTS`. Every descriptor received is owned at once: whatever happens to the message, none leaks.

use crate::Error;
use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
};
use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

/// Descriptors in one message; the kernel's own limit is 253.
pub const FDS_MAX: usize = 64;

/// Bytes of one message. A socketpair's default buffer (208 KiB) holds a few of them.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// One end of a socketpair.
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

/// One message.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Descriptors that came with it, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

impl Channel {
    /// Two connected ends, both close-on-exec.
    pub fn pair() -> Result<(Channel, Channel), Error> {
        let (a, b) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(Error::errno_of("socketpair"))?;
        Ok((Channel { fd: a }, Channel { fd: b }))
    }

    /// An end that was inherited, for instance as standard input.
    pub fn from_fd(fd: OwnedFd) -> Channel {
        Channel { fd }
    }

    /// Gives the descriptor away, for instance to a child's standard input.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The longest a [`send`](Self::send) may wait for a reader that does not read; it then fails with `EAGAIN`.
    pub fn set_send_timeout(&self, limit: Duration) -> Result<(), Error> {
        let socket = socket2::SockRef::from(&self.fd);
        socket
            .set_write_timeout(Some(limit))
            .map_err(Error::call("setsockopt"))
    }

    /// Sends a message whole or not at all.
    ///
    /// Fails with [`Error::MessageTooLong`] and [`Error::TooManyDescriptors`] past the limits, and with `EPIPE` when
    /// the other side is gone (`SIGPIPE` is not raised).
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(Error::MessageTooLong(bytes.len()));
        }
        if fds.len() > FDS_MAX {
            return Err(Error::TooManyDescriptors(fds.len()));
        }
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        let io = [IoSlice::new(bytes)];
        loop {
            match sendmsg::<()>(
                self.fd.as_raw_fd(),
                &io,
                control,
                MsgFlags::MSG_NOSIGNAL,
                None,
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Error::errno_of("sendmsg")(errno)),
            }
        }
    }

    /// Waits for a message; `None` when the other side is gone.
    ///
    /// A message without bytes cannot be told from the end and is therefore never sent by our protocols.
    pub fn recv(&self) -> Result<Option<Received>, Error> {
        let mut bytes = vec![0u8; MESSAGE_BYTES_MAX];
        let mut control = cmsg_space!([RawFd; FDS_MAX]);
        let mut fds = Vec::new();
        let (length, flags) = loop {
            let mut io = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<()>(
                self.fd.as_raw_fd(),
                &mut io,
                Some(&mut control),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Ok(message) => {
                    adopt(&message, &mut fds)?;
                    break (message.bytes, message.flags);
                }
                Err(Errno::EINTR) => continue,
                // A peer that died with unread messages resets the pair: the same end, told differently.
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(errno) => return Err(Error::errno_of("recvmsg")(errno)),
            }
        };
        if flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
            return Err(Error::Truncated);
        }
        if length == 0 {
            return Ok(None);
        }
        bytes.truncate(length);
        Ok(Some(Received { bytes, fds }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes ownership of the descriptors of a message before anything else can fail.
fn adopt(
    message: &nix::sys::socket::RecvMsg<'_, '_, ()>,
    into: &mut Vec<OwnedFd>,
) -> Result<(), Error> {
    // Only a control buffer that is too short makes this fail, and ours holds FDS_MAX descriptors; the kernel itself
    // closes those that do not fit and sets MSG_CTRUNC.
    for control in message.cmsgs().map_err(Error::errno_of("recvmsg"))? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            for fd in raw {
                // SAFETY: the kernel has just installed `fd` in this process for this message. No other code knows
                // the number, and each one is wrapped once, here.
                into.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn a_message_keeps_its_borders() {
        let (a, b) = Channel::pair().unwrap();
        a.send(b"one", &[]).unwrap();
        a.send(b"two", &[]).unwrap();
        assert_eq!(b.recv().unwrap().unwrap().bytes, b"one");
        assert_eq!(b.recv().unwrap().unwrap().bytes, b"two");
    }

    #[test]
    fn a_listening_socket_works_on_the_other_side() {
        let (a, b) = Channel::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        a.send(b"listener", &[listener.as_fd()]).unwrap();
        drop(listener);
        let mut message = b.recv().unwrap().unwrap();
        assert_eq!(message.fds.len(), 1);
        let listener = TcpListener::from(message.fds.remove(0));
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"x").unwrap();
        let mut got = [0];
        client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"x");
    }

    #[test]
    fn sixty_four_descriptors_fit_and_sixty_five_do_not() {
        let (a, b) = Channel::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        a.send(b"many", &[file.as_fd(); FDS_MAX]).unwrap();
        assert_eq!(b.recv().unwrap().unwrap().fds.len(), FDS_MAX);
        let error = a.send(b"more", &[file.as_fd(); FDS_MAX + 1]).unwrap_err();
        assert!(matches!(error, Error::TooManyDescriptors(65)), "{error}");
    }

    #[test]
    fn a_message_past_the_limit_is_refused_whole() {
        let (a, b) = Channel::pair().unwrap();
        a.send(&vec![7; MESSAGE_BYTES_MAX], &[]).unwrap();
        assert_eq!(b.recv().unwrap().unwrap().bytes.len(), MESSAGE_BYTES_MAX);
        let error = a.send(&vec![7; MESSAGE_BYTES_MAX + 1], &[]).unwrap_err();
        assert!(matches!(error, Error::MessageTooLong(_)), "{error}");
    }

    #[test]
    fn the_end_of_the_other_side_is_told_and_not_an_error() {
        let (a, b) = Channel::pair().unwrap();
        a.send(b"unread", &[]).unwrap();
        drop(a);
        assert!(b.recv().unwrap().is_some());
        assert!(b.recv().unwrap().is_none());
        assert_eq!(b.send(b"x", &[]).unwrap_err().errno(), Some(32));
    }

    #[test]
    fn a_reader_that_never_reads_cannot_hold_a_sender_for_ever() {
        let (a, _b) = Channel::pair().unwrap();
        a.set_send_timeout(Duration::from_millis(10)).unwrap();
        let error = (0..64)
            .find_map(|_| a.send(&vec![0; MESSAGE_BYTES_MAX], &[]).err())
            .unwrap();
        assert_eq!(error.errno(), Some(11));
    }

    #[test]
    fn descriptors_of_a_dropped_message_are_closed() {
        // Other tests open files at the same time, so a single count says nothing: two hundred leaks would.
        let before = open_files();
        let (a, b) = Channel::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        for _ in 0..100 {
            a.send(b"x", &[file.as_fd(); 8]).unwrap();
            drop(b.recv().unwrap());
        }
        assert!(open_files() < before + 400);
    }
}
