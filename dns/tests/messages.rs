//! What holds for every message: case, flags, EDNS, lengths, and what is not answered at all.

mod asking;

use asking::{Answer, Ask, ask, set, wire_name, zone, zone_named};
use seawall_dns::{AlwaysUp, Client, Out, RType, Transport, Verdict, Zones, answer, limits};

const DENIAL: &str =
    "example.test. 60 SOA ns1.example.test. hostmaster.example.test. 1 7200 3600 1209600 60";
const WWW: &str = "www A 192.0.2.1\n";

#[test]
fn outside_of_all_zones_is_refused() {
    let zones = set(WWW);
    for name in [
        "",
        "test",
        "other.test",
        "xexample.test",
        "example.test.com",
    ] {
        let reply = ask(&zones, name, "A");
        assert_eq!(
            (reply.rcode, reply.aa, reply.authority.len()),
            (5, false, 0),
            "{name}"
        );
    }
    assert_eq!(ask(&Zones::new(Vec::new()), "example.test", "A").rcode, 5);
}

#[test]
fn the_root_can_be_a_zone() {
    let zones = Zones::new(vec![
        zone_named(".", "www.example.test A 192.0.2.1\n"),
        zone_named("example.test", WWW),
    ]);
    assert_eq!(ask(&zones, "", "NS").answers.len(), 2);
    assert_eq!(ask(&zones, "nothing", "A").rcode, 3);
    assert_eq!(
        ask(&zones, "www.example.test", "A").answers,
        ["www.example.test. 300 A 192.0.2.1"]
    );
}

#[test]
fn the_questions_case_comes_back() {
    let zones = set("www A 192.0.2.1\nalias CNAME WwW\n");
    for (name, qtype) in [
        ("wWw.eXample.TEST", "A"),
        ("ALIAS.example.Test", "A"),
        ("Nope.EXAMPLE.test", "MX"),
    ] {
        let reply = ask(&zones, name, qtype);
        let wire = wire_name(name);
        assert_eq!(&reply.bytes[12..12 + wire.len()], wire, "{name}");
    }
    let reply = ask(&zones, "ALIAS.example.Test", "A");
    assert_eq!(reply.answers.len(), 2);
}

#[test]
fn flags_are_copied_or_cleared() {
    let zones = set(WWW);
    let mut question = Ask::new("www.example.test", "A");
    question.flags = 0x0170; // RD, Z, AD, CD
    let reply = question.of(&zones);
    assert_eq!(
        u16::from_be_bytes([reply.bytes[2], reply.bytes[3]]),
        0x8510,
        "QR, AA, RD and CD"
    );
    assert_eq!(reply.bytes[..2], [0xAB, 0xCD]);
}

#[test]
fn edns_answers_edns_and_only_that_rfc6891() {
    let zones = set(WWW);
    assert!(
        Ask::new("www.example.test", "A")
            .of(&zones)
            .message
            .edns
            .is_none()
    );
    let mut question = Ask::new("www.example.test", "A").edns(4096);
    question.edns = Some((4096, 0, true));
    let edns = question.of(&zones).message.edns.unwrap();
    assert_eq!(
        (edns.max_payload(), edns.version(), edns.flags().dnssec_ok),
        (1232, 0, true)
    );
    question.edns = Some((4096, 1, false));
    let reply = question.of(&zones);
    assert_eq!(
        (
            reply.rcode,
            reply.answers.len(),
            reply.message.edns.unwrap().version()
        ),
        (16, 0, 0),
        "BADVERS"
    );
}

/// A query whose EDNS has these options.
fn with_options(name: &str, options: &[u8]) -> Vec<u8> {
    let mut query = Ask::new(name, "A").edns(1232).bytes();
    query.truncate(query.len() - 2);
    query.extend((options.len() as u16).to_be_bytes());
    query.extend(options);
    query
}

