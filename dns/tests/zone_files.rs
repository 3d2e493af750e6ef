//! Zone files as operators write them, right and wrong.

mod asking;

use asking::{ask, set};
use seawall_diag::{Diagnostics, SourceMap};
use seawall_dns::{Zone, Zones};
use std::io;
use std::path::{Path, PathBuf};

const SOA: &str = "@ 3600 SOA ns1 h 1 2 3 4 5\n@ 3600 NS ns1.other.test.\n";

/// The findings of a file, as `line:column code` with the text under the caret.
fn findings(text: &str) -> Vec<String> {
    let mut sources = SourceMap::default();
    let file = sources.add("zone", text.to_owned());
    match Zone::parse("example.test", &mut sources, file) {
        Ok(zone) => places(zone.warnings(), &sources),
        Err(found) => places(&found, &sources),
    }
}

fn places(found: &Diagnostics, sources: &SourceMap) -> Vec<String> {
    let place = |d: &seawall_diag::Diagnostic| {
        let at = d.at.unwrap();
        let (line, column) = sources.line_column(at);
        let under = &sources.text(at.file)[at.start as usize..at.end as usize];
        format!("{line}:{column} {} `{under}`", d.code)
    };
    found.iter().map(place).collect()
}

fn wrong(line: &str) -> String {
    let found = findings(&format!("{SOA}{line}\n"));
    assert_eq!(found.len(), 1, "{line}: {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn all_errors_of_a_file_come_at_once() {
    let text = "@ 300 SOA ns1 h 1 2 3 4 5\n@ 300 NS ns1\nns1 300 A 192.0.2.300\nwww 300 AAAA 1.2.3.4\nmail MX ten mail\n\
        x..y A 192.0.2.1\nz A \"192.0.2.1\n www A 192.0.2.1\nq TXT a b c\n";
    assert_eq!(
        findings(text),
        [
            "3:11 bad-address `192.0.2.300`",
            "4:14 bad-address `1.2.3.4`",
            "5:9 bad-number `ten`",
            "6:1 bad-name `x..y`",
            "7:5 syntax `\"`",
            "8:2 unknown-type `www`",
        ]
    );
}

#[test]
fn each_mistake_is_under_its_caret() {
    for (line, expected) in [
        ("www 300 IN BOGUS x", "3:12 unknown-type `BOGUS`"),
        ("www 300 CH A 192.0.2.1", "3:9 class `CH`"),
        ("www 300 A", "3:9 missing-field `A`"),
        (
            "www 300 A 192.0.2.1 192.0.2.2",
            "3:21 extra-field `192.0.2.2`",
        ),
        ("www 300 A 192.0.2.1 ; fine\nx ) y", "4:3 syntax `)`"),
        (
            "www 9999999999 A 192.0.2.1",
            "3:5 unknown-type `9999999999`",
        ),
        ("www 5x A 192.0.2.1", "3:5 unknown-type `5x`"),
        (
            "www.other.test. 300 A 192.0.2.1",
            "3:1 out-of-zone `www.other.test. 300 A 192.0.2.1`",
        ),
        ("www 300 TXT a\\300", "3:13 bad-escape `a\\300`"),
        ("www 300 TLSA 3 1 1 012", "3:20 bad-data `012`"),
        (
            "www 300 A \\# 3 C00002",
            "3:1 bad-data `www 300 A \\# 3 C00002`",
        ),
        (
            "www 300 TYPE999 \\# 3 C000",
            "3:1 bad-data `www 300 TYPE999 \\# 3 C000`",
        ),
        (
            "www 300 TYPE999 words",
            "3:1 not-yet `www 300 TYPE999 words`",
        ),
        (
            "www 300 RRSIG A 13 2 300 2026 20261301000000 0 a. AAAA",
            "3:31 bad-data `20261301000000`",
        ),
        ("www 300 NSEC a A BOGUS", "3:18 bad-data `BOGUS`"),
        ("@ 300 NSEC3PARAM 1 0 0 abc", "3:24 bad-data `abc`"),
        ("www 300 NSEC3 1 0 0 - wxyz A", "3:23 bad-data `wxyz`"),
        ("www 300 ANY x", "3:9 bad-type `ANY`"),
        ("$BOGUS x", "3:1 unknown-directive `$BOGUS`"),
        ("$INCLUDE other", "3:10 include `other`"),
        (
            "@ 300 SOA ns1 h 2 2 3 4 5",
            "3:1 duplicate `@ 300 SOA ns1 h 2 2 3 4 5`",
        ),
        (
            "www 300 SOA ns1 h 1 2 3 4 5",
            "3:1 bad-soa `www 300 SOA ns1 h 1 2 3 4 5`",
        ),
        (
            "www 300 CNAME a\nwww 300 CNAME b",
            "4:1 duplicate `www 300 CNAME b`",
        ),
        (
            "www 300 CNAME a\nwww 300 TXT b",
            "3:1 cname-and-other `www 300 CNAME a`",
        ),
        (
            "www 300 HTTPS 1 . alpn=h2 alpn=h3",
            "3:27 duplicate-parameter `alpn=h3`",
        ),
        (
            "www 300 HTTPS 1 . flavour=mint",
            "3:19 unknown-parameter `flavour=mint`",
        ),
        (
            "www 300 HTTPS 1 . mandatory=port",
            "3:19 bad-parameter `mandatory=port`",
        ),
        (
            "www 300 HTTPS 1 . port=65536",
            "3:19 bad-parameter `port=65536`",
        ),
        ("www 300 LOC 91 N 0 E 0m", "3:13 bad-number `91`"),
        ("www 300 LOC 90 0 1 N 0 E 0m", "3:20 bad-data `N`"),
        ("www 300 DNSKEY 257 3 13 Zg=", "3:25 bad-data `Zg=`"),
        ("www 300 A ( 192.0.2.1", "3:11 syntax `(`"),
    ] {
        assert_eq!(wrong(line), expected);
    }
    assert_eq!(
        wrong(&format!("www 300 TXT \"{}\"", "x".repeat(256)))
            .split(' ')
            .nth(1),
        Some("text-too-long")
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (line, expected) in [
        (
            "www 300 A 192.0.2.1\nwww 60 A 192.0.2.2",
            "4:1 ttl `www 60 A 192.0.2.2`",
        ),
        (
            "www 300 A 192.0.2.1\nwww 300 A 192.0.2.1",
            "4:1 duplicate `www 300 A 192.0.2.1`",
        ),
        (
            "sub 300 NS ns.sub\nns.sub 300 A 192.0.2.1\nx.sub 300 TXT hidden",
            "5:1 hidden `x.sub 300 TXT hidden`",
        ),
        ("*.w 300 NS a", "3:1 wildcard-cut `*.w 300 NS a`"),
        (
            "d 300 DNAME t\nx.d 300 A 192.0.2.1",
            "4:1 hidden `x.d 300 A 192.0.2.1`",
        ),
        (
            "m 300 MX 1 a\na 300 CNAME b",
            "3:1 target-is-alias `m 300 MX 1 a`",
        ),
    ] {
        assert_eq!(wrong(line), expected);
    }
    assert_eq!(
        findings("@ 300 SOA ns1 h 1 2 3 4 5\n"),
        ["1:1 missing-ns ``"]
    );
}

#[test]
fn a_file_without_a_soa_is_no_zone() {
    assert_eq!(
        findings("www 300 A 192.0.2.1\n"),
        ["1:1 missing-soa ``", "1:1 missing-ns ``"]
    );
    assert_eq!(
        findings(" 300 A 192.0.2.1\n")[0],
        "1:2 missing-owner `300 A 192.0.2.1`"
    );
    assert_eq!(
        findings("www A 192.0.2.1\n")[0],
        "1:1 missing-ttl `www A 192.0.2.1`"
    );
}

#[test]
fn a_hopeless_file_does_not_fill_the_screen() {
    let text = "www BOGUS\n".repeat(1000);
    assert_eq!(findings(&text).len(), seawall_dns::limits::FINDINGS_MAX);
}

#[test]
fn ttl_class_and_type_come_in_any_order() {
    let zones = set(
        "a 60 IN A 192.0.2.1\nb IN 1m A 192.0.2.1\nc A 192.0.2.1\n TXT x\n\tIN TXT y\n$TTL 2h\ne 0 A 192.0.2.1\nf a 192.0.2.1\n",
    );
    let ttl = |name: &str| {
        ask(&zones, &format!("{name}.example.test"), "A").answers[0]
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        ["a", "b", "c", "e", "f"].map(ttl),
        ["60", "60", "300", "0", "7200"]
    );
    assert_eq!(
        ask(&zones, "c.example.test", "TXT").answers.len(),
        2,
        "a blank repeats the owner"
    );
}

#[test]
fn origins_and_names_are_relative_to_one_another() {
    let zones = set(
        "$ORIGIN sub.example.test.\nwww A 192.0.2.1\n$ORIGIN deep\n@ A 192.0.2.2\nabs.example.test. A 192.0.2.3\n",
    );
    for name in ["www.sub", "deep.sub", "abs"] {
        assert_eq!(
            ask(&zones, &format!("{name}.example.test"), "A")
                .answers
                .len(),
            1,
            "{name}"
        );
    }
}

#[test]
fn data_of_each_type_is_what_another_decoder_reads() {
    let long = "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF";
    let lines = format!(
        "a A 192.0.2.1\nb AAAA 2001:db8::1\nc MX 10 a\nd TXT \"one two\" three\\059\ne SRV 1 2 3 a\nf PTR a\n\
         g CAA 0 issue \"letsencrypt.org\"\nh NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:x!\" .\ni TLSA 3 1 1 {long}\n\
         j SSHFP 4 2 {long}\nk HTTPS 1 . alpn=\"h2,h3\" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1\n\
         l SVCB 0 a\no DNSKEY 257 3 ECDSAP256SHA256 ( mdsswUyr3DPW132mOi8V9xESWE8jTo0d xCjjnopKl+GqJxpVXckHAeF+KkxLbxIL\n fDLUT0rAK9iUzy1L53eKGQ== )\nm HINFO \"x 86\" linux\nn ( TXT\n \"over\" ; comment\n \"lines\" )\n"
    );
    let zones = set(&lines);
    let data = |name: &str, qtype: &str| {
        let reply = ask(&zones, &format!("{name}.example.test"), qtype);
        reply.answers[0].splitn(4, ' ').nth(3).unwrap().to_owned()
    };
    assert_eq!(data("a", "A"), "192.0.2.1");
    assert_eq!(data("b", "AAAA"), "2001:db8::1");
    assert_eq!(data("c", "MX"), "10 a.example.test.");
    assert_eq!(data("d", "TXT"), "one twothree;");
    assert_eq!(data("e", "SRV"), "1 2 3 a.example.test.");
    assert_eq!(data("f", "PTR"), "a.example.test.");
    assert_eq!(data("g", "CAA"), "0 issue \"letsencrypt.org\"");
    assert!(
        data("h", "NAPTR").starts_with("100 10 \"u\" \"E2U+sip\""),
        "{}",
        data("h", "NAPTR")
    );
    assert!(
        data("i", "TLSA").to_uppercase().contains(&long[..32]),
        "{}",
        data("i", "TLSA")
    );
    assert!(
        data("j", "SSHFP").to_uppercase().contains(&long[..32]),
        "{}",
        data("j", "SSHFP")
    );
    let https = data("k", "HTTPS");
    for part in ["alpn", "h3", "port=8443", "192.0.2.2", "2001:db8::1"] {
        assert!(https.contains(part), "{https}");
    }
    assert_eq!(data("l", "SVCB").trim(), "0 a.example.test.");
    assert_eq!(
        data("o", "DNSKEY"),
        "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxIL\
         fDLUT0rAK9iUzy1L53eKGQ=="
    );
    assert!(data("m", "HINFO").contains("x 86"));
    assert_eq!(data("n", "TXT"), "overlines");
}

/// Types that the decoder keeps as bytes, and what their RFCs say the bytes are.
#[test]
fn data_of_rare_types_is_what_the_rfcs_say() {
    let lines = "loc LOC 42 21 54 N 71 06 18 W -24m 30m\nuri URI 10 1 \"ftp://x\"\neui EUI48 00-00-5e-00-53-2a\n\
        rp RP admin.example.test. .\nhttps HTTPS 1 foo key667=\"hi\\210\" mandatory=alpn alpn=h2\n";
    let zones = set(lines);
    let has = |name: &str, qtype: &str, data: &[u8]| {
        let reply = ask(&zones, &format!("{name}.example.test"), qtype).bytes;
        let wanted = [&(data.len() as u16).to_be_bytes()[..], data].concat();
        assert!(
            reply.windows(wanted.len()).any(|w| w == wanted),
            "{name}: {reply:02x?}"
        );
    };
    // RFC 1876: thousandths of seconds around 2^31, centimetres above -100 km; 30 m is 3e3 cm.
    let loc = [
        0u32,
        0x8000_0000 + 152_514_000,
        0x8000_0000 - 255_978_000,
        10_000_000 - 2400,
    ];
    let mut bytes: Vec<u8> = vec![0, 0x33, 0x16, 0x13];
    bytes.extend(loc[1..].iter().flat_map(|n| n.to_be_bytes()));
    has("loc", "LOC", &bytes);
    has("uri", "URI", b"\0\x0a\0\x01ftp://x");
    has("eui", "EUI48", &[0, 0, 0x5e, 0, 0x53, 0x2a]);
    has("rp", "RP", b"\x05admin\x07example\x04test\0\0");
    has(
        "https",
        "HTTPS",
        b"\0\x01\x03foo\x07example\x04test\0\0\0\0\x02\0\x01\0\x01\0\x03\x02h2\x02\x9b\0\x03hi\xd2",
    );
}

#[test]
fn names_with_odd_bytes_are_found() {
    let zones = set(
        "esc\\.aped A 192.0.2.1\nsp\\032ace A 192.0.2.2\nb\\000\\255 A 192.0.2.3\nMiXeD A 192.0.2.4\n",
    );
    let raw = |label: &[u8]| {
        let mut question = asking::Ask::new("x.example.test", "A");
        question.name = [
            &[label.len() as u8][..],
            label,
            &asking::wire_name("example.test"),
        ]
        .concat();
        question.of(&zones).answers.len()
    };
    assert_eq!(
        [&b"esc.aped"[..], b"sp ace", b"B\x00\xff", b"mixed", b"nope"].map(raw),
        [1, 1, 1, 1, 0]
    );
}

#[test]
fn files_include_files_through_the_callers_loader() {
    let mut load = |path: &Path, from: &Path| -> io::Result<(PathBuf, String)> {
        assert!(from.ends_with("main.zone") || from.ends_with("hosts.zone"));
        match path.to_str() {
            Some("hosts.zone") => Ok((
                "hosts.zone".into(),
                "www A 192.0.2.1\n$INCLUDE missing.zone\n$ORIGIN x.\n".into(),
            )),
            _ => Err(io::Error::other("no such file")),
        }
    };
    let text = format!("{SOA}$INCLUDE hosts.zone sub\nafter A 192.0.2.2\n");
    let mut sources = SourceMap::default();
    let file = sources.add("main.zone", text);
    let found = Zone::parse_with("example.test", &mut sources, file, &mut load).unwrap_err();
    let lines = found.lines(&sources);
    assert_eq!(
        lines,
        ["hosts.zone:2:10: error[include]: cannot read `missing.zone`: no such file"]
    );

    let text = format!("{SOA}$INCLUDE hosts.zone sub\nafter A 192.0.2.2\n");
    let mut load = |_: &Path, _: &Path| {
        Ok((
            PathBuf::from("hosts.zone"),
            "www A 192.0.2.1\n$ORIGIN x.\n".to_owned(),
        ))
    };
    let file = sources.add("main.zone", text);
    let zones = Zones::new(vec![
        Zone::parse_with("example.test", &mut sources, file, &mut load).unwrap(),
    ]);
    assert_eq!(ask(&zones, "www.sub.example.test", "A").answers.len(), 1);
    assert_eq!(
        ask(&zones, "after.example.test", "A").answers.len(),
        1,
        "the origin is the including file's again"
    );
}

#[test]
fn files_that_include_themselves_end() {
    let mut load = |_: &Path, _: &Path| {
        Ok((
            PathBuf::from("loop.zone"),
            "$INCLUDE loop.zone\n".to_owned(),
        ))
    };
    let mut sources = SourceMap::default();
    let file = sources.add("main.zone", format!("{SOA}$INCLUDE loop.zone\n"));
    let found = Zone::parse_with("example.test", &mut sources, file, &mut load).unwrap_err();
    assert_eq!(places(&found, &sources), ["1:10 include-depth `loop.zone`"]);
}

#[test]
fn hostile_zone_files_are_refused_not_crashed_on() {
    let mut state = 7u64;
    let mut next = |n: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let words = [
        "@",
        "www",
        "300",
        "IN",
        "A",
        "192.0.2.1",
        "AAAA",
        "::1",
        "SOA",
        "(",
        ")",
        "\"",
        "\"x\"",
        "\\",
        "\\#",
        "4",
        "0A0B0C0D",
        "\n",
        "\n",
        "\n\t",
        "TXT",
        ";",
        "$TTL",
        "$ORIGIN",
        "$INCLUDE",
        "LOC",
        "1",
        "N",
        "E",
        "-1m",
        "HTTPS",
        "alpn=",
        "alpn=\"",
        "key1=\\0",
        "mandatory=mandatory",
        ".",
        "..",
        "é",
        "\u{feff}",
        "\r",
        "CNAME",
        "NAPTR",
        "TYPE1",
        "EUI48",
        "00-00",
        "99999999999",
    ];
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..next(60) {
            text += words[next(words.len())];
            if next(5) > 0 {
                text.push(' ');
            }
        }
        let _ = findings(&text);
    }
}
