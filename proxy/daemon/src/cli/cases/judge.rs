//! Whether what came of a request is what was expected.

use super::{client::Answer, looked_up, origin::Origins};
use regex::Regex;
use seawall_conf::cases::{At, Expect, FieldExpected, Request, Step, Text, Upstream, WafExpected};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use seawall_edge::{Edge, Inspected};
use serde_json::Value;
use std::time::Duration;

/// Characters of what came that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// How much less of its time to live may be left: it has aged while it was looked at.
const AGED_MAX: Duration = Duration::from_secs(2);

/// Everything that is known of a request.
pub struct Judge<'a> {
    /// The test's name.
    pub name: &'a str,
    /// The pipeline.
    pub edge: &'a Edge,
    /// What origins saw.
    pub origins: &'a Origins,
    /// What was sent.
    pub request: &'a Request,
    /// What came back; `None` where the connection was closed without an answer.
    pub answer: Option<&'a Answer>,
    /// What the pipeline says of it.
    pub event: &'a Value,
    /// What it wrote to its log.
    pub log: Vec<String>,
}

impl Judge<'_> {
    /// All that does not hold.
    pub fn step(&self, step: &Step, found: &mut Diagnostics) {
        let mut failed = Vec::new();
        self.expect(&step.expect, &mut failed);
        failed.sort_by_key(|(at, _)| at.start);
        let happened = self.happened();
        for (n, (at, message)) in failed.into_iter().enumerate() {
            let message = format!("\"{}\": {message}", self.name.escape_debug());
            let d = Diagnostic::error("expected", at, message);
            // Once is enough.
            found.push(if n == 0 { d.help(happened.clone()) } else { d });
        }
    }

    fn expect(&self, expect: &Expect, failed: &mut Vec<(Span, String)>) {
        if let Some(At {
            at,
            value: (first, last),
        }) = &expect.status
        {
            let (first, last) = (*first, *last);
            let status = self.status();
            if !(first..=last).contains(&status) {
                let wanted = match first == last {
                    true => first.to_string(),
                    false => format!("{}xx", first / 100),
                };
                failed.push((*at, format!("status is {status}, not {wanted}")));
            }
        }
        let site = self.event["site"].as_str().filter(|s| !s.is_empty());
        check(failed, "site", &expect.site, site);
        check(
            failed,
            "route",
            &expect.route,
            self.step_text("route", "result"),
        );
        check(
            failed,
            "cache",
            &expect.cache,
            self.step_text("cache", "result"),
        );
        if let Some(answer) = self.answer {
            let location = answer.header("location");
            check(failed, "Location", &expect.redirect, location.as_deref());
            let body = String::from_utf8_lossy(&answer.body);
            check(failed, "body", &expect.body, Some(&body));
        }
        fields(failed, &expect.headers, |name| self.answer?.header(name));
        self.upstream(expect, failed);
        if let Some(wanted) = &expect.waf {
            self.waf(&wanted.value, failed);
        }
        self.cached(expect, failed);
    }

    /// What the client got; of a closed connection what the pipeline calls it.
    fn status(&self) -> u16 {
        match self.answer {
            Some(answer) => answer.status,
            None => self.event["status"].as_u64().unwrap_or(0) as u16,
        }
    }

    /// The last of the pipeline's steps of this name.
    fn last(&self, step: &str) -> Option<&Value> {
        let trace = self.event["trace"].as_array()?;
        trace.iter().rev().find(|s| s["step"] == step)
    }

    fn step_text(&self, step: &str, field: &str) -> Option<&str> {
        self.last(step)?[field].as_str()
    }

    fn upstream(&self, expect: &Expect, failed: &mut Vec<(Span, String)>) {
        let asked = self.step_text("upstream", "result");
        let known = asked.and_then(|address| self.origins.of(address));
        let pool = known.as_ref().map(|(r, _)| r.pool.as_str());
        let server = known.as_ref().map(|(r, _)| r.server.as_str());
        if let Some(At {
            at,
            value: Text::Is(name),
        }) = &expect.pool
            && !self.origins.has_pool(name)
        {
            failed.push((*at, format!("there is no pool {name:?}")));
        } else {
            check(failed, "pool", &expect.pool, pool);
        }
        check(failed, "server", &expect.server, server);
        let Some(wanted) = &expect.upstream else {
            return;
        };
        let Some(seen) = known.and_then(|(_, seen)| seen) else {
            failed.push((wanted.at, "no origin was asked".to_owned()));
            return;
        };
        let Upstream {
            method,
            target,
            headers,
            body,
        } = &wanted.value;
        check(failed, "method sent", method, Some(&seen.method));
        check(failed, "target sent", target, Some(&seen.target));
        let sent = String::from_utf8_lossy(&seen.body);
        check(failed, "body sent", body, Some(&sent));
        fields(failed, headers, |name| {
            super::client::joined(&seen.headers, name)
        });
    }

    fn waf(&self, wanted: &WafExpected, failed: &mut Vec<(Span, String)>) {
        let waf = self.last("waf");
        let result = self.step_text("waf", "result").unwrap_or("off");
        if let Some(expected) = wanted.result.as_ref().filter(|r| r.value != result) {
            failed.push((
                expected.at,
                format!("the WAF says {result:?}, not {:?}", expected.value),
            ));
        }
        let matched: Vec<u64> = waf
            .and_then(|w| w["rules"].as_array())
            .map(|rules| rules.iter().filter_map(Value::as_u64).collect())
            .unwrap_or_default();
        for rule in &wanted.rules {
            if !matched.contains(&u64::from(rule.value)) {
                let message = format!("rule {} did not match; {matched:?} did", rule.value);
                failed.push((rule.at, message));
            }
        }
        let score = waf.and_then(|w| w["score"].as_u64()).unwrap_or(0);
        if let Some(expected) = wanted.score.as_ref()
            && u64::from(expected.value) != score
        {
            let message = format!("the WAF's score is {score}, not {}", expected.value);
            failed.push((expected.at, message));
        }
    }

    fn cached(&self, expect: &Expect, failed: &mut Vec<(Span, String)>) {
        if expect.stored.is_none() && expect.ttl.is_none() && expect.key.is_empty() {
            return;
        }
        let found = looked_up(self.edge, self.request);
        let is_stored =
            |i: &&Inspected| matches!(i.explained.answer, "hit" | "stale" | "revalidate" | "load");
        let stored = found.iter().find(is_stored);
        let said = self.answer.and_then(|a| a.header("cache-status"));
        let says_stored = said.is_some_and(|s| s.split(';').any(|p| p.trim() == "stored"));
        if let Some(wanted) = &expect.stored
            && wanted.value != (stored.is_some() || says_stored)
        {
            let message = match stored {
                Some(at) => format!("it is stored ({})", at.explained.why),
                None if says_stored => "it is stored".to_owned(),
                None => {
                    let why = found.first().map_or("no cache", |i| i.explained.why);
                    format!("it is not stored ({why})")
                }
            };
            failed.push((wanted.at, message));
        }
        if let Some(wanted) = &expect.ttl {
            let left = stored.and_then(|i| Some((i.variants.first()?, i.now_ms)));
            let left = left.map(|(object, now)| {
                let until = object.decision().fresh_until_ms;
                Duration::from_millis(until.saturating_sub(now))
            });
            let fits = left.is_some_and(|l| l <= wanted.value && l + AGED_MAX >= wanted.value);
            if !fits {
                let left = left.map_or("nothing is stored".to_owned(), |l| {
                    format!("it is fresh for {:.0} s", l.as_secs_f64())
                });
                let message = format!("{left}, not for {} s", wanted.value.as_secs());
                failed.push((wanted.at, message));
            }
        }
        for part in &expect.key {
            if !found.iter().any(|i| i.key.contains(&part.value)) {
                let keys: Vec<String> = found.iter().map(|i| i.key.join(" | ")).collect();
                let message = format!(
                    "the cache's key has no part {:?}; it is {}",
                    part.value,
                    keys.join(", ")
                );
                failed.push((part.at, message));
            }
        }
    }

    /// In one line, for people.
    fn happened(&self) -> String {
        let mut out = format!("what happened: {}", self.status());
        if self.answer.is_none() {
            out += " (closed without an answer)";
        }
        for step in self.event["trace"].as_array().into_iter().flatten() {
            let text = |name: &str| step[name].as_str().unwrap_or_default().escape_default();
            match step["step"].as_str().unwrap_or_default() {
                "head" if step["why"].is_string() => {
                    out += &format!("; head refused: {}", text("why"))
                }
                "site" => out += &format!("; site {}", text("result")),
                "route" => out += &format!("; route {} (line {})", text("result"), step["line"]),
                "waf" => {
                    out += &format!("; waf {}", text("result"));
                    if step["rules"].is_array() {
                        out += &format!(" by {}, score {}", step["rules"], step["score"]);
                    }
                }
                "cache" => out += &format!("; cache {}", text("result")),
                "upstream" => {
                    let address = step["result"].as_str().unwrap_or_default();
                    let (pool, server) =
                        self.origins.of(address).map_or(("?", address), |(r, _)| {
                            (r.pool.as_str(), r.server.as_str())
                        });
                    out += &format!("; asked {pool} at {server}: {}", step["status"]);
                }
                _ => {}
            }
        }
        for line in &self.log {
            out += &format!("; log: {}", shown(line));
        }
        out
    }
}

