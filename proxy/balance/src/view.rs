//! The servers in use at one version of the pool's state: what a pick runs over.

use crate::{moment::NEVER, rotation::Rotation, server::Server};
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
}

impl View {
    pub(crate) fn new(version: u64, servers: &[Arc<Server>]) -> Self {
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
        Self {
            version,
            primaries: Rotation::new(&primaries),
            backups: Rotation::new(&backups),
            ejected: Rotation::new(&ejected),
            next_probe_ms,
        }
    }
}
