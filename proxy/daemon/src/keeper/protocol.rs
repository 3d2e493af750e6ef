//! What keeper and worker say to each other, in one place for both.
//!
//! Messages are JSON, one a packet of the socketpair ([`seawall_sys::channel`]), with descriptors beside them: nothing
//! here is hot, and an operator can read it in `strace`. Each [`Request`] gets exactly one answer (`Sockets` may come in
//! several messages, the last with `more: false`), in order. Events come whenever they come.

use seawall_conf::model::LogLevel;
use seawall_sys::{
    channel::{Channel, FDS_MAX},
    listen::Endpoint,
    privileges::Identity,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    net::SocketAddr,
    os::fd::{BorrowedFd, OwnedFd},
    path::PathBuf,
    time::Duration,
};

use crate::configuration::Source;

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Sockets that listen on an address, bound now or long ago.
    Listen {
        /// Where.
        address: Address,
        /// How many siblings.
        count: usize,
    },
    /// A file that the configuration names.
    Open {
        /// Absolute.
        path: PathBuf,
        /// For what.
        mode: OpenMode,
    },
    /// All sockets are bound and the plan is compiled: the daemon is up.
    Bound,
    /// Sockets on other addresses are no longer used.
    Retain {
        /// Those that are.
        addresses: Vec<Address>,
    },
    /// Answer to [`Message::Release`]: another process may have it now.
    Released,
    /// What the daemon is doing, for whoever manages it.
    Status {
        /// One line.
        text: String,
    },
}

/// For what a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenMode {
    /// A log: created if it is missing.
    Append,
    /// A log that has grown to its limit: put away first.
    Rotate,
    /// A key, a certificate, a zone.
    Read,
}

/// What a keeper says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Message {
    /// The first message of every worker's life; the error log comes with it unless it is standard error.
    Welcome(Box<Welcome>),
    /// Answer to `Listen`, with up to [`FDS_MAX`] sockets.
    Sockets {
        /// What was bound: tells the port where 0 was asked for.
        bound: Option<SocketAddr>,
        /// More of them follow in another message.
        more: bool,
    },
    /// Answer to `Open`, with one descriptor.
    File,
    /// Answer to `Bound`, `Retain`, `Released` and `Status`.
    Done,
    /// Answer to any request.
    Refused {
        /// The kernel's error number, where there is one.
        errno: Option<i32>,
        /// For people.
        reason: String,
        /// Who has what was asked for, where that can be told.
        #[serde(default)]
        holder: Option<String>,
    },
    /// A newer binary is about to take over: let go of what only one process may have, serve on, and say `Released`. `Reload`
    /// takes it back.
    Release,
    /// A successor serves: stop accepting, finish what is in flight within this time, exit.
    Retire {
        /// At most.
        limit: Duration,
    },
    /// Read the configuration again. The error log comes with it unless it is standard error.
    Reload {
        /// Its level.
        level: Level,
    },
    /// Open the log files again; the error log comes with it unless it is standard error.
    Reopen,
    /// Stop accepting, finish what is in flight, exit.
    Quit,
    /// Exit.
    Stop,
}

/// How a worker begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The configuration.
    pub source: Source,
    /// Whom to become; `None` keeps the identity.
    pub identity: Option<User>,
    /// How many workers there were before this one.
    pub generation: u64,
    /// The error log's level.
    pub level: Level,
    /// The daemon has left its terminal: standard error is given up once all is bound.
    pub background: bool,
    /// An address that somebody else has is no reason not to start: it is waited for.
    #[serde(default)]
    pub patient: bool,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// UDP.
    Udp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        match address {
            Address::Tcp(a) => Endpoint::Tcp(a),
            Address::Udp(a) => Endpoint::Udp(a),
            Address::Unix(path) => Endpoint::Unix(path),
        }
    }
}

impl From<&Endpoint> for Address {
    fn from(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Tcp(a) => Address::Tcp(*a),
            Endpoint::Udp(a) => Address::Udp(*a),
            Endpoint::Unix(path) => Address::Unix(path.clone()),
        }
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

impl From<User> for Identity {
    fn from(user: User) -> Self {
        Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.groups,
        }
    }
}

impl From<Identity> for User {
    fn from(identity: Identity) -> Self {
        User {
            uid: identity.uid,
            gid: identity.gid,
            groups: identity.groups,
        }
    }
}

