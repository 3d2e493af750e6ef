//! The whole document: the order in which its rooms are read, and what concerns the processes.

use super::acme;
use super::dns;
use super::exposure;
use super::http2;
use super::include::load_tree;
use super::layer::{Layer, read_defaults};
use super::listen::{self, Listeners};
use super::lists;
use super::log;
use super::pools::{self, Pools};
use super::read::{Reader, Shape};
use super::rooms;
use super::screen;
use super::sites;
use super::streams;
use super::tree::{Node, Value};
use crate::load::LoadOptions;
use crate::model::{Config, IdentityHeader, Limits, Process, Syntax};
use ipnet::IpNet;
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::path::PathBuf;
use std::time::Duration;

/// The schema this daemon was built with.
const VERSION: u64 = 1;

/// Where state is kept unless said otherwise.
const STATE: &str = "/var/lib/seawall";

/// How long connections may go on after a stop unless said otherwise.
const DRAIN: Duration = Duration::from_secs(30);

pub(super) const DOCUMENT: Shape = Shape {
    what: "the configuration",
    fields: &[
        "version",
        "include",
        "process",
        "listen",
        "admin",
        "metrics",
        "trusted_proxies",
        "geo",
        "lists",
        "crowdsec",
        "acme",
        "log",
        "dns",
        "caches",
        "wafs",
        "pools",
        "defaults",
        "sites",
        "streams",
        "limits",
    ],
    not_yet: &[],
};

pub(super) const PROCESS: Shape = Shape {
    what: "`process`",
    fields: &["threads", "user", "pid", "daemon", "state", "drain"],
    not_yet: &[],
};

pub(super) const LIMITS: Shape = Shape {
    what: "`limits`",
    fields: &[
        "head_bytes",
        "head_fields",
        "head_timeout",
        "connections",
        "encoders",
        "http2",
    ],
    not_yet: &[],
};

/// Loads a YAML configuration; the sources grow by the included files.
pub(crate) fn load(
    mut sources: SourceMap,
    file: FileId,
    options: &LoadOptions,
) -> (Option<Config>, SourceMap, Diagnostics) {
    let mut found = Diagnostics::default();
    let mut files = Vec::new();
    let root = load_tree(&mut sources, file, options, &mut found, &mut files);
    // Also what a file looks like to whoever reads it while it is being written.
    if root.as_ref().is_some_and(says_nothing) {
        let at = Span {
            file,
            start: 0,
            end: 0,
        };
        let error = Diagnostic::error("empty", at, "this file says nothing".to_owned());
        found.push(
            error.help("write at least `sites`; conf/samples has configurations to begin with"),
        );
        return (None, sources, found);
    }
    let config = root.and_then(|root| {
        let mut reader = Reader {
            sources: &sources,
            found: &mut found,
            env: &options.env,
        };
        read_document(&mut reader, &root, options, files)
    });
    let config = config.map(|mut config| {
        config.sources = sources.clone();
        config
    });
    (config, sources, found)
}

fn says_nothing(root: &Node) -> bool {
    root.is_null() || matches!(&root.value, Value::Map(entries) if entries.is_empty())
}

fn read_document(
    reader: &mut Reader<'_>,
    root: &Node,
    options: &LoadOptions,
    files: Vec<PathBuf>,
) -> Option<Config> {
    let document = reader.open(root, &DOCUMENT)?;
    if let Some(node) = document.get("version") {
        version(reader, node);
    }
    let process = document
        .get("process")
        .map_or_else(default_process, |n| read_process(reader, n));
    let limits = document
        .get("limits")
        .map_or_else(Limits::default, |n| read_limits(reader, n));
    let mut log = document
        .get("log")
        .map_or_else(log::absent, |n| log::read(reader, n));
    if let Some(path) = &options.error_log {
        log.error.path = Some(path.clone());
    }
    let listeners = document
        .get("listen")
        .map_or_else(Listeners::default, |n| listen::read(reader, n));
    let caches = document
        .get("caches")
        .map_or_else(Vec::new, |n| rooms::caches(reader, n));
    let wafs = document
        .get("wafs")
        .map_or_else(Vec::new, |n| rooms::wafs(reader, n));
    let mut pools = document
        .get("pools")
        .map_or_else(Pools::default, |n| pools::read(reader, n));
    let geo = document
        .get("geo")
        .map_or_else(Vec::new, |n| databases(reader, n));
    let lists = document
        .get("lists")
        .map_or_else(Vec::new, |n| lists::read(reader, n, !geo.is_empty()));
    let names = rooms::Names {
        lists: lists.iter().map(|l| l.name.as_str()).collect(),
        has_places: !geo.is_empty(),
        caches: caches.iter().map(|c| c.name.as_str()).collect(),
        wafs: wafs.iter().map(|w| w.name.as_str()).collect(),
    };
    let mut defaults = Layer::logging((0..log.access.len()).collect());
    if let Some(node) = document.get("defaults") {
        defaults = read_defaults(reader, node, &names, &mut pools).over(&defaults);
    }
    let crowdsec = document
        .get("crowdsec")
        .and_then(|n| screen::crowdsec(reader, n, &mut pools));
    let acme = document.get("acme").and_then(|n| acme::read(reader, n));
    let issuing = acme::Issuing {
        acme: acme.as_ref(),
        has_zones: document.get("dns").is_some(),
    };
    let sites = document.get("sites").map_or_else(Vec::new, |n| {
        sites::read(
            reader, n, &defaults, &listeners, &names, &mut pools, issuing,
        )
    });
    let streams = document.get("streams").map_or_else(Vec::new, |n| {
        streams::read(reader, n, &listeners.all, &mut pools)
    });
    let dns = document
        .get("dns")
        .and_then(|n| dns::read(reader, n, &mut pools, &geo));
    let (admin, admin_tokens) = document
        .get("admin")
        .map_or_else(Default::default, |n| listen::admin(reader, n));
    let metrics = document
        .get("metrics")
        .and_then(|n| listen::metrics(reader, n));
    let identity = document
        .get("trusted_proxies")
        .map(|n| exposure::trusted_proxies(reader, n));
    if !sites.is_empty() && listeners.all.is_empty() && document.get("listen").is_none() {
        let d = Diagnostic::error(
            "missing-field",
            document.key("sites"),
            "there are sites, but nothing to `listen` on",
        );
        reader.found.push(d.help("write `listen: [{ http: 80 }]`"));
    }
    Some(Config {
        sources: SourceMap::default(),
        syntax: Syntax::Yaml,
        files,
        process,
        listeners: listeners.all,
        admin,
        admin_tokens,
        metrics,
        trusted_proxies: identity
            .as_ref()
            .map_or_else(Vec::new, |i| i.trusted.clone()),
        identity_header: identity.map_or(IdentityHeader::XForwardedFor, |i| i.header),
        geo,
        lists,
        crowdsec,
        computed: Vec::new(),
        acme,
        log,
        dns,
        caches,
        wafs,
        pools: pools.all,
        sites,
        streams,
        limits,
    })
}

