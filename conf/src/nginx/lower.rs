//! The whole file: main, `events`, `http`.

use super::cache;
use super::http2;
use super::limit::LimitZones;
use super::listen;
use super::location::Builder;
use super::log::{self, Logs};
use super::read::Reader;
use super::scope::{Named, Scope};
use super::server;
use super::stream;
use super::tree::{Directive, Item, directives};
use super::upstream::Upstreams;
use crate::load::LoadOptions;
use crate::model::{Config, ErrorLog, IdentityHeader, Limits, Listener, Log, Process, Syntax};
use seawall_diag::SourceMap;
use std::path::PathBuf;
use std::time::Duration;

/// nginx waits for its workers without end unless `worker_shutdown_timeout` is said.
const DRAIN: Duration = Duration::from_secs(365 * 86_400);

/// Where state is kept: nginx.conf has no word for it.
const STATE: &str = "/var/lib/seawall";

/// Paths where nothing is said: those of Debian's build, or those under `-p`.
pub(crate) struct Paths {
    pub(crate) access_log: PathBuf,
    pub(crate) error_log: PathBuf,
    pub(crate) pid: PathBuf,
}

impl Paths {
    pub(crate) fn of(options: &LoadOptions) -> Self {
        match &options.prefix {
            Some(prefix) => Self {
                access_log: prefix.join("logs/access.log"),
                error_log: prefix.join("logs/error.log"),
                pid: prefix.join("logs/nginx.pid"),
            },
            None => Self {
                access_log: "/var/log/nginx/access.log".into(),
                error_log: "/var/log/nginx/error.log".into(),
                pid: "/run/nginx.pid".into(),
            },
        }
    }
}

/// Lowers a checked tree.
pub(crate) fn lower(
    reader: &mut Reader<'_>,
    items: &[Item],
    options: &LoadOptions,
    files: Vec<PathBuf>,
) -> Config {
    let paths = Paths::of(options);
    let process = process(reader, items, &paths);
    let http = directives(items).find(|d| d.name() == "http");
    let mut limits = Limits {
        head_bytes: 33 * 1024,
        head_fields: 1000,
        head_timeout: Duration::from_secs(60),
        connections: connections(reader, items, process.threads),
        ..Limits::default()
    };
    let mut logs = Logs::default();
    let mut config = Config {
        sources: SourceMap::default(),
        syntax: Syntax::Nginx,
        files,
        process,
        listeners: Vec::new(),
        admin: Vec::new(),
        admin_tokens: None,
        metrics: None,
        trusted_proxies: Vec::new(),
        geo: Vec::new(),
        lists: Vec::new(),
        crowdsec: None,
        log: Log {
            access: Vec::new(),
            error: error_log(reader, items, http, options, &paths),
            traces: None,
        },
        dns: None,
        caches: Vec::new(),
        wafs: Vec::new(),
        pools: Vec::new(),
        sites: Vec::new(),
        streams: Vec::new(),
        limits: limits.clone(),
        identity_header: IdentityHeader::XForwardedFor,
        computed: Vec::new(),
        acme: None,
    };
    if let Some(http) = http {
        read_limits(reader, http, &mut limits);
        lower_http(reader, http, &paths, &mut logs, &mut config);
    }
    if let Some(block) = directives(items).find(|d| d.name() == "stream") {
        stream::lower(reader, block, &mut config);
    }
    config.limits = limits;
    config.log.access = logs.all;
    config
}

fn process(reader: &mut Reader<'_>, items: &[Item], paths: &Paths) -> Process {
    let mut process = Process {
        threads: 1,
        user: None,
        pid: Some(paths.pid.clone()),
        daemon: true,
        state: STATE.into(),
        drain: DRAIN,
    };
    for d in directives(items) {
        match d.name() {
            "worker_processes" if d.arg(0) == "auto" => process.threads = 0,
            "worker_processes" => match d.arg(0).parse::<usize>() {
                Ok(n) if (1..=1024).contains(&n) => process.threads = n,
                _ => reader.error(d.at(), "invalid number"),
            },
            "user" => process.user = Some(d.arg(0).to_owned()),
            "daemon" => process.daemon = super::read::is_on(d),
            "pid" => process.pid = Some(reader.path(d.arg(0))),
            "worker_shutdown_timeout" => process.drain = reader.duration(d).unwrap_or(DRAIN),
            _ => {}
        }
    }
    process
}

/// `worker_connections` of every worker.
fn connections(reader: &mut Reader<'_>, items: &[Item], threads: usize) -> usize {
    let mut each = 512;
    for events in directives(items).filter(|d| d.name() == "events") {
        for d in events
            .children()
            .filter(|d| d.name() == "worker_connections")
        {
            each = reader.number(d).unwrap_or(512) as usize;
        }
    }
    let threads = if threads > 0 {
        threads
    } else {
        std::thread::available_parallelism().map_or(1, |n| n.get())
    };
    each.saturating_mul(threads).max(1)
}

