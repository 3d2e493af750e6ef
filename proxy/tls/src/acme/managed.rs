//! The register of certificates that keep themselves current.

use super::{
    challenges::Challenges,
    live::LiveCertificate,
    schedule::{Schedule, Validity},
    store::Store,
    timeline::{Event, Step, Timeline},
};
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// The register.
#[derive(Debug, Default)]
pub struct Acme {
    certificates: Mutex<HashMap<Vec<String>, Arc<Managed>>>,
    challenges: Arc<Challenges>,
    issued: AtomicU64,
    failed: AtomicU64,
}

/// Where the certificate that is served comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing is served yet.
    None,
    /// The internal CA's, until the CA has issued.
    StandIn,
    /// The CA's.
    Acme,
}

/// One certificate that keeps itself current.
#[derive(Debug)]
pub struct Managed {
    names: Vec<String>,
    live: Arc<LiveCertificate>,
    state: Mutex<State>,
    pub(super) wake: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) timeline: Timeline,
    pub(super) schedule: Schedule,
    pub(super) source: Source,
    pub(super) validity: Option<Validity>,
    pub(super) working: bool,
    pub(super) last_failure: Option<(SystemTime, String, Option<String>)>,
}

/// A certificate's state, for the API.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where the certificate that is served comes from.
    pub source: Source,
    /// From when to when the CA's certificate is valid; `None` while another stands in.
    pub validity: Option<Validity>,
    /// Whether an order is under way.
    pub working: bool,
    /// When the next order is due.
    pub next_order: SystemTime,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure since the last success: when, what, and the CA's type of problem.
    pub last_failure: Option<(SystemTime, String, Option<String>)>,
    /// From the oldest to the latest.
    pub events: Vec<Event>,
}

impl Acme {
    /// The certificate for a set of names, the same one each time. The first time it is read from `state`, if it is
    /// stored there.
    pub fn managed(&self, names: &[String], state: &Path) -> Arc<Managed> {
        let mut names: Vec<String> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        let mut all = self.certificates.lock();
        let managed = all
            .entry(names)
            .or_insert_with_key(|names| Arc::new(Managed::load(names, state)));
        Arc::clone(managed)
    }

    /// Those of the register, by name.
    pub fn all(&self) -> Vec<Arc<Managed>> {
        let mut all: Vec<_> = self.certificates.lock().values().cloned().collect();
        all.sort_by(|a, b| a.names.cmp(&b.names));
        all
    }

    /// Forgets all but these.
    pub fn retain(&self, wanted: &[Arc<Managed>]) {
        let mut all = self.certificates.lock();
        all.retain(|_, known| wanted.iter().any(|w| Arc::ptr_eq(w, known)));
    }

    /// The proofs that are up.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// Orders that ended well and badly since the start.
    pub fn orders(&self) -> (u64, u64) {
        (self.issued.load(Relaxed), self.failed.load(Relaxed))
    }

    pub(super) fn count(&self, issued: bool) {
        let counter = if issued { &self.issued } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }
}

impl Managed {
    fn load(names: &[String], state: &Path) -> Self {
        let now = SystemTime::now();
        let managed = Self {
            names: names.to_vec(),
            live: Arc::default(),
            state: Mutex::new(State {
                timeline: Timeline::default(),
                schedule: Schedule::new(now, super::limits::PAUSE_MIN),
                source: Source::None,
                validity: None,
                working: false,
                last_failure: None,
            }),
            wake: Notify::new(),
        };
        match Store::new(state).certificate(names) {
            Ok(Some(stored)) => {
                managed.install(stored.key, stored.validity);
                let random = super::issuer::random();
                managed.with(|s| s.schedule.on_certificate(now, stored.validity, random));
                managed.note(Step::Load, true, "the stored certificate is served");
            }
            Ok(None) => managed.note(Step::Load, true, "no certificate is stored yet"),
            Err(e) => managed.note(
                Step::Load,
                false,
                &format!("the stored certificate is not used, another is asked for: {e}"),
            ),
        }
        managed
    }

    /// Its names, sorted, in lower case.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the SNI map holds.
    pub fn live(&self) -> &Arc<LiveCertificate> {
        &self.live
    }

    /// What is served until the CA has issued.
    pub fn stand_in(&self, key: Arc<CertifiedKey>) {
        let mut state = self.state.lock();
        if state.source == Source::None {
            state.source = Source::StandIn;
            self.live.set_first(key);
        }
    }

    /// Whether something has to stand in.
    pub fn needs_stand_in(&self) -> bool {
        self.state.lock().source == Source::None
    }

    /// Asks for a new one at once.
    pub fn renew(&self) {
        let now = SystemTime::now();
        let mut state = self.state.lock();
        state.schedule.on_request(now);
        let text = "a new certificate is asked for by hand";
        state.timeline.push(now, Step::Schedule, true, text);
        drop(state);
        self.wake.notify_one();
    }

    /// Its state.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        Snapshot {
            source: state.source,
            validity: state.validity,
            working: state.working,
            next_order: state.schedule.next_order(),
            failures: state.schedule.failures(),
            last_failure: state.last_failure.clone(),
            events: state.timeline.events().cloned().collect(),
        }
    }

    pub(super) fn note(&self, step: Step, ok: bool, text: &str) {
        let now = SystemTime::now();
        self.state.lock().timeline.push(now, step, ok, text);
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// Serves a certificate from now on.
    pub(super) fn install(&self, key: Arc<CertifiedKey>, validity: Validity) {
        let mut state = self.state.lock();
        self.live.set(key);
        state.source = Source::Acme;
        state.validity = Some(validity);
    }

    /// Sets the first pause after failures.
    pub(super) fn pause(&self, pause: Duration) {
        self.state.lock().schedule.set_pause(pause);
    }
}
