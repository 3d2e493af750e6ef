//! Servers that are found while the daemon runs: all addresses of a name, SRV records, a file.
//!
//! Each source is asked on its own time (a name when its time to live is over, a file when it changes). What it says
//! becomes a new generation of its pool, which carries over the counts and the health of every server that stays. What
//! cannot be asked changes nothing: the servers known last serve on, and a pool starts without any.

mod file;
mod resolver;

pub use resolver::Resolver;

use crate::{
    health, log_error,
    plan::{PoolPlan, pool::Member},
    shared::Shared,
};
use seawall_conf::model::{Source, SourceKind};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet};

/// How soon a source that failed is asked again, at first and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How often a file is looked at.
const FILE_EVERY: Duration = Duration::from_millis(500);

/// What a source says; `None` when it could not be asked.
type Said = (usize, Option<Vec<Member>>);

/// Follows the sources of a pool for as long as its plan lives, and checks the servers they name.
pub async fn follow(shared: Arc<Shared>, pool: Arc<PoolPlan>) {
    let runtime = tokio::runtime::Handle::current();
    let (say, mut said) = mpsc::channel::<Said>(16);
    let mut sources = JoinSet::new();
    for at in 0..pool.sources().len() {
        sources.spawn(ask_forever(shared.clone(), pool.clone(), at, say.clone()));
    }
    drop(say);
    let mut checks = JoinSet::new();
    health::watch(&shared, &pool.live(), &mut checks, &runtime);
    let mut heard = HashSet::new();
    while let Some((at, members)) = said.recv().await {
        if let Some(next) = members.and_then(|members| pool.take_members(at, members)) {
            let servers: Vec<&str> = next.peers.iter().map(|p| &*p.text).collect();
            log_error!(
                shared,
                Notice,
                0,
                "pool {}: {} servers: {}",
                pool.name,
                servers.len(),
                servers.join(", ")
            );
            // Those of the generation before end here.
            checks = JoinSet::new();
            health::watch(&shared, &next, &mut checks, &runtime);
        }
        heard.insert(at);
        if let Some(found) = pool
            .found
            .as_ref()
            .filter(|_| heard.len() == pool.sources().len())
        {
            found.asked();
        }
    }
}

async fn ask_forever(shared: Arc<Shared>, pool: Arc<PoolPlan>, at: usize, say: mpsc::Sender<Said>) {
    let Some(source) = pool.sources().get(at) else {
        return;
    };
    let resolver = Resolver::new(pool.resolver());
    let mut retry = RETRY;
    let mut complained = false;
    loop {
        let (members, wait) = match ask(source, &resolver).await {
            Ok((members, again)) => {
                (retry, complained) = (RETRY, false);
                (Some(members), again)
            }
            Err(e) => {
                if !std::mem::replace(&mut complained, true) {
                    let what = describe(&source.kind);
                    log_error!(
                        shared,
                        Error,
                        0,
                        "pool {}: {what} names no servers ({e}), those known last serve on",
                        pool.name
                    );
                }
                let wait = retry;
                retry = (retry * 2).min(RETRY_MAX);
                (None, wait)
            }
        };
        if say.send((at, members)).await.is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

fn describe(kind: &SourceKind) -> String {
    match kind {
        SourceKind::Name(name, _) => format!("the name {name}"),
        SourceKind::Srv(name) => format!("the service {name}"),
        SourceKind::File(path) => format!("the file {}", path.display()),
    }
}

/// What a source says, and when to ask again.
async fn ask(source: &Source, resolver: &Resolver) -> Result<(Vec<Member>, Duration), String> {
    match &source.kind {
        SourceKind::Name(name, port) => {
            let (mut found, again) = resolver.addresses(name).await?;
            // Servers answer in any order; the pool should not be made anew for that.
            found.sort_unstable();
            let member = |ip| Member::at(source, (ip, *port).into(), Some(name.clone()));
            Ok((found.into_iter().map(member).collect(), again))
        }
        SourceKind::Srv(name) => service(source, name, resolver).await,
        SourceKind::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || file::read(&path)).await;
            let text = read.map_err(|e| e.to_string())??;
            Ok((file::members(source, &text)?, FILE_EVERY))
        }
    }
}

/// The targets of SRV records (RFC 2782): the lowest priority are primaries, the others backups.
async fn service(
    source: &Source,
    name: &str,
    resolver: &Resolver,
) -> Result<(Vec<Member>, Duration), String> {
    let (targets, mut again) = resolver.service(name).await?;
    let best = targets.iter().map(|t| t.priority).min().unwrap_or_default();
    let mut members = Vec::new();
    for target in &targets {
        let (mut found, until) = resolver.addresses(&target.name).await?;
        found.sort_unstable();
        again = again.min(until);
        for ip in found {
            let name = target.name.trim_end_matches('.').to_owned();
            let mut member = Member::at(source, (ip, target.port).into(), Some(name));
            let mut own = member.server.clone();
            // A weight of 0 is a small chance, not none.
            own.weight = u32::from(target.weight).max(1);
            own.backup = own.backup || target.priority > best;
            member.own = Some(Box::new(own));
            members.push(member.with_own());
        }
    }
    Ok((members, again))
}
