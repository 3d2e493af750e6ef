//! Routes: a matcher, a content and what applies to it.

use super::content as pages;
use super::fastcgi;
use super::layer::{Layer, read_layer};
use super::pools::Pools;
use super::program;
use super::read::{Fields, Reader, Shape};
use super::rewrite;
use super::rooms::Names;
use super::split;
use super::tree::{Node, Value};
use super::when;
use crate::address;
use crate::model::{
    Content, FileRoot, FixedBytes, Forwarding, Matcher, Mirror, Op, PassOn, Pattern, Proxy,
    ProxyUri, Route, Template, TryFiles,
};
use seawall_diag::{Diagnostic, Span};

pub(super) const ROUTE: Shape = Shape {
    what: "a route",
    fields: &[
        "path",
        "exact",
        "regex",
        "to",
        "split_by",
        "mirror",
        "respond",
        "redirect",
        "root",
        "doh",
        "index",
        "try",
        "name",
        "internal",
        "do",
        "rewrite",
        "cache",
        "waf",
        "timeouts",
        "body_limit",
        "buffering",
        "ignore_client_abort",
        "pace",
        "headers",
        "compress",
        "rate_limit",
        "connection_limit",
        "challenge",
        "bad_agents",
        "crowdsec",
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
        "errors",
        "expires",
        "symlinks",
        "open_cache",
        "etag",
        "precompressed",
        "listing",
        "ranges_max",
    ],
    not_yet: &["rollout", "limit"],
};
pub(super) const RESPOND: Shape = Shape {
    what: "`respond`",
    fields: &["status", "body", "type", "file"],
    not_yet: &[],
};
pub(super) const REDIRECT: Shape = Shape {
    what: "`redirect`",
    fields: &["to", "status"],
    not_yet: &[],
};
/// Fields that say what answers.
const CONTENTS: &[&str] = &["to", "respond", "redirect", "root", "doh"];

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
    pub(crate) tries: Option<TryFiles>,
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
            content: inherited(reader, &site.content, &layer, context),
            tries: site.policy.content.tries.clone(),
        }
    } else {
        if fields.are_known(&ROUTE) {
            let said = "a route needs something to answer with";
            let d = Diagnostic::error("missing-field", at, said);
            reader
                .found
                .push(d.help("write `to`, `respond`, `redirect` or `root`"));
        }
        return None;
    };
    let mut policy = layer.policy(reader, context.names);
    policy.content.tries = answer.tries;
    policy.content.internal = matches!(matcher, Matcher::Named(_))
        || fields
            .get("internal")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false);
    let mut program = fields
        .get("do")
        .map_or_else(Vec::new, |n| program::read(reader, n));
    program.extend(answer.program);
    Some(Route {
        at,
        matcher,
        when: when?,
        program,
        content: answer.content,
        policy,
    })
}

/// The site's content for a route that names none: what the origin is sent is the route's own all the same.
fn inherited(
    reader: &mut Reader<'_>,
    content: &Content,
    layer: &Layer,
    context: &mut Context<'_>,
) -> Content {
    let mut content = content.clone();
    if let Content::Proxy(proxy) = &mut content {
        let sent = Sent::of(reader, layer, context);
        (proxy.host, proxy.set_headers) = (sent.host, sent.set);
        (proxy.add_headers, proxy.forwarding) = (sent.add, sent.forwarding);
        proxy.mirror = sent.mirror;
    }
    content
}

