//! Log files. Relative paths start from `/var/log/seawall`; `./` from the file's directory.

use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use crate::log_format;
use crate::model::{AccessLog, ErrorLog, Log, LogEscape, LogLevel, LogPrivacy};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where relative log paths start from.
const DIRECTORY: &str = "/var/log/seawall";

pub(super) const LOG: Shape = Shape {
    what: "`log`",
    fields: &["access", "error"],
    not_yet: &["traces"],
};
pub(super) const ACCESS: Shape = Shape {
    what: "an access log",
    fields: &[
        "path",
        "format",
        "escape",
        "buffer",
        "flush",
        "if",
        "scrub",
        "addresses",
    ],
    not_yet: &["sample", "when"],
};
pub(super) const ERROR: Shape = Shape {
    what: "the error log",
    fields: &["path", "level"],
    not_yet: &["format"],
};

const LEVELS: &[(&str, LogLevel)] = &[
    ("emerg", LogLevel::Emerg),
    ("alert", LogLevel::Alert),
    ("crit", LogLevel::Crit),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("notice", LogLevel::Notice),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

/// Without `log`: no access log, and errors at `notice` to stderr, which is the journal under systemd.
pub(crate) fn absent() -> Log {
    Log {
        access: Vec::new(),
        error: ErrorLog {
            path: None,
            level: LogLevel::Notice,
        },
    }
}

/// Reads `log`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Log {
    let mut log = absent();
    let Some(fields) = reader.open(node, &LOG) else {
        return log;
    };
    if let Some(node) = fields.get("access").filter(|n| !n.is_off()) {
        log.access = reader
            .list(node)
            .iter()
            .filter_map(|n| access(reader, n))
            .collect();
    }
    if let Some(node) = fields.get("error") {
        log.error = error(reader, node);
    }
    log
}

/// Reads a stream's `log`: paths or mappings as of `access`, with variables of streams and the format `stream`.
pub(crate) fn of_stream(reader: &mut Reader<'_>, node: &Node) -> Vec<AccessLog> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        all.extend(file(reader, node, log_format::STREAM));
    }
    all
}

fn access(reader: &mut Reader<'_>, node: &Node) -> Option<AccessLog> {
    file(reader, node, log_format::COMBINED)
}

fn file(reader: &mut Reader<'_>, node: &Node, format: &str) -> Option<AccessLog> {
    let format = reader.template_text(format, node.at)?;
    let mut log = AccessLog {
        at: node.at,
        path: PathBuf::new(),
        format,
        escape: LogEscape::Default,
        buffer: 64 * 1024,
        flush: Duration::from_secs(1),
        condition: None,
        privacy: LogPrivacy {
            scrub: true,
            truncate_addresses: false,
        },
    };
    if let Value::Scalar { .. } = node.value {
        log.path = path(reader, node)?;
        return Some(log);
    }
    let fields = reader.open(node, &ACCESS)?;
    match fields.get("path") {
        Some(node) => log.path = path(reader, node)?,
        None => reader.missing(fields.at, "an access log", "path"),
    }
    if let Some(node) = fields.get("format") {
        let text = reader.string(node)?;
        let (template, escape) = log_format::named(text).unwrap_or((text, LogEscape::Default));
        if !template.contains('$') {
            let help = crate::suggest::hint(text, log_format::NAMES).unwrap_or_default();
            reader.invalid(
                node.at,
                format!("`{text}` is no format: it names no variable"),
                help,
            );
        }
        log.format = reader.template_text(template, node.at)?;
        log.escape = escape;
    }
    if let Some(node) = fields.get("escape") {
        let words = [
            ("default", LogEscape::Default),
            ("json", LogEscape::Json),
            ("none", LogEscape::None),
        ];
        log.escape = reader.choice(node, &words, &[]).unwrap_or_default();
    }
    if let Some(node) = fields.get("buffer") {
        log.buffer = if node.is_off() {
            0
        } else {
            reader.size(node)?.min(16 << 20) as usize
        };
    }
    log.condition = fields.get("if").and_then(|n| reader.template(n));
    if let Some(scrub) = fields.get("scrub").and_then(|n| reader.boolean(n)) {
        log.privacy.scrub = scrub;
    }
    if let Some(node) = fields.get("addresses") {
        let words = [("whole", false), ("truncated", true)];
        log.privacy.truncate_addresses = reader.choice(node, &words, &[]).unwrap_or_default();
    }
    if let Some(flush) = fields.get("flush").and_then(|n| reader.duration(n)) {
        log.flush = flush;
    }
    Some(log)
}

fn error(reader: &mut Reader<'_>, node: &Node) -> ErrorLog {
    let mut log = absent().error;
    if node.is_off() {
        reader.invalid(
            node.at,
            "the error log cannot be switched off",
            "write `error: { level: crit }`",
        );
        return log;
    }
    if let Value::Scalar { .. } = node.value {
        log.path = error_path(reader, node);
        return log;
    }
    let Some(fields) = reader.open(node, &ERROR) else {
        return log;
    };
    log.path = fields.get("path").and_then(|n| error_path(reader, n));
    if let Some(level) = fields
        .get("level")
        .and_then(|n| reader.choice(n, LEVELS, &[]))
    {
        log.level = level;
    }
    log
}

/// `stderr` is no file.
fn error_path(reader: &mut Reader<'_>, node: &Node) -> Option<PathBuf> {
    if node.scalar() == Some("stderr") {
        None
    } else {
        path(reader, node)
    }
}

fn path(reader: &mut Reader<'_>, node: &Node) -> Option<PathBuf> {
    let text = reader.string(node)?;
    if text.is_empty() {
        reader.invalid(node.at, "the path is empty", "write a path");
        return None;
    }
    if text.starts_with("./") || text.starts_with("../") {
        return reader.path(node);
    }
    Some(Path::new(DIRECTORY).join(text))
}
