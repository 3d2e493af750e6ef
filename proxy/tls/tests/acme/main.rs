//! Orders with a CA of the tests' own, which lies, stalls and refuses, and which has what Pebble lacks: wishes for
//! renewals (RFC 9773) and profiles.

mod ca;

use ca::{Ca, Manner};
use seawall_tls::{
    acme::{Acme, AcmeOptions, Challenge, Issuer, Managed, Snapshot, Source, Zones, why},
    names,
};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::runtime::Handle;

struct NoZones;

impl Zones for NoZones {
    fn holds(&self, _: &str) -> bool {
        false
    }
    fn put(&self, _: &str, _: &str) -> Result<(), String> {
        Err("no zones".into())
    }
    fn remove(&self, _: &str, _: &str) {}
}

/// A client of a CA, in a directory of its own.
struct Client {
    acme: Arc<Acme>,
    issuer: Issuer,
    managed: Arc<Managed>,
    options: AcmeOptions,
    _directory: Arc<tempfile::TempDir>,
}

fn options(ca: &Ca, state: &Path) -> AcmeOptions {
    let mut options = AcmeOptions::new(state.join("acme"));
    options.directories = vec![ca.directory()];
    options.roots_pem = Some(ca.root_pem.clone().into_bytes());
    options.challenge = Challenge::Http01;
    options.pause = Duration::from_millis(50);
    options
}

impl Client {
    fn start(ca: &Ca, change: impl FnOnce(&mut AcmeOptions)) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), ca, change)
    }

    fn start_in(
        directory: Arc<tempfile::TempDir>,
        ca: &Ca,
        change: impl FnOnce(&mut AcmeOptions),
    ) -> Self {
        let mut options = options(ca, directory.path());
        change(&mut options);
        let acme = Arc::new(Acme::default());
        let managed = acme.managed(&["Shop.test".to_owned()], &options.state);
        let issuer = Issuer::new(
            acme.clone(),
            Arc::new(NoZones),
            Handle::current(),
            Box::new(|_, _| {}),
        );
        issuer.apply(Some(options.clone()), vec![managed.clone()]);
        Self {
            acme,
            issuer,
            managed,
            options,
            _directory: directory,
        }
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.managed.snapshot();
            if is_so(&state) {
                return state;
            }
            assert!(
                Instant::now() < end,
                "waited in vain for {what}: {state:#?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn issued(&self) -> Snapshot {
        self.until("a certificate", |s| {
            s.source == Source::Acme && s.failures == 0 && says(s, "stored as")
        })
        .await
    }

    /// Waits for a failure that says this.
    async fn failed(&self, text: &str) -> Snapshot {
        self.until(text, |s| {
            s.failures > 0 && s.events.iter().any(|e| !e.ok && e.text.contains(text))
        })
        .await
    }
}

fn says(state: &Snapshot, text: &str) -> bool {
    state.events.iter().any(|e| e.text.contains(text))
}

#[tokio::test]
async fn a_certificate_is_ordered_checked_stored_and_served() {
    let ca = Ca::start(Manner::Good).await;
    let client = Client::start(&ca, |_| {});
    let state = client.issued().await;
    let key = client.managed.live().get().unwrap();
    assert_eq!(names(&key), ["shop.test"]);
    assert_eq!(client.acme.orders(), (1, 0));
    // Two thirds of ninety days, a little earlier by chance.
    let days = state
        .next_order
        .duration_since(SystemTime::now())
        .unwrap()
        .as_secs()
        / 86_400;
    assert!((57..=60).contains(&days), "{days}");
    assert!(
        client
            .acme
            .challenges()
            .http(b"/.well-known/acme-challenge/token-1")
            .is_none()
    );
    assert_eq!((ca.accounts(), ca.orders().len()), (1, 1));
}

#[tokio::test]
async fn what_a_lying_ca_gives_is_never_served() {
    for (manner, reason) in [
        (Manner::OtherKey, "does not belong to the certificate"),
        (
            Manner::OtherName,
            "shop.test was asked for, and it is for evil.test",
        ),
        (Manner::Expired, "it has expired"),
        (Manner::Garbage, "the certificate is not used"),
    ] {
        let ca = Ca::start(manner).await;
        let client = Client::start(&ca, |_| {});
        let state = client.failed(reason).await;
        assert_eq!(state.source, Source::None, "{manner:?}");
        assert!(client.managed.live().get().is_none());
        let kept = fs::read_dir(client.options.state.join("certificates")).unwrap();
        assert_eq!(kept.count(), 0);
        // It comes to its senses, and is asked again.
        ca.behave(Manner::Good);
        client.issued().await;
        assert_eq!(ca.accounts(), 1, "one account for all orders");
    }
}

