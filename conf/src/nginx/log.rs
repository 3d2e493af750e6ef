//! `access_log`, `log_format`, `error_log`.

use super::lex::Word;
use super::read::Reader;
use super::syslog;
use super::tree::Directive;
use crate::log_format;
use crate::model::{
    AccessLog, ErrorLog, LogEscape, LogLevel, LogPrivacy, LogTo, NamedFiles, Template,
};
use crate::suggest::hint;
use crate::template::{self, Dollar};
use seawall_diag::{Diagnostic, Span};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// The most access logs, since each is an open file.
const LOGS_MAX: usize = 1024;

/// The buffer of a compressed log that names none.
const GZIP_BUFFER: usize = 64 << 10;

/// The most files with variables in their names that a thread keeps open.
const OPEN_MAX: u64 = 10_000;

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
    /// `open_log_file_cache` of the level that is read: files, how long unused, how long valid.
    open: Option<(usize, Duration, Duration)>,
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
            to: LogTo::File(path),
            format,
            escape: LogEscape::Default,
            buffer: 0,
            flush: Duration::from_secs(1),
            gzip: None,
            rotate: None,
            condition: None,
            privacy: LogPrivacy::default(),
        })
    }

    /// Two directives that say the same share a log.
    fn intern(&mut self, log: AccessLog) -> usize {
        let same = |l: &AccessLog| {
            l.to == log.to
                && (l.buffer, l.flush, l.gzip) == (log.buffer, log.flush, log.gzip)
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
        let Some(to) = self.target(reader, path) else {
            return;
        };
        let mut log = AccessLog {
            at: d.at(),
            to,
            format: Template::default(),
            escape: LogEscape::Default,
            buffer: 0,
            flush: Duration::from_secs(1),
            gzip: None,
            rotate: None,
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

    /// Where an `access_log` goes.
    fn target(&self, reader: &mut Reader<'_>, path: &Word) -> Option<LogTo> {
        if syslog::is_one(&path.text) {
            return syslog::read(reader, path).map(LogTo::Syslog);
        }
        if !path.text.contains('$') {
            return Some(LogTo::File(reader.path(&path.text)));
        }
        let whole = reader.path(&path.text).to_string_lossy().into_owned();
        let Some(mut files) = NamedFiles::new(reader.template_text(path, &whole)) else {
            // The directory is the operator's to say, not a request's.
            reader.not_yet(path.at, "a log path that begins with a variable");
            return None;
        };
        if let Some(open) = &self.open {
            (files.open_max, files.inactive, files.valid) = *open;
        }
        Some(LogTo::Files(files))
    }

    /// Reads `open_log_file_cache`, which counts for the logs that are read after it and within its level; what was before is
    /// given back.
    pub(crate) fn open_cache(
        &mut self,
        reader: &mut Reader<'_>,
        d: Option<&Directive>,
    ) -> Option<(usize, Duration, Duration)> {
        let before = self.open;
        let Some(d) = d else { return before };
        if d.arg(0) == "off" {
            // Each line then opens its file; one that is kept open for a moment is the same to everybody.
            self.open = Some((1, Duration::ZERO, Duration::ZERO));
            return before;
        }
        let mut max = None;
        let (mut inactive, mut valid) = (Duration::from_secs(10), Duration::from_secs(60));
        for word in &d.args {
            match word.text.split_once('=') {
                Some(("max", n)) => max = reader.number_word(word, n).filter(|n| *n > 0),
                Some(("inactive", time)) => {
                    inactive = reader.duration_word(word, time).unwrap_or(inactive);
                }
                Some(("valid", time)) => valid = reader.duration_word(word, time).unwrap_or(valid),
                // A file is kept from its first line on.
                Some(("min_uses", n)) => drop(reader.number_word(word, n)),
                _ => reader.error(
                    word.at,
                    format!(
                        "invalid \"open_log_file_cache\" parameter \"{}\"",
                        word.text
                    ),
                ),
            }
        }
        match max {
            Some(max) => self.open = Some((max.min(OPEN_MAX) as usize, inactive, valid)),
            None => reader.error(
                d.at(),
                "\"open_log_file_cache\" must have \"max\" parameter",
            ),
        }
        before
    }

    /// What was before a level with an `open_log_file_cache` of its own.
    pub(crate) fn give_back(&mut self, open: Option<(usize, Duration, Duration)>) {
        self.open = open;
    }

    fn buffering(&self, reader: &mut Reader<'_>, d: &Directive, log: &mut AccessLog) {
        let mut flush_at = None;
        for word in d.args.iter().skip(2) {
            if let Some(size) = word.text.strip_prefix("buffer=") {
                log.buffer = reader.size_word(word, size).unwrap_or(0).min(64 << 20) as usize;
            } else if let Some(time) = word.text.strip_prefix("flush=") {
                flush_at = Some(word.at);
                log.flush = reader.duration_word(word, time).unwrap_or(log.flush);
            } else if word.text == "gzip" {
                log.gzip = Some(1);
            } else if let Some(level) = word.text.strip_prefix("gzip=") {
                log.gzip = level.parse().ok().filter(|n| (1..=9).contains(n));
                if log.gzip.is_none() {
                    reader.error(word.at, format!("invalid compression level \"{level}\""));
                }
            } else if let Some(condition) = word.text.strip_prefix("if=") {
                log.condition = Some(reader.template_text(word, condition));
            } else {
                reader.invalid_parameter(word);
            }
        }
        if log.gzip.is_some() && log.buffer == 0 {
            log.buffer = GZIP_BUFFER;
        }
        if let (Some(at), 0) = (flush_at, log.buffer) {
            reader.error(
                at,
                format!("no buffer is defined for access_log \"{}\"", d.arg(0)),
            );
        }
        match &log.to {
            LogTo::Syslog(_) if log.buffer > 0 => {
                reader.error(d.at(), "logs to syslog cannot be buffered");
            }
            LogTo::Files(_) if log.buffer > 0 => {
                reader.error(d.at(), "buffered logs cannot have variables in name");
            }
            _ => {}
        }
    }
}

/// Reads the `error_log` directives of a level: a file, and syslog servers besides.
pub(crate) fn error(reader: &mut Reader<'_>, all: &[&Directive]) -> ErrorLog {
    let mut log = ErrorLog::default();
    let mut file = None;
    for d in all {
        let level = level(reader, d);
        match d.arg(0) {
            word if syslog::is_one(word) => {
                let server = d.args.first().and_then(|word| syslog::read(reader, word));
                log.syslog.extend(server.map(|server| (server, level)));
            }
            word if word.starts_with("memory:") => {
                reader.not_yet(d.at(), "an error log in memory");
            }
            _ if file.is_some() => reader.not_yet(d.at(), "a second error log that is a file"),
            word => {
                file = Some(d.at());
                log.level = level;
                log.path = (word != "stderr").then(|| reader.path(word));
            }
        }
    }
    if file.is_none() && !log.syslog.is_empty() {
        // Nothing but syslog was asked for.
        log.path = Some("/dev/null".into());
        log.level = LogLevel::Emerg;
    }
    log
}

fn level(reader: &mut Reader<'_>, d: &Directive) -> LogLevel {
    let Some(word) = d.args.get(1) else {
        return LogLevel::Error;
    };
    match word.text.as_str() {
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
    }
}
