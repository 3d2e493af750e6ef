//! What a level inherits: http over server over location over nested location and `if`.
//!
//! A single value is taken from the outer level where the inner one is silent. An array (`add_header`,
//! `proxy_set_header`, `access_log`, `proxy_cache_valid`, `index`) is taken only where the inner level says nothing
//! of it at all.

use super::access::AccessScope;
use super::caching::{CachingFirsts, CachingScope};
use super::content::ContentScope;
use super::fastcgi::{FastCgiFirsts, FastCgiScope};
use super::gzip::{Gzip, GzipFirsts};
use super::lex::Word;
use super::limit::{LimitFirsts, LimitScope, LimitZones};
use super::origin::OriginScope;
use super::passing::{PassingFirsts, PassingScope};
use super::read::Reader;
use super::tree::{Directive, Item, directives};
use crate::media;
use crate::model::{AddHeader, ContentPolicy, FileRoot, RoutePolicy, Template, Timeouts};
use seawall_diag::Span;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What holds at a level.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) root: FileRoot,
    pub(crate) content: ContentScope,
    pub(crate) index: Vec<Template>,
    pub(crate) access_log: Vec<usize>,
    default_type: String,
    types: Arc<Vec<(String, String)>>,
    body_limit: Option<u64>,
    keepalive_requests: u64,
    timeouts: Timeouts,
    add_headers: Vec<AddHeader>,
    /// `proxy_set_header`: name and value.
    pub(crate) set_headers: Vec<(String, Template)>,
    pub(crate) http11: bool,
    tokens_off: bool,
    prefix: PathBuf,
    pub(crate) origin: OriginScope,
    pub(crate) passing: PassingScope,
    gzip: Gzip,
    access: AccessScope,
    limit: LimitScope,
    pub(crate) fastcgi: FastCgiScope,
    caching: CachingScope,
    pub(crate) certificates: Vec<Word>,
    pub(crate) certificate_keys: Vec<Word>,
}

/// What arguments are looked up in.
pub(crate) struct Named<'n> {
    /// Names of caches.
    pub(crate) caches: &'n [String],
    /// Zones of limits.
    pub(crate) limits: &'n LimitZones,
    /// Access logs by directive place (`access_log` is read once, before everything else).
    pub(crate) logs: &'n super::log::Logs,
}

impl Scope {
    /// nginx's defaults (1.31).
    pub(crate) fn built_in(reader: &Reader<'_>, access_log: Vec<usize>) -> Self {
        Self {
            root: FileRoot {
                path: Template::literal(reader.path("html").to_string_lossy().into_owned()),
                alias: None,
            },
            content: ContentScope::default(),
            index: vec![Template::literal("index.html")],
            access_log,
            default_type: "text/plain".into(),
            types: media::table(media::NGINX),
            body_limit: Some(1 << 20),
            keepalive_requests: 1000,
            timeouts: Timeouts {
                connect: Duration::from_secs(60),
                tunnel_idle: Duration::from_secs(60),
                ..Timeouts::default()
            },
            add_headers: Vec::new(),
            set_headers: Vec::new(),
            http11: true,
            tokens_off: false,
            prefix: reader.prefix.to_owned(),
            origin: OriginScope::default(),
            passing: PassingScope::default(),
            gzip: Gzip::default(),
            access: AccessScope::default(),
            limit: LimitScope::default(),
            fastcgi: FastCgiScope::default(),
            caching: CachingScope::default(),
            certificates: Vec::new(),
            certificate_keys: Vec::new(),
        }
    }

    /// The scope of a block within this one.
    pub(crate) fn enter(
        &self,
        reader: &mut Reader<'_>,
        items: &[Item],
        named: &Named<'_>,
    ) -> Scope {
        let mut scope = self.clone();
        scope.access.enter(reader, items);
        let mut first = Firsts::default();
        for directive in directives(items) {
            scope.apply(reader, directive, named, &mut first);
        }
        scope
    }

