//! What a CrowdSec server decided: its stream of decisions taken in, bounded, and compiled for being asked by address.
//!
//! A decision holds until it is taken back or its time is over, whatever becomes of the server. Sans-io: time is handed in.

use ahash::RandomState;
use ipnet::IpNet;
use seawall_nets::{Place, Table};
use serde::Deserialize;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// What is to be done with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// It is refused. Also what a kind of decision that is not known here comes to.
    Ban,
    /// It is given a challenge.
    Captcha,
}

/// Whom a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whom {
    /// An address or a range.
    Network(IpNet),
    /// A country (ISO 3166-1, upper case).
    Country([u8; 2]),
    /// An autonomous system.
    System(u32),
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Whom::Network(network) => write!(f, "{network}"),
            Whom::Country(code) => write!(f, "{}", code.escape_ascii()),
            Whom::System(number) => write!(f, "AS{number}"),
        }
    }
}

/// A decision that is held.
#[derive(Debug)]
pub struct Held {
    /// Whom it is about.
    pub whom: Whom,
    /// Until when (seconds since 1970).
    pub until_s: u64,
    /// Why: the name of a scenario.
    pub scenario: Arc<str>,
}

/// What one message changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Decisions that were new, or held anew.
    pub added: usize,
    /// Decisions taken back.
    pub removed: usize,
    /// Decisions that found no room.
    pub dropped: usize,
    /// Decisions about what nothing here is told by.
    pub unknown: usize,
}

/// All decisions that hold.
pub struct Decisions {
    held: HashMap<(Whom, Remedy), (u64, Arc<str>), RandomState>,
    scenarios: HashMap<String, Arc<str>, RandomState>,
    most: usize,
    wanted: Vec<String>,
    /// When the first of them ends.
    first_end_s: u64,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    new: Option<Vec<Told>>,
    #[serde(default)]
    deleted: Option<Vec<Told>>,
}

/// A decision as the server tells it.
#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    duration: String,
    #[serde(default)]
    scenario: String,
    #[serde(default)]
    scope: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    simulated: bool,
}