fn version(reader: &mut Reader<'_>, node: &Node) {
    let Some(version) = reader.integer(node, 1, u64::from(u32::MAX)) else {
        return;
    };
    if version > VERSION {
        let message =
            format!("this file is written for schema {version}, and this daemon knows {VERSION}");
        reader
            .found
            .push(Diagnostic::error("version", node.at, message).help("install a newer daemon"));
    }
}

fn default_process() -> Process {
    Process {
        threads: 0,
        user: None,
        pid: None,
        daemon: false,
        state: STATE.into(),
        drain: DRAIN,
    }
}

fn read_process(reader: &mut Reader<'_>, node: &Node) -> Process {
    let mut process = default_process();
    let Some(fields) = reader.open(node, &PROCESS) else {
        return process;
    };
    if let Some(node) = fields.get("threads").filter(|n| n.scalar() != Some("auto")) {
        process.threads = reader.integer(node, 0, 1024).unwrap_or(0) as usize;
    }
    process.user = fields
        .get("user")
        .and_then(|n| reader.string(n))
        .map(str::to_owned);
    process.pid = fields.get("pid").and_then(|n| reader.path(n));
    process.daemon = fields
        .get("daemon")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    process.state = fields
        .get("state")
        .and_then(|n| reader.path(n))
        .unwrap_or(process.state);
    process.drain = fields
        .get("drain")
        .and_then(|n| reader.duration(n))
        .unwrap_or(DRAIN);
    process
}

fn read_limits(reader: &mut Reader<'_>, node: &Node) -> Limits {
    let mut limits = Limits::default();
    let Some(fields) = reader.open(node, &LIMITS) else {
        return limits;
    };
    if let Some(bytes) = fields
        .get("head_bytes")
        .and_then(|n| Some((n, reader.size(n)?)))
    {
        let (node, bytes) = bytes;
        if (1024..=1 << 20).contains(&bytes) {
            limits.head_bytes = bytes as usize;
        } else {
            reader.invalid(
                node.at,
                "a head is from 1KiB to 1MiB",
                "the default is 64KiB",
            );
        }
    }
    if let Some(n) = fields
        .get("head_fields")
        .and_then(|n| reader.integer(n, 1, 4096))
    {
        limits.head_fields = n as usize;
    }
    if let Some(d) = fields.get("head_timeout").and_then(|n| reader.duration(n)) {
        limits.head_timeout = d;
    }
    if let Some(n) = fields
        .get("connections")
        .and_then(|n| reader.integer(n, 1, 10_000_000))
    {
        limits.connections = n as usize;
    }
    if let Some(n) = fields
        .get("encoders")
        .and_then(|n| reader.integer(n, 0, 100_000))
    {
        limits.encoders = n as usize;
    }
    if let Some(node) = fields.get("http2") {
        limits.http2 = http2::limits(reader, node);
    }
    limits
}

/// Databases of places.
pub(crate) fn databases(reader: &mut Reader<'_>, node: &Node) -> Vec<(PathBuf, Span)> {
    let nodes = reader.list(node).iter();
    nodes
        .filter_map(|n| Some((reader.path(n)?, n.at)))
        .collect()
}

/// Networks; a single address is a network of one.
pub(crate) fn networks(reader: &mut Reader<'_>, node: &Node) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for node in reader.list(node) {
        let Some(text) = reader.string(node) else {
            continue;
        };
        match text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => reader.invalid(
                node.at,
                format!("`{text}` is no network"),
                "write 10.0.0.0/8 or 192.0.2.1",
            ),
        }
    }
    networks
}
