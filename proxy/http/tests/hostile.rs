//! Heads and bodies as an enemy sends them: random bytes and mutated messages from a fixed seed, so that a failure repeats.

#[path = "hostile/bodies.rs"]
mod bodies;

use bodies::{chunked_body, fastcgi, http2, proxy_protocol, request_head, response_head};

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

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

const REQUESTS: &[&str] = &[
    "GET /a/../b%2e?c HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    "POST http://a:80/x HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, te\r\n\r\n0\r\n\r\n",
    "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "\r\nOPTIONS * HTTP/1.0\r\nVia: 1.1 a, \"b,c\"\r\nX_Y: z\r\n\r\n",
];

const RESPONSES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"a\"\r\n\r\nabc",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.0 304\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n",
];

const BODIES: &[&str] = &[
    "3\r\nabc\r\n0\r\n\r\n",
    "00a;x=\"y\"\r\n0123456789\r\n1\r\n.\r\n0;z\r\nX-Sum: 1\r\nHost: a\r\n\r\nGET /",
];

const PROXY_HEADERS: &[&str] = &[
    "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
    "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 65535\r\nGET /",
    "PROXY UNKNOWN 1 2\r\n",
    "\r\n\r\n\0\r\nQUIT\n!\x11\0\x10abcdefghijkl\x02\0\x01a\x16\x03\x01",
    "\r\n\r\n\0\r\nQUIT\n \0\0\x00",
];

const FASTCGI: &[&str] = &[
    "\x01\x06\0\x01\0\x0f\x01\0Status: 404\n\nabx\x01\x03\0\x01\0\x08\0\0\0\0\0\0\0\0\0\0",
    "\x01\x07\0\x01\0\x04\x04\0note....\x01\x06\0\x01\0\0\0\0",
    "Status: 200 OK\nContent-Length: 3\n\nabc",
    "Location: /x\r\nSet-Cookie: a=b\r\nContent-Type: text/html\r\n\r\n",
];

/// What mutations put in: the bytes that framing is made of.
const SPICE: &[&str] = &[
    "\r",
    "\n",
    "\r\n",
    "\0",
    " ",
    "\t",
    ":",
    ",",
    ";",
    "%",
    "/",
    "..",
    "#",
    "?",
    "@",
    "[",
    "\u{e9}",
    "\u{7f}",
    "Content-Length: 1\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: b\r\n",
    "HTTP/1.1",
    "0\r\n\r\n",
    "ffffffffffffffff",
];

fn mutated(random: &mut Random, seeds: &[&str]) -> Vec<u8> {
    let mut text = seeds[random.below(seeds.len())].as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 if at < text.len() => text[at] = random.next() as u8,
            1 if at < text.len() => drop(text.remove(at)),
            2 => text.truncate(at),
            3 => {
                let line = text[..at].to_vec();
                text.splice(at..at, line);
            }
            _ => {
                let spice = SPICE[random.below(SPICE.len())].bytes();
                text.splice(at..at, spice);
            }
        }
        text.truncate(4096);
    }
    text
}

#[test]
fn a_million_random_bytes_in_a_thousand_heads_break_no_promise() {
    let mut random = Random(1);
    for _ in 0..1000 {
        let noise = random.bytes(1000);
        request_head(&noise);
        response_head(&noise);
        chunked_body(&noise);
        // Behind a good start, so that the noise reaches the field lines.
        request_head(&[b"GET / HTTP/1.1\r\nHost: a\r\nX:", noise.as_slice()].concat());
        response_head(&[b"HTTP/1.1 200 OK\r\nX:", noise.as_slice()].concat());
        chunked_body(&[b"5\r\nabcde\r\n0\r\nX:", noise.as_slice()].concat());
    }
}

#[test]
fn mutated_requests_break_no_promise() {
    let mut random = Random(2);
    (0..20_000).for_each(|_| request_head(&mutated(&mut random, REQUESTS)));
}

#[test]
fn mutated_responses_break_no_promise() {
    let mut random = Random(3);
    (0..20_000).for_each(|_| response_head(&mutated(&mut random, RESPONSES)));
}

#[test]
fn mutated_chunked_bodies_break_no_promise() {
    let mut random = Random(4);
    (0..20_000).for_each(|_| chunked_body(&mutated(&mut random, BODIES)));
}

#[test]
fn mutated_proxy_headers_break_no_promise() {
    let mut random = Random(5);
    (0..20_000).for_each(|_| proxy_protocol(&mutated(&mut random, PROXY_HEADERS)));
}

#[test]
fn mutated_records_and_cgi_heads_break_no_promise() {
    let mut random = Random(6);
    (0..20_000).for_each(|_| fastcgi(&mutated(&mut random, FASTCGI)));
    (0..1000).for_each(|_| fastcgi(&random.bytes(200)));
}

/// Frames of field blocks: indexed fields, literals of each kind, Huffman's code, changes of the table's size.
const BLOCKS: [&[u8]; 6] = [
    b"\0\0\x0f\0\x05\0\0\0\x01\x82\x87\x84\x41\x8a\x08\x9d\x5c\x0b\x81\x70\xdc\x78\x0f\x03",
    b"\0\0\x0a\x01\x04\0\0\0\x03\x40\x03x-a\x04abcd",
    b"\0\0\x03\0\x04\0\0\0\x05\xbe\xbf\x20",
    b"\0\0\x0c\x01\x04\0\0\0\x07\x3f\xe1\x1f\x10\x01x\x05a b\tc",
    b"\0\0\x0e\0\x08\0\0\0\x09\x02\x82\x86\x84\x04\x02/x\x60\x03a=1\0\0",
    b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff",
];

#[test]
fn hostile_frames_and_field_blocks_break_no_promise() {
    let mut random = Random(7);
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..=random.below(4) {
            let mut frame = BLOCKS[random.below(BLOCKS.len())].to_vec();
            // Mostly behind the head, so that the block is what is hostile.
            for _ in 0..random.below(3) {
                let at = random.below(frame.len() + 4).min(frame.len() - 1);
                frame[at] = random.next() as u8;
            }
            bytes.extend(frame);
        }
        http2(&bytes);
    }
    for _ in 0..2000 {
        let mut noise = vec![0, 1, 0, 0, 4, 0, 0, 0, 1];
        noise.extend(random.bytes(256));
        http2(&noise);
    }
}
