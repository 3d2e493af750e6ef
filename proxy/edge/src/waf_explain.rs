//! A request that is judged to be explained, and exclusions that hold at once. Nothing here serves a client.

use crate::{
    edge::Edge,
    plan::WafPlan,
    waf_events::{Changed, EVENTS_MAX, WafEvent},
    waf_step,
};
use seawall_waf::{
    Exclude, ExcludeError, Match, RequestLine, Scratch, Transaction, Verdict, suggestions,
};
use std::{net::IpAddr, sync::Arc};

/// Header fields of a request that is explained.
const FIELDS_MAX: usize = 200;

/// Why something cannot be explained or excluded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// There is none, or none of this name.
    #[error("there is no rule set {0:?}")]
    NoRuleSet(String),
    /// It is no request.
    #[error("it is no HTTP request: {0}")]
    NoRequest(&'static str),
    /// The exclusion is wrong.
    #[error(transparent)]
    Exclude(#[from] ExcludeError),
}

/// What the rules say of a request.
#[derive(Debug)]
pub struct Explained {
    /// The rule set.
    pub rule_set: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Its inbound anomaly score.
    pub score: u32,
    /// The score that refuses.
    pub threshold: u32,
    /// The rules that matched.
    pub matches: Vec<Match>,
    /// Exclusions with which it passes, as a second run has shown; none if there are none, or if it passes as it is.
    pub exclude: Vec<Exclude>,
}

/// What an exclusion does.
#[derive(Debug)]
pub struct Excluded {
    /// The rule set.
    pub rule_set: String,
    /// Events of this rule set that are kept.
    pub events: usize,
    /// Those of them that it changes, newest first.
    pub changed: Vec<(Arc<WafEvent>, Changed)>,
}

struct Raw<'a> {
    method: &'a [u8],
    target: &'a [u8],
    protocol: &'a [u8],
    fields: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
}

/// A request as it is written: lines may end without a carriage return, so that one can be typed.
fn raw(text: &[u8]) -> Result<Raw<'_>, ExplainError> {
    let mut rest = text;
    let mut line = || {
        let end = memchr::memchr(b'\n', rest);
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
        line.strip_suffix(b"\r").unwrap_or(line)
    };
    let mut words = line().split(|b| *b == b' ');
    let (Some(method), Some(target), protocol, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(ExplainError::NoRequest(
            "its first line is METHOD TARGET HTTP/1.1",
        ));
    };
    if method.is_empty() || target.is_empty() {
        return Err(ExplainError::NoRequest(
            "its first line is METHOD TARGET HTTP/1.1",
        ));
    }
    let mut fields = Vec::new();
    loop {
        let field = line();
        if field.is_empty() {
            break;
        }
        if fields.len() >= FIELDS_MAX {
            return Err(ExplainError::NoRequest("it has too many fields"));
        }
        let colon = memchr::memchr(b':', field);
        let colon = colon.ok_or(ExplainError::NoRequest("a field has no colon"))?;
        let (name, value) = field.split_at(colon);
        fields.push((name, value.get(1..).unwrap_or_default().trim_ascii()));
    }
    Ok(Raw {
        method,
        target,
        protocol: protocol.unwrap_or(b"HTTP/1.1"),
        fields,
        body: rest,
    })
}

fn judge(
    waf: &WafPlan,
    client: IpAddr,
    raw: &Raw<'_>,
    more: &[Exclude],
) -> Result<(Verdict, Transaction), ExplainError> {
    let mut transaction = Transaction::begin(waf.program.clone(), Scratch::new());
    transaction.exclude(&waf.exclusions.load(), raw.target);
    transaction.exclude(&waf.program.exclusions(more)?, raw.target);
    let head = transaction.request_head(&RequestLine {
        client,
        method: raw.method,
        target: raw.target,
        protocol: raw.protocol,
        fields: &raw.fields,
    });
    let mut verdict = head;
    if verdict == Verdict::Pass && !raw.body.is_empty() {
        verdict = transaction.body_chunk(raw.body);
    }
    if verdict == Verdict::Pass {
        verdict = transaction.request_end();
    }
    Ok((verdict, transaction))
}

