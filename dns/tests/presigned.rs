//! Zones that somebody else signed are served as they are. Whether their signatures are right is not looked at, so
//! that these tests need none that are.

mod asking;
use asking::{Ask, HEAD, set};
use seawall_diag::SourceMap;
use seawall_dns::{Zone, Zones};

/// A signature that is none, for a type.
fn sig(owner: &str, covered: &str) -> String {
    format!(
        "{owner} RRSIG {covered} 13 2 300 20300101000000 20260101000000 4711 example.test. AAAA\n"
    )
}

/// A zone with a wildcard, an alias, an empty non-terminal and two delegations.
fn nsec() -> Zones {
    let mut lines = String::from(
        "@ DNSKEY 257 3 13 AAAA\n@ 60 NSEC a.ent NS SOA RRSIG NSEC DNSKEY\n\
         a.ent TXT x\na.ent 60 NSEC ns1 TXT RRSIG NSEC\n\
         ns1 60 NSEC sec A RRSIG NSEC\n\
         sec NS ns.sec\nsec DS 1 13 2 00\nsec 60 NSEC sub NS DS RRSIG NSEC\nns.sec A 192.0.2.9\n\
         sub NS ns.sub\nsub 60 NSEC *.w NS RRSIG NSEC\nns.sub A 192.0.2.8\n\
         *.w A 192.0.2.7\n*.w 60 NSEC www A RRSIG NSEC\n\
         www CNAME b.w\nwww 60 NSEC @ CNAME RRSIG NSEC\n",
    );
    for (owner, covered) in [
        ("@", "SOA NS NSEC DNSKEY"),
        ("a.ent", "TXT NSEC"),
        ("ns1", "A NSEC"),
        ("sec", "DS NSEC"),
        ("sub", "NSEC"),
        ("*.w", "A NSEC"),
        ("www", "CNAME NSEC"),
    ] {
        lines.extend(covered.split(' ').map(|c| sig(owner, c)));
    }
    set(&lines)
}

/// The answer's records as `owner type`, each section in its order; a signature as `owner +type`.
fn order(zones: &Zones, name: &str, qtype: &str) -> Vec<String> {
    Ask::new(name, qtype).secure(1232).of(zones).order()
}

#[test]
fn answers_carry_their_signatures() {
    let zones = nsec();
    assert_eq!(
        order(&zones, "ns1.example.test", "A"),
        ["NOERROR", "ns1 A", "ns1 +A"]
    );
    assert_eq!(
        order(&zones, "www.example.test", "RRSIG"),
        ["NOERROR", "www +CNAME", "www +NSEC"]
    );
    assert_eq!(
        order(&zones, "sec.example.test", "DS"),
        ["NOERROR", "sec DS", "sec +DS"]
    );
    // Who does not ask for them gets none.
    let plain = Ask::new("ns1.example.test", "A").edns(1232).of(&zones);
    assert_eq!(plain.order(), ["NOERROR", "ns1 A"]);
}

#[test]
fn nsec_denies_names_types_and_wildcards() {
    let zones = nsec();
    let soa = ["@ SOA", "@ +SOA"];
    let denied = |name: &str, qtype: &str| {
        let order = order(&zones, &format!("{name}.example.test"), qtype);
        assert_eq!(order[1..3], soa, "{name}");
        (order[0].clone(), order[3..].join(" "))
    };
    let both = |code: &str, proofs: &str| (code.to_owned(), proofs.to_owned());
    assert_eq!(
        denied("nz", "A"),
        both("NXDOMAIN", "ns1 NSEC ns1 +NSEC @ NSEC @ +NSEC")
    );
    assert_eq!(
        denied("ns1", "TXT"),
        both("NOERROR", "ns1 NSEC ns1 +NSEC"),
        "no such type"
    );
    assert_eq!(
        denied("ent", "A"),
        both("NOERROR", "@ NSEC @ +NSEC"),
        "an empty non-terminal has no NSEC; the one before it shows it"
    );
    assert_eq!(
        denied("b.w", "TXT"),
        both("NOERROR", "*.w NSEC *.w +NSEC"),
        "one record shows both that b.w is not there and what *.w has"
    );
}

#[test]
fn a_wildcard_answers_with_the_proof_that_the_name_is_not_there() {
    let zones = nsec();
    assert_eq!(
        order(&zones, "b.w.example.test", "A"),
        ["NOERROR", "b.w A", "b.w +A", "*.w NSEC", "*.w +NSEC"]
    );
    assert_eq!(
        order(&zones, "www.example.test", "A"),
        [
            "NOERROR",
            "www CNAME",
            "www +CNAME",
            "b.w A",
            "b.w +A",
            "*.w NSEC",
            "*.w +NSEC"
        ]
    );
}

#[test]
fn a_referral_says_whether_the_zone_below_is_signed() {
    let zones = nsec();
    assert_eq!(
        order(&zones, "x.sec.example.test", "A"),
        ["NOERROR", "sec NS", "sec DS", "sec +DS", "ns.sec A"]
    );
    assert_eq!(
        order(&zones, "x.sub.example.test", "A"),
        ["NOERROR", "sub NS", "sub NSEC", "sub +NSEC", "ns.sub A"]
    );
}

#[test]
fn what_does_not_fit_with_its_signature_is_left_out_with_it() {
    let lines: String = (0..30).map(|i| format!("big A 192.0.2.{i}\n")).collect();
    let zones = set(&format!("{lines}{}{}", sig("big", "A"), sig("@", "SOA")));
    let ask = Ask::new("big.example.test", "A");
    let whole = 12 + 22 + 30 * 16 + 11;
    let cut = ask.clone().secure(whole as u16).of(&zones);
    assert!(cut.message.metadata.truncation && cut.message.answers.is_empty());
    let whole = ask.secure(whole as u16 + 60).of(&zones);
    assert_eq!(whole.message.answers.len(), 31);
}

#[test]
fn nsec3_with_too_many_iterations_is_refused_where_it_is_written() {
    let mut sources = SourceMap::default();
    let text = format!("{HEAD}@ NSEC3PARAM 1 0 501 -\n");
    let file = sources.add("zone", text);
    let found = Zone::parse("example.test", &mut sources, file).unwrap_err();
    let lines = found.lines(&sources).join("\n");
    assert!(lines.contains("501 iterations"), "{lines}");
}
