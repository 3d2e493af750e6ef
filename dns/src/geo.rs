//! Where clients are, as DNS asks for it.

use seawall_nets::{Databases, Place};
use std::net::IpAddr;

/// Knows where addresses are. Asked for answers by several threads: it must neither lock nor wait.
pub trait Geo: Send + Sync {
    /// What is known of an address.
    fn place(&self, address: IpAddr) -> Place;
}

impl Geo for Databases {
    fn place(&self, address: IpAddr) -> Place {
        Databases::place(self, address)
    }
}
