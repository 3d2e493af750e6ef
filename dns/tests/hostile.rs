//! Packets from strangers: thousands of mutated queries, from seeds.

mod asking;

use asking::{Ask, set, wire_name};
use hickory_proto::op::Message;
use seawall_dns::{AlwaysUp, Client, DropReason, Out, Transport, Verdict, Zones, answer};

const LINES: &str = "www A 192.0.2.1\n*.w CNAME www\nsub NS ns.sub\nns.sub A 192.0.2.2\nd DNAME w\nbig TXT \"0123456789\"\n\
    a.b.ent MX 1 www\nunk TYPE65280 \\# 3 010203\n";

struct Seed(u64);

impl Seed {
    fn next(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// What must hold for any bytes whatsoever.
fn check(zones: &Zones, query: &[u8], transport: Transport) -> Verdict {
    let mut buffer = [0u8; 4096];
    let client = Client {
        addr: [192, 0, 2, 99].into(),
        transport,
        health: &AlwaysUp,
        guard: None,
    };
    let mut out = Out::new(&mut buffer);
    let verdict = answer(zones, query, &client, &mut out);
    let is_answer = query.get(2).is_some_and(|flags| flags & 0x80 != 0);
    match verdict {
        Verdict::Drop(reason) => assert!(query.len() < 12 || is_answer, "{reason:?} {query:02x?}"),
        Verdict::Reply(len) => {
            let reply = out.written(len);
            assert!(!is_answer, "an answer was answered: {query:02x?}");
            assert_eq!(reply[..2], query[..2]);
            assert_eq!(reply[2] & 0x80, 0x80);
            assert!(
                len <= if transport == Transport::Udp {
                    1232
                } else {
                    4096
                }
            );
            if reply[3] & 15 == 0 || reply[3] & 15 == 3 {
                Message::from_vec(reply)
                    .unwrap_or_else(|e| panic!("{e} {query:02x?} {reply:02x?}"));
            } else {
                assert!(
                    len <= query.len() + 11,
                    "a refusal is no longer than what it refuses, but for OPT"
                );
            }
        }
    }
    verdict
}

#[test]
fn mutated_queries_never_harm() {
    let zones = set(LINES);
    let names = [
        "www",
        "x.w",
        "a.sub",
        "x.d",
        "big",
        "ent",
        "b.ent",
        "",
        "unk",
        "nope.nope",
    ];
    let types = ["A", "CNAME", "ANY", "NS", "TXT", "TYPE65280", "DS", "SOA"];
    for seed in 0..20_000 {
        let mut seed = Seed(seed);
        let name = format!("{}.example.test", names[seed.next(names.len())]);
        let mut question = Ask::new(name.trim_start_matches('.'), types[seed.next(types.len())]);
        if seed.next(2) == 0 {
            question = question.edns(seed.next(5000) as u16);
        }
        let mut query = question.bytes();
        for _ in 0..seed.next(6) {
            let at = seed.next(query.len());
            match seed.next(5) {
                0 => query[at] = seed.next(256) as u8,
                1 => query[at] ^= 1 << seed.next(8),
                2 => query.truncate(at.max(1)),
                3 => query.insert(at, seed.next(256) as u8),
                _ => query.extend_from_within(at..),
            }
        }
        check(
            &zones,
            &query,
            if seed.next(2) == 0 {
                Transport::Udp
            } else {
                Transport::Tcp
            },
        );
    }
}

#[test]
fn noise_never_harms() {
    let zones = set(LINES);
    for seed in 0..20_000 {
        let mut seed = Seed(seed);
        let query: Vec<u8> = (0..seed.next(90)).map(|_| seed.next(256) as u8).collect();
        check(&zones, &query, Transport::Udp);
    }
}

#[test]
fn answers_and_scraps_get_nothing() {
    let zones = set(LINES);
    let mut answered = Ask::new("www.example.test", "A").bytes();
    answered[2] |= 0x80;
    assert_eq!(
        check(&zones, &answered, Transport::Udp),
        Verdict::Drop(DropReason::Response)
    );
    for len in 0..12 {
        assert_eq!(
            check(&zones, &[0; 12][..len], Transport::Udp),
            Verdict::Drop(DropReason::Short)
        );
    }
}

#[test]
fn pointers_in_a_question_are_malformed() {
    let zones = set(LINES);
    for name in [
        &b"\xc0\x0c"[..],
        b"\x01a\xc0\x0c",
        b"\xc0\x20",
        b"\x40aaaa\0",
        b"\x80a\0",
    ] {
        let mut question = Ask::new("x", "A");
        question.name = name.to_vec();
        let mut buffer = [0u8; 512];
        let client = Client {
            addr: [127, 0, 0, 1].into(),
            transport: Transport::Udp,
            health: &AlwaysUp,
            guard: None,
        };
        let mut out = Out::new(&mut buffer);
        let verdict = answer(&zones, &question.bytes(), &client, &mut out);
        assert_eq!(verdict, Verdict::Reply(12), "{name:02x?}");
        assert_eq!(out.written(12)[3] & 15, 1);
    }
}

#[test]
fn a_notify_without_a_question_is_malformed() {
    let zones = set(LINES);
    let client = Client {
        addr: [127, 0, 0, 1].into(),
        transport: Transport::Udp,
        health: &AlwaysUp,
        guard: None,
    };
    for (opcode, code) in [(4u8, 1), (5, 4), (2, 4)] {
        let mut buffer = [0u8; 512];
        let mut out = Out::new(&mut buffer);
        let mut query = [0u8; 12];
        query[2] = opcode << 3;
        assert_eq!(
            answer(&zones, &query, &client, &mut out),
            Verdict::Reply(12)
        );
        assert_eq!(out.written(12)[3] & 15, code, "opcode {opcode}");
    }
}

#[test]
fn a_buffer_that_is_too_small_is_the_callers_mistake() {
    let client = Client {
        addr: [127, 0, 0, 1].into(),
        transport: Transport::Udp,
        health: &AlwaysUp,
        guard: None,
    };
    let mut buffer = [0; 511];
    let verdict = answer(
        &set(LINES),
        &Ask::new("www.example.test", "A").bytes(),
        &client,
        &mut Out::new(&mut buffer),
    );
    assert_eq!(verdict, Verdict::Drop(DropReason::NoRoom));
    assert_eq!(wire_name("a.b"), b"\x01a\x01b\0");
}
