//! The rules of the RFCs, each with the zone lines it is about.

mod asking;

use asking::{Ask, ask, set, zone, zone_named};
use seawall_dns::Zones;

/// The SOA of a denial: its TTL is the minimum, 60, not the record's own 3600.
const DENIAL: &str =
    "example.test. 60 SOA ns1.example.test. hostmaster.example.test. 1 7200 3600 1209600 60";
const WWW: &str = "www A 192.0.2.1\n";

#[track_caller]
fn expect(
    lines: &str,
    (name, qtype): (&str, &str),
    rcode: u16,
    aa: bool,
    answer: &[&str],
    authority: &[&str],
) {
    let zones = set(lines);
    for question in [
        Ask::new(name, qtype).edns(1232),
        Ask::new(name, qtype).tcp(),
    ] {
        let reply = question.of(&zones);
        assert_eq!(
            reply.shape(),
            (rcode, aa, answer.to_vec(), authority.to_vec())
        );
        assert!(!reply.tc);
    }
}

#[test]
fn a_name_that_exists_is_answered_with_authority() {
    let answer = [
        "www.example.test. 300 A 192.0.2.1",
        "www.example.test. 300 A 192.0.2.2",
    ];
    expect(
        "www A 192.0.2.1\nwww A 192.0.2.2\n",
        ("www.example.test", "A"),
        0,
        true,
        &answer,
        &[],
    );
}

#[test]
fn a_type_that_is_not_there_is_denied_with_the_soa_rfc2308() {
    expect(WWW, ("www.example.test", "AAAA"), 0, true, &[], &[DENIAL]);
    expect(WWW, ("example.test", "MX"), 0, true, &[], &[DENIAL]);
}

#[test]
fn a_name_that_is_not_there_is_denied_with_the_soa_rfc2308() {
    expect(WWW, ("nothing.example.test", "A"), 3, true, &[], &[DENIAL]);
    expect(
        WWW,
        ("a.b.c.d.e.f.example.test", "A"),
        3,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        WWW,
        ("below.www.example.test", "A"),
        3,
        true,
        &[],
        &[DENIAL],
    );
}

#[test]
fn a_soa_ttl_below_its_minimum_is_the_ttl_of_denials_rfc2308() {
    let zones = Zones::new(vec![{
        let mut sources = seawall_diag::SourceMap::default();
        let file = sources.add(
            "z",
            "@ 30 SOA ns1 h 1 2 3 4 900\n@ 30 NS ns1\nns1 30 A 192.0.2.1\n".into(),
        );
        seawall_dns::Zone::parse("example.test", &mut sources, file).unwrap()
    }]);
    assert!(ask(&zones, "x.example.test", "A").authority[0].starts_with("example.test. 30 SOA"));
    assert!(ask(&zones, "example.test", "SOA").answers[0].starts_with("example.test. 30 SOA"));
}

#[test]
fn an_empty_non_terminal_exists() {
    expect(
        "a.b.ent A 192.0.2.1\n",
        ("ent.example.test", "A"),
        0,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        "a.b.ent A 192.0.2.1\n",
        ("b.ent.example.test", "TXT"),
        0,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        "a.b.ent A 192.0.2.1\n",
        ("b.ent.example.test", "ANY"),
        0,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        "a.b.ent A 192.0.2.1\n",
        ("c.ent.example.test", "A"),
        3,
        true,
        &[],
        &[DENIAL],
    );
}

