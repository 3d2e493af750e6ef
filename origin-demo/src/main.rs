//! The bundled demo origin: a shop, made of processes that fail on request.
//!
//! What an edge does is only visible in front of something: pages worth caching, servers worth balancing, a search box
//! worth attacking, a process worth killing. This crate is that something, and knows nothing of the edge: it is an
//! origin like any other, so what is shown with it holds for a stranger's origin too.
//!
//! | role | what it is | what it talks to |
//! |---|---|---|
//! | `web` | server-side pages, sessions, forms | `api` and `search`, over HTTP only |
//! | `api` | JSON over SQLite, cache-aside with single flight | the database |
//! | `worker` | the durable queue: mail, thumbnails, indexing | the database, the maildir, `search` |
//! | `search` | a tantivy index in a directory | `api`, once, when it is empty |
//! | `all` | starts the others and keeps them running | its children's `/ready` |
//!
//! Everything on sale is made from one seed number ([`catalogue`]): names, prices, pictures. Nothing is downloaded.
//! Every role answers `/live`, `/ready`, `/metrics`, `/version` and has fault switches ([`fault`]). Limits are in [`limits`].
//! The tests in `tests/` spawn the binary and use it as a customer would.

mod all;
mod api;
mod art;
mod catalogue;
mod cli;
mod client;
mod fault;
mod limits;
mod log;
mod metrics;
mod model;
mod queue;
mod random;
mod search;
mod serve;
mod store;
mod web;
mod worker;

use clap::Parser;
use nix::{
    sys::{prctl, signal::Signal},
    unistd,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    // An error is a line for whoever reads the terminal; a backtrace tells them nothing.
    match run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("origin-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<()> {
    if let Some(parent) = cli.parent {
        // Killing is safe: nothing here needs a goodbye. Looking at the parent afterwards closes the gap in which it
        // died before we asked.
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if unistd::getppid().as_raw() as u32 != parent {
            return Ok(());
        }
    }
    // One thread for the supervisor: PR_SET_PDEATHSIG fires when the *thread* that forked ends, so it must be the first.
    let mut runtime = match cli.role {
        cli::Role::All => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match cli.role {
            cli::Role::All => all::run(cli).await,
            cli::Role::Web => web::run(cli).await,
            cli::Role::Api => api::run(cli).await,
            cli::Role::Search => search::run(cli).await,
            cli::Role::Worker => worker::run(cli).await,
        }
    })
}
