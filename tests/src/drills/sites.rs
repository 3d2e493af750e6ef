//! A reload of very many sites under load, beside nginx's of an equal file.

use crate::{
    Client, Edge, Origin, Running, eventually,
    load::{Habit, Load},
    php::Nginx,
    process,
};
use nix::sys::signal::Signal;
use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

/// Reloads by one server.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// From the command until a new connection is answered by the new configuration, each.
    pub times: Vec<Duration>,
    /// Requests meanwhile.
    pub requests: usize,
    /// Of them, those that failed.
    pub failed: usize,
    /// Resident memory of the process that serves, KiB, after all.
    pub resident_kib: u64,
}

impl Served {
    /// The median.
    pub fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }
}

/// Side by side.
#[derive(Debug)]
pub struct Sites {
    /// How many.
    pub sites: usize,
    /// We, with YAML.
    pub yaml: Served,
    /// We, with nginx's file.
    pub conf: Served,
    /// nginx.
    pub nginx: Served,
}

fn yaml(sites: usize, version: usize, origin: SocketAddr) -> String {
    let mut text = format!(
        "pools: {{ p: {{ servers: [\"{origin}\"] }} }}\nsites:\n  - {{ host: a.test, respond: {{ status: 200, body: \"{version}\" }} }}\n"
    );
    for n in 0..sites {
        text += &format!("  - {{ host: s{n}.test, to: p }}\n");
    }
    text
}

/// The content of `http {}`.
fn conf(sites: usize, version: usize, listen: SocketAddr, origin: SocketAddr) -> String {
    let mut text = format!(
        "server_names_hash_max_size 65536; server_names_hash_bucket_size 128; access_log off;\n\
         upstream p {{ server {origin}; }}\n\
         server {{ listen {listen}; server_name a.test; location / {{ return 200 \"{version}\"; }} }}\n"
    );
    for n in 0..sites {
        text += &format!(
            "server {{ listen {listen}; server_name s{n}.test; location / {{ proxy_pass http://p; }} }}\n"
        );
    }
    text
}

/// Waits until a new connection is answered by that version; how long that took.
fn until_live(address: SocketAddr, version: usize) -> Duration {
    let began = Instant::now();
    let expected = version.to_string();
    eventually("the new configuration", || {
        let mut client = Client::try_connect(address).ok()?;
        client
            .try_send("GET /who HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            .ok()?;
        (client.try_response().ok()?.text() == expected).then_some(())
    });
    began.elapsed()
}

fn reload_all(address: SocketAddr, count: usize, mut reload: impl FnMut(usize)) -> Served {
    let habit = |fresh| Habit {
        target: "/who",
        fresh,
    };
    let load = Load::with(address, &[habit(false), habit(true)]);
    let mut served = Served::default();
    for version in 1..=count {
        load.more(100);
        reload(version);
        served.times.push(until_live(address, version));
    }
    load.more(100);
    let shots = load.end();
    served.requests = shots.len();
    served.failed = shots.iter().filter(|shot| shot.is_error()).count();
    served
}

fn ours(edge: &Running, count: usize, text: impl Fn(usize) -> String) -> Served {
    let mut served = reload_all(edge.address("http"), count, |version| {
        edge.rewrite(text(version));
        edge.signal(Signal::SIGHUP);
    });
    served.resident_kib = process::resident_kib(edge.worker());
    served
}

/// Waits until whoever served there before has let go.
fn until_free(address: SocketAddr) {
    eventually("the address to be free", || {
        std::net::TcpStream::connect(address).is_err().then_some(())
    });
}

fn theirs(
    directory: &Path,
    address: SocketAddr,
    count: usize,
    text: impl Fn(usize) -> String,
) -> Served {
    until_free(address);
    let log = || std::fs::read_to_string(directory.join("peer.log")).unwrap_or_default();
    let mut nginx = Nginx::start(directory, address, &text(0));
    let mut served = reload_all(address, count, |version| {
        assert!(nginx.is_alive(), "nginx ended: {}", log());
        nginx.rewrite(directory, &text(version));
        // As `nginx -s reload` does, without the time that this takes to read the file once more.
        process::signal(nginx.pid(), Signal::SIGHUP);
    });
    assert!(nginx.is_alive(), "nginx ended: {}", log());
    served.resident_kib = process::children(nginx.pid())
        .last()
        .map_or(0, |worker| process::resident_kib(*worker));
    served
}

/// Reloads of so many sites, so often each.
///
/// # Panics
/// When one does not go live.
pub fn many_sites(sites: usize, count: usize) -> Sites {
    let origin = Origin::start();
    let origin = origin.address();
    let edge = Edge::yaml(yaml(sites, 0, origin)).start();
    let by_yaml = ours(&edge, count, |version| yaml(sites, version, origin));
    drop(edge);
    let edge = Edge::nginx("");
    let http = edge.address("http");
    let whole = |version| {
        format!(
            "events {{}}\nhttp {{\n{}}}\n",
            conf(sites, version, http, origin)
        )
    };
    edge.rewrite(whole(0));
    let edge = edge.start();
    let by_conf = ours(&edge, count, whole);
    drop(edge);
    let place = tempfile::tempdir().expect("a directory");
    let nginx = theirs(place.path(), http, count, |version| {
        conf(sites, version, http, origin)
    });
    Sites {
        sites,
        yaml: by_yaml,
        conf: by_conf,
        nginx,
    }
}
