//! `limit_req` and `limit_conn`, their zones, and what a level inherits of them.

use super::lex::Word;
use super::read::{Reader, is_on, nginx_size};
use super::tree::Directive;
use crate::model::{ConnectionLimit, LogLevel, RateLimit, Template};
use seawall_diag::{Diagnostic, Span};
use std::time::Duration;

/// The smallest zone: eight pages (ngx_http_limit_req_zone).
const ZONE_MIN: u64 = 32 << 10;
/// What an entry of a rate takes, in bytes.
const RATE_ENTRY: u64 = 24;
/// What a counted key takes in nginx, in bytes, on a 64-bit machine.
const CONNECTION_ENTRY: u64 = 64;
/// Keys of a zone at most, however large it is said to be.
const KEYS_MAX: u64 = 16 << 20;
/// The most that `burst` and `delay` may say.
const BURST_MAX: u64 = 1_000_000;
/// The most that `limit_conn` may say.
const CONNECTIONS_MAX: u64 = 65_535;

/// What is shared by the limits that name it.
#[derive(Clone)]
struct Zone {
    at: Span,
    name: String,
    key: Template,
    size: u64,
    /// Requests, and in how long.
    rate: (u32, Duration),
}

/// The zones of a configuration. One may be named before it is written.
#[derive(Default)]
pub(crate) struct LimitZones {
    rates: Vec<Zone>,
    connections: Vec<Zone>,
}

impl LimitZones {
    /// Reads `limit_req_zone` and `limit_conn_zone`.
    pub(crate) fn read(reader: &mut Reader<'_>, http: &Directive) -> Self {
        let mut zones = Self::default();
        for d in http.children() {
            let all = match d.name() {
                "limit_req_zone" => &mut zones.rates,
                "limit_conn_zone" => &mut zones.connections,
                _ => continue,
            };
            let Some(zone) = zone(reader, d) else {
                continue;
            };
            if let Some(first) = all.iter().find(|z| z.name == zone.name) {
                let message = format!("{} \"{}\" is already bound to a key", d.name(), zone.name);
                let finding = Diagnostic::error("nginx-duplicate", d.at(), message);
                reader
                    .found
                    .push(finding.related(first.at, "first written here"));
                continue;
            }
            all.push(zone);
        }
        zones
    }
}

fn zone(reader: &mut Reader<'_>, d: &Directive) -> Option<Zone> {
    let (key, rest) = d.args.split_first()?;
    let mut zone = Zone {
        at: d.at(),
        name: String::new(),
        key: reader.template(key),
        size: 0,
        // nginx's default: one a second.
        rate: (1, Duration::from_secs(1)),
    };
    for word in rest {
        let text = word.text.as_str();
        if let Some(named) = text.strip_prefix("zone=") {
            let Some((name, size)) = named.split_once(':').filter(|(n, _)| !n.is_empty()) else {
                reader.error(word.at, format!("invalid zone size \"{text}\""));
                return None;
            };
            match nginx_size(size) {
                None => reader.error(word.at, format!("invalid zone size \"{text}\"")),
                Some(size) if size < ZONE_MIN => {
                    reader.error(word.at, format!("zone \"{name}\" is too small"))
                }
                Some(size) => zone.size = size,
            }
            zone.name = name.to_owned();
        } else if let Some(rate) = text
            .strip_prefix("rate=")
            .filter(|_| d.name() == "limit_req_zone")
        {
            match rate_of(rate) {
                Some(rate) => zone.rate = rate,
                None => reader.error(word.at, format!("invalid rate \"{text}\"")),
            }
        } else if text == "sync" {
            reader.not_yet(word.at, "a zone kept alike on several machines");
        } else {
            reader.invalid_parameter(word);
        }
    }
    if zone.name.is_empty() {
        reader.error(
            d.at(),
            format!("\"{}\" must have \"zone\" parameter", d.name()),
        );
        return None;
    }
    Some(zone)
}

/// `10r/s`, `30r/m`.
fn rate_of(text: &str) -> Option<(u32, Duration)> {
    let (count, per) = match text.strip_suffix("r/s") {
        Some(count) => (count, 1),
        None => (text.strip_suffix("r/m")?, 60),
    };
    let count = count.parse().ok().filter(|n| *n > 0)?;
    Some((count, Duration::from_secs(per)))
}

/// Which arrays a level has begun to fill.
#[derive(Default)]
pub(crate) struct LimitFirsts {
    rates: bool,
    connections: bool,
}

/// What holds at a level.
#[derive(Clone, Default)]
pub(crate) struct LimitScope {
    rates: Vec<RateLimit>,
    connections: Vec<ConnectionLimit>,
    rate: Manner,
    connection: Manner,
}

/// How one of the two modules refuses.
#[derive(Clone, Copy)]
struct Manner {
    status: u16,
    dry_run: bool,
    log_level: LogLevel,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            status: 503,
            dry_run: false,
            log_level: LogLevel::Error,
        }
    }
}

impl Manner {
    fn status(&mut self, reader: &mut Reader<'_>, word: &Word) {
        let status = word.text.parse().ok();
        match status.filter(|s| (400..=599).contains(s)) {
            Some(status) => self.status = status,
            None => reader.error(
                word.at,
                format!("value must be between 400 and 599: \"{}\"", word.text),
            ),
        }
    }