    fn apply(
        &mut self,
        reader: &mut Reader<'_>,
        d: &Directive,
        named: &Named<'_>,
        first: &mut Firsts,
    ) {
        self.content.apply(reader, d, &mut first.error_page);
        let Some(word) = d.args.first() else {
            if d.name() == "types" {
                self.types = types(d);
            }
            return;
        };
        match d.name() {
            "root" => {
                // Relative to the prefix, unless a variable stands first.
                let text = if word.text.starts_with(['/', '$']) {
                    word.text.clone()
                } else {
                    reader.path(&word.text).to_string_lossy().into_owned()
                };
                self.root = FileRoot {
                    path: reader.template_text(word, text.trim_end_matches('/')),
                    alias: None,
                };
            }
            "index" => {
                start(&mut first.index, &mut self.index);
                self.index.extend(d.args.iter().map(|w| reader.template(w)));
            }
            "server_tokens" => match word.text.as_str() {
                "on" | "build" => self.tokens_off = false,
                "off" => self.tokens_off = true,
                other => reader.error(word.at, format!("invalid value \"{other}\"")),
            },
            "default_type" => self.default_type = word.text.clone(),
            "client_max_body_size" => {
                if let Some(size) = reader.size(d) {
                    self.body_limit = (size > 0).then_some(size);
                }
            }
            "keepalive_requests" => self.keepalive_requests = reader.number(d).unwrap_or(1000),
            "keepalive_timeout" => set(&mut self.timeouts.keepalive, reader.duration(d)),
            "client_body_timeout" | "send_timeout" => {
                set(&mut self.timeouts.client, reader.duration(d))
            }
            "proxy_connect_timeout" | "grpc_connect_timeout" => {
                set(&mut self.timeouts.connect, reader.duration(d))
            }
            "proxy_read_timeout" | "grpc_read_timeout" => {
                let value = reader.duration(d);
                set(&mut self.timeouts.first_byte, value);
                set(&mut self.timeouts.between_bytes, value);
                set(&mut self.timeouts.tunnel_idle, value);
            }
            "proxy_send_timeout" | "grpc_send_timeout" => {
                let value = reader
                    .duration(d)
                    .map(|v| v.max(self.timeouts.between_bytes));
                set(&mut self.timeouts.between_bytes, value);
            }
            "add_header" => {
                start(&mut first.add_header, &mut self.add_headers);
                self.add_header(reader, d);
            }
            "proxy_set_header" | "grpc_set_header" => {
                start(&mut first.set_header, &mut self.set_headers);
                let value = d
                    .args
                    .get(1)
                    .map(|w| reader.template(w))
                    .unwrap_or_default();
                self.set_headers.push((word.text.clone(), value));
            }
            "proxy_http_version" => match word.text.as_str() {
                "1.0" => (self.http11, self.origin.http2) = (false, false),
                "1.1" => (self.http11, self.origin.http2) = (true, false),
                "2" => self.origin.http2 = true,
                other => reader.error(word.at, format!("invalid value \"{other}\"")),
            },
            "access_log" => {
                start(&mut first.access_log, &mut self.access_log);
                self.access_log.extend(named.logs.at(d.at()));
            }
            name if name.starts_with("proxy_cache")
                || matches!(name, "proxy_no_cache" | "proxy_ignore_headers" | "slice") =>
            {
                // What is not heeded is so by the cache and by everybody else.
                let _ = self.passing.apply(reader, d, &mut first.passing);
                (self.caching).apply(reader, d, named.caches, &mut first.caching)
            }
            "ssl_certificate" => {
                start(&mut first.certificate, &mut self.certificates);
                self.certificates.push(word.clone());
            }
            "ssl_certificate_key" => {
                start(&mut first.certificate_key, &mut self.certificate_keys);
                self.certificate_keys.push(word.clone());
            }
            "ssl_protocols" => protocols(reader, d),
            _ if self.passing.apply(reader, d, &mut first.passing) => {}
            name if name.starts_with("limit_") => {
                self.limit.apply(reader, d, named.limits, &mut first.limit)
            }
            name if name.starts_with("fastcgi_") => {
                self.fastcgi.apply(reader, d, &mut first.fastcgi)
            }
            _ => {
                self.origin.apply(reader, d);
                let _ = self.gzip.apply(reader, d, &mut first.gzip);
            }
        }
    }

