//! Names of zones that have the addresses of other names (ALIAS): looked up in the background, put into their zones when
//! they change. While nobody answers, the last addresses stay.

use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_dns::Shared;
use seawall_edge::{discovery::Resolver, plan::AliasPlan};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Semaphore, task::AbortHandle};

/// Names that are looked up at once; more wait their turn.
const LOOKUPS_MAX: usize = 8;
/// A name is looked up again no sooner than this, whatever its time to live: each change makes a new version of a zone.
const AGAIN_MIN: Duration = Duration::from_secs(5);
/// And no later.
const AGAIN_MAX: Duration = Duration::from_secs(3600);
/// How long one that nobody knows is left alone, at first and at most.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The names that are followed.
pub struct Aliases {
    shared: Arc<Shared>,
    log: ErrorLog,
    followed: Mutex<Vec<(AliasPlan, AbortHandle)>>,
    turns: Arc<Semaphore>,
}

impl Aliases {
    /// Follows nobody yet.
    pub fn new(shared: Arc<Shared>, log: ErrorLog) -> Self {
        Self {
            shared,
            log,
            followed: Mutex::default(),
            turns: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }

    /// Before zones are published: what is no alias any more loses its addresses with them.
    pub fn forget_others(&self, wanted: &[AliasPlan]) {
        let names: Vec<_> = wanted
            .iter()
            .map(|a| (a.zone.clone(), a.owner.clone()))
            .collect();
        self.shared.keep_aliases(&names);
    }

    /// After they were published: follows these names, those followed already as before.
    pub fn follow(&self, wanted: Vec<AliasPlan>, control: &Handle) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.retain(|(alias, task)| {
            let stays = wanted.contains(alias);
            if !stays {
                task.abort();
            }
            stays
        });
        for alias in wanted {
            if followed.iter().any(|(known, _)| *known == alias) {
                continue;
            }
            let following = Following {
                alias: alias.clone(),
                shared: self.shared.clone(),
                log: self.log.clone(),
                turns: self.turns.clone(),
            };
            let task = control.spawn(following.run()).abort_handle();
            followed.push((alias, task));
        }
    }
}

struct Following {
    alias: AliasPlan,
    shared: Arc<Shared>,
    log: ErrorLog,
    turns: Arc<Semaphore>,
}

impl Following {
    async fn run(self) {
        let resolver = Resolver::new(&self.alias.resolver);
        let mut retry = RETRY_MIN;
        let mut known = false;
        loop {
            let wait = match self.look(&resolver).await {
                Ok(valid) => {
                    (retry, known) = (RETRY_MIN, true);
                    valid.clamp(AGAIN_MIN, AGAIN_MAX)
                }
                Err(problem) => {
                    // Said once for each time that it fails.
                    if retry == RETRY_MIN {
                        let AliasPlan { owner, target, .. } = &self.alias;
                        let kept = if known {
                            "the last addresses stay"
                        } else {
                            "it has no addresses yet"
                        };
                        self.log.line(
                            LogLevel::Error,
                            0,
                            format_args!("dns: {owner} is an alias of {target}, which cannot be looked up: {problem}; {kept}"),
                        );
                    }
                    let wait = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Looks the name up and puts what is found. Gives for how long it holds.
    async fn look(&self, resolver: &Resolver) -> Result<Duration, String> {
        let turn = self.turns.acquire().await.map_err(|e| e.to_string())?;
        let (addresses, valid) = resolver.addresses(&self.alias.target).await?;
        let (shared, alias) = (self.shared.clone(), self.alias.clone());
        let put = move || shared.alias_put(&alias.zone, &alias.owner, alias.ttl_s, &addresses);
        let put = tokio::task::spawn_blocking(put).await;
        drop(turn);
        put.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        Ok(valid)
    }
}
