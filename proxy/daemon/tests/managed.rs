//! Under a service manager: it hears that we are up, and a port that is taken is waited for.

mod support;

use std::{net::TcpListener, os::unix::net::UnixDatagram};
use support::{Place, get, managed, signal, until};

/// What a manager was told, up to a message that holds this.
fn told(manager: &UnixDatagram, text: &str) -> String {
    let mut bytes = [0; 2048];
    loop {
        let n = manager
            .recv(&mut bytes)
            .unwrap_or_else(|e| panic!("waited in vain for {text}: {e}"));
        let said = String::from_utf8_lossy(&bytes[..n]).into_owned();
        if said.contains(text) {
            return said;
        }
    }
}

#[test]
fn it_hears_that_we_are_up_alive_upgraded_and_ending() {
    let place = Place::new("");
    let (manager, daemon) = managed(&place);
    assert!(told(&manager, "READY=1").contains("STATUS=serving"));
    told(&manager, "WATCHDOG=1");
    signal(daemon.pid(), "USR2");
    told(&manager, "READY=1");
    told(&manager, "WATCHDOG=1");
    signal(daemon.pid(), "TERM");
    told(&manager, "STOPPING=1");
    assert!(daemon.wait().success());
}

#[test]
fn a_taken_port_leaves_the_daemon_up_names_its_holder_and_is_taken_once_it_is_free() {
    let place = Place::new("");
    let holder = TcpListener::bind(place.address).unwrap();
    let (manager, daemon) = managed(&place);
    let said = told(&manager, "degraded");
    assert!(said.contains(&place.address.to_string()), "{said}");
    assert!(
        said.contains(&format!("(process {}, user ", std::process::id())),
        "{said}"
    );
    daemon.logged("it is tried again");
    // A reload is no reason to give up what is waited for.
    signal(daemon.pid(), "HUP");
    daemon.logged("configuration is live");
    drop(holder);
    told(&manager, "STATUS=serving");
    until("an answer", || get(place.address).ok());
    // The line is written once the socket is handed out: the first answer may be sooner.
    daemon.logged(&format!("listening on {} at last", place.address));
}