/// A log level on the wire: its place in nginx's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level(u8);

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        Level(level as u8)
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        use LogLevel::*;
        let levels = [Emerg, Alert, Crit, Error, Warn, Notice, Info, Debug];
        levels
            .into_iter()
            .find(|l| *l as u8 == level.0)
            .unwrap_or(Debug)
    }
}

/// Why a message could not be sent or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The socketpair failed; `EAGAIN`: the other side does not read.
    #[error(transparent)]
    Channel(#[from] seawall_sys::Error),
    /// The other side speaks another language: a bug, or a worker that was taken over.
    #[error("a message between keeper and worker cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Sends one message.
pub fn send<T: Serialize>(
    channel: &Channel,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), ProtocolError> {
    Ok(channel.send(&serde_json::to_vec(message)?, fds)?)
}

/// Sends the sockets of an address in as many messages as they need.
pub fn send_sockets(
    channel: &Channel,
    bound: Option<SocketAddr>,
    sockets: &[BorrowedFd<'_>],
) -> Result<(), ProtocolError> {
    let mut rest = sockets;
    loop {
        let (now, later) = rest.split_at(rest.len().min(FDS_MAX));
        send(
            channel,
            &Message::Sockets {
                bound,
                more: !later.is_empty(),
            },
            now,
        )?;
        if later.is_empty() {
            return Ok(());
        }
        rest = later;
    }
}

/// Waits for a message; `None` when the other side is gone.
pub fn receive<T: DeserializeOwned>(
    channel: &Channel,
) -> Result<Option<(T, Vec<OwnedFd>)>, ProtocolError> {
    match channel.recv()? {
        None => Ok(None),
        Some(received) => Ok(Some((
            serde_json::from_slice(&received.bytes)?,
            received.fds,
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, os::fd::AsFd};

    #[test]
    fn every_request_survives_the_way() {
        let (a, b) = Channel::pair().unwrap();
        let requests = [
            Request::Listen {
                address: Address::Tcp("[::1]:443".parse().unwrap()),
                count: 4,
            },
            Request::Listen {
                address: Address::Udp("127.0.0.1:53".parse().unwrap()),
                count: 1,
            },
            Request::Listen {
                address: Address::Unix("/run/x.sock".into()),
                count: 1,
            },
            Request::Open {
                path: "/var/log/seawall/access.log".into(),
                mode: OpenMode::Append,
            },
            Request::Bound,
            Request::Released,
            Request::Status {
                text: "serving".into(),
            },
            Request::Retain {
                addresses: vec![Address::Tcp("0.0.0.0:80".parse().unwrap())],
            },
        ];
        for request in requests {
            send(&a, &request, &[]).unwrap();
            assert_eq!(receive::<Request>(&b).unwrap().unwrap().0, request);
        }
        drop(a);
        assert!(receive::<Request>(&b).unwrap().is_none());
    }

    #[test]
    fn more_sockets_than_one_message_holds_come_in_several() {
        let (a, b) = Channel::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        send_sockets(&a, None, &[file.as_fd(); 2 * FDS_MAX + 3]).unwrap();
        let mut counts = Vec::new();
        loop {
            let Some((Message::Sockets { more, .. }, fds)) = receive::<Message>(&b).unwrap() else {
                panic!()
            };
            counts.push(fds.len());
            if !more {
                break;
            }
        }
        assert_eq!(counts, [FDS_MAX, FDS_MAX, 3]);
    }

    #[test]
    fn bytes_of_another_language_are_an_error_and_not_a_panic() {
        let (a, b) = Channel::pair().unwrap();
        a.send(b"{\"Listen\":", &[]).unwrap();
        assert!(matches!(
            receive::<Request>(&b),
            Err(ProtocolError::Unreadable(_))
        ));
        a.send(&[0xff; 100], &[]).unwrap();
        assert!(matches!(
            receive::<Request>(&b),
            Err(ProtocolError::Unreadable(_))
        ));
    }

    #[test]
    fn levels_keep_their_order() {
        for level in [LogLevel::Emerg, LogLevel::Notice, LogLevel::Debug] {
            assert_eq!(LogLevel::from(Level::from(level)), level);
        }
        assert_eq!(LogLevel::from(Level(200)), LogLevel::Debug);
    }
}
