//! USR2: another binary takes over, with nothing lost.
//!
//! 1. The new binary is asked, as a child, whether it can serve this configuration and read our letter (`upgrade-check`).
//!    If not, the log says why, and the old one serves on.
//! 2. The worker lets go of what only one process may have: the directories of disk caches, the admin API. It serves on.
//! 3. The keeper becomes the new binary (`exec`): the same process number, the same sockets, the same children.
//! 4. That starts a worker of its own on the same sockets. Once it is bound, the old worker stops accepting and finishes what
//!    it has, tunnels too, for at most [`LEAVE_LIMIT`]. If it dies before, the old worker is told to take everything back.
//!
//! What waits in the queues of the sockets is served by whichever worker comes first: no socket is ever closed.

use super::{
    DISK_PATIENCE,
    handover::{Estate, VARIABLE, VERSION},
    life::Life,
    protocol::Message,
    run::Keeper,
    worker_process::Worker,
};
use crate::{log::FLUSH_PATIENCE, patience};
use anyhow::{Context, bail};
use seawall_conf::model::LogLevel;
use seawall_sys::{handover::letter, process};
use std::{
    fs::File,
    io::{Read, Seek},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long the new binary may take to say whether it can serve the configuration.
pub const CHECK_LIMIT: Duration = Duration::from_secs(120);
/// How long the worker may take to let go.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// How long a new worker may take to be bound.
pub const START_LIMIT: Duration = Duration::from_secs(180);
/// How long a worker that has a successor may finish what it has.
pub const LEAVE_LIMIT: Duration = Duration::from_secs(3600);
/// Bytes of what the new binary says that go to the log.
const SAID_BYTES_MAX: u64 = 16 * 1024;

/// How far an upgrade is.
#[derive(Debug, Default)]
pub enum Upgrade {
    /// There is none.
    #[default]
    None,
    /// The new binary looks at the configuration.
    Checking(Check),
    /// The worker lets go.
    Releasing {
        /// When it is no longer waited for.
        until: Instant,
    },
}

/// The new binary, asked.
#[derive(Debug)]
pub struct Check {
    child: Child,
    said: File,
    until: Instant,
}

impl Upgrade {
    /// When something has to be done although nothing was said.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Upgrade::None => None,
            Upgrade::Checking(check) => Some(check.until),
            Upgrade::Releasing { until } => Some(*until),
        }
    }
}

impl Keeper {
    /// USR2.
    pub(super) fn upgrade(&mut self) {
        let busy = !matches!(self.upgrade, Upgrade::None) || self.predecessor().is_some();
        if self.life != Life::Serving || busy {
            let text =
                format_args!("an upgrade is under way, or the daemon is not up: signal ignored");
            return self.log.line(LogLevel::Warn, 0, text);
        }
        match self.ask_new_binary() {
            Ok(check) => {
                self.note(format_args!("upgrade: {} is asked", self.binary.display()));
                self.upgrade = Upgrade::Checking(check);
            }
            Err(error) => self.refuse_upgrade(&format!("{error:#}")),
        }
    }

    fn ask_new_binary(&self) -> anyhow::Result<Check> {
        let said = File::from(letter(b"")?);
        let question = letter(&serde_json::to_vec(&self.source)?)?;
        let mut command = Command::new(&self.binary);
        command
            .args(["upgrade-check", "--handover", &VERSION.to_string()])
            .stdin(Stdio::from(question))
            .stdout(Stdio::null())
            .stderr(Stdio::from(said.try_clone()?));
        process::unblock_signals(&mut command);
        // A start comes back once the kernel has read the program.
        let what = format!("starting {}", self.binary.display());
        let child = patience::within(DISK_PATIENCE, &what, move || command.spawn())?
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        Ok(Check {
            child,
            said,
            until: Instant::now() + CHECK_LIMIT,
        })
    }

    fn refuse_upgrade(&mut self, why: &str) {
        self.upgrade = Upgrade::None;
        self.log.line(
            LogLevel::Error,
            0,
            format_args!("upgrade: refused, the binary before serves on"),
        );
        for line in why.lines() {
            self.log
                .line(LogLevel::Error, 0, format_args!("upgrade: {line}"));
        }
        self.notifier
            .status("serving; an upgrade was refused, the error log says why");
    }

