//! The HTTP/1 corpus run against us, nginx, HAProxy and Caddy, as a table: `cargo run --bin http1_peers [-- --all]`.
//!
//! Each peer stands before the same recording origin in its default strictness. A case is `ok` where its outcome is one
//! that the rule allows; what reached the origin in two readings is marked `!`. Without `--all` only rows are printed in
//! which somebody differs from what is allowed.

use seawall_tests::{
    Edge,
    conformance::{
        Peer, Recorder, Version,
        http1::{Case, Outcome, cases, run},
    },
};
use std::net::SocketAddr;

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
    let peers = Peer::all(directory.path(), Version::Http1);
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
