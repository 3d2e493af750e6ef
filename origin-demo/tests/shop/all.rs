//! The whole shop from one command.

use crate::{
    harness::{command, signal, until},
    http::Request,
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Child,
    thread,
};

struct All {
    child: Child,
    web: Vec<SocketAddr>,
    state: tempfile::TempDir,
}

impl All {
    fn open() -> Self {
        let state = tempfile::tempdir().unwrap();
        // All five at once, so that they are five.
        let held: Vec<_> = (0..5)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let free: Vec<_> = held
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        drop(held);
        let (api, search) = (format!("http://{}", free[0]), format!("http://{}", free[1]));
        let (worker, web) = (free[2].to_string(), format!("{},{}", free[3], free[4]));
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
        let mut child = command("all", state.path(), &args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert!(
            lines.any(|line| line.starts_with("ready")),
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
