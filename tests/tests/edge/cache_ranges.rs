//! Parts of stored answers, and what HEAD and POST have to do with them.

use seawall_tests::{Client, Edge, Gate, Origin, Response, Running, Then, eventually};

fn cached(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: a.test, cache: default, to: \"{origin}\" }}]"
    ))
    .start()
}

fn ask(client: &mut Client, target: &str, fields: &str) -> Response {
    client
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
        .response()
}

#[test]
fn parts_are_cut_from_what_is_stored() {
    let origin = Origin::start();
    let fields = "Cache-Control: max-age=60\r\nETag: \"1\"\r\nContent-Type: text/x\r\n";
    origin.serve("/x", fields, "0123456789");
    let edge = cached(&origin);
    let mut client = edge.client();
    client.get("a.test", "/x");
    for (range, status, body, content_range) in [
        ("bytes=0-1", 206, "01", "bytes 0-1/10"),
        ("bytes=5-", 206, "56789", "bytes 5-9/10"),
        ("bytes=-3", 206, "789", "bytes 7-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("lines=0-1", 200, "0123456789", ""),
        ("bytes=0-8,0-8", 200, "0123456789", ""),
    ] {
        let response = ask(&mut client, "/x", &format!("Range: {range}\r\n"));
        assert_eq!(response.status, status, "{range}");
        if status != 416 {
            assert_eq!(response.text(), body, "{range}");
        }
        assert_eq!(
            response.field("Content-Range").unwrap_or_default(),
            content_range
        );
    }
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn several_parts_come_in_one_body() {
    let origin = Origin::start();
    origin.serve(
        "/x",
        "Cache-Control: max-age=60\r\nContent-Type: text/x\r\n",
        "0123456789",
    );
    let edge = cached(&origin);
    let mut client = edge.client();
    client.get("a.test", "/x");
    let response = ask(&mut client, "/x", "Range: bytes=0-1,-2\r\n");
    let kind = response.has("Content-Type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a boundary");
    let part = |range: &str, bytes: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/x\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}"
        )
    };
    let expected = format!(
        "{}{}\r\n--{boundary}--\r\n",
        part("0-1", "01"),
        part("8-9", "89")
    );
    assert_eq!((response.status, response.text()), (206, expected));
}

#[test]
fn if_range_asks_whether_it_is_still_the_same() {
    let origin = Origin::start();
    let modified = "Mon, 01 Jan 2024 00:00:00 GMT";
    let strong =
        format!("Cache-Control: max-age=60\r\nETag: \"1\"\r\nLast-Modified: {modified}\r\n");
    origin.serve("/strong", &strong, "0123456789");
    origin.serve(
        "/weak",
        "Cache-Control: max-age=60\r\nETag: W/\"1\"\r\n",
        "0123456789",
    );
    let edge = cached(&origin);
    let mut client = edge.client();
    for path in ["/strong", "/weak"] {
        client.get("a.test", path);
    }
    for (path, condition, status) in [
        ("/strong", "\"1\"", 206),
        ("/strong", "\"2\"", 200),
        ("/strong", "W/\"1\"", 200),
        ("/strong", modified, 206),
        ("/strong", "Mon, 01 Jan 2024 00:00:01 GMT", 200),
        ("/strong", "nonsense", 200),
        ("/weak", "W/\"1\"", 200),
    ] {
        let fields = format!("Range: bytes=0-1\r\nIf-Range: {condition}\r\n");
        assert_eq!(
            ask(&mut client, path, &fields).status,
            status,
            "{path} {condition}"
        );
    }
}