/// What strangers may have sent, on one line and bounded.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    cut.escape_debug().to_string()
}

fn check(
    failed: &mut Vec<(Span, String)>,
    what: &str,
    wanted: &Option<At<Text>>,
    had: Option<&str>,
) {
    if let Some(wanted) = wanted
        && let Err(message) = holds(what, &wanted.value, had)
    {
        failed.push((wanted.at, message));
    }
}

fn fields(
    failed: &mut Vec<(Span, String)>,
    wanted: &[FieldExpected],
    had: impl Fn(&str) -> Option<String>,
) {
    for (name, text) in wanted {
        if let Err(message) = holds(name, &text.value, had(name).as_deref()) {
            failed.push((text.at, message));
        }
    }
}

fn holds(what: &str, wanted: &Text, had: Option<&str>) -> Result<(), String> {
    let is = had.map_or("absent".to_owned(), |had| format!("\"{}\"", shown(had)));
    match (wanted, had) {
        (Text::Absent, None) | (Text::Present, Some(_)) => Ok(()),
        (Text::Is(wanted), Some(had)) if wanted == had => Ok(()),
        (Text::Matches(pattern), had) => match Regex::new(pattern) {
            Ok(regex) if had.is_some_and(|had| regex.is_match(had)) => Ok(()),
            Ok(_) => Err(format!("{what} is {is}, which does not match {pattern:?}")),
            Err(e) => Err(format!("this is no regular expression: {e}")),
        },
        (Text::Absent, Some(_)) => Err(format!("{what} is {is}, and must be absent")),
        (Text::Present, None) => Err(format!("{what} is absent")),
        (Text::Is(wanted), _) => Err(format!("{what} is {is}, not \"{}\"", shown(wanted))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_this_or_like_this_or_there_or_not() {
        let is = Text::Is("a".into());
        let like = Text::Matches("^a+$".into());
        assert!(holds("x", &is, Some("a")).is_ok() && holds("x", &like, Some("aaa")).is_ok());
        assert!(holds("x", &Text::Absent, None).is_ok());
        assert!(holds("x", &Text::Present, Some("")).is_ok());
        for (wanted, had, said) in [
            (&is, None, "x is absent, not \"a\""),
            (&is, Some("b\x1b"), "x is \"b\\u{1b}\", not \"a\""),
            (&like, Some("b"), "does not match"),
            (&Text::Absent, Some("b"), "must be absent"),
            (&Text::Present, None, "x is absent"),
            (
                &Text::Matches("(".into()),
                Some("b"),
                "no regular expression",
            ),
        ] {
            let message = holds("x", wanted, had).unwrap_err();
            assert!(message.contains(said), "{message}");
        }
    }
}
