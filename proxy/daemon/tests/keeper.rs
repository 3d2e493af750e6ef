//! The keeper with real processes: what an operator does to a daemon, and what fate does.

mod support;

use std::{fs, net::TcpStream, process::Command};
use support::{Place, SEAWALL, alive, get, signal, text, until};

#[test]
fn a_killed_worker_is_replaced_and_no_port_is_lost() {
    let place = Place::new("");
    let daemon = place.start();
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    for _ in 0..3 {
        let worker = daemon.worker();
        signal(worker, "KILL");
        until("its death", || (!alive(worker)).then_some(()));
        // The socket is the keeper's: this client waits in its queue until the next worker is up, and needs no retry.
        assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
        daemon.logged(&format!(
            "[alert] {0}#{0}: worker process {worker} exited on signal 9",
            daemon.pid()
        ));
    }
    assert_eq!(place.pid(), Some(daemon.pid()), "the keeper is the same");
}

#[test]
fn quit_drains_and_takes_the_pid_file_away() {
    let place = Place::new("");
    let daemon = place.start();
    let worker = daemon.worker();
    signal(daemon.pid(), "QUIT");
    assert!(daemon.wait().success());
    assert!(!alive(worker));
    assert!(!place.path("seawall.pid").exists());
    assert!(TcpStream::connect(place.address).is_err());
    let log = place.log();
    assert!(log.contains("(SIGQUIT) received from"), "{log}");
    assert!(
        log.contains(&format!("worker process {worker} exited with code 0")),
        "{log}"
    );
}

#[test]
fn term_and_int_end_at_once() {
    for name in ["TERM", "INT"] {
        let place = Place::new("");
        let daemon = place.start();
        signal(daemon.pid(), name);
        assert!(daemon.wait().success(), "{name}");
        assert!(!place.path("seawall.pid").exists());
    }
}

#[test]
fn a_worker_that_hangs_is_killed_at_the_deadline() {
    let place = Place::new("");
    let daemon = place.start();
    let worker = daemon.worker();
    signal(worker, "STOP");
    signal(daemon.pid(), "TERM");
    assert!(daemon.wait().success());
    assert!(!alive(worker));
    assert!(place.log().contains(&format!(
        "worker process {worker} did not end in time and is killed"
    )));
}

#[test]
fn hup_reloads_in_the_same_worker() {
    let place = Place::new("");
    let daemon = place.start();
    let worker = daemon.worker();
    signal(daemon.pid(), "HUP");
    daemon.logged("reconfiguring");
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(daemon.worker(), worker);
}

#[test]
fn usr1_goes_on_in_a_new_log_file() {
    let place = Place::new("");
    let daemon = place.start();
    fs::rename(place.path("error.log"), place.path("error.log.1")).unwrap();
    signal(daemon.pid(), "USR1");
    until("the new log", || {
        place.path("error.log").exists().then_some(())
    });
    // The new file is there before what was said last is in the old one.
    until("the last line of the old log", || {
        let old = fs::read_to_string(place.path("error.log.1")).unwrap();
        old.contains("reopening logs").then_some(())
    });
}

