//! What is changed in a zone that is signed here: whoever changes it, no answer is without its signatures.

mod asking;
mod validating;

use asking::{Ask, zone};
use seawall_dns::{
    AlwaysUp, ChallengeError, ChangeError, Denial, Finish, KeyStore, Name, Shared, Signer,
    SigningOptions, Zone, Zones,
};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use validating::{all_valid, keys};

const NOW: u64 = 1_790_000_000;

struct Memory(Option<String>);

impl KeyStore for Memory {
    fn load(&self) -> io::Result<Option<String>> {
        Ok(self.0.clone())
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        self.0 = Some(text.to_owned());
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// Signs; counts what was said to be served.
struct Signing {
    signer: Mutex<Option<Signer>>,
    published: AtomicUsize,
}

impl Signing {
    fn of(zone: &Zone, denial: Denial) -> Arc<Self> {
        let options = SigningOptions {
            denial,
            ..SigningOptions::default()
        };
        let signer = Signer::open(zone.origin(), options, Box::new(Memory(None))).unwrap();
        Arc::new(Self {
            signer: Mutex::new(Some(signer)),
            published: AtomicUsize::new(0),
        })
    }
}

impl Finish for Signing {
    fn finish(&self, zone: &Zone) -> Result<Zone, String> {
        let mut signer = self.signer.lock().unwrap();
        let signer = signer.as_mut().ok_or("no key")?;
        let signed = signer.sign(zone, NOW).map_err(|e| e.to_string())?;
        Ok(signed.0)
    }

    fn published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }
}

fn shared(signing: &Arc<Signing>) -> Shared {
    let shared = Shared::new(Zones::default(), Arc::new(AlwaysUp));
    let name = Name::parse("example.test.", None).unwrap();
    shared.finish_with(&name, Some(signing.clone()));
    shared.publish(Zones::new(vec![zone("")]), Arc::new(AlwaysUp));
    shared
}

fn serial(shared: &Shared) -> u32 {
    let name = Name::parse("example.test.", None).unwrap();
    shared.serving().zones.get(&name).unwrap().serial().unwrap()
}

/// Every record there could be is signed, and what is not there is denied with signatures.
fn is_whole(shared: &Shared, names: &[&str]) {
    let zones = &shared.serving().zones;
    let ask = |name: &str, rtype: &str| {
        let name = format!("{name}example.test");
        Ask::new(&name, rtype).secure(1232).tcp().of(zones)
    };
    let keys = keys(&ask("", "DNSKEY").message.answers);
    for name in names {
        for rtype in ["TXT", "SOA", "A"] {
            let answer = ask(name, rtype);
            let checked = all_valid(&answer.message, &keys, NOW)
                .unwrap_or_else(|e| panic!("{name} {rtype}: {e}\n{answer:#?}"));
            assert!(checked > 0, "{name} {rtype}");
        }
    }
}

const NAMES: [&str; 4] = ["", "_acme-challenge.", "nope.", "ns1."];

#[test]
fn a_token_is_signed_when_it_is_answered_and_its_going_is() {
    for denial in [Denial::Nsec, Denial::Nsec3] {
        let signing = Signing::of(&zone(""), denial);
        let shared = shared(&signing);
        is_whole(&shared, &NAMES);
        let before = serial(&shared);
        shared
            .challenge_put("_acme-challenge.example.test", "token")
            .unwrap();
        is_whole(&shared, &NAMES);
        assert_eq!(serial(&shared), before + 1);
        let zones = shared.serving().zones.clone();
        let put = Ask::new("_acme-challenge.example.test", "TXT").of(&zones);
        assert!(put.answers[0].ends_with(" token"), "{put:?}");
        shared
            .challenge_remove("_acme-challenge.example.test", "token")
            .unwrap();
        is_whole(&shared, &NAMES);
        assert_eq!(serial(&shared), before + 2);
        let zones = shared.serving().zones.clone();
        let gone = Ask::new("_acme-challenge.example.test", "TXT").of(&zones);
        assert_eq!(gone.rcode, 3);
        assert_eq!(signing.published.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn a_reload_keeps_a_token_signed_and_is_no_new_version_without_a_change() {
    let shared = shared(&Signing::of(&zone(""), Denial::Nsec));
    shared
        .challenge_put("_acme-challenge.example.test", "token")
        .unwrap();
    let before = serial(&shared);
    shared.publish(Zones::new(vec![zone("")]), Arc::new(AlwaysUp));
    assert_eq!(serial(&shared), before);
    is_whole(&shared, &NAMES);
    let zones = shared.serving().zones.clone();
    let kept = Ask::new("_acme-challenge.example.test", "TXT").of(&zones);
    assert_eq!(kept.answers.len(), 1, "{kept:?}");
    shared.publish(
        Zones::new(vec![zone("new A 192.0.2.9\n")]),
        Arc::new(AlwaysUp),
    );
    assert_eq!(serial(&shared), before + 1);
    is_whole(&shared, &NAMES);
    let name = Name::parse("example.test.", None).unwrap();
    shared.finish_again(&name).unwrap();
    assert_eq!(serial(&shared), before + 1, "nothing was due");
}

#[test]
fn what_cannot_be_signed_is_not_changed() {
    let signing = Signing::of(&zone(""), Denial::Nsec);
    let shared = shared(&signing);
    let before = serial(&shared);
    let kept = signing.signer.lock().unwrap().take();
    let refused = shared.challenge_put("_acme-challenge.example.test", "token");
    assert!(
        matches!(
            refused,
            Err(ChallengeError::Change(ChangeError::Refused(_)))
        ),
        "{refused:?}"
    );
    let name = Name::parse("example.test.", None).unwrap();
    assert!(shared.finish_again(&name).is_err());
    shared.publish(
        Zones::new(vec![zone("new A 192.0.2.9\n")]),
        Arc::new(AlwaysUp),
    );
    assert_eq!(serial(&shared), before);
    is_whole(&shared, &NAMES);
    *signing.signer.lock().unwrap() = kept;
    shared
        .challenge_put("_acme-challenge.example.test", "token")
        .unwrap();
    is_whole(&shared, &NAMES);
}
