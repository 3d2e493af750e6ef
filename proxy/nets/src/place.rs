//! Where clients are: databases in MaxMind's format, as GeoLite2, DB-IP and IPinfo publish them.

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;
use std::net::IpAddr;

/// Where an address is, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1, upper case.
    pub country: Option<[u8; 2]>,
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
    pub continent: Option<[u8; 2]>,
    /// The autonomous system.
    pub asn: Option<u32>,
    /// Latitude and longitude in ten-thousandths of a degree.
    pub at: Option<(i32, i32)>,
    /// How many bits of the address decide about all this, if that is known.
    pub bits: Option<u8>,
}

/// Databases that complete each other: what an earlier one knows counts, what it does not is asked of the next.
#[derive(Default)]
pub struct Databases(Vec<Reader<Vec<u8>>>);

impl std::fmt::Debug for Databases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} databases of places", self.0.len())
    }
}

/// A database that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this is no MaxMind database of places: {0}")]
pub struct BadDatabase(#[from] MaxMindDbError);

impl Databases {
    /// Takes the bytes of `.mmdb` files.
    ///
    /// # Errors
    /// What is no such file.
    pub fn read(files: Vec<Vec<u8>>) -> Result<Self, BadDatabase> {
        let mut all = Self::default();
        files.into_iter().try_for_each(|bytes| all.add(bytes))?;
        Ok(all)
    }

    /// Takes the bytes of one more `.mmdb` file.
    ///
    /// # Errors
    /// What is no such file; nothing is added then.
    pub fn add(&mut self, bytes: Vec<u8>) -> Result<(), BadDatabase> {
        self.0.push(Reader::from_source(bytes)?);
        Ok(())
    }
}

/// What is read of a record; borrowed, so that an answer allocates nothing.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    #[serde(borrow)]
    registered_country: Option<Country<'a>>,
    #[serde(borrow)]
    continent: Option<Continent<'a>>,
    location: Option<Location>,
    autonomous_system_number: Option<u32>,
}

#[derive(Deserialize)]
struct Country<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Continent<'a> {
    code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Two letters, in upper case.
fn letters(code: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = code.as_bytes().try_into().ok()?;
    Some(code.map(|b| b.to_ascii_uppercase()))
}

impl Found<'_> {
    fn at(&self) -> Option<(i32, i32)> {
        let location = self.location.as_ref()?;
        let parts = |degrees: f64| (degrees * 10_000.0) as i32;
        Some((parts(location.latitude?), parts(location.longitude?)))
    }

    fn country(&self) -> Option<[u8; 2]> {
        let code = |c: &Option<Country<'_>>| c.as_ref().and_then(|c| letters(c.iso_code?));
        code(&self.country).or_else(|| code(&self.registered_country))
    }
}

impl Databases {
    /// What is known of an address.
    pub fn place(&self, address: IpAddr) -> Place {
        let mut place = Place::default();
        for reader in &self.0 {
            let Ok(looked_up) = reader.lookup(address) else {
                continue;
            };
            // An address that is in no database shares that with its network.
            if let Ok(network) = looked_up.network() {
                let bits = if network.is_ipv4() == address.is_ipv4() {
                    network.prefix()
                } else {
                    0
                };
                place.bits = place.bits.max(Some(bits));
            }
            let Ok(Some(found)) = looked_up.decode::<Found<'_>>() else {
                continue;
            };
            let continent = found.continent.as_ref();
            place.country = place.country.or_else(|| found.country());
            place.continent = place
                .continent
                .or_else(|| continent.and_then(|c| letters(c.code?)));
            place.asn = place.asn.or(found.autonomous_system_number);
            place.at = place.at.or_else(|| found.at());
        }
        place
    }
}