#[test]
fn the_table_of_rfc4592_section_2_2_1() {
    // The zone of the RFC, its names moved below example.test.
    let lines = "* TXT \"this is a wildcard\"\n* MX 10 host1\nsub.* TXT \"this is not a wildcard\"\nhost1 A 192.0.2.1\n\
        _ssh._tcp.host1 SRV 0 0 22 host1\n_ssh._tcp.host2 SRV 0 0 22 host2.other.test.\nsubdel NS ns.other.test.\n";
    let mx = |name: &str| vec![format!("{name} 300 MX 10 host1.example.test.")];
    let zones = set(lines);
    let answers = |name: &str, qtype: &str| ask(&zones, name, qtype);
    assert_eq!(
        answers("host3.example.test", "MX").answers,
        mx("host3.example.test.")
    );
    assert_eq!(
        answers("foo.bar.example.test", "TXT").answers,
        ["foo.bar.example.test. 300 TXT this is a wildcard"]
    );
    let denied = |name: &str, qtype: &str, rcode: u16| {
        let reply = answers(name, qtype);
        assert_eq!(
            (reply.rcode, reply.answers.len(), reply.authority),
            (rcode, 0, vec![DENIAL.to_owned()]),
            "{name} {qtype}"
        );
    };
    denied("host3.example.test", "A", 0);
    denied("host1.example.test", "MX", 0);
    denied("sub.*.example.test", "MX", 0);
    denied("_telnet._tcp.host1.example.test", "SRV", 3);
    let referral = answers("host.subdel.example.test", "A");
    assert_eq!(
        (referral.aa, referral.authority),
        (
            false,
            vec!["subdel.example.test. 300 NS ns.other.test.".to_owned()]
        )
    );
    denied("ghost.*.example.test", "MX", 3);
}

#[test]
fn a_wildcard_does_not_reach_past_names_that_exist() {
    let lines = "*.w A 192.0.2.9\nthere.w TXT here\ndeep.under.w A 192.0.2.8\n";
    expect(
        lines,
        ("x.w.example.test", "A"),
        0,
        true,
        &["x.w.example.test. 300 A 192.0.2.9"],
        &[],
    );
    expect(
        lines,
        ("x.y.z.w.example.test", "A"),
        0,
        true,
        &["x.y.z.w.example.test. 300 A 192.0.2.9"],
        &[],
    );
    expect(
        lines,
        ("*.w.example.test", "A"),
        0,
        true,
        &["*.w.example.test. 300 A 192.0.2.9"],
        &[],
    );
    expect(
        lines,
        ("there.w.example.test", "A"),
        0,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        lines,
        ("x.there.w.example.test", "A"),
        3,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        lines,
        ("under.w.example.test", "A"),
        0,
        true,
        &[],
        &[DENIAL],
    );
    expect(
        lines,
        ("x.under.w.example.test", "A"),
        3,
        true,
        &[],
        &[DENIAL],
    );
    expect(lines, ("w.example.test", "A"), 0, true, &[], &[DENIAL]);
}

#[test]
fn a_wildcard_alias_is_followed_for_each_name() {
    let lines = format!("{WWW}*.alias CNAME www\n*.self MX 5 *.self\n");
    let answer = [
        "a.b.alias.example.test. 300 CNAME www.example.test.",
        "www.example.test. 300 A 192.0.2.1",
    ];
    expect(
        &lines,
        ("a.b.alias.example.test", "A"),
        0,
        true,
        &answer,
        &[],
    );
    // The `*` in the data is a label of its own, not the name that was asked.
    let answer = ["longer-than-one.self.example.test. 300 MX 5 *.self.example.test."];
    expect(
        &lines,
        ("longer-than-one.self.example.test", "MX"),
        0,
        true,
        &answer,
        &[],
    );
}

#[test]
fn aliases_are_followed_within_the_zone() {
    let lines = format!(
        "{WWW}c1 CNAME c2\nc2 CNAME c3\nc3 CNAME www\nout CNAME www.other.test.\nnx CNAME nothing\nnd CNAME www\n"
    );
    let chain = [
        "c1.example.test. 300 CNAME c2.example.test.",
        "c2.example.test. 300 CNAME c3.example.test.",
        "c3.example.test. 300 CNAME www.example.test.",
        "www.example.test. 300 A 192.0.2.1",
    ];
    expect(&lines, ("c1.example.test", "A"), 0, true, &chain, &[]);
    expect(
        &lines,
        ("c1.example.test", "CNAME"),
        0,
        true,
        &chain[..1],
        &[],
    );
    expect(
        &lines,
        ("c1.example.test", "MX"),
        0,
        true,
        &chain[..3],
        &[DENIAL],
    );
    expect(
        &lines,
        ("out.example.test", "A"),
        0,
        true,
        &["out.example.test. 300 CNAME www.other.test."],
        &[],
    );
    // RFC 6604 §3: the code is that of the last name.
    expect(
        &lines,
        ("nx.example.test", "A"),
        3,
        true,
        &["nx.example.test. 300 CNAME nothing.example.test."],
        &[DENIAL],
    );
    expect(
        &lines,
        ("nd.example.test", "AAAA"),
        0,
        true,
        &["nd.example.test. 300 CNAME www.example.test."],
        &[DENIAL],
    );
}