impl Told {
    fn key(&self) -> Option<(Whom, Remedy)> {
        let remedy = if self.kind.eq_ignore_ascii_case("captcha") {
            Remedy::Captcha
        } else {
            Remedy::Ban
        };
        let whom = match self.scope.to_ascii_lowercase().as_str() {
            "ip" => Whom::Network(self.value.parse::<IpAddr>().ok()?.to_canonical().into()),
            "range" => Whom::Network(self.value.parse::<IpNet>().ok()?.trunc()),
            "country" => {
                let code: [u8; 2] = self.value.as_bytes().try_into().ok()?;
                Whom::Country(code.map(|b| b.to_ascii_uppercase()))
            }
            "as" => {
                let digits = self.value.trim_start_matches(['A', 'a', 'S', 's']);
                Whom::System(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some((whom, remedy))
    }
}

/// A span of time as Go prints it (`3h59m57.5s`), in seconds; nothing that is over, and nothing else, has one.
fn span(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let of_unit = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * of_unit;
        rest = after;
    }
    (seconds > 0.0).then_some(f64::ceil(seconds) as u64)
}

impl Decisions {
    /// None yet; at most so many. `wanted`: only of scenarios that have one of these in their names.
    pub fn new(most: usize, wanted: Vec<String>) -> Self {
        Self {
            held: HashMap::default(),
            scenarios: HashMap::default(),
            most,
            wanted,
            first_end_s: u64::MAX,
        }
    }

    /// Takes a message in: the whole of what the server holds, or what changed.
    ///
    /// # Errors
    /// What is no such message; nothing is changed then.
    pub fn take(&mut self, message: &[u8], whole: bool, now_s: u64) -> Result<Taken, String> {
        // A list would be taken for the fields of a message in their order.
        if !message.trim_ascii_start().starts_with(b"{") {
            return Err("no decisions: no object".into());
        }
        let message: Message =
            serde_json::from_slice(message).map_err(|e| format!("no decisions: {e}"))?;
        if whole {
            self.held.clear();
            self.scenarios.clear();
            self.first_end_s = u64::MAX;
        }
        let mut taken = Taken::default();
        for told in message.deleted.into_iter().flatten() {
            if told
                .key()
                .is_some_and(|key| self.held.remove(&key).is_some())
            {
                taken.removed += 1;
            }
        }
        for told in message.new.into_iter().flatten() {
            self.add(&told, now_s, &mut taken);
        }
        Ok(taken)
    }

    fn add(&mut self, told: &Told, now_s: u64, taken: &mut Taken) {
        let is_wanted =
            self.wanted.is_empty() || self.wanted.iter().any(|part| told.scenario.contains(part));
        if told.simulated || !is_wanted {
            return;
        }
        let Some(key) = told.key() else {
            taken.unknown += 1;
            return;
        };
        let Some(left_s) = span(&told.duration) else {
            return;
        };
        if self.held.len() >= self.most && !self.held.contains_key(&key) {
            taken.dropped += 1;
            return;
        }
        let until_s = now_s.saturating_add(left_s);
        let scenario = match self.scenarios.get(&told.scenario) {
            Some(known) => known.clone(),
            None => {
                let made: Arc<str> = Arc::from(told.scenario.as_str());
                self.scenarios.insert(told.scenario.clone(), made.clone());
                made
            }
        };
        self.first_end_s = self.first_end_s.min(until_s);
        self.held.insert(key, (until_s, scenario));
        taken.added += 1;
    }

    /// Forgets those whose time is over; whether there were any.
    pub fn expire(&mut self, now_s: u64) -> bool {
        if self.first_end_s > now_s {
            return false;
        }
        let before = self.held.len();
        self.held.retain(|_, (until_s, _)| *until_s > now_s);
        let ends = self.held.values().map(|(until_s, _)| *until_s);
        self.first_end_s = ends.min().unwrap_or(u64::MAX);
        self.held.len() < before
    }

    /// Compiled for being asked.
    pub fn compiled(&self) -> Compiled {
        let mut all = Vec::with_capacity(self.held.len());
        let (mut bans, mut captchas) = (Sorted::default(), Sorted::default());
        for ((whom, remedy), (until_s, scenario)) in &self.held {
            let at = all.len() as u32;
            all.push(Held {
                whom: *whom,
                until_s: *until_s,
                scenario: scenario.clone(),
            });
            let into = match remedy {
                Remedy::Ban => &mut bans,
                Remedy::Captcha => &mut captchas,
            };
            into.count += 1;
            match whom {
                Whom::Network(network) => into.networks.push((*network, at)),
                Whom::Country(code) => drop(into.countries.insert(*code, at)),
                Whom::System(number) => drop(into.systems.insert(*number, at)),
            }
        }
        Compiled {
            all,
            bans: bans.into(),
            captchas: captchas.into(),
        }
    }
}

#[derive(Default)]
struct Sorted {
    count: usize,
    networks: Vec<(IpNet, u32)>,
    countries: HashMap<[u8; 2], u32, RandomState>,
    systems: HashMap<u32, u32, RandomState>,
}

/// Decisions of one remedy, by whom they are about.
#[derive(Default)]
struct By {
    count: usize,
    networks: Table<u32>,
    countries: HashMap<[u8; 2], u32, RandomState>,
    systems: HashMap<u32, u32, RandomState>,
}

impl From<Sorted> for By {
    fn from(sorted: Sorted) -> Self {
        Self {
            count: sorted.count,
            networks: Table::new(sorted.networks),
            countries: sorted.countries,
            systems: sorted.systems,
        }
    }
}

/// Decisions, compiled.
#[derive(Default)]
pub struct Compiled {
    all: Vec<Held>,
    bans: By,
    captchas: By,
}

impl Compiled {
    /// What is decided about a client: a ban before a captcha, its address before its place.
    pub fn find(
        &self,
        client: IpAddr,
        now_s: u64,
        place: &mut dyn FnMut() -> Place,
    ) -> Option<(Remedy, &Held)> {
        [(Remedy::Ban, &self.bans), (Remedy::Captcha, &self.captchas)]
            .into_iter()
            .find_map(|(remedy, by)| {
                let found = self.of(by, client, place)?;
                (found.until_s > now_s).then_some((remedy, found))
            })
    }

    fn of(&self, by: &By, client: IpAddr, place: &mut dyn FnMut() -> Place) -> Option<&Held> {
        if let Some((_, at)) = by.networks.find(client) {
            return self.all.get(at as usize);
        }
        if by.countries.is_empty() && by.systems.is_empty() {
            return None;
        }
        let place = place();
        let country = place.country.and_then(|code| by.countries.get(&code));
        let system = || place.asn.and_then(|number| by.systems.get(&number));
        self.all.get(*country.or_else(system)? as usize)
    }

    /// How many bans and captchas there are.
    pub fn count(&self) -> (usize, usize) {
        (self.bans.count, self.captchas.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(scope: &str, value: &str, kind: &str, duration: &str) -> String {
        format!(
            r#"{{"id":1,"origin":"cscli","scenario":"s/{kind}","scope":"{scope}","value":"{value}","type":"{kind}","duration":"{duration}"}}"#
        )
    }

    fn message(new: &[String], deleted: &[String]) -> Vec<u8> {
        let (new, deleted) = (new.join(","), deleted.join(","));
        format!(r#"{{"new":[{new}],"deleted":[{deleted}]}}"#).into_bytes()
    }

    fn found(decisions: &Decisions, client: &str, now_s: u64) -> Option<Remedy> {
        let place = Place {
            country: Some(*b"DE"),
            asn: Some(64_500),
            ..Place::default()
        };
        let compiled = decisions.compiled();
        let found = compiled.find(client.parse().unwrap(), now_s, &mut || {
            if client.starts_with("198.51.100.") {
                place
            } else {
                Place::default()
            }
        });
        found.map(|(remedy, _)| remedy)
    }

    #[test]
    fn decisions_hold_until_they_are_taken_back_or_over() {
        let mut decisions = Decisions::new(100, Vec::new());
        let ban = told("Ip", "192.0.2.1", "ban", "1m0.5s");
        let range = told("range", "203.0.113.7/24", "captcha", "4h");
        let six = told("IP", "2001:db8::1", "ban", "1h");
        let first = decisions.take(&message(&[ban.clone(), range, six], &[]), true, 1000);
        assert_eq!(first.map(|t| t.added), Ok(3));
        assert_eq!(found(&decisions, "192.0.2.1", 1060), Some(Remedy::Ban));
        assert_eq!(
            found(&decisions, "::ffff:192.0.2.1", 1060),
            Some(Remedy::Ban)
        );
        assert_eq!(found(&decisions, "192.0.2.1", 1061), None);
        assert_eq!(
            found(&decisions, "203.0.113.99", 1061),
            Some(Remedy::Captcha)
        );
        assert_eq!(found(&decisions, "2001:db8::1", 1061), Some(Remedy::Ban));
        assert!(!decisions.expire(1060) && decisions.expire(1061));
        assert_eq!(decisions.compiled().count(), (1, 1));
        // What has no new decisions leaves the others; a null is none.
        let none = br#"{"new":null,"deleted":null}"#;
        assert_eq!(decisions.take(none, false, 1061), Ok(Taken::default()));
        let again = told("Range", "203.0.113.0/24", "captcha", "-1s");
        let taken = decisions
            .take(&message(&[], &[again]), false, 1061)
            .unwrap();
        assert_eq!(taken.removed, 1);
        assert_eq!(found(&decisions, "203.0.113.99", 1061), None);
        // The whole takes the place of all that was.
        decisions.take(&message(&[ban], &[]), true, 2000).unwrap();
        assert_eq!(found(&decisions, "2001:db8::1", 2000), None);
        assert_eq!(found(&decisions, "192.0.2.1", 2000), Some(Remedy::Ban));
    }

    #[test]
    fn a_ban_counts_before_a_captcha_and_places_are_asked_last() {
        let mut decisions = Decisions::new(100, Vec::new());
        let all = [
            told("Ip", "192.0.2.1", "captcha", "1h"),
            told("Range", "192.0.2.0/24", "ban", "1h"),
            told("Country", "de", "captcha", "1h"),
            told("AS", "64500", "throttle", "1h"),
        ];
        decisions.take(&message(&all, &[]), true, 0).unwrap();
        assert_eq!(found(&decisions, "192.0.2.1", 1), Some(Remedy::Ban));
        assert_eq!(found(&decisions, "198.51.100.1", 1), Some(Remedy::Ban));
        let gone = told("AS", "AS64500", "throttle", "");
        decisions.take(&message(&[], &[gone]), false, 0).unwrap();
        assert_eq!(found(&decisions, "198.51.100.1", 1), Some(Remedy::Captcha));
        assert_eq!(found(&decisions, "8.8.8.8", 1), None);
    }

    #[test]
    fn what_is_hostile_or_not_meant_is_left_out() {
        let mut decisions = Decisions::new(2, vec!["ssh".into()]);
        let one =
            |value: &str, scenario: &str| told("Ip", value, "ban", "1h").replace("s/ban", scenario);
        let all = [
            one("192.0.2.1", "a/ssh-bf"),
            one("192.0.2.2", "a/http-probing"),
            one("192.0.2.3", "ssh"),
            one("192.0.2.4", "ssh"),
            one("shop.test", "ssh"),
            told("Username", "root", "ban", "1h").replace("s/ban", "ssh"),
            one("192.0.2.5", "ssh").replace("1h", "soon"),
            one("192.0.2.6", "ssh").replace("\"id\":1", "\"simulated\":true"),
        ];
        let taken = decisions.take(&message(&all, &[]), true, 0).unwrap();
        let expected = Taken {
            added: 2,
            removed: 0,
            dropped: 1,
            unknown: 2,
        };
        assert_eq!(taken, expected);
        // One that is held is renewed though there is no room.
        let renewed = message(&[one("192.0.2.1", "ssh")], &[]);
        assert_eq!(
            decisions.take(&renewed, false, 9000).map(|t| t.added),
            Ok(1)
        );
        assert_eq!(found(&decisions, "192.0.2.1", 9001), Some(Remedy::Ban));
        for bad in [&b""[..], b"[]", b"{\"new\":{}}", b"\xff", b"null"] {
            assert!(decisions.take(bad, true, 0).is_err(), "{bad:?}");
        }
        assert_eq!(
            decisions.compiled().count(),
            (2, 0),
            "a bad message changes nothing"
        );
    }

    #[test]
    fn spans_are_go_s() {
        for (text, expected) in [
            ("4h", Some(14_400)),
            ("3h59m57.999s", Some(14_398)),
            ("10m0s", Some(600)),
            ("1.5s", Some(2)),
            ("250ms", Some(1)),
            ("7us", Some(1)),
            ("-1h2s", None),
            ("0s", None),
            ("", None),
            ("4", None),
            ("4d", None),
            ("h", None),
            ("9e9h", None),
        ] {
            assert_eq!(span(text), expected, "{text}");
        }
        assert_eq!(span(&format!("{}h", "9".repeat(400))), Some(u64::MAX));
    }
}
