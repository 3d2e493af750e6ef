//! What stands before a site beside its rules: bad agents, and the decisions of a CrowdSec server.

use super::Pattern;
use seawall_diag::Span;
use std::{path::PathBuf, time::Duration};

/// Programs that are known, or told by the operator, by their User-Agent.
#[derive(Clone, Debug)]
pub struct BadAgents {
    /// Where it was written.
    pub at: Span,
    /// What becomes of their requests.
    pub action: AgentAction,
    /// Whether the list that comes with the daemon counts.
    pub built_in: bool,
    /// More of them.
    pub patterns: Vec<AgentPattern>,
    /// What is answered to those denied (default 403).
    pub status: u16,
}

/// What becomes of the request of a bad agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentAction {
    /// It is refused.
    Deny,
    /// It is given a challenge, which programs do not pass.
    Challenge,
    /// It is served, logged and counted.
    Log,
}

/// What a User-Agent has in it.
#[derive(Clone, Debug)]
pub enum AgentPattern {
    /// A text, in any case.
    Text(String),
    /// What an expression matches.
    Regex(Pattern),
}

/// A CrowdSec server whose decisions are carried out.
#[derive(Clone, Debug)]
pub struct CrowdSec {
    /// Where it was written.
    pub at: Span,
    /// Index into [`super::Config::pools`]: its local API.
    pub pool: usize,
    /// Host and port.
    pub authority: String,
    /// What the paths of its API begin with, without a slash at the end.
    pub path: String,
    /// The bouncer's key, absolute.
    pub key: (PathBuf, Span),
    /// How often decisions are asked for (default 10 s).
    pub interval: Duration,
    /// Decisions kept at once; of more the later ones do not count.
    pub decisions: usize,
    /// Scenarios whose decisions count have one of these in their names; empty: all.
    pub scenarios: Vec<String>,
}
