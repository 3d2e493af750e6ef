//! Starting and ending the worker process.

use super::protocol::{self, Message, Welcome};
use seawall_sys::{
    channel::Channel,
    signals::{self, Signal},
};
use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The longest the keeper waits for a worker to take a message; then it is killed.
const SEND_LIMIT: Duration = Duration::from_secs(2);

/// A worker.
pub struct Worker {
    child: Child,
    /// `None` once it has closed its end: it is about to die.
    pub channel: Option<Channel>,
    started: Instant,
}

impl Worker {
    /// Starts this same binary again as a worker, with its end of a new socketpair as standard input.
    pub fn start(welcome: Welcome, log: Option<&File>) -> anyhow::Result<Self> {
        let (ours, theirs) = Channel::pair()?;
        ours.set_send_timeout(SEND_LIMIT)?;
        // /proc/self/exe is this very binary, also when the file on disk has been replaced meanwhile.
        let child = Command::new("/proc/self/exe")
            .arg0("seawall: worker process")
            .arg("worker")
            .stdin(Stdio::from(theirs.into_fd()))
            .spawn()?;
        let worker = Self {
            child,
            channel: Some(ours),
            started: Instant::now(),
        };
        worker.send(&Message::Welcome(Box::new(welcome)), log)?;
        Ok(worker)
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
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
        let status = self.child.try_wait().ok().flatten()?;
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
