//! Signals to a running daemon, which is found by the pid file that its configuration names.

use crate::{
    configuration::{self, Source},
    keeper::read_pid,
};
use anyhow::Context;
use seawall_sys::signals::{self, Signal};
use std::{path::PathBuf, process::ExitCode};

/// `seawall stop`
pub fn stop(source: &Source, fast: bool) -> anyhow::Result<ExitCode> {
    let Some(path) = pid_path(source)? else {
        return Ok(ExitCode::FAILURE);
    };
    let pid = read_pid(&path).context("the daemon seems not to be running")?;
    signals::send(
        pid,
        if fast {
            Signal::SIGTERM
        } else {
            Signal::SIGQUIT
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The pid file; `None` when the configuration has errors, which are reported.
pub fn pid_path(source: &Source) -> anyhow::Result<Option<PathBuf>> {
    match source.load() {
        Ok((config, _)) => {
            let path = config
                .process
                .pid
                .context("the configuration names no pid file (`process: { pid: PATH }`)")?;
            Ok(Some(path))
        }
        Err(error) => {
            configuration::report(&error.diagnostics, &error.sources, source.style);
            Ok(None)
        }
    }
}

/// The signal that nginx's `-s NAME` stands for.
pub fn by_name(name: &str) -> Option<Signal> {
    match name {
        "stop" => Some(Signal::SIGTERM),
        "quit" => Some(Signal::SIGQUIT),
        "reopen" => Some(Signal::SIGUSR1),
        "reload" => Some(Signal::SIGHUP),
        _ => None,
    }
}
