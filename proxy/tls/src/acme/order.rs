//! One order, from the account to a certificate that may be served.

use super::{
    challenges::{Challenges, Held, Zones},
    http::{Https, Seen},
    limits::POLL_TIME_MAX,
    managed::Managed,
    options::{AcmeOptions, Challenge},
    resolve::Lookup,
    schedule::Validity,
    store::Store,
    timeline::{Step, tame},
};
use crate::{
    certificate,
    client::{ClientOptions, client_config},
    limits::CLOCK_SKEW,
};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::sign::CertifiedKey;
use std::{
    error::Error as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What an order needs.
pub(super) struct Ordering<'a> {
    pub(super) managed: &'a Managed,
    pub(super) options: &'a AcmeOptions,
    pub(super) directory: usize,
    pub(super) challenges: &'a Arc<Challenges>,
    pub(super) zones: &'a Arc<dyn Zones>,
    pub(super) lookup: &'a Lookup,
    pub(super) store: &'a Store,
    /// One account is made at a time.
    pub(super) accounts: &'a tokio::sync::Mutex<()>,
}

/// A certificate that was issued and checked.
pub(super) struct Issued {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
    pub(super) key_pem: String,
    pub(super) chain_pem: String,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) text: String,
    /// The CA's type of problem, such as `rateLimited`.
    pub(super) problem: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(step: Step, text: impl Into<String>) -> Self {
        Self {
            step,
            text: text.into(),
            problem: None,
            retry_after: None,
        }
    }
}

/// A CA, and how it has answered.
pub(super) struct Ca {
    pub(super) account: Account,
    seen: Seen,
}

