//! What stands before a stream's first query: a PROXY header, which says who the client is.

use crate::limits::PROXY_HEADER_BYTES_MAX;
use crate::policy::Net;
use std::net::IpAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The beginning of a header.
    More,
    /// A header of so many bytes. Without an address the proxy speaks for itself.
    Whole(Option<IpAddr>, usize),
    /// No header.
    None,
}

/// Proxies that say before each connection who it is from.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Their addresses.
    pub from: Vec<Net>,
    /// Reads a header.
    pub read: fn(&[u8]) -> Header,
}

impl Proxies {
    /// Whether a peer is one of them.
    pub(super) fn admits(&self, peer: IpAddr) -> bool {
        self.from.iter().any(|net| net.contains(peer))
    }

    /// Takes the header off the stream and not a byte more. `None` where there is none.
    pub(super) async fn client(&self, stream: &mut TcpStream, peer: IpAddr) -> Option<IpAddr> {
        let mut held = Vec::new();
        while held.len() < PROXY_HEADER_BYTES_MAX {
            let before = held.len();
            held.resize(PROXY_HEADER_BYTES_MAX, 0);
            let seen = stream.peek(held.get_mut(before..)?).await.ok()?;
            held.truncate(before + seen);
            if seen == 0 {
                return None;
            }
            let (client, len) = match (self.read)(&held) {
                Header::None => return None,
                Header::More => (None, None),
                Header::Whole(client, len) => (client, Some(len)),
            };
            // What was seen of it is taken, so that the next look sees what comes then.
            let end = len.unwrap_or(held.len());
            stream.read_exact(held.get_mut(before..end)?).await.ok()?;
            if len.is_some() {
                return Some(client.unwrap_or(peer).to_canonical());
            }
        }
        None
    }
}
