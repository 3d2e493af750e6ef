//! Where logs go, found when the plan is compiled.

use super::Environment;
use crate::log::LogSink;
use seawall_conf::model::{self, LogTo};
use seawall_diag::Diagnostic;
use std::path::Path;

/// Where a log goes that needs no request to know it.
pub(super) fn sink(log: &model::AccessLog, env: &Environment<'_>) -> Result<LogSink, Diagnostic> {
    match &log.to {
        LogTo::Syslog(server) => env.logs.syslog(server).map(LogSink::Syslog).map_err(|e| {
            let at = server.at;
            Diagnostic::error(
                "log-open",
                at,
                format!("no socket for this syslog server ({e})"),
            )
        }),
        _ => {
            let path = log.file().unwrap_or(Path::new(""));
            let opened = env.logs.file(path, log.rotate, env.open_log);
            opened.map(LogSink::File).map_err(|e| {
                let text = format!("open() \"{}\" failed ({e})", path.display());
                Diagnostic::error("log-open", log.at, text).help(
                    "the directory must exist and be writable by the user the daemon started as",
                )
            })
        }
    }
}