    fn add_header(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let (Some(name), Some(value)) = (d.args.first(), d.args.get(1)) else {
            return;
        };
        let always = match d.args.get(2) {
            None => false,
            Some(word) if word.text == "always" => true,
            Some(word) => return reader.invalid_parameter(word),
        };
        let value = reader.template(value);
        self.add_headers.push(AddHeader {
            name: name.text.clone(),
            value,
            always,
        });
    }

    /// What goes with content at this level.
    pub(crate) fn content_policy(&self) -> ContentPolicy {
        ContentPolicy {
            root: Some(self.root.clone()),
            version_shown: !self.tokens_off,
            ..self.content.policy()
        }
    }

    /// The policy of a route at this level.
    pub(crate) fn policy(&self) -> RoutePolicy {
        RoutePolicy {
            cache: self.caching.policy(),
            waf: None,
            access_log: self.access_log.clone(),
            body_limit: self.body_limit,
            request_buffering: self.origin.request_buffering,
            ignore_client_abort: self.origin.ignore_client_abort,
            response_buffering: self.origin.response_buffering(),
            body_files: self.passing.body_files(&self.prefix),
            pace: self.passing.pace(),
            mirrors: self.passing.mirrors(),
            response_set: Vec::new(),
            response_remove: Vec::new(),
            response_add: self.add_headers.clone(),
            timeouts: self.timeouts,
            default_type: self.default_type.clone(),
            types: Arc::clone(&self.types),
            keepalive_requests: self.keepalive_requests,
            compress: self.gzip.policy(),
            rate_limits: self.limit.rates(),
            connection_limits: self.limit.connections(),
            access: self.access.policy(),
            identity: self.access.identity(),
            content: self.content_policy(),
            ..RoutePolicy::default()
        }
    }
}

/// Which arrays a level has begun to fill: the first entry takes the place of what was inherited.
#[derive(Default)]
struct Firsts {
    index: bool,
    add_header: bool,
    set_header: bool,
    access_log: bool,
    caching: CachingFirsts,
    gzip: GzipFirsts,
    fastcgi: FastCgiFirsts,
    passing: PassingFirsts,
    limit: LimitFirsts,
    certificate: bool,
    certificate_key: bool,
    error_page: bool,
}

pub(crate) fn start<T>(begun: &mut bool, array: &mut Vec<T>) {
    if !std::mem::replace(begun, true) {
        array.clear();
    }
}

fn set(target: &mut Duration, value: Option<Duration>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// `types { text/html html htm; }`: each entry is a directive whose name is the type.
fn types(directive: &Directive) -> Arc<Vec<(String, String)>> {
    let mut types = Vec::new();
    for entry in directive.children() {
        types.extend(
            entry
                .args
                .iter()
                .map(|e| (e.text.to_ascii_lowercase(), entry.name().to_owned())),
        );
    }
    Arc::new(types)
}

/// TLS 1.2 and 1.3 are what is spoken; anything older is never, and one of them alone is not built.
fn protocols(reader: &mut Reader<'_>, d: &Directive) {
    const KNOWN: &[&str] = &["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
    for word in d.args.iter().filter(|w| !KNOWN.contains(&w.text.as_str())) {
        reader.error(word.at, format!("invalid value \"{}\"", word.text));
    }
    let has = |name: &str| d.args.iter().any(|w| w.text == name);
    if !(has("TLSv1.2") && has("TLSv1.3")) {
        let at: Span = d.args.first().map_or(d.at(), |w| w.at);
        reader.not_yet(at, "anything but TLSv1.2 and TLSv1.3 together");
    }
}
