//! Zones that are signed here, judged by a validator of somebody else's.

mod asking;
mod validating;
use asking::{Ask, zone};
use seawall_dns::{
    Algorithm, AllDown, AlwaysUp, Denial, DynamicRecord, Health, HealthId, KeyFile, KeyStore,
    Lifetimes, Policy, RType, Signer, SigningOptions, Target, Zone, Zones,
};
use std::io;
use std::sync::{Arc, Mutex};
use validating::{all_valid, keys};

const NOW: u64 = 1_790_000_000;
const LINES: &str = "@ MX 10 MAIL\nmail A 192.0.2.25\nwww CNAME web\nweb A 192.0.2.80\nweb A 192.0.2.8\n\
    a.b.ent TXT x\n*.w A 192.0.2.7\n*.w MX 1 mail\nsub NS ns.sub\nns.sub A 192.0.2.9\nsec NS ns.sec\n\
    sec DS 1 13 2 00\nns.sec A 192.0.2.9\nd DNAME w\n_s._t SRV 1 1 1 Mail\nodd TYPE65280 \\# 2 AbCd\n\
    nap NAPTR 1 1 \"u\" \"e\" \"\" Mail\nhttps HTTPS 1 Web alpn=h2\n";

/// Keys in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Option<String>>>);

impl KeyStore for Memory {
    fn load(&self) -> io::Result<Option<String>> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(text.to_owned());
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

fn options(algorithm: Algorithm, denial: Denial, single: bool) -> SigningOptions {
    let mut options = SigningOptions {
        denial,
        ..SigningOptions::default()
    };
    (options.keys.algorithm, options.keys.single) = (algorithm, single);
    options
}

fn signer(zone: &Zone, options: SigningOptions) -> Signer {
    Signer::open(zone.origin(), options, Box::new(Memory::default())).unwrap()
}

fn signed(zone: &Zone, options: SigningOptions) -> Zones {
    let (signed, _) = signer(zone, options).sign(zone, NOW).unwrap();
    Zones::new(vec![signed])
}

fn all_options() -> Vec<SigningOptions> {
    let mut all = Vec::new();
    for algorithm in [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519] {
        for denial in [Denial::Nsec, Denial::Nsec3] {
            all.extend([false, true].map(|single| options(algorithm, denial, single)));
        }
    }
    all
}

#[test]
fn every_answer_has_signatures_that_hold() {
    let names = [
        "",
        "www.",
        "web.",
        "mail.",
        "nope.",
        "a.b.nope.",
        "ent.",
        "b.ent.",
        "a.b.ent.",
        "q.w.",
        "q.r.w.",
        "*.w.",
        "sub.",
        "x.sub.",
        "sec.",
        "x.d.",
        "_s._t.",
        "odd.",
        "nap.",
        "https.",
        "ns1.",
        "zzz.",
    ];
    let types = [
        "A",
        "MX",
        "DS",
        "TXT",
        "SOA",
        "NS",
        "SRV",
        "TYPE65280",
        "NAPTR",
        "HTTPS",
        "DNSKEY",
        "CDS",
    ];
    for options in all_options() {
        let zones = signed(&zone(LINES), options);
        let apex = Ask::new("example.test", "DNSKEY")
            .secure(1232)
            .tcp()
            .of(&zones);
        let keys = keys(&apex.message.answers);
        assert_eq!(keys.len(), if options.keys.single { 1 } else { 2 });
        for name in names {
            for qtype in types {
                let ask = Ask::new(&format!("{name}example.test"), qtype)
                    .secure(1232)
                    .tcp();
                let answer = ask.of(&zones);
                // The CNAME made of a DNAME is signed by nobody (RFC 6672 §5.3.1).
                if name == "x.d." && qtype != "CNAME" {
                    continue;
                }
                let checked = all_valid(&answer.message, &keys, NOW)
                    .unwrap_or_else(|e| panic!("{name} {qtype} {options:?}: {e}\n{answer:#?}"));
                assert!(checked > 0, "{name} {qtype}");
            }
        }
    }
}

#[test]
fn glue_and_delegations_are_not_signed_and_their_denial_lists_only_ns() {
    let zones = signed(&zone(LINES), SigningOptions::default());
    let order = Ask::new("x.sub.example.test", "A")
        .secure(1232)
        .of(&zones)
        .order();
    assert_eq!(
        order,
        ["NOERROR", "sub NS", "sub NSEC", "sub +NSEC", "ns.sub A"]
    );
    let answer = Ask::new("sub.example.test", "DS").secure(1232).of(&zones);
    let nsec = answer
        .authority
        .iter()
        .find(|l| l.contains(" NSEC "))
        .unwrap();
    assert!(nsec.contains("NS RRSIG NSEC"), "{nsec}");
}

#[test]
fn nsec3_shows_the_closest_encloser() {
    let zones = signed(
        &zone(LINES),
        options(Algorithm::Ed25519, Denial::Nsec3, false),
    );
    let count = |name: &str, qtype: &str| {
        let order = Ask::new(name, qtype).secure(1232).of(&zones).order();
        (
            order[0].clone(),
            order.iter().filter(|l| l.ends_with(" NSEC3")).count(),
        )
    };
    // Encloser, next closer, wildcard: the apex is at most all of them at once.
    let (code, proofs) = count("x.nope.example.test", "A");
    assert!(code == "NXDOMAIN" && (1..=3).contains(&proofs));
    assert_eq!(
        count("ent.example.test", "A"),
        ("NOERROR".into(), 1),
        "a record of its own"
    );
    assert_eq!(count("web.example.test", "MX"), ("NOERROR".into(), 1));
    assert_eq!(
        count("q.w.example.test", "A"),
        ("NOERROR".into(), 1),
        "the next closer alone"
    );
    assert_eq!(count("sub.example.test", "DS"), ("NOERROR".into(), 1));
    let hash = Ask::new("example.test", "NSEC3PARAM")
        .secure(1232)
        .of(&zones);
    assert!(
        hash.answers
            .iter()
            .any(|l| l.ends_with("NSEC3PARAM 1 0 0 -")),
        "{hash:?}"
    );
}

#[test]
fn what_has_not_changed_keeps_its_signatures_until_they_are_due() {
    let first = zone(LINES);
    let mut signer = signer(&first, SigningOptions::default());
    let (before, _) = signer.sign(&first, NOW).unwrap();
    let (all, made) = signer.status().signatures;
    assert_eq!(all, made);
    let changed = zone(&LINES.replace("192.0.2.25", "192.0.2.26"));
    let (after, _) = signer.sign(&changed, NOW + 60).unwrap();
    assert_eq!(
        signer.status().signatures,
        (all, 2),
        "the address and the SOA, whose serial is another"
    );
    assert_eq!(after.serial(), before.serial().map(|s| s + 1));
    // Nothing is due before the first refresh, and all is made anew before anything ends.
    let lifetimes = Lifetimes::default();
    let soonest = NOW + u64::from(lifetimes.validity_s - lifetimes.jitter_s - lifetimes.refresh_s);
    assert!((soonest..=NOW + 7 * 86_400).contains(&signer.next()));
    let mut now = NOW + 60;
    let mut spread = Vec::new();
    while now < NOW + 30 * 86_400 {
        assert!(signer.status().expires.unwrap() > now + 3 * 86_400);
        now = signer.next().max(now + 3600);
        signer.sign(&changed, now).unwrap();
        spread.push(signer.status().signatures.1);
    }
    assert!(
        spread.iter().filter(|made| **made < all).count() > 2,
        "{spread:?} of {all}"
    );
}

#[test]
fn every_answer_of_a_dynamic_record_is_signed() {
    struct Up(u32);
    impl Health for Up {
        fn is_up(&self, id: HealthId) -> bool {
            id.0 == self.0
        }
    }
    let mut zone = zone(LINES);
    let target = |n: u8| Target::new([192, 0, 2, n].into(), Some(HealthId(u32::from(n))));
    zone.add_dynamic(DynamicRecord::new(
        "dyn",
        RType::A,
        30,
        Policy::Failover,
        vec![target(1), target(2)],
    ))
    .unwrap();
    let zones = signed(&zone, SigningOptions::default());
    let keys = keys(
        &Ask::new("example.test", "DNSKEY")
            .secure(1232)
            .of(&zones)
            .message
            .answers,
    );
    for (health, expected) in [(1, 1), (2, 1), (9, 2)] {
        let answer = Ask::new("dyn.example.test", "A")
            .secure(1232)
            .with(&zones, &Up(health));
        assert_eq!(answer.answers.len(), expected + 1, "{answer:?}");
        all_valid(&answer.message, &keys, NOW).unwrap();
    }
    let other = Ask::new("dyn.example.test", "TXT")
        .secure(1232)
        .with(&zones, &AlwaysUp);
    assert!(
        other
            .authority
            .iter()
            .any(|l| l.contains("NSEC") && l.contains(" A RRSIG NSEC"))
    );
}

#[test]
fn keys_survive_in_a_file_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("dnssec");
    let zone = zone(LINES);
    let open = || {
        let store = Box::new(KeyFile::of(&below, "Example.Test."));
        Signer::open(zone.origin(), SigningOptions::default(), store)
    };
    let first = open().unwrap().ds();
    let path = below.join("example.test.keys");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // What a crash left behind while it wrote.
    std::fs::write(below.join("example.test.keys.new"), "half a li").unwrap();
    let mut again = open().unwrap();
    assert_eq!(again.ds(), first);
    again.sign(&zone, NOW).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("ksk 13", "ksk 99")).unwrap();
    let refused = open().err().unwrap().to_string();
    assert!(refused.contains("line 4 cannot be read"), "{refused}");
    // A key file is never replaced by new keys: the parent leads to the old ones.
    std::fs::write(&path, "").unwrap();
    assert!(open().is_err());
}

