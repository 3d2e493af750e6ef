//! Log files. Relative paths start from `/var/log/seawall`; `./` from the file's directory.

use super::read::{Fields, Reader, Shape};
use super::syslog;
use super::tree::{Node, Value};
use crate::log_format;
use crate::model::{
    AccessLog, Collector, ErrorLog, Log, LogEscape, LogLevel, LogPrivacy, LogTo, NamedFiles,
    Rotation, Traces, WafAudit, WafAuditWhen,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where relative log paths start from.
const DIRECTORY: &str = "/var/log/seawall";

pub(super) const LOG: Shape = Shape {
    what: "`log`",
    fields: &["access", "error", "traces"],
    not_yet: &[],
};
pub(super) const ACCESS: Shape = Shape {
    what: "an access log",
    fields: &[
        "path",
        "format",
        "escape",
        "buffer",
        "flush",
        "gzip",
        "rotate",
        "syslog",
        "if",
        "scrub",
        "addresses",
    ],
    not_yet: &["sample", "when"],
};
pub(super) const ERROR: Shape = Shape {
    what: "the error log",
    fields: &["path", "level", "rotate", "syslog"],
    not_yet: &["format"],
};

pub(super) const AUDIT: Shape = Shape {
    what: "an audit log",
    fields: &["path", "when", "parts", "buffer", "flush", "rotate"],
    not_yet: &[],
};

/// The parts of an audit log's entry that ModSecurity knows.
const AUDIT_PARTS: &str = "ABCDEFGHIJKZ";

/// The port and the path of OTLP over HTTP.
const OTLP_PORT: u16 = 4318;
const OTLP_PATH: &str = "/v1/traces";

pub(super) const TRACES: Shape = Shape {
    what: "`traces`",
    fields: &["sample", "otlp"],
    not_yet: &[],
};
pub(super) const ROTATE: Shape = Shape {
    what: "`rotate`",
    fields: &["size", "keep"],
    not_yet: &[],
};

/// Files kept besides at most, since each is renamed at every rotation.
const KEEP_MAX: u64 = 1000;

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
            level: LogLevel::Notice,
            ..ErrorLog::default()
        },
        traces: None,
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
    if let Some(node) = fields.get("traces").filter(|n| !n.is_off()) {
        log.traces = traces(reader, node);
    }
    log
}

/// Reads a stream's `log`: paths or mappings as of `access`, with variables of streams and the format `stream`.
pub(crate) fn of_stream(reader: &mut Reader<'_>, node: &Node) -> Vec<AccessLog> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        let log = file(reader, node, log_format::STREAM);
        if log
            .as_ref()
            .is_some_and(|log| matches!(log.to, LogTo::Files(_)))
        {
            reader.not_yet(node.at, "a stream's log path with variables");
        }
        all.extend(log);
    }
    all
}

fn access(reader: &mut Reader<'_>, node: &Node) -> Option<AccessLog> {
    file(reader, node, log_format::COMBINED)
}

/// A log with what holds unless said otherwise; where it goes is to be said.
fn new(reader: &mut Reader<'_>, node: &Node, format: &str) -> Option<AccessLog> {
    Some(AccessLog {
        at: node.at,
        to: LogTo::File(PathBuf::new()),
        format: reader.template_text(format, node.at)?,
        escape: LogEscape::Default,
        buffer: 64 * 1024,
        flush: Duration::from_secs(1),
        gzip: None,
        rotate: None,
        condition: None,
        privacy: LogPrivacy {
            scrub: true,
            truncate_addresses: false,
        },
    })
}

