//! Decisions of a CrowdSec server, carried out (a "bouncer" of its own): its stream is followed in the background and laid
//! into memory, so that a request asks nobody.
//!
//! When the server is away the last decisions stand until their own time is over, and nobody is refused because of it. After
//! a failure, and now and then, the whole is asked for again: what was told meanwhile is not lost.
//!
//! Limits: [`ANSWER_BYTES_MAX`], [`ANSWER_TIMEOUT`], and `decisions` of the configuration.

mod decisions;

pub use decisions::{Compiled, Decisions, Remedy};

use crate::{
    fetch::{Question, fetch},
    log_error,
    plan::PoolPlan,
    shared::Shared,
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use seawall_nets::{Databases, Place};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of an answer at most.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the whole is asked for: another process with the same key (an upgrade) may have heard what we did not.
const WHOLE: Duration = Duration::from_secs(3600);
/// What is asked for: without scopes the server tells of addresses and ranges alone.
const STREAM: &str = "/v1/decisions/stream?scopes=ip,range,country,as&startup=";

/// A server that is followed.
pub struct Bouncer {
    /// What is known; carried over to the next plan.
    pub state: Arc<State>,
    pool: Arc<PoolPlan>,
    /// Questions for the whole and for what changed.
    requests: [String; 2],
    interval: Duration,
    places: Option<Arc<Databases>>,
}

/// What is known of a server's decisions.
pub struct State {
    /// Of what it was made: another server's decisions are others.
    pub made_of: String,
    held: Mutex<Decisions>,
    compiled: ArcSwap<Compiled>,
    told: Mutex<Told>,
}

/// How the server is doing.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// When it answered last.
    pub last_answer: Option<Instant>,
    /// Why the last answer was none.
    pub failure: Option<String>,
    /// Decisions that found no room in the last answer.
    pub dropped: usize,
}

impl State {
    /// Nothing is known yet.
    pub fn new(made_of: String, held: Decisions) -> Self {
        Self {
            made_of,
            held: Mutex::new(held),
            compiled: ArcSwap::default(),
            told: Mutex::default(),
        }
    }

    /// The decisions of the moment.
    pub fn decisions(&self) -> arc_swap::Guard<Arc<Compiled>> {
        self.compiled.load()
    }

    /// How the server is doing.
    pub fn told(&self) -> Told {
        self.told.lock().clone()
    }

    fn take(&self, message: &[u8], whole: bool, now_s: u64) -> Result<decisions::Taken, String> {
        let mut held = self.held.lock();
        let taken = held.take(message, whole, now_s)?;
        let ended = held.expire(now_s);
        if whole || ended || taken.added + taken.removed > 0 {
            self.compiled.store(Arc::new(held.compiled()));
        }
        Ok(taken)
    }

    fn expire(&self, now_s: u64) {
        let mut held = self.held.lock();
        if held.expire(now_s) {
            self.compiled.store(Arc::new(held.compiled()));
        }
    }
}

impl Bouncer {
    /// Follows a server; `path` is what its API's paths begin with.
    pub fn new(
        state: Arc<State>,
        pool: Arc<PoolPlan>,
        (authority, path): (&str, &str),
        key: &str,
        interval: Duration,
        places: Option<Arc<Databases>>,
    ) -> Self {
        let requests = ["true", "false"].map(|startup| {
            format!(
                "GET {path}{STREAM}{startup} HTTP/1.1\r\nHost: {authority}\r\nX-Api-Key: {key}\r\nAccept: application/json\r\n\
                 User-Agent: seawall/{}\r\nConnection: close\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            )
        });
        Self {
            state,
            pool,
            requests,
            interval,
            places,
        }
    }

    /// What is decided about a client: what to do, about whom, and why.
    pub fn decide(&self, client: IpAddr, now_s: u64) -> Option<(Remedy, String)> {
        let mut place = || {
            let places = self.places.as_ref();
            places.map_or_else(Place::default, |places| places.place(client))
        };
        let decisions = self.state.decisions();
        let (remedy, held) = decisions.find(client, now_s, &mut place)?;
        let why = format!("\"{}\" ({})", held.scenario.escape_default(), held.whom);
        Some((remedy, why))
    }

    async fn ask(&self, whole: bool) -> Result<Vec<u8>, String> {
        let [all, changes] = &self.requests;
        let question = Question {
            request: if whole { all } else { changes },
            most: ANSWER_BYTES_MAX,
        };
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, fetch(&self.pool, &question)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_TIMEOUT:?}")))
    }
}

fn now_s() -> u64 {
    crate::clock::now_ms() / 1000
}

/// Follows a server's decisions; ends with the task it runs in.
pub async fn follow_forever(shared: Arc<Shared>, bouncer: Arc<Bouncer>) {
    let mut whole_at: Option<Instant> = None;
    loop {
        let whole = whole_at.is_none_or(|at| at.elapsed() >= WHOLE);
        let state = bouncer.state.clone();
        let taken = match bouncer.ask(whole).await {
            Err(e) => Err(e),
            // Parsing and compiling a hundred thousand decisions takes its time.
            Ok(message) => {
                let take = move || state.take(&message, whole, now_s());
                let taken = tokio::task::spawn_blocking(take).await;
                taken.unwrap_or_else(|e| Err(e.to_string()))
            }
        };
        match taken {
            Ok(taken) => {
                if whole {
                    whole_at = Some(Instant::now());
                }
                answered(&shared, &bouncer.state, &taken);
            }
            Err(why) => {
                whole_at = None;
                failed(&shared, &bouncer.state, why);
                bouncer.state.expire(now_s());
            }
        }
        let (bans, captchas) = bouncer.state.decisions().count();
        shared.metrics.screen.decisions(bans, captchas);
        tokio::time::sleep(bouncer.interval).await;
    }
}

fn answered(shared: &Shared, state: &State, taken: &decisions::Taken) {
    shared.metrics.screen.polls_answered.inc();
    let before = std::mem::replace(
        &mut *state.told.lock(),
        Told {
            last_answer: Some(Instant::now()),
            failure: None,
            dropped: taken.dropped,
        },
    );
    if before.failure.is_some() {
        log_error!(shared, Notice, 0, "the CrowdSec server answers again");
    }
    if taken.dropped > 0 && before.dropped == 0 {
        let dropped = taken.dropped;
        log_error!(
            shared,
            Warn,
            0,
            "{dropped} decisions of the CrowdSec server found no room: `crowdsec.decisions` is reached"
        );
    }
}

fn failed(shared: &Shared, state: &State, why: String) {
    shared.metrics.screen.polls_failed.inc();
    let mut told = state.told.lock();
    // Once, not every ten seconds.
    if told.failure.is_none() {
        log_error!(
            shared,
            Error,
            0,
            "the CrowdSec server was not heard ({why}): what it decided before stands"
        );
    }
    told.failure = Some(why);
}
