//! slowhttptest, as operators run it: slow heads, slow bodies and slow reading at once, and nobody else notices.

use crate::alone;
use seawall_tests::{Client, Edge, Origin, eventually, process};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Connections of each attack.
const CONNECTIONS: u64 = 600;
/// The most that a head or a body that trickles may cost, KiB of resident memory.
const SENDER_KIB: u64 = 128;
/// The same for a response that waits for its reader: 256 KiB read ahead (`buffering.memory`), and the buffers around it.
const READER_KIB: u64 = 512;

fn attack(mode: &[&str], url: &str) -> Child {
    Command::new("slowhttptest")
        .args(mode)
        .args([
            "-c",
            &CONNECTIONS.to_string(),
            "-r",
            "300",
            "-l",
            "12",
            "-i",
            "1",
        ])
        .args(["-p", "3", "-u", url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("slowhttptest (packaging/dev/install.sh test)")
}

#[test]
fn slow_heads_bodies_and_readers_harm_nobody_and_cost_little() {
    let _alone = alone();
    process::raise_open_files();
    let origin = Origin::start();
    origin.serve(
        "/large",
        "Content-Type: text/plain\r\n",
        &"x".repeat(1 << 20),
    );
    let edge = Edge::yaml(format!(
        "limits: {{ head_timeout: 5s }}\ndefaults: {{ timeouts: {{ client: 5s }} }}\n\
         sites: [{{ host: [a.test, 127.0.0.1], to: \"{origin}\" }}]"
    ))
    .start();
    let address = edge.address("http");
    let before = process::resident_kib(edge.worker());
    let mut attacks = [
        attack(&["-H"], &format!("http://{address}/")),
        attack(&["-B", "-s", "65536"], &format!("http://{address}/form")),
        attack(
            &[
                "-X", "-k", "3", "-w", "10", "-y", "20", "-n", "1", "-z", "8",
            ],
            &format!("http://{address}/large"),
        ),
    ];
    let mut healthy = Client::connect(address);
    let (mut served, mut longest, mut most, mut open) = (0, Duration::ZERO, before, 0);
    while attacks
        .iter_mut()
        .any(|a| a.try_wait().expect("its state").is_none())
    {
        let asked = Instant::now();
        assert_eq!(healthy.get("a.test", "/").status, 200);
        assert_eq!(Client::connect(address).get("a.test", "/").status, 200);
        longest = longest.max(asked.elapsed());
        served += 2;
        if served % 200 == 0 {
            most = most.max(process::resident_kib(edge.worker()));
            open = open.max(edge.metric("seawall_connections"));
        }
    }
    println!(
        "3 x {CONNECTIONS} slow connections, {open} open at most: {before} KiB before, {most} KiB at most; \
         healthy clients were answered {served} times, at the longest in {longest:?}"
    );
    // The attack was one: otherwise nothing was shown.
    assert!(open >= CONNECTIONS, "{open} connections were open");
    let cost = most.saturating_sub(before);
    assert!(
        cost <= CONNECTIONS * (2 * SENDER_KIB + READER_KIB),
        "{cost} KiB"
    );
    // Nothing of it stays: the healthy one and the metric's own reader at most.
    eventually("the slow connections are gone", || {
        (edge.metric("seawall_connections") <= 2).then_some(())
    });
    assert!(
        edge.metric("seawall_client_timeouts_total{waiting_for=\"head\"}") > 0,
        "slow heads are cut off"
    );
}
