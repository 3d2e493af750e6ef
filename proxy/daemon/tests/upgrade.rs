//! USR2: another binary takes over as the same process, or the old one serves on.

mod support;

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use support::{Place, SEAWALL, alive, ask, get, signal, until};

/// A binary of our own to replace, and a daemon started from it.
struct Installed {
    place: Place,
    binary: PathBuf,
}

impl Installed {
    fn new() -> Self {
        let place = Place::new("");
        let binary = place.path("seawall");
        copy(SEAWALL.as_ref(), &binary);
        Self { place, binary }
    }

    /// The daemon, from that binary.
    fn start(&self) -> Child {
        Command::new(&self.binary)
            .args(["run", "-c"])
            .arg(self.place.config())
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// As a package manager does it: the new file takes the place of the old one, whose text is busy.
    fn replace(&self, text: &str) {
        let (written, next) = (self.place.path("written"), self.place.path("next"));
        fs::write(&written, text).unwrap();
        copy(&written, &next);
        fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(next, &self.binary).unwrap();
    }
}

/// By another process: a child of this one, forked meanwhile by another test, would hold a file that we wrote open, and a
/// program that somebody writes to cannot be started.
fn copy(from: &Path, to: &Path) {
    assert!(
        Command::new("cp")
            .arg(from)
            .arg(to)
            .status()
            .unwrap()
            .success()
    );
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[test]
fn the_new_binary_is_the_same_process_and_idle_connections_may_ask_once_more() {
    let place = Place::new("");
    let daemon = place.start();
    let before = daemon.worker();
    let mut idle = TcpStream::connect(place.address).unwrap();
    assert!(ask(&mut idle).starts_with("HTTP/1.1 200"));
    signal(daemon.pid(), "USR2");
    daemon.logged("serves\n");
    assert_eq!(
        place.pid(),
        Some(daemon.pid()),
        "the keeper has its number still"
    );
    until("an answer that closes", || {
        let answer = ask(&mut idle).to_lowercase();
        assert!(answer.starts_with("http/1.1 200"), "{answer}");
        answer.contains("connection: close").then_some(())
    });
    let now = until("one worker, another", || match children(daemon.pid())[..] {
        [one] if one != before => Some(one),
        _ => None,
    });
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    // What is a keeper after it: it reloads, replaces its worker, upgrades again, and ends.
    signal(daemon.pid(), "HUP");
    daemon.logged("configuration is live");
    signal(now, "KILL");
    until("its death", || (!alive(now)).then_some(()));
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    signal(daemon.pid(), "USR2");
    until("a second upgrade", || {
        (place.log().matches("serves\n").count() == 2).then_some(())
    });
    signal(daemon.pid(), "QUIT");
    assert!(daemon.wait().success());
    assert!(!place.path("seawall.pid").exists());
    let log = place.log();
    assert!(
        log.contains(&format!("worker process {before} exited with code 0")),
        "{log}"
    );
}

#[test]
fn a_binary_that_cannot_serve_is_refused_and_the_old_one_serves_on() {
    let installed = Installed::new();
    let place = &installed.place;
    let child = installed.start();
    let pid = child.id();
    let daemon = place.watching(child);
    let worker = daemon.worker();
    let binaries = [
        (
            "#!/bin/sh\necho cannot, alas >&2\nexit 1\n",
            "upgrade: cannot, alas",
        ),
        ("not a program", "upgrade: the new binary cannot serve this"),
    ];
    for (refused, (text, expected)) in (1..).zip(binaries) {
        installed.replace(text);
        signal(pid, "USR2");
        until("the refusal", || {
            (place.log().matches("upgrade: refused").count() == refused).then_some(())
        });
        daemon.logged(expected);
        assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(children(pid), [worker]);
    }
}

#[test]
fn a_new_worker_that_dies_before_it_serves_changes_nothing() {
    let installed = Installed::new();
    let place = &installed.place;
    let child = installed.start();
    let pid = child.id();
    let daemon = place.watching(child);
    let worker = daemon.worker();
    let good = fs::read_to_string(place.config()).unwrap();
    // It finds nothing to complain of, and its worker does.
    installed.replace(&format!(
        "#!/bin/sh\n[ \"$1\" != upgrade-check ] || exit 0\nexec {SEAWALL} \"$@\"\n"
    ));
    fs::write(place.config(), "version: 1\nnonsense: 1\n").unwrap();
    daemon.logged("the configuration was not reloaded");
    signal(pid, "USR2");
    daemon.logged(&format!(
        "worker process {worker} of the program before serves on"
    ));
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(children(pid), [worker]);
    fs::write(place.config(), good).unwrap();
    let lives = place.log().matches("configuration is live").count();
    signal(pid, "HUP");
    until("a reload", || {
        (place.log().matches("configuration is live").count() > lives).then_some(())
    });
    // Mended, it takes over.
    signal(pid, "USR2");
    daemon.logged("serves\n");
    until("the old worker's end", || (!alive(worker)).then_some(()));
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
}