#[test]
fn a_part_is_sent_while_the_whole_is_still_coming() {
    let origin = Origin::start();
    let gate = Gate::new();
    let closed = gate.clone();
    origin.script("/x", move |request, exchange| {
        assert_eq!(request.field("Range"), None);
        exchange.send(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n01234",
        );
        closed.pass();
        exchange.send("56789");
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let part = ask(&mut client, "/x", "Range: bytes=1-3\r\n");
    assert_eq!(
        (part.status, part.text().as_str()),
        (206, "123"),
        "before the rest"
    );
    gate.open();
    eventually("the whole", || {
        edge.get("a.test", "/x").is_hit().then_some(())
    });
    assert_eq!(edge.get("a.test", "/x").text(), "0123456789");
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn an_answer_to_head_renews_what_is_stale_or_drops_it() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let fields = match request.method.as_str() {
            "HEAD" => "Cache-Control: max-age=600\r\nETag: \"1\"\r\nX-Seen: head\r\n",
            _ => "Cache-Control: max-age=0\r\nETag: \"1\"\r\nX-Seen: get\r\n",
        };
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\n"
        ));
        if request.method != "HEAD" {
            exchange.send("body");
        }
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    client.get("a.test", "/x");
    let head = client
        .send("HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!(head.has("X-Seen"), "head");
    let renewed = client.get("a.test", "/x");
    assert!(
        renewed.is_hit() && renewed.has("X-Seen") == "head",
        "{renewed:?}"
    );
    assert_eq!(renewed.text(), "body");
    assert_eq!(origin.hits("/x"), 2);
}

#[test]
fn an_answer_to_post_that_is_one_to_get_is_kept_as_one() {
    let origin = Origin::start();
    for (path, fields) in [
        (
            "/own",
            "Cache-Control: max-age=60\r\nContent-Location: /own\r\n",
        ),
        (
            "/else",
            "Cache-Control: max-age=60\r\nContent-Location: /own2\r\n",
        ),
        ("/silent", "Cache-Control: max-age=60\r\n"),
        ("/lifeless", "Content-Location: /lifeless\r\n"),
    ] {
        origin.serve(path, fields, "posted");
    }
    let edge = cached(&origin);
    for (path, kept) in [
        ("/own", true),
        ("/else", false),
        ("/silent", false),
        ("/lifeless", false),
    ] {
        let posted = edge.exchange(format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx"
        ));
        assert_eq!(
            (posted.status, posted.text().as_str()),
            (200, "posted"),
            "{path}"
        );
        let got = edge.get("a.test", path);
        assert_eq!(
            (got.is_hit(), got.text().as_str()),
            (kept, "posted"),
            "{path}"
        );
    }
}

#[test]
fn a_stale_answer_stands_in_while_the_origin_cannot_be_reached() {
    let origin = Origin::start();
    origin.serve("/x", "Cache-Control: max-age=0\r\nETag: \"1\"\r\n", "body");
    origin.serve(
        "/strict",
        "Cache-Control: max-age=0, must-revalidate\r\nETag: \"1\"\r\n",
        "body",
    );
    let edge = cached(&origin);
    for path in ["/x", "/strict"] {
        edge.get("a.test", path);
    }
    origin.stop();
    let stale = edge.get("a.test", "/x");
    assert!(
        stale.text() == "body" && stale.has("Cache-Status").contains("stale"),
        "{stale:?}"
    );
    assert_eq!(edge.get("a.test", "/strict").status, 502);
}

#[test]
fn what_forbids_stale_answers_forbids_them_while_disconnected_too() {
    let origin = Origin::start();
    let forbidding = [
        "must-revalidate",
        "proxy-revalidate",
        "no-cache",
        "s-maxage=0",
    ];
    for (n, directive) in forbidding.iter().enumerate() {
        origin.serve(
            &format!("/{n}"),
            &format!("Cache-Control: max-age=0, {directive}\r\nETag: \"1\"\r\n"),
            "body",
        );
    }
    let edge = cached(&origin);
    for n in 0..forbidding.len() {
        assert_eq!(edge.get("a.test", &format!("/{n}")).status, 200);
    }
    origin.stop();
    for (n, directive) in forbidding.iter().enumerate() {
        let answer = edge.get("a.test", &format!("/{n}"));
        assert_eq!(answer.status, 502, "{directive}");
    }
}
