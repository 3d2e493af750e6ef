//! HTTP/2 clients: what they get, what they may ask for at once, and how their connections end. Violations of the protocol
//! are in the conformance corpus.

mod floods;
mod origins;
mod requests;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;

/// A response, whole.
#[derive(Debug)]
struct Answer {
    head: Response<()>,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }
}

/// Runs a test with a connection by prior knowledge.
fn connected<F: Future>(
    address: SocketAddr,
    test: impl FnOnce(SendRequest<Bytes>) -> F,
) -> F::Output {
    run(async move {
        let socket = tokio::net::TcpStream::connect(address)
            .await
            .expect("a connection");
        let (requests, connection) = h2::client::handshake(socket).await.expect("a handshake");
        tokio::task::spawn_local(connection);
        test(requests).await
    })
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    let limited = async {
        tokio::time::timeout(seawall_tests::PATIENCE, future)
            .await
            .expect("an end in time")
    };
    local.block_on(&runtime, limited)
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).expect("a request")
}

/// Asks and reads the answer.
async fn ask(requests: &SendRequest<Bytes>, request: Request<()>) -> Result<Answer, h2::Error> {
    send(requests, request, b"", None).await
}

/// Asks with a body, in one piece, and trailers.
async fn send(
    requests: &SendRequest<Bytes>,
    request: Request<()>,
    body: &[u8],
    trailers: Option<HeaderMap>,
) -> Result<Answer, h2::Error> {
    let mut requests = requests.clone().ready().await?;
    let whole = body.is_empty() && trailers.is_none();
    let (response, mut stream) = requests.send_request(request, whole)?;
    if !whole {
        stream.send_data(Bytes::copy_from_slice(body), trailers.is_none())?;
    }
    if let Some(trailers) = trailers {
        stream.send_trailers(trailers)?;
    }
    read(response.await?).await
}

/// Reads a response to its end.
async fn read(response: Response<h2::RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(bytes) = stream.data().await {
        let bytes = bytes?;
        stream.flow_control().release_capacity(bytes.len())?;
        body.extend_from_slice(&bytes);
    }
    Ok(Answer {
        head: Response::from_parts(parts, ()),
        body,
        trailers: stream.trailers().await?,
    })
}

/// A TLS connection to `a.test` that offers both protocols and trusts the internal CA.
async fn tls(
    edge: &seawall_tests::Running,
    address: SocketAddr,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let config = seawall_tests::tls::trusting(&edge.path("state/ca/ca.pem"), &[b"h2", b"http/1.1"])
        .expect("the internal CA");
    let socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    let name = rustls::pki_types::ServerName::try_from("a.test").expect("a name");
    tokio_rustls::TlsConnector::from(config)
        .connect(name, socket)
        .await
        .expect("a handshake")
}
