//! The same bytes to us and to hyper's server. Whatever we accept, hyper must accept and read alike: method, target, fields, body, and where the next request
//! starts. Whatever only hyper accepts must be on the list of our stricter rules below.

use std::{convert::Infallible, sync::Arc, sync::Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use seawall_http::{
    BodyDecoder, BodyError, HeadLimits, Policy, Refusal, RequestHead, parse_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A request as a reader understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    method: String,
    target: String,
    /// Names in lower case, sorted: hyper's map keeps the order within a name only.
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// Why we stopped reading.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// Everything was read, or the client wants no more.
    Clean,
    Head(Refusal),
    Body(BodyError),
    Incomplete,
}

fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

/// Reads all requests of `wire` with our parser.
fn ours(wire: &[u8]) -> (Vec<Read>, Stop) {
    let (mut reads, mut at) = (Vec::new(), 0);
    let mut head = RequestHead::new();
    while at < wire.len() {
        let rest = &wire[at..];
        match parse_request(rest, Policy::Rfc, &HeadLimits::default(), &mut head) {
            Err(why) => return (reads, Stop::Head(why)),
            Ok(false) => return (reads, Stop::Incomplete),
            Ok(true) => {}
        }
        let (body, used) = match body_of(&rest[head.len..], &head) {
            Ok(body) => body,
            Err(stop) => return (reads, stop),
        };
        let fields = head
            .fields(rest)
            .iter()
            .map(|(_, name, value)| (String::from_utf8_lossy(name).to_lowercase(), value.to_vec()));
        reads.push(Read {
            method: String::from_utf8_lossy(head.method_text.of(rest)).into_owned(),
            target: String::from_utf8_lossy(head.target.of(rest)).into_owned(),
            fields: sorted(fields.collect()),
            body,
        });
        at += head.len + used;
        if !head.keep_alive {
            break;
        }
    }
    (reads, Stop::Clean)
}

fn body_of(rest: &[u8], head: &RequestHead) -> Result<(Vec<u8>, usize), Stop> {
    let mut decoder = BodyDecoder::new(head.framing);
    let (mut body, mut used) = (Vec::new(), 0);
    while !decoder.is_done() {
        let found = decoder.decode(&rest[used..]).map_err(Stop::Body)?;
        if found.consumed == 0 {
            return Err(Stop::Incomplete);
        }
        body.extend_from_slice(&rest[used..][found.data]);
        used += found.consumed;
    }
    Ok((body, used))
}

/// Reads all requests of `wire` with hyper's server, over a pipe that ends after them.
async fn hypers(wire: &[u8]) -> Vec<Read> {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let seen = Arc::clone(&reads);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await else {
                return Ok(Response::new(Full::new(Bytes::new())));
            };
            let fields = head
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
            seen.lock().unwrap().push(Read {
                method: head.method.to_string(),
                target: target_of(&head.uri),
                fields: sorted(fields.collect()),
                body: body.to_bytes().to_vec(),
            });
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        }
    });
    let serve = async move {
        let _ = http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service)
            .await;
    };
    let feed = async move {
        client.write_all(wire).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answers = Vec::new();
        let _ = client.read_to_end(&mut answers).await;
    };
    tokio::join!(serve, feed);
    reads.lock().unwrap().clone()
}

/// `http::Uri` prints an absolute target without a path with a slash, and scheme in lower case.
fn target_of(uri: &hyper::Uri) -> String {
    uri.to_string()
}

fn normal_target(target: &str) -> String {
    target
        .parse::<hyper::Uri>()
        .map_or_else(|_| target.to_owned(), |uri| uri.to_string())
}

