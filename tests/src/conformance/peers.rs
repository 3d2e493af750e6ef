//! Other servers to run a corpus against, as Debian has them.

use super::Recorder;
use crate::{PATIENCE, free_address, process};
use nix::sys::signal::Signal;
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Which version a peer's clients speak; HTTP/2 by prior knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1
    Http1,
    /// HTTP/2
    Http2,
}

/// A peer that is running; killed when dropped.
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The origin it stands before.
    pub recorder: Recorder,
    process: Child,
}

impl Peer {
    /// nginx, HAProxy and Caddy, each in its default strictness, with their files in `directory`.
    ///
    /// # Panics
    /// When one is not installed or does not start.
    pub fn all(directory: &Path, version: Version) -> [Self; 3] {
        [
            peer("nginx", directory, version, nginx),
            peer("haproxy", directory, version, haproxy),
            peer("caddy", directory, version, caddy),
        ]
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its workers do not end with a master that is killed.
        let workers = process::children(self.process.id());
        let _ = self.process.kill();
        let _ = self.process.wait();
        for worker in workers {
            process::signal(worker, Signal::SIGKILL);
        }
    }
}

type Configuration = fn(&Path, Version, SocketAddr, SocketAddr) -> (String, Command);

fn peer(name: &'static str, directory: &Path, version: Version, configure: Configuration) -> Peer {
    let (address, recorder) = (free_address(), Recorder::start());
    let (text, mut command) = configure(directory, version, address, recorder.address());
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

fn nginx(
    directory: &Path,
    version: Version,
    listen: SocketAddr,
    origin: SocketAddr,
) -> (String, Command) {
    let http2 = version == Version::Http2;
    let at = directory.display();
    let text = format!(
        "daemon off; pid {at}/nginx.pid; error_log {at}/nginx.log; worker_processes 1; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
         uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; server {{ listen {listen}{}; server_name a.test;\n\
         location / {{ proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Host $host; }} }} }}\n",
        if http2 { " http2" } else { "" }
    );
    let mut command = Command::new("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx"));
    (text, command)
}

fn haproxy(
    directory: &Path,
    version: Version,
    listen: SocketAddr,
    origin: SocketAddr,
) -> (String, Command) {
    let http2 = version == Version::Http2;
    let text = format!(
        "global\n  maxconn 100\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 3s\n  timeout server 3s\n\
         frontend f\n  bind {listen}{}\n  default_backend b\nbackend b\n  server s {origin}\n",
        if http2 { " proto h2" } else { "" }
    );
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(directory.join("haproxy"));
    (text, command)
}

fn caddy(
    directory: &Path,
    version: Version,
    listen: SocketAddr,
    origin: SocketAddr,
) -> (String, Command) {
    let http2 = version == Version::Http2;
    let text = format!(
        "{{\n admin off\n auto_https off\n{}}}\nhttp://:{} {{\n bind {}\n reverse_proxy {origin}\n}}\n",
        if http2 {
            " servers {\n  protocols h1 h2c\n }\n"
        } else {
            ""
        },
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
