//! `seawall demo`: the whole edge in front of the bundled shop, on high ports of the loopback.
//!
//! It starts two children and watches them: the shop (`origin-demo all`) and a daemon (`seawall run`) with a copy of
//! the sample configuration. They are stopped by their pids, the edge first so that it drains while the shop is there.

use crate::terminal;
use anyhow::{Context, bail};
use seawall_sys::signals::{self, Arrived, Signal, Signals, wait_readable};
use std::{
    fmt, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

/// The configuration and the zone, as they are installed for reading.
const CONFIGURATION: &str = include_str!("../../../conf/samples/demo.yaml");
const ZONE: &str = include_str!("../../../conf/samples/shop.test.zone");
/// How long the shop may take to fill its database and its search index.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// How long children may take to end before they are killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const EDGE: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

/// Runs the demo with its files under `state`: starts the demo origin's processes, writes a configuration for them and
/// serves it until interrupted.
///
/// # Errors
/// When a file cannot be written, a child cannot be started, or nothing answers in time.
pub fn run(state: &Path) -> anyhow::Result<ExitCode> {
    let watched = Signals::watch(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD])?;
    fs::create_dir_all(state).with_context(|| format!("cannot make {}", state.display()))?;
    let state = state.canonicalize()?;
    let configuration = write_once(&state, "seawall.yaml", CONFIGURATION)?;
    write_once(&state, "shop.test.zone", ZONE)?;
    say(format_args!(
        "starting the shop (web twice, api, worker, search) ...\n"
    ));
    let mut children = Children::default();
    children.start(
        "origin-demo",
        Command::new(beside("origin-demo")?)
            .args(["all", "--edge", "http://127.0.0.1:8080", "--state"])
            .arg(state.join("shop")),
    )?;
    say(format_args!(
        "starting the edge with {} ...\n",
        configuration.display()
    ));
    let daemon = std::env::current_exe()?;
    children.start(
        "seawall",
        Command::new(daemon).args(["run", "-c"]).arg(&configuration),
    )?;
    let began = Instant::now();
    let mut ready = false;
    loop {
        // Until all is ready the shop is asked twice a second; from then on only a signal wakes us.
        let wait = if ready {
            None
        } else {
            Some(Duration::from_millis(500))
        };
        wait_readable(&[watched.as_fd()], wait)?;
        while let Some(Arrived { signal, .. }) = watched.next()? {
            if signal != Signal::SIGCHLD {
                say(format_args!("stopping ...\n"));
                return Ok(children.stop());
            }
        }
        if let Some(name) = children.ended() {
            children.stop();
            bail!(
                "{name} has ended; what it said is above, and in {}",
                state.display()
            );
        }
        if !ready && shop_answers() {
            ready = true;
            introduce(&state, began.elapsed());
        }
        if !ready && began.elapsed() > READY_LIMIT {
            children.stop();
            bail!("the shop did not answer within {} s", READY_LIMIT.as_secs());
        }
    }
}

/// Writes a file unless it is there: what a person changed in it stays.
fn write_once(state: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = state.join(name);
    if !path.exists() {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

/// A program that is installed beside this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is missing: build it with `cargo build -p origin-demo`, or use `make demo`",
            path.display()
        );
    }
    Ok(path)
}

/// Whether the shop answers through the edge.
fn shop_answers() -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream =
            TcpStream::connect_timeout(&SocketAddr::from(EDGE), Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

fn introduce(state: &Path, took: Duration) {
    let state = state.display();
    say(format_args!(
        "
ready after {:.1} s

  a browser                http://shop.localhost:8080
  TLS, internal CA         curl --resolve shop.test:8443:127.0.0.1 --cacert {state}/ca/ca.pem https://shop.test:8443/
  DNS by health            dig @127.0.0.1 -p 5353 shop.test
  the cache, twice         curl -sI http://shop.localhost:8080/ | grep -i cache-status
  the WAF                  curl -i \"http://shop.localhost:8080/search?q=%27%20or%201%3D1--\"
  metrics, status          http://127.0.0.1:9180/metrics   http://127.0.0.1:9180/
  a new price, at once     curl -H 'content-type: application/json' -d '{{\"price_cents\": 100}}' http://127.0.0.1:7010/products/1
  what is in the cache     seawall cache show http://shop.localhost:8080/products/1 --admin unix:{state}/admin.sock
  purge                    seawall purge http://shop.localhost:8080/ --admin unix:{state}/admin.sock
  mail of an order         ls {state}/shop/maildir/new
  break it and mend it     edit {state}/seawall.yaml; watch {state}/error.log

Ctrl-C stops everything.
",
        took.as_secs_f64()
    ));
}

/// What cannot be said is no reason to stop serving.
fn say(text: fmt::Arguments<'_>) {
    let _ = terminal::out(text);
}

#[derive(Default)]
struct Children(Vec<(&'static str, Child)>);

impl Children {
    fn start(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        seawall_sys::process::unblock_signals(command);
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.0.push((name, child));
        Ok(())
    }

    /// A child that has ended.
    fn ended(&mut self) -> Option<&'static str> {
        self.0
            .iter_mut()
            .find_map(|(name, child)| matches!(child.try_wait(), Ok(Some(_))).then_some(*name))
    }

    /// Ends them, the last one first.
    fn stop(&mut self) -> ExitCode {
        while let Some((_, mut child)) = self.0.pop() {
            // A child that has ended already is only waited for.
            let _ = signals::send(child.id(), Signal::SIGTERM);
            let until = Instant::now() + STOP_LIMIT;
            while matches!(child.try_wait(), Ok(None)) {
                if Instant::now() > until {
                    let _ = child.kill();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        ExitCode::SUCCESS
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}
