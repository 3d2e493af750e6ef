//! The `all` role: starts the shop's processes, restarts what dies, and stops them.
//!
//! Children are known by their pids and nothing else. They die with us, however we die (PR_SET_PDEATHSIG, set by the
//! child itself). One that keeps dying at once (a port in use, a full disk) ends us, with its reason on the terminal.

use crate::{
    cli::{Cli, Role},
    client::Client,
    complain,
    limits::DRAIN,
    say,
};
use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command},
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal as Signals, SignalKind, signal},
    sync::watch,
};

/// Before a child is started again.
const PAUSE: Duration = Duration::from_millis(300);
/// A child that lived shorter than this failed to start.
const BRIEF: Duration = Duration::from_secs(2);
/// Failed starts in a row before we give up.
const BRIEF_MAX: u32 = 5;

struct Process {
    name: String,
    role: Role,
    listen: SocketAddr,
    child: Child,
    started: Instant,
    brief: u32,
}

/// Run the shop.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    fs::create_dir_all(&cli.state)
        .with_context(|| format!("cannot make {}", cli.state.display()))?;
    // Before the first child: a signal that comes while we start must find us listening.
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut child_ended = signal(SignalKind::child())?;
    let mut processes = Vec::new();
    for (role, listen) in plan(&cli)? {
        let name = if role == Role::Web {
            format!("web-{}", processes.len() - 2)
        } else {
            role.as_str().to_owned()
        };
        let child = start(&cli, role, listen, &name)?;
        say!("{name} started, pid {}", child.id());
        processes.push(Process {
            name,
            role,
            listen,
            child,
            started: Instant::now(),
            brief: 0,
        });
    }
    write_pids(&cli, &processes)?;
    let (known, running) = watch::channel(pids(&processes));
    let announcing = tokio::spawn(announce(
        processes
            .iter()
            .map(|p| (p.name.clone(), p.listen))
            .collect(),
        running,
    ));
    let ended = loop {
        tokio::select! {
            _ = term.recv() => break Ok(()),
            _ = int.recv() => break Ok(()),
            _ = child_ended.recv() => match revive(&cli, &mut processes).await {
                Ok(()) => drop(known.send_replace(pids(&processes))),
                Err(error) => break Err(error),
            },
        }
    };
    announcing.abort();
    stop(&mut processes, &mut child_ended).await;
    let _ = fs::remove_file(cli.state.join("pids"));
    ended
}

fn plan(cli: &Cli) -> anyhow::Result<Vec<(Role, SocketAddr)>> {
    let address = |url: &str| -> anyhow::Result<SocketAddr> {
        let authority = url.trim_start_matches("http://").trim_end_matches('/');
        authority
            .parse()
            .with_context(|| format!("{url} must be http:// and an address with a port"))
    };
    let mut plan = vec![
        (Role::Api, address(&cli.api)?),
        (Role::Search, address(&cli.search)?),
        (Role::Worker, cli.worker),
    ];
    plan.extend(cli.web.iter().map(|listen| (Role::Web, *listen)));
    Ok(plan)
}

fn start(cli: &Cli, role: Role, listen: SocketAddr, name: &str) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(edge) = &cli.edge {
        command.arg("--edge").arg(edge);
    }
    command.arg(role.as_str()).arg("--state").arg(&cli.state);
    command.args([
        "--api",
        &cli.api,
        "--search",
        &cli.search,
        "--edge-name",
        &cli.edge_name,
    ]);
    for (flag, value) in [
        ("--listen", listen.to_string()),
        ("--name", name.to_string()),
        ("--products", cli.products.to_string()),
        ("--seed", cli.seed.to_string()),
        ("--lease-ms", cli.lease_ms.to_string()),
        ("--backoff-ms", cli.backoff_ms.to_string()),
        ("--parent", std::process::id().to_string()),
    ] {
        command.arg(flag).arg(value);
    }
    command
        .spawn()
        .with_context(|| format!("cannot start {}", role.as_str()))
}

fn pids(processes: &[Process]) -> Vec<u32> {
    processes.iter().map(|p| p.child.id()).collect()
}

/// Say when each is ready, and when all are.
async fn announce(processes: Vec<(String, SocketAddr)>, running: watch::Receiver<Vec<u32>>) {
    let started = Instant::now();
    for (at, (name, listen)) in processes.iter().enumerate() {
        let client = Client::new(&format!("http://{listen}"));
        while !is_ready(&client, || running.borrow().get(at).copied()).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        say!("{name} ready on http://{listen}");
    }
    // Not `ready ...`: that is the word of whoever starts us together with an edge.
    say!(
        "the shop is ready after {} ms",
        started.elapsed().as_millis()
    );
}

/// Whether our child is ready, and not somebody else who had its port first.
async fn is_ready(client: &Client, pid: impl Fn() -> Option<u32>) -> bool {
    let Ok(version) = client.get_bytes("/version").await else {
        return false;
    };
    let told = std::str::from_utf8(&version)
        .ok()
        .and_then(|text| text.trim_end().rsplit_once("pid ")?.1.parse().ok());
    told.is_some() && told == pid() && client.get_bytes("/ready").await.is_ok()
}

async fn revive(cli: &Cli, processes: &mut [Process]) -> anyhow::Result<()> {
    let mut revived = false;
    for process in processes.iter_mut() {
        let Some(status) = process.child.try_wait()? else {
            continue;
        };
        complain!(
            "{} (pid {}) ended: {status}",
            process.name,
            process.child.id()
        );
        process.brief = if process.started.elapsed() < BRIEF {
            process.brief + 1
        } else {
            0
        };
        if process.brief >= BRIEF_MAX {
            bail!("{} does not stay up", process.name);
        }
        tokio::time::sleep(PAUSE).await;
        process.child = start(cli, process.role, process.listen, &process.name)?;
        process.started = Instant::now();
        revived = true;
        say!("{} started again, pid {}", process.name, process.child.id());
    }
    if revived {
        write_pids(cli, processes)?;
    }
    Ok(())
}

/// `STATE/pids`: a name and a pid a line, for whoever wants to kill one.
fn write_pids(cli: &Cli, processes: &[Process]) -> anyhow::Result<()> {
    let lines: String = processes
        .iter()
        .map(|p| format!("{} {}\n", p.name, p.child.id()))
        .collect();
    let (path, fresh) = (cli.state.join("pids"), cli.state.join("pids.new"));
    fs::write(&fresh, lines)?;
    Ok(fs::rename(fresh, path)?)
}

async fn stop(processes: &mut [Process], child_ended: &mut Signals) {
    let running = |processes: &mut [Process]| {
        processes
            .iter_mut()
            .filter_map(|p| matches!(p.child.try_wait(), Ok(None)).then(|| p.child.id()))
            .collect::<Vec<_>>()
    };
    for pid in running(processes) {
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
    }
    let deadline = tokio::time::Instant::now() + DRAIN + Duration::from_secs(2);
    while !running(processes).is_empty() {
        if tokio::time::timeout_at(deadline, child_ended.recv())
            .await
            .is_err()
        {
            break;
        }
    }
    for process in processes.iter_mut() {
        let _ = process.child.kill();
        let _ = process.child.wait();
    }
    say!("stopped");
}
