//! A handshake with a right answer for unknown names, for CAs that look for a proof, and for sites that ask clients for
//! certificates.

use crate::{
    acme::{ALPN, Challenges, proving},
    client_policy::ClientPolicy,
    error::TlsError,
    resolver::Resolver,
};
use rustls::{ServerConfig, server::Acceptor};
use std::{io, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, server::TlsStream};

/// A TLS record: alert, fatal, `unrecognized_name` (RFC 8446 §6, RFC 6066 §3).
const UNRECOGNISED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A handshake that came to its end.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// The connection.
    pub stream: TlsStream<IO>,
    /// What the client's certificate was asked for by, and verified against. Requests on this connection for a site with
    /// another policy are to be refused (421).
    pub clients: Option<Arc<ClientPolicy>>,
}

/// Does the server's handshake. A client that asks for a name without a certificate gets the alert
/// `unrecognized_name`, is counted in [`Resolver::unrecognised`], and the error holds [`TlsError::UnrecognisedName`].
/// A CA that looks for a proof (tls-alpn-01) gets it; then the connection ends, with an error for which [`is_challenge`]
/// is true.
///
/// rustls alone would answer `access_denied`, which browsers show as something else. No time limit is applied here.
pub async fn accept<IO>(
    io: IO,
    config: &Arc<ServerConfig>,
    resolver: &Resolver,
    challenges: &Challenges,
) -> io::Result<Accepted<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
    if asks_for_proof(&start.client_hello()) {
        let hello = start.client_hello();
        let key = hello.server_name().and_then(|name| challenges.alpn(name));
        return Err(match key {
            Some(key) => prove(start, key).await,
            None => refuse(start, resolver).await,
        });
    }
    let served = resolver.map().served(start.client_hello().server_name());
    match served {
        None => Err(refuse(start, resolver).await),
        Some(None) => {
            let stream = start.into_stream(Arc::clone(config)).await?;
            let clients = None;
            Ok(Accepted { stream, clients })
        }
        Some(Some(policy)) => {
            let config = Arc::clone(policy.in_place_of(config));
            let stream = start.into_stream(config).await?;
            let clients = Some(policy);
            Ok(Accepted { stream, clients })
        }
    }
}

/// Whether a CA looks for a proof. It offers nothing else (RFC 8737 §3): who also offers HTTP is none.
fn asks_for_proof(hello: &rustls::server::ClientHello<'_>) -> bool {
    let Some(mut protocols) = hello.alpn() else {
        return false;
    };
    protocols.next() == Some(ALPN) && protocols.next().is_none()
}

/// Whether a handshake ended because a CA was shown its proof: no failure.
pub fn is_challenge(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>())
        .is_some_and(|inner| matches!(inner, TlsError::ChallengeShown))
}

async fn prove<IO>(start: StartHandshake<IO>, key: Arc<rustls::sign::CertifiedKey>) -> io::Error
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let config = match proving(key) {
        Ok(config) => config,
        Err(error) => return io::Error::other(error),
    };
    match start.into_stream(config).await {
        Ok(mut stream) => {
            // The CA has what it came for.
            let _ = stream.shutdown().await;
            io::Error::other(TlsError::ChallengeShown)
        }
        Err(error) => error,
    }
}

async fn refuse<IO>(start: StartHandshake<IO>, resolver: &Resolver) -> io::Error
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let name = start.client_hello().server_name().map(str::to_owned);
    resolver.note_unrecognised();
    let mut io = start.io;
    // The client may be gone already; what matters is said in the error.
    let _ = io.write_all(&UNRECOGNISED_NAME).await;
    let _ = io.shutdown().await;
    io::Error::new(io::ErrorKind::InvalidData, TlsError::UnrecognisedName(name))
}
