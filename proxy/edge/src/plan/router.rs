//! From a path to a route: from the top (YAML) or exact, longest prefix, expressions in order (nginx).

use super::{pattern, program::named_groups, when::When};
use crate::{
    template::UserVariables,
    tx::{Captures, Tx},
};
use regex::bytes::Regex;
use seawall_conf::model::{Matcher, Routing, Test};
use seawall_diag::Diagnostics;

/// The routes of one site.
pub struct Router {
    routing: Routing,
    matchers: Vec<Match>,
    /// Named groups of each matcher, as (group, slot of the variable).
    groups: Vec<Vec<(usize, usize)>>,
    /// nginx: indexes of prefixes, longest first.
    prefixes: Vec<usize>,
    names: Vec<(String, usize)>,
    /// Paths that are led to themselves with a slash: proxied prefixes without theirs (nginx: `auto_redirect`).
    slashed: Vec<Box<[u8]>>,
    /// What routes ask beside the path, by index; empty where none asks.
    when: Vec<When>,
}

enum Match {
    Exact(Box<[u8]>),
    Segments(Box<[u8]>),
    Prefix { path: Box<[u8]>, stop: bool },
    Regex(Regex),
    Never,
}

impl Router {
    /// Compiles the matchers of a site, in the order written.
    pub fn compile<'a>(
        routing: Routing,
        matchers: impl Iterator<Item = &'a Matcher>,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Self {
        let mut names = Vec::new();
        let matchers: Vec<Match> = matchers
            .enumerate()
            .map(|(at, m)| match m {
                Matcher::Exact(path) => Match::Exact(path.as_bytes().into()),
                Matcher::Segments(path) => {
                    Match::Segments(path.trim_end_matches('/').as_bytes().into())
                }
                Matcher::Prefix { path, stop } => Match::Prefix {
                    path: path.as_bytes().into(),
                    stop: *stop,
                },
                Matcher::Regex(p) => pattern::compile(p, errors).map_or(Match::Never, Match::Regex),
                Matcher::Named(name) => {
                    names.push((name.clone(), at));
                    Match::Never
                }
            })
            .collect();
        let length = |at: &usize| match matchers.get(*at) {
            Some(Match::Prefix { path, .. }) => path.len(),
            _ => 0,
        };
        let mut prefixes: Vec<usize> = (0..matchers.len())
            .filter(|at| matches!(matchers.get(*at), Some(Match::Prefix { .. })))
            .collect();
        let groups = matchers
            .iter()
            .map(|m| match m {
                Match::Regex(regex) => named_groups(regex, user),
                _ => Vec::new(),
            })
            .collect();
        prefixes.sort_by_key(|at| std::cmp::Reverse(length(at)));
        Self {
            routing,
            matchers,
            groups,
            prefixes,
            names,
            slashed: Vec::new(),
            when: Vec::new(),
        }
    }

    /// The same with what the routes ask beside their paths.
    pub fn asking<'a>(
        mut self,
        tests: impl Iterator<Item = &'a Vec<Test>>,
        errors: &mut Diagnostics,
    ) -> Self {
        let when: Vec<When> = tests.map(|t| When::compile(t, errors)).collect();
        if when.iter().any(|w| !w.is_empty()) {
            self.when = when;
        }
        self
    }

    /// The route of a request: the first whose path and whose conditions fit.
    pub fn find_for(&self, tx: &Tx, captures: &mut Captures) -> Option<usize> {
        if self.when.is_empty() {
            return self.find(tx.uri(), captures);
        }
        let found = self.matchers.iter().zip(&self.when).position(|(m, when)| {
            // What an expression captured whose route asks for more belongs to nobody.
            captures.clear();
            m.takes(tx.uri(), captures) && when.holds(tx)
        });
        if found.is_none() {
            captures.clear();
        }
        found
    }

    /// The route of a decoded, normalised path. Captures of a matching expression are kept.
    pub fn find(&self, path: &[u8], captures: &mut Captures) -> Option<usize> {
        match self.routing {
            Routing::FirstMatch => self.matchers.iter().position(|m| m.takes(path, captures)),
            Routing::Nginx => self.find_nginx(path, captures),
        }
    }

    /// The named groups of a route's expression, as (group, slot of the variable).
    pub fn groups(&self, route: usize) -> &[(usize, usize)] {
        self.groups.get(route).map_or(&[], Vec::as_slice)
    }

    /// Leads a path to its slash, unless a route takes the path itself.
    pub fn lead_to_slash(&mut self, prefix: &str) {
        let Some(path) = prefix.strip_suffix('/').filter(|p| !p.is_empty()) else {
            return;
        };
        let path = path.as_bytes();
        let is_taken = |m: &Match| match m {
            Match::Exact(p) => **p == *path,
            Match::Prefix { path: p, .. } => **p == *path,
            _ => false,
        };
        if !self.matchers.iter().any(is_taken) {
            self.slashed.push(path.into());
        }
    }

    /// Whether a path lacks its final slash.
    pub fn lacks_slash(&self, path: &[u8]) -> bool {
        !self.slashed.is_empty() && self.slashed.iter().any(|p| **p == *path)
    }

    /// The route of nginx's `@name`.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, at)| *at)
    }

    fn find_nginx(&self, path: &[u8], captures: &mut Captures) -> Option<usize> {
        let exact = |m: &Match| matches!(m, Match::Exact(p) if **p == *path);
        if let Some(at) = self.matchers.iter().position(exact) {
            return Some(at);
        }
        let longest = self.prefixes.iter().copied().find(
            |at| matches!(self.matchers.get(*at), Some(Match::Prefix { path: p, .. }) if path.starts_with(p)),
        );
        if let Some(at) = longest
            && matches!(
                self.matchers.get(at),
                Some(Match::Prefix { stop: true, .. })
            )
        {
            return Some(at);
        }
        let regex = |m: &Match| matches!(m, Match::Regex(_)) && m.takes(path, captures);
        self.matchers.iter().position(regex).or(longest)
    }
}

