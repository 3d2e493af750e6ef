//! Compression of responses: who gets which coding, what the head says, and that the real tools decode to the same bytes.

use seawall_tests::{Edge, Gate, Origin, Response, Running, Then};
use std::{
    fs::File,
    process::{Command, Stdio},
};

/// Text that shrinks, with a counter in it so that a lost or doubled piece shows.
fn text(bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 32);
    for line in 0.. {
        if out.len() >= bytes {
            break;
        }
        out.push_str(&format!(
            "line {line} of the page, {}\n",
            line * 7919 % 1000
        ));
    }
    out.truncate(bytes);
    out
}

/// Undoes a coding with the tool of that name.
fn decode(edge: &Running, coding: &str, body: &[u8]) -> Vec<u8> {
    let file = edge.write("coded", body);
    let tool = match coding {
        "br" => "brotli",
        other => other,
    };
    let output = Command::new(tool)
        .arg("-dc")
        .stdin(Stdio::from(File::open(file).expect("the body")))
        .output()
        .unwrap_or_else(|e| panic!("{tool} (packaging/dev/install.sh test): {e}"));
    assert!(output.status.success(), "{tool}: {output:?}");
    output.stdout
}

fn get(edge: &Running, target: &str, fields: &str) -> Response {
    edge.exchange(format!(
        "GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
    ))
}

fn coded(edge: &Running, target: &str, accept: &str) -> Response {
    get(edge, target, &format!("Accept-Encoding: {accept}\r\n"))
}

fn edge(origin: &Origin, compress: &str) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", compress: {compress} }}]"
    ))
    .start()
}

const HTML: &str = "Content-Type: text/html; charset=utf-8\r\n";

#[test]
fn every_coding_decodes_to_the_same_bytes_with_the_real_tools() {
    let origin = Origin::start();
    let edge = edge(&origin, "[zstd, br, gzip]");
    for bytes in [256, 4096, 20_000, 65_536, 1_000_000] {
        let body = text(bytes);
        origin.serve("/page", HTML, &body);
        for coding in ["gzip", "br", "zstd"] {
            let answer = coded(&edge, "/page", coding);
            assert_eq!(answer.has("Content-Encoding"), coding);
            assert_eq!(answer.has("Vary"), "Accept-Encoding");
            assert_eq!(answer.field("Content-Length"), None);
            assert!(answer.chunked);
            assert!(answer.body.len() < bytes, "{coding} of {bytes}");
            assert!(
                decode(&edge, coding, &answer.body) == body.as_bytes(),
                "{coding} of {bytes}"
            );
        }
        let plain = get(&edge, "/page", "");
        assert_eq!(plain.text(), body);
        assert_eq!(plain.field("Content-Encoding"), None);
        assert_eq!(plain.has("Vary"), "Accept-Encoding", "it could have been");
        assert_eq!(plain.has("Content-Length"), bytes.to_string());
    }
    edge.counts("seawall_encoded_responses_total{coding=\"br\"}", 5);
}

#[test]
fn curl_takes_what_it_gets() {
    let origin = Origin::start();
    let edge = edge(&origin, "[zstd, br, gzip]");
    let body = text(300_000);
    origin.serve("/page", HTML, &body);
    let output = Command::new("curl")
        .args(["-sS", "--compressed", "-H", "Host: a.test"])
        .arg(format!("http://{}/page", edge.address("http")))
        .output()
        .expect("curl");
    assert!(output.stdout == body.as_bytes(), "{output:?}");
    assert_eq!(edge.metric("seawall_encoded_responses_total"), 1);
}

#[test]
fn the_clients_weights_decide_and_then_the_servers_order() {
    let origin = Origin::start();
    origin.serve("/page", HTML, &text(5000));
    let edge = edge(&origin, "[br, gzip]");
    for (accept, coding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("zstd", ""),
        ("*", "br"),
        ("br;q=0, *;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", ""),
        ("gzip;q=0", ""),
    ] {
        let answer = coded(&edge, "/page", accept);
        assert_eq!(answer.has("Content-Encoding"), coding, "{accept}");
    }
}

