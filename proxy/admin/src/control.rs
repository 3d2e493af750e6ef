//! What the API needs of the daemon.

use crate::{AuditLog, Tokens, Watch};
use arc_swap::ArcSwap;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

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

    /// `GET /api/v1/cache/stats`: what caches hold, and what became of the requests of each route, or of one site's; quick.
    fn cache_stats(&self, site: Option<&str>) -> Value {
        let _ = site;
        serde_json::json!({ "caches": [], "routes": [] })
    }

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

    /// `GET /api/v1/signals`; quick.
    fn signals(&self) -> Value {
        Value::Array(Vec::new())
    }

    /// `GET /api/v1/sites`; quick.
    fn sites(&self) -> Value {
        Value::Array(Vec::new())
    }

    /// `GET /api/v1/limits`; quick.
    fn limits(&self) -> Value {
        Value::Array(Vec::new())
    }

    /// The least severe level that is logged.
    fn log_level(&self) -> String {
        "error".to_owned()
    }

    /// Another one until the next reload. False if it is none.
    fn set_log_level(&self, _level: &str) -> bool {
        false
    }

    /// Watches requests from now on; `None` where as many do as may.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }

    /// The configuration as it is written, its secrets masked. May block.
    ///
    /// # Errors
    /// It cannot be read.
    fn config(&self) -> Result<ShownConfig, ConfigRefusal> {
        Err(unkept())
    }

    /// Checks a configuration, says what it changes, and goes over to it. May block for as long as compiling takes.
    ///
    /// # Errors
    /// Why nothing was changed.
    fn put_config(&self, _order: &PutConfig) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// Keeps the one that waits for it. May block.
    ///
    /// # Errors
    /// None waits.
    fn confirm_config(&self) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// Takes the one that waits for its confirmation back. May block.
    ///
    /// # Errors
    /// None waits, or what was there cannot be put back.
    fn revert_config(&self, _actor: &str) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// Configurations that were served, the newest first. May block.
    ///
    /// # Errors
    /// They cannot be read.
    fn revisions(&self) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// One of them, with its text. May block.
    ///
    /// # Errors
    /// There is none of this number.
    fn revision(&self, _number: u64) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// Puts an earlier configuration, or the one before, in the place of the one that is served. May block.
    ///
    /// # Errors
    /// As [`Control::put_config`].
    fn rollback(
        &self,
        _revision: Option<u64>,
        _confirm: Option<Duration>,
        _actor: &str,
    ) -> Result<Value, ConfigRefusal> {
        Err(unkept())
    }

    /// Loads the configuration again and goes over to it. May block for as long as compiling takes.
    ///
    /// # Errors
    /// What is wrong with it; the old one serves on, and this becomes a 422.
    fn reload(&self) -> Result<ReloadOutcome, ReloadError>;
}

fn unkept() -> ConfigRefusal {
    ConfigRefusal::Conflict("this daemon's configuration is not changed over the API".into())
}

/// A configuration as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownConfig {
    /// Its file.
    pub path: String,
    /// Its text, secrets masked.
    pub text: String,
    /// Of the text as it is.
    pub hash: String,
    /// The generation that is served.
    pub generation: u64,
    /// All files it is made of.
    pub files: Vec<String>,
    /// What waits to be confirmed; null for nothing.
    pub pending: Value,
}

/// A configuration to go over to.
#[derive(Clone, Debug, PartialEq)]
pub struct PutConfig {
    /// Its text; `***` stands for the secret that was there.
    pub text: String,
    /// Only say what is wrong and what would change.
    pub dry_run: bool,
    /// The hash of the one that it is an edit of.
    pub if_match: Option<String>,
    /// What was there comes back after so long, unless confirmed.
    pub confirm: Option<Duration>,
    /// Who wants it.
    pub actor: String,
}

/// Why a configuration was not changed.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigRefusal {
    /// It is wrong.
    Wrong(ReloadError),
    /// The one that it is an edit of is not the one that is there.
    Changed,
    /// Not now, or not here.
    Conflict(String),
    /// There is no such thing.
    Unknown(String),
    /// It could not be done.
    Failed(String),
}

/// A change of a server at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerChange {
    /// It finishes what it has and takes nothing new; or takes requests again.
    Drain(bool),
    /// Its share; 0 goes back to the configured one.
    Weight(u32),
    /// Its health is checked at once.
    CheckNow,
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
    /// Who may use TCP, and for what; none: reading only.
    pub tokens: Arc<ArcSwap<Tokens>>,
    /// Where changes are recorded.
    pub audit: Option<Arc<AuditLog>>,
    /// Why they cannot be, where they should: nothing is changed then.
    pub audit_failure: Option<String>,
}

impl AdminState {
    /// For root and the worker's own user, without tokens and records.
    pub fn new(control: Arc<dyn Control>) -> Self {
        Self {
            control,
            allowed_uid: None,
            tokens: Arc::default(),
            audit: None,
            audit_failure: None,
        }
    }
}
