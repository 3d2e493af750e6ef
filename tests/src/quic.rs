//! A client of DNS over QUIC (RFC 9250) that trusts exactly one CA.

use crate::{
    PATIENCE,
    dns::{Answer, Type, parse, question},
    tls,
};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, crypto::rustls::QuicClientConfig,
};
use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{runtime::Runtime, time::timeout};

/// A connection.
pub struct Quic {
    runtime: Runtime,
    connection: Connection,
    endpoint: Endpoint,
}

impl Quic {
    /// Shakes hands for `name`, trusting the CAs in the PEM file `ca`.
    ///
    /// # Errors
    /// The handshake's.
    pub fn connect(server: SocketAddr, name: &str, ca: &Path) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let config = Arc::unwrap_or_clone(tls::trusting(ca, &[b"doq"])?);
        let config = QuicClientConfig::try_from(config).map_err(io::Error::other)?;
        let (endpoint, connection) = runtime.block_on(async {
            let mut endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            endpoint.set_default_client_config(ClientConfig::new(Arc::new(config)));
            let connecting = endpoint.connect(server, name).map_err(io::Error::other)?;
            let connection = timeout(PATIENCE, connecting).await?;
            io::Result::Ok((endpoint, connection?))
        })?;
        Ok(Self {
            runtime,
            connection,
            endpoint,
        })
    }

    /// Asks on a stream of its own.
    ///
    /// # Errors
    /// The connection's.
    pub fn ask(&self, name: &str, kind: Type) -> io::Result<Answer> {
        let mut question = question(name, kind);
        let id = [question[0], question[1]];
        question[..2].fill(0);
        let exchanged = async {
            let (mut send, mut receive) = self.connection.open_bi().await?;
            send.write_all(&(question.len() as u16).to_be_bytes())
                .await?;
            send.write_all(&question).await?;
            send.finish()?;
            let received = receive.read_to_end(1 << 17).await;
            received.map_err(io::Error::other)
        };
        let within = async { timeout(PATIENCE, exchanged).await? };
        let mut answer = self.runtime.block_on(within)?.split_off(2);
        assert_eq!(answer[..2], [0, 0], "the ID of an answer is 0");
        answer[..2].copy_from_slice(&id);
        Ok(parse(&answer))
    }

    /// The code that the server closes the connection with; `None` if it is lost or stays open.
    pub fn closed(&self) -> Option<u64> {
        let closed = async { timeout(PATIENCE, self.connection.closed()).await };
        match self.runtime.block_on(closed) {
            Ok(ConnectionError::ApplicationClosed(close)) => Some(close.error_code.into_inner()),
            _ => None,
        }
    }

    /// What the server's certificate is, DER.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        let identity = self.connection.peer_identity()?;
        let chain = identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>();
        Some(chain.ok()?.first()?.to_vec())
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        self.connection.close(0_u32.into(), b"");
        // The server learns of it, or has gone.
        let _ = self
            .runtime
            .block_on(async { timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await });
    }
}
