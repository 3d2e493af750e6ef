//! A million random bytes.

use crate::alone;
use seawall_tests::{Client, Edge, Origin};

/// SplitMix64: the same bytes each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

const VALID: &[u8] = b"POST /a?b=c HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nX-Y: z\r\nConnection: close\r\n\r\nbody";

#[test]
fn a_million_random_bytes_reach_no_origin_and_cause_no_panic() {
    let _alone = alone();
    let origin = Origin::start();
    let edge = Edge::yaml(format!("sites: [{{ host: a.test, to: \"{origin}\" }}]")).start();
    let worker = edge.worker();
    let mut random = Random(2026);
    for _ in 0..1000 {
        let mut client = Client::connect(edge.address("http"));
        // It may be refused before all of it is sent.
        let _ = client.try_send(random.bytes(1000));
        client.finish();
        client.rest();
    }
    assert_eq!(origin.connections(), 0);
    assert_eq!(edge.metric("seawall_panics_total"), 0);
    assert_eq!(edge.worker(), worker, "the same worker");
    assert_eq!(edge.get("a.test", "/").status, 200);
}

#[test]
fn requests_with_a_byte_changed_are_answered_or_refused_but_never_break_anything() {
    let _alone = alone();
    let origin = Origin::start();
    let edge = Edge::yaml(format!("sites: [{{ host: \"*\", to: \"{origin}\" }}]")).start();
    let worker = edge.worker();
    let mut random = Random(7);
    for _ in 0..2000 {
        let mut bytes = VALID.to_vec();
        for _ in 0..=random.next() % 3 {
            let at = random.next() as usize % bytes.len();
            bytes[at] = random.next() as u8;
        }
        let mut client = Client::connect(edge.address("http"));
        let _ = client.try_send(&bytes);
        client.finish();
        let answer = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 "),
            "{bytes:?}: {answer}"
        );
        assert!(
            answer.matches("HTTP/1.1 200").count() <= 1,
            "one request was sent: {answer}"
        );
    }
    assert_eq!(edge.metric("seawall_panics_total"), 0);
    assert_eq!(edge.worker(), worker, "the same worker");
}
