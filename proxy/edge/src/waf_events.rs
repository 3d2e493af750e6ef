//! What the WAF refused or would have refused: the last few, for people and for the API.

use parking_lot::Mutex;
use seawall_waf::{Exclude, Match, suggestions};
use std::{collections::VecDeque, sync::Arc};

/// Events that are kept; one more takes the place of the oldest.
pub const EVENTS_MAX: usize = 512;
/// Bytes of a request's path that an event keeps.
const PATH_BYTES_MAX: usize = 512;
/// Points of a match by its severity, as CRS and our own rules give them: critical, error, warning, notice.
const POINTS: [(seawall_waf::Severity, u32); 4] = [
    (seawall_waf::Severity::Critical, 5),
    (seawall_waf::Severity::Error, 4),
    (seawall_waf::Severity::Warning, 3),
    (seawall_waf::Severity::Notice, 2),
];

/// A request or a response that was refused, or would have been.
#[derive(Debug)]
pub struct WafEvent {
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// The request's id.
    pub id: String,
    /// The client's address.
    pub client: String,
    /// The site's name.
    pub site: String,
    /// The rule set.
    pub rule_set: String,
    /// The request's method.
    pub method: String,
    /// The request's path as it was sent, without the query.
    pub path: String,
    /// Whether it was refused.
    pub blocked: bool,
    /// The status of the refusal.
    pub status: u16,
    /// The rule that decided; 0 for a limit of the engine's own.
    pub rule: u32,
    /// The inbound anomaly score.
    pub score: u32,
    /// The score that refuses.
    pub threshold: u32,
    /// The rules that matched; secrets are masked.
    pub matches: Vec<Match>,
}

impl WafEvent {
    /// The path of a request's target, as far as it is kept.
    pub fn path_of(target: &[u8]) -> String {
        let end = memchr::memchr(b'?', target).unwrap_or(target.len());
        let path = target.get(..end.min(PATH_BYTES_MAX)).unwrap_or_default();
        path.escape_ascii().to_string()
    }

    /// The exclusions that would have let it pass.
    pub fn suggestions(&self) -> Vec<Exclude> {
        suggestions(&self.matches, self.path.as_bytes())
    }

    /// What an exclusion would have changed of it: how many matches, and whether the rest is below the threshold.
    pub fn under(&self, exclude: &Exclude) -> Changed {
        let below = exclude.path.as_ref();
        if below.is_some_and(|path| !self.path.starts_with(path)) {
            return Changed::default();
        }
        let gone = |found: &&Match| {
            let named = exclude.rules.contains(&found.rule)
                || exclude.tags.iter().any(|tag| found.tags.contains(tag));
            let target = exclude.target.as_deref();
            named && target.is_none_or(|target| is_about(&found.variable, target))
        };
        let (matches, points) = self
            .matches
            .iter()
            .filter(gone)
            .fold((0, 0), |(n, sum), found| (n + 1, sum + points(found)));
        Changed {
            matches,
            passes: matches > 0 && self.score.saturating_sub(points) < self.threshold,
        }
    }
}

/// What an exclusion changes of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Matches that would not have been.
    pub matches: usize,
    /// Whether the request would have passed, as far as the matches' severities tell.
    pub passes: bool,
}

fn points(found: &Match) -> u32 {
    let known = POINTS
        .iter()
        .find(|(severity, _)| found.severity == Some(*severity));
    known
        .filter(|_| found.scores)
        .map_or(0, |(_, points)| *points)
}

/// `ARGS` is about `ARGS:q`, too.
fn is_about(variable: &str, target: &str) -> bool {
    let whole = variable.split(':').next().unwrap_or_default();
    variable.eq_ignore_ascii_case(target) || whole.eq_ignore_ascii_case(target)
}

/// The last events, oldest first.
#[derive(Debug, Default)]
pub struct WafEvents(Mutex<VecDeque<Arc<WafEvent>>>);

impl WafEvents {
    /// Keeps one.
    pub fn push(&self, event: WafEvent) {
        let mut events = self.0.lock();
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(Arc::new(event));
    }

    /// The last ones, newest first.
    pub fn last(&self, count: usize) -> Vec<Arc<WafEvent>> {
        self.0.lock().iter().rev().take(count).cloned().collect()
    }

    /// The one of a request.
    pub fn of(&self, id: &str) -> Option<Arc<WafEvent>> {
        self.0.lock().iter().rev().find(|e| e.id == id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_waf::Severity;

    fn event(id: &str, matches: Vec<Match>) -> WafEvent {
        WafEvent {
            time_ms: 0,
            id: id.into(),
            client: "192.0.2.1".into(),
            site: "a.test".into(),
            rule_set: "default".into(),
            method: "GET".into(),
            path: "/s".into(),
            blocked: true,
            status: 403,
            rule: 949110,
            score: 8,
            threshold: 5,
            matches,
        }
    }

    fn found(rule: u32, variable: &str, severity: Severity) -> Match {
        Match {
            rule,
            message: String::new(),
            data: String::new(),
            severity: Some(severity),
            variable: variable.into(),
            value: String::new(),
            tags: Arc::default(),
            scores: true,
            dry_run: false,
            logged: true,
            audited: true,
            place: (0, 0),
            info: Arc::default(),
        }
    }

    #[test]
    fn one_more_than_are_kept_takes_the_place_of_the_oldest() {
        let events = WafEvents::default();
        for n in 0..=EVENTS_MAX {
            events.push(event(&n.to_string(), Vec::new()));
        }
        assert_eq!(events.last(usize::MAX).len(), EVENTS_MAX);
        assert!(events.of("0").is_none() && events.of("1").is_some());
        assert_eq!(events.last(1)[0].id, EVENTS_MAX.to_string());
    }

    #[test]
    fn a_dry_run_says_which_matches_go_and_whether_the_rest_passes() {
        let matches = vec![
            found(1, "ARGS:q", Severity::Critical),
            found(2, "ARGS:r", Severity::Warning),
        ];
        let event = event("a", matches);
        let under = |rules: &[u32], target: Option<&str>, path: Option<&str>| {
            let changed = event.under(&Exclude {
                rules: rules.to_vec(),
                tags: Vec::new(),
                target: target.map(str::to_owned),
                path: path.map(str::to_owned),
            });
            (changed.matches, changed.passes)
        };
        assert_eq!(under(&[1], None, None), (1, true));
        assert_eq!(under(&[2], Some("ARGS:r"), None), (1, false));
        assert_eq!(under(&[1, 2], Some("ARGS"), Some("/s")), (2, true));
        assert_eq!(under(&[1], Some("ARGS:r"), None), (0, false));
        assert_eq!(under(&[1], None, Some("/t")), (0, false));
    }

    #[test]
    fn a_path_is_kept_without_its_query_and_without_what_a_terminal_obeys() {
        assert_eq!(WafEvent::path_of(b"/a\x1b[1m?secret=1"), "/a\\x1b[1m");
        assert!(WafEvent::path_of(&[b'a'; 10_000]).len() <= PATH_BYTES_MAX);
    }
}
