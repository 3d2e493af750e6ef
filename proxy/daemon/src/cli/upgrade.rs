//! `seawall upgrade`, and what a keeper asks a new binary.

use super::{check::examine, operate::Connection, signal};
use crate::{
    configuration::{self, Source},
    keeper::{HANDOVER_VERSION, read_pid},
    terminal,
};
use anyhow::{Context, bail};
use seawall_sys::signals::{self, Signal};
use serde_json::Value;
use std::{
    io::Read,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// How often the daemon is asked whether it has changed.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a keeper's question.
const QUESTION_BYTES_MAX: u64 = 1 << 20;

/// Which daemon becomes the binary that is installed now.
#[derive(clap::Args, Clone)]
pub struct Upgrade {
    #[command(flatten)]
    connection: Connection,
    /// The keeper's process [default: from the pid file that the configuration names]
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// How long to wait for it
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    wait: u64,
}

/// `seawall upgrade`: signals the keeper, and waits until a worker of this version answers.
pub fn run(upgrade: &Upgrade) -> anyhow::Result<ExitCode> {
    let source = Source::file(upgrade.connection.config_path());
    let findings = examine(&source);
    configuration::report(&findings.diagnostics, &findings.sources, source.style);
    if !findings.ok() {
        bail!(
            "this version cannot serve the configuration: the daemon was not touched and serves on"
        );
    }
    let pid = match upgrade.pid {
        Some(pid) => pid,
        None => {
            let path: Option<PathBuf> = signal::pid_path(&source)?;
            let path = path.context("the configuration has errors")?;
            read_pid(&path).context("the daemon seems not to be running")?
        }
    };
    let before = worker_of(&upgrade.connection);
    signals::send(pid, Signal::SIGUSR2)?;
    let until = Instant::now() + Duration::from_secs(upgrade.wait);
    loop {
        let now = worker_of(&upgrade.connection);
        if now.is_some() && now != before {
            terminal::out(format_args!("upgraded to {}\n", crate::version::VERSION))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !signals::exists(pid) {
            bail!("the daemon has ended; its error log says why");
        }
        if Instant::now() >= until {
            bail!("the daemon has not changed; its error log says why, and it serves on");
        }
        std::thread::sleep(PAUSE);
    }
}

/// The worker that answers.
fn worker_of(connection: &Connection) -> Option<u64> {
    let answer = connection.ask("GET", "/api/v1/status", None).ok()?;
    answer.body.get("pid").and_then(Value::as_u64)
}

/// `seawall upgrade-check`: 0 if this binary can serve the configuration that standard input names and read the letter.
pub fn check(handover: u32) -> anyhow::Result<ExitCode> {
    if handover > HANDOVER_VERSION {
        bail!(
            "this version ({}) cannot go on where the running one stops: restart the daemon instead",
            crate::version::VERSION
        );
    }
    let mut question = Vec::new();
    std::io::stdin()
        .take(QUESTION_BYTES_MAX)
        .read_to_end(&mut question)?;
    let source: Source = serde_json::from_slice(&question)?;
    let findings = examine(&source);
    if findings.ok() {
        return Ok(ExitCode::SUCCESS);
    }
    configuration::report(&findings.diagnostics, &findings.sources, source.style);
    Ok(ExitCode::FAILURE)
}
