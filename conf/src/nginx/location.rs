//! `location`: what it takes, what it answers with, what it inherits.

use super::content;
use super::fastcgi;
use super::lex::Word;
use super::proxy;
use super::read::{Reader, pattern};
use super::rewrite;
use super::scope::{Named, Scope};
use super::tree::{Directive, Item, directives};
use super::upstream::Upstreams;
use crate::model::{Content, FixedBytes, Matcher, Route, RoutePolicy};
use seawall_diag::{Diagnostic, Span};

/// Directives that change nothing but the program: an `if` that holds only these needs no location of its own.
const PROGRAM: &[&str] = &[
    "set",
    "rewrite",
    "return",
    "break",
    "rewrite_log",
    "uninitialized_variable_warn",
];

/// Directives that hand a request on.
const PASSES: &[&str] = &["proxy_pass", "grpc_pass", "fastcgi_pass"];

/// What lowering a server needs.
pub(crate) struct Builder<'b, 'r> {
    pub(crate) reader: &'b mut Reader<'r>,
    pub(crate) named: &'b Named<'b>,
    pub(crate) upstreams: &'b mut Upstreams,
}

impl Builder<'_, '_> {
    /// Lowers the locations among items, nested ones too, into one list: the longest prefix wins wherever it stands.
    pub(crate) fn locations(
        &mut self,
        items: &[Item],
        outer: &Scope,
        within: Option<&Matcher>,
        all: &mut Vec<Route>,
    ) {
        for d in directives(items).filter(|d| d.name() == "location") {
            let Some((at, matcher)) = self.matcher(d) else {
                continue;
            };
            if let Some(first) = all.iter().find(|r| same(&r.matcher, &matcher)) {
                let message = format!(
                    "duplicate location \"{}\"",
                    d.args.last().map_or("", |w| &w.text)
                );
                let finding = Diagnostic::error("nginx-duplicate", at, message);
                self.reader
                    .found
                    .push(finding.related(first.at, "first written here"));
                continue;
            }
            if let Some(within) = within
                && !self.may_nest(at, within, &matcher)
            {
                continue;
            }
            let items = d.block.as_deref().unwrap_or_default();
            let mut scope = outer.enter(self.reader, items, self.named);
            if let Some(root) = content::alias(self.reader, items, &matcher) {
                scope.root = root;
            }
            let content = self.content(items, &scope, &matcher);
            let route = self.route(at, items, &scope, matcher.clone(), content);
            all.push(route);
            self.locations(items, &scope, Some(&matcher), all);
        }
    }

    /// A route of a level: its program, content and policy.
    pub(crate) fn route(
        &mut self,
        at: Span,
        items: &[Item],
        scope: &Scope,
        matcher: Matcher,
        content: Content,
    ) -> Route {
        let (named, upstreams) = (self.named, &mut *self.upstreams);
        let within = matcher.clone();
        let program = rewrite::program(self.reader, items, &mut |reader, condition| {
            let items = condition.block.as_deref().unwrap_or_default();
            if directives(items).all(|d| PROGRAM.contains(&d.name())) {
                return None;
            }
            let inner = scope.enter(reader, items, named);
            let pass = directives(items).find(|d| PASSES.contains(&d.name()));
            let content = match pass {
                Some(pass) if pass.name() == "fastcgi_pass" => {
                    fastcgi::content(reader, pass, &inner, upstreams)?
                }
                Some(pass) => proxy::content(reader, pass, &inner, None, upstreams)?,
                None => match &content {
                    Content::Static { .. } => files(&inner),
                    other => other.clone(),
                },
            };
            let policy = policy(&inner, &content);
            Some(Box::new(Route {
                at: condition.at(),
                matcher: within.clone(),
                when: Vec::new(),
                program: Vec::new(),
                content,
                policy,
            }))
        });
        let mut policy = policy(scope, &content);
        policy.content.tries = content::try_files(self.reader, items, scope);
        Route {
            at,
            matcher,
            when: Vec::new(),
            program,
            content,
            policy,
        }
    }

    fn content(&mut self, items: &[Item], scope: &Scope, matcher: &Matcher) -> Content {
        if directives(items).any(|d| d.name() == "empty_gif") {
            return Content::Bytes {
                status: 200,
                bytes: FixedBytes::EmptyGif,
                content_type: Some("image/gif".into()),
            };
        }
        let pass = directives(items).find(|d| PASSES.contains(&d.name()));
        pass.and_then(|d| match d.name() {
            "fastcgi_pass" => fastcgi::content(self.reader, d, scope, self.upstreams),
            _ => proxy::content(self.reader, d, scope, Some(matcher), self.upstreams),
        })
        .unwrap_or_else(|| files(scope))
    }

