//! Where the configuration comes from, and how its errors reach the person who started us.

use crate::{log::ErrorLog, terminal};
use seawall_conf::{
    FileReader, LoadError, LoadOptions,
    model::{Config, LogLevel, Syntax},
};
use seawall_diag::{Diagnostic, Diagnostics, Severity, SourceMap};
use serde::{Deserialize, Serialize};
use std::{fmt, io::IsTerminal, path::PathBuf};

/// In whose words we speak on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// Our own: every error with its line and a caret.
    Seawall,
    /// `nginx: [emerg] ... in FILE:LINE`, for scripts that look for it.
    Nginx,
}

/// What the command line says about the configuration; also handed to the worker, which reads the same file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    /// The file, absolute.
    pub path: PathBuf,
    /// `-p`
    pub prefix: Option<PathBuf>,
    /// `-g`
    pub directives: Option<String>,
    /// `-e`
    pub error_log: Option<PathBuf>,
    /// How we were called.
    pub style: Style,
}

impl Source {
    /// A file, named in our own way.
    pub fn file(path: PathBuf) -> Self {
        // Absolute, because a daemon may change its directory and a reload must find the file again.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self {
            path,
            prefix: None,
            directives: None,
            error_log: None,
            style: Style::Seawall,
        }
    }

    /// Reads and checks the configuration. What comes beside it are warnings.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the texts it is wrong in.
    pub fn load(&self) -> Result<(Config, Diagnostics), LoadError> {
        self.load_with(LoadOptions::default())
    }

    /// The same with files read by `read`: a worker that has dropped its rights asks the keeper for what it may not read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_by(&self, read: FileReader) -> Result<(Config, Diagnostics), LoadError> {
        self.load_with(LoadOptions {
            read,
            ..LoadOptions::default()
        })
    }

    fn load_with(&self, options: LoadOptions) -> Result<(Config, Diagnostics), LoadError> {
        let options = LoadOptions {
            prefix: self.prefix.clone(),
            directives: self.directives.clone(),
            error_log: self.error_log.clone(),
            ..options
        };
        let (config, mut warnings) = seawall_conf::load(&self.path, &options)?;
        // nginx says nothing of who may read its keys, and its scripts expect nothing.
        if config.syntax == Syntax::Yaml {
            warnings.extend(config.exposed_secrets());
            warnings.sort();
        }
        Ok((config, warnings))
    }
}

/// Diagnostics on standard error: with carets, or as nginx writes them.
pub fn report(diagnostics: &Diagnostics, sources: &SourceMap, style: Style) {
    match style {
        Style::Seawall => terminal::err(format_args!(
            "{}",
            diagnostics.render(sources, std::io::stderr().is_terminal())
        )),
        Style::Nginx => diagnostics
            .iter()
            .for_each(|d| terminal::err(format_args!("nginx: {}\n", nginx_line(d, sources)))),
    }
}

/// The same in the error log, a line each.
pub fn report_to_log(diagnostics: &Diagnostics, sources: &SourceMap, log: &ErrorLog) {
    for d in diagnostics.iter() {
        let level = match d.severity {
            Severity::Error => LogLevel::Emerg,
            Severity::Warning => LogLevel::Warn,
        };
        log.line(level, 0, format_args!("{}", located(d, sources)));
    }
}

/// Errors of a configuration that end the start: in the log, if that is a file, and on standard error.
pub fn refuse(log: &ErrorLog, style: Style, diagnostics: &Diagnostics, sources: &SourceMap) {
    if log.file().is_some() {
        report_to_log(diagnostics, sources, log);
    }
    report(diagnostics, sources, style);
}

/// An error that ends the start: in the log, if that is a file, and on standard error in the words of
/// `style`.
pub fn complain(log: &ErrorLog, style: Style, text: fmt::Arguments<'_>) {
    if log.file().is_some() {
        log.line(LogLevel::Emerg, 0, text);
    }
    match style {
        Style::Nginx => terminal::err(format_args!("nginx: [emerg] {text}\n")),
        Style::Seawall => terminal::err(format_args!("seawall: {text}\n")),
    }
}

/// `[emerg] unknown directive "x" in /etc/nginx/nginx.conf:12`
fn nginx_line(d: &Diagnostic, sources: &SourceMap) -> String {
    let level = match d.severity {
        Severity::Error => "emerg",
        Severity::Warning => "warn",
    };
    format!("[{level}] {}", located(d, sources))
}

fn located(d: &Diagnostic, sources: &SourceMap) -> String {
    match d.at {
        Some(at) => format!(
            "{} in {}:{}",
            d.message,
            sources.name(at.file).display(),
            sources.line_column(at).0
        ),
        None => d.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diag::Span;

    #[test]
    fn an_error_reads_as_in_nginx() {
        let mut sources = SourceMap::default();
        let file = sources.add("/etc/nginx/nginx.conf", "events {}\nfoo;\n".into());
        let d = Diagnostic::error(
            "unknown-directive",
            Span::new(file, 10, 13),
            "unknown directive \"foo\"",
        );
        assert_eq!(
            nginx_line(&d, &sources),
            "[emerg] unknown directive \"foo\" in /etc/nginx/nginx.conf:2"
        );
    }
}