fn file(reader: &mut Reader<'_>, node: &Node, format: &str) -> Option<AccessLog> {
    let mut log = new(reader, node, format)?;
    if let Value::Scalar { .. } = node.value {
        log.to = target(reader, node)?;
        if !matches!(log.to, LogTo::File(_)) {
            log.buffer = 0;
        }
        return Some(log);
    }
    let fields = reader.open(node, &ACCESS)?;
    match (fields.get("path"), fields.get("syslog")) {
        (Some(node), None) => log.to = target(reader, node)?,
        (None, Some(node)) => log.to = LogTo::Syslog(syslog::read(reader, node)?),
        (Some(_), Some(node)) => reader.invalid(
            node.at,
            "an access log goes to a file or to syslog",
            "write two logs",
        ),
        (None, None) => reader.missing(fields.at, "an access log", "path"),
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
    buffering(reader, &fields, &mut log)?;
    log.gzip = fields
        .get("gzip")
        .filter(|n| !n.is_off())
        .and_then(|n| reader.integer(n, 1, 9))
        .and_then(|n| u8::try_from(n).ok());
    log.rotate = fields.get("rotate").and_then(|n| rotation(reader, n));
    match (&log.to, fields.get("rotate"), fields.get("gzip")) {
        (LogTo::File(_), ..) => {}
        (_, Some(node), _) | (_, _, Some(node)) => {
            let help = "a file without variables in its path can be";
            reader.invalid(node.at, "this log is not one file", help);
        }
        // A datagram and a file that a request names get each line as it comes.
        _ => log.buffer = 0,
    }
    log.condition = fields.get("if").and_then(|n| reader.template(n));
    if let Some(scrub) = fields.get("scrub").and_then(|n| reader.boolean(n)) {
        log.privacy.scrub = scrub;
    }
    if let Some(node) = fields.get("addresses") {
        let words = [("whole", false), ("truncated", true)];
        log.privacy.truncate_addresses = reader.choice(node, &words, &[]).unwrap_or_default();
    }
    Some(log)
}

/// Reads a rule set's `audit_log`: a path, or `{ path: FILE, when: relevant, parts: ABFHZ, rotate: ... }`.
pub(super) fn audit(reader: &mut Reader<'_>, node: &Node) -> Option<WafAudit> {
    let mut audit = WafAudit {
        // Its lines have a shape of their own.
        log: new(reader, node, log_format::COMBINED)?,
        when: None,
        parts: None,
    };
    if let Value::Scalar { .. } = node.value {
        audit.log.to = LogTo::File(path(reader, node)?);
        return Some(audit);
    }
    let fields = reader.open(node, &AUDIT)?;
    let Some(file) = fields.get("path") else {
        reader.missing(fields.at, "an audit log", "path");
        return None;
    };
    audit.log.to = LogTo::File(path(reader, file)?);
    let words = [
        ("relevant", WafAuditWhen::Relevant),
        ("all", WafAuditWhen::All),
    ];
    audit.when = fields
        .get("when")
        .and_then(|n| reader.choice(n, &words, &[]));
    if let Some(node) = fields.get("parts") {
        let letters = reader.string(node)?;
        if letters.is_empty() || !letters.chars().all(|c| AUDIT_PARTS.contains(c)) {
            reader.invalid(
                node.at,
                format!("`{letters}` are no parts of an audit log"),
                "write letters such as ABFHZ; C adds the request's body",
            );
            return None;
        }
        audit.parts = Some(letters.to_owned());
    }
    buffering(reader, &fields, &mut audit.log)?;
    audit.log.rotate = fields.get("rotate").and_then(|n| rotation(reader, n));
    Some(audit)
}

/// Reads `buffer` and `flush`.
fn buffering(reader: &mut Reader<'_>, fields: &Fields<'_>, log: &mut AccessLog) -> Option<()> {
    if let Some(node) = fields.get("buffer") {
        log.buffer = match node.is_off() {
            true => 0,
            false => reader.size(node)?.min(16 << 20) as usize,
        };
    }
    if let Some(flush) = fields.get("flush").and_then(|n| reader.duration(n)) {
        log.flush = flush;
    }
    Some(())
}

/// Reads `traces`: `on`, or the share that is kept.
fn traces(reader: &mut Reader<'_>, node: &Node) -> Option<Traces> {
    if let Value::Scalar { .. } = node.value {
        let on = reader.boolean(node)?;
        return on.then_some(Traces {
            sample: 100,
            otlp: None,
        });
    }
    let fields = reader.open(node, &TRACES)?;
    let sample = match fields.get("sample") {
        Some(node) => reader.percent(node)?,
        None => 100,
    };
    let otlp = fields.get("otlp").and_then(|n| collector(reader, n));
    Some(Traces { sample, otlp })
}

/// `http://127.0.0.1:4318`: host, port and path have the protocol's defaults.
fn collector(reader: &mut Reader<'_>, node: &Node) -> Option<Collector> {
    let text = reader.string(node)?;
    let rest = text.strip_prefix("http://");
    let (authority, path) = match rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((authority, path)) if !authority.is_empty() => (authority, path),
        _ => {
            let message = format!("`{text}` is no collector that is spoken to in clear text");
            reader.invalid(node.at, message, "write otlp: http://127.0.0.1:4318");
            return None;
        }
    };
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    if !is_plain(authority) || !is_plain(path) {
        reader.invalid(
            node.at,
            format!("`{text}` is no URL"),
            "write otlp: http://127.0.0.1:4318",
        );
        return None;
    }
    Some(Collector {
        address: match has_port {
            true => authority.to_owned(),
            false => format!("{authority}:{OTLP_PORT}"),
        },
        path: match path {
            "" => OTLP_PATH.to_owned(),
            path => format!("/{path}"),
        },
    })
}

/// Reads `rotate`.
fn rotation(reader: &mut Reader<'_>, node: &Node) -> Option<Rotation> {
    if node.is_off() {
        return None;
    }
    let fields = reader.open(node, &ROTATE)?;
    let size = match fields.get("size") {
        Some(node) => reader.size(node)?,
        None => {
            reader.missing(fields.at, "`rotate`", "size");
            return None;
        }
    };
    if size < Rotation::SIZE_MIN {
        let help = "write 64KiB or more";
        reader.invalid(
            fields.at,
            format!("{size} bytes are too few to rotate a log at"),
            help,
        );
    }
    let keep = match fields.get("keep") {
        Some(node) => reader.integer(node, 1, KEEP_MAX)? as u32,
        None => 7,
    };
    Some(Rotation { size, keep })
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
    log.rotate = fields.get("rotate").and_then(|n| rotation(reader, n));
    if let Some(level) = fields
        .get("level")
        .and_then(|n| reader.choice(n, LEVELS, &[]))
    {
        log.level = level;
    }
    if let Some(node) = fields.get("syslog") {
        for node in reader.list(node) {
            let server = syslog::read(reader, node);
            log.syslog.extend(server.map(|server| (server, log.level)));
        }
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

/// A file, or one for each of what its variables say.
fn target(reader: &mut Reader<'_>, node: &Node) -> Option<LogTo> {
    let whole = path(reader, node)?;
    let Some(text) = whole.to_str().filter(|text| text.contains('$')) else {
        return Some(LogTo::File(whole));
    };
    let template = reader.template_text(text, node.at)?;
    match NamedFiles::new(template) {
        Some(files) => Some(LogTo::Files(files)),
        None => {
            let help = "name the directory first";
            reader.invalid(node.at, "the path begins with a variable", help);
            None
        }
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