#[test]
fn a_zone_with_ten_thousand_keys_is_served_and_cut_cleanly() {
    let many: String = (0..10_000u32)
        .map(|i| format!("many DNSKEY \\# 8 0100030d{i:08x}\n"))
        .collect();
    let zones = signed(&zone(&many), SigningOptions::default());
    for ask in [
        Ask::new("many.example.test", "DNSKEY").secure(4096),
        Ask::new("many.example.test", "DNSKEY").secure(4096).tcp(),
    ] {
        let answer = ask.of(&zones);
        assert!(answer.tc && answer.answers.is_empty() && answer.bytes.len() < 512);
    }
}

#[test]
fn ldns_finds_nothing_wrong_with_a_signed_zone() {
    let directory = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for options in all_options() {
        let zone = zone(LINES);
        let (signed, _) = signer(&zone, options).sign(&zone, now).unwrap();
        let path = directory.path().join("zone");
        std::fs::write(&path, signed.to_text()).unwrap();
        let verified = std::process::Command::new("ldns-verify-zone")
            .arg(&path)
            .output()
            .expect("ldns-verify-zone (Debian's ldnsutils) is installed");
        let said = String::from_utf8_lossy(&verified.stdout);
        let errors = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success(), "{options:?}: {said}{errors}");
        assert!(said.contains("verified and complete"), "{said}{errors}");
    }
}

