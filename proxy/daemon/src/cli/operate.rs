//! Commands that ask the running daemon over its admin API.

use super::admin_client::{Answer, Target};
use crate::{
    configuration::{self, Source, Style},
    terminal,
};
use anyhow::Context;
use seawall_conf::model::Address;
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode};

/// Where the admin API is when nothing says otherwise.
const ADMIN_DEFAULT: &str = "unix:/run/seawall/admin.sock";

/// Which daemon is asked.
#[derive(clap::Args, Clone)]
pub struct Connection {
    /// The admin API: unix:PATH or http://ADDRESS:PORT [default: what the configuration names, else unix:/run/seawall/admin.sock]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// The configuration that names the admin API
    #[arg(short, long, value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
    config: PathBuf,
}

impl Connection {
    fn target(&self) -> anyhow::Result<Target> {
        match &self.admin {
            Some(address) => address.parse(),
            None => self.configured().map_or_else(|| ADMIN_DEFAULT.parse(), Ok),
        }
    }

    /// A configuration that cannot be read names nothing: that is no reason not to ask the daemon that runs.
    fn configured(&self) -> Option<Target> {
        let (config, _) = Source::file(self.config.clone()).load().ok()?;
        let targets = config.admin.iter().map(|admin| match &admin.address {
            Address::Unix(path) => Target::Unix(path.clone()),
            Address::Ip(address) => Target::Tcp(address.to_string()),
            Address::Name(name, port) => Target::Tcp(format!("{name}:{port}")),
        });
        // Only a unix socket takes more than questions.
        let targets: Vec<Target> = targets.collect();
        targets
            .iter()
            .find(|t| matches!(t, Target::Unix(_)))
            .or(targets.first())
            .cloned()
    }

    /// Asks the daemon once.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let target = self.target()?;
        target
            .ask(method, path, body)
            .with_context(|| format!("cannot ask {target} (is the daemon running?)"))
    }
}

/// `seawall status`
pub fn status(connection: &Connection) -> anyhow::Result<ExitCode> {
    let answer = connection.ask("GET", "/api/v1/status", None)?;
    terminal::out(format_args!("{:#}\n", accepted(answer)?))?;
    Ok(ExitCode::SUCCESS)
}

/// `seawall purge`
pub fn purge(connection: &Connection, url: &str) -> anyhow::Result<ExitCode> {
    let answer = connection.ask("POST", "/api/v1/cache/purge", Some(&json!({ "url": url })))?;
    let removed = accepted(answer)?
        .get("removed")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let outcome = if removed {
        "removed"
    } else {
        "was not in a cache"
    };
    terminal::out(format_args!("{url}: {outcome}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// `seawall reload`
pub fn reload(connection: &Connection) -> anyhow::Result<ExitCode> {
    // A broken file names no daemon to ask, and the daemon would refuse it in the same words.
    if connection.admin.is_none()
        && connection.config.exists()
        && let Err(error) = Source::file(connection.config.clone()).load()
    {
        configuration::report(&error.diagnostics, &error.sources, Style::Seawall);
        terminal::err(format_args!(
            "the configuration was not reloaded: the one before serves on\n"
        ));
        return Ok(ExitCode::FAILURE);
    }
    let answer = connection.ask("POST", "/api/v1/config/reload", None)?;
    if let Some(rendered) = answer
        .body
        .get("rendered")
        .and_then(Value::as_str)
        .filter(|_| !answer.is_success())
    {
        terminal::err(format_args!("{}\n", rendered.trim_end()));
    }
    terminal::out(format_args!("{:#}\n", accepted(answer)?))?;
    Ok(ExitCode::SUCCESS)
}

/// The body of a success; the problem (RFC 9457) of anything else as an error.
pub fn accepted(answer: Answer) -> anyhow::Result<Value> {
    if answer.is_success() {
        return Ok(answer.body);
    }
    let text = |name| answer.body.get(name).and_then(Value::as_str);
    match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => anyhow::bail!("{title}: {detail}"),
        (Some(title), None) => anyhow::bail!("{title}"),
        _ => anyhow::bail!("the admin API answered with status {}", answer.status),
    }
}
