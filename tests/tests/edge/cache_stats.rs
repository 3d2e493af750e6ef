//! What an operator can count: by route, what became of requests at the cache and why, and how much came from where.

use seawall_tests::{Client, Edge, Origin, Response, Running, eventually};
use serde_json::Value;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

const SITE: &str = "a.test";

fn start(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites:
  - host: a.test
    cache: default
    routes:
      - {{ path: /a, to: \"{origin}\" }}
      - {{ path: /b, to: \"{origin}\", cache: {{ min_uses: 2, bypass: \"$arg_fresh\" }} }}
      - {{ path: /, to: \"{origin}\", cache: off }}"
    ))
    .start()
}

fn ask(client: &mut Client, line: &str, fields: &str) -> Response {
    let text = format!("{line} HTTP/1.1\r\nHost: {SITE}\r\n{fields}\r\n");
    client.send(text).response()
}

fn stats(edge: &Running, words: &[&str]) -> String {
    let config = edge.config();
    let mut all = vec!["cache".as_ref(), "stats".as_ref()];
    all.extend(words.iter().map(|word| std::ffi::OsStr::new(*word)));
    all.extend(["-c".as_ref(), config.as_os_str()]);
    let done = edge.seawall(&all);
    assert!(done.status.success(), "{done:?}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The books of one route.
fn route(edge: &Running, path: &str) -> Value {
    let all: Value = serde_json::from_str(&stats(edge, &["--json"])).unwrap();
    let routes = all["routes"].as_array().unwrap().clone();
    let found = routes.into_iter().find(|r| r["route"] == path);
    found.unwrap_or_else(|| panic!("{path} in {all}"))
}

/// Its pairs of words with their counts.
fn results(route: &Value) -> Vec<(String, u64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = route["results"].as_array().unwrap().iter();
    all.map(|r| {
        let words = format!("{} {}", text(&r["result"]), text(&r["reason"]));
        (words, r["count"].as_u64().unwrap())
    })
    .collect()
}

#[test]
fn each_request_is_counted_once_with_its_reason() {
    let origin = Origin::start();
    origin.serve("/a/x", "Cache-Control: max-age=60\r\n", "four");
    origin.serve("/a/never", "Cache-Control: no-store\r\n", "secret");
    origin.serve("/b/x", "Cache-Control: max-age=60\r\n", "seven b");
    origin.script("/a/checked", |request, exchange| {
        let fields = "Cache-Control: no-cache\r\nETag: \"1\"\r\n";
        exchange.send(match request.field("If-None-Match") {
            Some(_) => format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n"),
            None => format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 3\r\n\r\nyes"),
        });
        seawall_tests::Then::Keep
    });
    let edge = start(&origin);
    let mut client = edge.client();
    for (line, fields, said) in [
        ("GET /a/x", "", "fwd=miss"),
        ("GET /a/x", "", "hit"),
        ("GET /a/x", "Cookie: c=1\r\n", "detail=cookie"),
        (
            "GET /a/x",
            "Authorization: Basic x\r\n",
            "detail=authorization",
        ),
        ("GET /a/x", "Cache-Control: no-store\r\n", "detail=no-store"),
        ("GET /a/x", "Cache-Control: no-cache\r\n", "fwd=request"),
        ("GET /a/never", "", "detail=no-store"),
        ("GET /a/never", "", "detail=unstorable"),
        ("GET /a/checked", "", "detail=no-cache"),
        ("GET /a/checked", "", "detail=revalidated"),
        ("POST /a/x", "Content-Length: 0\r\n", "fwd=method"),
        ("GET /b/x", "", "detail=uses"),
        ("GET /b/x", "", "stored"),
        ("GET /b/x?fresh=1", "", "fwd=bypass"),
    ] {
        let response = ask(&mut client, line, fields);
        let status = response.has("Cache-Status");
        assert!(status.contains(said), "{line}: {said} in {status}");
    }
    let absent = "Cache-Control: only-if-cached\r\n";
    assert_eq!(ask(&mut client, "GET /a/absent", absent).status, 504);
    ask(&mut client, "GET /elsewhere", "");

    let a = eventually("all requests in the books", || {
        let a = route(&edge, "/a");
        (a["requests"] == 12).then_some(a)
    });
    assert_eq!(
        results(&a),
        [
            ("hit fresh", 1),
            ("revalidated not-modified", 1),
            ("expired request", 1),
            ("miss absent", 3),
            ("pass method", 1),
            ("pass no-store", 1),
            ("pass authorization", 1),
            ("pass cookie", 1),
            ("pass unstorable", 1),
            ("error only-if-cached", 1),
        ]
        .map(|(words, n)| (words.to_owned(), n))
    );
    // Of seven that asked something of the cache two got it from there.
    assert_eq!(a["hit_ratio"], 2.0 / 7.0);
    // A hit and a confirmed answer; all else came from the origin: `four` six times, a secret twice, a `yes` once.
    assert_eq!(a["bytes"]["cache"], 4 + 3);
    assert_eq!(a["bytes"]["origin"], 6 * 4 + 2 * 6 + 3);
    let decisions = a["decisions"].as_array().unwrap();
    let counted = |reason: &str| {
        let found = decisions.iter().find(|d| d["reason"] == reason);
        found.map(|d| (d["stored"].as_bool().unwrap(), d["count"].as_u64().unwrap()))
    };
    assert_eq!(counted("max-age"), Some((true, 2)));
    assert_eq!(counted("no-cache"), Some((true, 1)));
    assert_eq!(counted("no-store"), Some((false, 1)));

    let b = route(&edge, "/b");
    let words: Vec<String> = results(&b).into_iter().map(|(words, _)| words).collect();
    assert_eq!(words, ["miss absent", "bypass configured", "pass uses"]);
    edge.counts(
        "seawall_cache_requests_total{cache=\"default\",reason=\"cookie\",result=\"pass\",route=\"/a\",site=\"a.test\"}",
        1,
    );
    edge.counts(
        "seawall_cache_body_bytes_total{cache=\"default\",route=\"/a\",site=\"a.test\",source=\"cache\"}",
        7,
    );
}

#[test]
fn the_command_shows_a_table_for_people() {
    let origin = Origin::start();
    origin.serve("/a/x", "Cache-Control: max-age=60\r\n", "four");
    let edge = start(&origin);
    edge.get(SITE, "/a/x");
    edge.get(SITE, "/a/x");
    let table = eventually("two requests", || {
        let table = stats(&edge, &[]);
        table.contains("/a: 2 requests").then_some(table)
    });
    for line in [
        "cache default: 1 objects",
        "a.test /a: 2 requests, from the cache 50.0 %; 4 bytes from the cache, 4 from origins",
        "           1  hit         fresh",
        "           1  stored      max-age",
    ] {
        assert!(table.contains(line), "{line} in {table}");
    }
    assert!(!stats(&edge, &["--site", "b.test"]).contains("a.test"));
}

#[test]
fn the_api_takes_a_site_and_nothing_else() {
    let origin = Origin::start();
    let edge = start(&origin);
    let ask = |query: &str| {
        let mut socket = UnixStream::connect(edge.path("admin.sock")).unwrap();
        let request = format!(
            "GET /api/v1/cache/stats{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    let all = ask("?site=a.test");
    let (_, body) = all.split_once("\r\n\r\n").unwrap();
    let all: Value = serde_json::from_str(body).unwrap();
    assert_eq!(all["routes"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(all["caches"][0]["memory_bytes_max"], 64 << 20);
    let refused = ask("?route=/a");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
}
