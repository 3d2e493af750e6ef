//! Caches and how a route uses one.

use crate::{
    access::Rules,
    caching::{Ledger, Ledgers},
    template::{Template, UserVariables, no_places},
};
use parking_lot::Mutex;
use seawall_conf::model::{
    self, CacheProfile, CachedSetCookie, IgnoredCookies, KeptParameters, StaleUse,
};
use seawall_diag::Diagnostics;
use seawall_http::Name;
use seawall_nets::Databases;
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

/// A cache.
pub struct CachePlan {
    /// Its name.
    pub name: String,
    /// Bytes of memory; another size makes another cache.
    pub memory: u64,
    /// Its disk.
    pub disk: Option<seawall_cache::DiskOptions>,
    /// Why it does without its disk, until that was said.
    failed: Mutex<Option<String>>,
    /// The cache itself.
    pub cache: Arc<seawall_cache::Cache>,
}

/// How far the beginning of a range may lie in what is fetched whole for it, where there are no slices.
const AHEAD_BYTES_MAX: u64 = 1 << 20;

/// How a route uses a cache.
pub struct CacheUse {
    /// The cache.
    pub cache: Arc<seawall_cache::Cache>,
    /// What it has come to, in numbers.
    pub ledger: Arc<Ledger>,
    /// Its rules.
    pub rules: seawall_cache::Rules,
    /// What the key is made of.
    pub key: KeyPlan,
    /// The site that objects are stored for, as purges name it.
    pub site: Arc<str>,
    /// Who may use the method PURGE; empty: it is the origin's.
    pub purgers: Rules,
    /// Whether answers to POST are stored under the same rules (nginx: `proxy_cache_methods`).
    pub caches_post: bool,
    /// Whether `Cache-Status` is sent (RFC 9211); nginx sends nothing unasked.
    pub reports: bool,
    /// What of the query counts; `None`: all, as it was sent.
    pub query: Option<QueryPlan>,
    /// Cookies that go into the key.
    pub key_cookies: Box<[Box<[u8]>]>,
    /// Header fields that go into the key.
    pub key_headers: Box<[Box<[u8]>]>,
    /// Whether the kind of device does.
    pub key_device: bool,
    /// What tells the client's country, where that does.
    pub key_country: Option<Arc<Databases>>,
    /// Cookies that are taken out of requests.
    pub ignored_cookies: CookiesPlan,
    /// Not taken from the cache where one of these holds.
    pub bypass: Box<[Template]>,
    /// Not stored where one of these holds.
    pub no_store: Box<[Template]>,
    /// How long a request waits for another's fill, if not as long as for an origin.
    pub lock_timeout: Option<Duration>,
    /// A range that begins behind so many bytes is not waited for: the origin is asked for it alone. `None`: always waited for.
    pub ahead_bytes_max: Option<u64>,
    /// Whether everything is fetched in slices (nginx: `slice`), not just what is large or wanted from far behind.
    pub slices_all: bool,
}

/// What of a query counts.
pub struct QueryPlan {
    /// Which parameters.
    pub keep: Parameters,
    /// Whether they are put in the order of their names.
    pub sorted: bool,
}

/// Which parameters count.
pub enum Parameters {
    /// All.
    All,
    /// None.
    None,
    /// Those with such a name.
    Only(Box<[NamePattern]>),
    /// Those with any other.
    Without(Box<[NamePattern]>),
}

/// Cookies that are taken out.
pub enum CookiesPlan {
    /// None.
    None,
    /// All.
    All,
    /// Those with such a name.
    Named(Box<[NamePattern]>),
}

/// A name, or the beginning of one.
pub struct NamePattern {
    text: Box<[u8]>,
    is_prefix: bool,
}

impl NamePattern {
    fn all(names: &[String]) -> Box<[NamePattern]> {
        names.iter().map(|name| Self::of(name)).collect()
    }

    fn of(name: &str) -> NamePattern {
        let prefix = name.strip_suffix('*');
        NamePattern {
            text: prefix.unwrap_or(name).as_bytes().into(),
            is_prefix: prefix.is_some(),
        }
    }

    /// Whether a name is meant.
    pub fn fits(&self, name: &[u8]) -> bool {
        *name == *self.text || self.is_prefix && name.starts_with(&self.text)
    }
}

