//! What can go wrong between us and the kernel.

use std::{io, path::PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed; `call` is named as in its man page, so that an operator can look it up.
    #[error("{call}() failed ({})", errno_text(.source))]
    Call {
        /// The system call.
        call: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The address is taken, or cannot be bound for another reason (nginx's words: `bind() to ADDRESS failed`).
    #[error("{call}() to {address} failed ({})", errno_text(.source))]
    Bind {
        /// `socket`, `bind` or `listen`.
        call: &'static str,
        /// The address as it is written in a configuration.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file cannot be opened (nginx's words: `open() "PATH" failed`).
    #[error("open() \"{}\" failed ({})", .path.display(), errno_text(.source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A message is longer than [`crate::channel::MESSAGE_BYTES_MAX`]: nothing was sent.
    #[error("a message of {0} bytes does not fit in a channel's {max}", max = crate::channel::MESSAGE_BYTES_MAX)]
    MessageTooLong(usize),
    /// More descriptors than [`crate::channel::FDS_MAX`] in one message: nothing was sent.
    #[error("{0} descriptors do not fit in one message; send at most {max}", max = crate::channel::FDS_MAX)]
    TooManyDescriptors(usize),
    /// The other side sent more than a message may hold; what arrived of it was dropped.
    #[error(
        "a received message was cut short: the other side does not keep to the limits of a channel"
    )]
    Truncated,
    /// No such user: create it, or name another in the configuration.
    #[error("getpwnam(\"{0}\") failed: no such user")]
    NoSuchUser(String),
    /// No such group: create it, or name another in the configuration.
    #[error("getgrnam(\"{0}\") failed: no such group")]
    NoSuchGroup(String),
    /// Privileges came back after they were dropped: the process must not go on.
    #[error("privileges could be regained after dropping them to uid {0}")]
    PrivilegesRegained(u32),
    /// [`crate::process::fork`] was called while other threads were running.
    #[error("fork is only allowed while the process has a single thread (it has {0})")]
    Threads(usize),
    /// A unix socket's path holds something that is not a socket, which is never removed.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// More siblings for one address than [`crate::listen::SIBLINGS_MAX`].
    #[error("{0} sockets for one address are too many; at most {max}", max = crate::listen::SIBLINGS_MAX)]
    TooManySiblings(usize),
}

impl Error {
    /// The kernel's error number, where there is one (`EADDRINUSE` is 98).
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Call { source, .. }
            | Error::Bind { source, .. }
            | Error::Open { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    pub(crate) fn call(call: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Call { call, source }
    }

    pub(crate) fn errno_of(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> Error {
        move |errno| Error::Call {
            call,
            source: errno.into(),
        }
    }
}

/// An error number and its text as nginx writes them: `98: Address already in use`.
pub(crate) fn errno_text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{number}: {}", nix::errno::Errno::from_raw(number).desc()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_bind_reads_as_in_nginx() {
        let error = Error::Bind {
            call: "bind",
            address: "0.0.0.0:80".into(),
            source: io::Error::from_raw_os_error(98),
        };
        assert_eq!(
            error.to_string(),
            "bind() to 0.0.0.0:80 failed (98: Address already in use)"
        );
        assert_eq!(error.errno(), Some(98));
    }
}
