//! The worker: everything that touches the network.
//!
//! Signals, the protocol with the keeper and privileges are done with when [`run`] is called; see [`crate::keeper`].

use crate::{
    configuration::Source,
    keeper::{KeeperClient, KeeperEvent, protocol::OpenMode},
    log::ErrorLog,
};
use seawall_conf::model::{Address, Config, LogLevel};
use seawall_diag::Diagnostics;
use seawall_sys::listen::Endpoint;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
};

/// What a worker knows when it starts.
pub struct WorkerOptions {
    /// The configuration to load, again at each reload.
    pub source: Source,
    /// The error log; its file is exchanged behind the scenes when logs are rotated.
    pub log: ErrorLog,
    /// How many workers this keeper started before.
    pub generation: u64,
}

/// What compiling a plan would find wrong beyond what loading found: for `check` and `-t`.
pub fn check(_config: &Config) -> Diagnostics {
    Diagnostics::default()
}

/// Serves until the keeper says otherwise. An error ends the worker with exit code 1, and the daemon if it is starting.
///
/// So far each listener answers with one line, which is what the keeper's tests need.
pub fn run(keeper: KeeperClient, options: WorkerOptions) -> anyhow::Result<ExitCode> {
    let Ok((config, _)) = options.source.load() else {
        anyhow::bail!("the configuration has errors")
    };
    open_logs(&keeper, &config)?;
    let mut used = Vec::new();
    for listener in &config.listeners {
        let endpoint = match &listener.address {
            Address::Ip(address) => Endpoint::Tcp(*address),
            Address::Unix(path) => Endpoint::Unix(path.clone()),
            Address::Name(..) => continue,
        };
        let (sockets, _) = keeper.listen(&endpoint, 1)?;
        used.push(endpoint);
        for listener in sockets.into_iter().map(TcpListener::from) {
            listener.set_nonblocking(false)?;
            std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        }
    }
    let mut events = keeper
        .events()
        .ok_or_else(|| anyhow::anyhow!("the events are taken"))?;
    keeper.bound()?;
    let text = format_args!("worker of generation {} serves", options.generation);
    options.log.line(LogLevel::Info, 0, text);
    while let Some(event) = events.blocking_recv() {
        match event {
            KeeperEvent::Reload => keeper.retain(&used)?,
            KeeperEvent::Reopen => open_logs(&keeper, &config)?,
            KeeperEvent::Quit | KeeperEvent::Stop | KeeperEvent::Gone => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The access logs, opened through the keeper: they may be root's.
fn open_logs(keeper: &KeeperClient, config: &Config) -> anyhow::Result<()> {
    for log in &config.log.access {
        keeper.open(&log.path, OpenMode::Append)?;
    }
    Ok(())
}

fn answer(mut client: TcpStream) {
    let mut head = [0; 4096];
    if client.read(&mut head).is_ok() {
        let _ = client
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
    }
}
