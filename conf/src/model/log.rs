//! Where logs go, and how their lines are written.

use super::{Address, Part, Template};
use seawall_diag::Span;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Log files.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Access logs; routes name them by index.
    pub access: Vec<AccessLog>,
    /// The error log.
    pub error: ErrorLog,
    /// Requests are parts of traces (W3C Trace Context).
    pub traces: Option<Traces>,
}

/// What is done about traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// The share, in percent, of those that begin here and are kept; what came with a request keeps its own decision.
    pub sample: u8,
    /// Who gets the spans of those that are kept.
    pub otlp: Option<Collector>,
}

/// A collector of OpenTelemetry, spoken to in clear text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Host and port.
    pub address: String,
    /// Path.
    pub path: String,
}

/// An access log.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Where it was written.
    pub at: Span,
    /// Where its lines go.
    pub to: LogTo,
    /// A line, without its newline. nginx's `combined` is the default.
    pub format: Template,
    /// How values are escaped.
    pub escape: LogEscape,
    /// Bytes to buffer before a write; 0 writes each line (nginx: `buffer=`).
    pub buffer: usize,
    /// The longest a line stays in the buffer (nginx: `flush=`).
    pub flush: Duration,
    /// Level of compression of what is written, 1 to 9; every write is a member of its own (nginx: `gzip=`).
    pub gzip: Option<u8>,
    /// When its file is put away and begun anew.
    pub rotate: Option<Rotation>,
    /// A line is written only where this is neither empty nor `0` (nginx: `if=`).
    pub condition: Option<Template>,
    /// What is left out of the lines.
    pub privacy: LogPrivacy,
}

impl AccessLog {
    /// Its file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.to {
            LogTo::File(path) => Some(path),
            _ => None,
        }
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTo {
    /// Into a file; absolute.
    File(PathBuf),
    /// Into the file that the request names.
    Files(NamedFiles),
    /// To a syslog server, a datagram a line.
    Syslog(Syslog),
}

/// Files that requests name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFiles {
    /// The directory that all of them are in: what stands before the first variable, up to its last `/`.
    pub directory: PathBuf,
    /// The rest. `/` in a variable's value is `_`.
    pub name: Template,
    /// Files that a thread keeps open at most.
    pub open_max: usize,
    /// A file that was not written to for so long is closed.
    pub inactive: Duration,
    /// So long a file is not looked for again at its path.
    pub valid: Duration,
}

impl NamedFiles {
    /// Files kept open by a thread where nothing else is said.
    pub const OPEN_MAX: usize = 64;

    /// With a directory and a name that may hold variables, if the directory holds none.
    pub fn new(path: Template) -> Option<Self> {
        let mut parts = path.parts.into_iter();
        let Some(Part::Literal(first)) = parts.next() else {
            return None;
        };
        let (directory, rest) = first.rsplit_once('/')?;
        let mut name = Template::default();
        if !rest.is_empty() {
            name.parts.push(Part::Literal(rest.to_owned()));
        }
        name.parts.extend(parts);
        Some(Self {
            directory: PathBuf::from(if directory.is_empty() { "/" } else { directory }),
            name,
            open_max: Self::OPEN_MAX,
            inactive: Duration::from_secs(10),
            valid: Duration::from_secs(60),
        })
    }
}

/// A file that has grown to a size becomes `FILE.1`, what was `FILE.1` becomes `FILE.2`, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes from which it is put away.
    pub size: u64,
    /// Files that are kept besides.
    pub keep: u32,
}

impl Rotation {
    /// The least size: a rotation costs some renames, and a write is up to that much.
    pub const SIZE_MIN: u64 = 64 << 10;
}

/// A syslog server (RFC 3164, as nginx speaks it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Where it was written.
    pub at: Span,
    /// Where datagrams are sent.
    pub server: Address,
    /// 0 (`kern`) to 23 (`local7`).
    pub facility: u8,
    /// Of access logs, 0 (`emerg`) to 7 (`debug`); lines of an error log have their own.
    pub severity: u8,
    /// What is named before the text.
    pub tag: String,
    /// Whether the machine is named, too.
    pub hostname: bool,
}

/// The facilities of syslog by their numbers; nginx's names.
pub const SYSLOG_FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv",
    "ftp", "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// The severities of syslog by their numbers; nginx's names, which are those of [`LogLevel`].
pub const SYSLOG_SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug",
];

impl Syslog {
    /// Characters of a tag at most (RFC 3164 §4.1.3).
    pub const TAG_MAX: usize = 32;

    /// Whether a tag is one: letters, digits and `_`.
    pub fn is_tag(tag: &str) -> bool {
        tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
}

/// What an access log does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LogPrivacy {
    /// Values of arguments that look like secrets, credentials and cookies are `***`.
    pub scrub: bool,
    /// Clients' addresses are cut to their network: /24 of IPv4, /48 of IPv6.
    pub truncate_addresses: bool,
}

/// How values are escaped in a log line (ngx_http_log_module, `escape=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogEscape {
    /// `"`, `\` and bytes below 32 or above 126 as `\xXX`; an empty value is `-`.
    #[default]
    Default,
    /// As in a JSON string.
    Json,
    /// Not at all.
    None,
}

/// The error log.
#[derive(Clone, Debug)]
pub struct ErrorLog {
    /// Absolute path; `None` is stderr.
    pub path: Option<PathBuf>,
    /// The least severe level written.
    pub level: LogLevel,
    /// When the file is put away and begun anew.
    pub rotate: Option<Rotation>,
    /// Servers that get its lines besides, each from a level on.
    pub syslog: Vec<(Syslog, LogLevel)>,
}

impl Default for ErrorLog {
    fn default() -> Self {
        Self {
            path: None,
            level: LogLevel::Error,
            rotate: None,
            syslog: Vec::new(),
        }
    }
}

/// nginx's levels, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}