#[test]
fn who_pads_is_answered_in_blocks_where_others_see_the_length_rfc8467() {
    let lines: String = (0..30).map(|n| format!("many A 192.0.2.{n}\n")).collect();
    let zones = set(&format!("{WWW}{lines}"));
    let padding = [0, 12, 0, 3, 0, 0, 0];
    let reply = |transport, name: &str, options: &[u8], room: usize| {
        let client = Client {
            addr: [127, 0, 0, 1].into(),
            transport,
            health: &AlwaysUp,
            guard: None,
        };
        let (query, mut room) = (with_options(name, options), vec![0xFF; room]);
        let mut out = Out::new(&mut room);
        match answer(&zones, &query, &client, &mut out) {
            Verdict::Reply(len) => Answer::read(out.written(len)),
            Verdict::Drop(reason) => panic!("{reason:?}"),
        }
    };
    for transport in [Transport::Tls, Transport::Https, Transport::Quic] {
        for (name, bytes) in [("www", 468), ("many", 936), ("nope", 468)] {
            let name = format!("{name}.example.test");
            let padded = reply(transport, &name, &padding, 65_535);
            assert_eq!(padded.bytes.len(), bytes, "{transport:?} {name}");
            assert!(padded.bytes.ends_with(&[0; 20]), "nothing else is said");
            assert!(reply(transport, &name, &[], 65_535).bytes.len() < 600);
        }
        // As far as there is room.
        let cut = reply(transport, "many.example.test", &padding, 700);
        assert_eq!((cut.bytes.len(), cut.answers.len()), (700, 30));
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let plain = reply(transport, "www.example.test", &padding, 65_535);
        assert!(plain.bytes.len() < 100, "{transport:?}");
    }
}

#[test]
fn opcodes_classes_and_transfers_that_are_not_ours() {
    let zones = set(WWW);
    for opcode in [1, 2, 3, 4, 5, 6, 15] {
        let mut question = Ask::new("www.example.test", "A");
        question.flags = opcode << 11;
        let reply = question.of(&zones);
        assert_eq!((reply.rcode, reply.bytes[2] >> 3 & 15), (4, opcode as u8));
    }
    for (class, rcode) in [(3, 5), (4, 5), (254, 5), (999, 5)] {
        let mut question = Ask::new("www.example.test", "A");
        question.class = class;
        assert_eq!(question.of(&zones).rcode, rcode, "class {class}");
    }
    let mut any = Ask::new("www.example.test", "A");
    any.class = 255;
    let reply = any.of(&zones);
    assert_eq!(
        (reply.rcode, reply.aa, reply.answers.len()),
        (0, false, 1),
        "any class is never authoritative"
    );
    any.qtype = RType::MX;
    let reply = any.of(&zones);
    assert_eq!(
        (reply.rcode, reply.aa, reply.authority.len()),
        (0, false, 0)
    );
    assert_eq!(ask(&zones, "example.test", "AXFR").rcode, 4);
    assert_eq!(ask(&zones, "example.test", "IXFR").rcode, 1);
    assert_eq!(Ask::new("example.test", "AXFR").tcp().of(&zones).rcode, 5);
}

#[test]
fn too_long_an_answer_is_cut_between_rrsets() {
    let mut lines = String::from("c CNAME big\n");
    for i in 0..100 {
        lines += &format!("big A 198.51.100.{i}\n");
    }
    let zones = set(&lines);
    for (question, limit) in [
        (Ask::new("big.example.test", "A"), 512),
        (Ask::new("big.example.test", "A").edns(0), 512),
        (Ask::new("big.example.test", "A").edns(4096), 1232),
    ] {
        let reply = question.of(&zones);
        assert!(reply.tc && reply.bytes.len() <= limit);
        assert!(reply.answers.is_empty(), "half an RRset is worse than none");
        assert_eq!(
            reply.message.edns.is_some(),
            question.edns.is_some(),
            "OPT always has its place"
        );
    }
    let reply = Ask::new("c.example.test", "A").of(&zones);
    assert_eq!((reply.tc, reply.answers.len()), (true, 1), "the alias fits");
    let whole = Ask::new("big.example.test", "A").tcp().of(&zones);
    assert_eq!((whole.tc, whole.answers.len()), (false, 100));
}

#[test]
fn addresses_beside_an_answer_are_dropped_without_tc() {
    let mut lines = String::new();
    for i in 0..30 {
        lines += &format!("@ MX {i} m{i}\nm{i} A 192.0.2.{i}\nm{i} AAAA 2001:db8::{i}\n");
    }
    let zones = set(&lines);
    let udp = Ask::new("example.test", "MX").edns(1232).of(&zones);
    assert_eq!((udp.tc, udp.answers.len()), (false, 30));
    assert!(udp.additional.len() < 60 && !udp.additional.is_empty());
    assert_eq!(
        Ask::new("example.test", "MX")
            .tcp()
            .of(&zones)
            .additional
            .len(),
        60
    );
}