    fn log_level(&mut self, reader: &mut Reader<'_>, word: &Word) {
        self.log_level = match word.text.as_str() {
            "info" => LogLevel::Info,
            "notice" => LogLevel::Notice,
            "warn" => LogLevel::Warn,
            "error" => LogLevel::Error,
            other => return reader.error(word.at, format!("invalid value \"{other}\"")),
        };
    }
}

impl LimitScope {
    /// Takes over a directive of these modules.
    pub(crate) fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        zones: &LimitZones,
        first: &mut LimitFirsts,
    ) {
        let Some(word) = d.args.first() else { return };
        match d.name() {
            "limit_req" => {
                if !std::mem::replace(&mut first.rates, true) {
                    self.rates.clear();
                }
                self.limit_req(reader, d, zones);
            }
            "limit_conn" => {
                if !std::mem::replace(&mut first.connections, true) {
                    self.connections.clear();
                }
                self.limit_conn(reader, d, zones);
            }
            "limit_req_status" => self.rate.status(reader, word),
            "limit_conn_status" => self.connection.status(reader, word),
            "limit_req_log_level" => self.rate.log_level(reader, word),
            "limit_conn_log_level" => self.connection.log_level(reader, word),
            "limit_req_dry_run" => self.rate.dry_run = is_on(d),
            "limit_conn_dry_run" => self.connection.dry_run = is_on(d),
            _ => {}
        }
    }

    fn limit_req(&mut self, reader: &mut Reader<'_>, d: &Directive, zones: &LimitZones) {
        let (mut named, mut burst, mut delay) = (None, 0, Some(0));
        for word in &d.args {
            let text = word.text.as_str();
            let number = |text: &str| text.parse().ok().filter(|n: &u64| *n <= BURST_MAX);
            if let Some(name) = text.strip_prefix("zone=") {
                named = Some((word, name));
            } else if let Some(value) = text.strip_prefix("burst=") {
                match number(value).filter(|n| *n > 0) {
                    Some(value) => burst = value as u32,
                    None => reader.error(word.at, format!("invalid burst value \"{text}\"")),
                }
            } else if let Some(value) = text.strip_prefix("delay=") {
                match number(value).filter(|n| *n > 0) {
                    Some(value) => delay = Some(value as u32),
                    None => reader.error(word.at, format!("invalid delay value \"{text}\"")),
                }
            } else if text == "nodelay" {
                delay = None;
            } else {
                return reader.invalid_parameter(word);
            }
        }
        let Some((word, name)) = named else {
            return reader.error(d.at(), "\"limit_req\" must have \"zone\" parameter");
        };
        let Some(zone) = find(reader, word, name, &zones.rates) else {
            return;
        };
        if self.rates.iter().any(|l| l.at == zone.at) {
            return reader.error(d.at(), "\"limit_req\" directive is duplicate");
        }
        self.rates.push(RateLimit {
            at: zone.at,
            zone: Some(zone.name.clone()),
            leaky: true,
            key: zone.key.clone(),
            rate: zone.rate.0,
            per: zone.rate.1,
            burst,
            delay,
            status: 503,
            dry_run: false,
            fields: false,
            keys: (zone.size / RATE_ENTRY).min(KEYS_MAX) as usize,
            log_level: LogLevel::Error,
        });
    }

    fn limit_conn(&mut self, reader: &mut Reader<'_>, d: &Directive, zones: &LimitZones) {
        let [name, max] = d.args.as_slice() else {
            return;
        };
        let Some(zone) = find(reader, name, &name.text, &zones.connections) else {
            return;
        };
        if self.connections.iter().any(|l| l.at == zone.at) {
            return reader.error(d.at(), "\"limit_conn\" directive is duplicate");
        }
        let most = match max.text.parse::<u64>().ok().filter(|n| *n > 0) {
            None => {
                let message = format!("invalid number of connections \"{}\"", max.text);
                return reader.error(max.at, message);
            }
            Some(n) if n > CONNECTIONS_MAX => {
                return reader.error(max.at, "connection limit must be less 65536");
            }
            Some(n) => n as u32,
        };
        self.connections.push(ConnectionLimit {
            at: zone.at,
            zone: Some(zone.name.clone()),
            key: zone.key.clone(),
            max: most,
            status: 503,
            dry_run: false,
            keys: (zone.size / CONNECTION_ENTRY).min(KEYS_MAX) as usize,
            log_level: LogLevel::Error,
        });
    }

    /// The limits of a route at this level: how they refuse is inherited apart from what they allow.
    pub(crate) fn rates(&self) -> Vec<RateLimit> {
        let manner = self.rate;
        let with = |limit: &RateLimit| RateLimit {
            status: manner.status,
            dry_run: manner.dry_run,
            log_level: manner.log_level,
            ..limit.clone()
        };
        self.rates.iter().map(with).collect()
    }

    /// As [`rates`](Self::rates), for requests at once.
    pub(crate) fn connections(&self) -> Vec<ConnectionLimit> {
        let manner = self.connection;
        let with = |limit: &ConnectionLimit| ConnectionLimit {
            status: manner.status,
            dry_run: manner.dry_run,
            log_level: manner.log_level,
            ..limit.clone()
        };
        self.connections.iter().map(with).collect()
    }
}

fn find<'z>(
    reader: &mut Reader<'_>,
    word: &Word,
    name: &str,
    zones: &'z [Zone],
) -> Option<&'z Zone> {
    let found = zones.iter().find(|z| z.name == name);
    if found.is_none() {
        reader.error(word.at, format!("zero size shared memory zone \"{name}\""));
    }
    found
}
