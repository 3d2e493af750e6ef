//! Routes: a matcher, a content and what applies to it.

use super::fastcgi;
use super::layer::{Layer, read_layer};
use super::pools::Pools;
use super::read::{Fields, Reader, Shape};
use super::rooms::Names;
use super::tree::{Node, Value};
use super::when;
use crate::address;
use crate::model::{
    Content, Matcher, Op, Part, PassOn, Pattern, Proxy, ProxyUri, RewriteFlag, Route, Template,
};
use seawall_diag::{Diagnostic, Span};

const ROUTE: Shape = Shape {
    what: "a route",
    fields: &[
        "path",
        "exact",
        "regex",
        "to",
        "respond",
        "redirect",
        "root",
        "index",
        "rewrite",
        "cache",
        "waf",
        "timeouts",
        "body_limit",
        "headers",
        "compress",
        "fastcgi",
        "when",
        "methods",
        "allow",
        "deny",
        "auth",
        "satisfy",
        "cors",
        "hsts",
        "security_headers",
        "forwarded",
    ],
    not_yet: &[
        "try",
        "rate_limit",
        "mirror",
        "split_by",
        "rollout",
        "errors",
        "do",
        "limit",
    ],
};
const RESPOND: Shape = Shape {
    what: "`respond`",
    fields: &["status", "body", "type"],
    not_yet: &["file"],
};
const REDIRECT: Shape = Shape {
    what: "`redirect`",
    fields: &["to", "status"],
    not_yet: &[],
};
const REWRITE: Shape = Shape {
    what: "`rewrite`",
    fields: &["strip", "add", "path"],
    not_yet: &["regex", "query"],
};

/// Fields that say what answers.
const CONTENTS: &[&str] = &["to", "respond", "redirect", "root"];

/// What routes refer to.
pub(crate) struct Context<'c> {
    pub(crate) names: &'c Names<'c>,
    pub(crate) pools: &'c mut Pools,
    /// The site's own content, for routes that name none.
    pub(crate) site: Option<&'c Route>,
}

/// What answers, and what runs before.
pub(crate) struct Answer {
    pub(crate) program: Vec<Op>,
    pub(crate) content: Content,
}

/// Whether any content is written, be it a wrong one.
pub(crate) fn names_content(fields: &Fields<'_>) -> bool {
    CONTENTS.iter().any(|c| fields.key(c).is_some())
}

/// Reads one entry of `routes`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    site: &Layer,
    context: &mut Context<'_>,
) -> Option<Route> {
    let fields = reader.open(node, &ROUTE)?;
    let (at, matcher) = matcher(reader, &fields);
    let layer = read_layer(reader, &fields, context.names, context.pools).over(site);
    let when = when::read(reader, &fields);
    let matcher = matcher?;
    let answer = if names_content(&fields) {
        content(reader, &fields, &layer, context, &matcher)?
    } else if let Some(site) = context.site {
        if let Some(at) = fields.key("rewrite") {
            reader.invalid(
                at,
                "a route that rewrites names its own `to`",
                "write `to` beside `rewrite`",
            );
        }
        Answer {
            program: site.program.clone(),
            content: site.content.clone(),
        }
    } else {
        let d = Diagnostic::error(
            "missing-field",
            at,
            "a route needs something to answer with",
        );
        reader
            .found
            .push(d.help("write `to`, `respond`, `redirect` or `root`"));
        return None;
    };
    let policy = layer.policy(reader, context.names);
    Some(Route {
        at,
        matcher,
        when: when?,
        program: answer.program,
        content: answer.content,
        policy,
    })
}

