//! The HTTP/2 corpus run against us, nginx, HAProxy and Caddy, as a table: `cargo run --bin http2_peers [-- --all]`.
//!
//! Each peer stands before the same recording origin in its default strictness and is spoken to by prior knowledge. What
//! the rule does not allow is marked `!`. Without `--all` only rows are printed in which somebody differs from what is
//! allowed. (nginx and Caddy announce frames larger than those that are "longer than allowed" here.) With `HTTP2_SERVER=ADDRESS` that server stands in the table in place of the three, before the origin at
//! `HTTP2_ORIGIN`, which it must pass requests for `a.test` on to.

use seawall_tests::{
    Edge,
    conformance::{
        Peer, Recorder, Version,
        http2::{Case, Outcome, cases, run},
    },
};
use std::net::SocketAddr;

/// What came of a case in a few letters, and whether it is allowed.
fn verdict(case: &Case, server: SocketAddr, recorder: &Recorder) -> (String, bool) {
    match run(case, server, recorder) {
        Ok(outcome) => {
            let text = match outcome {
                Outcome::GoAway(code) => format!("GOAWAY {code}"),
                Outcome::Reset(code) => format!("RST {code}"),
                Outcome::Refused(status) => status.to_string(),
                Outcome::Passed => "passed".into(),
                Outcome::Ignored => "ignored".into(),
                Outcome::Closed => "closed".into(),
            };
            (text, case.allowed.contains(&outcome))
        }
        Err(why) => (why, false),
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
    let mut servers = vec![("seawall", edge.address("http"), &ours)];
    let (peers, other);
    if let Ok(server) = std::env::var("HTTP2_SERVER") {
        let origin = std::env::var("HTTP2_ORIGIN").expect("HTTP2_ORIGIN");
        other = Recorder::at(origin.parse().expect("an address"));
        servers.push(("other", server.parse().expect("an address"), &other));
    } else {
        peers = Peer::all(directory.path(), Version::Http2);
        servers.extend(peers.iter().map(|p| (p.name, p.address, &p.recorder)));
    }
    let names: Vec<_> = servers.iter().map(|s| s.0).collect();
    let rule = "---|".repeat(servers.len());
    let mut allowed = vec![0; servers.len()];
    println!("| case | rule | {} |\n|---|---|{rule}", names.join(" | "));
    for case in cases() {
        let row: Vec<_> = servers
            .iter()
            .map(|(_, address, recorder)| verdict(case, *address, recorder))
            .collect();
        for (count, (_, ok)) in allowed.iter_mut().zip(&row) {
            *count += usize::from(*ok);
        }
        if every || row.iter().any(|(_, ok)| !ok) {
            let cells: Vec<_> = row
                .iter()
                .map(|(text, ok)| format!("{text}{}", if *ok { "" } else { " **!**" }))
                .collect();
            let (name, section) = (case.name, case.section);
            println!("| {name} | {section} | {} |", cells.join(" | "));
        }
    }
    let counts: Vec<_> = allowed.iter().map(usize::to_string).collect();
    let all = cases().count();
    println!("\n| of {all} | {} |\n|---|{rule}", names.join(" | "));
    println!("| allowed | {} |", counts.join(" | "));
}
