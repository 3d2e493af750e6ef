//! Interim responses (RFC 9110 §15.2): passed on as they come, before the response proper.

use super::{Client, ClientError};
use crate::{io::Io, tx::Tx};
use seawall_http::{Version, encode};

impl Client {
    /// Sends an interim response. Nothing of the response proper has been sent yet. A client of HTTP/1.0 knows no such
    /// thing and is not told.
    pub async fn interim(&mut self, tx: &Tx, status: u16, lines: &[u8]) -> Result<(), ClientError> {
        if let Io::Stream(stream) = &self.io {
            return Ok(stream.interim(status, lines)?);
        }
        if tx.head.version != Version::Http11 {
            return Ok(());
        }
        let mut head = Vec::with_capacity(lines.len() + 64);
        encode::status_line(&mut head, status);
        head.extend_from_slice(lines);
        head.extend_from_slice(b"\r\n");
        self.write(&head, b"").await
    }
}
