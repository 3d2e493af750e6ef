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
    /// The configuration that names the daemon.
    pub fn config_path(&self) -> PathBuf {
        self.config.clone()
    }

    pub(super) fn target(&self) -> anyhow::Result<Target> {
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

/// What is purged: one of these.
#[derive(clap::Args, Clone)]
#[group(required = true, multiple = false)]
pub struct What {
    /// The URL as a client would ask for it: https://shop.test/assets/app.css
    url: Option<String>,
    /// All that its origin labelled so (Surrogate-Key, Cache-Tag or CDN-Tag)
    #[arg(long)]
    tag: Option<String>,
    /// All URLs that begin like this: shop.test/assets/
    #[arg(long, value_name = "HOST/PATH")]
    prefix: Option<String>,
    /// All of a site, by the first of its hosts
    #[arg(long, value_name = "HOST")]
    site: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

impl What {
    /// As the API wants it, and as a person reads it.
    fn order(&self) -> (Value, String) {
        let named = [
            ("url", &self.url, ""),
            ("tag", &self.tag, "tag "),
            ("prefix", &self.prefix, "prefix "),
            ("site", &self.site, "site "),
        ];
        for (field, value, word) in named {
            if let Some(value) = value {
                return (json!({ field: value }), format!("{word}{value}"));
            }
        }
        (json!({ "all": true }), "everything".to_owned())
    }
}

/// `seawall purge`
pub fn purge(connection: &Connection, what: &What, soft: bool) -> anyhow::Result<ExitCode> {
    let (mut order, named) = what.order();
    if let Some(fields) = order.as_object_mut().filter(|_| soft) {
        fields.insert("soft".into(), true.into());
    }
    let answer = connection.ask("POST", "/api/v1/cache/purge", Some(&order))?;
    let outcome = match accepted(answer)?.get("removed").and_then(Value::as_bool) {
        Some(true) if soft => "stale from now on",
        Some(true) => "removed",
        Some(false) => "was not in a cache",
        None if soft => "stale from now on",
        None => "purged",
    };
    terminal::out(format_args!("{named}: {outcome}\n"))?;
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
