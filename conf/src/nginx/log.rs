//! `access_log`, `log_format`, `error_log`.

use super::read::Reader;
use super::tree::Directive;
use crate::log_format;
use crate::model::{AccessLog, ErrorLog, LogEscape, LogLevel, LogPrivacy, Template};
use crate::suggest::hint;
use crate::template::{self, Dollar};
use seawall_diag::{Diagnostic, Span};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// The most access logs, since each is an open file.
const LOGS_MAX: usize = 1024;

struct Format {
    template: Template,
    escape: LogEscape,
}

/// The access logs of the whole configuration, and which of them each `access_log` directive means.
#[derive(Default)]
pub(crate) struct Logs {
    pub(crate) all: Vec<AccessLog>,
    by_place: HashMap<Span, usize>,
    formats: HashMap<String, Format>,
}

impl Logs {
    /// The log a directive means; none for `off`.
    pub(crate) fn at(&self, place: Span) -> Option<usize> {
        self.by_place.get(&place).copied()
    }

    /// The log there is when nobody says anything.
    pub(crate) fn default_log(&mut self, path: PathBuf) -> usize {
        let format = template::parse(
            log_format::COMBINED,
            Span::default(),
            false,
            Dollar::Literal,
        )
        .unwrap_or_default();
        self.intern(AccessLog {
            at: Span::default(),
            path,
            format,
            escape: LogEscape::Default,
            buffer: 0,
            flush: Duration::from_secs(1),
            condition: None,
            privacy: LogPrivacy::default(),
        })
    }

    /// Two directives that say the same share a log.
    fn intern(&mut self, log: AccessLog) -> usize {
        let same = |l: &AccessLog| {
            l.path == log.path
                && l.format.parts.len() == log.format.parts.len()
                && l.format == log.format
                && l.escape == log.escape
                && l.condition == log.condition
        };
        if let Some(known) = self.all.iter().position(same) {
            return known;
        }
        self.all.push(log);
        self.all.len() - 1
    }

    /// Reads a `log_format`.
    pub(crate) fn format(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(name) = d.args.first() else { return };
        let mut parts = d.args.get(1..).unwrap_or_default();
        let mut escape = LogEscape::Default;
        if let Some(word) = parts.first()
            && let Some(value) = word.text.strip_prefix("escape=")
        {
            escape = match value {
                "default" => LogEscape::Default,
                "json" => LogEscape::Json,
                "none" => LogEscape::None,
                other => {
                    return reader
                        .error(word.at, format!("unknown log format escaping \"{other}\""));
                }
            };
            parts = parts.get(1..).unwrap_or_default();
        }
        let mut template = Template::default();
        for word in parts {
            template.parts.extend(reader.template(word).parts);
        }
        let format = Format { template, escape };
        if name.text == "combined" || self.formats.insert(name.text.clone(), format).is_some() {
            reader.error(
                name.at,
                format!("duplicate \"log_format\" name \"{}\"", name.text),
            );
        }
    }

    /// Reads an `access_log`; formats are read before.
    pub(crate) fn access(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(path) = d.args.first() else { return };
        if path.text == "off" {
            return;
        }
        if path.text.starts_with("syslog:") || path.text.contains('$') {
            let what = if path.text.contains('$') {
                "a log path with variables"
            } else {
                "logging to syslog"
            };
            return reader.not_yet(path.at, what);
        }
        let mut log = AccessLog {
            at: d.at(),
            path: reader.path(&path.text),
            format: Template::default(),
            escape: LogEscape::Default,
            buffer: 0,
            flush: Duration::from_secs(1),
            condition: None,
            // nginx's lines to the letter: whoever reads them expects everything.
            privacy: LogPrivacy::default(),
        };
        let name = d.args.get(1).map_or("combined", |w| &w.text);
        match (name, self.formats.get(name)) {
            (_, Some(format)) => {
                log.format = format.template.clone();
                log.escape = format.escape;
            }
            ("combined", None) => {
                log.format = template::parse(log_format::COMBINED, d.at(), false, Dollar::Literal)
                    .unwrap_or_default();
            }
            _ => {
                let at = d.args.get(1).map_or(d.at(), |w| w.at);
                let names: Vec<&str> = self
                    .formats
                    .keys()
                    .map(String::as_str)
                    .chain(["combined"])
                    .collect();
                let mut finding =
                    Diagnostic::error("nginx-value", at, format!("unknown log format \"{name}\""));
                finding.help = hint(name, &names);
                return reader.found.push(finding);
            }
        }
        self.buffering(reader, d, &mut log);
        if self.all.len() >= LOGS_MAX {
            return reader.error(d.at(), format!("more than {LOGS_MAX} access logs"));
        }
        let index = self.intern(log);
        self.by_place.insert(d.at(), index);
    }

    fn buffering(&self, reader: &mut Reader<'_>, d: &Directive, log: &mut AccessLog) {
        let mut flush_at = None;
        for word in d.args.iter().skip(2) {
            if let Some(size) = word.text.strip_prefix("buffer=") {
                log.buffer = reader.size_word(word, size).unwrap_or(0).min(64 << 20) as usize;
            } else if let Some(time) = word.text.strip_prefix("flush=") {
                flush_at = Some(word.at);
                log.flush = reader.duration_word(word, time).unwrap_or(log.flush);
            } else if word.text.starts_with("gzip") {
                reader.not_yet(word.at, "a compressed log");
            } else if let Some(condition) = word.text.strip_prefix("if=") {
                log.condition = Some(reader.template_text(word, condition));
            } else {
                reader.invalid_parameter(word);
            }
        }
        if let (Some(at), 0) = (flush_at, log.buffer) {
            reader.error(
                at,
                format!("no buffer is defined for access_log \"{}\"", d.arg(0)),
            );
        }
    }
}

/// Reads an `error_log`.
pub(crate) fn error(reader: &mut Reader<'_>, d: &Directive) -> ErrorLog {
    let mut log = ErrorLog::default();
    match d.arg(0) {
        "stderr" => {}
        path if path.starts_with("syslog:") || path.starts_with("memory:") => {
            reader.not_yet(d.at(), "an error log that is no file");
        }
        path => log.path = Some(reader.path(path)),
    }
    if let Some(word) = d.args.get(1) {
        log.level = match word.text.as_str() {
            "emerg" => LogLevel::Emerg,
            "alert" => LogLevel::Alert,
            "crit" => LogLevel::Crit,
            "error" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            "notice" => LogLevel::Notice,
            "info" => LogLevel::Info,
            level if level.starts_with("debug") => LogLevel::Debug,
            level => {
                reader.error(word.at, format!("invalid log level \"{level}\""));
                LogLevel::Error
            }
        };
    }
    log
}
