//! The command line: one flag set for all roles, so that `all` can hand its own on to its children.

use clap::{Parser, ValueEnum};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// A demo shop to put an edge in front of.
#[derive(Parser, Debug, Clone)]
#[command(version, after_help = FAULTS)]
pub struct Cli {
    /// Which process to be.
    pub role: Role,
    /// Directory for the database, the search index, the maildir and the session key.
    #[arg(long)]
    pub state: PathBuf,
    /// Address to listen on; port 0 takes a free one and prints it. With `all`: ignored, see `--web` and its siblings.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Where the api role answers.
    #[arg(long, default_value = "http://127.0.0.1:7010")]
    pub api: String,
    /// Where the search role answers.
    #[arg(long, default_value = "http://127.0.0.1:7020")]
    pub search: String,
    /// The name customers know the shop by: links in mails, and an accepted Origin of forms.
    #[arg(long, default_value = "shop.test")]
    pub edge_name: String,
    /// The edge before the shop, as in http://127.0.0.1:8080: api tells it what a changed product's pages are tagged with, so that it
    /// forgets them (method PURGE, Surrogate-Key). Without it, pages change when they are stale.
    #[arg(long)]
    pub edge: Option<String>,
    /// How many products to make when the database is empty.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub products: u64,
    /// The seed everything on sale is made from.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// The value of X-Served-By; by default the role, and for web with its address's last number (web-2 on 127.0.0.2); `all` numbers them from 1.
    #[arg(long)]
    pub name: Option<String>,
    /// With `all`: the addresses of the web processes.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "127.0.0.2:7001,127.0.0.3:7001"
    )]
    pub web: Vec<SocketAddr>,
    /// With `all`: the address of the worker.
    #[arg(long, default_value = "127.0.0.1:7030")]
    pub worker: SocketAddr,
    /// Worker: how long a claimed job is ours before another worker may claim it, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(50..=600_000))]
    pub lease_ms: u64,
    /// Worker: the first pause after a failed attempt, in milliseconds; it doubles with every further one.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub backoff_ms: u64,
    /// Set by `all`: the process to die with.
    #[arg(long, hide = true)]
    pub parent: Option<u32>,
}

/// One of the shop's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The pages.
    Web,
    /// The data.
    Api,
    /// The jobs.
    Worker,
    /// The index.
    Search,
    /// All of them, supervised.
    All,
}

impl Role {
    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Web => "web",
            Role::Api => "api",
            Role::Worker => "worker",
            Role::Search => "search",
            Role::All => "all",
        }
    }

    fn default_listen(self) -> SocketAddr {
        let (host, port) = match self {
            Role::Web => (2, 7001),
            Role::Api | Role::All => (1, 7010),
            Role::Search => (1, 7020),
            Role::Worker => (1, 7030),
        };
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), port)
    }
}

impl Cli {
    /// Where this role listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| self.role.default_listen())
    }

    /// What this process calls itself in X-Served-By.
    pub fn served_by(&self) -> String {
        match (&self.name, self.role, self.listen().ip()) {
            (Some(name), _, _) => name.clone(),
            (None, Role::Web, IpAddr::V4(ip)) => format!("web-{}", ip.octets()[3]),
            (None, role, _) => role.as_str().to_owned(),
        }
    }

    /// The lease of a claimed job.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

const FAULTS: &str = "\
Fault switches, on every role, for callers on this machine that name it by a loopback address:
  GET  /_fault                           what is set
  POST /_fault  {\"latency_ms\": 800}      every answer (in the worker: every job) takes that much longer
  POST /_fault  {\"error_percent\": 30}    that share of answers (in the worker: of jobs) fails, evenly spread
  POST /_fault  {\"not_ready\": true}      /ready answers 503
  POST /_fault  {}                       all off again
  curl -H 'content-type: application/json' -d '{\"latency_ms\": 800}' http://127.0.0.2:7001/_fault
A poison job, through the api:
  curl -H 'content-type: application/json' -d '{\"kind\": \"poison\", \"payload\": \"\"}' http://127.0.0.1:7010/jobs
/live, /ready and /metrics are neither delayed nor failed. Keep /_fault and /metrics behind your edge.

Every role: /live, /ready, /metrics (Prometheus text), /version.";
