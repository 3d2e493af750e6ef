//! The drills with figures, as tables: `make drills`. The daemon is the one that is built beside this program.

use seawall_tests::{
    drills::{self, Scale},
    idle, soak,
};
use std::time::Duration;

const SCALE: Scale = Scale {
    connections: 16,
    requests: 5000,
    slow_start: Duration::from_secs(10),
};

fn table(title: &str, rows: &[(&str, String)]) {
    println!("\n### {title}\n\n| figure | value |\n|---|---:|");
    for (name, value) in rows {
        println!("| {name} | {value} |");
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// How long the cache is soaked, seconds: `SEAWALL_SOAK_S`, or this.
const SOAK_S: u64 = 60;

/// A byte count for people.
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

fn cache() {
    let large = soak::large(4 << 30, "64MiB");
    table(
        "A body of 4 GiB through a cache of 64 MiB, three times and some parts",
        &[
            ("resident before", mib(large.before)),
            ("resident at most", mib(large.most)),
            ("wrong bytes", large.wrong.to_string()),
            ("requests that the origin saw", large.fetches.to_string()),
            ("took", ms(large.took)),
        ],
    );
    let said = std::env::var("SEAWALL_SOAK_S").ok();
    let time = Duration::from_secs(said.and_then(|s| s.parse().ok()).unwrap_or(SOAK_S));
    let soaked = soak::soak(8, time);
    table(
        &format!(
            "8 clients at full rate for {} s, the origin killed now and again",
            time.as_secs()
        ),
        &[
            ("requests", soaked.requests.to_string()),
            ("hits", soaked.hits.to_string()),
            ("kills of the origin", soaked.kills.to_string()),
            ("502, 504 or broken off", soaked.failures.to_string()),
            ("answers with a wrong byte", soaked.wrong.to_string()),
            (
                "of another status (the last)",
                format!("{} ({})", soaked.strange.0, soaked.strange.1),
            ),
            ("resident after a quarter", mib(soaked.resident.0)),
            ("resident at the end", mib(soaked.resident.1)),
            ("resident at most", mib(soaked.most)),
        ],
    );
}

fn memory() {
    let kib = |n: u64| mib(n << 10);
    let processes = idle::idle();
    for (name, of) in ["keeper", "worker"].into_iter().zip(processes) {
        table(
            &format!("The installed configuration, idle: the {name}"),
            &[
                ("resident (RSS)", kib(of.resident)),
                ("its share of it (PSS)", kib(of.share)),
                ("behind which is no file", kib(of.own)),
                ("of it in huge pages", kib(of.huge)),
                ("threads", of.threads.to_string()),
            ],
        );
    }
    let sum = |what: fn(&idle::Memory) -> u64| kib(processes.iter().map(what).sum());
    table(
        "Both (at most 30 MiB)",
        &[
            ("resident (RSS)", sum(|of| of.resident)),
            ("their share of it (PSS)", sum(|of| of.share)),
        ],
    );
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("cache") => return cache(),
        Some("idle") => return memory(),
        _ => {}
    }
    println!(
        "Three origins, round robin, {} connections, GET.",
        SCALE.connections
    );
    let kill = drills::kill(SCALE);
    table(
        "One of three is killed and started again",
        &[
            ("requests", kill.requests.to_string()),
            ("errors that clients saw", kill.errors.to_string()),
            ("retries", kill.retries.to_string()),
            ("left out after", ms(kill.ejected_after)),
            (
                "taken back after (ejected for 500 ms)",
                ms(kill.readmitted_after),
            ),
            ("answered by it since", kill.served_again.to_string()),
        ],
    );
    let half = drills::half(SCALE);
    table(
        "One of three answers 500 on half, then heals",
        &[
            (
                "errors that clients saw until it was left out",
                half.errors_before.to_string(),
            ),
            ("left out after", ms(half.ejected_after)),
            (
                "taken back after (ejected for 500 ms)",
                ms(half.readmitted_after),
            ),
            ("requests since", half.requests_after.to_string()),
            ("errors since", half.errors_after.to_string()),
            ("answered by it since", half.served_again.to_string()),
        ],
    );
    let broken = drills::breaker(SCALE);
    table(
        "All fail behind a breaker, then heal",
        &[
            (
                "requests until it opened (min_requests: 20)",
                broken.until_open.to_string(),
            ),
            ("refused while open", broken.refused.to_string()),
            ("median latency of a refusal", ms(broken.median)),
            (
                "requests that reached an origin while open",
                broken.leaked.to_string(),
            ),
            (
                "answered again after (open_for: 1s)",
                ms(broken.closed_after),
            ),
            ("errors since", broken.errors_after.to_string()),
        ],
    );
    let drain = drills::drain(SCALE);
    table(
        "One of three is drained by the API and taken back",
        &[
            ("requests", drain.requests.to_string()),
            ("errors that clients saw", drain.errors.to_string()),
            (
                "requests while it was drained",
                drain.requests_drained.to_string(),
            ),
            ("of them to it", drain.to_drained.to_string()),
            ("answered by it since", drain.served_again.to_string()),
        ],
    );
    let ramp = drills::slow_start(SCALE);
    println!(
        "\n### A recovered server with `slow_start: 10s`, share by second ({} errors)\n",
        ramp.errors
    );
    println!("| second | share |\n|---:|---:|");
    for (second, share) in ramp.shares.iter().enumerate() {
        println!("| {} | {share:.1} % |", second + 1);
    }
    memory();
    cache();
}
