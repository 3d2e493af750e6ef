//! A server of `grpc.health.v1.Health` that says the status it is told to say.

use bytes::Bytes;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::oneshot,
    task::LocalSet,
};
use tokio_rustls::TlsAcceptor;

/// A question's path and message.
pub type Question = (String, Vec<u8>);

struct State {
    /// `ServingStatus`
    status: AtomicU8,
    asked: Mutex<Vec<Question>>,
}

/// The server; stopped when dropped. Whatever is not `/grpc.health.v1.Health/Check` is UNIMPLEMENTED.
pub struct HealthOrigin {
    address: SocketAddr,
    state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

impl std::fmt::Display for HealthOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

impl HealthOrigin {
    /// Starts on this address, by TLS where there are a certificate and a key; it says SERVING (1).
    ///
    /// # Panics
    /// When the address is taken or the certificate cannot be read.
    pub fn start(address: SocketAddr, identity: Option<(&Path, &Path)>) -> Self {
        let listener = std::net::TcpListener::bind(address).expect("the server's address");
        listener.set_nonblocking(true).expect("a socket");
        let tls = identity.map(|(certificate, key)| acceptor(certificate, key));
        let state = Arc::new(State {
            status: AtomicU8::new(1),
            asked: Mutex::default(),
        });
        let shared = state.clone();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = accept(listener, tls, shared) => {}
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

    /// Says this `ServingStatus` from now on: 1 is SERVING, 2 NOT_SERVING.
    pub fn say(&self, status: u8) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<Question> {
        let asked = self.state.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(certificate: &Path, key: &Path) -> TlsAcceptor {
    let open = |path: &Path| {
        std::io::BufReader::new(std::fs::File::open(path).expect("a certificate's file"))
    };
    let mut chain = open(certificate);
    let chain = rustls_pemfile::certs(&mut chain)
        .collect::<Result<Vec<_>, _>>()
        .expect("a chain");
    let key = rustls_pemfile::private_key(&mut open(key));
    let key = key.expect("a key").expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("an identity");
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config).into()
}

async fn accept(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((socket, _)) = listener.accept().await {
        let (state, tls) = (state.clone(), tls.clone());
        tokio::task::spawn_local(async move {
            match tls {
                None => drop(serve(socket, &state).await),
                Some(tls) => {
                    if let Ok(socket) = tls.accept(socket).await
                        && socket.get_ref().1.alpn_protocol() == Some(b"h2")
                    {
                        let _ = serve(socket, &state).await;
                    }
                }
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    socket: S,
    state: &Arc<State>,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let state = state.clone();
        tokio::task::spawn_local(async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut message = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                message.extend_from_slice(&data);
            }
            let known = path == "/grpc.health.v1.Health/Check";
            let asked = state.asked.lock();
            asked
                .unwrap_or_else(PoisonError::into_inner)
                .push((path, message));
            let head = http::Response::builder().header("content-type", "application/grpc");
            if !known {
                let head = head.header("grpc-status", "12").body(()).expect("a head");
                let _ = respond.send_response(head, true);
                return;
            }
            let head = head.body(()).expect("a head");
            let Ok(mut stream) = respond.send_response(head, false) else {
                return;
            };
            let status = state.status.load(Ordering::SeqCst);
            let _ = stream.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 0x08, status]), false);
            let trailers = [("grpc-status", "0")].map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            });
            let _ = stream.send_trailers(trailers.into_iter().collect());
        });
    }
    Ok(())
}
