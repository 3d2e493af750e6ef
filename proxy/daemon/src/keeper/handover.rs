//! What a keeper leaves to the program that takes its place: sockets, workers, log, and what it knew.
//!
//! An upgrade of the binary keeps the process: its number, its place under the service manager, its children. The keeper
//! `exec`s the new program, which finds in its environment the number of a file in memory with this letter, takes the
//! descriptors that it names, and goes on. The letter only grows: a program reads what it knows of one that was written by
//! a newer one (a downgrade), and defaults where an older one wrote less.

use super::{
    protocol::{Address, Level, User},
    run::Facts,
    sockets::Sockets,
    worker_process::Worker,
};
use anyhow::Context;
use seawall_sys::{
    handover::{bequeath, inherit, keep, letter, read_letter},
    listen::Siblings,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    path::PathBuf,
    time::Duration,
};

/// The variable with the number of the letter.
pub const VARIABLE: &str = "SEAWALL_HANDOVER";

/// The letter's own version: raised when a program could no longer go on with what another one wrote.
pub const VERSION: u32 = 1;

/// The letter.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    /// Its [`VERSION`].
    pub version: u32,
    /// The daemon that wrote it.
    pub from: String,
    /// Listening sockets.
    pub sockets: Vec<(Address, Vec<RawFd>)>,
    /// Workers, the one that serves first; those behind it are leaving.
    pub workers: Vec<(u32, Option<RawFd>)>,
    /// The error log; none is standard error.
    pub log: Option<RawFd>,
    /// Workers started so far.
    pub generation: u64,
    /// Whether the daemon has left its terminal.
    pub background: bool,
    /// Whether the pid file is ours.
    pub pid_file: bool,
    error_log: Option<PathBuf>,
    level: Level,
    drain: Duration,
    pid: Option<PathBuf>,
    user: Option<User>,
}

/// What a keeper is made of, for [`Letter::write`].
pub(super) struct Estate<'a> {
    pub facts: &'a Facts,
    pub sockets: &'a Sockets,
    pub workers: Vec<&'a Worker>,
    pub log: Option<&'a File>,
    pub generation: u64,
    pub background: bool,
    pub pid_file: bool,
}

impl Estate<'_> {
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let sockets = self.sockets.iter().flat_map(|s| s.sockets(s.len()));
        let channels = self
            .workers
            .iter()
            .filter_map(|w| w.channel.as_ref())
            .map(AsFd::as_fd);
        sockets
            .chain(channels)
            .chain(self.log.map(AsFd::as_fd))
            .collect()
    }

    /// Makes everything inheritable and writes it down. The letter's own descriptor is open until it is dropped.
    pub fn write(&self) -> anyhow::Result<(OwnedFd, RawFd)> {
        let mut sockets = Vec::new();
        for siblings in self.sockets.iter() {
            let numbers: Result<Vec<RawFd>, _> =
                siblings.sockets(siblings.len()).map(bequeath).collect();
            sockets.push((Address::from(siblings.endpoint()), numbers?));
        }
        let mut workers = Vec::new();
        for worker in &self.workers {
            workers.push((
                worker.pid(),
                worker.channel.as_ref().map(bequeath).transpose()?,
            ));
        }
        let facts = self.facts;
        let text = serde_json::to_vec(&Letter {
            version: VERSION,
            from: crate::version::VERSION.to_owned(),
            sockets,
            workers,
            log: self.log.map(bequeath).transpose()?,
            generation: self.generation,
            background: self.background,
            pid_file: self.pid_file,
            error_log: facts.error_log.clone(),
            level: facts.level.into(),
            drain: facts.drain,
            pid: facts.pid.clone(),
            user: facts.user.clone().map(Into::into),
        })?;
        let letter = letter(&text)?;
        let number = bequeath(&letter)?;
        Ok((letter, number))
    }

    /// Nobody takes it: everything is close-on-exec again.
    pub fn withdraw(&self) {
        for descriptor in self.descriptors() {
            // What cannot be kept from children is a leak of a number, no more.
            let _ = keep(descriptor);
        }
    }
}

impl Letter {
    /// The letter of the program before this one, if there was one.
    ///
    /// # Errors
    /// When it cannot be read: the daemon cannot go on, since it knows nothing of its sockets.
    pub fn received() -> anyhow::Result<Option<Self>> {
        let Some(number) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let number = number
            .to_str()
            .and_then(|n| n.parse().ok())
            .context("not a number")?;
        let letter: Letter = serde_json::from_slice(&read_letter(number)?)?;
        Ok(Some(letter))
    }

    /// What of the configuration concerned the keeper.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            error_log: self.error_log.clone(),
            level: self.level.into(),
            // What else is said of it is read with the configuration.
            errors: seawall_conf::model::ErrorLog {
                path: self.error_log.clone(),
                level: self.level.into(),
                ..Default::default()
            },
            drain: self.drain,
            pid: self.pid.clone(),
            user: self.user.clone().map(Into::into),
        }
    }

    /// The error log.
    pub fn log_file(&self) -> anyhow::Result<Option<File>> {
        Ok(self.log.map(inherit).transpose()?.map(File::from))
    }

    /// The sockets.
    pub fn take_sockets(&self) -> anyhow::Result<Sockets> {
        let mut held = Sockets::default();
        for (address, numbers) in &self.sockets {
            let sockets: Result<Vec<OwnedFd>, _> = numbers.iter().map(|n| inherit(*n)).collect();
            let endpoint = address.clone().into();
            if let Some(siblings) = Siblings::inherited(endpoint, super::sockets::OPTIONS, sockets?)
            {
                held.adopt(siblings);
            }
        }
        Ok(held)
    }

    /// The workers.
    pub fn take_workers(&self) -> anyhow::Result<Vec<Worker>> {
        let adopt = |(pid, channel): &(u32, Option<RawFd>)| {
            let channel = channel.map(inherit).transpose()?;
            Ok(Worker::inherited(*pid, channel))
        };
        self.workers.iter().map(adopt).collect()
    }
}