#[test]
fn missing_glue_is_a_truncated_referral_rfc9471() {
    let (mut below, mut beside) = (String::new(), String::from("sib NS x.other.test.\n"));
    for i in 0..13 {
        below += &format!(
            "sub NS quite-a-long-name-{i}.sub\nquite-a-long-name-{i}.sub AAAA 2001:db8::{i}\n"
        );
        beside += &format!(
            "sub NS quite-a-long-name-{i}.sib\nquite-a-long-name-{i}.sib AAAA 2001:db8::{i}\n"
        );
    }
    let question = Ask::new("www.sub.example.test", "A");
    let reply = question.of(&set(&below));
    assert_eq!(
        (reply.tc, reply.authority.len()),
        (true, 13),
        "glue below the cut is needed"
    );
    assert!(reply.additional.len() < 13);
    let reply = question.of(&set(&beside));
    assert_eq!(
        (reply.tc, reply.authority.len()),
        (false, 13),
        "other addresses are only welcome"
    );
    assert_eq!(question.tcp().of(&set(&below)).additional.len(), 13);
}

#[test]
fn any_name_of_255_bytes_can_be_asked() {
    let label = "l".repeat(63);
    let name = format!("{label}.{label}.{label}.{}.example.test", "l".repeat(48));
    assert_eq!(wire_name(&name).len(), 255);
    assert_eq!(ask(&set(WWW), &name, "A").authority, [DENIAL]);
    let lines = format!("*.w CNAME {label}.{label}.{label}.{}\n", "l".repeat(48));
    let asked = format!("{label}.{label}.{label}.{}.w.example.test", "q".repeat(46));
    assert_eq!(
        ask(&set(&lines), &asked, "A").rcode,
        3,
        "the alias leads nowhere, but is told"
    );
    let deep = format!("{}example.test", "a.".repeat(120));
    assert_eq!(ask(&set(WWW), &deep, "A").rcode, 3);
}

#[test]
fn every_type_is_carried_as_it_was_written() {
    let zones = set("t TYPE65280 \\# 4 0A000001\nt A \\# 4 C0000201\n");
    assert_eq!(
        ask(&zones, "t.example.test", "A").answers,
        ["t.example.test. 300 A 192.0.2.1"]
    );
    let reply = ask(&zones, "t.example.test", "TYPE65280");
    assert!(reply.bytes.windows(6).any(|w| w == [0, 4, 10, 0, 0, 1]));
    assert_eq!(RType::parse("TYPE65280"), Some(RType(65280)));
}

#[test]
fn a_later_zone_takes_the_place_of_one_with_its_name() {
    let zones = Zones::new(vec![zone("a A 192.0.2.1\n"), zone("a A 192.0.2.2\n")]);
    assert_eq!(
        ask(&zones, "a.example.test", "A").answers,
        ["a.example.test. 300 A 192.0.2.2"]
    );
}

#[test]
fn answers_past_every_limit_are_still_right() {
    let mut lines = String::new();
    for i in 0..300 {
        // More names than the compressor remembers, more bytes than are rendered ahead.
        lines += &format!("many MX {i} host-{i}\nhost-{i} A 192.0.2.{}\n", i % 250);
    }
    for i in 0..300 {
        lines += &format!("huge TXT \"{i:0>250}\"\n");
    }
    let zones = set(&lines);
    let many = Ask::new("many.example.test", "MX").tcp().of(&zones);
    assert_eq!(
        (many.tc, many.answers.len(), many.additional.len()),
        (false, 300, 300)
    );
    assert!(many.bytes.len() > limits::RENDERED_BYTES_MAX);
    assert!(many.answers.len() > limits::COMPRESSION_NAMES_MAX);
    // No message can carry this one; a resolver has to be told so, even over TCP.
    let huge = Ask::new("huge.example.test", "TXT")
        .tcp()
        .edns(1232)
        .of(&zones);
    assert_eq!(
        (huge.tc, huge.answers.len(), huge.message.edns.is_some()),
        (true, 0, true)
    );
}
