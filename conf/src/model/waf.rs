//! Rule sets, challenges, and what is excluded of them.

use super::*;

/// A rule set.
#[derive(Clone, Debug)]
pub struct Waf {
    /// Where it was written.
    pub at: Span,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub rules: WafRules,
    /// What a verdict does.
    pub mode: WafMode,
    /// Paranoia level, 1 to 4.
    pub paranoia: u8,
    /// Anomaly score at which a request is refused (default 5).
    pub threshold: u32,
    /// Bytes of a body that are inspected (default 128 KiB).
    pub body_limit: u64,
    /// Tests only: names the matched rule ids in this response header.
    pub report_header: Option<String>,
    /// Responses are judged, too (default no).
    pub response: bool,
    /// Our exclusions for the OWASP Core Rule Set are read before its files; unless said otherwise at paranoia level 1.
    pub default_exclusions: bool,
    /// Rules that are only tried: their matches are told and change nothing.
    pub dry_run: Option<WafDryRun>,
    /// What rules do not look at.
    pub exclude: Vec<WafExclude>,
    /// Its audit log.
    pub audit: Option<WafAudit>,
    /// The rule set (index into [`Config::wafs`]) that judges the same requests without any effect, to be compared.
    pub shadow: Option<usize>,
}

/// A browser proves that it is one by some work.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Leading zero bits of a hash that has to be found.
    pub difficulty: u8,
    /// How long a proof holds.
    pub lifetime: Duration,
    /// Networks that need none.
    pub unless: Vec<IpNet>,
    /// Crawlers that need none, once they are verified.
    pub bots: Vec<KnownBot>,
    /// Name servers that verify them; the system's where there are none.
    pub resolver: Vec<SocketAddr>,
}

/// Leading zero bits: some 65,000 hashes, half a second of a browser's time.
const DIFFICULTY: u8 = 16;
/// How long a proof holds.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Crawlers whose operators document that the names of their addresses lead back to them.
const KNOWN: &[(&str, &[&str])] = &[
    ("Googlebot", &["googlebot.com", "google.com"]),
    ("bingbot", &["search.msn.com"]),
    ("Applebot", &["applebot.apple.com"]),
    ("YandexBot", &["yandex.ru", "yandex.net", "yandex.com"]),
    ("Baiduspider", &["baidu.com", "baidu.jp"]),
];

impl Default for Challenge {
    fn default() -> Self {
        let known = KNOWN.iter().map(|(agent, domains)| KnownBot {
            agent: (*agent).to_owned(),
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
        });
        Self {
            difficulty: DIFFICULTY,
            lifetime: LIFETIME,
            unless: Vec::new(),
            bots: known.collect(),
            resolver: Vec::new(),
        }
    }
}

/// A crawler.
#[derive(Clone, Debug)]
pub struct KnownBot {
    /// What its User-Agent has in it.
    pub agent: String,
    /// The domains, in lower case, that the names of its addresses are below.
    pub domains: Vec<String>,
}

/// The audit log of a rule set, in ModSecurity's JSON.
#[derive(Clone, Debug)]
pub struct WafAudit {
    /// Its file, and how lines come into it.
    pub log: AccessLog,
    /// Which requests it tells of; what the rule files say where this says nothing.
    pub when: Option<WafAuditWhen>,
    /// Which parts, by ModSecurity's letters; what the rule files say where this says nothing.
    pub parts: Option<String>,
}

/// Which requests an audit log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WafAuditWhen {
    /// Those in which a rule matched.
    Relevant,
    /// All.
    All,
}

/// Rules that are only tried.
#[derive(Clone, Debug)]
pub struct WafDryRun {
    /// Where it was written.
    pub at: Span,
    /// Their ids.
    pub rules: Vec<u32>,
    /// Tags of them.
    pub tags: Vec<String>,
}

/// Rules do not look at something.
#[derive(Clone, Debug)]
pub struct WafExclude {
    /// Where it was written.
    pub at: Span,
    /// Ids of rules.
    pub rules: Vec<u32>,
    /// Every rule with one of these tags.
    pub tags: Vec<String>,
    /// What they do not look at: `ARGS:q`, `REQUEST_COOKIES`; `None` is that they do not run.
    pub target: Option<String>,
    /// Only for requests whose path begins like this.
    pub path: Option<String>,
}

/// Which rules a rule set runs.
#[derive(Clone, Debug)]
pub enum WafRules {
    /// The built-in rules.
    Builtin,
    /// SecLang files, absolute. [`OWASP_CRS`] stands for `owasp-crs`.
    Files(Vec<(PathBuf, Span)>),
}

/// The file by which Debian's package `modsecurity-crs` loads the OWASP Core Rule Set and its setup.
pub const OWASP_CRS: &str = "/usr/share/modsecurity-crs/owasp-crs.load";

/// What a WAF verdict does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WafMode {
    /// Nothing is inspected.
    Off,
    /// Matches are logged and counted.
    Detect,
    /// Requests over the threshold get 403.
    Block,
}