#[test]
fn what_must_not_be_changed_is_not() {
    let origin = Origin::start();
    let body = text(5000);
    let page = |path: &str, fields: &str| origin.serve(path, &format!("{HTML}{fields}"), &body);
    page("/coded", "Content-Encoding: br\r\n");
    page("/no-transform", "Cache-Control: public, no-transform\r\n");
    page("/digest", "Repr-Digest: sha-256=:AA==:\r\n");
    origin.serve("/png", "Content-Type: image/png\r\n", &body);
    origin.serve("/typeless", "", &body);
    origin.serve("/short", HTML, &text(255));
    origin.answer(
        "/part",
        format!("HTTP/1.1 206 Partial Content\r\n{HTML}Content-Range: bytes 0-999/5000\r\nContent-Length: 1000\r\n\r\n{}", &body[..1000]),
    );
    origin.answer("/nothing", "HTTP/1.1 204 No Content\r\n\r\n");
    let edge = edge(&origin, "[gzip]");
    for path in [
        "/coded",
        "/no-transform",
        "/digest",
        "/png",
        "/typeless",
        "/short",
    ] {
        let answer = coded(&edge, path, "gzip");
        assert!(answer.text() == body || path == "/short", "{path}");
        assert_eq!(answer.field("Vary"), None, "{path}");
        assert!(!answer.chunked, "{path}");
    }
    let part = get(
        &edge,
        "/part",
        "Range: bytes=0-999\r\nAccept-Encoding: gzip\r\n",
    );
    assert_eq!((part.status, part.text()), (206, body[..1000].to_owned()));
    let nothing = coded(&edge, "/nothing", "gzip");
    assert_eq!(
        (nothing.status, nothing.field("Content-Encoding")),
        (204, None)
    );
    let old = edge.exchange("GET /none HTTP/1.0\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(old.field("Content-Encoding"), None, "HTTP/1.0");
    assert_eq!(edge.metric("seawall_encoded_responses_total"), 0);
}

#[test]
fn the_head_fits_the_coded_body() {
    let origin = Origin::start();
    let fields = format!("{HTML}ETag: \"v1\"\r\nAccept-Ranges: bytes\r\nVary: Cookie\r\n");
    origin.serve("/page", &fields, &text(5000));
    origin.serve(
        "/varies",
        &format!("{HTML}ETag: W/\"v1\"\r\nVary: Cookie, Accept-Encoding\r\n"),
        &text(5000),
    );
    let edge = edge(&origin, "[gzip]");
    let answer = coded(&edge, "/page", "gzip");
    assert_eq!(answer.has("ETag"), "W/\"v1\"");
    assert_eq!(answer.field("Accept-Ranges"), None);
    let vary: Vec<&str> = answer
        .fields
        .iter()
        .filter(|(n, _)| n == "Vary")
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(vary, ["Cookie", "Accept-Encoding"]);
    let answer = coded(&edge, "/varies", "gzip");
    assert_eq!(answer.has("ETag"), "W/\"v1\"");
    assert_eq!(answer.has("Vary"), "Cookie, Accept-Encoding");
    assert_eq!(answer.fields.iter().filter(|(n, _)| n == "Vary").count(), 1);
    // HEAD has the head of GET, and no body; the connection goes on.
    let mut client = edge.client();
    origin.script("/head", |_, exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5000\r\n\r\n");
        Then::Keep
    });
    client.send("HEAD /head HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = client.response_to_head();
    assert_eq!(head.has("Content-Encoding"), "gzip");
    assert_eq!(head.field("Content-Length"), None);
    assert_eq!(client.get("a.test", "/page").body.len(), 5000);
}

#[test]
fn every_content_is_compressed_files_fixed_answers_and_hits() {
    let origin = Origin::start();
    let body = text(200_000);
    origin.serve(
        "/cached",
        &format!("{HTML}Cache-Control: max-age=60\r\nETag: \"c\"\r\n"),
        &body,
    );
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 16MiB }} }}
defaults: {{ compress: on }}
sites:
  - host: a.test
    routes:
      - {{ path: /files, root: @dir@/www }}
      - {{ path: /fixed, respond: {{ body: \"{}\", type: text/plain }} }}
      - {{ path: /off, respond: {{ body: \"{}\", type: text/plain }}, compress: off }}
      - {{ path: /, to: \"{origin}\", cache: default }}",
        "abc ".repeat(500),
        "abc ".repeat(500),
    ));
    edge.write("www/files/page.html", &body);
    edge.write("www/files/empty.html", "");
    let edge = edge.start();
    let file = coded(&edge, "/files/page.html", "br");
    assert!(decode(&edge, "br", &file.body) == body.as_bytes());
    let tag = file.has("ETag").to_owned();
    assert!(tag.starts_with("W/"), "{tag}");
    let unchanged = get(
        &edge,
        "/files/page.html",
        &format!("Accept-Encoding: br\r\nIf-None-Match: {tag}\r\n"),
    );
    assert_eq!(
        (unchanged.status, unchanged.has("Vary")),
        (304, "Accept-Encoding")
    );
    let empty = coded(&edge, "/files/empty.html", "gzip");
    assert_eq!((empty.status, empty.has("Content-Length")), (200, "0"));
    let fixed = coded(&edge, "/fixed", "zstd");
    assert_eq!(
        decode(&edge, "zstd", &fixed.body),
        "abc ".repeat(500).into_bytes()
    );
    assert_eq!(coded(&edge, "/off", "gzip").text(), "abc ".repeat(500));
    for (round, hit) in [(1, false), (2, true), (3, true)] {
        for (accept, coding) in [("gzip", "gzip"), ("zstd", "zstd"), ("", "")] {
            let answer = coded(&edge, "/cached", accept);
            assert_eq!(answer.has("Content-Encoding"), coding, "round {round}");
            let plain = match coding {
                "" => answer.body.clone(),
                coding => decode(&edge, coding, &answer.body),
            };
            assert!(plain == body.as_bytes(), "round {round}, {coding}");
            assert!(answer.is_hit() || !hit, "round {round}");
        }
    }
    assert_eq!(origin.hits("/cached"), 1, "one object, coded for each");
}

#[test]
fn events_and_slow_pages_are_seen_as_they_are_made() {
    for kind in ["text/event-stream", "text/html"] {
        let origin = Origin::start();
        let gate = Gate::new();
        let opened = gate.clone();
        origin.script("/events", move |_, exchange| {
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"));
            opened.pass();
            exchange.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n");
            Then::Keep
        });
        let edge = edge(&origin, "[gzip]");
        let mut client = edge.client();
        client.send("GET /events HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
        assert_eq!(client.head().has("Content-Encoding"), "gzip");
        let mut inflate = flate2::Decompress::new_gzip(15);
        let mut seen = Vec::with_capacity(1000);
        let mut read = |bytes: &[u8], seen: &mut Vec<u8>| {
            inflate
                .decompress_vec(bytes, seen, flate2::FlushDecompress::Sync)
                .expect("gzip");
        };
        // The origin does not go on before the first event has been read here.
        while seen != b"data: 1\n\n" {
            let chunk = client.chunk();
            assert!(!chunk.is_empty(), "{kind}: the end came first");
            read(&chunk, &mut seen);
        }
        gate.open();
        loop {
            let chunk = client.chunk();
            if chunk.is_empty() {
                break;
            }
            read(&chunk, &mut seen);
        }
        assert_eq!(seen, b"data: 1\n\ndata: 2\n\n", "{kind}");
    }
}

#[test]
fn past_the_limit_of_encoders_bodies_are_sent_as_they_are() {
    let origin = Origin::start();
    let gate = Gate::new();
    let opened = gate.clone();
    origin.script("/slow", move |_, exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{HTML}Transfer-Encoding: chunked\r\n\r\n4\r\nwait\r\n"
        ));
        opened.pass();
        exchange.send("0\r\n\r\n");
        Then::Keep
    });
    origin.serve("/page", HTML, &text(5000));
    let edge = Edge::yaml(format!(
        "limits: {{ encoders: 1 }}\nsites: [{{ host: a.test, to: \"{origin}\", compress: on }}]"
    ))
    .start();
    let mut slow = edge.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(slow.head().has("Content-Encoding"), "gzip");
    let second = coded(&edge, "/page", "gzip");
    assert_eq!(
        (second.field("Content-Encoding"), second.text()),
        (None, text(5000))
    );
    assert_eq!(second.has("Vary"), "Accept-Encoding");
    edge.counts("seawall_encoders_busy_total", 1);
    gate.open();
    while !slow.chunk().is_empty() {}
    assert_eq!(
        coded(&edge, "/page", "gzip").has("Content-Encoding"),
        "gzip"
    );
}

#[test]
fn a_body_that_breaks_off_is_not_made_to_look_whole() {
    let origin = Origin::start();
    origin.answer_and_close(
        "/broken",
        format!(
            "HTTP/1.1 200 OK\r\n{HTML}Content-Length: 90000\r\n\r\n{}",
            text(50_000)
        ),
    );
    let edge = edge(&origin, "[gzip]");
    let mut client = edge.client();
    client.send("GET /broken HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
    assert!(client.try_response().is_err());
}

#[test]
fn gzip_is_decoded_for_clients_without_it_and_a_bomb_is_streamed() {
    use std::io::Write;
    let origin = Origin::start();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let serve = |path: &str, body: Vec<u8>| {
        let mut answer = format!("HTTP/1.1 200 OK\r\n{HTML}ETag: \"g\"\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        origin.answer(path, answer);
    };
    serve("/page", gzip(text(100_000).as_bytes()));
    serve("/bomb", gzip(&vec![0; 50_000_000]));
    serve("/broken", gzip(text(100_000).as_bytes())[..500].to_vec());
    let edge = edge(&origin, "{ encodings: [gzip], decode: true }");
    let plain = get(&edge, "/page", "");
    assert_eq!(
        (plain.field("Content-Encoding"), plain.has("ETag")),
        (None, "W/\"g\"")
    );
    assert_eq!(plain.text(), text(100_000));
    let kept = coded(&edge, "/page", "gzip");
    assert_eq!(
        (kept.has("Content-Encoding"), kept.has("ETag")),
        ("gzip", "\"g\"")
    );
    assert_eq!(get(&edge, "/bomb", "").body.len(), 50_000_000);
    assert!(
        edge.client()
            .ask("a.test", "/broken")
            .try_response()
            .is_err()
    );
}

#[test]
fn nginx_conf_gzips_as_nginx_does() {
    let origin = Origin::start();
    origin.serve(
        "/page",
        "Content-Type: text/html\r\nETag: \"n\"\r\n",
        &text(5000),
    );
    origin.serve("/css", "Content-Type: text/css\r\n", &text(5000));
    origin.serve("/small", HTML, &text(19));
    origin.serve(
        "/private",
        &format!("{HTML}Cache-Control: private\r\n"),
        &text(5000),
    );
    let edge = Edge::nginx(format!(
        "events {{}}
http {{
    access_log off;
    gzip on; gzip_proxied private; gzip_disable \"msie6\" \"Old.*\";
    server {{ listen @http@; location / {{ proxy_pass http://{origin}; }}
        location /css {{ proxy_pass http://{origin}; gzip_types text/css; gzip_vary on; gzip_comp_level 9; }}
        location /off {{ gzip off; return 200 \"{}\"; }} }}
}}",
        "abc ".repeat(100)
    ))
    .start();
    let page = coded(&edge, "/page", "gzip");
    assert_eq!(page.has("Content-Encoding"), "gzip");
    assert_eq!((page.has("ETag"), page.field("Vary")), ("W/\"n\"", None));
    assert_eq!(decode(&edge, "gzip", &page.body), text(5000).into_bytes());
    assert_eq!(
        coded(&edge, "/page", "br, zstd, *").field("Content-Encoding"),
        None
    );
    let css = coded(&edge, "/css", "gzip;q=0.5, identity");
    assert_eq!(
        (css.has("Content-Encoding"), css.has("Vary")),
        ("gzip", "Accept-Encoding")
    );
    assert_eq!(
        coded(&edge, "/small", "gzip").field("Content-Encoding"),
        None
    );
    assert_eq!(coded(&edge, "/off", "gzip").field("Content-Encoding"), None);
    let asked = |path: &str, fields: &str| {
        let answer = get(&edge, path, &format!("Accept-Encoding: gzip\r\n{fields}"));
        answer.field("Content-Encoding").is_some()
    };
    assert!(!asked("/page", "Via: 1.1 cache\r\n"));
    assert!(asked("/private", "Via: 1.1 cache\r\n"));
    assert!(!asked(
        "/page",
        "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0)\r\n"
    ));
    assert!(!asked("/page", "User-Agent: OldBrowser\r\n"));
    assert!(asked("/page", "User-Agent: New\r\n"));
}

#[test]
fn a_stored_page_is_coded_once_for_all_who_take_the_coding() {
    let origin = Origin::start();
    let page = text(100_000);
    let kind = "Content-Type: text/html\r\n";
    let fresh = format!("{kind}Cache-Control: max-age=60\r\n");
    origin.serve("/x", &format!("{fresh}ETag: \"1\"\r\n"), &page);
    let fixed = format!("{kind}Cache-Control: max-age=60, no-transform\r\n");
    origin.serve("/fixed", &fixed, &page);
    origin.serve("/coded", &format!("{fresh}Content-Encoding: gzip\r\n"), "zipped already, long enough to be worth it: 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789");
    let edge = Edge::yaml(format!(
        "caches: {{ default: 64MiB }}
sites: [{{ host: a.test, cache: on, compress: [br, gzip], to: \"{origin}\" }}]"
    ))
    .start();
    let ask = |path: &str, codings: &str| {
        edge.exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: {codings}\r\n\r\n"
        ))
    };
    let coded = |coding: &str| {
        edge.metric(&format!(
            "seawall_encoded_responses_total{{coding=\"{coding}\"}}"
        ))
    };
    for n in 0..5 {
        for coding in ["br", "gzip"] {
            let response = ask("/x", coding);
            assert_eq!(response.has("Content-Encoding"), coding);
            assert_eq!(response.has("ETag"), "W/\"1\"");
            assert!(decode(&edge, coding, &response.body) == page.as_bytes());
            let of_known_length = response.field("Content-Length").is_some();
            assert_eq!(
                of_known_length,
                n > 1 || n == 1 && coding == "gzip",
                "{n} {coding}"
            );
        }
    }
    assert!(coded("br") <= 2 && coded("gzip") <= 2);
    assert!(ask("/x", "identity").text() == page);
    for _ in 0..3 {
        assert!(ask("/fixed", "br").text() == page);
        let once = ask("/coded", "br, gzip");
        assert_eq!(
            (
                once.has("Content-Encoding"),
                once.text().starts_with("zipped")
            ),
            ("gzip", true)
        );
    }
}
