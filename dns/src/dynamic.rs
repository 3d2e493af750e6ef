//! Records whose answer depends on health.
//!
//! Health is the balancer's own object behind [`Health`], asked at answer time: there is no second checker whose
//! opinion could differ from the one that routes requests.

use crate::limits::{DYNAMIC_MULTI_MAX, DYNAMIC_TARGETS_MAX};
use crate::policy::Net;
use crate::{Error, RType};
use seawall_nets::Place;
use std::net::IpAddr;

/// What the health of a target is asked by; its meaning is the [`Health`]'s own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthId(pub u32);

/// Whether something is up, and who asks. Asked for every answer by several threads: it must neither lock nor wait.
pub trait Health: Send + Sync {
    /// Whether it is up; an unknown one should count as up, so that a mistake withdraws nothing.
    fn is_up(&self, id: HealthId) -> bool;

    /// Where the client is: its own address, or the network that its resolver tells (RFC 7871).
    fn client(&self) -> Option<IpAddr> {
        None
    }

    /// What a geographical database knows of the client.
    fn place(&self) -> Place {
        Place::default()
    }

    /// A number by chance.
    fn draw(&self) -> u32 {
        0
    }

    /// Notes that an answer depends on more than its question; with `true` on where the client is.
    fn note(&self, _by_client: bool) {}
}

/// Everything is up, always.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysUp;

impl Health for AlwaysUp {
    fn is_up(&self, _: HealthId) -> bool {
        true
    }
}

/// Which targets are answered, of those that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The first.
    #[default]
    Failover,
    /// One by chance, in the proportion of the weights.
    Weighted,
    /// One of those for the smallest network that the client is in, else for its autonomous system, else its country,
    /// else its continent, else of those for nowhere in particular.
    Geo,
    /// One of those for the smallest network that the client is in, else of those for no network.
    Nets,
    /// The nearest one.
    Nearest,
    /// Always the same one for a client's network, as long as it is up.
    Hash,
    /// Several, at most so many.
    Multi(u8),
}

/// What is answered when fewer are up than there should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllDown {
    /// All targets, as if all were up.
    #[default]
    ServeAll,
    /// None: the name has no such record.
    ServeNone,
    /// Other addresses, whatever their state.
    LastResort(Vec<IpAddr>),
}

/// Where a target is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// ISO 3166-1, upper case.
    Country([u8; 2]),
    /// A continent.
    Continent([u8; 2]),
    /// An autonomous system.
    Asn(u32),
}

/// An address that is answered while it is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub address: IpAddr,
    /// What its health is asked by; `None` is always up.
    pub up: Option<HealthId>,
    /// Its share; 0 is only taken when there is nothing else.
    pub weight: u16,
    /// Where it is meant for ([`Policy::Geo`]).
    pub areas: Vec<Area>,
    /// Which clients it is meant for ([`Policy::Nets`]).
    pub nets: Vec<Net>,
    /// Where it is ([`Policy::Nearest`]), as in [`Place::at`].
    pub at: Option<(i32, i32)>,
}

impl Target {
    /// A target of weight 1 for everybody.
    pub fn new(address: IpAddr, up: Option<HealthId>) -> Self {
        Self {
            address,
            up,
            weight: 1,
            areas: Vec::new(),
            nets: Vec::new(),
            at: None,
        }
    }
}

/// A record whose answer depends on health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicRecord {
    /// Its name: relative to the zone, absolute with a dot at its end, or `@`.
    pub owner: String,
    /// [`RType::A`] or [`RType::AAAA`].
    pub rtype: RType,
    /// Seconds an answer may be kept; also how long a failure stays visible.
    pub ttl_s: u32,
    /// The same while a target is down.
    pub degraded_ttl_s: Option<u32>,
    /// How targets are chosen.
    pub policy: Policy,
    /// How many have to be up (at least 1), or what `all_down` says is done.
    pub min_up: usize,
    /// What is answered when fewer are.
    pub all_down: AllDown,
    /// In order of preference.
    pub targets: Vec<Target>,
}

impl DynamicRecord {
    /// A record with the usual settings.
    pub fn new(
        owner: &str,
        rtype: RType,
        ttl_s: u32,
        policy: Policy,
        targets: Vec<Target>,
    ) -> Self {
        Self {
            owner: owner.to_owned(),
            rtype,
            ttl_s,
            degraded_ttl_s: None,
            policy,
            min_up: 1,
            all_down: AllDown::default(),
            targets,
        }
    }
}

/// Refuses what could not be answered.
pub(crate) fn check(record: &DynamicRecord) -> Result<(), Error> {
    if !matches!(record.rtype, RType::A | RType::AAAA) {
        return Err(Error::DynamicType(record.rtype));
    }
    if record.ttl_s > i32::MAX as u32 {
        return Err(Error::TtlTooLarge);
    }
    if record.targets.is_empty() || record.targets.len() > DYNAMIC_TARGETS_MAX {
        return Err(Error::DynamicTargets(record.targets.len()));
    }
    if matches!(record.policy, Policy::Multi(_)) && record.targets.len() > DYNAMIC_MULTI_MAX {
        return Err(Error::DynamicMulti(record.targets.len()));
    }
    let last: &[IpAddr] = match &record.all_down {
        AllDown::LastResort(addresses) => addresses,
        _ => &[],
    };
    let wrong = record
        .targets
        .iter()
        .map(|t| t.address)
        .chain(last.iter().copied())
        .find(|a| a.is_ipv4() != (record.rtype == RType::A));
    match wrong {
        Some(address) => Err(Error::WrongFamily {
            address,
            rtype: record.rtype,
        }),
        None => Ok(()),
    }
}

/// An address as record data.
pub(crate) fn address_data(address: IpAddr) -> Box<[u8]> {
    match address {
        IpAddr::V4(a) => Box::new(a.octets()),
        IpAddr::V6(a) => Box::new(a.octets()),
    }
}
