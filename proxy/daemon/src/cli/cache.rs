//! `seawall cache ls|show|stats|warm`

use super::{
    operate::{Connection, accepted},
    warm::{self, Warming},
};
use crate::terminal;
use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;
use std::process::ExitCode;

/// What is done with the caches.
#[derive(Subcommand)]
pub enum CacheCommand {
    /// List what is in the memory of the running daemon's caches
    Ls {
        /// Only URLs that begin like this: shop.test/assets/
        #[arg(long, value_name = "HOST/PATH")]
        prefix: Option<String>,
        /// Only what its origin labelled so
        #[arg(long)]
        tag: Option<String>,
        /// Only what was stored for this site
        #[arg(long, value_name = "HOST")]
        site: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what is stored for a URL, and what a request for it would get and why
    Show {
        /// The URL as a client would ask for it
        url: String,
        /// A field of the request: "Accept-Language: de"; may be repeated
        #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
        fields: Vec<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show what became of requests at the caches, by route, and why
    Stats {
        /// Only routes of this site
        #[arg(long, value_name = "HOST")]
        site: Option<String>,
        /// The API's answer as it is
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Ask for every URL of a list or a sitemap once, so that it is in the cache
    Warm(Warming),
}

/// Does it.
pub fn run(command: &CacheCommand) -> anyhow::Result<ExitCode> {
    match command {
        CacheCommand::Ls {
            prefix,
            tag,
            site,
            limit,
            connection,
        } => {
            let mut query = format!("limit={limit}");
            for (name, value) in [("prefix", prefix), ("tag", tag), ("site", site)] {
                if let Some(value) = value {
                    query.push_str(&format!("&{name}={}", escape(value)));
                }
            }
            list(connection, &query)
        }
        CacheCommand::Show {
            url,
            fields,
            connection,
        } => {
            let mut query = format!("url={}", escape(url));
            for field in fields {
                query.push_str(&format!("&field={}", escape(field)));
            }
            let path = format!("/api/v1/cache/object?{query}");
            let answer = connection.ask("GET", &path, None)?;
            terminal::out(format_args!("{:#}\n", accepted(answer)?))?;
            Ok(ExitCode::SUCCESS)
        }
        CacheCommand::Stats {
            site,
            json,
            connection,
        } => {
            let site = site.as_ref().map(|site| format!("?site={}", escape(site)));
            let path = format!("/api/v1/cache/stats{}", site.unwrap_or_default());
            let stats = accepted(connection.ask("GET", &path, None)?)?;
            if *json {
                terminal::out(format_args!("{stats:#}\n"))?;
            } else {
                terminal::out(format_args!("{}", table(&stats)))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        CacheCommand::Warm(warming) => warm::run(warming),
    }
}

fn list(connection: &Connection, query: &str) -> anyhow::Result<ExitCode> {
    let answer = connection.ask("GET", &format!("/api/v1/cache/objects?{query}"), None)?;
    let answer = accepted(answer)?;
    let objects = answer.get("objects").and_then(Value::as_array);
    let objects = objects.context("the daemon answered without a list")?;
    terminal::out(format_args!(
        "{:>9} {:>7} {:>6} {:>6} {:>3}  {:<8} URL\n",
        "BYTES", "TTL", "AGE", "HITS", "", "CACHE"
    ))?;
    for object in objects {
        let number = |name| object.get(name).and_then(Value::as_i64).unwrap_or(0);
        let text = |name| object.get(name).and_then(Value::as_str).unwrap_or("");
        terminal::out(format_args!(
            "{:>9} {:>7} {:>6} {:>6} {:>3}  {:<8} {}\n",
            number("bytes"),
            number("ttl_s"),
            number("age_s"),
            number("hits"),
            number("status"),
            text("cache"),
            // A URL is what a stranger asked for: nothing of it reaches the terminal raw.
            text("url").escape_default()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Caches, then routes, each with what became of its requests and of its origin's answers, the most frequent first.
fn table(stats: &Value) -> String {
    let list = |value: &Value, name: &str| {
        let list = value.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str).unwrap_or("");
        text.escape_default().to_string()
    };
    let mut out = String::new();
    for cache in list(stats, "caches") {
        out.push_str(&format!(
            "cache {}: {} objects, {} of {} bytes, {} evictions",
            text(&cache, "name"),
            number(&cache, "objects"),
            number(&cache, "bytes"),
            number(&cache, "memory_bytes_max"),
            number(&cache, "evictions"),
        ));
        if let Some(disk) = cache.get("disk").filter(|disk| disk.is_object()) {
            out.push_str(&format!(
                "; on disk {} objects, {} bytes",
                number(disk, "objects"),
                number(disk, "bytes")
            ));
        }
        out.push('\n');
    }
    for route in list(stats, "routes") {
        let ratio = route.get("hit_ratio").and_then(Value::as_f64);
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0));
        let bytes = route.get("bytes").cloned().unwrap_or_default();
        out.push_str(&format!(
            "\n{} {}: {} requests, from the cache {ratio}; {} bytes from the cache, {} from origins\n",
            text(&route, "site"),
            text(&route, "route"),
            number(&route, "requests"),
            number(&bytes, "cache"),
            number(&bytes, "origin"),
        ));
        let mut results = list(&route, "results");
        results.sort_by_key(|r| std::cmp::Reverse(number(r, "count")));
        for r in results {
            out.push_str(&format!(
                "{:>12}  {:<11} {}\n",
                number(&r, "count"),
                text(&r, "result"),
                text(&r, "reason")
            ));
        }
        let mut decisions = list(&route, "decisions");
        decisions.sort_by_key(|d| std::cmp::Reverse(number(d, "count")));
        for d in decisions {
            let stored = d.get("stored").and_then(Value::as_bool) == Some(true);
            out.push_str(&format!(
                "{:>12}  {:<11} {}\n",
                number(&d, "count"),
                if stored { "stored" } else { "not stored" },
                text(&d, "reason")
            ));
        }
    }
    out
}

/// A segment of a path.
pub(super) fn escape_segment(value: &str) -> String {
    escape(value).replace('/', "%2F")
}

/// A value of a query.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_of_a_query_are_escaped() {
        assert_eq!(
            super::escape("https://a/?b=\u{e9} &"),
            "https://a/%3Fb%3D%C3%A9%20%26"
        );
    }
}