fn matcher(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (Span, Option<Matcher>) {
    let written: Vec<(&str, &Node)> = ["path", "exact", "regex"]
        .iter()
        .filter_map(|f| Some((*f, fields.get(f)?)))
        .collect();
    let &[(kind, node)] = written.as_slice() else {
        let Some((_, node)) = written.get(1) else {
            let matcher = match fields.get("name") {
                Some(node) => named(reader, node),
                None => Some(Matcher::Segments("/".into())),
            };
            return (fields.at, matcher);
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

/// `name: fallback`: reached as `@fallback`, and by no client.
fn named(reader: &mut Reader<'_>, node: &Node) -> Option<Matcher> {
    let text = reader.string(node)?;
    let name = text.strip_prefix('@').unwrap_or(text);
    if name.is_empty() || name.contains(['/', '@', ' ']) {
        reader.invalid(
            node.at,
            format!("`{text}` is no name of a route"),
            "write name: fallback, and lead to it with @fallback",
        );
        return None;
    }
    Some(Matcher::Named(format!("@{name}")))
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
    // With `try` the root is where files are looked for, and something else answers where there is none.
    let beside_root = is_fastcgi || fields.get("try").is_some() && written == ["to", "root"];
    if let (Some(second), false) = (written.get(1).and_then(|c| fields.key(c)), beside_root) {
        let message = format!(
            "`{}` cannot stand together: each answers",
            written.join("` and `")
        );
        reader.invalid(second, message, "make it two routes");
        return None;
    }
    split::lone_split_by(reader, fields);
    let rewrite = fields
        .get("rewrite")
        .and_then(|n| rewrite::read(reader, n, matcher))
        .unwrap_or_default();
    let root = fields.get("root").and_then(|n| root(reader, n));
    let tries = match (fields.get("try"), &root) {
        (None, _) => None,
        (Some(node), Some(root)) => pages::tries(reader, node, root),
        (Some(node), None) => {
            reader.invalid(
                node.at,
                "`try` looks for files, and there is no `root` here",
                "write `root` beside `try`",
            );
            None
        }
    };
    if let Some(node) = fields.get("to") {
        let by = fields.get("split_by");
        let mut proxy = proxy(reader, node, by, layer, context, rewrite.uri)?;
        if is_fastcgi {
            proxy.fastcgi = Some(Box::new(fastcgi::read(reader, fields, context)?));
        }
        let content = Content::Proxy(proxy);
        return Some(Answer {
            program: rewrite.program,
            content,
            tries,
        });
    }
    let content = if let Some(node) = fields.get("respond") {
        respond(reader, node)?
    } else if let Some(node) = fields.get("redirect") {
        let (status, location) = redirect(reader, node)?;
        Content::Redirect { status, location }
    } else if let Some(node) = fields.get("doh") {
        reader.boolean(node)?;
        Content::Doh
    } else {
        Content::Static {
            root: root?,
            index: index(reader, fields.get("index")),
        }
    };
    let mut program = rewrite.program;
    if let (Some(uri), Some(at)) = (rewrite.uri, fields.key("rewrite")) {
        program.push(rewrite::as_op(uri, at));
    }
    Some(Answer {
        program,
        content,
        tries,
    })
}

fn proxy(
    reader: &mut Reader<'_>,
    node: &Node,
    split_by: Option<&Node>,
    layer: &Layer,
    context: &mut Context<'_>,
    rewrite: Option<ProxyUri>,
) -> Option<Proxy> {
    let (pool, split) = match node.value {
        Value::Map(_) => {
            let (pool, split) = split::split(reader, node, split_by, context.pools)?;
            (pool, Some(Box::new(split)))
        }
        _ => {
            let text = reader.string(node)?;
            (fastcgi::pool(reader, node.at, text, context.pools)?, None)
        }
    };
    let name = context.pools.name(pool).to_owned();
    let sent = Sent::of(reader, layer, context);
    Some(Proxy {
        at: node.at,
        pool,
        host: sent.host,
        proxy_host: address::origin(&name, None).map_or(name, |o| o.authority),
        split,
        mirror: sent.mirror,
        proxy_port: context.pools.port(pool),
        uri: rewrite.unwrap_or(ProxyUri::AsReceived),
        set_headers: sent.set,
        add_headers: sent.add,
        forwarding: sent.forwarding,
        http11: true,
        pass_on: PassOn::everything(),
        keepalive: true,
        fastcgi: None,
        asking: Box::default(),
        passing: Box::default(),
    })
}

/// What a layer says of requests to origins.
struct Sent {
    host: Option<Template>,
    set: Vec<(String, Template)>,
    add: Vec<(String, Template)>,
    forwarding: Forwarding,
    mirror: Option<Box<Mirror>>,
}

impl Sent {
    fn of(reader: &mut Reader<'_>, layer: &Layer, context: &mut Context<'_>) -> Self {
        let mirror = layer
            .mirror
            .as_ref()
            .and_then(|m| m.as_ref()?.resolve(reader, context.pools))
            .map(Box::new);
        let mut set = layer.request.settings();
        let host = set
            .iter()
            .position(|(n, _)| n.eq_ignore_ascii_case("host"))
            .map(|i| set.remove(i).1);
        for name in layer.request.remove.iter().flatten() {
            set.push((name.clone(), Template::default()));
        }
        Self {
            host,
            set,
            add: layer.request.added(),
            forwarding: layer.exposure.forwarding(),
            mirror,
        }
    }
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
    if let Some(file) = fields.get("file") {
        return respond_file(reader, &fields, file);
    }
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

/// A file that is kept in memory and sent as it is.
fn respond_file(reader: &mut Reader<'_>, fields: &Fields<'_>, file: &Node) -> Option<Content> {
    if let Some(at) = fields.key("body") {
        reader.invalid(at, "`body` and `file` exclude each other", "leave one out");
        return None;
    }
    let status = fields
        .get("status")
        .map_or(Some(200), |n| reader.integer(n, 200, 599))?;
    let content_type = fields.get("type").and_then(|n| reader.string(n));
    Some(Content::Bytes {
        status: status as u16,
        bytes: FixedBytes::File(reader.path(file)?, file.at),
        content_type: content_type.map(str::to_owned),
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

fn root(reader: &mut Reader<'_>, node: &Node) -> Option<FileRoot> {
    let directory = reader.path(node)?;
    let text = directory.to_string_lossy();
    Some(FileRoot {
        path: reader.template_text(text.trim_end_matches('/'), node.at)?,
        alias: None,
    })
}

fn index(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<Template> {
    match node {
        Some(node) if node.is_off() => Vec::new(),
        Some(node) => reader
            .list(node)
            .iter()
            .filter_map(|n| reader.template(n))
            .collect(),
        None => vec![Template::literal("index.html")],
    }
}