#[test]
fn a_circle_of_aliases_is_gone_round_once() {
    let lines = "a CNAME b\nb CNAME a\nself CNAME self\n*.w CNAME x.w\n";
    let circle = [
        "a.example.test. 300 CNAME b.example.test.",
        "b.example.test. 300 CNAME a.example.test.",
    ];
    expect(lines, ("a.example.test", "A"), 0, true, &circle, &[]);
    expect(
        lines,
        ("self.example.test", "MX"),
        0,
        true,
        &["self.example.test. 300 CNAME self.example.test."],
        &[],
    );
    assert!(ask(&set(lines), "y.w.example.test", "A").answers.len() <= 2);
}

#[test]
fn a_chain_of_aliases_has_an_end() {
    let mut lines = String::new();
    for i in 0..40 {
        lines += &format!("c{i} CNAME c{}\n", i + 1);
    }
    let reply = Ask::new("c0.example.test", "A").tcp().of(&set(&lines));
    assert_eq!(
        (reply.rcode, reply.answers.len()),
        (0, seawall_dns::limits::ALIASES_MAX + 1)
    );
}

#[test]
fn a_cut_called_by_an_asterisk_is_the_name_of_its_own_referral() {
    let zones = set("*.w NS ns.*.w\nns.*.w A 192.0.2.10\n");
    for name in ["*.w", "ns.*.w", "a.*.w", "a.b.*.w"] {
        let reply = ask(&zones, &format!("{name}.example.test"), "A");
        assert_eq!(
            (reply.authority, reply.additional),
            (
                vec!["*.w.example.test. 300 NS ns.*.w.example.test.".to_owned()],
                vec!["ns.*.w.example.test. 300 A 192.0.2.10".to_owned()]
            ),
            "{name}"
        );
    }
}

#[test]
fn a_wildcard_below_a_cut_is_glue_of_hosts_that_are_not_there() {
    let zones = set(
        "sub NS a.ns.sub\nsub NS ns2.other.test.\n*.ns.sub A 192.0.2.10\n*.w A 192.0.2.11\nout NS x.w\n",
    );
    let reply = ask(&zones, "www.sub.example.test", "A");
    assert_eq!(
        reply.additional,
        ["a.ns.sub.example.test. 300 A 192.0.2.10"]
    );
    let direct = ask(&zones, "a.ns.sub.example.test", "A");
    assert_eq!((direct.aa, direct.answers.len()), (false, 0), "a referral");
    // What this zone answers for itself needs no glue.
    let reply = ask(&zones, "www.out.example.test", "A");
    assert_eq!((reply.authority.len(), reply.additional.len()), (1, 0));
}

#[test]
fn a_delegation_is_referred_without_authority_and_with_glue() {
    let lines = "sub NS ns.sub\nsub NS ns.sibling\nsub NS ns.other.test.\nns.sub A 192.0.2.10\nns.sub AAAA 2001:db8::10\n\
        sibling NS ns.sibling\nns.sibling A 192.0.2.11\nx.sub TXT hidden\n";
    let zones = set(lines);
    for (name, qtype) in [
        ("sub", "A"),
        ("sub", "NS"),
        ("ns.sub", "A"),
        ("a.b.sub", "MX"),
        ("x.sub", "TXT"),
        ("sub", "SOA"),
    ] {
        let reply = ask(&zones, &format!("{name}.example.test"), qtype);
        assert_eq!(
            (reply.rcode, reply.aa, reply.answers.len()),
            (0, false, 0),
            "{name} {qtype}"
        );
        assert_eq!(
            reply.authority,
            [
                "sub.example.test. 300 NS ns.other.test.",
                "sub.example.test. 300 NS ns.sibling.example.test.",
                "sub.example.test. 300 NS ns.sub.example.test.",
            ]
        );
        assert_eq!(
            reply.additional,
            [
                "ns.sibling.example.test. 300 A 192.0.2.11",
                "ns.sub.example.test. 300 A 192.0.2.10",
                "ns.sub.example.test. 300 AAAA 2001:db8::10",
            ]
        );
    }
}

