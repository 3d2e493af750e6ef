//! Signals as something to read, and waiting for several things at once.
//!
//! A signal handler may do next to nothing; a `signalfd` turns signals into messages that a plain loop reads between
//! others. The signals are blocked in the calling thread, so this is done before any other thread exists. Children
//! inherit the mask: see [`crate::process::unblock_signals`].

use crate::Error;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::{
        signal::SigSet,
        signalfd::{SfdFlags, SignalFd},
    },
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

pub use nix::sys::signal::Signal;

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which.
    pub signal: Signal,
    /// The process that sent it; 0 where the kernel did.
    pub from: u32,
}

/// The signals this process reads.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks these signals for the calling thread (and those it starts) and reads them from now on.
    pub fn watch(signals: &[Signal]) -> Result<Self, Error> {
        let mut set = SigSet::empty();
        for signal in signals {
            set.add(*signal);
        }
        set.thread_block().map_err(Error::errno_of("sigprocmask"))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .map_err(Error::errno_of("signalfd"))?;
        Ok(Self { fd })
    }

    /// The next signal, if one has arrived.
    pub fn next(&self) -> Result<Option<Arrived>, Error> {
        let info = self.fd.read_signal().map_err(Error::errno_of("read"))?;
        Ok(info.and_then(|info| {
            let signal = Signal::try_from(info.ssi_signo as i32).ok()?;
            Some(Arrived {
                signal,
                from: info.ssi_pid,
            })
        }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until one of the descriptors can be read (or has ended), at most for `limit`; tells which.
///
/// An interruption counts as nothing ready: callers are loops.
pub fn wait_readable(fds: &[BorrowedFd<'_>], limit: Option<Duration>) -> Result<Vec<bool>, Error> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    // Rounded up, so that a deadline in 0.3 ms does not become a busy loop.
    let timeout = limit.map_or(PollTimeout::NONE, |limit| {
        let ms = limit.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32;
        PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX)
    });
    match nix::poll::poll(&mut polled, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(vec![false; fds.len()]),
        Err(errno) => return Err(Error::errno_of("poll")(errno)),
    }
    Ok(polled
        .iter()
        .map(|p| p.revents().is_some_and(|r| !r.is_empty()))
        .collect())
}

/// Sends a signal to a process.
pub fn send(pid: u32, signal: Signal) -> Result<(), Error> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
    // 0 and negative numbers mean whole groups, which nobody here wants to signal.
    let pid = pid.ok_or(Errno::ESRCH).map_err(Error::errno_of("kill"))?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).map_err(Error::errno_of("kill"))
}

/// Whether a process of this number exists (also one of another user).
pub fn exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else {
        return false;
    };
    !matches!(
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None),
        Err(Errno::ESRCH)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::tests::in_child;

    #[test]
    fn a_signal_is_read_with_its_sender() {
        // A test process has threads that do not block the signal and would die of it; a child has only one.
        assert!(in_child(|| {
            let signals = Signals::watch(&[Signal::SIGHUP]).unwrap();
            assert_eq!(signals.next().unwrap(), None);
            send(std::process::id(), Signal::SIGHUP).unwrap();
            let ready = wait_readable(&[signals.as_fd()], Some(Duration::from_secs(5))).unwrap();
            ready == [true]
                && signals.next().unwrap()
                    == Some(Arrived {
                        signal: Signal::SIGHUP,
                        from: std::process::id(),
                    })
        }));
    }

    #[test]
    fn waiting_ends_at_its_limit() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(
            wait_readable(&[a.as_fd()], Some(Duration::from_micros(300))).unwrap(),
            [false]
        );
    }

    #[test]
    fn process_numbers_that_mean_groups_are_refused() {
        assert_eq!(send(0, Signal::SIGTERM).unwrap_err().errno(), Some(3));
        assert_eq!(
            send(u32::MAX, Signal::SIGTERM).unwrap_err().errno(),
            Some(3)
        );
        assert!(!exists(0));
        assert!(exists(std::process::id()));
    }
}
