//! An origin that speaks HTTP/2 by prior knowledge and does what each path says.

use crate::free_address;
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, Request, Response, StatusCode};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tokio::{net::TcpListener, sync::oneshot, task::LocalSet};

/// A request's head as it came, and on which of the origin's connections, from 1.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, URI and fields.
    pub head: Arc<Request<()>>,
    /// Its connection.
    pub connection: usize,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
}

/// The origin; stopped when dropped.
///
/// - `/echo` answers at once and sends back what comes as it comes, then trailers with `grpc-status: 0`.
/// - `/late` reads the whole body and answers with its length.
/// - `/early` answers 413 and reads nothing.
/// - `/refuse` is refused (REFUSED_STREAM) on the first connection and answered on the others.
/// - `/reset` resets the stream with INTERNAL_ERROR, `/cut` after half of a body.
/// - `/length` says a length of 10 and sends 5 bytes.
/// - `/hints` sends 103 first. `/status` answers with nothing but trailers. `/silent` never answers.
/// - All else gets 200 and `ok`.
pub struct Http2Origin {
    address: SocketAddr,
    state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

impl std::fmt::Display for Http2Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl Http2Origin {
    /// Starts on an address of its own.
    ///
    /// # Panics
    /// When that is taken.
    pub fn start() -> Self {
        let address = free_address();
        let listener = std::net::TcpListener::bind(address).expect("the origin's address");
        listener.set_nonblocking(true).expect("a socket");
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            state,
            _stop: stop,
        }
    }

    /// Requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.state.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Asked {
        self.asked().pop().expect("a request reached the origin")
    }

    /// How often a path was asked for.
    pub fn hits(&self, path: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|a| a.head.uri().path() == path).count()
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((socket, _)) = listener.accept().await {
        let state = state.clone();
        let number = state.connections.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::spawn_local(async move {
            let Ok(mut connection) = h2::server::handshake(socket).await else {
                return;
            };
            while let Some(Ok((request, respond))) = connection.accept().await {
                let (parts, body) = request.into_parts();
                let head = Arc::new(Request::from_parts(parts, ()));
                let path = head.uri().path().to_owned();
                let asked = Asked {
                    head,
                    connection: number,
                };
                state
                    .asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(asked);
                tokio::task::spawn_local(async move {
                    let _ = answer(&path, number, body, respond).await;
                });
            }
        });
    }
}

fn head(status: u16) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

async fn answer(
    path: &str,
    connection: usize,
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    match path {
        "/echo" => {
            let mut send = respond.send_response(head(200), false)?;
            while let Some(bytes) = body.data().await {
                let bytes = bytes?;
                body.flow_control().release_capacity(bytes.len())?;
                push(&mut send, bytes).await?;
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a value"));
            trailers.insert("content-length", "5".parse().expect("a value"));
            send.send_trailers(trailers)
        }
        "/late" => {
            let mut length = 0;
            while let Some(bytes) = body.data().await {
                let bytes = bytes?;
                body.flow_control().release_capacity(bytes.len())?;
                length += bytes.len();
            }
            let sum = body.trailers().await?.and_then(|t| t.get("x-sum").cloned());
            let text = format!("{length} {sum:?}");
            let mut send = respond.send_response(head(200), false)?;
            send.send_data(text.into(), true)
        }
        "/early" => {
            let mut send = respond.send_response(head(413), false)?;
            send.send_data(Bytes::from_static(b"too much"), true)
        }
        "/refuse" if connection == 1 => {
            respond.send_reset(Reason::REFUSED_STREAM);
            Ok(())
        }
        "/reset" => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        "/cut" => {
            let mut send = respond.send_response(head(200), false)?;
            send.send_data(Bytes::from_static(b"half"), false)?;
            tokio::task::yield_now().await;
            send.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        "/length" => {
            let mut response = head(200);
            let length = "10".parse().expect("a value");
            response.headers_mut().insert("content-length", length);
            let mut send = respond.send_response(response, false)?;
            send.send_data(Bytes::from_static(b"hello"), true)
        }
        "/hints" => {
            let mut hints = head(103);
            let link = "</a.css>; rel=preload".parse().expect("a value");
            hints.headers_mut().insert("link", link);
            respond.send_informational(hints)?;
            let mut send = respond.send_response(head(200), false)?;
            send.send_data(Bytes::from_static(b"ok"), true)
        }
        "/status" => {
            let mut response = head(200);
            let fields = response.headers_mut();
            fields.insert("content-type", "application/grpc".parse().expect("a value"));
            fields.insert("grpc-status", "5".parse().expect("a value"));
            respond.send_response(response, true).map(drop)
        }
        "/silent" => {
            std::future::pending::<()>().await;
            Ok(())
        }
        _ => {
            let mut send = respond.send_response(head(200), false)?;
            send.send_data(Bytes::from_static(b"ok"), true)
        }
    }
}

/// Sends bytes as the window takes them.
async fn push(send: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
        let Some(room) = room.transpose()? else {
            return Ok(());
        };
        send.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}
