//! How a worker ends: who serves stops first, then everything else, and nothing of it waits without bound.
//!
//! Clients come first: the sockets are let go before anything that a disk, a lock or another room could hold up, and what is
//! in flight is finished by its own threads. The rest has a patience each, with a line in the log where it runs out; what still
//! stands still then is left to the process's end.

use super::life::Worker;
use crate::{
    keeper::KeeperEvent,
    log::FLUSH_PATIENCE,
    patience::{self, Stuck},
};
use seawall_conf::model::LogLevel;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// How long a fast stop lets worker threads write their logs.
pub const STOP_LIMIT: Duration = Duration::from_millis(200);

/// How long connections without a request may ask once more when a successor has the sockets.
const GENTLE: Duration = Duration::from_secs(5);

/// How long certificates, zones and the threads of DNS may take to stop.
const ROOMS_PATIENCE: Duration = Duration::from_secs(2);

/// How long the caches may take to write what they had accepted for their disks.
const DISKS_PATIENCE: Duration = Duration::from_secs(2);

/// How a worker ends: within what time, and how gently towards those who wait between requests.
pub struct End {
    within: Duration,
    gentle: Duration,
}

impl End {
    /// What an event makes of a worker that serves; `None` where it is none that ends it.
    pub fn of(event: Option<&KeeperEvent>, worker: &Worker) -> Option<Self> {
        let (within, gentle) = match event {
            Some(KeeperEvent::Retire(within)) => (*within, GENTLE),
            Some(KeeperEvent::Quit | KeeperEvent::Gone) => {
                (worker.edge.plan().config.process.drain, Duration::ZERO)
            }
            Some(KeeperEvent::Stop) | None => (STOP_LIMIT, Duration::ZERO),
            Some(KeeperEvent::Reload | KeeperEvent::Reopen | KeeperEvent::Release) => return None,
        };
        Some(Self { within, gentle })
    }
}

/// Finishes what runs. What the keeper still says meanwhile is heard: logs are rotated, and a drain can be hurried.
pub fn leave(worker: &Arc<Worker>, end: &End, events: UnboundedReceiver<KeeperEvent>) {
    worker.edge.drain(end.within, end.gentle);
    worker.dns.stop_listening();
    hear(worker, events);
    let rooms = worker.clone();
    told(
        worker,
        patience::within(ROOMS_PATIENCE, "stopping certificates and DNS", move || {
            rooms.issuer.stop();
            rooms.dns.stop();
        }),
    );
    worker.edge.drained();
    let caches = worker.edge.plan();
    told(
        worker,
        patience::within(DISKS_PATIENCE, "writing what the caches hold", move || {
            caches.caches.iter().for_each(|c| c.cache.leave_disk());
        }),
    );
    worker.log.flush_within(FLUSH_PATIENCE);
}

fn told(worker: &Worker, done: Result<(), Stuck>) {
    if let Err(stuck) = done {
        let line = format_args!("{stuck}: it is left behind");
        worker.log.line(LogLevel::Alert, 0, line);
    }
}

/// On a thread of its own: a task could be held up by another one that waits for a disk.
fn hear(worker: &Arc<Worker>, mut events: UnboundedReceiver<KeeperEvent>) {
    let leaving = worker.clone();
    let hear = move || {
        while let Some(event) = events.blocking_recv() {
            match event {
                KeeperEvent::Reopen => {
                    let worker = leaving.clone();
                    // Opening a log waits for the keeper, and a stop does not wait for that.
                    let _ = std::thread::Builder::new()
                        .name("reopen".into())
                        .spawn(move || worker.edge.reopen_logs());
                }
                KeeperEvent::Stop => leaving.edge.hurry(STOP_LIMIT),
                KeeperEvent::Quit | KeeperEvent::Gone => {
                    leaving.edge.hurry(leaving.edge.plan().config.process.drain);
                }
                KeeperEvent::Reload | KeeperEvent::Release | KeeperEvent::Retire(_) => {}
            }
        }
    };
    let spawned = std::thread::Builder::new().name("leave".into()).spawn(hear);
    if let Err(error) = spawned {
        let line = format_args!("nothing more is heard of the keeper: {error}");
        worker.log.line(LogLevel::Alert, 0, line);
    }
}
