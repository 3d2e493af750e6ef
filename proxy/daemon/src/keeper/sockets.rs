//! The table of listening sockets: bound once, handed to every worker.

use seawall_sys::{
    Error,
    listen::{BindOptions, Endpoint, Siblings},
};
use std::collections::BTreeMap;

/// How everything is bound.
pub const OPTIONS: BindOptions = BindOptions::DEFAULT;

/// The sockets held, by what they listen on.
#[derive(Debug, Default)]
pub struct Sockets {
    held: BTreeMap<Endpoint, Siblings>,
}

impl Sockets {
    /// The sockets of an address, at least `count` of them: those held already, so that what waits in their queues is
    /// served, or new ones.
    pub fn listen(&mut self, endpoint: Endpoint, count: usize) -> Result<&Siblings, Error> {
        use std::collections::btree_map::Entry;
        match self.held.entry(endpoint) {
            Entry::Occupied(held) => {
                let siblings = held.into_mut();
                siblings.grow(count)?;
                Ok(siblings)
            }
            Entry::Vacant(place) => {
                let siblings = Siblings::bind(place.key().clone(), count, OPTIONS)?;
                Ok(place.insert(siblings))
            }
        }
    }

    /// Removes the files of sockets that [were closed](Self::close).
    pub fn remove(mut self) {
        self.retain(&[]);
    }

    /// Holds what another keeper has bound.
    pub fn adopt(&mut self, siblings: Siblings) {
        self.held.insert(siblings.endpoint().clone(), siblings);
    }

    /// All that are held.
    pub fn iter(&self) -> impl Iterator<Item = &Siblings> {
        self.held.values()
    }

    /// Closes what listens on other addresses.
    pub fn retain(&mut self, used: &[Endpoint]) {
        let unused: Vec<Endpoint> = self
            .held
            .keys()
            .filter(|e| !used.contains(e))
            .cloned()
            .collect();
        for endpoint in unused {
            if let Some(siblings) = self.held.remove(&endpoint) {
                siblings.close();
            }
        }
    }

    /// Closes all: new connections are refused from now on. Gives back those that have a file, which their owner removes.
    #[must_use]
    pub fn close(&mut self) -> Self {
        let is_file = |endpoint: &Endpoint, _: &mut Siblings| matches!(endpoint, Endpoint::Unix(_));
        let files = self.held.extract_if(.., is_file).collect();
        self.retain(&[]);
        Self { held: files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn loopback() -> Endpoint {
        Endpoint::Tcp("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn asking_again_gives_the_same_sockets() {
        let mut sockets = Sockets::default();
        let first = sockets
            .listen(loopback(), 2)
            .unwrap()
            .local_address()
            .unwrap();
        let again = sockets.listen(loopback(), 3).unwrap();
        assert_eq!((again.local_address().unwrap(), again.len()), (first, 3));
    }

    #[test]
    fn what_is_not_retained_refuses_connections() {
        let mut sockets = Sockets::default();
        let address = sockets
            .listen(loopback(), 1)
            .unwrap()
            .local_address()
            .unwrap()
            .unwrap();
        sockets.retain(&[loopback()]);
        assert!(TcpStream::connect(address).is_ok());
        sockets.retain(&[Endpoint::Udp("127.0.0.1:0".parse().unwrap())]);
        assert!(TcpStream::connect(address).is_err());
    }
}
