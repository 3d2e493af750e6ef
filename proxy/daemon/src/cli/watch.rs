//! `seawall status|top|tail`: what the running daemon does.

use super::operate::{Connection, accepted};
use crate::terminal;
use serde_json::Value;
use std::{
    fmt::Write as _,
    io::IsTerminal,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Which requests are shown.
#[derive(clap::Args, Clone)]
pub struct Tail {
    /// Only this site
    #[arg(long)]
    site: Option<String>,
    /// Only this status: 404, or a class: 5xx
    #[arg(long)]
    status: Option<String>,
    /// Only targets that begin so
    #[arg(long)]
    path: Option<String>,
    /// Only this client's address
    #[arg(long)]
    client: Option<String>,
    /// End after so many
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// As JSON, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn number(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

/// `seawall status`: for people on a terminal, else JSON.
pub fn status(connection: &Connection, json: bool) -> anyhow::Result<ExitCode> {
    let status = accepted(connection.ask("GET", "/api/v1/status", None)?)?;
    if json || !std::io::stdout().is_terminal() {
        terminal::out(format_args!("{status:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = String::new();
    let configuration = &status["configuration"];
    let _ = writeln!(
        out,
        "seawall {}, up {}, {} connections, configuration {} (generation {})",
        text(&status, "version"),
        span(number(&status, "uptime_s") as u64),
        number(&status, "connections"),
        text(configuration, "path"),
        number(configuration, "generation"),
    );
    if let Some(failure) = configuration["last_failure"].as_str() {
        let _ = writeln!(
            out,
            "\nthe last reload failed; the configuration before it serves on:\n{failure}"
        );
    }
    pools(&mut out, &status["pools"]);
    for certificate in status["certificates"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "certificate {:<30} {}",
            text(certificate, "site").escape_default(),
            text(certificate, "source"),
        );
    }
    terminal::out(format_args!("{out}"))?;
    Ok(ExitCode::SUCCESS)
}

fn span(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

fn pools(out: &mut String, pools: &Value) {
    for pool in pools.as_array().into_iter().flatten() {
        let up = if pool["up"] == true { "up" } else { "DOWN" };
        let _ = writeln!(out, "\npool {} {up}", text(pool, "name"));
        for server in pool["servers"].as_array().into_iter().flatten() {
            let _ = writeln!(
                out,
                "  {:<32} {:<10} weight {:<4} in flight {:<5} answered {:<9} failed {:<7} {}",
                text(server, "address"),
                text(server, "state"),
                number(server, "weight"),
                number(server, "in_flight"),
                number(server, "answered"),
                number(server, "failed"),
                text(server, "check_failure").escape_default(),
            );
        }
    }
}

/// `seawall top`: the golden signals and the pools, again and again.
pub fn top(connection: &Connection, every: u64, times: Option<u64>) -> anyhow::Result<ExitCode> {
    let clears = std::io::stdout().is_terminal();
    let mut shown = 0;
    loop {
        let began = Instant::now();
        let signals = accepted(connection.ask("GET", "/api/v1/signals", None)?)?;
        let all = accepted(connection.ask("GET", "/api/v1/pools", None)?)?;
        let mut out = String::new();
        if clears {
            out.push_str("\x1b[H\x1b[2J");
        }
        match signals["samples"].as_array().and_then(|s| s.last()) {
            None => out.push_str("no sample yet\n"),
            Some(last) => {
                let _ = writeln!(
                    out,
                    "{:.1} requests/s  {:.1} errors/s  p50 {} ms  p99 {} ms  {} connections  hit ratio {}",
                    number(last, "requests_s"),
                    number(last, "errors_s"),
                    or_dash(&last["p50_ms"]),
                    or_dash(&last["p99_ms"]),
                    number(last, "connections"),
                    last["hit_ratio"]
                        .as_f64()
                        .map_or("-".to_owned(), |r| format!("{:.0} %", r * 100.0)),
                );
            }
        }
        pools(&mut out, &all);
        terminal::out(format_args!("{out}"))?;
        shown += 1;
        if times.is_some_and(|n| shown >= n) {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_secs(every.max(1)).saturating_sub(began.elapsed()));
    }
}

fn or_dash(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), |n| n.to_string())
}

/// `seawall tail`
pub fn tail(wanted: &Tail) -> anyhow::Result<ExitCode> {
    let mut query = String::new();
    let asked = [
        ("site", &wanted.site),
        ("status", &wanted.status),
        ("path", &wanted.path),
        ("client", &wanted.client),
    ];
    for (name, value) in asked {
        if let Some(value) = value {
            let mark = if query.is_empty() { '?' } else { '&' };
            let _ = write!(query, "{mark}{name}={}", super::cache::escape(value));
        }
    }
    let mut seen = 0;
    wanted
        .connection
        .target()?
        .follow(&format!("/api/v1/tail{query}"), |event, data| {
            if event == "missed" {
                terminal::err(format_args!("{data} requests came too fast to be shown\n"));
                return Ok(true);
            }
            if wanted.json {
                terminal::out(format_args!("{data}\n"))?;
            } else if let Ok(request) = serde_json::from_str::<Value>(data) {
                terminal::out(format_args!("{}\n", line(&request)))?;
            }
            seen += 1;
            Ok(wanted.count.is_none_or(|n| seen < n))
        })?;
    Ok(ExitCode::SUCCESS)
}

/// A request in one line. What a stranger sent does not reach the terminal raw.
fn line(request: &Value) -> String {
    let mut out = format!(
        "{} {:>3} {:>6} ms {} {} {}{}",
        text(request, "client").escape_default(),
        number(request, "status"),
        number(request, "ms"),
        text(request, "method").escape_default(),
        text(request, "site").escape_default(),
        text(request, "target").escape_default(),
        "",
    );
    for step in request["trace"].as_array().into_iter().flatten() {
        let result = match &step["result"] {
            Value::String(s) => s.escape_default().to_string(),
            other => other.to_string(),
        };
        match text(step, "step") {
            "head" if step["why"].is_string() => {
                let _ = write!(
                    out,
                    "  head {result}: {}",
                    text(step, "why").escape_default()
                );
            }
            "site" | "head" => {}
            "waf" if step["rule"].is_u64() => {
                let _ = write!(
                    out,
                    "  waf {result} by {} (score {})",
                    step["rule"], step["score"]
                );
            }
            "upstream" => {
                let _ = write!(out, "  {result} {} in {} ms", step["status"], step["ms"]);
            }
            name @ ("route" | "waf" | "cache") => {
                let _ = write!(out, "  {name} {result}");
            }
            // Where it was answered.
            name => {
                let _ = write!(out, "  ({name})");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_whatever_a_stranger_sent() {
        let request = serde_json::json!({
            "client": "10.0.0.1", "status": 403, "ms": 2, "method": "GET", "site": "a.test", "target": "/\x1b[2J\n",
            "trace": [
                { "step": "site", "result": "a.test" },
                { "step": "route", "result": "/x" },
                { "step": "waf", "result": "denied", "rule": 942100, "score": 5 },
                { "step": "deliver", "result": 403 },
            ],
        });
        let line = line(&request);
        assert!(!line.contains('\x1b') && !line.contains('\n'), "{line:?}");
        assert!(
            line.contains("waf denied by 942100 (score 5)") && line.contains("route /x"),
            "{line}"
        );
    }
}