    fn matcher(&mut self, d: &Directive) -> Option<(Span, Matcher)> {
        let first = d.args.first()?;
        let Some(word) = d.args.get(1) else {
            return self.unspaced(first);
        };
        let text = word.text.clone();
        let matcher = match first.text.as_str() {
            "=" => Matcher::Exact(text),
            "^~" => Matcher::Prefix {
                path: text,
                stop: true,
            },
            "~" => Matcher::Regex(pattern(word, &text, false, false)),
            "~*" => Matcher::Regex(pattern(word, &text, true, false)),
            other => {
                self.reader
                    .error(first.at, format!("invalid location modifier \"{other}\""));
                return None;
            }
        };
        Some((word.at, matcher))
    }

    /// One argument: a prefix, a name, or a modifier that clings to its path.
    fn unspaced(&mut self, word: &Word) -> Option<(Span, Matcher)> {
        let text = word.text.as_str();
        let matcher = if let Some(path) = text.strip_prefix('=') {
            Matcher::Exact(path.to_owned())
        } else if let Some(path) = text.strip_prefix("^~") {
            Matcher::Prefix {
                path: path.to_owned(),
                stop: true,
            }
        } else if let Some(regex) = text.strip_prefix("~*") {
            Matcher::Regex(pattern(word, regex, true, false))
        } else if let Some(regex) = text.strip_prefix('~') {
            Matcher::Regex(pattern(word, regex, false, false))
        } else if text.starts_with('@') {
            Matcher::Named(text.to_owned())
        } else {
            Matcher::Prefix {
                path: text.to_owned(),
                stop: false,
            }
        };
        Some((word.at, matcher))
    }

    /// nginx's rules of nesting, and what of them is built.
    fn may_nest(&mut self, at: Span, outer: &Matcher, inner: &Matcher) -> bool {
        let show = |m: &Matcher| match m {
            Matcher::Exact(p)
            | Matcher::Segments(p)
            | Matcher::Prefix { path: p, .. }
            | Matcher::Named(p) => p.clone(),
            Matcher::Regex(p) => p.text.clone(),
        };
        match (outer, inner) {
            (Matcher::Exact(path), _) => {
                let message = format!(
                    "location \"{}\" cannot be inside the exact location \"{path}\"",
                    show(inner)
                );
                self.reader.error(at, message);
                false
            }
            (Matcher::Named(name), _) => {
                let message = format!(
                    "location \"{}\" cannot be inside the named location \"{name}\"",
                    show(inner)
                );
                self.reader.error(at, message);
                false
            }
            (_, Matcher::Named(name)) => {
                self.reader.error(
                    at,
                    format!("named location \"{name}\" can be on the server level only"),
                );
                false
            }
            (
                Matcher::Prefix { path, .. },
                Matcher::Prefix { path: inner, .. } | Matcher::Exact(inner),
            ) => {
                let inside = inner.starts_with(path.as_str());
                if !inside {
                    self.reader.error(
                        at,
                        format!("location \"{inner}\" is outside location \"{path}\""),
                    );
                }
                inside
            }
            _ => {
                self.reader.not_yet(
                    at,
                    "a regular expression within a location, or a location within one",
                );
                false
            }
        }
    }
}

/// The policy of a route with this content: an application has timeouts of its own.
fn policy(scope: &Scope, content: &Content) -> RoutePolicy {
    let mut policy = scope.policy();
    if let Content::Proxy(proxy) = content
        && proxy.fastcgi.is_some()
    {
        scope.fastcgi.apply_to(&mut policy);
    }
    policy
}

/// Files from `root`.
pub(crate) fn files(scope: &Scope) -> Content {
    Content::Static {
        root: scope.root.clone(),
        index: scope.index.clone(),
    }
}

fn same(a: &Matcher, b: &Matcher) -> bool {
    match (a, b) {
        (Matcher::Exact(a), Matcher::Exact(b)) | (Matcher::Named(a), Matcher::Named(b)) => a == b,
        (Matcher::Prefix { path: a, .. }, Matcher::Prefix { path: b, .. }) => a == b,
        _ => false,
    }
}
