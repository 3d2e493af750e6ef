//! Ten thousand clients that send a byte a second.

use crate::alone;
use seawall_tests::{Client, Edge, Origin, process};
use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

/// The most that all of them may cost, KiB of resident memory for each: a connection, a request's state and the first
/// buffer of its head.
const BAR_KIB: u64 = 32;

#[test]
fn ten_thousand_slow_clients_do_not_keep_a_healthy_one_waiting() {
    let _alone = alone();
    let files = process::raise_open_files();
    // One descriptor each here and one in the daemon; a hard limit below that makes it fewer.
    let count = 10_000.min(files.saturating_sub(500) as usize);
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "limits: {{ head_timeout: 120s }}\nsites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let address = edge.address("http");
    let before = process::resident_kib(edge.worker());
    let mut slow: Vec<TcpStream> = (0..count)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    let head = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: slow";
    let mut healthy = Client::connect(address);
    let (mut served, mut longest) = (0, Duration::ZERO);
    // Rounds of a byte each, as fast as this client is answered in between: harder than once a second.
    for byte in head {
        for (n, stream) in slow.iter_mut().enumerate() {
            stream
                .write_all(&[*byte])
                .expect("a slow connection is not cut off");
            if n % 1000 == 0 {
                let asked = Instant::now();
                assert_eq!(healthy.get("a.test", "/").status, 200);
                longest = longest.max(asked.elapsed());
                served += 1;
            }
        }
    }
    let after = process::resident_kib(edge.worker());
    println!(
        "{count} slow connections (hard limit {files} files): {before} KiB before, {after} KiB after; \
         a healthy client was answered {served} times, at the longest in {longest:?}"
    );
    assert!(
        edge.metric("seawall_connections") >= count as u64,
        "all of them are still open"
    );
    assert!(
        after - before <= BAR_KIB * count as u64,
        "{} KiB",
        after - before
    );
    assert_eq!(
        origin.received().len(),
        served,
        "no slow request reached the origin"
    );
}
