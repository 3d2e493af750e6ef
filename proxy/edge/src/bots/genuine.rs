//! Whether a crawler is whose it says it is: the name of its address is below its operator's domain, and leads back to the
//! address (as the operators themselves say how to tell). Answers are remembered; what cannot be told is not genuine.
//!
//! Limits: [`KNOWN_MAX`], [`LOOKUPS_MAX`], [`WAIT`].

use crate::discovery::Resolver;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// Addresses whose answer is remembered; one more forgets all.
pub const KNOWN_MAX: usize = 16_384;
/// Addresses looked up at once; more are not genuine for now.
pub const LOOKUPS_MAX: usize = 64;
/// How long name servers are waited for.
pub const WAIT: Duration = Duration::from_secs(3);
/// Names of an address that are looked at.
const NAMES_MAX: usize = 4;

/// How long an answer holds: that it is, that it is not, that nothing was learned.
const IS: Duration = Duration::from_secs(24 * 3600);
const IS_NOT: Duration = Duration::from_secs(3600);
const UNTOLD: Duration = Duration::from_secs(60);

/// Addresses that were looked up.
#[derive(Default)]
pub struct Genuine {
    known: Mutex<HashMap<(IpAddr, u64), (bool, Instant)>>,
    lookups: AtomicUsize,
}

impl Genuine {
    /// Whether an address is of one of these domains.
    pub async fn is(&self, address: IpAddr, domains: &[String], servers: &[SocketAddr]) -> bool {
        let key = (address, sum(domains));
        if let Some((is, until)) = self.known.lock().get(&key)
            && *until > Instant::now()
        {
            return *is;
        }
        if self.lookups.fetch_add(1, Ordering::Relaxed) >= LOOKUPS_MAX {
            self.lookups.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let asked = tokio::time::timeout(WAIT, look_up(address, domains, servers)).await;
        self.lookups.fetch_sub(1, Ordering::Relaxed);
        let (is, holds) = match asked {
            Ok(Ok(true)) => (true, IS),
            Ok(Ok(false)) => (false, IS_NOT),
            Ok(Err(_)) | Err(_) => (false, UNTOLD),
        };
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, (is, Instant::now() + holds));
        is
    }
}

fn sum(domains: &[String]) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::LazyLock;
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    STATE.hash_one(domains)
}

async fn look_up(
    address: IpAddr,
    domains: &[String],
    servers: &[SocketAddr],
) -> Result<bool, String> {
    let resolver = Resolver::new(servers);
    let names = resolver.names(address).await?;
    for name in names.iter().take(NAMES_MAX) {
        if domains.iter().any(|domain| is_below(name, domain)) {
            let (addresses, _) = resolver.addresses(name).await?;
            if addresses.iter().any(|a| a.to_canonical() == address) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a name is a domain or below it.
fn is_below(name: &str, domain: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match name.strip_suffix(domain) {
        Some(before) => before.is_empty() || before.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_domain_has_what_is_below_it_and_nothing_beside() {
        assert!(is_below("crawl-1.GoogleBot.com.", "googlebot.com") && is_below("a.b", "a.b"));
        assert!(!is_below("evilgooglebot.com", "googlebot.com"));
        assert!(!is_below("googlebot.com.evil.test", "googlebot.com") && !is_below("", "a.b"));
    }
}
