//! The keeper's answers to its worker.

use super::{
    DISK_PATIENCE,
    grants::Grants,
    life::Life,
    pid_file::PidFile,
    protocol::{self, Message, OpenMode, ProtocolError, Request},
    run::{Facts, Keeper, open_log},
};
use crate::{configuration::Style, log::FLUSH_PATIENCE, patience::within};
use seawall_conf::model::LogLevel;
use seawall_sys::{
    Error,
    channel::Channel,
    files, holder,
    listen::{Endpoint, Siblings},
    signals::wait_readable,
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::{Duration, Instant},
};

/// Linux's numbers, as they cross the wire.
const EACCES: i32 = 13;
const EADDRINUSE: i32 = 98;

/// Times an address in use is tried at the start, and the pause between, as nginx does: a predecessor may be ending.
const BIND_ATTEMPTS: u32 = 5;
const BIND_PAUSE: Duration = Duration::from_millis(500);

/// The configuration is read at most so often because a worker asks for more than is granted.
const REFRESH_PAUSE: Duration = Duration::from_millis(100);

impl Keeper {
    /// Answers one request.
    pub(super) fn answer(
        &mut self,
        channel: &Channel,
        request: Request,
    ) -> Result<(), ProtocolError> {
        match request {
            Request::Listen { address, count } => self.listen(channel, address.into(), count),
            Request::Open { path, mode } => self.open(channel, &path, mode),
            Request::Bound => match self.up() {
                Ok(()) => protocol::send(channel, &Message::Done, &[]),
                Err(error) => {
                    let path = self.facts.pid.clone().unwrap_or_default();
                    let source = Error::Open {
                        path,
                        source: error,
                    };
                    refuse(channel, source.errno(), source.to_string())
                }
            },
            Request::Released => {
                protocol::send(channel, &Message::Done, &[])?;
                self.released_by = true;
                Ok(())
            }
            Request::Status { text } => {
                self.notifier.status(&text);
                self.status = text;
                protocol::send(channel, &Message::Done, &[])
            }
            // Two workers may want different sockets; once the successor is bound its word counts.
            Request::Retain { .. } if self.predecessor().is_some() => {
                protocol::send(channel, &Message::Done, &[])
            }
            Request::Retain { addresses } => {
                let used: Vec<Endpoint> = addresses.into_iter().map(Endpoint::from).collect();
                self.sockets.retain(&used);
                protocol::send(channel, &Message::Done, &[])
            }
        }
    }

    /// Answers a worker of a program before this one: it may open its logs, and gets nothing new.
    pub(super) fn answer_other(
        &mut self,
        channel: &Channel,
        request: Request,
    ) -> Result<(), ProtocolError> {
        match request {
            Request::Open { path, mode } => self.open(channel, &path, mode),
            Request::Listen { .. } => refuse(channel, None, "a successor has the sockets".into()),
            Request::Bound
            | Request::Retain { .. }
            | Request::Released
            | Request::Status { .. } => protocol::send(channel, &Message::Done, &[]),
        }
    }

    fn listen(
        &mut self,
        channel: &Channel,
        endpoint: Endpoint,
        count: usize,
    ) -> Result<(), ProtocolError> {
        if self.life.is_ending() {
            return refuse(channel, None, "the daemon is ending".into());
        }
        if !self.granted(|grants| grants.may_listen(&endpoint)) {
            return refuse(
                channel,
                Some(EACCES),
                format!("the configuration does not name {endpoint}"),
            );
        }
        let wanted = endpoint.clone();
        match self.bind(endpoint, count) {
            Ok(siblings) => {
                let fds: Vec<BorrowedFd<'_>> = siblings.sockets(count).collect();
                protocol::send_sockets(channel, siblings.local_address()?, &fds)
            }
            Err(error) => {
                let holder = match error.errno() {
                    // nginx's words end where nginx's do.
                    Some(EADDRINUSE) if self.source.style == Style::Seawall => holder::of(&wanted),
                    _ => None,
                };
                let message = Message::Refused {
                    errno: error.errno(),
                    reason: error.to_string(),
                    holder: holder.map(|h| h.to_string()),
                };
                protocol::send(channel, &message, &[])
            }
        }
    }

    /// Binds; at the start an address in use is tried again, unless a signal comes. What is in vain the worker tells.
    fn bind(&mut self, endpoint: Endpoint, count: usize) -> Result<&Siblings, Error> {
        if self.life != Life::Starting {
            return self.sockets.listen(endpoint, count);
        }
        for attempt in 1..=BIND_ATTEMPTS {
            let Err(error) = self.sockets.listen(endpoint.clone(), count) else {
                break;
            };
            let last = attempt == BIND_ATTEMPTS || error.errno() != Some(EADDRINUSE);
            if last {
                return Err(error);
            }
            if attempt == 1 {
                let text = format_args!("{error}, trying again");
                self.log.line(LogLevel::Notice, 0, text);
            }
            if wait_readable(&[self.signals.as_fd()], Some(BIND_PAUSE))? == [true] {
                return Err(error);
            }
        }
        // Bound by now: this only finds it again.
        self.sockets.listen(endpoint, count)
    }

