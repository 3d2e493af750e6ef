//! `seawall audit` and `seawall token`: who may change what, and who did.

use super::operate::{Connection, accepted};
use crate::{configuration::Source, terminal};
use anyhow::{Context, bail};
use clap::Subcommand;
use seawall_admin::{Scope, make_token, verify};
use serde_json::Value;
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// What is done with the audit log.
#[derive(Subcommand)]
pub enum Audit {
    /// Follow the chain of the log from its beginning: exit code 1 where it is broken
    Verify {
        /// The log [default: audit.log in the state directory of the configuration]
        file: Option<PathBuf>,
        /// The configuration
        #[arg(short, long, value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
        config: PathBuf,
    },
    /// Show the last changes, the newest first
    Ls {
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        connection: Connection,
    },
}

/// What is done with tokens.
#[derive(Subcommand)]
pub enum Token {
    /// Make a token: it is printed once, with the line for the file of `admin: { tokens: FILE }`
    New {
        /// Whose it is: one word, as the audit log shows it
        name: String,
        /// What it is good for beside reading: cache, pools, certs, dns, config, or all
        #[arg(long, value_delimiter = ',', default_value = "read")]
        scopes: Vec<String>,
        /// How many days it is good for; 0 is for ever
        #[arg(long, default_value_t = 90)]
        days: u64,
        /// Whoever changes something with it shows a code of an authenticator application as well (SEAWALL_CODE)
        #[arg(long)]
        totp: bool,
    },
}

/// `seawall audit`
pub fn audit(command: &Audit) -> anyhow::Result<ExitCode> {
    match command {
        Audit::Verify { file, config } => {
            let path = match file {
                Some(file) => file.clone(),
                None => state_of(config)?.join("audit.log"),
            };
            let head = verify(&path)
                .with_context(|| format!("{} is not what was written", path.display()))?;
            terminal::out(format_args!(
                "{}: {} lines, whole; the last hash is {}\n",
                path.display(),
                head.lines,
                head.hash
            ))?;
        }
        Audit::Ls { limit, connection } => {
            let log =
                accepted(connection.ask("GET", &format!("/api/v1/audit?limit={limit}"), None)?)?;
            for entry in log["entries"].as_array().into_iter().flatten() {
                let text = |name: &str| {
                    entry[name]
                        .as_str()
                        .unwrap_or_default()
                        .escape_default()
                        .to_string()
                };
                let status = entry["status"]
                    .as_u64()
                    .map_or("asked".to_owned(), |s| s.to_string());
                terminal::out(format_args!(
                    "{} {:<12} {status:<5} {} {}\n",
                    text("at"),
                    text("actor"),
                    text("action"),
                    text("detail")
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the daemon of a configuration keeps what it keeps.
pub fn state_of(config: &std::path::Path) -> anyhow::Result<PathBuf> {
    let (config, _) = Source::file(config.to_owned()).load()?;
    Ok(config.process.state)
}

/// `seawall token`
pub fn token(command: &Token) -> anyhow::Result<ExitCode> {
    let Token::New {
        name,
        scopes,
        days,
        totp,
    } = command;
    let mut all = Vec::new();
    for word in scopes {
        match (word.as_str(), Scope::parse(word)) {
            ("all", _) => all.extend(Scope::ALL),
            (_, Some(scope)) => all.push(scope),
            _ => bail!("`{word}` is no scope: read, cache, pools, certs, dns, config or all"),
        }
    }
    let life = (*days > 0).then(|| Duration::from_secs(days.saturating_mul(86_400)));
    let mut made = make_token(name, &all, life)?;
    let codes = totp.then(|| made.with_codes(name)).transpose()?;
    terminal::out(format_args!("{}\n", made.line))?;
    // Apart from the line, so that `seawall token new ci >> tokens` puts no secret into the file.
    terminal::err(format_args!("the token, shown once: {}\n", made.token));
    if let Some(address) = codes {
        terminal::err(format_args!(
            "for an authenticator application (qrencode -t ansi), shown once: {address}\n"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// `seawall drain` and `undrain`
pub fn drain(
    connection: &Connection,
    pool: &str,
    server: &str,
    change: &str,
) -> anyhow::Result<ExitCode> {
    let escaped = super::cache::escape_segment(server);
    let path = format!(
        "/api/v1/pools/{}/servers/{escaped}/{change}",
        super::cache::escape_segment(pool)
    );
    let done: Value = accepted(connection.ask("POST", &path, None)?)?;
    let word = done["change"].as_str().unwrap_or(change);
    terminal::out(format_args!("{server} of {pool}: {word}\n"))?;
    Ok(ExitCode::SUCCESS)
}
