//! `seawall dns`: zones for people.

use super::cert::{distance, segment, text, unix_now};
use super::operate::{Connection, accepted};
use crate::terminal;
use anyhow::{Context, bail};
use seawall_diag::SourceMap;
use seawall_dns::{Question, Zone, described};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

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
    /// List the zones that are served, or the records of one
    Ls {
        /// The zone
        zone: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Put records in the place of those of a name and type
    Set {
        /// The zone
        zone: String,
        /// The name: relative to the zone, `@`, or absolute with a dot at its end
        name: String,
        /// Their type, such as A or TXT
        rtype: String,
        /// The data of each, as a zone file has it
        #[arg(required = true)]
        values: Vec<String>,
        /// Seconds they may be kept
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        ttl: u32,
        #[command(flatten)]
        connection: Connection,
    },
    /// Take the records of a name and type away
    Rm {
        /// The zone
        zone: String,
        /// The name
        name: String,
        /// Their type
        rtype: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Ask a DNS server one thing
    Query {
        /// The name
        name: String,
        /// The type
        #[arg(default_value = "A")]
        rtype: String,
        /// Who is asked
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:53")]
        server: SocketAddr,
        /// Ask for signatures
        #[arg(long)]
        dnssec: bool,
    },
    /// Check a zone file: all that is wrong with it, at its line
    Check {
        /// The zone's name
        zone: String,
        /// The file
        file: PathBuf,
    },
}

/// `seawall dns ...`
pub fn run(command: Dns) -> anyhow::Result<ExitCode> {
    match command {
        Dns::Status(connection) => {
            let all = accepted(connection.ask("GET", SIGNED, None)?)?;
            terminal::out(format_args!("{}", table(&all, unix_now())))?;
        }
        Dns::Ls { zone, connection } => {
            let path = zone.map_or_else(|| ZONES.to_owned(), |z| path_of(&[&z]));
            let found = accepted(connection.ask("GET", &path, None)?)?;
            terminal::out(format_args!("{}", listed(&found)))?;
        }
        Dns::Set {
            zone,
            name,
            rtype,
            values,
            ttl,
            connection,
        } => {
            let path = path_of(&[&zone, &name, &rtype]);
            let body = json!({ "values": values, "ttl": ttl });
            changed(&accepted(connection.ask("PUT", &path, Some(&body))?)?)?;
        }
        Dns::Rm {
            zone,
            name,
            rtype,
            connection,
        } => {
            let path = path_of(&[&zone, &name, &rtype]);
            changed(&accepted(connection.ask("DELETE", &path, None)?)?)?;
        }
        Dns::Query {
            name,
            rtype,
            server,
            dnssec,
        } => return query(&name, &rtype, server, dnssec),
        Dns::Check { zone, file } => return check(&zone, &file),
        Dns::Ds { zone, connection } => {
            let all = accepted(connection.ask("GET", SIGNED, None)?)?;
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

const SIGNED: &str = "/api/v1/dns/dnssec";
const ZONES: &str = "/api/v1/dns/zones";
/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

fn path_of(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|p| segment(p)).collect();
    format!("{ZONES}/{}", parts.join("/"))
}

fn changed(answer: &Value) -> std::io::Result<()> {
    let serial = answer.get("serial").and_then(Value::as_u64).unwrap_or(0);
    terminal::out(format_args!("serial number {serial}\n"))
}

/// Zones, or the records of one as a zone file.
fn listed(found: &Value) -> String {
    let mut out = String::new();
    let number = |value: &Value, field| value.get(field).and_then(Value::as_u64).unwrap_or(0);
    let is = |value: &Value, field| value.get(field).and_then(Value::as_bool) == Some(true);
    for zone in found.as_array().into_iter().flatten() {
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "{}\t{}\t{} records{}{}",
            text(zone, "zone"),
            number(zone, "serial"),
            number(zone, "records"),
            if is(zone, "signed") { ", signed" } else { "" },
            if is(zone, "copy") { ", a copy" } else { "" },
        );
    }
    let records = found.get("records").and_then(Value::as_array);
    for record in records.into_iter().flatten() {
        let _ = writeln!(
            out,
            "{}\t{}\tIN\t{}\t{}",
            text(record, "name"),
            number(record, "ttl"),
            text(record, "type"),
            text(record, "data"),
        );
    }
    out
}

/// Asks over UDP, and over TCP where the answer was cut.
fn query(name: &str, rtype: &str, server: SocketAddr, dnssec: bool) -> anyhow::Result<ExitCode> {
    let id = (unix_now() as u16) ^ (std::process::id() as u16);
    let Some(question) = Question::new(name, rtype, id, dnssec)? else {
        bail!("`{rtype}` is no type of a record");
    };
    let local: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&question.message())?;
    let mut answer = vec![0; 65_535];
    let len = loop {
        let len = socket
            .recv(&mut answer)
            .with_context(|| format!("{server} does not answer"))?;
        if question.is_answered_by(answer.get(..len).unwrap_or_default()) {
            break len;
        }
    };
    answer.truncate(len);
    if answer.get(2).is_some_and(|flags| flags & 2 != 0) {
        answer = over_tcp(&question, server)?;
    }
    let Some(lines) = described(&answer) else {
        bail!("what {server} answered is no message");
    };
    terminal::out(format_args!("{lines}"))?;
    Ok(ExitCode::SUCCESS)
}

fn over_tcp(question: &Question, server: SocketAddr) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let message = question.message();
    let len = (message.len() as u16).to_be_bytes();
    stream.write_all(&[&len[..], &message].concat())?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Reads a zone file, with those that it includes.
fn check(zone: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let read =
        |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut sources = SourceMap::default();
    let id = sources.add(file, text);
    let mut load = |written: &Path, from: &Path| {
        let path = from.parent().unwrap_or(Path::new("")).join(written);
        read(&path).map(|text| (path, text))
    };
    let parsed = Zone::parse_with(zone, &mut sources, id, &mut load);
    let (found, code) = match &parsed {
        Ok(zone) => (zone.warnings(), ExitCode::SUCCESS),
        Err(found) => (found, ExitCode::FAILURE),
    };
    terminal::err(format_args!("{}", found.render(&sources, false)));
    if let Ok(zone) = &parsed {
        let (name, records) = (zone.origin(), zone.records());
        terminal::out(format_args!("{name} {records} records\n"))?;
    }
    Ok(code)
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