    fn open(
        &mut self,
        channel: &Channel,
        path: &Path,
        mode: OpenMode,
    ) -> Result<(), ProtocolError> {
        if !self.granted(|grants| grants.may_open(path, mode)) {
            let reason = format!("the configuration does not name {}", path.display());
            return refuse(channel, Some(EACCES), reason);
        }
        let rotation = self.grants.rotation(path);
        let at = path.to_owned();
        let open = move || match (mode, rotation) {
            (OpenMode::Rotate, Some(how)) => files::rotate(&at, how.size, how.keep),
            (OpenMode::Append | OpenMode::Rotate, _) => files::open_append(&at),
            (OpenMode::Read, _) => files::open_read(&at),
        };
        let what = format!("opening {}", path.display());
        let opened = match within(DISK_PATIENCE, &what, open) {
            Ok(opened) => opened,
            Err(stuck) => {
                let reason = stuck.to_string();
                self.log.line(LogLevel::Alert, 0, format_args!("{reason}"));
                return refuse(channel, None, reason);
            }
        };
        if mode == OpenMode::Rotate && self.facts.error_log.as_deref() == Some(path) {
            self.replace_log();
        }
        match opened {
            Ok(file) => protocol::send(channel, &Message::File, &[file.as_fd()]),
            Err(error) => refuse(channel, error.errno(), error.to_string()),
        }
    }

    /// Whether the configuration allows it; the one on disk may be newer than what we know, when the worker reloads by
    /// itself.
    fn granted(&mut self, allows: impl Fn(&Grants) -> bool) -> bool {
        if allows(&self.grants) {
            return true;
        }
        // A worker that asks in vain again and again only slows itself down.
        std::thread::sleep(REFRESH_PAUSE.saturating_sub(self.granted_at.elapsed()));
        self.refresh();
        allows(&self.grants)
    }

    /// Reads what concerns the keeper again; a configuration with errors changes nothing, but the worker may read it: it
    /// is the one that reports them.
    pub(super) fn refresh(&mut self) {
        self.granted_at = Instant::now();
        let source = self.source.clone();
        let loaded = within(DISK_PATIENCE, "reading the configuration", move || {
            source.load()
        });
        let config = match loaded {
            Ok(Ok((config, _))) => config,
            Ok(Err(error)) => return self.grants.read_also(&error.sources),
            Err(stuck) => return self.log.line(LogLevel::Alert, 0, format_args!("{stuck}")),
        };
        let facts = match Facts::of(&config) {
            Ok(facts) => facts,
            Err(error) => return self.log.line(LogLevel::Emerg, 0, format_args!("{error:#}")),
        };
        self.grants = Grants::of(&config);
        let log_moved = facts.error_log != self.facts.error_log;
        let pid_moved = facts.pid != self.facts.pid;
        self.facts = facts;
        // What does not work the worker tells, too.
        let _ = self.log.configure(&self.facts.errors, false);
        if log_moved {
            self.replace_log();
        }
        if pid_moved && self.pid_file.is_some() {
            self.move_pid_file();
        }
    }

    /// Opens the error log's path again; where that fails the old file is kept.
    pub(super) fn replace_log(&self) {
        let path = self.facts.error_log.clone();
        let opened = within(DISK_PATIENCE, "opening the error log", move || {
            open_log(path.as_deref())
        });
        match opened {
            Ok(Ok(file)) => {
                // What was said so far is in the file that it was said into.
                self.log.flush_within(FLUSH_PATIENCE);
                self.log.replace(file);
            }
            Ok(Err(error)) => self.log.line(LogLevel::Emerg, 0, format_args!("{error}")),
            Err(stuck) => self.log.line(LogLevel::Alert, 0, format_args!("{stuck}")),
        }
    }

    /// Writes the pid file.
    pub(super) fn write_pid(&self, path: &Path) -> std::io::Result<PidFile> {
        let at = path.to_owned();
        let what = format!("writing {}", path.display());
        within(DISK_PATIENCE, &what, move || PidFile::write(&at))
            .unwrap_or_else(|stuck| Err(std::io::Error::other(stuck)))
    }

    fn move_pid_file(&mut self) {
        self.pid_file = match &self.facts.pid {
            None => None,
            Some(path) => match self.write_pid(path) {
                Ok(file) => Some(file),
                Err(source) => {
                    let error = Error::Open {
                        path: path.clone(),
                        source,
                    };
                    self.log.line(LogLevel::Emerg, 0, format_args!("{error}"));
                    return;
                }
            },
        };
    }
}

fn refuse(channel: &Channel, errno: Option<i32>, reason: String) -> Result<(), ProtocolError> {
    let message = Message::Refused {
        errno,
        reason,
        holder: None,
    };
    protocol::send(channel, &message, &[])
}
