//! Active checks and the resolver: on the control runtime, never on a worker thread.
//!
//! A check has a connection of its own. Its result goes to the balancer's server, the one object that requests, the API
//! and the DNS answers look at.

mod grpc;
mod http;
mod probe;

use crate::{
    discovery, log_error,
    plan::{PeerSlot, Plan, PoolPlan},
    shared::Shared,
};
use seawall_balance::{CheckOptions, CheckSchedule};
use seawall_conf::model::Address;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// How soon a name that does not resolve is looked up again.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// Starts the checks of a plan, and what finds its servers. They end when the set is dropped.
pub fn start(shared: &Arc<Shared>, plan: &Plan, runtime: &tokio::runtime::Handle) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for pool in &plan.pools {
        if pool.found.is_some() {
            tasks.spawn_on(discovery::follow(shared.clone(), pool.clone()), runtime);
        } else {
            watch(shared, pool, &mut tasks, runtime);
        }
    }
    for set in &plan.key_sets {
        let task = crate::access::jwks::refresh_forever(shared.clone(), set.clone());
        tasks.spawn_on(task, runtime);
    }
    if let Some(bouncer) = &plan.bouncer {
        let task = crate::crowdsec::follow_forever(shared.clone(), bouncer.clone());
        tasks.spawn_on(task, runtime);
    }
    if let Some(ring) = &plan.challenge_keys {
        let task = crate::bots::renew_forever(shared.clone(), ring.clone());
        tasks.spawn_on(task, runtime);
    }
    tasks
}

/// Checks the servers of one generation of a pool, and resolves their names.
pub fn watch(
    shared: &Arc<Shared>,
    pool: &Arc<PoolPlan>,
    tasks: &mut JoinSet<()>,
    runtime: &tokio::runtime::Handle,
) {
    for (index, slot) in pool.peers.iter().enumerate() {
        if pool.health.is_some() {
            tasks.spawn_on(check_forever(shared.clone(), pool.clone(), index), runtime);
        }
        if matches!(slot.address, Address::Name(..)) {
            let resolving = resolve_forever(shared.clone(), pool.clone(), index);
            tasks.spawn_on(resolving, runtime);
        }
    }
}

/// Looks a server's name up, again whenever its time to live is over. Addresses of a name that stops resolving stay.
async fn resolve_forever(shared: Arc<Shared>, pool: Arc<PoolPlan>, index: usize) {
    let resolver = discovery::Resolver::new(pool.resolver());
    let mut complained = false;
    loop {
        let Some(slot) = pool.peers.get(index) else {
            return;
        };
        let wait = match lookup(slot, &resolver).await {
            Ok(again) => {
                complained = false;
                again
            }
            Err(e) => {
                if !std::mem::replace(&mut complained, true) {
                    log_error!(
                        shared,
                        Error,
                        0,
                        "host not found in upstream \"{}\": {} ({e})",
                        pool.name,
                        slot.text
                    );
                }
                RESOLVE_RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn lookup(slot: &PeerSlot, resolver: &discovery::Resolver) -> Result<Duration, String> {
    let Address::Name(name, port) = &slot.address else {
        return Ok(RESOLVE_RETRY);
    };
    let (found, again) = resolver.addresses(name).await?;
    // An address that is still among them stays: connections are kept for it.
    if !slot.is_at(&found) {
        let best = found.iter().find(|a: &&IpAddr| a.is_ipv4());
        let best = best.or(found.first()).ok_or("no addresses")?;
        slot.resolve((*best, *port).into());
    }
    Ok(again)
}

pub(crate) fn random() -> u64 {
    ahash::RandomState::new().hash_one(Instant::now())
}

async fn check_forever(shared: Arc<Shared>, pool: Arc<PoolPlan>, index: usize) {
    let Some(plan) = &pool.health else { return };
    let check = &plan.check;
    let options = CheckOptions {
        interval: check.interval,
        fast_interval: check.fast_interval,
        jitter_percent: check.jitter_percent,
    };
    let mut schedule = CheckSchedule::with(Instant::now(), options, random());
    // The first check is made at once: a server that is down is found before a request finds it.
    loop {
        let Some(slot) = pool.peers.get(index) else {
            return;
        };
        let result = tokio::time::timeout(check.timeout, probe::probe(&pool, slot, plan)).await;
        let failure = match result {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e),
            Err(_) => Some(format!("no answer within {:?}", check.timeout)),
        };
        let ok = failure.is_none();
        slot.note_check(failure.as_deref());
        let counter = if ok {
            &pool.metrics.checks_passed
        } else {
            &pool.metrics.checks_failed
        };
        counter.inc();
        if let Some(transition) = pool.balancer.check_result(Instant::now(), index, ok) {
            let why = failure.unwrap_or_default();
            let colon = if why.is_empty() { "" } else { ": " };
            let sentence = transition.sentence(&pool.name, &slot.text);
            log_error!(shared, Warn, 0, "{sentence}{colon}{why}");
        }
        let next = schedule.checked(Instant::now(), ok, random());
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            () = slot.check_asked.notified() => {}
        }
    }
}
