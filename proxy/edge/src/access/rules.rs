//! Clients by address (ngx_http_access_module), by named lists, and by the place of their address.

use crate::plan::lists::{ListPlan, Listed, Lists};
use ipnet::IpNet;
use prometheus::IntCounter;
use seawall_conf::model::{AccessRule, Who};
use seawall_nets::{Databases, Place};
use std::{net::IpAddr, sync::Arc};

/// Rules in order; the first that takes a client decides.
#[derive(Default)]
pub struct Rules {
    rules: Vec<(Whom, bool)>,
    places: Option<Arc<Databases>>,
}

enum Whom {
    All,
    Unix,
    Net(IpNet),
    /// A list, and the counter of those it denies.
    List(Arc<ListPlan>, IntCounter),
    Country([u8; 2]),
    System(u32),
}

/// What decides about a client.
pub struct Decision<'r> {
    /// Whether it may pass.
    pub allow: bool,
    /// By which list, by what on it, and what counts those it denies.
    pub list: Option<(&'r ListPlan, Listed, &'r IntCounter)>,
}

impl Rules {
    /// Compiles rules of networks alone: a rule of another kind takes nobody.
    pub fn of_networks(rules: &[AccessRule]) -> Self {
        Self::compile(rules, &Lists::default(), &|_| None)
    }

    /// Compiles rules; `denied` counts those that a list denies, by its name.
    pub fn compile(
        rules: &[AccessRule],
        lists: &Lists,
        denied: &dyn Fn(&str) -> Option<IntCounter>,
    ) -> Self {
        let whom = |who: &Who| match who {
            Who::All => Some(Whom::All),
            Who::Unix => Some(Whom::Unix),
            Who::Net(net) => Some(Whom::Net(*net)),
            Who::List(at) => {
                let list = lists.all.get(*at)?;
                Some(Whom::List(list.clone(), denied(&list.name)?))
            }
            Who::Country(code) => Some(Whom::Country(*code)),
            Who::System(number) => Some(Whom::System(*number)),
        };
        let rules = rules.iter();
        Self {
            rules: rules
                .filter_map(|r| Some((whom(&r.who)?, r.allow)))
                .collect(),
            places: lists.places.clone(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is said of a client; `None`: nothing. A client of a unix socket has no address.
    pub fn judge(&self, client: Option<IpAddr>) -> Option<bool> {
        self.decide(client).map(|decision| decision.allow)
    }

    /// The same with the list that says it.
    pub fn decide(&self, client: Option<IpAddr>) -> Option<Decision<'_>> {
        let client = client.map(|ip| ip.to_canonical());
        let mut looked_up = None;
        let mut place = || {
            *looked_up.get_or_insert_with(|| match (&self.places, client) {
                (Some(places), Some(client)) => places.place(client),
                _ => Place::default(),
            })
        };
        for (whom, allow) in &self.rules {
            let list = match whom {
                Whom::All => None,
                Whom::Unix if client.is_none() => None,
                Whom::Net(net) if client.is_some_and(|ip| net.contains(&ip)) => None,
                Whom::Country(code) if place().country == Some(*code) => None,
                Whom::System(number) if place().asn == Some(*number) => None,
                Whom::List(list, denied) => {
                    let Some(listed) = client.and_then(|ip| list.has(ip, &mut place)) else {
                        continue;
                    };
                    Some((&**list, listed, denied))
                }
                _ => continue,
            };
            return Some(Decision {
                allow: *allow,
                list,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_takes_a_client_decides() {
        let rule = |who, allow| AccessRule { who, allow };
        let net = |text: &str| Who::Net(text.parse().unwrap());
        let rules = Rules::of_networks(&[
            rule(net("10.0.0.1/32"), false),
            rule(net("10.0.0.0/8"), true),
            rule(net("2001:db8::/32"), true),
            rule(Who::All, false),
        ]);
        let judge = |ip: &str| rules.judge(Some(ip.parse().unwrap()));
        assert_eq!(judge("10.0.0.1"), Some(false));
        assert_eq!(judge("10.0.0.2"), Some(true));
        assert_eq!(judge("::ffff:10.0.0.1"), Some(false));
        assert_eq!(judge("2001:db8::1"), Some(true));
        assert_eq!(judge("192.0.2.1"), Some(false));
        assert_eq!(rules.judge(None), Some(false));
        assert_eq!(Rules::default().judge(None), None);
        let unix = Rules::of_networks(&[rule(Who::Unix, true), rule(Who::All, false)]);
        assert_eq!(unix.judge(None), Some(true));
    }
}
