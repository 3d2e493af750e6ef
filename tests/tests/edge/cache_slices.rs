//! Large bodies are kept in slices: a part costs what it lies in, and nothing is mixed.

use seawall_tests::{Client, Edge, Exchange, Origin, Received, Response, Running, Then};
use std::sync::{Arc, Mutex};

const MIB: usize = 1 << 20;
/// The slices of these tests.
const SLICE: usize = 64 << 10;

fn cached(origin: &Origin) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 16MiB }}\nsites: [{{ host: a.test, cache: {{ slice: 64KiB }}, to: \"{origin}\" }}]"
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

fn range(client: &mut Client, target: &str, range: &str) -> Response {
    ask(client, target, &format!("Range: bytes={range}\r\n"))
}

/// Bytes that say where they are.
fn body(length: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..length / 8)
        .flat_map(|n| format!("{n:07}\n").into_bytes())
        .collect();
    body.resize(length, b'.');
    body
}

const FIELDS: &str = "Cache-Control: max-age=600\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n";

/// What an origin that knows single ranges says.
fn give(request: &Received, exchange: &mut Exchange<'_>, fields: &str, body: &[u8]) {
    let asked = request.field("Range").and_then(|value| {
        let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
    });
    match asked {
        Some((first, _)) if first >= body.len() => {
            exchange.send(format!(
                "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
                body.len()
            ));
        }
        Some((first, last)) => {
            let last = last.min(body.len() - 1);
            let part = &body[first..=last];
            exchange.send(format!(
                "HTTP/1.1 206 Partial Content\r\n{fields}Content-Range: bytes {first}-{last}/{}\r\nContent-Length: {}\r\n\r\n",
                body.len(),
                part.len()
            ));
            exchange.send(part);
        }
        None => {
            exchange.send(format!(
                "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n",
                body.len()
            ));
            exchange.send(body);
        }
    }
}

/// The ranges that were asked for, in order; "whole" for none.
type Asked = Arc<Mutex<Vec<String>>>;

fn serve(origin: &Origin, path: &str, fields: &'static str, body: Vec<u8>) -> Asked {
    let asked = Asked::default();
    let log = asked.clone();
    origin.script(path, move |request, exchange| {
        let range = request.field("Range").unwrap_or("whole").to_owned();
        log.lock().unwrap().push(range);
        give(request, exchange, fields, &body);
        Then::Keep
    });
    asked
}

fn drain(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut *asked.lock().unwrap())
}

fn slice_of(offset: usize) -> String {
    let first = offset / SLICE * SLICE;
    format!("bytes={first}-{}", first + SLICE - 1)
}

#[test]
fn a_far_part_costs_the_slices_that_it_lies_in() {
    let origin = Origin::start();
    let whole = body(3 * MIB + 5);
    let asked = serve(&origin, "/x", FIELDS, whole.clone());
    let edge = cached(&origin);
    let mut client = edge.client();
    let at = 2 * MIB + 100;
    let spec = format!("{at}-{}", at + 9);
    let first = range(&mut client, "/x", &spec);
    assert_eq!((first.status, &first.body[..]), (206, &whole[at..at + 10]));
    let said = format!("bytes {spec}/{}", whole.len());
    assert_eq!(first.has("Content-Range"), said);
    assert!(first.has("Cache-Status").contains("stored"), "{first:?}");
    assert_eq!(drain(&asked), [slice_of(at)]);
    let again = range(&mut client, "/x", &spec);
    assert!(again.is_hit() && again.body == first.body, "{again:?}");
    // Over the border of two slices: one of them is there.
    let next = at / SLICE * SLICE + SLICE;
    let over = range(&mut client, "/x", &format!("{}-{}", next - 5, next + 4));
    assert_eq!(
        (over.status, &over.body[..]),
        (206, &whole[next - 5..next + 5])
    );
    assert!(over.has("Cache-Status").contains("fwd=partial"), "{over:?}");
    assert_eq!(drain(&asked), [slice_of(next)]);
}

#[test]
fn suffixes_several_parts_conditions_heads_and_the_whole_come_from_slices() {
    let origin = Origin::start();
    let whole = body(3 * SLICE + 5);
    let asked = serve(&origin, "/x", FIELDS, whole.clone());
    let edge = cached(&origin);
    let mut client = edge.client();
    let suffix = range(&mut client, "/x", "-3");
    assert_eq!(
        (suffix.status, &suffix.body[..]),
        (206, &whole[whole.len() - 3..])
    );
    let tail = format!("bytes={}-{}", 3 * SLICE, 3 * SLICE + 4);
    assert_eq!(drain(&asked), [slice_of(0), tail]);
    let several = range(&mut client, "/x", "0-1,-2");
    let kind = several.has("Content-Type").to_owned();
    assert!(
        kind.starts_with("multipart/byteranges; boundary="),
        "{kind}"
    );
    assert!(several.is_hit());
    let text = several.text();
    assert!(
        text.contains("\r\n\r\n00\r\n--") && text.contains("\r\n\r\n..\r\n--"),
        "{text}"
    );
    for (condition, status) in [("\"1\"", 206), ("\"2\"", 200)] {
        let fields = format!("Range: bytes=0-1\r\nIf-Range: {condition}\r\n");
        let answer = ask(&mut client, "/x", &fields);
        assert_eq!(answer.status, status);
        let expected = if status == 206 {
            &whole[..2]
        } else {
            &whole[..]
        };
        assert_eq!(answer.body, expected);
    }
    let beyond = range(&mut client, "/x", &format!("{}-", whole.len()));
    assert_eq!(
        (beyond.status, beyond.has("Content-Range")),
        (416, format!("bytes */{}", whole.len()).as_str())
    );
    let head = client
        .send("HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response_to_head();
    assert_eq!(head.has("Content-Length"), whole.len().to_string());
    assert_eq!(
        ask(&mut client, "/x", "If-None-Match: \"1\"\r\n").status,
        304
    );
    let answer = ask(&mut client, "/x", "");
    assert!(answer.is_hit() && answer.body == whole);
    assert_eq!(
        drain(&asked),
        [slice_of(SLICE), slice_of(2 * SLICE)],
        "what was missing, for the whole that If-Range led to"
    );
}

#[test]
fn a_body_too_large_to_be_stored_as_a_whole_is_cut_as_it_goes_by() {
    let origin = Origin::start();
    let whole = body(2 * MIB);
    let asked = serve(&origin, "/x", FIELDS, whole.clone());
    let edge = cached(&origin);
    let mut client = edge.client();
    let first = ask(&mut client, "/x", "");
    assert_eq!((first.status, first.body.len()), (200, whole.len()));
    assert!(first.body == whole && first.has("Cache-Status").contains("stored"));
    let again = ask(&mut client, "/x", "");
    assert!(
        again.is_hit() && again.body == whole,
        "{:?}",
        again.has("Cache-Status")
    );
    let part = range(&mut client, "/x", "1500000-1500009");
    assert!(part.is_hit() && part.body == whole[1_500_000..1_500_010]);
    assert_eq!(drain(&asked), ["whole"]);
}

#[test]
fn what_is_purged_or_replaced_leaves_no_slice_behind() {
    let origin = Origin::start();
    let version = Arc::new(Mutex::new(1));
    let now = version.clone();
    origin.script("/x", move |request, exchange| {
        let version = *now.lock().unwrap();
        let letter = b'a' + version as u8;
        let fields = "Cache-Control: max-age=600\r\nETag: \"same\"\r\nAccept-Ranges: bytes\r\n";
        give(request, exchange, fields, &vec![letter; 3 * SLICE]);
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let last = format!("{}-", 3 * SLICE - 2);
    // An origin that gives two bodies one tag: after a purge none of the old bytes is seen all the same.
    assert_eq!(range(&mut client, "/x", "-2").text(), "bb");
    assert!(range(&mut client, "/x", &last).is_hit());
    *version.lock().unwrap() = 2;
    let config = edge.config();
    let purged = edge.seawall(&[
        "purge".as_ref(),
        "http://a.test/x".as_ref(),
        "-c".as_ref(),
        config.as_os_str(),
    ]);
    assert!(purged.status.success());
    let after = ask(&mut client, "/x", "Range: bytes=-2\r\n");
    assert_eq!((after.text().as_str(), after.is_hit()), ("cc", false));
    *version.lock().unwrap() = 3;
    let posted = client
        .send("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
        .response();
    assert_eq!(posted.status, 200);
    assert_eq!(ask(&mut client, "/x", "").body, vec![b'd'; 3 * SLICE]);
}

#[test]
fn another_representation_at_the_origin_is_never_mixed_with_the_stored_one() {
    let origin = Origin::start();
    let version = Arc::new(Mutex::new(0));
    let now = version.clone();
    origin.script("/x", move |request, exchange| {
        let version: u8 = *now.lock().unwrap();
        let fields = format!(
            "Cache-Control: max-age=600\r\nETag: \"{version}\"\r\nAccept-Ranges: bytes\r\n"
        );
        give(request, exchange, &fields, &vec![b'a' + version; 3 * SLICE]);
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    assert_eq!(range(&mut client, "/x", "-2").status, 206);
    assert!(range(&mut client, "/x", "0-1").status == 206);
    *version.lock().unwrap() = 1;
    // The middle is missing: it is another now. Nothing was sent yet, so the origin answers this client.
    let middle = format!("{}-{}", SLICE, SLICE + 1);
    let answer = range(&mut client, "/x", &middle);
    assert_eq!((answer.status, answer.text().as_str()), (206, "bb"));
    assert_eq!(ask(&mut client, "/x", "").body, vec![b'b'; 3 * SLICE]);
}

#[test]
fn a_body_that_changes_while_it_is_sent_is_cut_off() {
    let origin = Origin::start();
    let turn = Mutex::new(0);
    origin.script("/x", move |request, exchange| {
        let mut turn = turn.lock().unwrap();
        let version: u8 = if *turn < 1 { 0 } else { 1 };
        *turn += 1;
        let fields = format!("Cache-Control: max-age=600\r\nETag: \"{version}\"\r\n");
        give(request, exchange, &fields, &vec![b'a' + version; 3 * SLICE]);
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    let cut = client
        .send("GET /x HTTP/1.1\r\nHost: a.test\r\nRange: bytes=-196608\r\n\r\n")
        .try_response();
    assert!(cut.is_err(), "{cut:?}");
    edge.logged("changed at the origin");
}

/// What a dishonest or broken origin answers to a request for a part of 192 KiB.
#[test]
fn parts_that_are_not_what_was_asked_for_are_not_stored() {
    let total = 3 * SLICE;
    let part = "a".repeat(SLICE);
    let partial = |fields: &str, body: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=600\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let last = SLICE - 1;
    let whole = format!("bytes 0-{last}/{total}");
    let cases = [
        (
            "another offset",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: bytes 1-{SLICE}/{total}\r\n"),
                &part,
            ),
        ),
        (
            "an unknown length",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: bytes 0-{last}/*\r\n"),
                &part,
            ),
        ),
        (
            "a length that is too short",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: bytes 0-{last}/10\r\n"),
                &part,
            ),
        ),
        (
            "fewer bytes than there are",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: bytes 0-9/{total}\r\n"),
                "0123456789",
            ),
        ),
        (
            "a body of another length",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: {whole}\r\n"),
                "short",
            ),
        ),
        ("no range at all", partial("ETag: \"1\"\r\n", &part)),
        (
            "two of them",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: {whole}\r\nContent-Range: {whole}\r\n"),
                &part,
            ),
        ),
        (
            "a weak tag",
            partial(
                &format!("ETag: W/\"1\"\r\nContent-Range: {whole}\r\n"),
                &part,
            ),
        ),
        (
            "no validator",
            partial(&format!("Content-Range: {whole}\r\n"), &part),
        ),
        (
            "another unit",
            partial(
                &format!("ETag: \"1\"\r\nContent-Range: lines 0-{last}/{total}\r\n"),
                &part,
            ),
        ),
        (
            "several parts",
            partial(
                "ETag: \"1\"\r\nContent-Type: multipart/byteranges; boundary=x\r\n",
                &part,
            ),
        ),
        (
            "what is private",
            partial(
                &format!("Cache-Control: private\r\nETag: \"1\"\r\nContent-Range: {whole}\r\n"),
                &part,
            ),
        ),
        (
            "somebody's cookie",
            partial(
                &format!("Set-Cookie: a=b\r\nETag: \"1\"\r\nContent-Range: {whole}\r\n"),
                &part,
            ),
        ),
    ];
    for (what, answer) in cases {
        let origin = Origin::start();
        let served = answer.clone();
        origin.script("/x", move |request, exchange| {
            match request.field("Range") {
                Some(range) if range.starts_with("bytes=0-") => exchange.send(served.clone()),
                // The client's own.
                Some("bytes=-2") => exchange.send(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 196606-196607/196608\r\nContent-Length: 2\r\n\r\nok",
                ),
                _ => exchange.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 5\r\n\r\nwhole"),
            };
            Then::Keep
        });
        let edge = cached(&origin);
        let answer = range(&mut edge.client(), "/x", "-2");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (206, "ok"),
            "{what}"
        );
        assert_eq!(edge.get("a.test", "/x").text(), "whole", "{what}");
        assert!(!range(&mut edge.client(), "/x", "-2").is_hit(), "{what}");
    }
}

#[test]
fn an_answer_to_a_part_that_is_none_is_what_it_is() {
    let origin = Origin::start();
    origin.serve("/ignores", FIELDS, "0123456789");
    origin.answer(
        "/gone",
        "HTTP/1.1 404 No\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nno",
    );
    let edge = cached(&origin);
    let mut client = edge.client();
    let answer = range(&mut client, "/ignores", "-2");
    assert_eq!((answer.status, answer.text().as_str()), (206, "89"));
    assert!(
        ask(&mut client, "/ignores", "").is_hit(),
        "the whole was stored"
    );
    assert_eq!(range(&mut client, "/gone", "-2").status, 404);
    assert!(ask(&mut client, "/gone", "").is_hit());
}

#[test]
fn slices_are_renewed_with_their_head() {
    let origin = Origin::start();
    let whole = body(3 * SLICE);
    let served = whole.clone();
    origin.script("/x", move |request, exchange| {
        let fields = "Cache-Control: max-age=0\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\n";
        match request.field("If-None-Match") {
            Some("\"1\"") => {
                exchange.send(format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n"));
            }
            _ => give(request, exchange, fields, &served),
        }
        Then::Keep
    });
    let edge = cached(&origin);
    let mut client = edge.client();
    for n in 0..3 {
        let answer = range(&mut client, "/x", "-2");
        assert_eq!(answer.body, &whole[whole.len() - 2..], "{n}");
    }
    // The first took two, for the length and for the end; each of the others a validation.
    assert_eq!(origin.hits("/x"), 4);
    assert_eq!(origin.last().field("If-None-Match"), Some("\"1\""));
}

#[test]
fn slices_outlive_the_process_on_the_disk() {
    let origin = Origin::start();
    let whole = body(4 * SLICE);
    let asked = serve(&origin, "/x", FIELDS, whole.clone());
    let directory = tempfile::tempdir().unwrap();
    let edge = Edge::yaml(format!(
        "caches: {{ default: {{ memory: 16MiB, disk: {{ path: {}, size: 64MiB }} }} }}\nsites: [{{ host: a.test, cache: {{ slice: 64KiB }}, to: \"{origin}\" }}]",
        directory.path().display()
    ))
    .start();
    let spec = format!("{}-{}", SLICE - 1, SLICE);
    for _ in 0..2 {
        range(&mut edge.client(), "/x", "-1");
        range(&mut edge.client(), "/x", &spec);
    }
    seawall_tests::eventually("the head and its slices on the disk", || {
        range(&mut edge.client(), "/x", &spec);
        range(&mut edge.client(), "/x", "-1");
        (edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 4).then_some(())
    });
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, edge) = edge.wait();
    let edge = edge.start();
    drain(&asked);
    seawall_tests::eventually("the index", || {
        (edge.metric("seawall_cache_disk_objects{cache=\"default\"}") == 4).then_some(())
    });
    let answer = range(&mut edge.client(), "/x", &spec);
    assert_eq!(answer.body, &whole[SLICE - 1..=SLICE]);
    assert_eq!(drain(&asked), Vec::<String>::new());
}

#[test]
fn a_body_of_many_times_the_memory_costs_the_memory() {
    let seen = seawall_tests::soak::large(64 << 20, "8MiB");
    assert_eq!(seen.wrong, 0, "{seen:?}");
    let grown = seen.most.saturating_sub(seen.before);
    // What is cached, a slice on its way, buffers and the allocator's own: far from the body's.
    assert!(grown < 40 << 20, "{seen:?}");
    // The whole once, then slices: none of three readings found much of it, none fetched it twice.
    assert!(seen.fetches <= 1 + 3 * 64, "{seen:?}");
}

#[test]
fn an_operator_sees_how_a_body_is_cut_and_what_of_it_is_here() {
    let origin = Origin::start();
    serve(&origin, "/x", FIELDS, body(3 * MIB + 5));
    let edge = cached(&origin);
    let port = edge.address("http").port();
    let host = format!("a.test:{port}");
    for at in [2 * MIB, MIB] {
        let spec = format!("Range: bytes={at}-{}\r\n", at + 9);
        let asked = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{spec}\r\n");
        assert_eq!(edge.exchange(asked).status, 206);
    }
    let url = format!("http://{host}/x");
    let config = edge.config();
    let words = ["cache", "show", &url, "-c"].map(std::ffi::OsStr::new);
    let shown = edge.seawall(&[&words[..], &[config.as_os_str()]].concat());
    assert!(shown.status.success(), "{shown:?}");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let slices = &shown["found"][0]["variants"][0]["slices"];
    let expected = serde_json::json!({ "bytes": SLICE, "count": 49, "here": 2 });
    assert_eq!(*slices, expected, "{shown}");
}
