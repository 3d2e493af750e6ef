//! Clients by address (ngx_http_access_module).

use ipnet::IpNet;
use seawall_conf::model::{AccessRule, Who};
use std::net::IpAddr;

/// Rules in order; the first that takes a client decides.
#[derive(Default)]
pub struct Rules {
    rules: Vec<(Who, bool)>,
}

impl Rules {
    /// Compiles rules.
    pub fn compile(rules: &[AccessRule]) -> Self {
        Self {
            rules: rules.iter().map(|r| (r.who.clone(), r.allow)).collect(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What is said of a client; `None`: nothing. A client of a unix socket has no address.
    pub fn judge(&self, client: Option<IpAddr>) -> Option<bool> {
        let client = client.map(|ip| ip.to_canonical());
        let takes = |who: &Who| match who {
            Who::All => true,
            Who::Unix => client.is_none(),
            Who::Net(net) => client.is_some_and(|ip| contains(net, ip)),
        };
        self.rules
            .iter()
            .find(|(who, _)| takes(who))
            .map(|(_, allow)| *allow)
    }
}

fn contains(net: &IpNet, ip: IpAddr) -> bool {
    net.contains(&ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_takes_a_client_decides() {
        let rule = |who, allow| AccessRule { who, allow };
        let net = |text: &str| Who::Net(text.parse().unwrap());
        let rules = Rules::compile(&[
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
        let unix = Rules::compile(&[rule(Who::Unix, true), rule(Who::All, false)]);
        assert_eq!(unix.judge(None), Some(true));
    }
}
