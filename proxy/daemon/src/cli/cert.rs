//! `seawall cert`: certificates for people.

use super::operate::{Connection, accepted};
use crate::terminal;
use serde_json::Value;
use std::{
    fmt::Write,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

/// What is asked.
#[derive(clap::Subcommand)]
pub enum Cert {
    /// List the certificates that are served, and until when they are valid
    Ls(Connection),
    /// Show one certificate and every step on the way to it
    Show {
        /// A name that it is for
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Ask the CA for a new certificate now
    Renew {
        /// A name that it is for
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Find out what stands between a name and its certificate: the CA, DNS, CAA, ports
    Why {
        /// The name
        name: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// `seawall cert ...`. `why` ends with code 1 where something is wrong.
pub fn run(command: Cert) -> anyhow::Result<ExitCode> {
    match command {
        Cert::Ls(connection) => {
            let all = accepted(connection.ask("GET", "/api/v1/certs", None)?)?;
            terminal::out(format_args!("{}", table(&all, unix_now())))?;
        }
        Cert::Show { name, connection } => {
            let path = format!("/api/v1/certs/{}", segment(&name));
            let shown = accepted(connection.ask("GET", &path, None)?)?;
            terminal::out(format_args!("{}", details(&shown, unix_now())))?;
        }
        Cert::Renew { name, connection } => {
            let path = format!("/api/v1/certs/{}/renew", segment(&name));
            accepted(connection.ask("POST", &path, None)?)?;
            terminal::out(format_args!(
                "asked for; `seawall cert show {name}` tells what becomes of it\n"
            ))?;
        }
        Cert::Why { name, connection } => {
            let path = format!("/api/v1/certs/{}/why", segment(&name));
            let answer = accepted(connection.ask("GET", &path, None)?)?;
            let (text, is_well) = findings(&answer);
            terminal::out(format_args!("{text}"))?;
            if !is_well {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(byte.into()),
            // Writing to a String does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs() as i64)
}

pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// `in 59 days`, `2 h ago`.
pub(super) fn distance(from: i64, to: i64) -> String {
    let apart = (to - from).unsigned_abs();
    let words = match apart {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3600 => format!("{} h", s / 3600),
        s if s >= 120 => format!("{} min", s / 60),
        s => format!("{s} s"),
    };
    if to >= from {
        format!("in {words}")
    } else {
        format!("{words} ago")
    }
}

fn expires(certificate: &Value, now: i64) -> String {
    let at = certificate.get("not_after_unix_s").and_then(Value::as_i64);
    at.map_or_else(|| "-".to_owned(), |at| distance(now, at))
}

/// Where it comes from; `acme (stand-in)` while the CA has not issued.
fn source(certificate: &Value) -> String {
    match (text(certificate, "source"), text(certificate, "serving")) {
        (source, "" | "acme") => source.to_owned(),
        (source, serving) => format!("{source} ({serving})"),
    }
}

fn table(all: &Value, now: i64) -> String {
    let mut rows = vec![["NAME", "SOURCE", "EXPIRES", "PROBLEM"].map(str::to_owned)];
    for certificate in all.as_array().into_iter().flatten() {
        rows.push([
            text(certificate, "name").to_owned(),
            source(certificate),
            expires(certificate, now),
            text(certificate, "problem").to_owned(),
        ]);
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn details(shown: &Value, now: i64) -> String {
    let mut out = String::new();
    let names: Vec<&str> = shown
        .get("names")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(out, "{name:9} {value}");
        }
    };
    fact("names", &names.join(", "));
    fact("source", &source(shown));
    fact("expires", &expires(shown, now));
    fact("challenge", text(shown, "challenge"));
    let next = shown.get("next_order_unix_s").and_then(Value::as_i64);
    fact(
        "renewal",
        &next.map_or_else(String::new, |at| distance(now, at)),
    );
    fact("problem", text(shown, "problem"));
    for event in shown
        .get("timeline")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let at = event
            .get("at_unix_s")
            .and_then(Value::as_i64)
            .unwrap_or(now);
        let mark = match event.get("ok").and_then(Value::as_bool) {
            Some(true) => "ok",
            _ => "FAIL",
        };
        let (step, said) = (text(event, "step"), text(event, "text"));
        let _ = writeln!(out, "{:>12}  {mark:4} {step:12} {said}", distance(now, at));
    }
    out
}

fn findings(answer: &Value) -> (String, bool) {
    let (mut out, mut is_well) = (String::new(), true);
    for finding in answer
        .get("findings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let ok = finding.get("ok").and_then(Value::as_bool).unwrap_or(false);
        is_well &= ok;
        let mark = if ok { "ok" } else { "FAIL" };
        let (what, said) = (text(finding, "what"), text(finding, "text"));
        let _ = writeln!(out, "{mark:4} {what:12} {said}");
    }
    (out, is_well)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wildcard_is_one_segment_of_a_path() {
        assert_eq!(segment("*.shop.test"), "%2A.shop.test");
        assert_eq!(segment("a/../b?c"), "a%2F..%2Fb%3Fc");
    }

    #[test]
    fn the_list_tells_source_and_days_and_the_problem() {
        let all = json!([
            { "name": "a.test", "source": "acme", "serving": "stand-in", "not_after_unix_s": 86_400 * 60, "problem": "caa" },
            { "name": "b.test", "source": "internal", "not_after_unix_s": null, "problem": null },
        ]);
        let expected = "\
NAME    SOURCE           EXPIRES     PROBLEM
a.test  acme (stand-in)  in 60 days  caa
b.test  internal         -
";
        assert_eq!(table(&all, 0), expected);
    }

    #[test]
    fn one_finding_that_is_wrong_makes_the_answer_wrong() {
        let answer = json!({ "findings": [
            { "what": "certificate", "ok": true, "text": "fine" },
            { "what": "dns", "ok": false, "text": "elsewhere" },
        ]});
        let (text, is_well) = findings(&answer);
        assert!(!is_well && text.contains("FAIL dns") && text.contains("ok   certificate"));
        assert!(findings(&json!({ "findings": [] })).1);
    }
}
