//! How many connections each client has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by client address.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place in its client's count; leaving is dropping it.
pub(super) struct Place {
    clients: Clients,
    /// The client.
    pub address: IpAddr,
}

impl Clients {
    /// A place, unless the client has `most` already.
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Place> {
        let mut counts = self.counts();
        let count = counts.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place {
            clients: self.clone(),
            address,
        })
    }

    /// How many it has.
    pub fn of(&self, address: IpAddr) -> usize {
        self.counts().get(&address).copied().unwrap_or(0)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