#[tokio::test]
async fn a_ca_that_stalls_floods_or_babbles_is_given_up_and_asked_again() {
    for (manner, reason) in [
        (Manner::Silent, "no answer within 200 ms"),
        (Manner::Endless, "longer than 262144 bytes"),
        (Manner::Page, "answered 502 without saying why"),
        (Manner::Plain, "is not https"),
    ] {
        let ca = Ca::start(manner).await;
        let client = Client::start(&ca, |o| {
            o.request_time = match manner {
                Manner::Silent => Duration::from_millis(200),
                _ => Duration::from_secs(20),
            };
        });
        client.failed(reason).await;
        client.issuer.apply(None, Vec::new());
        ca.behave(Manner::Good);
        let again = Client::start(&ca, |_| {});
        again.issued().await;
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_explained() {
    let ca = Ca::start(Manner::Limited).await;
    let client = Client::start(&ca, |_| {});
    let state = client.failed("too many certificates (rateLimited)").await;
    let pause = state.next_order.duration_since(SystemTime::now()).unwrap();
    assert!(pause > Duration::from_secs(3500), "{pause:?}");
    let challenges = client.acme.challenges();
    let mut options = client.options.clone();
    options.name_servers = vec!["127.0.0.1:1".parse().unwrap()];
    let found = why(&client.managed, "shop.test", &options, challenges, &NoZones).await;
    let told = found
        .iter()
        .any(|f| !f.ok && f.text.contains("rate limit is reached: wait"));
    assert!(told, "{found:#?}");
    // Who insists is not kept from it.
    ca.behave(Manner::Good);
    client.managed.renew();
    client.issued().await;
}

#[tokio::test]
async fn a_cas_words_cannot_forge_a_line() {
    let ca = Ca::start(Manner::Rude).await;
    let client = Client::start(&ca, |_| {});
    let state = client.failed("FAKE: all is well").await;
    assert!(
        state
            .events
            .iter()
            .all(|e| !e.text.contains(char::is_control))
    );
}

#[tokio::test]
async fn another_ca_is_asked_when_the_first_fails() {
    let (bad, good) = (Ca::start(Manner::Page).await, Ca::start(Manner::Good).await);
    let client = Client::start(&bad, |o| {
        o.directories.push(good.directory());
        let roots = o.roots_pem.as_mut().unwrap();
        roots.extend_from_slice(good.root_pem.as_bytes());
    });
    client.issued().await;
    assert_eq!((good.orders().len(), client.acme.orders()), (1, (1, 2)));
}

#[tokio::test]
async fn the_cas_wish_to_renew_is_followed_and_the_order_says_what_it_replaces() {
    let ca = Ca::start(Manner::Good).await;
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let first = Client::start_in(directory.clone(), &ca, |_| {});
    first.issued().await;
    first.issuer.stop();
    // The CA is about to revoke: its window is past.
    ca.window((-3, -1));
    let second = Client::start_in(directory.clone(), &ca, |_| {});
    second
        .until("a renewal", |s| {
            says(s, "the CA would like a renewal between 3 h ago") && says(s, "stored as")
        })
        .await;
    second.issuer.stop();
    let orders = ca.orders();
    assert!(
        orders[0].get("replaces").is_none() && orders[1].get("replaces").is_some(),
        "{orders:?}"
    );
    assert_eq!(ca.accounts(), 1);
    // One that begins later moves the next order, and nothing is ordered now.
    ca.window((240, 242));
    let third = Client::start_in(directory, &ca, |_| {});
    let state = third
        .until("a window", |s| {
            says(s, "the CA would like a renewal between in 239 h")
        })
        .await;
    let hours = state
        .next_order
        .duration_since(SystemTime::now())
        .unwrap()
        .as_secs()
        / 3600;
    assert!((239..=242).contains(&hours), "{hours}");
    assert_eq!(ca.orders().len(), 2);
}

#[tokio::test]
async fn a_profile_is_asked_for_and_one_that_is_not_there_is_told() {
    let ca = Ca::start(Manner::Good).await;
    let client = Client::start(&ca, |o| o.profile = Some("shortlived".into()));
    client.issued().await;
    assert_eq!(ca.orders()[0]["profile"], "shortlived");
    let client = Client::start(&ca, |o| o.profile = Some("classic".into()));
    let state = client.failed("(invalidProfile)").await;
    assert_eq!(
        state.last_failure.unwrap().2.as_deref(),
        Some("invalidProfile")
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_stored_is_served_and_stored_later_without_another_order() {
    let ca = Ca::start(Manner::Good).await;
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let state = directory.path().join("acme");
    fs::create_dir(&state).unwrap();
    // Where its directory should be is a file.
    fs::write(state.join("certificates"), "").unwrap();
    let client = Client::start_in(directory, &ca, |_| {});
    // Nothing can be prepared, so no account is made either that could not be kept.
    client.failed("no account is made").await;
    assert_eq!(ca.accounts(), 0);
    fs::remove_file(state.join("certificates")).unwrap();
    client.issued().await;
    let stored = || fs::read_dir(state.join("certificates")).unwrap().count();
    assert_eq!(stored(), 1);
    // The account is there, and the certificates have no place any more.
    fs::remove_dir_all(state.join("certificates")).unwrap();
    fs::write(state.join("certificates"), "").unwrap();
    let before = client.managed.live().get().unwrap();
    client.managed.renew();
    client
        .failed("it is served, but would be lost in a restart")
        .await;
    assert!(!Arc::ptr_eq(&before, &client.managed.live().get().unwrap()));
    fs::remove_file(state.join("certificates")).unwrap();
    client.until("the stored one", |s| s.failures == 0).await;
    assert_eq!((stored(), ca.orders().len()), (1, 2));
}
