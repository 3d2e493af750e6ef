//! The servers in use at one version of the pool's state: what a pick runs over.

use crate::{
    ip_hash::Shares, moment::NEVER, options::Algorithm, ring::Ring, rotation::Rotation,
    server::Server,
};
use std::sync::{Arc, atomic::Ordering::Acquire};

/// An immutable picture of a pool. A newer version of the state asks for a new one.
#[derive(Debug)]
pub(crate) struct View {
    /// The lineage's version it shows.
    pub(crate) version: u64,
    /// Primaries in use.
    pub(crate) primaries: Rotation,
    /// Backups in use.
    pub(crate) backups: Rotation,
    /// Servers that only ejection keeps out: primaries, or backups where no primary is left.
    pub(crate) ejected: Rotation,
    /// When the first of them may be probed, in milliseconds; `u64::MAX` when none is ejected.
    pub(crate) next_probe_ms: u64,
    /// When the last slow start ends, in milliseconds; 0 when there is none.
    pub(crate) ramps_until_ms: u64,
    /// The weights of all servers, which the placement depends on.
    weights: Box<[u32]>,
    pub(crate) placement: Placement,
}

/// Where keys belong: over all primaries, in use or not, so that nothing moves but the keys of those that fail.
#[derive(Clone, Debug)]
pub(crate) enum Placement {
    /// Keys do not decide.
    None,
    /// By `ip_hash`.
    Shares(Arc<Shares>),
    /// By `hash`.
    Ring(Arc<Ring>),
}

impl Placement {
    fn new(algorithm: Algorithm, servers: &[Arc<Server>]) -> Self {
        let members = (0u32..)
            .zip(servers)
            .filter(|(_, server)| !server.is_backup())
            .map(|(index, server)| (index, server.weight(), server.address()));
        match algorithm {
            Algorithm::Hash => Self::Ring(Arc::new(Ring::new(members))),
            Algorithm::IpHash => {
                let members = members.map(|(index, weight, _)| (index, weight));
                Self::Shares(Arc::new(Shares::new(members)))
            }
            _ => Self::None,
        }
    }
}

impl View {
    /// The picture now. A ring takes long to draw: the previous one's is taken over where no weight has changed.
    pub(crate) fn new(
        version: u64,
        algorithm: Algorithm,
        servers: &[Arc<Server>],
        previous: Option<&View>,
    ) -> Self {
        let members = |wanted: &dyn Fn(&Server) -> bool| -> Vec<(u32, u32)> {
            let wanted = (0u32..).zip(servers).filter(|(_, server)| wanted(server));
            wanted
                .map(|(index, server)| (index, server.weight()))
                .collect()
        };
        let primaries = members(&|server| !server.is_backup() && server.is_usable());
        let backups = members(&|server| server.is_backup() && server.is_usable());
        let out = |server: &Server| server.is_eligible() && server.health.is_ejected();
        let mut ejected = members(&|server| !server.is_backup() && out(server));
        // Backups are probed by nobody's request while a primary is in use.
        if ejected.is_empty() && primaries.is_empty() {
            ejected = members(&|server| server.is_backup() && out(server));
        }
        let until = |&(index, _): &(u32, u32)| {
            let server = servers.get(index as usize)?;
            Some(server.health.ejected_until.load(Acquire)).filter(|&until| until != NEVER)
        };
        let next_probe_ms = ejected.iter().filter_map(until).min().unwrap_or(u64::MAX);
        let weights: Box<[u32]> = servers.iter().map(|server| server.weight()).collect();
        let placement = previous
            .filter(|previous| previous.weights == weights)
            .map(|previous| previous.placement.clone());
        let ramps = servers.iter().map(|server| server.ramps_until_ms());
        Self {
            version,
            ramps_until_ms: ramps.max().unwrap_or(NEVER),
            weights,
            placement: placement.unwrap_or_else(|| Placement::new(algorithm, servers)),
            primaries: Rotation::new(&primaries),
            backups: Rotation::new(&backups),
            ejected: Rotation::new(&ejected),
            next_probe_ms,
        }
    }
}
