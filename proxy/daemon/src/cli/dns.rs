//! `seawall dns`: zones for people.

use super::cert::{distance, text, unix_now};
use super::operate::{Connection, accepted};
use crate::terminal;
use anyhow::bail;
use serde_json::Value;
use std::{fmt::Write, process::ExitCode};

/// What is asked.
#[derive(clap::Subcommand)]
pub enum Dns {
    /// Print the DS records that the parent of a signed zone is to have
    Ds {
        /// The zone
        zone: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show the signed zones: keys, their states, and what happens next
    Status(Connection),
}

/// `seawall dns ...`
pub fn run(command: Dns) -> anyhow::Result<ExitCode> {
    let (Dns::Ds { connection, .. } | Dns::Status(connection)) = &command;
    let all = accepted(connection.ask("GET", "/api/v1/dns/dnssec", None)?)?;
    match command {
        Dns::Status(_) => terminal::out(format_args!("{}", table(&all, unix_now())))?,
        Dns::Ds { zone, .. } => {
            let name = format!("{}.", zone.trim_end_matches('.')).to_ascii_lowercase();
            let mut zones = all.as_array().into_iter().flatten();
            let Some(found) = zones.find(|z| text(z, "zone") == name) else {
                bail!("the zone {zone} is not signed here; `dnssec: true` signs it");
            };
            for line in found
                .get("ds")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                terminal::out(format_args!("{}\n", line.as_str().unwrap_or_default()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(all: &Value, now: i64) -> String {
    let mut out = String::new();
    let when = |value: &Value, field: &str| {
        let at = value.get(field).and_then(Value::as_i64);
        at.map_or_else(|| "-".to_owned(), |at| distance(now, at))
    };
    for zone in all.as_array().into_iter().flatten() {
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{}  {} signatures ({}), the first ends {}, next step {}",
            text(zone, "zone"),
            zone.get("signatures").and_then(Value::as_u64).unwrap_or(0),
            text(zone, "denial"),
            when(zone, "expires_unix_s"),
            when(zone, "next_unix_s"),
        );
        if !text(zone, "problem").is_empty() {
            let _ = writeln!(out, "  problem: {}", text(zone, "problem"));
        }
        if zone.get("waits_for_parent").and_then(Value::as_bool) == Some(true) {
            let _ = writeln!(
                out,
                "  waits for the parent's DS: `seawall dns ds {}`",
                text(zone, "zone")
            );
        }
        for key in zone
            .get("keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let tag = key.get("tag").and_then(Value::as_u64).unwrap_or(0);
            let _ = writeln!(
                out,
                "  {:<4} {tag:<6} {:<16} {:<10} since {:<14} until {}",
                text(key, "role"),
                text(key, "algorithm"),
                text(key, "state"),
                when(key, "since_unix_s"),
                when(key, "until_unix_s"),
            );
        }
    }
    if out.is_empty() {
        out.push_str("no zone is signed here\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn a_zone_is_shown_with_its_keys_and_what_it_waits_for() {
        let zones = json!([{
            "zone": "shop.test.", "denial": "nsec", "signatures": 12, "expires_unix_s": 864_000, "next_unix_s": 3600,
            "waits_for_parent": true, "problem": null,
            "keys": [{ "role": "ksk", "tag": 4711, "algorithm": "ED25519", "state": "submitted", "since_unix_s": -7200 }],
        }]);
        let shown = table(&zones, 0);
        for words in [
            "12 signatures (nsec)",
            "ends in 10 days",
            "ksk  4711",
            "submitted",
            "since 2 h ago",
            "until -",
            "dns ds shop.test.",
        ] {
            assert!(shown.contains(words), "{words} in {shown}");
        }
        assert!(table(&json!([]), 0).contains("no zone"));
    }
}