#[test]
fn ds_is_the_parents_rfc4035() {
    let lines = "sub NS ns.other.test.\nsub DS 1 13 2 00\nplain NS ns.other.test.\n";
    let ds = "sub.example.test. 300 DS 1 ECDSAP256SHA256 SHA256 00";
    let reply = ask(&set(lines), "sub.example.test", "DS");
    assert_eq!((reply.aa, reply.answers.len()), (true, 1), "{ds}");
    expect(lines, ("plain.example.test", "DS"), 0, true, &[], &[DENIAL]);
    let both = Zones::new(vec![
        zone(lines),
        zone_named("sub.example.test", "www A 192.0.2.7\n"),
    ]);
    assert_eq!(
        ask(&both, "sub.example.test", "DS").answers.len(),
        1,
        "the parent is here too"
    );
    let child = ask(&both, "www.sub.example.test", "A");
    assert_eq!(
        (child.aa, child.answers.len()),
        (true, 1),
        "the closest zone answers"
    );
    assert_eq!(
        ask(&both, "example.test", "DS").authority,
        [DENIAL],
        "the parent of this one is not"
    );
}

#[test]
fn an_alias_into_a_delegation_ends_in_its_referral() {
    let lines = "del CNAME host.sub\nsub NS ns.sub\nns.sub A 192.0.2.10\n";
    let answer = ["del.example.test. 300 CNAME host.sub.example.test."];
    expect(
        lines,
        ("del.example.test", "A"),
        0,
        true,
        &answer,
        &["sub.example.test. 300 NS ns.sub.example.test."],
    );
}

#[test]
fn a_dname_redirects_what_is_below_it_rfc6672() {
    let lines = "d DNAME target\nd TXT own\nx.target A 192.0.2.7\nout DNAME other.test.\n";
    let answer = [
        "d.example.test. 300 DNAME target.example.test.",
        "x.d.example.test. 300 CNAME x.target.example.test.",
        "x.target.example.test. 300 A 192.0.2.7",
    ];
    expect(lines, ("x.d.example.test", "A"), 0, true, &answer, &[]);
    expect(
        lines,
        ("d.example.test", "TXT"),
        0,
        true,
        &["d.example.test. 300 TXT own"],
        &[],
    );
    expect(lines, ("d.example.test", "A"), 0, true, &[], &[DENIAL]);
    expect(
        lines,
        ("x.d.example.test", "CNAME"),
        0,
        true,
        &answer[..2],
        &[],
    );
    let out = [
        "a.b.out.example.test. 300 CNAME a.b.other.test.",
        "out.example.test. 300 DNAME other.test.",
    ];
    expect(lines, ("a.b.out.example.test", "A"), 0, true, &out, &[]);
}

#[test]
fn a_dname_that_leads_below_itself_is_said_once() {
    let reply = ask(&set("a DNAME a.a\n"), "x.a.example.test", "MX");
    let dnames = reply.answers.iter().filter(|r| r.contains(" DNAME "));
    let aliases = reply.answers.iter().filter(|r| r.contains(" CNAME "));
    assert_eq!(dnames.count(), 1, "{:?}", reply.answers);
    assert!(aliases.count() > 1, "{:?}", reply.answers);
}

