//! Listeners, and the limits on their connections.

use crate::{AdminState, Door, router};
use axum::{Router, http::header, response::Response};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use seawall_sys::privileges::effective_uid;
use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

/// Connections of one listener at once; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;

/// Bytes of a request head.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The longest a request head may take.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// The longest a connection may last, a slow reload included.
pub const CONNECTION_TIME_MAX: Duration = Duration::from_secs(150);

/// The longest an event stream may last; whoever watches asks again.
pub const STREAM_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is under way when the API is stopped may take so long to end.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);

/// A pause after an accept that failed (out of descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listener's own address cannot be told: it is not a socket.
    #[error("the admin listener is not usable: {0}")]
    Listener(#[source] io::Error),
}

/// Serves the API on a unix socket, to users who may ([`Door::unix`]), until `stop` is done.
///
/// # Errors
/// Never so far; a failing accept is tried again.
pub async fn serve_unix(
    listener: UnixListener,
    state: AdminState,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    serve(
        &Unix {
            listener,
            state,
            own_uid: effective_uid(),
        },
        stop,
    )
    .await;
    Ok(())
}

/// Serves the API on TCP, for reading only ([`Door::Tcp`]), until `stop` is done.
///
/// # Errors
/// [`Error::Listener`]
pub async fn serve_tcp(
    listener: TcpListener,
    state: AdminState,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    listener.local_addr().map_err(Error::Listener)?;
    serve(&Tcp { listener, state }, stop).await;
    Ok(())
}

/// Serves `/metrics` and `/live` alone on TCP until `stop` is done.
///
/// # Errors
/// [`Error::Listener`]
pub async fn serve_metrics(
    listener: TcpListener,
    state: AdminState,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    listener.local_addr().map_err(Error::Listener)?;
    serve(
        &Metrics {
            listener,
            routes: router(state, Door::Metrics),
        },
        stop,
    )
    .await;
    Ok(())
}

/// A listener that knows what a connection of its own may do.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Router)>> + Send;
}

struct Unix {
    listener: UnixListener,
    state: AdminState,
    own_uid: u32,
}

impl Accept for Unix {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Router)> {
        let (stream, _) = self.listener.accept().await?;
        let door = Door::unix(
            stream.peer_cred()?.uid(),
            self.own_uid,
            self.state.allowed_uid,
        );
        Ok((stream, router(self.state.clone(), door)))
    }
}

struct Tcp {
    listener: TcpListener,
    state: AdminState,
}

impl Accept for Tcp {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Router)> {
        let (stream, _) = self.listener.accept().await?;
        // Of the connection, not of the listener: that one may be a wildcard.
        let local = stream.local_addr()?;
        Ok((stream, router(self.state.clone(), Door::Tcp { local })))
    }
}

struct Metrics {
    listener: TcpListener,
    routes: Router,
}

impl Accept for Metrics {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Router)> {
        Ok((self.listener.accept().await?.0, self.routes.clone()))
    }
}

async fn serve(listener: &impl Accept, stop: impl Future<Output = ()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        // The semaphore is never closed, so a permit always comes.
        let next = async {
            let permit = room.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (permit, accepted) = next => match accepted {
                Ok((stream, routes)) => drop(connections.spawn(connection(stream, routes, permit))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    // What is not done by then is aborted with the set.
    let _ = tokio::time::timeout(STOP_TIME_MAX, finish).await;
}

async fn connection<S>(stream: S, routes: Router, _permit: Option<OwnedSemaphorePermit>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let streams = Arc::new(AtomicBool::new(false));
    let noted = streams.clone();
    // The last layer, so that it sees every answer.
    let routes = routes.layer(axum::middleware::map_response(move |response: Response| {
        let kind = response.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind == "text/event-stream") {
            noted.store(true, Ordering::Relaxed);
        }
        async move { response }
    }));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // A client that breaks off or is too slow is its own problem. Which requests take long is known to `streams` alone.
    let limit = async {
        tokio::time::sleep(CONNECTION_TIME_MAX).await;
        if streams.load(Ordering::Relaxed) {
            tokio::time::sleep(STREAM_TIME_MAX).await;
        }
    };
    tokio::select! {
        _ = connection => {}
        () = limit => {}
    }
}
