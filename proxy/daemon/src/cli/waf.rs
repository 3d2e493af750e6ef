//! `seawall explain` and `seawall waf events|exclude`

use super::operate::{Connection, accepted};
use crate::terminal;
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The largest request that is read from a file.
const REQUEST_BYTES_MAX: u64 = 32 * 1024;

/// Which request.
#[derive(clap::Args)]
pub struct Explain {
    /// The id of a request that was refused lately, as its page, the log and X-Request-Id have it
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    id: Option<String>,
    /// A file with a request as it is sent (- is standard input), to be judged now
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The rule set that judges it [default: the first]
    #[arg(long, value_name = "NAME", requires = "file")]
    rule_set: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What is done with the WAF.
#[derive(Subcommand)]
pub enum Waf {
    /// Run a rule set's regression tests (the Core Rule Set's own, or yours in their form) against a configuration
    ///
    /// Nothing is sent: the engine judges each request, every rule runs. Exit code 1 if a test fails.
    Test(super::regressions::Regress),
    /// List what was refused lately, newest first
    Events {
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        connection: Connection,
    },
    /// Let rules not look at something, from the next request on and until the daemon ends
    ///
    /// The line that is printed, in the rule set's `exclude`, keeps it.
    Exclude {
        /// Ids of rules
        #[arg(long, value_name = "ID", value_delimiter = ',', required = true)]
        rules: Vec<u32>,
        /// What they do not look at: ARGS:q, REQUEST_COOKIES; without it they do not run
        #[arg(long, value_name = "VARIABLE")]
        target: Option<String>,
        /// Only for requests whose path begins like this
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
        /// The rule set [default: the first]
        #[arg(long, value_name = "NAME")]
        rule_set: Option<String>,
        /// Only say what it would have changed of what was refused lately
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        connection: Connection,
    },
}

/// `seawall explain`
pub fn explain(what: &Explain) -> anyhow::Result<ExitCode> {
    let body = match (&what.id, &what.file) {
        (_, Some(file)) => json!({ "request": request(file)?, "rule_set": what.rule_set }),
        (id, None) => json!({ "id": id }),
    };
    let answer = what
        .connection
        .ask("POST", "/api/v1/waf/explain", Some(&body))?;
    terminal::out(format_args!("{}", shown(&accepted(answer)?)))?;
    Ok(ExitCode::SUCCESS)
}

fn request(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let reader: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).with_context(|| file.display().to_string())?),
    };
    reader.take(REQUEST_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(
        bytes.len() as u64 <= REQUEST_BYTES_MAX,
        "the request is longer than {REQUEST_BYTES_MAX} bytes"
    );
    String::from_utf8(bytes).context("the request is not UTF-8")
}

/// `seawall waf`
pub fn run(command: &Waf) -> anyhow::Result<ExitCode> {
    match command {
        Waf::Test(wanted) => return super::regressions::run(wanted),
        Waf::Events { limit, connection } => {
            let path = format!("/api/v1/waf/events?limit={limit}");
            let answer = accepted(connection.ask("GET", &path, None)?)?;
            let events = answer.get("events").and_then(Value::as_array);
            for event in events.context("the daemon answered without a list")? {
                terminal::out(format_args!("{}\n", shown(event)))?;
            }
        }
        Waf::Exclude {
            rules,
            target,
            path,
            rule_set,
            dry_run,
            connection,
        } => {
            let body = json!({ "rules": rules, "target": target, "path": path, "rule_set": rule_set, "dry_run": dry_run });
            let answer = connection.ask("POST", "/api/v1/waf/exclusions", Some(&body))?;
            terminal::out(format_args!("{}", excluded(&accepted(answer)?)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn excluded(answer: &Value) -> String {
    let number = |name| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    let changed = answer.get("changed").and_then(Value::as_array);
    let holds = answer.get("holds").and_then(Value::as_bool) == Some(true);
    format!(
        "{}: {} of {} events kept are changed, {} would have passed\n  - {}\n",
        if holds { "it holds" } else { "dry run" },
        changed.map_or(0, Vec::len),
        number("events"),
        number("passing"),
        text(answer, "line")
    )
}

/// A text of an answer. It came from a stranger: nothing of it reaches the terminal raw.
fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str).unwrap_or("");
    let safe = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

/// A verdict with its reasons.
fn shown(answer: &Value) -> String {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let list = |name| {
        answer
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut out = format!(
        "{} by \"{}\"",
        text(answer, "action"),
        text(answer, "rule_set")
    );
    out += &format!(
        ": score {} of {}",
        number(answer, "score"),
        number(answer, "threshold")
    );
    if answer.get("rule").is_some_and(Value::is_u64) {
        out += &format!(
            ", status {}, rule {}",
            number(answer, "status"),
            number(answer, "rule")
        );
    }
    out.push('\n');
    if answer.get("id").is_some() {
        let parts = ["id", "client", "site", "method", "path"].map(|name| text(answer, name));
        out += &format!(
            "  request {} of {}: {} {} {}\n",
            parts[0], parts[1], parts[2], parts[3], parts[4]
        );
    }
    for found in list("matches") {
        let (rule, variable) = (number(&found, "rule"), text(&found, "variable"));
        out += &format!(
            "  {rule} {} {}\n",
            text(&found, "severity"),
            text(&found, "message")
        );
        if !variable.is_empty() {
            out += &format!("      {variable}: {}\n", text(&found, "value"));
        }
    }
    let exclude = list("exclude");
    if !exclude.is_empty() {
        out += "With this in the rule set's `exclude` it passes:\n";
        exclude
            .iter()
            .for_each(|e| out += &format!("  - {}\n", text(e, "line")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_shown_with_its_reasons_and_the_way_out_and_nothing_raw() {
        let answer = json!({
            "action": "denied", "rule_set": "default", "score": 5, "threshold": 5, "status": 403, "rule": 949110,
            "id": "abc", "client": "192.0.2.1", "site": "a.test", "method": "GET", "path": "/s",
            "matches": [{ "rule": 1, "severity": "CRITICAL", "message": "m\u{1b}", "variable": "ARGS:q", "value": "evil" }],
            "exclude": [{ "line": "{ rules: [1] }" }],
        });
        assert_eq!(
            shown(&answer),
            "denied by \"default\": score 5 of 5, status 403, rule 949110\n  request abc of 192.0.2.1: a.test GET /s\n  \
             1 CRITICAL m\u{fffd}\n      ARGS:q: evil\nWith this in the rule set's `exclude` it passes:\n  - { rules: [1] }\n"
        );
    }
}
