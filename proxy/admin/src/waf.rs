//! The WAF: what it refused, why, and what it is not to look at.

use crate::{
    Problem,
    answers::{Ask, Reply, refused},
};

type Answer = Result<Reply, Problem>;

/// `?limit=...`
pub(crate) fn events(ask: &Ask) -> Answer {
    Ok(ask.state.control.waf_events(ask.limit()?).into())
}

/// `{"id": "..."}` or `{"request": "GET / HTTP/1.1\r\n...", "rule_set": "..."}`
pub(crate) fn explain(ask: &Ask) -> Answer {
    let explained = ask.state.control.waf_explain(&ask.json()?);
    explained.map(Reply::from).map_err(refused)
}

/// `{"rules": [...], "tags": [...], "target": "...", "path": "...", "rule_set": "...", "dry_run": true}`
pub(crate) fn exclude(ask: &Ask) -> Answer {
    let excluded = ask.state.control.waf_exclude(&ask.json()?);
    excluded.map(Reply::from).map_err(refused)
}
