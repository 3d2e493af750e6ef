//! The HTTP/1 corpus run against us, nginx, HAProxy and Caddy, as a table: `cargo run --bin http1_peers [-- --all]`.
//!
//! Each peer stands before the same recording origin in its default strictness. A case is `ok` where its outcome is one
//! that the rule allows; what reached the origin in two readings is marked `!`. Without `--all` only rows are printed in
//! which somebody differs from what is allowed.

use seawall_tests::{
    Edge, PATIENCE,
    conformance::{
        Recorder,
        http1::{Case, Outcome, cases, run},
    },
    free_address,
};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A peer that is running; killed when dropped.
struct Peer {
    name: &'static str,
    address: SocketAddr,
    recorder: Recorder,
    process: Child,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type Configuration = fn(&Path, SocketAddr, SocketAddr) -> (String, Command);

fn peer(name: &'static str, directory: &Path, configure: Configuration) -> Peer {
    let (address, recorder) = (free_address(), Recorder::start());
    let (text, mut command) = configure(directory, address, recorder.address());
    fs::write(directory.join(name), text).expect("the peer's configuration");
    let process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{name}: {e} (packaging/dev/install.sh test)"));
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < PATIENCE, "{name} does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Peer {
        name,
        address,
        recorder,
        process,
    }
}

fn nginx(directory: &Path, listen: SocketAddr, origin: SocketAddr) -> (String, Command) {
    let at = directory.display();
    let text = format!(
        "daemon off; pid {at}/nginx.pid; error_log {at}/nginx.log; worker_processes 1; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
         uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; server {{ listen {listen}; server_name a.test;\n\
         location / {{ proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Host $host; }} }} }}\n"
    );
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx"));
    (text, command)
}

fn haproxy(directory: &Path, listen: SocketAddr, origin: SocketAddr) -> (String, Command) {
    let text = format!(
        "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 3s\n  timeout server 3s\n\
         frontend f\n  bind {listen}\n  default_backend b\nbackend b\n  server s {origin}\n"
    );
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(directory.join("haproxy"));
    (text, command)
}

fn caddy(directory: &Path, listen: SocketAddr, origin: SocketAddr) -> (String, Command) {
    let text = format!(
        "{{\n admin off\n auto_https off\n}}\nhttp://:{} {{\n bind {}\n reverse_proxy {origin}\n}}\n",
        listen.port(),
        listen.ip()
    );
    let mut command = Command::new("/usr/bin/caddy");
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(directory.join("caddy"))
        .env("HOME", directory)
        .env("XDG_DATA_HOME", directory)
        .env("XDG_CONFIG_HOME", directory);
    (text, command)
}

/// What came of a case in a few letters, and whether it is allowed.
fn verdict(case: &Case, server: SocketAddr, recorder: &Recorder) -> (String, bool) {
    let outcome = match run(case, server, recorder) {
        Ok(seen) => seen.outcome(case),
        Err(e) => Err(e.to_string()),
    };
    match outcome {
        Ok(outcome) => {
            let text = match outcome {
                Outcome::Refused(status) => status.to_string(),
                Outcome::Closed => "closed".into(),
                Outcome::Passed(n) => format!("{n} passed"),
                Outcome::Answered(n) => format!("{n} answered"),
                Outcome::Then(n, status) => format!("{n}, {status}"),
            };
            (text, case.allowed.contains(&outcome))
        }
        Err(why) if why.starts_with("the origin read") => ("ambiguous".into(), false),
        Err(_) => ("silent".into(), false),
    }
}

fn main() {
    let every = std::env::args().any(|a| a == "--all");
    let directory = tempfile::tempdir().expect("a directory");
    let ours = Recorder::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{}\" }}]",
        ours.address()
    ))
    .start();
    let peers = [
        peer("nginx", directory.path(), nginx),
        peer("haproxy", directory.path(), haproxy),
        peer("caddy", directory.path(), caddy),
    ];
    let mut servers = vec![("seawall", edge.address("http"), &ours)];
    servers.extend(peers.iter().map(|p| (p.name, p.address, &p.recorder)));
    let mut allowed = vec![0; servers.len()];
    let mut ambiguous = vec![0; servers.len()];
    println!("| case | rule | {} |", names(&servers));
    println!("|---|---|{}", "---|".repeat(servers.len()));
    for case in cases() {
        let row: Vec<_> = servers
            .iter()
            .map(|(_, address, recorder)| verdict(case, *address, recorder))
            .collect();
        for (at, (text, ok)) in row.iter().enumerate() {
            allowed[at] += usize::from(*ok);
            ambiguous[at] += usize::from(text == "ambiguous");
        }
        if every || row.iter().any(|(_, ok)| !ok) {
            let cells: Vec<_> = row
                .iter()
                .map(|(text, ok)| format!("{text}{}", if *ok { "" } else { " **!**" }))
                .collect();
            println!(
                "| {} | {} | {} |",
                case.name,
                case.section,
                cells.join(" | ")
            );
        }
    }
    let all = cases().count();
    println!(
        "\n| of {all} | {} |\n|---|{}",
        names(&servers),
        "---|".repeat(servers.len())
    );
    println!("| allowed | {} |", cells(&allowed));
    println!("| ambiguous at the origin | {} |", cells(&ambiguous));
}

fn names<T, U>(servers: &[(&str, T, U)]) -> String {
    servers.iter().map(|s| s.0).collect::<Vec<_>>().join(" | ")
}

fn cells(counts: &[usize]) -> String {
    counts
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(" | ")
}
