//! `seawall check` and `-t`: everything that is wrong with a configuration, without serving it.

use crate::{
    configuration::{self, Source},
    terminal, worker,
};
use seawall_conf::model::Config;
use seawall_diag::{Diagnostics, SourceMap};
use std::process::ExitCode;

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, with carets, on standard error.
    Text,
    /// `{ "ok": bool, "diagnostics": [...] }` on standard output.
    Json,
}

/// What was found, and the configuration if it can be served.
pub struct Findings {
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
    /// The texts they are in.
    pub sources: SourceMap,
    /// The configuration, unless reading it failed.
    pub config: Option<Config>,
}

impl Findings {
    /// Whether the daemon would start with it.
    pub fn ok(&self) -> bool {
        !self.diagnostics.has_errors()
    }
}

/// Loads a configuration and compiles what can only be judged by compiling it (patterns, certificates, rules, zones).
pub fn examine(source: &Source) -> Findings {
    match source.load() {
        Ok((config, mut diagnostics)) => {
            let (sources, found) = worker::check(config.clone());
            diagnostics.extend(found);
            Findings {
                diagnostics,
                sources,
                config: Some(config),
            }
        }
        Err(error) => Findings {
            diagnostics: error.diagnostics,
            sources: error.sources,
            config: None,
        },
    }
}

/// `seawall check`
pub fn check(source: &Source, format: Format) -> anyhow::Result<ExitCode> {
    let findings = examine(source);
    match format {
        Format::Json => {
            let diagnostics = findings.diagnostics.to_json(&findings.sources);
            terminal::out(format_args!(
                "{}\n",
                serde_json::json!({ "ok": findings.ok(), "diagnostics": diagnostics })
            ))?;
        }
        Format::Text => {
            configuration::report(&findings.diagnostics, &findings.sources, source.style);
            if findings.ok() {
                terminal::out(format_args!("{}: ok\n", source.path.display()))?;
            }
        }
    }
    Ok(if findings.ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
