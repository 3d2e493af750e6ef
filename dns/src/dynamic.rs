//! Records whose answer depends on health.
//!
//! Health is the balancer's own object behind [`Health`], asked at answer time: there is no second checker whose
//! opinion could differ from the one that routes requests.

use crate::limits::DYNAMIC_TARGETS_MAX;
use crate::{Error, RType};
use std::net::IpAddr;

/// What the health of a target is asked by; its meaning is the [`Health`]'s own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HealthId(pub u32);

/// Whether something is up. Asked for every answer by several threads: it must neither lock nor wait.
pub trait Health: Send + Sync {
    /// Whether it is up; an unknown one should count as up, so that a mistake withdraws nothing.
    fn is_up(&self, id: HealthId) -> bool;
}

/// Everything is up, always.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysUp;

impl Health for AlwaysUp {
    fn is_up(&self, _: HealthId) -> bool {
        true
    }
}

/// Which targets are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The first that is up; all of them when none is.
    Failover,
}

/// An address that is answered while it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub address: IpAddr,
    /// What its health is asked by; `None` is always up.
    pub up: Option<HealthId>,
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
    /// How targets are chosen.
    pub policy: Policy,
    /// In order of preference.
    pub targets: Vec<Target>,
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
    let wrong = record
        .targets
        .iter()
        .find(|t| t.address.is_ipv4() != (record.rtype == RType::A));
    match wrong {
        Some(target) => Err(Error::WrongFamily {
            address: target.address,
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
