//! Keeps certificates current: a task each, which sleeps until something is due.

use super::{
    challenges::Zones,
    limits::{ORDER_TIME_MAX, ORDERS_MAX, SLEEP_MAX},
    managed::{Acme, Managed},
    options::AcmeOptions,
    order::{Failure, Issued, Ordering},
    resolve::Lookup,
    schedule::Due,
    store::Store,
    timeline::Step,
};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};

/// Told in a sentence what became of a certificate, and whether it went well.
pub type Report = dyn Fn(bool, &str) + Send + Sync;

/// Keeps the certificates of a register current.
pub struct Issuer {
    shared: Arc<Shared>,
    handle: Handle,
    tasks: Mutex<Tasks>,
}

struct Shared {
    acme: Arc<Acme>,
    zones: Arc<dyn Zones>,
    report: Box<Report>,
    room: Semaphore,
    accounts: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Tasks {
    options: Option<Arc<AcmeOptions>>,
    running: Vec<(Arc<Managed>, JoinHandle<()>)>,
}

impl Issuer {
    /// For the certificates in `acme`, with tasks on `handle`.
    pub fn new(
        acme: Arc<Acme>,
        zones: Arc<dyn Zones>,
        handle: Handle,
        report: Box<Report>,
    ) -> Self {
        let shared = Shared {
            acme,
            zones,
            report,
            room: Semaphore::new(ORDERS_MAX),
            accounts: tokio::sync::Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            handle,
            tasks: Mutex::default(),
        }
    }

    /// Keeps these current, in this way, and no others. What is under way for one that stays goes on, unless the way has
    /// changed.
    pub fn apply(&self, options: Option<AcmeOptions>, wanted: Vec<Arc<Managed>>) {
        self.shared.acme.retain(&wanted);
        let mut tasks = self.tasks.lock();
        let same = tasks.options.as_deref() == options.as_ref();
        tasks.running.retain(|(managed, task)| {
            let stays = same && wanted.iter().any(|w| Arc::ptr_eq(w, managed));
            if !stays {
                task.abort();
                managed.with(|state| state.working = false);
            }
            stays
        });
        if !same {
            tasks.options = options.map(Arc::new);
        }
        let Some(options) = tasks.options.clone() else {
            return;
        };
        for managed in wanted {
            if tasks.running.iter().any(|(m, _)| Arc::ptr_eq(m, &managed)) {
                continue;
            }
            managed.pause(options.pause);
            let task = keep(
                Arc::clone(&self.shared),
                Arc::clone(&options),
                Arc::clone(&managed),
            );
            tasks.running.push((managed, self.handle.spawn(task)));
        }
    }

    /// How certificates are asked for now.
    pub fn options(&self) -> Option<Arc<AcmeOptions>> {
        self.tasks.lock().options.clone()
    }

    /// The proofs that are up.
    pub fn challenges(&self) -> &Arc<super::Challenges> {
        self.shared.acme.challenges()
    }

    /// Our own zones.
    pub fn zones(&self) -> &Arc<dyn Zones> {
        &self.shared.zones
    }

    /// Ends all tasks.
    pub fn stop(&self) {
        let mut tasks = self.tasks.lock();
        tasks.running.drain(..).for_each(|(_, task)| task.abort());
    }
}

/// One certificate's task.
async fn keep(shared: Arc<Shared>, options: Arc<AcmeOptions>, managed: Arc<Managed>) {
    let store = Store::new(&options.state);
    let lookup = Lookup::new(&options.name_servers);
    // Issued, served, and not on the disk yet.
    let mut unsaved: Option<Issued> = None;
    loop {
        let now = SystemTime::now();
        match managed.with(|state| state.schedule.due(now)) {
            Due::At(at) => {
                let pause = at.duration_since(now).unwrap_or_default();
                // A clock may be set meanwhile: the sleep is short, and the schedule is asked again.
                let pause = pause.min(SLEEP_MAX).max(Duration::from_millis(1));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = managed.wake.notified() => {}
                }
            }
            due => {
                // The semaphore is never closed.
                let _permit = shared.room.acquire().await;
                let directory =
                    managed.with(|state| state.schedule.directory(options.directories.len()));
                let ordering = Ordering {
                    managed: &managed,
                    options: &options,
                    directory,
                    challenges: shared.acme.challenges(),
                    zones: &shared.zones,
                    lookup: &lookup,
                    store: &store,
                    accounts: &shared.accounts,
                };
                if due == Due::RenewalInfo {
                    ask_renewal_info(&ordering).await;
                } else if let Some(issued) = unsaved.take() {
                    unsaved = save(&shared, &managed, &store, issued);
                } else {
                    managed.with(|state| state.working = true);
                    unsaved = order(&shared, &ordering).await;
                    managed.with(|state| state.working = false);
                }
            }
        }
    }
}

