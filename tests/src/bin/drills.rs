//! The drills with figures, as tables: `make drills`. The daemon is the one that is built beside this program.

use seawall_tests::drills::{self, Scale};
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

fn main() {
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
