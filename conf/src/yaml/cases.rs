//! A file of cases (see [`crate::cases`]).

use super::{
    read::{Reader, Shape},
    tree::{Node, Value, parse},
};
use crate::{
    cases::{
        At, CASES_MAX, Case, Cases, Expect, FieldExpected, Origin, Origins, Request, STEPS_MAX,
        Step, Text, Upstream, WafExpected,
    },
    load::LoadOptions,
};
use seawall_diag::{Diagnostics, FileId, SourceMap};

const FILE: Shape = Shape {
    what: "a file of tests",
    fields: &["config", "origin", "origins", "tests"],
    not_yet: &[],
};

const CASE: Shape = Shape {
    what: "a test",
    fields: &["name", "origin", "origins", "request", "expect", "steps"],
    not_yet: &[],
};

const STEP: Shape = Shape {
    what: "a step",
    fields: &["request", "origin", "origins", "expect"],
    not_yet: &[],
};

const REQUEST: Shape = Shape {
    what: "a request",
    fields: &["method", "url", "headers", "body", "from", "listen"],
    not_yet: &[],
};

const ORIGIN: Shape = Shape {
    what: "an origin's answer",
    fields: &["status", "headers", "body"],
    not_yet: &[],
};

const EXPECT: Shape = Shape {
    what: "`expect`",
    fields: &[
        "status", "site", "route", "pool", "server", "upstream", "redirect", "headers", "body",
        "waf", "cache", "stored", "ttl", "key",
    ],
    not_yet: &[],
};

const UPSTREAM: Shape = Shape {
    what: "`upstream`",
    fields: &["method", "target", "headers", "body"],
    not_yet: &[],
};

const WAF: Shape = Shape {
    what: "`waf`",
    fields: &["result", "rules", "score"],
    not_yet: &[],
};

/// What the WAF may say.
const WAF_RESULTS: &[(&str, &str)] = &[
    ("passed", "passed"),
    ("detected", "detected"),
    ("denied", "denied"),
    ("not reached", "not reached"),
    ("off", "off"),
    ("false", "off"),
];

/// Reads the tree of a file.
pub(crate) fn cases(
    sources: &SourceMap,
    file: FileId,
    options: &LoadOptions,
    found: &mut Diagnostics,
) -> Option<Cases> {
    let root = parse(file, sources, options, found)?;
    let mut reader = Reader {
        sources,
        found,
        env: &options.env,
    };
    let fields = reader.open(&root, &FILE)?;
    let config = fields.get("config").and_then(|n| {
        let path = reader.path(n)?;
        Some(at(n, path))
    });
    let shared = origins(&mut reader, fields.get("origin"), fields.get("origins"));
    let Some(tests) = fields.get("tests") else {
        reader.missing(fields.at, "a file of tests", "tests");
        return None;
    };
    let listed = reader.list(tests);
    if listed.len() > CASES_MAX {
        reader.invalid(
            tests.at,
            format!("more than {CASES_MAX} tests"),
            "put them into several files",
        );
        return None;
    }
    let cases = listed.iter().filter_map(|n| case(&mut reader, n)).collect();
    Some(Cases {
        sources: SourceMap::default(),
        config,
        origins: shared,
        cases,
    })
}

fn at<T>(node: &Node, value: T) -> At<T> {
    At { at: node.at, value }
}

fn case(reader: &mut Reader<'_>, node: &Node) -> Option<Case> {
    let fields = reader.open(node, &CASE)?;
    let name = match fields.get("name") {
        Some(n) => at(n, reader.string(n)?.to_owned()),
        None => {
            reader.missing(fields.at, "a test", "name");
            return None;
        }
    };
    let shared = origins(reader, fields.get("origin"), fields.get("origins"));
    let steps = match (fields.get("steps"), fields.get("request")) {
        (Some(steps), None) => {
            if let Some(expect) = fields.key("expect") {
                reader.invalid(
                    expect,
                    "a test of several steps expects something of each",
                    "move `expect` into the steps",
                );
            }
            let listed = reader.list(steps);
            if listed.is_empty() || listed.len() > STEPS_MAX {
                reader.invalid(
                    steps.at,
                    "a test has at least one step",
                    format!("and at most {STEPS_MAX}"),
                );
            }
            listed.iter().filter_map(|n| step(reader, n)).collect()
        }
        (None, Some(sent)) => vec![Step {
            at: sent.at,
            request: request(reader, sent)?,
            origins: Origins::default(),
            expect: expected(reader, fields.get("expect")),
        }],
        (Some(_), Some(sent)) => {
            reader.invalid(sent.at, "a test has `request` or `steps`", "not both");
            return None;
        }
        (None, None) => {
            reader.missing(fields.at, "a test", "request");
            return None;
        }
    };
    Some(Case {
        name,
        origins: shared,
        steps,
    })
}