/// Our rules that are stricter than hyper's. Each has a case below that shows it.
const STRICTER: &[Refusal] = &[
    // hyper takes LF alone as a line end, and any number of empty lines before a request.
    Refusal::BareLf,
    Refusal::EmptyLines,
    // It does not ask for a Host, nor judge or count what is there.
    Refusal::HostMissing,
    Refusal::HostRepeated,
    Refusal::HostInvalid,
    // It lets Transfer-Encoding win over Content-Length, takes equal lengths twice, and any list of codings that ends in chunked.
    Refusal::LengthWithCoding,
    Refusal::LengthRepeated,
    Refusal::CodingRepeated,
    Refusal::CodingUnknown,
    // Its URIs may have any scheme, a fragment (dropped), user information, non-ASCII bytes, and forms that do not go with the method.
    Refusal::BadScheme,
    Refusal::BadTarget,
    Refusal::BadAuthority,
    Refusal::UserinfoInTarget,
    Refusal::FragmentInTarget,
    Refusal::TargetByte,
];

/// Our rules for chunked bodies that are stricter than hyper's: it takes white space after a size,
/// and an LF alone before the trailers, which lets it swallow the next request as trailers.
const STRICTER_BODIES: &[BodyError] = &[BodyError::ChunkSize, BodyError::ChunkLineEnd];

/// Targets that `http::Uri` refuses although RFC 9112 leaves them to us, and we to the WAF: delimiters that no grammar has.
fn only_we_take(target: &str) -> bool {
    target.parse::<hyper::Uri>().is_err()
}

/// Compares both readers; says which rule of ours was the stricter, if one was.
async fn compare(wire: &[u8]) -> Option<Stop> {
    let (ours, stop) = ours(wire);
    let theirs = hypers(wire).await;
    let text = wire.escape_ascii().to_string();
    for (index, mine) in ours.iter().enumerate() {
        if only_we_take(&mine.target) {
            return None;
        }
        let Some(other) = theirs.get(index) else {
            panic!("only we accept request {index} of {text}\n{mine:?}");
        };
        let mine = Read {
            target: normal_target(&mine.target),
            ..mine.clone()
        };
        assert_eq!(&mine, other, "{text}");
    }
    let only_theirs = theirs.get(ours.len())?;
    let listed = match &stop {
        Stop::Head(why) => STRICTER.contains(why),
        Stop::Body(why) => STRICTER_BODIES.contains(why),
        Stop::Clean | Stop::Incomplete => false,
    };
    assert!(
        listed,
        "only hyper accepts ({stop:?}): {text}\n{only_theirs:?}"
    );
    Some(stop)
}

const CASES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a?b=c&d HTTP/1.1\r\nHost: a\r\nX-One:\t 1 \t\r\nx-one: 2\r\nEmpty:\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\nX-T: 1\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\nGET /never HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://b.test/x HTTP/1.1\r\nHost: b.test\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "M-SEARCH / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n",
    // Where we are stricter, or both refuse.
    "GET / HTTP/1.1\nHost: a\n\n",
    "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a..b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n bad\r\n\r\n",
];

#[tokio::test]
async fn what_we_accept_hyper_reads_alike_and_what_only_hyper_accepts_is_listed() {
    let mut shown = Vec::new();
    for case in CASES {
        shown.extend(compare(case.as_bytes()).await);
    }
    for why in STRICTER {
        assert!(shown.contains(&Stop::Head(*why)), "no case shows {why}");
    }
    for why in STRICTER_BODIES {
        assert!(shown.contains(&Stop::Body(*why)), "no case shows {why}");
    }
}

#[tokio::test]
async fn mutated_requests_are_read_alike() {
    const SPICE: &[&str] = &[
        "\r\n",
        "\n",
        "\r",
        " ",
        "\t",
        ":",
        ",",
        ";",
        "\0",
        "x",
        "0",
        "#",
        "?",
        "/",
        "%",
        "@",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Host: a\r\n",
        "HTTP/1.0",
        "0\r\n\r\n",
    ];
    let mut state = 11u64;
    let mut below = move |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for _ in 0..20_000 {
        let mut wire = CASES[below(CASES.len())].as_bytes().to_vec();
        for _ in 0..=below(3) {
            let at = below(wire.len());
            if below(3) == 0 {
                wire.remove(at);
            } else {
                wire.splice(at..at, SPICE[below(SPICE.len())].bytes());
            }
        }
        compare(&wire).await;
    }
}