#[test]
fn a_withdrawn_record_is_denied_by_a_proof_of_its_own() {
    struct Down;
    impl Health for Down {
        fn is_up(&self, _: HealthId) -> bool {
            false
        }
    }
    for denial in [Denial::Nsec, Denial::Nsec3] {
        let mut zone = zone(&format!("{LINES}gone TXT here\n"));
        for owner in ["gone", "*.gone.w"] {
            let target = Target::new([192, 0, 2, 1].into(), Some(HealthId(1)));
            let policy = Policy::Failover;
            let mut record = DynamicRecord::new(owner, RType::A, 30, policy, vec![target]);
            record.all_down = AllDown::ServeNone;
            zone.add_dynamic(record).unwrap();
        }
        let zones = signed(&zone, options(Algorithm::EcdsaP256Sha256, denial, true));
        let ask = |name: &str, qtype: &str, health: &dyn Health| {
            let name = format!("{name}example.test");
            Ask::new(&name, qtype).secure(1232).with(&zones, health)
        };
        let keys = keys(&ask("", "DNSKEY", &AlwaysUp).message.answers);
        assert_eq!(ask("gone.", "A", &AlwaysUp).answers.len(), 2);
        for name in ["gone.", "x.gone.w."] {
            let answer = ask(name, "A", &Down);
            assert!(answer.answers.is_empty(), "{answer:?}");
            all_valid(&answer.message, &keys, NOW).unwrap();
            let proofs = || {
                let lines = answer.authority.iter();
                lines.filter(|l| l.contains(" NSEC") && !l.contains("RRSIG NSEC "))
            };
            assert!(
                proofs().any(|l| !l.split(' ').any(|word| word == "A")),
                "the type is not listed: {answer:?}"
            );
        }
        let gone = ask("gone.", "A", &Down);
        let own = gone.authority.iter().find(|l| l.contains(" TXT"));
        assert!(own.is_some(), "what else is there is listed: {gone:?}");
        if denial == Denial::Nsec {
            assert!(own.unwrap().contains("\\000.gone.example.test."), "{own:?}");
        }
        let compact = zones.iter().next().unwrap().to_zone().unwrap().to_text();
        assert!(
            !compact.contains("\\000.gone"),
            "no copy of the zone has it"
        );
    }
}
