//! Beside the `h2` crate: what its client says in many requests on one connection reads here as it was meant, whatever of it
//! was indexed, coded or forgotten by its table; and what is encoded here reads there as it was meant.

use h2::client::{self, SendRequest};
use http::{HeaderMap, HeaderValue, Request};
use seawall_http::http2::{
    Changes, Code, FrameHead, HEAD_BYTES, Of, PREFACE, Section, acknowledge, announce, flag,
    goaway, hpack, kind,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// SplitMix64: a seed is a corpus.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const NAMES: [&str; 12] = [
    "accept",
    "user-agent",
    "referer",
    "x-a",
    "x-request-id",
    "authorization",
    "if-none-match",
    "cache-control",
    "accept-language",
    "traceparent",
    "x-with-a-name-that-is-rather-long",
    "sec-fetch-mode",
];

/// A value that a field may have: any bytes but controls, no white space around it.
fn value(random: &mut Random) -> Vec<u8> {
    let length = match random.below(20) {
        0 => 0,
        1 => 1 + random.below(3000),
        2..=9 => 1 + random.below(4),
        _ => 1 + random.below(60),
    };
    (0..length)
        .map(|_| match random.below(10) {
            0 => 0x80 + random.below(0x80) as u8,
            _ => 0x21 + random.below(0x5e) as u8,
        })
        .collect()
}

fn fields(random: &mut Random) -> Vec<(&'static str, Vec<u8>)> {
    let count = random.below(12) as usize;
    (0..count)
        .map(|_| {
            let name = NAMES[random.below(NAMES.len() as u64) as usize];
            // Few values, so that the table has something to name again.
            let mut few = Random(random.below(40));
            (name, value(&mut few))
        })
        .collect()
}

fn lines(fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    out
}

fn map(fields: &[(&'static str, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    map
}

/// What a server of the parts under test reads and says.
struct Server {
    socket: DuplexStream,
    decoder: hpack::Decoder,
}

impl Server {
    async fn frame(&mut self) -> Option<(FrameHead, Vec<u8>)> {
        let mut head = [0; HEAD_BYTES];
        self.socket.read_exact(&mut head).await.ok()?;
        let head = FrameHead::parse(&head).unwrap();
        let mut payload = vec![0; head.len];
        self.socket.read_exact(&mut payload).await.ok()?;
        Some((head, payload))
    }

    /// The next field block, whole, with its stream.
    async fn section(&mut self) -> Option<(u32, Section)> {
        let mut block = Vec::new();
        loop {
            let (head, payload) = self.frame().await?;
            match head.kind {
                kind::SETTINGS if !head.has(flag::ACK) => {
                    Changes::parse(&payload).unwrap();
                    let mut out = Vec::new();
                    acknowledge(&mut out);
                    self.socket.write_all(&out).await.unwrap();
                }
                kind::HEADERS | kind::CONTINUATION => {
                    block.extend(payload);
                    if head.has(flag::END_HEADERS) {
                        let mut section = Section::default();
                        section.begin(Of::Request, 1 << 20);
                        self.decoder.decode(&block, &mut section).unwrap();
                        return Some((head.stream, section));
                    }
                }
                _ => {}
            }
        }
    }

    /// Answers with a head that ends the stream.
    async fn answer(&mut self, stream: u32, status: u16, lines: &[u8]) {
        let mut block = Vec::new();
        hpack::status(status, &mut block);
        hpack::fields(lines, &mut block);
        let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
        let mut out = Vec::new();
        for (n, piece) in pieces.iter().enumerate() {
            let mut flags = if n == 0 { flag::END_STREAM } else { 0 };
            if n + 1 == pieces.len() {
                flags |= flag::END_HEADERS;
            }
            let head = FrameHead {
                len: piece.len(),
                kind: if n == 0 {
                    kind::HEADERS
                } else {
                    kind::CONTINUATION
                },
                flags,
                stream,
            };
            head.write(&mut out);
            out.extend_from_slice(piece);
        }
        self.socket.write_all(&out).await.unwrap();
    }
}

async fn connect() -> (SendRequest<bytes::Bytes>, Server) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let (requests, connection) = client::handshake(near).await.unwrap();
    tokio::spawn(connection);
    let mut preface = [0; PREFACE.len()];
    far.read_exact(&mut preface).await.unwrap();
    assert_eq!(&preface, PREFACE);
    let mut out = Vec::new();
    announce(&[(6, 1 << 20)], &mut out);
    far.write_all(&out).await.unwrap();
    let server = Server {
        socket: far,
        decoder: hpack::Decoder::new(),
    };
    (requests, server)
}

#[tokio::test]
async fn what_either_says_reads_as_it_was_meant_at_the_other() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let (mut requests, mut server) = connect().await;
        for n in 0..60 {
            let asked = fields(&mut random);
            let path = format!("/{}?{n}", random.below(5));
            let mut request = Request::get(format!("https://a.test{path}"))
                .body(())
                .unwrap();
            *request.headers_mut() = map(&asked);
            requests = requests.ready().await.unwrap();
            let (response, _) = requests.send_request(request, true).unwrap();

            let (stream, section) = server.section().await.unwrap();
            assert_eq!(section.fault(), None, "seed {seed}");
            assert_eq!(section.method(), b"GET");
            assert_eq!(section.path(), path.as_bytes());
            assert_eq!(section.authority(), Some(&b"a.test"[..]));
            // A map keeps the order of each name's values, not that of the names.
            let mut expected: Vec<_> = Vec::new();
            for (name, value) in map(&asked).iter() {
                expected
                    .extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
            assert_eq!(section.lines(), expected, "seed {seed}, request {n}");

            let answered = fields(&mut random);
            let status = 200 + random.below(350) as u16;
            server.answer(stream, status, &lines(&answered)).await;
            let response = response.await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(
                response.headers(),
                &map(&answered),
                "seed {seed}, answer {n}"
            );
        }
        let mut out = Vec::new();
        goaway(1, Code::NO_ERROR, &mut out);
        server.socket.write_all(&out).await.unwrap();
    }
}

#[tokio::test]
async fn a_head_in_many_frames_reads_whole_on_both_sides() {
    let (requests, mut server) = connect().await;
    let long = vec![b'~'; 50_000];
    let mut request = Request::get("https://a.test/").body(()).unwrap();
    *request.headers_mut() = map(&[("x-a", long.clone())]);
    let mut requests = requests.ready().await.unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let (stream, section) = server.section().await.unwrap();
    assert_eq!(section.lines().len(), 50_000 + 7);
    server.answer(stream, 200, &lines(&[("x-a", long)])).await;
    let response = response.await;
    // The client's own limit of a list is 16 KiB.
    if let Ok(response) = response {
        assert_eq!(response.headers()["x-a"].len(), 50_000);
    }
}
