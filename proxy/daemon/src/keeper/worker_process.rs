//! Starting and ending the worker process.

use super::protocol::{self, Message, Welcome};
use seawall_sys::{
    channel::Channel,
    process,
    signals::{self, Signal},
};
use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The longest the keeper waits for a worker to take a message; then it is killed.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// A worker.
pub struct Worker {
    pid: u32,
    /// `None` once it has closed its end: it is about to die.
    pub channel: Option<Channel>,
    /// It has a successor and finishes what it has: when it is killed.
    pub leaving: Option<Instant>,
    started: Instant,
}

impl Worker {
    /// Starts this same binary again as a worker, with its end of a new socketpair as standard input.
    pub fn start(welcome: Welcome, log: Option<&File>) -> anyhow::Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        // /proc/self/exe is this very binary, also when the file on disk has been replaced meanwhile.
        let child = Command::new("/proc/self/exe")
            .arg0("seawall: worker process")
            .arg("worker")
            .env_remove(super::handover::VARIABLE)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::from(theirs.into_fd()))
            .spawn()?;
        let worker = Self::inherited(child.id(), Some(ours.into_fd()));
        worker.send(&Message::Welcome(Box::new(welcome)), log)?;
        Ok(worker)
    }

    /// A child that another program of this process has started, with our end of its socketpair.
    pub fn inherited(pid: u32, channel: Option<std::os::fd::OwnedFd>) -> Self {
        let channel = channel.map(Channel::from_fd);
        if let Some(channel) = &channel {
            // Without it a worker that hangs would hold us up longer, no more.
            let _ = channel.set_send_timeout(SEND_LIMIT);
        }
        Self {
            pid,
            channel,
            leaving: None,
            started: Instant::now(),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it was started, or taken over.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long it has lived.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells it something, with a file beside it. A worker that has closed its end is not an error: it is being reaped.
    pub fn send(
        &self,
        message: &Message,
        file: Option<&File>,
    ) -> Result<(), protocol::ProtocolError> {
        let Some(channel) = &self.channel else {
            return Ok(());
        };
        let fds: Vec<_> = file.iter().map(|file| file.as_fd()).collect();
        protocol::send(channel, message, &fds)
    }

    /// Ends it without asking.
    pub fn kill(&mut self) {
        // Fails only for one that is dead already.
        let _ = signals::send(self.pid(), Signal::SIGKILL);
    }

    /// Its status, if it has died.
    pub fn reap(&mut self) -> Option<Death> {
        // By number and not by the handle that started it: a keeper that has replaced itself has no handles.
        let status = process::reap(self.pid).ok().flatten()?;
        Some(Death {
            pid: self.pid(),
            lived: self.age(),
            status,
        })
    }
}

/// How a worker ended.
pub struct Death {
    /// Its number.
    pub pid: u32,
    /// How long it had lived.
    pub lived: Duration,
    status: ExitStatus,
}

impl Death {
    /// Whether it ended by itself, in whatever state: not by a signal.
    pub fn is_exit(&self) -> bool {
        self.status.code().is_some()
    }

    /// nginx's words.
    pub fn describe(&self) -> String {
        match (self.status.signal(), self.status.code()) {
            (Some(signal), _) if self.status.core_dumped() => {
                format!(
                    "worker process {} exited on signal {signal} (core dumped)",
                    self.pid
                )
            }
            (Some(signal), _) => format!("worker process {} exited on signal {signal}", self.pid),
            (None, code) => format!(
                "worker process {} exited with code {}",
                self.pid,
                code.unwrap_or(0)
            ),
        }
    }
}
