//! `bad_agents` and `crowdsec`: what stands before a site beside its rules.

use super::access::place;
use super::pools::Pools;
use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use super::when::texts;
use crate::model::{AgentAction, AgentPattern, BadAgents, CrowdSec, Pattern};
use std::time::Duration;

pub(super) const BAD_AGENTS: Shape = Shape {
    what: "`bad_agents`",
    fields: &["action", "builtin", "patterns", "status"],
    not_yet: &[],
};
pub(super) const AGENT_PATTERN: Shape = Shape {
    what: "a pattern",
    fields: &["regex"],
    not_yet: &[],
};
pub(super) const CROWDSEC: Shape = Shape {
    what: "`crowdsec`",
    fields: &["lapi", "key", "interval", "decisions", "scenarios"],
    not_yet: &[],
};

/// Patterns of one list.
const PATTERNS_MAX: usize = 1000;
/// A shorter text would be in agents that nobody thought of.
const TEXT_BYTES_MIN: usize = 3;
/// What is answered to bad agents.
const STATUS: u64 = 403;
/// How often decisions are asked for.
const INTERVAL: Duration = Duration::from_secs(10);
const INTERVAL_MAX: Duration = Duration::from_secs(3600);
/// Decisions kept at once.
const DECISIONS: u64 = 200_000;
const DECISIONS_MAX: u64 = 2_000_000;

const ACTIONS: [(&str, AgentAction); 3] = [
    ("deny", AgentAction::Deny),
    ("challenge", AgentAction::Challenge),
    ("log", AgentAction::Log),
];

/// `deny`, `challenge`, `log`, `off`, or how.
pub(crate) fn bad_agents(reader: &mut Reader<'_>, node: &Node) -> Option<Option<BadAgents>> {
    if node.is_off() {
        return Some(None);
    }
    let mut agents = BadAgents {
        at: node.at,
        action: AgentAction::Deny,
        built_in: true,
        patterns: Vec::new(),
        status: STATUS as u16,
    };
    if let Value::Scalar { .. } = node.value {
        agents.action = reader.choice(node, &ACTIONS, &[])?;
        return Some(Some(agents));
    }
    let fields = reader.open(node, &BAD_AGENTS)?;
    if let Some(node) = fields.get("action") {
        agents.action = reader.choice(node, &ACTIONS, &[])?;
    }
    if let Some(node) = fields.get("builtin") {
        agents.built_in = reader.boolean(node)?;
    }
    if let Some(node) = fields.get("patterns") {
        let list = reader.list(node);
        if list.len() > PATTERNS_MAX {
            let message = format!("more than {PATTERNS_MAX} patterns");
            reader.invalid(node.at, message, "one expression can stand for many");
            return None;
        }
        agents.patterns = list.iter().filter_map(|n| pattern(reader, n)).collect();
    }
    if let Some(status) = fields
        .get("status")
        .and_then(|n| reader.integer(n, 400, 599))
    {
        agents.status = status as u16;
    }
    if !agents.built_in && agents.patterns.is_empty() {
        reader.invalid(node.at, "nobody is a bad agent", "write bad_agents: off");
        return None;
    }
    Some(Some(agents))
}

fn pattern(reader: &mut Reader<'_>, node: &Node) -> Option<AgentPattern> {
    if let Value::Map(_) = node.value {
        let fields = reader.open(node, &AGENT_PATTERN)?;
        let Some(node) = fields.get("regex") else {
            reader.missing(node.at, "a pattern", "regex");
            return None;
        };
        return Some(AgentPattern::Regex(Pattern {
            at: node.at,
            text: reader.string(node)?.to_owned(),
            caseless: true,
            negated: false,
        }));
    }
    let text = reader.string(node)?;
    if text.trim().len() < TEXT_BYTES_MIN {
        let message = format!("`{text}` is in too many agents");
        let help = "write at least three characters, or { regex: ... }";
        reader.invalid(node.at, message, help);
        return None;
    }
    Some(AgentPattern::Text(text.to_owned()))
}

/// The server and how it is asked.
pub(crate) fn crowdsec(
    reader: &mut Reader<'_>,
    node: &Node,
    pools: &mut Pools,
) -> Option<CrowdSec> {
    if node.is_off() {
        return None;
    }
    let fields = reader.open(node, &CROWDSEC)?;
    for field in ["lapi", "key"] {
        if fields.get(field).is_none() {
            reader.missing(fields.at, "`crowdsec`", field);
        }
    }
    let (lapi, key) = (fields.get("lapi")?, fields.get("key")?);
    let text = reader.string(lapi)?;
    let place = place(reader, lapi.at, text, pools)?;
    let key = reader.secret_file(key)?;
    let interval = match fields.get("interval") {
        None => INTERVAL,
        Some(node) => {
            let interval = reader.duration(node)?;
            if interval < Duration::from_secs(1) || interval > INTERVAL_MAX {
                reader.invalid(
                    node.at,
                    "decisions are asked for every 1s to 1h",
                    "write 10s",
                );
                return None;
            }
            interval
        }
    };
    let decisions = fields
        .get("decisions")
        .and_then(|n| reader.integer(n, 1, DECISIONS_MAX))
        .unwrap_or(DECISIONS);
    let scenarios = fields
        .get("scenarios")
        .map_or_else(|| Some(Vec::new()), |n| texts(reader, n))?;
    Some(CrowdSec {
        at: fields.at,
        pool: place.pool,
        authority: place.authority,
        path: place.path.trim_end_matches('/').to_owned(),
        key,
        interval,
        decisions: decisions as usize,
        scenarios,
    })
}
