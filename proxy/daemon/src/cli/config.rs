//! `seawall config ...` and `seawall rollback`: the configuration of the running daemon over its API.

use super::operate::{Connection, accepted};
use crate::terminal;
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode};

/// What is done with it.
#[derive(Subcommand)]
pub enum Config {
    /// Print it, secrets as ***
    Show {
        #[command(flatten)]
        connection: Connection,
    },
    /// Check a file and go over to it: it is written into the daemon's own file
    Put {
        /// The new configuration
        file: PathBuf,
        /// Only say what is wrong and what would change
        #[arg(long)]
        dry_run: bool,
        /// What was there comes back after this time unless `seawall config confirm` comes first: 120s
        #[arg(long, value_name = "TIME")]
        confirm: Option<String>,
        /// The daemon's (not the new one's) address
        #[command(flatten)]
        connection: Connection,
    },
    /// Keep what was put with --confirm
    Confirm {
        #[command(flatten)]
        connection: Connection,
    },
    /// Take what was put with --confirm back at once
    Revert {
        #[command(flatten)]
        connection: Connection,
    },
    /// List what was served before
    Revisions {
        #[command(flatten)]
        connection: Connection,
    },
}

/// Does it.
pub fn run(command: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Config::Show { connection } => {
            let shown = accepted(connection.ask("GET", "/api/v1/config", None)?)?;
            terminal::out(format_args!(
                "{}",
                shown["text"].as_str().unwrap_or_default()
            ))?;
        }
        Config::Put {
            file,
            dry_run,
            confirm,
            connection,
        } => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let mut path = format!("/api/v1/config?dry_run={dry_run}");
            if let Some(time) = confirm {
                path.push_str(&format!("&confirm={}", super::cache::escape(time)));
            }
            let answer = connection.target()?.send("PUT", &path, &text)?;
            return done(answer);
        }
        Config::Confirm { connection } => {
            accepted(connection.ask("POST", "/api/v1/config/confirm", None)?)?;
            terminal::out(format_args!("kept\n"))?;
        }
        Config::Revert { connection } => {
            accepted(connection.ask("POST", "/api/v1/config/revert", None)?)?;
            terminal::out(format_args!("what was there before is back\n"))?;
        }
        Config::Revisions { connection } => {
            let all = accepted(connection.ask("GET", "/api/v1/config/revisions", None)?)?;
            for revision in all.as_array().into_iter().flatten() {
                let live = if revision["live"] == true { "live" } else { "" };
                terminal::out(format_args!(
                    "{:>6} {} {:<4} {}\n",
                    revision["revision"],
                    revision["at"].as_str().unwrap_or_default(),
                    live,
                    revision["actor"].as_str().unwrap_or_default()
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `seawall rollback`
pub fn rollback(
    connection: &Connection,
    revision: Option<u64>,
    confirm: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let query = confirm.map(|c| format!("?confirm={}", super::cache::escape(c)));
    let path = format!("/api/v1/config/rollback{}", query.unwrap_or_default());
    let body = json!({ "revision": revision });
    done(connection.ask("POST", &path, Some(&body))?)
}

/// What changed, or with carets why nothing did.
fn done(answer: super::admin_client::Answer) -> anyhow::Result<ExitCode> {
    if !answer.is_success()
        && let Some(rendered) = answer.body.get("rendered").and_then(Value::as_str)
    {
        terminal::err(format_args!("{}\n", rendered.trim_end()));
    }
    let done = accepted(answer)?;
    for change in done["changes"].as_array().into_iter().flatten() {
        let text = |name: &str| change[name].as_str().unwrap_or_default();
        let line = match text("kind") {
            "added" => format!("+ {}: {}", text("path"), text("to")),
            "removed" => format!("- {}: {}", text("path"), text("from")),
            _ => format!("~ {}: {} -> {}", text("path"), text("from"), text("to")),
        };
        terminal::out(format_args!("{line}\n"))?;
    }
    if done["dry_run"] == true {
        return Ok(ExitCode::SUCCESS);
    }
    terminal::out(format_args!(
        "live: generation {}, revision {}\n",
        done["generation"], done["revision"]
    ))?;
    if let Some(until) = done["confirm_until"].as_str() {
        terminal::out(format_args!(
            "what was there comes back at {until} unless you run: seawall config confirm\n"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
