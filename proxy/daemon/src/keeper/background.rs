//! `daemon on`: the command in the foreground ends when the daemon serves, or with its error.
//!
//! As in nginx the process forks once and leaves the terminal. Unlike nginx, the parent waits: it returns 0 only once
//! the sockets are bound and the pid file is written, so that an init script that goes on at once finds a daemon.

use anyhow::Context;
use seawall_sys::process::{self, Fork};
use std::{
    fs::File,
    io::{Read, Write},
};

/// Which of the two processes this is.
pub enum Side {
    /// The command; the daemon is up, or has failed and said why.
    Foreground {
        /// Whether it serves.
        up: bool,
    },
    /// The daemon, with what the command waits for.
    Background(Readiness),
}

/// The command waits for this.
#[derive(Debug)]
pub struct Readiness(File);

impl Readiness {
    /// Lets the command end with success. (Dropping it, also by dying, lets it end with failure.)
    pub fn up(mut self) {
        // Nobody may be waiting any more; the daemon goes on all the same.
        let _ = self.0.write_all(b"1");
    }
}

/// Goes to the background. Standard error stays the terminal's until the daemon is up.
pub fn split() -> anyhow::Result<Side> {
    let (mut read, write) = process::pipe().context("cannot make a pipe")?;
    match process::fork().context("cannot go to the background")? {
        Fork::Child => {
            process::detach().context("cannot leave the terminal")?;
            Ok(Side::Background(Readiness(write)))
        }
        Fork::Parent { .. } => {
            drop(write);
            let mut said = [0];
            let up = read.read(&mut said).is_ok_and(|n| n == 1);
            Ok(Side::Foreground { up })
        }
    }
}