impl Parameters {
    /// Whether a parameter of that name counts.
    pub fn keeps(&self, name: &[u8]) -> bool {
        match self {
            Parameters::All => true,
            Parameters::None => false,
            Parameters::Only(names) => names.iter().any(|n| n.fits(name)),
            Parameters::Without(names) => !names.iter().any(|n| n.fits(name)),
        }
    }
}

impl CookiesPlan {
    /// Whether a cookie of that name is taken out.
    pub fn takes(&self, name: &[u8]) -> bool {
        match self {
            CookiesPlan::None => false,
            CookiesPlan::All => true,
            CookiesPlan::Named(names) => names.iter().any(|n| n.fits(name)),
        }
    }
}

/// What a key is made of.
pub enum KeyPlan {
    /// Scheme, host and the target as forwarded.
    Forwarded,
    /// A template.
    Template(Template),
}

impl CachePlan {
    /// The cache of a configuration, carried over where its name is the same; its disk, too, where its memory is not. A disk that cannot be
    /// used is said in the log, and the cache is in memory.
    pub fn compile(
        from: &model::Cache,
        previous: Option<&super::Plan>,
        dry_run: bool,
    ) -> Arc<Self> {
        let before = previous.and_then(|p| p.caches.iter().find(|c| c.name == from.name));
        // One that has left its disk to another process begins anew.
        let before = before.filter(|c| !c.cache.has_left_disk());
        let disk = from.disk.as_ref().map(|disk| seawall_cache::DiskOptions {
            path: disk.path.clone(),
            bytes: disk.size,
            min_free_bytes: disk.min_free,
        });
        let options = seawall_cache::Options {
            inactive: from.inactive,
            ..seawall_cache::Options::with_memory(from.memory)
        };
        let is_same = |c: &&Arc<CachePlan>| {
            c.memory == from.memory
                && c.disk == disk
                && c.cache.options().inactive == options.inactive
        };
        if let Some(same) = before.filter(is_same) {
            return same.clone();
        }
        let mut failed = None;
        let path =
            |disk: &Option<seawall_cache::DiskOptions>| disk.as_ref().map(|d| d.path.clone());
        let cache = match (&disk, before) {
            (Some(same), Some(before)) if path(&before.disk) == path(&disk) => {
                before.cache.resized(options, same)
            }
            (Some(disk), _) if !dry_run => match seawall_cache::Cache::with_disk(options, disk) {
                Ok(cache) => cache,
                Err(e) => {
                    failed = Some(format!(
                        "cache {}: {} cannot be used ({e}): it is in memory only",
                        from.name,
                        disk.path.display()
                    ));
                    seawall_cache::Cache::new(options)
                }
            },
            _ => seawall_cache::Cache::new(options),
        };
        Arc::new(Self {
            name: from.name.clone(),
            memory: from.memory,
            disk,
            failed: Mutex::new(failed),
            cache,
        })
    }

    /// What an operator has to be told, once.
    pub fn take_alerts(&self) -> Vec<String> {
        let name = &self.name;
        let said = self.cache.take_alerts().into_iter();
        let alerts = said.map(|alert| format!("cache {name}: {alert}"));
        self.failed
            .lock()
            .take()
            .into_iter()
            .chain(alerts)
            .collect()
    }
}

impl CacheUse {
    /// A route's use of a cache.
    pub fn compile(
        from: &model::CachePolicy,
        caches: &[Arc<CachePlan>],
        (site, route): (&str, &str),
        ledgers: &Ledgers,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let plan = caches.get(from.cache)?;
        let cache = plan.cache.clone();
        let profile = match from.profile {
            CacheProfile::Rfc9111 => seawall_cache::Profile::Rfc9111,
            CacheProfile::Nginx => seawall_cache::Profile::Nginx,
        };
        let key = match &from.key {
            None => KeyPlan::Forwarded,
            Some(template) => KeyPlan::Template(Template::compile(template, user, errors)),
        };
        let mut templates = |all: &[model::Template]| -> Box<[Template]> {
            all.iter()
                .map(|t| Template::compile(t, user, errors))
                .collect()
        };
        let (bypass, no_store) = (templates(&from.bypass), templates(&from.no_store));
        let key_country = from.vary.country.and_then(|at| {
            let places = user.places().cloned();
            if places.is_none() {
                errors.push(no_places("country", at));
            }
            places
        });
        let lower = |names: &[String]| -> Box<[Box<[u8]>]> {
            names.iter().map(|n| n.as_bytes().into()).collect()
        };
        Some(Self {
            cache,
            ledger: ledgers.of(site, route, &plan.name),
            rules: rules(from, profile),
            key,
            site: site.into(),
            purgers: Rules::of_networks(&from.purgers),
            caches_post: from.nginx.post,
            reports: from.profile == CacheProfile::Rfc9111,
            query: query(&from.query),
            key_cookies: lower(&from.vary.cookies),
            key_headers: lower(&from.vary.headers),
            key_device: from.vary.device,
            key_country,
            ignored_cookies: match &from.ignore_cookies {
                IgnoredCookies::None => CookiesPlan::None,
                IgnoredCookies::All => CookiesPlan::All,
                IgnoredCookies::Named(names) => CookiesPlan::Named(NamePattern::all(names)),
            },
            bypass,
            no_store,
            lock_timeout: from.nginx.lock.map(|(timeout, _)| timeout),
            slices_all: from.slice.is_some() && from.profile == CacheProfile::Nginx,
            ahead_bytes_max: match from.profile {
                CacheProfile::Rfc9111 => Some(from.slice.unwrap_or(AHEAD_BYTES_MAX)),
                CacheProfile::Nginx => from.nginx.max_range_offset,
            },
        })
    }
}

