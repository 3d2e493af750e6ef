//! Counters of what stands before a site.

use super::agents::AgentMetrics;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

/// The families, declared once.
pub struct ScreenFamily {
    agents: IntCounterVec,
    remedies: IntCounterVec,
    decisions: IntGaugeVec,
    /// Questions to the CrowdSec server that it answered.
    pub polls_answered: IntCounter,
    /// Questions that it did not.
    pub polls_failed: IntCounter,
}

/// The counters of a site for what a CrowdSec server decided.
pub struct RemedyMetrics {
    /// Refused.
    pub banned: IntCounter,
    /// Given a challenge, or let pass by its proof.
    pub captcha: IntCounter,
}

impl ScreenFamily {
    /// Declares them.
    ///
    /// # Errors
    /// Names that are taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let family = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let polls = family(
            "seawall_crowdsec_polls_total",
            "Questions to the CrowdSec server",
            &["result"],
        )?;
        let decisions = IntGaugeVec::new(
            Opts::new(
                "seawall_crowdsec_decisions",
                "Decisions of the CrowdSec server that hold",
            ),
            &["type"],
        )?;
        registry.register(Box::new(decisions.clone()))?;
        Ok(Self {
            agents: family(
                "seawall_bad_agents_total",
                "Requests of bad agents, by what became of them",
                &["site", "result"],
            )?,
            remedies: family(
                "seawall_crowdsec_requests_total",
                "Requests that the CrowdSec server had decided about",
                &["site", "type"],
            )?,
            decisions,
            polls_answered: polls.with_label_values(&["answered"]),
            polls_failed: polls.with_label_values(&["failed"]),
        })
    }

    /// So many decisions hold.
    pub fn decisions(&self, bans: usize, captchas: usize) {
        for (kind, count) in [("ban", bans), ("captcha", captchas)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.decisions.with_label_values(&[kind]).set(count);
        }
    }

    /// The handles of a site for bad agents.
    pub fn agents(&self, site: &str) -> AgentMetrics {
        let result = |result: &str| self.agents.with_label_values(&[site, result]);
        AgentMetrics {
            denied: result("denied"),
            challenged: result("challenged"),
            logged: result("logged"),
            verified: result("verified"),
        }
    }

    /// The handles of a site for decisions.
    pub fn remedies(&self, site: &str) -> RemedyMetrics {
        let kind = |kind: &str| self.remedies.with_label_values(&[site, kind]);
        RemedyMetrics {
            banned: kind("ban"),
            captcha: kind("captcha"),
        }
    }
}