/// The error log of the outermost level that has one.
fn error_log(
    reader: &mut Reader<'_>,
    items: &[Item],
    http: Option<&Directive>,
    options: &LoadOptions,
    paths: &Paths,
) -> ErrorLog {
    let main: Vec<&Directive> = directives(items)
        .filter(|d| d.name() == "error_log")
        .collect();
    let inner: Vec<&Directive> = http
        .into_iter()
        .flat_map(Directive::children)
        .filter(|d| d.name() == "error_log")
        .collect();
    let all = if main.is_empty() { inner } else { main };
    if !all.is_empty() {
        return log::error(reader, &all);
    }
    let path = options.error_log.clone();
    ErrorLog {
        path: Some(path.unwrap_or_else(|| paths.error_log.clone())),
        ..ErrorLog::default()
    }
}

/// Limits on heads are one for all servers, since a head is read before its server is known: the largest counts.
fn read_limits(reader: &mut Reader<'_>, http: &Directive, limits: &mut Limits) {
    let (mut timeout, mut fields, mut bytes) = (None, None, None);
    let servers = http
        .children()
        .filter(|d| d.name() == "server")
        .flat_map(Directive::children);
    for d in http.children().chain(servers) {
        match d.name() {
            "client_header_timeout" => timeout = timeout.max(reader.duration(d)),
            "max_headers" => fields = fields.max(reader.number(d).map(|n| n.max(1) as usize)),
            "large_client_header_buffers" => {
                let number = d.args.first().and_then(|w| reader.number_word(w, &w.text));
                let size = d.args.get(1).and_then(|w| reader.size_word(w, &w.text));
                if let (Some(number), Some(size)) = (number, size) {
                    bytes = bytes.max(Some(
                        number.saturating_mul(size).clamp(1024, 1 << 20) as usize
                    ));
                }
            }
            _ => {}
        }
    }
    limits.head_timeout = timeout.unwrap_or(limits.head_timeout);
    limits.head_fields = fields.unwrap_or(limits.head_fields);
    limits.head_bytes = bytes.unwrap_or(limits.head_bytes);
    limits.http2 = http2::limits(reader, http);
}

fn lower_http(
    reader: &mut Reader<'_>,
    http: &Directive,
    paths: &Paths,
    logs: &mut Logs,
    config: &mut Config,
) {
    let items = http.block.as_deref().unwrap_or_default();
    let children = |name: &'static str| http.children().filter(move |d| d.name() == name);
    config.caches = cache::caches(reader, children("proxy_cache_path"));
    let mut upstreams = Upstreams::read(reader, http);
    children("log_format").for_each(|d| logs.format(reader, d));
    read_access_logs(reader, items, logs);
    // Opened only where it is written to: a level that says nothing inherits it.
    let outermost = if children("access_log").next().is_some() {
        Vec::new()
    } else {
        vec![logs.default_log(paths.access_log.clone())]
    };
    config.computed = super::computed::read(reader, http);
    let names: Vec<String> = config.caches.iter().map(|c| c.name.clone()).collect();
    let limits = LimitZones::read(reader, http);
    let named = Named {
        limits: &limits,
        caches: &names,
        logs,
    };
    let scope = Scope::built_in(reader, outermost).enter(reader, items, &named);

    let servers: Vec<&Directive> = children("server").collect();
    let mut listeners: Vec<Listener> = Vec::new();
    let listens: Vec<_> = servers
        .iter()
        .enumerate()
        .map(|(i, d)| listen::listens(reader, d, &mut listeners, i))
        .collect();
    let own = |l: &Vec<listen::Listen>| l.iter().map(|l| l.index).collect();
    let of: Vec<_> = servers
        .iter()
        .zip(&listens)
        .map(|(d, l)| (*d, own(l)))
        .collect();
    http2::switch_on(reader, http, &of, &mut listeners);
    // The first server of an address is its default one, unless another says that it is.
    for (site, listen) in listens
        .iter()
        .enumerate()
        .flat_map(|(i, own)| own.iter().map(move |l| (i, l)))
    {
        if let Some(listener) = listeners.get_mut(listen.index) {
            listener.default_site.get_or_insert(site);
        }
    }
    for (d, own) in servers.iter().zip(&listens) {
        let any_tls = own
            .iter()
            .any(|l| listeners.get(l.index).is_some_and(|l| l.tls));
        let mut builder = Builder {
            reader,
            named: &named,
            upstreams: &mut upstreams,
        };
        config
            .sites
            .push(server::site(&mut builder, d, &scope, own, any_tls));
    }
    server::conflicts(reader, &config.sites, &listeners);
    config.listeners = listeners;
    config.pools = upstreams.pools;
}

/// `access_log` anywhere: all are known before anything refers to them.
fn read_access_logs(reader: &mut Reader<'_>, items: &[Item], logs: &mut Logs) {
    let cache = directives(items).find(|d| d.name() == "open_log_file_cache");
    let before = logs.open_cache(reader, cache);
    for d in directives(items) {
        if d.name() == "access_log" {
            logs.access(reader, d);
        } else if let Some(items) = &d.block {
            read_access_logs(reader, items, logs);
        }
    }
    logs.give_back(before);
}
