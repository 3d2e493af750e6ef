//! Who may do what with a zone: transfer it, change it, and whom it is told to. Nobody, unless said.

use crate::tsig::{Key, Keys};
use crate::{Name, Zones};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Any of them.
    pub address: IpAddr,
    /// How many bits count.
    pub bits: u8,
}

impl Net {
    /// Whether an address is one of these. An IPv4 address written as IPv6 is the IPv4 one.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32u32.saturating_sub(u32::from(self.bits));
                (u32::from(a) ^ u32::from(b))
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128u32.saturating_sub(u32::from(self.bits));
                (u128::from(a) ^ u128::from(b))
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

/// Who may: from one of these addresses and, where keys are named, signed by one of them.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// None means any address, if there are keys.
    pub nets: Vec<Net>,
    /// None means unsigned is enough, if there are addresses.
    pub keys: Vec<Name>,
}

impl Access {
    pub(crate) fn allows(&self, from: IpAddr, signer: Option<&Name>) -> bool {
        if self.nets.is_empty() && self.keys.is_empty() {
            return false;
        }
        let address = self.nets.is_empty() || self.nets.iter().any(|n| n.contains(from));
        let key = self.keys.is_empty()
            || signer.is_some_and(|s| self.keys.iter().any(|k| k.lower() == *s));
        address && key
    }
}

/// Another server.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What signs what is said to it.
    pub key: Option<Arc<Key>>,
}

/// What others may do with a zone.
#[derive(Clone, Debug, Default)]
pub struct ZonePolicy {
    /// Who may transfer it.
    pub transfer: Access,
    /// Who is told when it changes.
    pub notify: Vec<Peer>,
    /// Who may change it (RFC 2136).
    pub update: Access,
}

/// A zone that is copied from other servers.
#[derive(Clone, Debug)]
pub struct Secondary {
    /// Its name.
    pub zone: Name,
    /// Where it is copied from, tried in turn.
    pub primaries: Vec<Peer>,
    /// Where the copy is kept, so that it is served at once after a restart.
    pub file: Option<PathBuf>,
    /// Whether it is a catalog, whose members are copied from the same servers (RFC 9432).
    pub catalog: bool,
}

/// What others may do with each zone.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    zones: HashMap<Name, ZonePolicy>,
    /// All keys.
    pub keys: Keys,
}

impl Policies {
    /// Sets a zone's.
    pub fn insert(&mut self, zone: &Name, policy: ZonePolicy) {
        self.zones.insert(zone.lower(), policy);
    }

    /// Whether anybody may change a zone.
    pub fn may_change(&self, zone: &Name) -> bool {
        let update = self.get(zone).map(|p| &p.update);
        update.is_some_and(|u| !u.nets.is_empty() || !u.keys.is_empty())
    }

    pub(crate) fn get(&self, zone: &Name) -> Option<&ZonePolicy> {
        self.zones.get(&zone.lower())
    }
}

/// Whether there is a zone of exactly this name.
pub(crate) fn is_served(zones: &Zones, name: &Name) -> bool {
    zones.get(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str, bits: u8) -> Net {
        Net {
            address: text.parse().unwrap(),
            bits,
        }
    }

    #[test]
    fn nobody_may_unless_said() {
        let (ip, key) = (
            "192.0.2.7".parse().unwrap(),
            Name::parse("k.", None).unwrap(),
        );
        assert!(!Access::default().allows(ip, Some(&key)));
        let nets = Access {
            nets: vec![net("192.0.2.0", 24)],
            keys: vec![],
        };
        assert!(nets.allows(ip, None) && !nets.allows("192.0.3.7".parse().unwrap(), None));
        let both = Access {
            nets: vec![net("192.0.2.0", 24)],
            keys: vec![key.clone()],
        };
        assert!(both.allows(ip, Some(&key)) && !both.allows(ip, None));
        let signed = Access {
            nets: vec![],
            keys: vec![key.clone()],
        };
        assert!(signed.allows("::1".parse().unwrap(), Some(&key)) && !signed.allows(ip, None));
    }

    #[test]
    fn nets_are_compared_by_their_first_bits() {
        assert!(net("10.0.0.0", 8).contains("::ffff:10.9.9.9".parse().unwrap()));
        assert!(net("0.0.0.0", 0).contains("1.2.3.4".parse().unwrap()));
        assert!(net("2001:db8::", 33).contains("2001:db8:7fff::1".parse().unwrap()));
        assert!(!net("2001:db8::", 33).contains("2001:db8:8000::1".parse().unwrap()));
        assert!(!net("192.0.2.1", 32).contains("192.0.2.2".parse().unwrap()));
    }
}
