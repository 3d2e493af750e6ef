//! The worker role: claims jobs one at a time and does them.
//!
//! Every kind is idempotent, because the queue promises *at least once*: a mail is a file with the order's name, a
//! thumbnail replaces a thumbnail, the index ignores versions it has. So a worker may be killed anywhere, and what a
//! customer sees happens once.

mod index;
mod mail;
mod thumbnail;

use crate::{
    cli::Cli,
    client::Client,
    complain, metrics,
    queue::{Backoff, Claimed, Failure},
    random::{self, Rng},
    serve::{Service, now_ms},
    store::{self, Pool, Sqlite},
};
use anyhow::Context;
use axum::Router;
use std::{sync::Arc, time::Duration};

/// How long to rest when nothing is due. The queue is another process's table: there is no event to await.
const REST: Duration = Duration::from_millis(100);

struct Worker {
    store: Pool,
    search: Client,
    mailbox: mail::Mailbox,
    lease: Duration,
    backoff: Backoff,
    service: Service,
}

/// Be the worker.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let service = Service::new(&cli)?;
    std::fs::create_dir_all(&cli.state)
        .with_context(|| format!("cannot make {}", cli.state.display()))?;
    let worker = Worker {
        store: Pool::new(1, || Sqlite::open(&cli.state)).context("cannot open the database")?,
        search: Client::new(&cli.search),
        mailbox: mail::Mailbox::open(&cli.state.join("maildir"), &cli.edge_name)
            .context("cannot make the maildir")?,
        lease: cli.lease(),
        backoff: Backoff {
            first: Duration::from_millis(cli.backoff_ms),
        },
        service: service.clone(),
    };
    let seed = u64::from_ne_bytes(random::secret()?);
    let working = tokio::spawn(Arc::new(worker).work(Rng::new(seed)));
    service.set_ready();
    service.run(cli.listen(), Router::new()).await?;
    // The job in hand may end; a stop that cannot wait for it is what leases are for.
    let _ = tokio::time::timeout(crate::limits::DRAIN, working).await;
    Ok(())
}

impl Worker {
    async fn work(self: Arc<Self>, mut rng: Rng) {
        let stopping = self.service.stopping();
        tokio::pin!(stopping);
        loop {
            let rest = match self.step(&mut rng).await {
                Ok(true) => Duration::ZERO,
                Ok(false) => REST,
                Err(error) => {
                    complain!("worker: {error}");
                    REST * 5
                }
            };
            tokio::select! {
                biased;
                () = &mut stopping => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Do one job; false if none is due.
    async fn step(&self, rng: &mut Rng) -> store::Result<bool> {
        let (lease_ms, token) = (self.lease.as_millis() as u64, rng.next() >> 1);
        let claimed = self.store.write(move |repository| {
            repository.relay_outbox(now_ms())?;
            repository.claim(lease_ms, token, now_ms())
        });
        let Some(job) = claimed.await? else {
            let counts = self
                .store
                .read(|repository| repository.job_counts())
                .await?;
            metrics::JOBS_WAITING.set(counts.waiting);
            metrics::JOBS_DEAD_LETTERS.set(counts.dead);
            return Ok(false);
        };
        let done = tokio::time::timeout(self.lease, self.perform(&job)).await;
        match done.unwrap_or_else(|_| Err("it took longer than its lease".to_owned())) {
            Ok(()) => {
                let (id, token) = (job.id, job.token);
                if self
                    .store
                    .write(move |repository| repository.complete(id, token, now_ms()))
                    .await?
                {
                    metrics::JOBS_DONE.inc();
                }
            }
            Err(error) => self.failed(&job, error, rng).await?,
        }
        Ok(true)
    }

    async fn perform(&self, job: &Claimed) -> Result<(), String> {
        self.service.faults.delay().await;
        if self.service.faults.fails() {
            return Err("a fault was asked for".to_owned());
        }
        match job.kind.as_str() {
            "mail" => mail::perform(self, &job.payload).await,
            "thumbnail" => thumbnail::perform(self, &job.payload).await,
            "index" => index::perform(self, &job.payload).await,
            other => Err(format!("nobody knows how to do a {other:?}")),
        }
    }

    async fn failed(&self, job: &Claimed, error: String, rng: &mut Rng) -> store::Result<()> {
        let failure = self.backoff.judge(job, error, now_ms(), rng);
        match &failure {
            Failure::Retry { .. } => metrics::JOBS_RETRIED.inc(),
            Failure::Dead { error } => {
                metrics::JOBS_DEAD.inc();
                complain!(
                    "worker: job {} ({}) is a dead letter after {} attempts: {error}",
                    job.id,
                    job.kind,
                    job.attempts
                );
            }
        }
        let (id, token) = (job.id, job.token);
        self.store
            .write(move |repository| repository.fail(id, token, &failure, now_ms()))
            .await?;
        Ok(())
    }
}

/// A payload that is a number.
fn number(payload: &str) -> Result<u64, String> {
    payload
        .parse()
        .map_err(|_| format!("{payload:?} is no number"))
}