impl WafPlan {
    /// Judges a request as it is written, and finds the exclusions with which it passes.
    ///
    /// # Errors
    /// It is no request.
    pub fn explain(&self, request: &[u8], client: IpAddr) -> Result<Explained, ExplainError> {
        let raw = raw(request)?;
        let (verdict, transaction) = judge(self, client, &raw, &[])?;
        let mut exclude = Vec::new();
        if verdict != Verdict::Pass {
            exclude = suggestions(transaction.matches(), raw.target);
            if judge(self, client, &raw, &exclude)?.0 != Verdict::Pass {
                exclude.clear();
            }
        }
        Ok(Explained {
            rule_set: self.name.clone(),
            verdict,
            score: transaction.score(),
            threshold: self.threshold,
            matches: waf_step::logged(&transaction),
            exclude,
        })
    }
}

impl Edge {
    /// What the WAF refused or would have refused lately, newest first.
    pub fn waf_events(&self, count: usize) -> Vec<Arc<WafEvent>> {
        self.shared().waf_events.last(count)
    }

    /// What the WAF said of a request.
    pub fn waf_event(&self, id: &str) -> Option<Arc<WafEvent>> {
        self.shared().waf_events.of(id)
    }

    /// The rule set of this name; without one, the first.
    fn rule_set(&self, name: Option<&str>) -> Result<Arc<WafPlan>, ExplainError> {
        let plan = self.plan();
        let found = plan.wafs.iter().find(|w| name.is_none_or(|n| n == w.name));
        found
            .cloned()
            .ok_or_else(|| ExplainError::NoRuleSet(name.unwrap_or_default().to_owned()))
    }

    /// Judges a request as it is written, and finds the exclusions with which it passes. Computes for as long as a
    /// request may.
    ///
    /// # Errors
    /// There is no such rule set, or it is no request.
    pub fn waf_explain(
        &self,
        request: &[u8],
        rule_set: Option<&str>,
        client: IpAddr,
    ) -> Result<Explained, ExplainError> {
        self.rule_set(rule_set)?.explain(request, client)
    }

    /// Says what an exclusion changes of the events that are kept and, unless it is only tried out, lets it hold from the
    /// next request on. It holds over reloads, until the daemon ends: to keep it, it belongs into the configuration.
    ///
    /// # Errors
    /// There is no such rule set, or it names what is not there.
    pub fn waf_exclude(
        &self,
        rule_set: Option<&str>,
        exclude: &Exclude,
        dry_run: bool,
    ) -> Result<Excluded, ExplainError> {
        let waf = self.rule_set(rule_set)?;
        waf.program.exclusions(std::slice::from_ref(exclude))?;
        let events = self.shared().waf_events.last(EVENTS_MAX);
        let mine = events.into_iter().filter(|e| e.rule_set == waf.name);
        let mut excluded = Excluded {
            rule_set: waf.name.clone(),
            events: 0,
            changed: Vec::new(),
        };
        for event in mine {
            excluded.events += 1;
            let changed = event.under(exclude);
            if changed.matches > 0 {
                excluded.changed.push((event, changed));
            }
        }
        if !dry_run {
            waf.exclude(exclude)?;
        }
        Ok(excluded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_typed() {
        let request = raw(b"POST /a?b HTTP/1.1\nHost: x\r\nA:b : c \n\nbody\r\n\r\nmore").unwrap();
        assert_eq!(
            (request.method, request.target),
            (&b"POST"[..], &b"/a?b"[..])
        );
        assert_eq!(
            request.fields,
            [(&b"Host"[..], &b"x"[..]), (b"A", b"b : c")]
        );
        assert_eq!(request.body, b"body\r\n\r\nmore");
        assert_eq!(raw(b"GET /").unwrap().protocol, b"HTTP/1.1");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let many = format!("GET / HTTP/1.1\n{}", "A: b\n".repeat(FIELDS_MAX + 1));
        for text in [
            "",
            "GET",
            "GET / HTTP/1.1 x",
            "GET  /",
            "GET / HTTP/1.1\nfield",
            &many,
        ] {
            assert!(raw(text.as_bytes()).is_err(), "{text}");
        }
    }
}
