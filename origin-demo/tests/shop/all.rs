//! The whole shop from one command.

use crate::{
    harness::{command, signal, until},
    http::Request,
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

struct All {
    child: Child,
    web: Vec<SocketAddr>,
    state: tempfile::TempDir,
}

/// All five at once, so that they are five.
fn five() -> Vec<TcpListener> {
    (0..5)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect()
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    listeners.iter().map(address).collect()
}

/// The whole shop on api, search, worker and two web addresses.
fn all(state: &Path, on: &[SocketAddr]) -> Command {
    let (api, search) = (format!("http://{}", on[0]), format!("http://{}", on[1]));
    let (worker, web) = (on[2].to_string(), format!("{},{}", on[3], on[4]));
    let args = [
        "--api",
        &api,
        "--search",
        &search,
        "--worker",
        &worker,
        "--web",
        &web,
        "--products",
        "40",
    ];
    command("all", state, &args)
}

impl All {
    fn open() -> Self {
        let state = tempfile::tempdir().unwrap();
        let held = five();
        let free = addresses(&held);
        drop(held);
        let mut child = all(state.path(), &free).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert!(
            lines.any(|line| line.starts_with("the shop is ready after ")),
            "it ended before it was ready"
        );
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            web: free[3..].to_vec(),
            state,
        }
    }

    fn pids(&self) -> HashMap<String, i32> {
        let text = std::fs::read_to_string(self.state.path().join("pids")).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, pid)| (name.into(), pid.parse().unwrap()))
            .collect()
    }
}

impl Drop for All {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not running any more: gone, or only waiting to be reaped.
fn is_dead(pid: i32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.map_or(true, |stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

#[test]
fn it_starts_everything_revives_what_is_killed_and_stops_everything() {
    let mut all = All::open();
    let pids = all.pids();
    assert_eq!(pids.len(), 5, "{pids:?}");
    for web in &all.web {
        assert_eq!(Request::get("/search?q=mug").send(*web).status, 200);
    }
    signal(pids["web-1"], "KILL");
    until("another takes its place", || {
        all.pids()
            .get("web-1")
            .is_some_and(|pid| *pid != pids["web-1"])
    });
    until("and answers", || TcpStream::connect(all.web[0]).is_ok());
    let pids = all.pids();
    signal(all.child.id() as i32, "TERM");
    assert!(all.child.wait().unwrap().success());
    assert!(pids.values().all(|pid| is_dead(*pid)));
}

#[test]
fn its_children_die_with_it_however_it_dies() {
    let mut all = All::open();
    let pids = all.pids();
    all.child.kill().unwrap();
    all.child.wait().unwrap();
    until("no child is left", || {
        pids.values().all(|pid| is_dead(*pid))
    });
}

/// Says yes to everything, as a shop that was left running would.
fn impostor(listener: TcpListener) {
    for mut stream in listener.incoming().map_while(Result::ok) {
        thread::spawn(move || {
            let mut asked = [0; 4096];
            while stream.read(&mut asked).is_ok_and(|n| n > 0) {
                let said =
                    "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\norigin-demo 0.1.0 web, pid 12\n";
                if stream.write_all(said.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

#[test]
fn somebody_else_on_a_port_is_not_announced_and_ends_it_with_one_line() {
    let state = tempfile::tempdir().unwrap();
    let mut held = five();
    let on = addresses(&held);
    let taken = held.pop().unwrap();
    drop(held);
    thread::spawn(move || impostor(taken));
    let output = all(state.path(), &on)
        .env("RUST_BACKTRACE", "1")
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert!(!said.contains("web-2 ready"), "{said}");
    assert!(!said.contains("the shop is ready"), "{said}");
    let reason = format!(
        "origin-demo: cannot listen on {}: Address already in use",
        on[4]
    );
    assert!(complained.contains(&reason), "{complained}");
    assert_eq!(
        complained.lines().last(),
        Some("origin-demo: web-2 does not stay up")
    );
    assert!(
        !complained.to_lowercase().contains("backtrace"),
        "{complained}"
    );
}
