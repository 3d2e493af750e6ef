//! The books of a route at its cache: what became of its requests and why, what its origins' answers came to, and how many bytes came from where.
//!
//! The books are found when the plan is compiled; a request adds to numbers whose places the compiler knows. Two plans of one process share
//! them, so that a reload loses no count; what no plan has any more is forgotten.

use parking_lot::Mutex;
use prometheus::{
    core::{Collector, Desc},
    proto::{Counter, LabelPair, Metric, MetricFamily, MetricType},
};
use seawall_cache::{Decision, Pass, Reason, Staleness};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

macro_rules! courses {
    ($($(#[$doc:meta])* $name:ident = $result:literal $why:literal,)*) => {
        /// What became of a request at the cache, and why.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Course {
            $($(#[$doc])* $name,)*
        }

        impl Course {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Course] = &[$(Course::$name,)*];

            /// The result, in one word.
            pub const fn result(self) -> &'static str {
                match self {
                    $(Course::$name => $result,)*
                }
            }

            /// Why it came to that.
            pub const fn why(self) -> &'static str {
                match self {
                    $(Course::$name => $why,)*
                }
            }
        }
    };
}

courses! {
    /// What is stored is fresh.
    Fresh = "hit" "fresh",
    /// Stale, for a client that takes that.
    StaleAccepted = "stale" "max-stale",
    /// Stale, while it is renewed.
    StaleRenewed = "stale" "renewed",
    /// Stale, in place of an origin that failed.
    StaleOnError = "stale" "error",
    /// The origin confirmed what is stored.
    Revalidated = "revalidated" "not-modified",
    /// It was stale, and the origin has another.
    Expired = "expired" "stale",
    /// It was fresh, and the client wanted it from the origin.
    Insisted = "expired" "request",
    /// Nothing was stored.
    Absent = "miss" "absent",
    /// Some of its slices were not there.
    Partial = "miss" "partial",
    /// Answered by what another request fetched.
    Collapsed = "join" "collapsed",
    /// The route wants it from the origin (`bypass`).
    Bypassed = "bypass" "configured",
    /// The origin is told who asks: the answer is for nobody else.
    Identity = "bypass" "identity",
    /// Neither GET nor HEAD, or a HEAD of what is not stored.
    Method = "pass" "method",
    /// The request has a body.
    Body = "pass" "body",
    /// The request says `no-store`.
    NoStore = "pass" "no-store",
    /// The request has Authorization, and the stored answer is not for all.
    Authorization = "pass" "authorization",
    /// The request has a cookie, and the stored answer is not for all.
    Cookie = "pass" "cookie",
    /// Its answer could not be stored a moment ago: nobody waits for another's.
    Unstorable = "pass" "unstorable",
    /// Its key was not asked for often enough.
    Uses = "pass" "uses",
    /// It wants a part that lies too far behind in what is fetched as a whole.
    FarRange = "pass" "range",
    /// What another request fetched is not for this one, or did not come in time.
    Alone = "pass" "not-shared",
    /// The client wants what is stored, or nothing.
    OnlyIfCached = "error" "only-if-cached",
    /// The origin did not answer.
    Failed = "error" "origin",
}

impl Course {
    /// Of a request that passes the cache by.
    pub fn passing(pass: Pass, has_authorization: bool) -> Course {
        match pass {
            Pass::Method => Course::Method,
            Pass::NoStore => Course::NoStore,
            Pass::Credentials if has_authorization => Course::Authorization,
            Pass::Credentials => Course::Cookie,
            Pass::Unstorable => Course::Unstorable,
            Pass::Uses => Course::Uses,
            Pass::Bypass => Course::Bypassed,
        }
    }

    /// Of a stale answer.
    pub fn stale(staleness: Staleness) -> Course {
        match staleness {
            Staleness::Accepted => Course::StaleAccepted,
            Staleness::Renewed => Course::StaleRenewed,
            Staleness::StandsIn => Course::StaleOnError,
        }
    }

