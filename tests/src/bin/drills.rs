//! The drills with figures, as tables: `make drills`. The daemon is the one that is built beside this program.

use seawall_tests::{
    drills::{self, Held, Scale, Served},
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

/// How often: the variable of that name, or this.
fn count(name: &str, default: usize) -> usize {
    let said = std::env::var(name).ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Two readings of what a process holds.
fn held(of: (Held, Held)) -> String {
    let say = |h: Held| {
        format!(
            "{}, {} files, {} threads",
            mib(h.resident_kib << 10),
            h.files,
            h.threads
        )
    };
    format!("{}; {}", say(of.0), say(of.1))
}

fn reloads() {
    let (number, seed) = (
        count("SEAWALL_RELOADS", 1000),
        count("SEAWALL_SEED", 1) as u64,
    );
    let seen = drills::reloads(number, seed);
    table(
        &format!("{number} random reloads, about half of them broken, under load (seed {seed})"),
        &[
            ("served", seen.taken.to_string()),
            ("refused", seen.refused.to_string()),
            ("misjudged", format!("{:?}", seen.misjudged)),
            ("requests meanwhile", seen.requests.to_string()),
            ("failed", seen.failed.len().to_string()),
            ("answered by a refused one", seen.wrong.to_string()),
            ("until served, median", ms(seen.median)),
            ("until served, at most", ms(seen.slowest)),
            (
                "the worker at rest, after a twentieth; at the end",
                held(seen.worker),
            ),
            ("the keeper likewise", held(seen.keeper)),
        ],
    );
}

fn sites() {
    let seen = drills::many_sites(count("SEAWALL_SITES", 10_000), 5);
    let ratio = |ours: &Served| {
        format!(
            "{:.2}",
            ours.median().as_secs_f64() / seen.nginx.median().as_secs_f64()
        )
    };
    let row = |s: &Served| {
        format!(
            "{}; {} of {} requests failed; {} resident",
            ms(s.median()),
            s.failed,
            s.requests,
            mib(s.resident_kib << 10)
        )
    };
    table(
        &format!(
            "A reload of {} sites under load, median of five, from the signal to the first answer",
            seen.sites
        ),
        &[
            ("nginx", row(&seen.nginx)),
            ("seawall with nginx's file", row(&seen.conf)),
            ("seawall with YAML", row(&seen.yaml)),
            ("ratio with nginx's file", ratio(&seen.conf)),
            ("ratio with YAML", ratio(&seen.yaml)),
        ],
    );
}

fn upgrades() {
    let seen = drills::upgrades(count("SEAWALL_UPGRADES", 100));
    table(
        &format!("{} upgrades by USR2 under load", seen.rounds),
        &[
            ("requests", seen.requests.to_string()),
            ("failed", seen.failed.to_string()),
            ("questions by DNS", seen.questions.to_string()),
            ("without an answer", seen.unanswered.to_string()),
            ("WebSockets open through all", seen.tunnels.to_string()),
            ("messages that did not come back", seen.unechoed.to_string()),
            ("workers that answered", seen.workers.to_string()),
        ],
    );
}

fn kills() {
    let (number, seed) = (count("SEAWALL_KILLS", 100), count("SEAWALL_SEED", 1) as u64);
    let seen = drills::kills(number, 3, seed);
    table(
        &format!("{number} kills of worker or keeper while things are changed (seed {seed})"),
        &[
            (
                "of the worker; of the keeper",
                format!("{}; {}", seen.workers, seen.keepers),
            ),
            ("requests", seen.requests.to_string()),
            (
                "broken with the process that had them",
                seen.broken.to_string(),
            ),
            (
                "refused while the keeper was dead; at any other time",
                format!("{}; {}", seen.refused_while_dead, seen.refused),
            ),
            ("the keeper was dead for at most", ms(seen.dead_at_most)),
            (
                "acknowledged purges; pages read; older than a purge",
                format!("{}; {}; {}", seen.purges, seen.read, seen.stale),
            ),
            (
                "acknowledged configurations; lost",
                format!("{}; {:?}", seen.puts, seen.puts_lost),
            ),
            (
                "certificates ordered; served in turn",
                format!("{}; {}", seen.renewals, seen.certificates),
            ),
            ("calls without an answer", seen.unanswered.to_string()),
            (
                "changes that the audit log lacks",
                seen.unaudited.to_string(),
            ),
            ("its chain", seen.audit),
        ],
    );
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("cache") => cache(),
        Some("idle") => memory(),
        Some("reloads") => reloads(),
        Some("sites") => sites(),
        Some("upgrades") => upgrades(),
        Some("kills") => kills(),
        Some("origins") => origins(),
        Some(other) => {
            eprintln!("drills: no {other}: origins, idle, cache, reloads, sites, upgrades, kills");
            std::process::exit(2);
        }
        None => {
            for drill in [origins, memory, cache, reloads, sites, upgrades, kills] {
                drill();
            }
        }
    }
}

fn origins() {
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
}
