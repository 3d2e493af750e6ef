//! `seawall schema|fmt|diff`: configurations as texts.

use crate::{
    configuration::{self, Style},
    terminal,
};
use anyhow::{Context, bail};
use seawall_conf::{
    LoadOptions,
    yaml::{self, Change, ChangeKind, Named},
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What is laid out.
#[derive(clap::Args, Clone)]
pub struct Fmt {
    /// The files
    #[arg(value_name = "FILE", default_value = super::CONFIG_DEFAULT)]
    files: Vec<PathBuf>,
    /// Change nothing; exit code 1 if a file is not laid out, and its name is printed
    #[arg(long)]
    check: bool,
    /// Print instead of writing the file
    #[arg(long, conflicts_with = "check")]
    stdout: bool,
}

/// `seawall schema`
pub fn schema() -> anyhow::Result<ExitCode> {
    terminal::out(format_args!("{:#}\n", yaml::schema()))?;
    Ok(ExitCode::SUCCESS)
}

/// `seawall fmt`
pub fn fmt(wanted: &Fmt) -> anyhow::Result<ExitCode> {
    let mut clean = true;
    for path in &wanted.files {
        let name = path.display();
        if !is_yaml(path) {
            bail!("{name} is no YAML; nginx.conf is left as it is");
        }
        let text = read(path)?;
        let laid_out = yaml::format(&text).with_context(|| format!("{name}"))?;
        if wanted.stdout {
            terminal::out(format_args!("{laid_out}"))?;
        } else if laid_out != text {
            if wanted.check {
                terminal::out(format_args!("{name}\n"))?;
                clean = false;
            } else {
                replace(path, &laid_out)?;
            }
        }
    }
    Ok(match clean {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whole or not at all, with the rights it had.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let path = path.canonicalize()?;
    let next = path.with_extension("yaml.new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&next)?;
        file.set_permissions(path.metadata()?.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&next, &path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// `seawall diff OLD NEW`: exit code 0 where they say the same.
pub fn diff(old: &Path, new: &Path, json: bool) -> anyhow::Result<ExitCode> {
    for path in [old, new] {
        if !is_yaml(path) {
            bail!("{} is no YAML: only YAML is compared", path.display());
        }
    }
    let (before, after) = (read(old)?, read(new)?);
    let (old, new) = (std::path::absolute(old)?, std::path::absolute(new)?);
    let found = yaml::difference(
        &Named {
            name: &old,
            text: &before,
        },
        &Named {
            name: &new,
            text: &after,
        },
        &LoadOptions::default(),
    );
    let changes = match found {
        Ok(changes) => changes,
        Err(error) => {
            configuration::report(&error.diagnostics, &error.sources, Style::Seawall);
            return Ok(ExitCode::from(super::CODE_WRONG));
        }
    };
    match json {
        true => {
            let all: serde_json::Value = changes.iter().map(Change::to_json).collect();
            terminal::out(format_args!("{all:#}\n"))?;
        }
        false => changes
            .iter()
            .try_for_each(|c| terminal::out(format_args!("{}\n", line(c))))?,
    }
    Ok(match changes.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A change for people.
pub fn line(change: &Change) -> String {
    let value = |v: &Option<String>| v.clone().unwrap_or_default();
    let path = &change.path;
    match change.kind {
        ChangeKind::Added => format!("+ {path}: {}", value(&change.to)),
        ChangeKind::Removed => format!("- {path}: {}", value(&change.from)),
        ChangeKind::Changed => {
            format!("~ {path}: {} -> {}", value(&change.from), value(&change.to))
        }
        ChangeKind::Reordered => {
            format!(
                "~ {path}: order: {} -> {}",
                value(&change.from),
                value(&change.to)
            )
        }
    }
}