fn step(reader: &mut Reader<'_>, node: &Node) -> Option<Step> {
    let fields = reader.open(node, &STEP)?;
    let Some(sent) = fields.get("request") else {
        reader.missing(fields.at, "a step", "request");
        return None;
    };
    Some(Step {
        at: sent.at,
        request: request(reader, sent)?,
        origins: origins(reader, fields.get("origin"), fields.get("origins")),
        expect: expected(reader, fields.get("expect")),
    })
}

/// `GET https://shop.test/x`, `https://shop.test/x` or the whole.
fn request(reader: &mut Reader<'_>, node: &Node) -> Option<Request> {
    if let Some(line) = node.scalar() {
        let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
        return addressed(reader, node, method.to_owned(), url.trim());
    }
    let fields = reader.open(node, &REQUEST)?;
    let Some(url) = fields.get("url") else {
        reader.missing(fields.at, "a request", "url");
        return None;
    };
    let text = reader.string(url)?;
    let (within, text) = text.split_once(' ').unwrap_or(("GET", text));
    let method = match fields.get("method") {
        Some(n) => reader.string(n)?.to_owned(),
        None => within.to_owned(),
    };
    let mut request = addressed(reader, url, method, text.trim())?;
    request.headers = headers(reader, fields.get("headers"));
    request.body = match fields.get("body") {
        Some(n) => Some(reader.string(n)?.to_owned()),
        None => None,
    };
    if let Some(n) = fields.get("from") {
        let text = reader.string(n)?;
        request.from = text.parse().ok();
        if request.from.is_none() {
            let message = format!("`{text}` is no address");
            reader.invalid(n.at, message, "write an IPv4 or IPv6 address");
        }
    }
    if let Some(n) = fields.get("listen") {
        request.listen = Some(at(n, reader.string(n)?.to_owned()));
    }
    Some(request)
}

fn addressed(reader: &mut Reader<'_>, node: &Node, method: String, url: &str) -> Option<Request> {
    let parts = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => Some((true, rest)),
        (None, Some(rest)) => Some((false, rest)),
        (None, None) => None,
    };
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let Some((tls, rest)) = parts.filter(|(_, rest)| word(rest) && word(&method)) else {
        reader.invalid(
            node.at,
            format!("`{url}` is no URL to ask for"),
            "write `GET https://shop.test/path` (the host must be one of yours; nothing is resolved)",
        );
        return None;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let target = match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    };
    Some(Request {
        at: node.at,
        method,
        tls,
        authority: authority.to_owned(),
        target,
        headers: Vec::new(),
        body: None,
        from: None,
        listen: None,
    })
}

fn headers(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<(String, String)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (key, value) in reader.entries(node, "`headers`") {
        for value in reader.list(value) {
            let Some(text) = reader.string(value) else {
                continue;
            };
            let plain = |text: &str| !text.contains(['\r', '\n', '\0']);
            if plain(text) && plain(&key.name) {
                all.push((key.name.clone(), text.to_owned()));
            } else {
                reader.invalid(
                    value.at,
                    "a field is one line",
                    "write it without a line break",
                );
            }
        }
    }
    all
}

fn origins(reader: &mut Reader<'_>, all: Option<&Node>, named: Option<&Node>) -> Origins {
    let all = all.and_then(|n| origin(reader, n));
    let entries = named.map_or(&[][..], |n| reader.entries(n, "`origins`"));
    let named = entries
        .iter()
        .filter_map(|(key, n)| {
            let name = At {
                at: key.at,
                value: key.name.clone(),
            };
            Some((name, origin(reader, n)?))
        })
        .collect();
    Origins { all, named }
}

fn origin(reader: &mut Reader<'_>, node: &Node) -> Option<Origin> {
    if let Some(text) = node.scalar() {
        let status = text.parse().ok().filter(|s| (100..600).contains(s));
        if let Some(status) = status {
            return Some(Origin::Answers {
                status,
                headers: Vec::new(),
                body: String::new(),
            });
        }
        return reader
            .choice(node, &[("down", ())], &[])
            .map(|()| Origin::Down);
    }
    let fields = reader.open(node, &ORIGIN)?;
    let status = match fields.get("status") {
        Some(n) => reader.integer(n, 200, 599)? as u16,
        None => 200,
    };
    let body = match fields.get("body") {
        Some(n) => reader.string(n)?.to_owned(),
        None => String::new(),
    };
    Some(Origin::Answers {
        status,
        headers: headers(reader, fields.get("headers")),
        body,
    })
}