impl Match {
    fn takes(&self, path: &[u8], captures: &mut Captures) -> bool {
        match self {
            Match::Exact(p) => **p == *path,
            Match::Segments(p) => path
                .strip_prefix(&**p)
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'/'))),
            Match::Prefix { path: p, .. } => path.starts_with(p),
            Match::Regex(r) => match r.captures(path) {
                Some(found) => {
                    captures.keep(&found);
                    true
                }
                None => false,
            },
            Match::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_conf::model::Pattern;

    fn regex(text: &str) -> Matcher {
        Matcher::Regex(Pattern {
            at: Default::default(),
            text: text.into(),
            caseless: false,
            negated: false,
        })
    }

    fn prefix(path: &str, stop: bool) -> Matcher {
        Matcher::Prefix {
            path: path.into(),
            stop,
        }
    }

    #[test]
    fn nginx_takes_exact_then_the_longest_prefix_unless_an_expression_matches() {
        let matchers = [
            prefix("/", false),
            Matcher::Exact("/".into()),
            prefix("/images/", true),
            regex(r"\.(gif|jpg)$"),
            prefix("/documents/", false),
        ];
        let mut errors = Diagnostics::default();
        let router = Router::compile(
            Routing::Nginx,
            matchers.iter(),
            &UserVariables::default(),
            &mut errors,
        );
        let mut captures = Captures::default();
        for (path, route) in [
            ("/", 1),
            ("/index.html", 0),
            ("/documents/d.html", 4),
            ("/images/1.gif", 2),
            ("/documents/1.jpg", 3),
        ] {
            assert_eq!(
                router.find(path.as_bytes(), &mut captures),
                Some(route),
                "{path}"
            );
        }
        assert_eq!(captures.get(1), b"jpg");
    }

    #[test]
    fn yaml_prefixes_match_whole_segments_and_the_first_wins() {
        let matchers = [
            Matcher::Segments("/api".into()),
            regex("^/p/([0-9]+)$"),
            Matcher::Segments("/".into()),
        ];
        let mut errors = Diagnostics::default();
        let router = Router::compile(
            Routing::FirstMatch,
            matchers.iter(),
            &UserVariables::default(),
            &mut errors,
        );
        let mut captures = Captures::default();
        for (path, route) in [
            ("/api", 0),
            ("/api/x", 0),
            ("/apis", 2),
            ("/p/12", 1),
            ("/p/x", 2),
        ] {
            assert_eq!(
                router.find(path.as_bytes(), &mut captures),
                Some(route),
                "{path}"
            );
        }
    }

    #[test]
    fn a_bad_expression_is_an_error_and_matches_nothing() {
        let mut errors = Diagnostics::default();
        let router = Router::compile(
            Routing::Nginx,
            [regex("(?=x)")].iter(),
            &UserVariables::default(),
            &mut errors,
        );
        assert!(errors.has_errors());
        assert_eq!(router.find(b"x", &mut Captures::default()), None);
    }
}