    /// Looks whether the new binary has answered, and at the clock.
    pub(super) fn drive_upgrade(&mut self, now: Instant) {
        match &mut self.upgrade {
            Upgrade::None => {}
            Upgrade::Checking(check) => match check.child.try_wait() {
                Ok(None) if now < check.until => {}
                Ok(None) => {
                    // It fails only for one that is dead.
                    let _ = check.child.kill();
                    if let Upgrade::Checking(check) = std::mem::take(&mut self.upgrade) {
                        self.dying.push(check.child);
                    }
                    let why = format!("the new binary did not answer within {CHECK_LIMIT:?}");
                    self.refuse_upgrade(&why);
                }
                Ok(Some(status)) if status.success() => self.release(now),
                Ok(Some(status)) => {
                    let said = said(&mut check.said);
                    self.refuse_upgrade(&format!(
                        "the new binary cannot serve this ({status})\n{said}"
                    ));
                }
                Err(error) => self.refuse_upgrade(&error.to_string()),
            },
            Upgrade::Releasing { until } => {
                if now >= *until {
                    let text = format_args!(
                        "upgrade: the worker has not let go within {RELEASE_LIMIT:?} and is not waited for"
                    );
                    self.log.line(LogLevel::Warn, 0, text);
                    self.become_new_binary();
                }
            }
        }
    }

    fn release(&mut self, now: Instant) {
        self.upgrade = Upgrade::Releasing {
            until: now + RELEASE_LIMIT,
        };
        if self.worker.is_none() {
            return self.become_new_binary();
        }
        self.tell(&Message::Release);
    }

    /// The worker has let go.
    pub(super) fn released(&mut self) {
        if matches!(self.upgrade, Upgrade::Releasing { .. }) {
            self.become_new_binary();
        }
    }

    /// Replaces this process by the new binary; comes back only if that fails.
    fn become_new_binary(&mut self) {
        self.upgrade = Upgrade::None;
        let log = self.log.file();
        let estate = Estate {
            facts: &self.facts,
            sockets: &self.sockets,
            workers: self.worker.iter().chain(&self.others).collect(),
            log: log.as_deref(),
            generation: self.generation,
            background: self.background,
            pid_file: self.pid_file.is_some(),
        };
        self.note(format_args!("upgrade: becoming {}", self.binary.display()));
        let failed = match self.is_free().and_then(|()| estate.write()) {
            Err(error) => error,
            Ok((_letter, number)) => {
                let mut arguments = std::env::args_os();
                let mut command = Command::new(&self.binary);
                if let Some(name) = arguments.next() {
                    command.arg0(name);
                }
                // The old program's own place among the arguments; systemd and `ps` see no difference.
                let error = command
                    .args(arguments)
                    .env(VARIABLE, number.to_string())
                    .exec();
                anyhow::Error::from(error)
            }
        };
        estate.withdraw();
        self.refuse_upgrade(&format!(
            "cannot become {}: {failed:#}",
            self.binary.display()
        ));
        self.take_back();
    }

    /// Whether the kernel can put another program into this process now. It waits for every thread to end, and for the disk that
    /// the program is on: what stands still would hold up the daemon half-way, with no way back.
    fn is_free(&self) -> anyhow::Result<()> {
        let binary = self.binary.clone();
        let what = format!("reading {}", binary.display());
        let read = move || std::io::copy(&mut File::open(binary)?, &mut std::io::sink());
        patience::within(DISK_PATIENCE, &what, read)??;
        if !self.log.flush_within(FLUSH_PATIENCE) {
            bail!("writing the error log stands still: not done within {FLUSH_PATIENCE:?}");
        }
        match patience::under_way() {
            0 => Ok(()),
            n => bail!("{n} of the keeper's own threads stand still, on a disk that the log names"),
        }
    }

    /// The worker of the program before, while it still serves.
    pub(super) fn predecessor(&self) -> Option<&Worker> {
        self.others.iter().find(|w| w.leaving.is_none())
    }

    /// A new worker is bound: those before it stop accepting.
    pub(super) fn retire_predecessors(&mut self) {
        let now = Instant::now();
        let mut retired = Vec::new();
        for worker in self.others.iter_mut().filter(|w| w.leaving.is_none()) {
            worker.leaving = Some(now + LEAVE_LIMIT);
            let message = Message::Retire { limit: LEAVE_LIMIT };
            // One that does not listen is about to die, or is killed at its deadline.
            let _ = worker.send(&message, None);
            retired.push(worker.pid());
        }
        for pid in retired {
            self.note(format_args!(
                "upgrade: worker process {pid} finishes what it has"
            ));
        }
    }

    /// The new program's worker died young, or nothing came of the new program: what serves takes everything back.
    pub(super) fn take_back(&mut self) {
        if self.worker.is_none()
            && let Some(at) = self.others.iter().position(|w| w.leaving.is_none())
        {
            let worker = self.others.remove(at);
            let text = format_args!(
                "upgrade: failed, worker process {} of the program before serves on",
                worker.pid()
            );
            self.log.line(LogLevel::Alert, 0, text);
            self.worker = Some(worker);
            self.notifier.status("serving by the worker of the version before: an upgrade failed, the error log says why");
        }
        self.tell(&Message::Reload {
            level: self.facts.level.into(),
        });
    }
}

fn said(file: &mut File) -> String {
    let mut text = Vec::new();
    // What cannot be read was not said.
    let _ = file
        .rewind()
        .map(|()| file.take(SAID_BYTES_MAX).read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}