#[test]
fn a_second_daemon_is_told_that_the_address_is_in_use() {
    let place = Place::new("");
    let _first = place.start();
    let second = Place::new("");
    let theirs = fs::read_to_string(second.config()).unwrap();
    let ours = theirs.replace(&second.address.to_string(), &place.address.to_string());
    fs::write(second.config(), ours).unwrap();
    let output = second.seawall(&["run", "-c", "seawall.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let expected = format!(
        "bind() to {} failed (98: Address already in use)",
        place.address
    );
    // Whoever holds it is named: this user's own process, or any to root.
    let words = expected.trim_end_matches(')');
    assert!(
        said.starts_with(&format!("seawall: {words}; held by seawall (process ")),
        "{said}"
    );
    assert!(second.log().contains(words));
    assert!(!second.path("seawall.pid").exists());
    assert!(
        get(place.address).unwrap().starts_with("HTTP/1.1 200"),
        "the first one serves on"
    );
}

#[test]
fn a_worker_whose_keeper_was_killed_lets_go_of_the_port() {
    let place = Place::new("");
    let mut daemon = place.start();
    let worker = daemon.worker();
    daemon.kill();
    until("the worker's end", || (!alive(worker)).then_some(()));
    assert!(TcpStream::connect(place.address).is_err());
    // Its successor starts although the pid file of the dead one is still there.
    let next = Command::new(SEAWALL)
        .args(["run", "-c"])
        .arg(place.config())
        .spawn()
        .unwrap();
    until("the successor", || {
        (place.pid() == Some(next.id())).then_some(())
    });
    signal(next.id(), "TERM");
    let mut next = next;
    assert!(next.wait().unwrap().success());
}

#[test]
fn in_the_background_the_command_returns_when_the_daemon_serves() {
    let place = Place::new(", daemon: true");
    let output = place.seawall(&["run", "-c", "seawall.yaml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let pid = place
        .pid()
        .expect("the pid file is written before the command returns");
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
    let output = place.seawall(&["stop", "-c", "seawall.yaml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    until("the daemon's end", || (!alive(pid)).then_some(()));
    assert!(!place.path("seawall.pid").exists());
}

#[test]
fn in_the_background_a_failure_is_the_commands_failure() {
    let place = Place::new(", daemon: true");
    let taken = std::net::TcpListener::bind(place.address).unwrap();
    let output = place.seawall(&["run", "-c", "seawall.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("98: Address already in use"),
        "{}",
        text(&output.stderr)
    );
    drop(taken);
}

#[test]
fn started_as_root_the_worker_is_somebody_else_and_the_keeper_is_not() {
    if fs::metadata("/proc/self")
        .map(|m| std::os::unix::fs::MetadataExt::uid(&m))
        .ok()
        != Some(0)
    {
        return;
    }
    let place = Place::new(", user: nobody");
    let daemon = place.start();
    let field = |pid: u32, name: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned();
        line.split_whitespace()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let worker = daemon.worker();
    assert_eq!(field(daemon.pid(), "Uid:"), ["0"; 4]);
    assert!(field(worker, "Uid:").iter().all(|uid| uid == "65534"));
    assert!(field(worker, "Gid:").iter().all(|gid| gid == "65534"));
    assert!(field(worker, "Groups:").iter().all(|gid| gid == "65534"));
    assert_eq!(field(worker, "CapEff:"), ["0000000000000000"]);
    assert_eq!(field(worker, "NoNewPrivs:"), ["1"]);
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 200"));
}

/// Started as root the worker is `nobody`, and reads what only root may read through the keeper; as somebody else it is
/// ourselves, and the same holds.
#[test]
fn a_configuration_for_its_owner_alone_is_served_and_reloaded() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    let place = Place::new("");
    let write = |name: &str, text: &str| {
        fs::write(place.path(name), text).unwrap();
        fs::set_permissions(place.path(name), Permissions::from_mode(0o600)).unwrap();
    };
    let directory = place.directory.path().display();
    let main = format!(
        "daemon off;\nuser nobody;\nworker_processes 1;\npid {directory}/seawall.pid;\n\
         error_log {directory}/error.log notice;\nevents {{}}\n\
         http {{ access_log off; include sites.d/*.conf; }}\n"
    );
    let site = |status: u16, name: &str| {
        format!(
            "server {{ listen {}; server_name {name}; return {status}; }}\n",
            place.address
        )
    };
    fs::create_dir(place.path("sites.d")).unwrap();
    write("nginx.conf", &main);
    write("sites.d/a.conf", &site(202, "other.test"));
    let daemon = place.start_with("nginx.conf");
    let worker = daemon.worker();
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 202"));
    // A file that was not there at the start.
    write("sites.d/b.conf", &site(203, "a.test"));
    signal(daemon.pid(), "HUP");
    until("the new site", || {
        get(place.address)
            .unwrap()
            .starts_with("HTTP/1.1 203")
            .then_some(())
    });
    // One with an error is read too, or nobody would learn which.
    write("sites.d/c.conf", "listn 80;\n");
    signal(daemon.pid(), "HUP");
    daemon.logged("unknown directive \"listn\"");
    daemon.logged("sites.d/c.conf:1");
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 203"));
    assert_eq!(daemon.worker(), worker);
    // And a worker that starts anew reads all of it.
    fs::remove_file(place.path("sites.d/c.conf")).unwrap();
    signal(worker, "KILL");
    until("its death", || (!alive(worker)).then_some(()));
    assert!(get(place.address).unwrap().starts_with("HTTP/1.1 203"));
}
