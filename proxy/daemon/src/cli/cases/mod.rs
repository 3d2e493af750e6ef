//! `seawall test`: requests and what must become of them, as a file of cases says.
//!
//! What is tried is what would serve: the configuration is compiled as the daemon compiles it, and its pipeline answers, in
//! this process, over sockets of the loopback. Only what lies outside of it is replaced ([`stage`]): listeners are bound
//! elsewhere, certificates are the internal CA's, and every server of every pool is an [`origin`] that records what it is
//! sent and answers as the case says. What became of a request is what the live tail says of it, what the client got, and
//! what the origin saw ([`judge`]).
//!
//! Thinner than the real thing, on purpose: no health checks, ejection or breakers (a case says who is down), no disk tier,
//! no streams, no DNS; the client speaks HTTP/1.1; an origin that a request names (`proxy_pass` with variables) is not asked
//! and answers 501.

mod client;
mod judge;
mod origin;
mod said;
mod stage;

use crate::{
    configuration::{self, Source, Style},
    terminal,
};
use anyhow::Context;
use judge::Judge;
use seawall_conf::{
    LoadOptions,
    cases::{Case, Cases, Step, load_cases},
};
use seawall_diag::Diagnostics;
use seawall_edge::{Edge, PurgeTarget, Watcher};
use serde_json::Value;
use stage::{Refused, Stage};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

/// How long a request's end is waited for after its answer.
const EVENT_WAIT: Duration = Duration::from_secs(10);

/// Clients' addresses of their own are from here on (RFC 2544: for tests).
const CLIENTS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Their number.
const CLIENTS_MAX: u32 = 1 << 17;

