//! What a connection costs while it waits for its next request.

use crate::alone;
use seawall_tests::{Client, Edge, process};

/// The bar, KiB of resident memory for a connection.
const BAR_KIB: f64 = 4.0;

const FIXED: &str = "sites: [{ host: a.test, respond: { status: 200, body: fixed } }]";

/// So many connections that have each been answered once.
fn answered(edge: &seawall_tests::Running, count: usize) -> Vec<Client> {
    (0..count)
        .map(|_| {
            let mut client = edge.client();
            assert_eq!(client.get("a.test", "/").status, 200);
            client
        })
        .collect()
}

#[test]
fn an_idle_connection_costs_at_most_four_kib() {
    let _alone = alone();
    let files = process::raise_open_files();
    // Ours and the daemon's, each under the same limit.
    let count = 5_000.min(files as usize - 500);
    let edge = Edge::yaml(FIXED).start();
    // What the first ones allocate stays for all that follow.
    let first = answered(&edge, 100);
    let before = process::resident_kib(edge.worker());
    let held = answered(&edge, count);
    let after = process::resident_kib(edge.worker());
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!(
        "{count} idle connections: {before} KiB before, {after} KiB after, {each:.2} KiB each"
    );
    assert_eq!(edge.metric("seawall_connections"), (count + 100) as u64);
    assert!(each <= BAR_KIB, "{each:.2} KiB for a connection");
    drop((first, held));
}