impl Ordering<'_> {
    /// Runs the order.
    pub(super) async fn obtain(&self) -> Result<Issued, Failure> {
        let ca = self.open_account().await?;
        let names = self.managed.names();
        let mut order = self.place(&ca).await?;
        let held = self.prove(&ca, &mut order).await?;
        self.validated(&ca, &mut order).await?;
        // The proofs have been looked at.
        drop(held);
        let (key_pem, chain_pem) = self.issue(&ca, &mut order, names).await?;
        let issued = checked(names, key_pem, chain_pem)?;
        let days = issued
            .validity
            .not_after
            .duration_since(SystemTime::now())
            .map_or(0, |life| life.as_secs() / 86_400);
        let text =
            format!("it fits its key, names what was asked for, and is valid for {days} days");
        self.managed.note(Step::Check, true, &text);
        Ok(issued)
    }

    fn directory(&self) -> &str {
        let directories = &self.options.directories;
        directories.get(self.directory).map_or("", String::as_str)
    }

    /// The account at the CA: made once, then the stored one.
    pub(super) async fn open_account(&self) -> Result<Ca, Failure> {
        let fail = |text: String| Failure::new(Step::Account, text);
        let directory = self.directory();
        let tls = client_config(&ClientOptions {
            ca_pem: self.options.roots_pem.as_deref(),
            verify: true,
            ..ClientOptions::default()
        })
        .map_err(|e| fail(e.to_string()))?;
        let (https, seen) = Https::new(tls, self.options.request_time);
        let builder = Account::builder_with_http(Box::new(https));
        let stored = || {
            let stored = self.store.account(directory);
            stored.map_err(|e| Failure::new(Step::Store, e.to_string()))
        };
        let mut known = stored()?;
        // Who waits here finds the account that another has made meanwhile.
        let _one = match known {
            Some(_) => None,
            None => Some(self.accounts.lock().await),
        };
        if known.is_none() {
            known = stored()?;
        }
        if let Some(json) = known {
            match serde_json::from_slice::<AccountCredentials>(&json) {
                Ok(credentials) => {
                    let account = builder.from_credentials(credentials).await;
                    let account =
                        account.map_err(|e| failure(Step::Account, directory, &e, &seen))?;
                    let text = format!("the account {} at {directory} is used", account.id());
                    self.managed.note(Step::Account, true, &text);
                    return Ok(Ca { account, seen });
                }
                Err(e) => {
                    self.store.retire_account(directory);
                    return Err(fail(format!(
                        "the stored account cannot be read ({e}); it is put aside and a new one is made next time"
                    )));
                }
            }
        }
        // An account that could not be kept would be made again and again.
        self.store
            .probe()
            .map_err(|e| Failure::new(Step::Store, format!("no account is made: {e}")))?;
        let contact: Vec<String> = self
            .options
            .contact
            .iter()
            .map(|mail| format!("mailto:{mail}"))
            .collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let external = self.options.external_account.as_ref();
        let external = external
            .filter(|_| self.directory == 0)
            .map(|e| ExternalAccountKey::new(e.key_id.clone(), &e.key));
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder
            .create(&wanted, directory.to_owned(), external.as_ref())
            .await;
        let (account, credentials) =
            made.map_err(|e| failure(Step::Account, directory, &e, &seen))?;
        let json = serde_json::to_vec(&credentials).map_err(|e| fail(e.to_string()))?;
        let kept = self.store.put_account(directory, &json);
        kept.map_err(|e| Failure::new(Step::Store, format!("the new account is lost: {e}")))?;
        let text = format!("the account {} was made at {directory}", account.id());
        self.managed.note(Step::Account, true, &text);
        Ok(Ca { account, seen })
    }

    async fn place(&self, ca: &Ca) -> Result<Order, Failure> {
        let names = self.managed.names();
        let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
        let wanted = || match &self.options.profile {
            Some(profile) => NewOrder::new(&identifiers).profile(profile),
            None => NewOrder::new(&identifiers),
        };
        // A renewal says so (RFC 9773 §5), where the CA wants to know.
        let old = self
            .managed
            .with(|s| s.validity)
            .and(self.managed.live().get());
        let old = old.as_ref().and_then(|key| key.cert.first());
        let replaced = old.and_then(|der| CertificateIdentifier::try_from(der).ok());
        let placed = match replaced {
            Some(replaced) => match ca.account.new_order(&wanted().replaces(replaced)).await {
                // It does not, or thinks that the old one is replaced already.
                Err(Error::Unsupported(_) | Error::Other(_)) => {
                    ca.account.new_order(&wanted()).await
                }
                Err(Error::Api(p)) if is_about_replacing(&p) => {
                    ca.account.new_order(&wanted()).await
                }
                placed => placed,
            },
            None => ca.account.new_order(&wanted()).await,
        };
        let order = placed.map_err(|e| {
            let failure = failure(Step::Order, self.directory(), &e, &ca.seen);
            if failure.problem.as_deref() == Some("accountDoesNotExist") {
                self.store.retire_account(self.directory());
            }
            failure
        })?;
        let text = format!("ordered for {}", names.join(", "));
        self.managed.note(Step::Order, true, &text);
        Ok(order)
    }

    /// Puts a proof up for each name that the CA wants one for, and tells it.
    async fn prove(&self, ca: &Ca, order: &mut Order) -> Result<Vec<Held>, Failure> {
        let kind = self.options.challenge_for(self.managed.names());
        let wanted = match kind {
            Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Challenge::Http01 => ChallengeType::Http01,
            Challenge::Dns01 => ChallengeType::Dns01,
        };
        let fail = |e: Error| failure(Step::Challenge, self.directory(), &e, &ca.seen);
        let mut held = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(fail)?;
            let name = tame(&authorization.identifier().to_string());
            match authorization.status {
                AuthorizationStatus::Pending => {}
                AuthorizationStatus::Valid => {
                    let text = format!("{name}: the CA remembers an earlier proof");
                    self.managed.note(Step::Challenge, true, &text);
                    continue;
                }
                status => {
                    let text = format!("{name}: the authorization is {status:?}");
                    return Err(Failure::new(Step::Challenge, text));
                }
            }
            let offered: Vec<String> = authorization
                .challenges
                .iter()
                .map(|c| format!("{:?}", c.r#type))
                .collect();
            let Some(mut challenge) = authorization.challenge(wanted.clone()) else {
                let offered = tame(&offered.join(", "));
                let text = format!("{name}: the CA offers {offered}, not {}", kind.name());
                return Err(Failure::new(Step::Challenge, text));
            };
            let print = challenge.key_authorization();
            let (proof, text) = match kind {
                Challenge::TlsAlpn01 => {
                    let made = self.challenges.put_alpn(&name, print.digest().as_ref());
                    let proof = made.map_err(|e| Failure::new(Step::Challenge, e.to_string()))?;
                    (proof, "is answered in handshakes".to_owned())
                }
                Challenge::Http01 => (
                    self.challenges.put_http(&challenge.token, print.as_str()),
                    "is answered on plain HTTP".to_owned(),
                ),
                Challenge::Dns01 => self.publish(&name, &print.dns_value()).await?,
            };
            held.push(proof);
            let text = format!("{name}: {} {text}", kind.name());
            self.managed.note(Step::Challenge, true, &text);
            challenge.set_ready().await.map_err(fail)?;
        }
        Ok(held)
    }

    async fn publish(&self, name: &str, value: &str) -> Result<(Held, String), Failure> {
        let fail = |text: String| Failure::new(Step::Challenge, format!("{name}: dns-01: {text}"));
        let place = self.lookup.challenge_place(name, &**self.zones).await;
        let place = place.map_err(&fail)?;
        let text = format!("is answered at {place}");
        let (zones, value) = (Arc::clone(self.zones), value.to_owned());
        let put = {
            let (zones, place, value) = (Arc::clone(&zones), place.clone(), value.clone());
            // A zone may be compiled anew for it: that is not for a runtime's thread.
            tokio::task::spawn_blocking(move || zones.put(&place, &value)).await
        };
        put.unwrap_or_else(|e| Err(e.to_string())).map_err(fail)?;
        let take_down = move || {
            let remove = move || zones.remove(&place, &value);
            match tokio::runtime::Handle::try_current() {
                Ok(handle) => drop(handle.spawn_blocking(remove)),
                Err(_) => remove(),
            }
        };
        Ok((Held::of(take_down), text))
    }

    async fn validated(&self, ca: &Ca, order: &mut Order) -> Result<(), Failure> {
        let polled = order.poll_ready(&patience()).await;
        match polled {
            Ok(OrderStatus::Ready) => {
                let text = "the CA has seen the proofs";
                self.managed.note(Step::Validation, true, text);
                Ok(())
            }
            Ok(status) => Err(self
                .refusal(order, None, &format!("the order is {status:?}"))
                .await),
            Err(Error::Api(problem)) => {
                let text = said(&problem);
                Err(self.refusal(order, Some(&problem), &text).await)
            }
            Err(e) => Err(failure(Step::Validation, self.directory(), &e, &ca.seen)),
        }
    }

    /// Why the CA is not convinced: that stands with the challenges.
    async fn refusal(&self, order: &mut Order, of_order: Option<&Problem>, text: &str) -> Failure {
        let mut reasons = Vec::new();
        let mut kind = of_order.and_then(kind_of);
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if authorization.refresh().await.is_err() {
                continue;
            }
            let name = authorization.identifier().to_string();
            for problem in authorization
                .challenges
                .iter()
                .filter_map(|c| c.error.as_ref())
            {
                reasons.push(format!("{name}: {}", said(problem)));
                kind = kind.or_else(|| kind_of(problem));
            }
        }
        let text = if reasons.is_empty() {
            text.to_owned()
        } else {
            reasons.join("; ")
        };
        Failure {
            step: Step::Validation,
            text: tame(&text),
            problem: kind,
            retry_after: None,
        }
    }

    async fn issue(
        &self,
        ca: &Ca,
        order: &mut Order,
        names: &[String],
    ) -> Result<(String, String), Failure> {
        let made = || -> Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = DistinguishedName::new();
            let request = params.serialize_request(&key)?;
            Ok((key.serialize_pem(), request))
        };
        let (key_pem, request) =
            made().map_err(|e| Failure::new(Step::Issue, format!("no request: {e}")))?;
        let fail = |e: Error| failure(Step::Issue, self.directory(), &e, &ca.seen);
        order.finalize_csr(request.der()).await.map_err(fail)?;
        let chain_pem = order.poll_certificate(&patience()).await.map_err(fail)?;
        self.managed.note(Step::Issue, true, "the CA has issued");
        Ok((key_pem, chain_pem))
    }
}