/// `off`, `on`, `~ expression`, or the text itself; quoted it is always the text or the expression.
fn text(reader: &mut Reader<'_>, node: &Node) -> Option<At<Text>> {
    let written = reader.string(node)?;
    let plain = matches!(node.value, Value::Scalar { plain: true, .. });
    let value = match written {
        "off" | "false" if plain => Text::Absent,
        "on" | "true" if plain => Text::Present,
        _ => match written.strip_prefix('~') {
            Some(pattern) => Text::Matches(pattern.trim_start().to_owned()),
            None => Text::Is(written.to_owned()),
        },
    };
    Some(at(node, value))
}

fn fields_expected(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<FieldExpected> {
    let Some(node) = node else {
        return Vec::new();
    };
    let entries = reader.entries(node, "`headers`");
    let each = entries.iter();
    each.filter_map(|(key, n)| Some((key.name.clone(), text(reader, n)?)))
        .collect()
}

fn expected(reader: &mut Reader<'_>, node: Option<&Node>) -> Expect {
    let Some(fields) = node.and_then(|n| reader.open(n, &EXPECT)) else {
        return Expect::default();
    };
    let mut texts = |name| fields.get(name).and_then(|n| text(reader, n));
    let mut expect = Expect {
        site: texts("site"),
        route: texts("route"),
        pool: texts("pool"),
        server: texts("server"),
        redirect: texts("redirect"),
        body: texts("body"),
        cache: texts("cache"),
        ..Expect::default()
    };
    expect.headers = fields_expected(reader, fields.get("headers"));
    expect.status = fields.get("status").and_then(|n| status(reader, n));
    expect.upstream = fields.get("upstream").and_then(|n| {
        let fields = reader.open(n, &UPSTREAM)?;
        let mut texts = |name| fields.get(name).and_then(|n| text(reader, n));
        let (method, target, body) = (texts("method"), texts("target"), texts("body"));
        let headers = fields_expected(reader, fields.get("headers"));
        let upstream = Upstream {
            method,
            target,
            headers,
            body,
        };
        Some(at(n, upstream))
    });
    expect.waf = fields.get("waf").and_then(|n| waf(reader, n));
    expect.stored = fields
        .get("stored")
        .and_then(|n| Some(at(n, reader.boolean(n)?)));
    expect.ttl = fields
        .get("ttl")
        .and_then(|n| Some(at(n, reader.duration(n)?)));
    if let Some(n) = fields.get("key") {
        let parts = reader.list(n).iter();
        expect.key = parts
            .filter_map(|n| Some(at(n, reader.string(n)?.to_owned())))
            .collect();
    }
    expect
}

/// `404` or `4xx`.
fn status(reader: &mut Reader<'_>, node: &Node) -> Option<At<(u16, u16)>> {
    let written = reader.string(node)?;
    let range = match written.strip_suffix("xx").map(str::parse::<u16>) {
        Some(Ok(class)) if (1..=5).contains(&class) => Some((class * 100, class * 100 + 99)),
        _ => written.parse().ok().map(|status: u16| (status, status)),
    };
    match range.filter(|(first, _)| (100..600).contains(first)) {
        Some(range) => Some(at(node, range)),
        None => {
            let message = format!("`{written}` is no status");
            reader.invalid(node.at, message, "write 404, or 4xx for all of them");
            None
        }
    }
}

/// A result, or `{ result, rules, score }`.
fn waf(reader: &mut Reader<'_>, node: &Node) -> Option<At<WafExpected>> {
    let result = |reader: &mut Reader<'_>, n: &Node| {
        let word = reader.choice(n, WAF_RESULTS, &[])?;
        Some(at(n, word.to_owned()))
    };
    if node.scalar().is_some() {
        let result = Some(result(reader, node)?);
        let expected = WafExpected {
            result,
            ..WafExpected::default()
        };
        return Some(at(node, expected));
    }
    let fields = reader.open(node, &WAF)?;
    let mut expected = WafExpected {
        result: fields.get("result").and_then(|n| result(reader, n)),
        ..WafExpected::default()
    };
    if let Some(n) = fields.get("rules") {
        let rules = reader.list(n).iter();
        expected.rules = rules
            .filter_map(|n| Some(at(n, reader.integer(n, 1, u32::MAX.into())? as u32)))
            .collect();
    }
    expected.score = fields
        .get("score")
        .and_then(|n| Some(at(n, reader.integer(n, 0, u32::MAX.into())? as u32)));
    Some(at(node, expected))
}