fn matcher(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (Span, Option<Matcher>) {
    let written: Vec<(&str, &Node)> = ["path", "exact", "regex"]
        .iter()
        .filter_map(|f| Some((*f, fields.get(f)?)))
        .collect();
    let &[(kind, node)] = written.as_slice() else {
        let Some((_, node)) = written.get(1) else {
            return (fields.at, Some(Matcher::Segments("/".into())));
        };
        reader.invalid(
            node.at,
            "a route has one of `path`, `exact` and `regex`",
            "make it two routes",
        );
        return (node.at, None);
    };
    let Some(text) = reader.string(node) else {
        return (node.at, None);
    };
    if kind == "regex" {
        let pattern = Pattern {
            at: node.at,
            text: text.to_owned(),
            caseless: false,
            negated: false,
        };
        return (node.at, Some(Matcher::Regex(pattern)));
    }
    if !text.starts_with('/') {
        reader.invalid(
            node.at,
            format!("`{text}` is no path"),
            "a path begins with `/`",
        );
        return (node.at, None);
    }
    if text.contains(['?', '#']) {
        reader.invalid(
            node.at,
            "a route's path has no query",
            "the path alone is compared, decoded",
        );
        return (node.at, None);
    }
    if kind == "exact" {
        return (node.at, Some(Matcher::Exact(text.to_owned())));
    }
    // "/assets/" and "/assets" take the same paths.
    let trimmed = text.trim_end_matches('/');
    (
        node.at,
        Some(Matcher::Segments(if trimmed.is_empty() {
            "/".into()
        } else {
            trimmed.into()
        })),
    )
}

/// Reads what answers. `None` where nothing does, or where an error is reported.
pub(crate) fn content(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    layer: &Layer,
    context: &mut Context<'_>,
    matcher: &Matcher,
) -> Option<Answer> {
    let written: Vec<&str> = CONTENTS
        .iter()
        .copied()
        .filter(|c| fields.get(c).is_some())
        .collect();
    let is_fastcgi = fields
        .get("to")
        .is_some_and(|n| fastcgi::is_target(n, context.pools));
    if let Some(at) = fields.key("fastcgi").filter(|_| !is_fastcgi) {
        reader.invalid(
            at,
            "`fastcgi` stands beside the application that it speaks of",
            "write to: \"fastcgi:unix:/path\", or a pool with protocol: fastcgi",
        );
    }
    if let (Some(second), false) = (written.get(1).and_then(|c| fields.key(c)), is_fastcgi) {
        let message = format!(
            "`{}` cannot stand together: each answers",
            written.join("` and `")
        );
        reader.invalid(second, message, "make it two routes");
        return None;
    }
    let rewrite = fields
        .get("rewrite")
        .and_then(|n| rewrite(reader, n, matcher));
    if let Some(node) = fields.get("to") {
        let mut proxy = proxy(reader, node, layer, context, rewrite)?;
        if is_fastcgi {
            proxy.fastcgi = Some(Box::new(fastcgi::read(reader, fields, context)?));
        }
        let content = Content::Proxy(proxy);
        return Some(Answer {
            program: Vec::new(),
            content,
        });
    }
    let content = if let Some(node) = fields.get("respond") {
        respond(reader, node)?
    } else if let Some(node) = fields.get("redirect") {
        let (status, location) = redirect(reader, node)?;
        Content::Redirect { status, location }
    } else {
        files(reader, fields.get("root")?, fields.get("index"))?
    };
    let program = match (rewrite, fields.key("rewrite")) {
        (Some(uri), Some(at)) => vec![rewrite_op(uri, at)],
        _ => Vec::new(),
    };
    Some(Answer { program, content })
}

fn proxy(
    reader: &mut Reader<'_>,
    node: &Node,
    layer: &Layer,
    context: &mut Context<'_>,
    rewrite: Option<ProxyUri>,
) -> Option<Proxy> {
    if let Value::Map(_) = node.value {
        reader.not_yet(node.at, "splitting between pools");
        return None;
    }
    let text = reader.string(node)?;
    let pool = fastcgi::pool(reader, node.at, text, context.pools)?;
    let mut set_headers = layer.request.settings();
    let host = set_headers
        .iter()
        .position(|(n, _)| n.eq_ignore_ascii_case("host"))
        .map(|i| set_headers.remove(i).1);
    for name in layer.request.remove.iter().flatten() {
        set_headers.push((name.clone(), Template::default()));
    }
    Some(Proxy {
        at: node.at,
        pool,
        host,
        proxy_host: address::origin(text, None).map_or_else(|_| text.to_owned(), |o| o.authority),
        proxy_port: context.pools.port(pool),
        uri: rewrite.unwrap_or(ProxyUri::AsReceived),
        set_headers,
        add_headers: layer.request.added(),
        forwarding: layer.exposure.forwarding(),
        http11: true,
        pass_on: PassOn::everything(),
        keepalive: true,
        fastcgi: None,
    })
}

fn respond(reader: &mut Reader<'_>, node: &Node) -> Option<Content> {
    if let Value::Scalar { .. } = node.value {
        let status = reader.integer(node, 200, 599)? as u16;
        return Some(Content::Fixed {
            status,
            body: Template::default(),
            content_type: None,
        });
    }
    let fields = reader.open(node, &RESPOND)?;
    let status = fields
        .get("status")
        .map_or(Some(200), |n| reader.integer(n, 200, 599))? as u16;
    let body = fields
        .get("body")
        .map_or_else(|| Some(Template::default()), |n| reader.template(n))?;
    let written = fields
        .get("type")
        .and_then(|n| reader.string(n))
        .map(str::to_owned);
    let text = (!body.parts.is_empty()).then(|| "text/plain; charset=utf-8".to_owned());
    Some(Content::Fixed {
        status,
        body,
        content_type: written.or(text),
    })
}

/// A location, or `{ to, status }`; 302 unless said, since a wrong permanent redirect cannot be taken back.
pub(crate) fn redirect(reader: &mut Reader<'_>, node: &Node) -> Option<(u16, Template)> {
    if let Value::Scalar { .. } = node.value {
        return Some((302, reader.template(node)?));
    }
    let fields = reader.open(node, &REDIRECT)?;
    let Some(to) = fields.get("to") else {
        reader.missing(fields.at, "`redirect`", "to");
        return None;
    };
    let words = [
        ("301", 301),
        ("302", 302),
        ("303", 303),
        ("307", 307),
        ("308", 308),
    ];
    let status = fields
        .get("status")
        .map_or(Some(302), |n| reader.choice(n, &words, &[]))?;
    Some((status, reader.template(to)?))
}

fn files(reader: &mut Reader<'_>, root: &Node, index: Option<&Node>) -> Option<Content> {
    let directory = reader.path(root)?;
    let root = reader.template_text(&directory.to_string_lossy(), root.at)?;
    let index = match index {
        Some(node) => reader
            .list(node)
            .iter()
            .filter_map(|n| reader.template(n))
            .collect(),
        None => vec![Template::literal("index.html")],
    };
    Some(Content::Static { root, index })
}

/// `strip` and `add` exchange a prefix; `path` gives the whole target.
fn rewrite(reader: &mut Reader<'_>, node: &Node, matcher: &Matcher) -> Option<ProxyUri> {
    let fields = reader.open(node, &REWRITE)?;
    if let Some(path) = fields.get("path") {
        if let Some(other) = fields.key("strip").or_else(|| fields.key("add")) {
            reader.invalid(
                other,
                "`path` gives the whole target",
                "leave out `strip` and `add`, or `path`",
            );
        }
        return Some(ProxyUri::Template(reader.template(path)?));
    }
    let mut prefix = |name: &str| match fields.get(name) {
        None => Some(String::new()),
        Some(node) => {
            let text = reader.string(node)?;
            if !text.starts_with('/') {
                reader.invalid(
                    node.at,
                    format!("`{text}` is no path"),
                    "a path begins with `/`",
                );
                return None;
            }
            Some(text.trim_end_matches('/').to_owned())
        }
    };
    let (strip, add) = (prefix("strip")?, prefix("add")?);
    if let Some(at) = fields.get("strip").map(|n| n.at) {
        let (taken, below) = match matcher {
            Matcher::Segments(path) | Matcher::Exact(path) => {
                let rest = path.strip_prefix(strip.as_str());
                (
                    path.as_str(),
                    rest.is_some_and(|r| r.is_empty() || r.starts_with('/')),
                )
            }
            _ => (
                "what the regular expression matches: use `path` with its captures",
                false,
            ),
        };
        if !below {
            let message = format!("not every path of this route begins with `{strip}`");
            reader.invalid(at, message, format!("the route takes {taken}"));
        }
    }
    Some(match (strip.as_str(), add.as_str()) {
        ("", "") => ProxyUri::AsReceived,
        // The slash goes with the prefix, so that the prefix alone becomes "/" and not nothing.
        (_, "") => ProxyUri::ReplacePrefix {
            prefix: format!("{strip}/"),
            with: "/".into(),
        },
        _ => ProxyUri::ReplacePrefix {
            prefix: strip,
            with: add,
        },
    })
}

/// The same for content that is not proxied: a step of the program.
fn rewrite_op(uri: ProxyUri, at: Span) -> Op {
    let (text, replacement) = match uri {
        ProxyUri::ReplacePrefix { prefix, with } => {
            let (prefix, with) = (prefix.trim_end_matches('/'), with.trim_end_matches('/'));
            let rest = Part::Variable {
                name: "1".into(),
                at,
            };
            let parts = vec![Part::Literal(format!("{with}/")), rest];
            (
                format!("^{}(?:/(.*))?$", regex::escape(prefix)),
                Template { parts },
            )
        }
        ProxyUri::Template(template) => ("^".into(), template),
        ProxyUri::AsReceived => (
            "^".into(),
            Template {
                parts: vec![Part::Variable {
                    name: "uri".into(),
                    at,
                }],
            },
        ),
    };
    let pattern = Pattern {
        at,
        text,
        caseless: false,
        negated: false,
    };
    Op::Rewrite {
        pattern,
        replacement,
        flag: RewriteFlag::Break,
    }
}