#[test]
fn a_dname_that_makes_a_name_too_long_is_yxdomain_rfc6672() {
    let long = format!("{}.{}.{}", "t".repeat(63), "t".repeat(63), "t".repeat(63));
    let zones = set(&format!("d DNAME {long}\n"));
    let reply = ask(&zones, &format!("{}.d.example.test", "x".repeat(60)), "A");
    assert_eq!((reply.rcode, reply.answers.len()), (6, 1));
}

#[test]
fn hosts_come_with_their_addresses() {
    let lines = "@ MX 10 mail\n@ MX 20 mail.other.test.\nmail A 192.0.2.25\nmail AAAA 2001:db8::25\n\
        _sip._tcp SRV 1 1 5060 mail\n_both MX 1 mail\n_both MX 2 mail\n";
    let zones = set(lines);
    let hosts = [
        "mail.example.test. 300 A 192.0.2.25",
        "mail.example.test. 300 AAAA 2001:db8::25",
    ];
    assert_eq!(ask(&zones, "example.test", "MX").additional, hosts);
    assert_eq!(
        ask(&zones, "_sip._tcp.example.test", "SRV").additional,
        hosts
    );
    assert_eq!(
        ask(&zones, "_both.example.test", "MX").additional,
        hosts,
        "once each"
    );
    assert_eq!(
        ask(&zones, "example.test", "NS").additional,
        ["ns1.example.test. 300 A 192.0.2.53"]
    );
}

#[test]
fn any_gets_one_rrset_rfc8482() {
    let zones = set(
        "m A 192.0.2.1\nm TXT \"much longer than an address is\"\nm AAAA 2001:db8::1\nc CNAME m\n",
    );
    assert_eq!(
        ask(&zones, "m.example.test", "ANY").answers,
        ["m.example.test. 300 A 192.0.2.1"]
    );
    assert_eq!(
        ask(&zones, "c.example.test", "ANY").answers,
        ["c.example.test. 300 CNAME m.example.test."]
    );
    assert_eq!(ask(&zones, "x.example.test", "ANY").rcode, 3);
}

#[test]
fn a_wildcard_alias_answers_for_its_own_target_once_more() {
    let zones = set("*.l CNAME t.l\n*.m CNAME n.m\nn.m A 192.0.2.1\n");
    assert_eq!(
        ask(&zones, "x.l.example.test", "A").answers,
        [
            "t.l.example.test. 300 CNAME t.l.example.test.",
            "x.l.example.test. 300 CNAME t.l.example.test."
        ]
    );
    assert_eq!(
        ask(&zones, "t.l.example.test", "A").answers,
        ["t.l.example.test. 300 CNAME t.l.example.test."]
    );
    assert_eq!(
        ask(&zones, "x.m.example.test", "A").answers,
        [
            "n.m.example.test. 300 A 192.0.2.1",
            "x.m.example.test. 300 CNAME n.m.example.test."
        ]
    );
}

#[test]
fn who_asks_for_any_class_is_told_nothing_of_what_is_not_there() {
    let zones = set("al CNAME nope\nhost A 192.0.2.1\n");
    let any_class = |name: &str| {
        let mut ask = Ask::new(name, "A");
        ask.class = 255;
        ask.of(&zones)
    };
    let behind_an_alias = any_class("al.example.test");
    assert_eq!(behind_an_alias.answers.len(), 1);
    assert!(behind_an_alias.authority.is_empty(), "{behind_an_alias:?}");
    assert!(any_class("nope.example.test").authority.is_empty());
    assert_eq!(any_class("host.example.test").answers.len(), 1);
}

#[test]
fn who_asks_an_alias_for_nsec_asks_for_its_own() {
    let zones = set("www CNAME mail\nmail A 192.0.2.1\n*.w CNAME mail\n");
    for name in ["www.example.test", "x.w.example.test"] {
        let answer = ask(&zones, name, "NSEC");
        assert!(answer.answers.is_empty() && answer.aa, "{answer:?}");
        assert!(answer.authority.iter().any(|l| l.contains(" SOA ")));
        assert!(!ask(&zones, name, "TXT").answers.is_empty());
    }
}
