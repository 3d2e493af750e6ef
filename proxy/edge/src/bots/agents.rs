//! Bad agents: programs that probe sites for holes and say who they are. One automaton looks for all of them at once.
//!
//! Whoever lies about its name is not found here: this keeps away the noise of tools that are run as they come, for next to
//! nothing, and before anything else of a site is asked.

use crate::plan::pattern;
use prometheus::IntCounter;
use regex::bytes::{RegexSet, RegexSetBuilder};
use seawall_conf::model::{AgentAction, AgentPattern, BadAgents};
use seawall_diag::{Diagnostic, Diagnostics};

/// Vulnerability scanners, tools that guess paths and passwords, and worms, by what they write of themselves. Only what has
/// no use for the visitors of a site: no search engine, no library that programs of all kinds are made with, no archive.
#[rustfmt::skip]
const BUILT_IN: &[&str] = &[
    // Scanners of web applications.
    "acunetix", "appscan", "arachni/", "detectify", "invicti", "jaeles", "nessus", "netsparker", "nikto", "nuclei",
    "openvas", "qualys", "skipfish", "vega/1", "w3af", "wapiti", "webinspect", "whatweb", "zaproxy", "owasp zap",
    // What looks for one kind of hole.
    "commix", "fimap", "havij", "joomscan", "sqlmap", "sqlninja", "wpscan", "xsser", "xsstrike", "droopescan", "cmsmap",
    // What guesses paths, parameters and passwords.
    "dirbuster", "dirsearch", "feroxbuster", "ffuf", "fuzz faster u fool", "gobuster", "wfuzz", "dirb/", "hydra", "brutus/", "patator",
    // What looks for open ports and what answers there.
    "masscan", "nmap scripting engine", "zgrab", "zmeu", "l9explore", "l9tcpid", "httpx - open-source",
    // Worms and kits.
    "morfeus", "muieblackcat", "jorgee", "mozi.m", "hello, world", "masjesus",
];

/// Compiled programs of all patterns together may take so many bytes.
const COMPILED_BYTES_MAX: usize = 32 << 20;

/// The counters of a site.
pub struct AgentMetrics {
    /// Refused.
    pub denied: IntCounter,
    /// Given a challenge.
    pub challenged: IntCounter,
    /// Only logged.
    pub logged: IntCounter,
    /// Served: crawlers whose addresses lead back to them.
    pub verified: IntCounter,
}

/// A compiled list of bad agents.
pub struct AgentsPlan {
    all: RegexSet,
    names: Vec<Box<str>>,
    /// What becomes of their requests.
    pub action: AgentAction,
    /// What is answered to those denied.
    pub status: u16,
    /// Its site's counters.
    pub metrics: AgentMetrics,
}

impl AgentsPlan {
    /// Compiles it; `None` where an error is reported.
    pub fn compile(
        from: &BadAgents,
        metrics: AgentMetrics,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let (mut texts, mut names) = (Vec::new(), Vec::new());
        for name in BUILT_IN.iter().filter(|_| from.built_in) {
            texts.push(regex::escape(name));
            names.push(Box::from(*name));
        }
        for own in &from.patterns {
            match own {
                AgentPattern::Text(text) => {
                    texts.push(regex::escape(text));
                    names.push(text.as_str().into());
                }
                AgentPattern::Regex(own) => {
                    // By itself first: its own error, at its own place.
                    pattern::compile(own, errors)?;
                    texts.push(own.text.clone());
                    names.push(own.text.as_str().into());
                }
            }
        }
        let built = RegexSetBuilder::new(&texts)
            .case_insensitive(true)
            .size_limit(COMPILED_BYTES_MAX)
            .build();
        let all = built
            .map_err(|e| {
                let message = format!("these patterns are too much together: {e}");
                errors.push(Diagnostic::error("bad-regex", from.at, message).help("use fewer"));
            })
            .ok()?;
        Some(Self {
            all,
            names,
            action: from.action,
            status: from.status,
            metrics,
        })
    }

    /// The pattern that a User-Agent fits, if it fits one.
    pub fn find(&self, agent: &[u8]) -> Option<&str> {
        let found = self.all.matches(agent);
        let first = found.iter().next()?;
        self.names.get(first).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_conf::model::Pattern;
    use seawall_diag::Span;

    fn plan(built_in: bool, patterns: Vec<AgentPattern>) -> Option<AgentsPlan> {
        let count = || IntCounter::new("a", "b").unwrap();
        let metrics = AgentMetrics {
            denied: count(),
            challenged: count(),
            logged: count(),
            verified: count(),
        };
        let from = BadAgents {
            at: Span::default(),
            action: AgentAction::Deny,
            built_in,
            patterns,
            status: 403,
        };
        AgentsPlan::compile(&from, metrics, &mut Diagnostics::default())
    }

    fn regex(text: &str) -> AgentPattern {
        AgentPattern::Regex(Pattern {
            at: Span::default(),
            text: text.into(),
            caseless: true,
            negated: false,
        })
    }

    #[test]
    fn scanners_are_told_by_their_own_words_and_visitors_are_not() {
        let agents = plan(true, Vec::new()).unwrap();
        for bad in [
            "sqlmap/1.7.2#stable (https://sqlmap.org)",
            "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
            "WPScan v3.8.22 (https://wpscan.com/wordpress-security-scanner)",
            "Mozilla/5.0 zgrab/0.x",
            "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
            "gobuster/3.5",
            "Fuzz Faster U Fool v1.5.0",
            "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
            "ZmEu",
        ] {
            assert!(agents.find(bad.as_bytes()).is_some(), "{bad}");
        }
        for good in [
            "",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "curl/8.9.1",
            "python-requests/2.32.3",
            "Go-http-client/2.0",
            "Wget/1.21.3",
            "okhttp/4.12.0",
            "Prometheus/2.45.0",
            "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)",
            "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
        ] {
            assert_eq!(agents.find(good.as_bytes()), None, "{good}");
        }
    }

    #[test]
    fn own_patterns_are_texts_or_expressions_in_any_case() {
        let own = vec![
            AgentPattern::Text("evil.bot (x)".into()),
            regex(r"^bot/\d+$"),
        ];
        let agents = plan(false, own).unwrap();
        assert_eq!(agents.find(b"an EVIL.Bot (X) 1"), Some("evil.bot (x)"));
        assert_eq!(agents.find(b"evilxbot (x)"), None);
        assert_eq!(agents.find(b"BOT/12"), Some(r"^bot/\d+$"));
        assert_eq!(agents.find(b"a bot/12"), None);
        assert_eq!(agents.find(b"sqlmap"), None);
        assert_eq!(agents.find(b"\xff\xfe evil.bot (x)"), Some("evil.bot (x)"));
        assert!(plan(false, vec![regex("(")]).is_none());
    }
}
