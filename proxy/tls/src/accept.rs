//! A handshake with a right answer for unknown names.

use crate::{error::TlsError, resolver::Resolver};
use rustls::{ServerConfig, server::Acceptor};
use std::{io, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// A TLS record: alert, fatal, `unrecognized_name` (RFC 8446 §6, RFC 6066 §3).
const UNRECOGNISED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Does the server's handshake. A client that asks for a name without a certificate gets the alert
/// `unrecognized_name`, is counted in [`Resolver::unrecognised`], and the error holds [`TlsError::UnrecognisedName`].
///
/// rustls alone would answer `access_denied`, which browsers show as something else. No time limit is applied here.
pub async fn accept<IO>(
    io: IO,
    config: &Arc<ServerConfig>,
    resolver: &Resolver,
) -> io::Result<TlsStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
    let name = start.client_hello().server_name().map(str::to_owned);
    if resolver.map().covers(name.as_deref()) {
        return start.into_stream(Arc::clone(config)).await;
    }
    resolver.note_unrecognised();
    let mut io = start.io;
    // The client may be gone already; what matters is said in the error.
    let _ = io.write_all(&UNRECOGNISED_NAME).await;
    let _ = io.shutdown().await;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        TlsError::UnrecognisedName(name),
    ))
}