impl Ca {
    /// When the CA would like a certificate to be renewed, and when it wants to be asked again.
    pub(super) async fn renewal_info(
        &self,
        key: &CertifiedKey,
    ) -> Result<((SystemTime, SystemTime), Duration, Option<String>), Error> {
        let leaf = key.cert.first().ok_or(Error::Str("no certificate"))?;
        let id = CertificateIdentifier::try_from(leaf).map_err(|e| Error::Other(e.into()))?;
        let (info, again) = self.account.renewal_info(&id).await?;
        let window = info.suggested_window;
        Ok((
            (window.start.into(), window.end.into()),
            again,
            info.explanation_url,
        ))
    }
}

/// How patiently a CA's work is waited for. Its `Retry-After` counts in between.
fn patience() -> RetryPolicy {
    RetryPolicy::new()
        .initial_delay(Duration::from_millis(250))
        .backoff(1.5)
        .timeout(POLL_TIME_MAX)
}

/// Only what fits its key, names what was asked for and is valid now may be served.
fn checked(names: &[String], key_pem: String, chain_pem: String) -> Result<Issued, Failure> {
    let fail =
        |text: String| Failure::new(Step::Check, format!("the certificate is not used: {text}"));
    let key = certificate::certified_key(chain_pem.as_bytes(), key_pem.as_bytes())
        .map_err(|e| fail(tame(&e.to_string())))?;
    let has = certificate::names(&key);
    if let Some(missing) = names.iter().find(|name| !has.contains(name)) {
        return Err(fail(format!(
            "{missing} was asked for, and it is for {}",
            tame(&has.join(", "))
        )));
    }
    let validity = certificate::validity(&key)
        .ok_or_else(|| fail("its validity cannot be read".to_owned()))?;
    let now = SystemTime::now();
    if validity.not_after <= now {
        return Err(fail("it has expired".to_owned()));
    }
    if validity.not_before > now + CLOCK_SKEW {
        return Err(fail("it is not valid yet: is the clock right?".to_owned()));
    }
    Ok(Issued {
        key,
        validity,
        key_pem,
        chain_pem,
    })
}