    /// Why a request went to the origin, in a token of RFC 9211 §2.2.
    pub fn fwd(self) -> &'static str {
        match self {
            Course::Bypassed | Course::Identity => "bypass",
            Course::Method => "method",
            Course::Body
            | Course::NoStore
            | Course::Authorization
            | Course::Cookie
            | Course::Insisted => "request",
            Course::Expired | Course::Revalidated => "stale",
            Course::Partial => "partial",
            _ => "miss",
        }
    }

    /// What `fwd` leaves open, for `detail` of RFC 9211.
    pub fn detail(self) -> Option<&'static str> {
        match self {
            Course::Body | Course::NoStore | Course::Authorization | Course::Cookie => {
                Some(self.why())
            }
            Course::Unstorable | Course::Uses | Course::Identity => Some(self.why()),
            Course::FarRange | Course::Alone => Some(self.why()),
            _ => None,
        }
    }

    /// Whether the body came from the cache: out of the store, or along with another's fill.
    pub fn is_from_cache(self) -> bool {
        matches!(self.result(), "hit" | "stale" | "revalidated" | "join")
    }

    /// Whether anything was asked of the cache at all.
    pub fn is_asked(self) -> bool {
        !matches!(self.result(), "pass" | "bypass")
    }
}

/// The books of one route at one cache.
pub struct Ledger {
    owner: Owner,
    courses: [AtomicU64; Course::ALL.len()],
    stored: [AtomicU64; Reason::ALL.len()],
    passed: [AtomicU64; Reason::ALL.len()],
    from_cache: AtomicU64,
    from_origin: AtomicU64,
    renewals_refused: AtomicU64,
}

/// Whose books they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The site's name.
    pub site: Box<str>,
    /// The route's, as it is written.
    pub route: Box<str>,
    /// The cache's.
    pub cache: Box<str>,
}

/// What the books say at one moment; what is 0 is left out.
pub struct Account {
    /// Whose.
    pub owner: Owner,
    /// Requests, by what became of them.
    pub courses: Vec<(Course, u64)>,
    /// Answers of origins: whether they were stored, why, how many.
    pub decisions: Vec<(bool, Reason, u64)>,
    /// Bytes of bodies that clients got out of the cache or along with another's fill.
    pub bytes_from_cache: u64,
    /// Bytes of bodies that came from origins.
    pub bytes_from_origin: u64,
    /// Stale answers that were not renewed because as many renewals as may run did.
    pub renewals_refused: u64,
}

impl Ledger {
    fn new(owner: Owner) -> Ledger {
        fn zeros<const N: usize>() -> [AtomicU64; N] {
            std::array::from_fn(|_| AtomicU64::new(0))
        }
        Ledger {
            owner,
            courses: zeros(),
            stored: zeros(),
            passed: zeros(),
            from_cache: AtomicU64::new(0),
            from_origin: AtomicU64::new(0),
            renewals_refused: AtomicU64::new(0),
        }
    }