/// Runs an order and serves what it brings. What could not be stored is given back.
async fn order(shared: &Shared, ordering: &Ordering<'_>) -> Option<Issued> {
    let managed = ordering.managed;
    let outcome = tokio::time::timeout(ORDER_TIME_MAX, ordering.obtain()).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let text = format!("given up after {} s", ORDER_TIME_MAX.as_secs());
        Err(Failure::new(Step::Order, text))
    });
    match outcome {
        Err(failure) => {
            shared.acme.count(false);
            failed(shared, managed, failure);
            None
        }
        Ok(issued) => {
            shared.acme.count(true);
            managed.install(Arc::clone(&issued.key), issued.validity);
            managed.note(Step::Install, true, "it is served from now on");
            save(shared, managed, ordering.store, issued)
        }
    }
}

/// Puts a certificate on the disk. If that fails it is served all the same and given back, to be tried again: another
/// order would only bring the same to the same full disk.
fn save(shared: &Shared, managed: &Managed, store: &Store, issued: Issued) -> Option<Issued> {
    match store.put_certificate(managed.names(), &issued.key_pem, &issued.chain_pem) {
        Ok(path) => {
            let text = format!("stored as {}", path.display());
            managed.note(Step::Store, true, &text);
            let now = SystemTime::now();
            managed.with(|state| {
                let random = random();
                state.schedule.on_issued(now, issued.validity, random);
                state.last_failure = None;
            });
            note_due(managed);
            let names = managed.names().join(", ");
            (shared.report)(true, &format!("a certificate for {names} was issued"));
            None
        }
        Err(e) => {
            let text = format!("it is served, but would be lost in a restart: {e}");
            failed(shared, managed, Failure::new(Step::Store, text));
            Some(issued)
        }
    }
}

fn failed(shared: &Shared, managed: &Managed, failure: Failure) {
    let now = SystemTime::now();
    managed.note(failure.step, false, &failure.text);
    managed.with(|state| {
        state
            .schedule
            .on_failure(now, failure.retry_after, random());
        state.last_failure = Some((now, failure.text.clone(), failure.problem.clone()));
    });
    note_due(managed);
    let names = managed.names().join(", ");
    let step = failure.step.name();
    let text = format!("no certificate for {names}: {step}: {}", failure.text);
    (shared.report)(false, &text);
}

fn note_due(managed: &Managed) {
    let next = managed.with(|state| state.schedule.next_order());
    let pause = next.duration_since(SystemTime::now()).unwrap_or_default();
    let text = match pause.as_secs() {
        s if s >= 2 * 86_400 => format!("the next order is due in {} days", s / 86_400),
        s if s >= 2 * 3600 => format!("the next order is due in {} hours", s / 3600),
        s if s >= 120 => format!("the next order is due in {} minutes", s / 60),
        s => format!("the next order is due in {s} seconds"),
    };
    managed.note(Step::Schedule, true, &text);
}

async fn ask_renewal_info(ordering: &Ordering<'_>) {
    let managed = ordering.managed;
    let Some(key) = managed.live().get() else {
        return managed.with(|s| s.schedule.on_no_renewal_info(SystemTime::now(), None));
    };
    let asked = async {
        let ca = ordering.open_account().await.map_err(|f| f.text)?;
        match ca.renewal_info(&key).await {
            Ok(info) => Ok(Some(info)),
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    };
    let answer = asked.await;
    let now = SystemTime::now();
    match answer {
        Ok(None) => managed.with(|s| s.schedule.on_no_renewal_info(now, None)),
        Ok(Some((window, again, why))) => {
            let random = random();
            let counts = managed.with(|s| s.schedule.on_renewal_info(now, window, again, random));
            let why = why.map_or_else(String::new, |url| format!(", see {url}"));
            let text = match counts {
                true => format!(
                    "the CA would like a renewal between {}{why}",
                    span(now, window)
                ),
                false => "the CA's wish for the renewal makes no sense and is not followed".into(),
            };
            managed.note(Step::RenewalInfo, counts, &text);
            note_due(managed);
        }
        Err(text) => {
            let again = super::limits::RENEWAL_INFO_MIN;
            managed.with(|s| s.schedule.on_no_renewal_info(now, Some(again)));
            managed.note(Step::RenewalInfo, false, &text);
        }
    }
}

fn span(now: SystemTime, (start, end): (SystemTime, SystemTime)) -> String {
    let hours = |at: SystemTime| match at.duration_since(now) {
        Ok(ahead) => format!("in {} h", ahead.as_secs() / 3600),
        Err(past) => format!("{} h ago", past.duration().as_secs() / 3600),
    };
    format!("{} and {}", hours(start), hours(end))
}

/// From 0 to 1. Without random numbers from the system, the middle: nothing here is a secret.
pub(super) fn random() -> f64 {
    getrandom::u64().map_or(0.5, |n| (n >> 11) as f64 / (1u64 << 53) as f64)
}