/// Which files.
#[derive(clap::Args)]
pub struct Test {
    /// Files of tests
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configuration that is tested [default: what the file's `config` names, else /etc/seawall/seawall.yaml]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only tests whose names hold this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Name the tests that hold, too
    #[arg(short, long)]
    verbose: bool,
}

/// What came of a file.
#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// `seawall test`
pub fn run(wanted: &Test) -> anyhow::Result<ExitCode> {
    let mut failed = false;
    for path in &wanted.files {
        let (cases, warnings) = match load_cases(path, &LoadOptions::default()) {
            Ok(read) => read,
            Err(e) => {
                configuration::report(&e.diagnostics, &e.sources, Style::Seawall);
                return Ok(ExitCode::from(super::CODE_WRONG));
            }
        };
        configuration::report(&warnings, &cases.sources, Style::Seawall);
        let began = Instant::now();
        let config = wanted.config.clone().unwrap_or_else(|| {
            let named = cases.config.as_ref().map(|c| c.value.clone());
            named.unwrap_or_else(|| super::CONFIG_DEFAULT.into())
        });
        let Some(count) = file(wanted, &cases, &config)? else {
            return Ok(ExitCode::from(super::CODE_WRONG));
        };
        terminal::out(format_args!(
            "{}: {} passed, {} failed ({:.1} s)\n",
            path.display(),
            count.passed,
            count.failed,
            began.elapsed().as_secs_f64()
        ))?;
        failed |= count.failed > 0;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// All tests of a file; `None` where its configuration cannot be served, which has been said.
fn file(wanted: &Test, cases: &Cases, config: &Path) -> anyhow::Result<Option<Count>> {
    // Before anything speaks TLS, as the daemon does.
    let _ = rustls::crypto::CryptoProvider::clone(&seawall_tls::provider()).install_default();
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut progress = terminal::Progress::new();
    progress.say(format_args!("compiling {}", config.display()));
    let source = Source::file(config.to_owned());
    let stage = match Stage::start(&source, control.handle()) {
        Ok(stage) => stage,
        Err(Refused::Invalid(sources, diagnostics)) => {
            progress.done();
            configuration::report(&diagnostics, &sources, Style::Seawall);
            return Ok(None);
        }
        Err(Refused::Other(e)) => return Err(e),
    };
    let tail = &stage.edge.shared().tail;
    let watcher = tail.watch().context("requests cannot be watched")?;
    let mut run = Run {
        stage: &stage,
        cases,
        control: &control,
        watcher,
        clients: 0,
    };
    let mut count = Count::default();
    for case in &cases.cases {
        let name = &case.name.value;
        if wanted
            .only
            .as_ref()
            .is_some_and(|only| !name.contains(only))
        {
            continue;
        }
        progress.say(format_args!("{name}"));
        let found = run.case(case);
        progress.done();
        if found.has_errors() {
            count.failed += 1;
            configuration::report(&found, &cases.sources, Style::Seawall);
        } else {
            count.passed += 1;
            if wanted.verbose {
                terminal::out(format_args!("ok  {}\n", name.escape_debug()))?;
            }
        }
    }
    drop(run);
    stage.edge.drain(Duration::ZERO, Duration::ZERO);
    stage.edge.drained();
    control.shutdown_timeout(Duration::from_millis(200));
    Ok(Some(count))
}

/// The tests of a file on their way.
struct Run<'a> {
    stage: &'a Stage,
    cases: &'a Cases,
    control: &'a tokio::runtime::Runtime,
    watcher: Watcher,
    clients: u32,
}

impl Run<'_> {
    /// A test, from empty caches; the first step that does not hold ends it.
    fn case(&mut self, case: &Case) -> Diagnostics {
        let mut found = Diagnostics::default();
        if let Err(e) = self.stage.edge.purge(&PurgeTarget::All, false) {
            found.error(
                "test",
                case.name.at,
                format!("caches cannot be emptied: {e}"),
            );
            return found;
        }
        self.clients = (self.clients + 1) % CLIENTS_MAX;
        let client = IpAddr::V4((u32::from(CLIENTS) + self.clients).into());
        self.stage
            .origins
            .begin(&[&self.cases.origins, &case.origins]);
        for step in &case.steps {
            self.stage.origins.add(&step.origins);
            self.step(case, step, client, &mut found);
            if found.has_errors() {
                break;
            }
        }
        found
    }

    fn step(&mut self, case: &Case, step: &Step, client: IpAddr, found: &mut Diagnostics) {
        let name = &case.name.value;
        let Some(door) = self.stage.door(&step.request) else {
            let scheme = if step.request.tls { "https" } else { "http" };
            let message = format!("\"{name}\": no listener takes {scheme} like this");
            found.error("no-listener", step.request.at, message);
            return;
        };
        // What came late of the request before is not this one's.
        while self.watcher.events.try_recv().is_ok() {}
        self.stage.log.clear();
        let from = step.request.from.unwrap_or(client);
        let answer = match client::send(&door, from, &step.request, &self.stage.tls) {
            Ok(answer) => answer,
            Err(why) => {
                let message = format!("\"{name}\": the request could not be made: {why}");
                found.error("no-answer", step.request.at, message);
                return;
            }
        };
        let event = self.event();
        let judge = Judge {
            name,
            edge: &self.stage.edge,
            origins: &self.stage.origins,
            request: &step.request,
            answer: answer.as_ref(),
            event: &event,
            log: self.stage.log.lines(),
        };
        judge.step(step, found);
    }

    /// What the pipeline says of the request that has just been answered.
    fn event(&mut self) -> Value {
        let events = &mut self.watcher.events;
        let next = self
            .control
            .block_on(async { tokio::time::timeout(EVENT_WAIT, events.recv()).await });
        let line = next.ok().and_then(Result::ok);
        line.and_then(|l| serde_json::from_str(&l).ok())
            .unwrap_or_default()
    }
}

/// What is stored for a URL, and by which key, as a GET with the request's fields would find it.
fn looked_up(edge: &Edge, request: &seawall_conf::cases::Request) -> Vec<seawall_edge::Inspected> {
    let scheme = if request.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}{}", request.authority, request.target);
    let fields = request.headers.iter();
    let fields: Vec<String> = fields.map(|(n, v)| format!("{n}: {v}")).collect();
    edge.inspect(&url, &fields).unwrap_or_default()
}