    /// A request has taken its course.
    pub fn count(&self, course: Course) {
        if let Some(counter) = self.courses.get(course as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// How many have taken it.
    pub fn counted(&self, course: Course) -> u64 {
        let counter = self.courses.get(course as usize);
        counter.map_or(0, |counter| counter.load(Relaxed))
    }

    /// An origin's answer was judged.
    pub fn decided(&self, decision: &Decision) {
        let counters = if decision.store {
            &self.stored
        } else {
            &self.passed
        };
        if let Some(counter) = counters.get(decision.reason.index()) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// A client got so much of a body out of the cache.
    pub fn served(&self, bytes: u64) {
        self.from_cache.fetch_add(bytes, Relaxed);
    }

    /// A stale answer was not renewed: as many renewals run as may.
    pub fn refused_renewal(&self) {
        self.renewals_refused.fetch_add(1, Relaxed);
    }

    /// What the books say.
    pub fn account(&self) -> Account {
        let courses = Course::ALL.iter().map(|c| (*c, self.counted(*c)));
        let judged = |store: bool, counters: &[AtomicU64]| {
            let all = Reason::ALL.iter().zip(counters);
            let all = all.map(|(reason, n)| (store, *reason, n.load(Relaxed)));
            all.filter(|(_, _, n)| *n > 0).collect::<Vec<_>>()
        };
        let mut decisions = judged(true, &self.stored);
        decisions.append(&mut judged(false, &self.passed));
        Account {
            owner: self.owner.clone(),
            courses: courses.filter(|(_, n)| *n > 0).collect(),
            decisions,
            bytes_from_cache: self.from_cache.load(Relaxed),
            bytes_from_origin: self.from_origin.load(Relaxed),
            renewals_refused: self.renewals_refused.load(Relaxed),
        }
    }
}

impl Account {
    /// Requests, those that passed included.
    pub fn requests(&self) -> u64 {
        self.courses.iter().map(|(_, n)| n).sum()
    }

    /// Requests that asked something of the cache.
    pub fn asked(&self) -> u64 {
        let asked = self.courses.iter().filter(|(c, _)| c.is_asked());
        asked.map(|(_, n)| n).sum()
    }

    /// Requests whose body came from the cache.
    pub fn from_cache(&self) -> u64 {
        let hits = self.courses.iter().filter(|(c, _)| c.is_from_cache());
        hits.map(|(_, n)| n).sum()
    }
}

/// Counts the bytes of an origin's body as it comes, and enters them when the answer ends, however it ends.
pub struct Meter {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Meter {
    /// Into these books.
    pub fn new(ledger: &Arc<Ledger>) -> Meter {
        Meter {
            ledger: ledger.clone(),
            bytes: 0,
        }
    }

    /// So much came.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.ledger.from_origin.fetch_add(self.bytes, Relaxed);
    }
}

/// All books of the process, of routes that some plan has.
#[derive(Clone)]
pub struct Ledgers(Arc<Shelf>);

struct Shelf {
    books: Mutex<HashMap<Owner, Weak<Ledger>>>,
    descriptions: [Desc; FAMILIES.len()],
}

/// A family of metrics: name, help, the labels behind `site`, `route` and `cache`.
type Family = (&'static str, &'static str, &'static [&'static str]);

/// What is not 0 is shown: a route has few of the many pairs.
const FAMILIES: [Family; 4] = [
    (
        "seawall_cache_requests_total",
        "Requests at the cache, by what became of them and why",
        &["result", "reason"],
    ),
    (
        "seawall_cache_decisions_total",
        "Answers of origins at the cache, by whether they are stored and why",
        &["stored", "reason"],
    ),
    (
        "seawall_cache_body_bytes_total",
        "Bytes of bodies, those that clients got from the cache and those that came from origins",
        &["source"],
    ),
    (
        "seawall_cache_renewals_refused_total",
        "Stale answers not renewed in the background, because as many renewals as may ran already",
        &[],
    ),
];

impl Ledgers {
    /// An empty shelf, whose books the registry shows.
    pub fn new(registry: &prometheus::Registry) -> Result<Ledgers, prometheus::Error> {
        let describe = |(name, help, own): Family| {
            let labels = ["site", "route", "cache"].iter().chain(own);
            let labels = labels.map(|label| (*label).to_owned()).collect();
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let [requests, decisions, bytes, renewals] = FAMILIES;
        let shelf = Shelf {
            books: Mutex::default(),
            descriptions: [
                describe(requests)?,
                describe(decisions)?,
                describe(bytes)?,
                describe(renewals)?,
            ],
        };
        let ledgers = Ledgers(Arc::new(shelf));
        registry.register(Box::new(ledgers.clone()))?;
        Ok(ledgers)
    }

    /// The books of a route at a cache: those that are there, or new ones.
    pub fn of(&self, site: &str, route: &str, cache: &str) -> Arc<Ledger> {
        let owner = Owner {
            site: site.into(),
            route: route.into(),
            cache: cache.into(),
        };
        let mut books = self.0.books.lock();
        let entry = books.entry(owner.clone()).or_default();
        if let Some(ledger) = entry.upgrade() {
            return ledger;
        }
        let ledger = Arc::new(Ledger::new(owner));
        *entry = Arc::downgrade(&ledger);
        ledger
    }

    /// Forgets the books that no plan has any more.
    pub fn forget_closed(&self) {
        self.0
            .books
            .lock()
            .retain(|_, ledger| ledger.strong_count() > 0);
    }

    /// What all books say, in the order of sites and routes.
    pub fn accounts(&self) -> Vec<Account> {
        let open: BTreeMap<Owner, Arc<Ledger>> = {
            let books = self.0.books.lock();
            let open = books.iter();
            open.filter_map(|(owner, ledger)| Some((owner.clone(), ledger.upgrade()?)))
                .collect()
        };
        open.values().map(|ledger| ledger.account()).collect()
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn sample(owner: &Owner, own: &[(&str, &str)], value: u64) -> Metric {
    let mut labels = vec![
        label("site", &owner.site),
        label("route", &owner.route),
        label("cache", &owner.cache),
    ];
    labels.extend(own.iter().map(|(name, value)| label(name, value)));
    labels.sort_by(|a, b| a.name().cmp(b.name()));
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

impl Collector for Ledgers {
    fn desc(&self) -> Vec<&Desc> {
        self.0.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut samples: [Vec<Metric>; FAMILIES.len()] = Default::default();
        let [requests, decisions, bytes, renewals] = &mut samples;
        for account in self.accounts() {
            let owner = &account.owner;
            for (course, n) in &account.courses {
                let own = [("result", course.result()), ("reason", course.why())];
                requests.push(sample(owner, &own, *n));
            }
            for (store, reason, n) in &account.decisions {
                let stored = if *store { "yes" } else { "no" };
                let own = [("stored", stored), ("reason", reason.as_str())];
                decisions.push(sample(owner, &own, *n));
            }
            let (cache, origin) = (account.bytes_from_cache, account.bytes_from_origin);
            bytes.push(sample(owner, &[("source", "cache")], cache));
            bytes.push(sample(owner, &[("source", "origin")], origin));
            renewals.push(sample(owner, &[], account.renewals_refused));
        }
        let families = FAMILIES.iter().zip(samples);
        let family = |((name, help, _), metrics): (&Family, Vec<Metric>)| {
            let mut family = MetricFamily::default();
            family.set_name((*name).to_owned());
            family.set_help((*help).to_owned());
            family.set_field_type(MetricType::COUNTER);
            family.set_metric(metrics);
            family
        };
        families
            .map(family)
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_course_has_a_place_and_a_pair_of_words_of_its_own() {
        let mut pairs = std::collections::HashSet::new();
        for (n, course) in Course::ALL.iter().enumerate() {
            assert_eq!(*course as usize, n);
            assert!(pairs.insert((course.result(), course.why())), "{course:?}");
        }
    }

    #[test]
    fn books_live_as_long_as_a_plan_has_them() {
        let ledgers = Ledgers::new(&prometheus::Registry::new()).unwrap();
        let before = ledgers.of("a.test", "/", "default");
        before.count(Course::Fresh);
        // A reload compiles the next plan while the one before is still there.
        let after = ledgers.of("a.test", "/", "default");
        drop(before);
        ledgers.forget_closed();
        assert_eq!(after.counted(Course::Fresh), 1);
        drop(after);
        assert!(ledgers.accounts().is_empty());
        assert_eq!(
            ledgers.of("a.test", "/", "default").counted(Course::Fresh),
            0
        );
    }

    #[test]
    fn what_was_counted_is_what_is_shown() {
        let registry = prometheus::Registry::new();
        let ledgers = Ledgers::new(&registry).unwrap();
        let ledger = ledgers.of("a.test", "~ \"x\"", "default");
        ledger.count(Course::Fresh);
        ledger.count(Course::Fresh);
        ledger.count(Course::Cookie);
        ledger.served(7);
        let mut meter = Meter::new(&ledger);
        meter.add(5);
        drop(meter);
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        for line in [
            r#"seawall_cache_requests_total{cache="default",reason="fresh",result="hit",route="~ \"x\"",site="a.test"} 2"#,
            r#"seawall_cache_requests_total{cache="default",reason="cookie",result="pass",route="~ \"x\"",site="a.test"} 1"#,
            r#"seawall_cache_body_bytes_total{cache="default",route="~ \"x\"",site="a.test",source="cache"} 7"#,
            r#"seawall_cache_body_bytes_total{cache="default",route="~ \"x\"",site="a.test",source="origin"} 5"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("max-stale"), "{text}");
        let account = ledger.account();
        assert_eq!(
            (account.requests(), account.asked(), account.from_cache()),
            (3, 2, 2)
        );
    }
}