impl CacheUse {
    /// The same, with everything fetched whole.
    pub fn without_slices(mut self) -> Self {
        self.rules.slice_bytes = 0;
        self.slices_all = false;
        self
    }
}

fn query(from: &model::CacheQuery) -> Option<QueryPlan> {
    let keep = match &from.keep {
        KeptParameters::All if !from.sorted => return None,
        KeptParameters::All => Parameters::All,
        KeptParameters::None => Parameters::None,
        KeptParameters::Only(names) => Parameters::Only(NamePattern::all(names)),
        KeptParameters::Without(names) => Parameters::Without(NamePattern::all(names)),
    };
    Some(QueryPlan {
        keep,
        sorted: from.sorted,
    })
}

fn rules(from: &model::CachePolicy, profile: seawall_cache::Profile) -> seawall_cache::Rules {
    let nginx = &from.nginx;
    let ignored = nginx.ignore_headers.iter();
    let ignored = ignored.map(|name| Name::lookup(name.as_bytes()));
    seawall_cache::Rules {
        profile,
        default_ttl: from.default_ttl,
        force_ttl: from.force_ttl,
        stale_while_revalidate: from.stale_while_revalidate,
        stale_if_error: from.stale_if_error,
        stale_while_disconnected: from.stale_while_disconnected,
        set_cookie: match from.set_cookie {
            CachedSetCookie::Pass => seawall_cache::SetCookie::Pass,
            CachedSetCookie::Strip => seawall_cache::SetCookie::Strip,
            CachedSetCookie::Store => seawall_cache::SetCookie::Store,
        },
        languages_by_preference: from.languages_by_preference,
        ignored: ignored
            .filter(|name| *name != Name::Other)
            .fold(0, |set, name| set | name.bit()),
        use_stale: use_stale(&nginx.use_stale),
        background_update: nginx.background_update,
        revalidate: nginx.revalidate,
        fill_age: nginx.lock.map(|(_, age)| age),
        fills_for_head: nginx.convert_head,
        min_uses: from.min_uses,
        valid: from.valid.clone(),
        heuristics: from.heuristics,
        scope: scope(from),
        slice_bytes: from.slice.unwrap_or(0),
    }
}

/// nginx's default key is what is asked of the origin: locations with other rules share it.
fn scope(from: &model::CachePolicy) -> u64 {
    if from.profile == CacheProfile::Rfc9111 {
        return 0;
    }
    let mut hasher = std::hash::DefaultHasher::new();
    (&from.valid, &from.nginx.ignore_headers).hash(&mut hasher);
    hasher.finish().max(1)
}

fn use_stale(words: &[StaleUse]) -> seawall_cache::UseStale {
    let has = |word: StaleUse| words.contains(&word);
    let mut statuses = [0; 7];
    let named = words.iter().filter_map(|word| match word {
        StaleUse::Status(status) => Some(*status),
        _ => None,
    });
    for (place, status) in statuses.iter_mut().zip(named) {
        *place = status;
    }
    seawall_cache::UseStale {
        unreached: has(StaleUse::Error),
        timed_out: has(StaleUse::Timeout),
        invalid: has(StaleUse::InvalidHeader),
        updating: has(StaleUse::Updating),
        statuses,
    }
}