fn is_about_replacing(problem: &Problem) -> bool {
    matches!(
        kind_of(problem).as_deref(),
        Some("alreadyReplaced" | "malformed" | "conflict")
    )
}

/// `rateLimited` of `urn:ietf:params:acme:error:rateLimited`.
fn kind_of(problem: &Problem) -> Option<String> {
    let kind = problem.r#type.as_deref()?;
    Some(tame(kind.rsplit(':').next().unwrap_or(kind)))
}

/// A CA's problem in its own words.
fn said(problem: &Problem) -> String {
    let mut text = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        text.push_str("; ");
        text.push_str(&part.to_string());
    }
    if let Some(kind) = kind_of(problem) {
        text = format!("{text} ({kind})");
    }
    tame(&text)
}

/// An error of the client library, with what it does not say.
fn failure(step: Step, directory: &str, error: &Error, seen: &Seen) -> Failure {
    let retry_after = seen.retry_after();
    let (text, problem) = match error {
        Error::Api(problem) => (format!("the CA says: {}", said(problem)), kind_of(problem)),
        Error::Json(e) => (
            match seen.status() {
                Some(status) if status >= 400 => {
                    format!("{directory} answered {status} without saying why")
                }
                _ => format!("{directory} answered something that is not ACME: {e}"),
            },
            None,
        ),
        Error::Timeout(_) => ("the CA did not come to an end in time".to_owned(), None),
        other => {
            let mut text = other.to_string();
            let mut source = other.source();
            while let Some(inner) = source {
                let inner_text = inner.to_string();
                if !text.contains(&inner_text) {
                    text = format!("{text}: {inner_text}");
                }
                source = inner.source();
            }
            (text, None)
        }
    };
    Failure {
        step,
        text: tame(&text),
        problem,
        retry_after,
    }
}
