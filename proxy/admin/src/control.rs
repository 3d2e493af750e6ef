//! What the API needs of the daemon.

use serde_json::Value;
use std::sync::Arc;

/// The daemon as the API sees it. Methods are called on the control runtime's threads.
pub trait Control: Send + Sync + 'static {
    /// `GET /api/v1/status`; quick.
    fn status(&self) -> Value;

    /// `GET /api/v1/pools`; quick.
    fn pools(&self) -> Value;

    /// `GET /api/v1/dns/dnssec`: zones that are signed here, their keys and what comes next; quick.
    fn dnssec(&self) -> Value {
        Value::Array(Vec::new())
    }

    /// `GET /api/v1/dns/zones`; quick.
    fn zones(&self) -> Value {
        Value::Array(Vec::new())
    }

    /// `GET /api/v1/dns/zones/{zone}`, with its records. May take a while. `None` if it is not served.
    fn zone(&self, _zone: &str) -> Option<Value> {
        None
    }

    /// Puts an RRset in the place of another, and gives the zone's serial number. May block until it is on a disk.
    ///
    /// # Errors
    /// Why nothing was changed.
    fn change_zone(&self, _change: &crate::ZoneChange) -> Result<u32, crate::ZoneRefusal> {
        Err(crate::ZoneRefusal::NoZone)
    }

    /// `GET /api/v1/certs`; quick.
    fn certificates(&self) -> Value;

    /// `GET /api/v1/certs/{name}`, with its timeline; quick. `None` if no certificate is for the name.
    fn certificate(&self, name: &str) -> Option<Value>;

    /// Asks for a new certificate at once. False if no certificate is for the name; quick.
    ///
    /// # Errors
    /// Why this one is not asked for; it becomes a 409.
    fn renew_certificate(&self, name: &str) -> Result<bool, String>;

    /// `GET /api/v1/certs/{name}/why`: what stands between a name and its certificate. May block on the network.
    fn explain_certificate(&self, name: &str) -> Option<Value>;

    /// `GET /metrics`: Prometheus's text format; quick.
    fn metrics(&self) -> Vec<u8>;

    /// Purges from the caches. May block until it is on a disk.
    ///
    /// # Errors
    /// Why there is nothing that could be purged (a 400), or that it could not be done (a 500).
    fn purge(&self, order: &PurgeOrder) -> Result<PurgeOutcome, PurgeRefusal>;

    /// `GET /api/v1/cache/object`: a URL in the caches, as a request with these fields (`Name: value`) would find it. May block.
    ///
    /// # Errors
    /// As [`Control::purge`].
    fn cache_object(&self, url: &str, fields: &[String]) -> Result<Value, PurgeRefusal>;

    /// `GET /api/v1/cache/objects`: what is in the caches' memory. May block.
    ///
    /// # Errors
    /// As [`Control::purge`].
    fn cache_objects(&self, wanted: &CacheQuery) -> Result<Value, PurgeRefusal>;

    /// `GET /api/v1/waf/events`: what the WAF refused lately, newest first; quick.
    fn waf_events(&self, limit: usize) -> Value {
        let _ = limit;
        serde_json::json!({ "events": [] })
    }

    /// `POST /api/v1/waf/explain`: why a request was, or would be, refused. May compute.
    ///
    /// # Errors
    /// As [`Control::purge`].
    fn waf_explain(&self, body: &Value) -> Result<Value, PurgeRefusal> {
        let _ = body;
        Err(PurgeRefusal::Bad("there is no WAF".into()))
    }

    /// `POST /api/v1/waf/exclusions`: rules do not look at something any more, or what that would change.
    ///
    /// # Errors
    /// As [`Control::purge`].
    fn waf_exclude(&self, body: &Value) -> Result<Value, PurgeRefusal> {
        let _ = body;
        Err(PurgeRefusal::Bad("there is no WAF".into()))
    }

    /// Drains a server of a pool, takes it back, or sets its weight, until the daemon ends. False if there is no such
    /// server; quick.
    fn server(&self, pool: &str, server: &str, change: ServerChange) -> bool;

    /// Loads the configuration again and goes over to it. May block for as long as compiling takes.
    ///
    /// # Errors
    /// What is wrong with it; the old one serves on, and this becomes a 422.
    fn reload(&self) -> Result<ReloadOutcome, ReloadError>;
}

/// A change of a server at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerChange {
    /// It finishes what it has and takes nothing new; or takes requests again.
    Drain(bool),
    /// Its share; 0 goes back to the configured one.
    Weight(u32),
}

/// Which objects are listed: all that are given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheQuery {
    /// `host/path` that their URL begins with.
    pub prefix: Option<String>,
    /// A tag of theirs.
    pub tag: Option<String>,
    /// The site that they were stored for.
    pub site: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// What is to be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeOrder {
    /// What.
    pub what: PurgeWhat,
    /// Whether it becomes stale instead of going.
    pub soft: bool,
}

/// What a purge names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeWhat {
    /// One URL.
    Url(String),
    /// All URLs that begin like this.
    Prefix(String),
    /// All that has this tag.
    Tag(String),
    /// All of a site.
    Site(String),
    /// Everything.
    All,
}

/// What a purge did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOutcome {
    /// Whether anything was stored under a URL; other purges look nothing up.
    pub removed: Option<bool>,
}

/// Why a purge was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeRefusal {
    /// There is no such thing in a cache.
    Bad(String),
    /// It could not be done.
    Failed(String),
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReloadOutcome {
    /// Warnings, as `Diagnostics::to_json` gives them; null for none.
    pub warnings: Value,
}

/// Why a reload was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{rendered}")]
pub struct ReloadError {
    /// For people, with carets.
    pub rendered: String,
    /// For programs: an array.
    pub diagnostics: Value,
}

/// What every listener of the API shares.
#[derive(Clone)]
pub struct AdminState {
    /// The daemon.
    pub control: Arc<dyn Control>,
    /// A user beside root and the worker's own who may use the unix socket.
    pub allowed_uid: Option<u32>,
}

impl AdminState {
    /// For root and the worker's own user.
    pub fn new(control: Arc<dyn Control>) -> Self {
        Self {
            control,
            allowed_uid: None,
        }
    }
}
