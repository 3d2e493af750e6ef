//! Where a client is, for `$client_country`, `$client_continent` and `$client_asn`: keys of limits and caches, fields for
//! origins, logs. What no database knows, and a client of a unix socket, has an empty value.

use seawall_nets::Databases;
use std::{io::Write, net::IpAddr};

/// A variable about the client's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// `$client_country`: ISO 3166-1, upper case.
    Country,
    /// `$client_continent`: `EU`.
    Continent,
    /// `$client_asn`: the number of its autonomous system.
    Asn,
}

impl Placed {
    /// The variable of a name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "client_country" => Self::Country,
            "client_continent" => Self::Continent,
            "client_asn" => Self::Asn,
            _ => return None,
        })
    }

    /// Appends the value.
    pub fn render(self, places: &Databases, client: Option<IpAddr>, out: &mut Vec<u8>) {
        let Some(client) = client else { return };
        let place = places.place(client.to_canonical());
        match self {
            Self::Country => out.extend(place.country.into_iter().flatten()),
            Self::Continent => out.extend(place.continent.into_iter().flatten()),
            Self::Asn => {
                if let Some(asn) = place.asn {
                    // Writing to memory does not fail.
                    let _ = write!(out, "{asn}");
                }
            }
        }
    }
}
