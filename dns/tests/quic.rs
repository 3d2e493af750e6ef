//! DNS over QUIC (RFC 9250), as a client that does everything right, and as ones that do not.

mod asking;

use asking::{Answer, Ask, set};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, ReadToEndError, VarInt,
};
use seawall_dns::{
    Access, AlwaysUp, DropReason, Name, Net, Policies, QuicLimits, QuicServer, Shared, Transport,
    ZonePolicy,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls;

/// Longer than anything here takes: what fails, fails by it.
const PATIENCE: Duration = Duration::from_secs(20);
/// RFC 9250 §4.3.
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 2;
const EXCESSIVE_LOAD: u32 = 4;

struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    authority: rustls::pki_types::CertificateDer<'static>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Server {
    /// A zone with a name of one address, one of a hundred, and transfers for everybody here.
    fn start(limits: QuicLimits) -> Self {
        let mut lines = String::from("www A 192.0.2.1\n");
        for i in 0..100 {
            lines += &format!("big A 198.51.100.{i}\n");
        }
        for i in 0..3000 {
            lines += &format!("host{i} TXT \"{}\"\n", "x".repeat(20));
        }
        let shared = Arc::new(Shared::new(set(&lines), Arc::new(AlwaysUp)));
        let mut policies = Policies::default();
        let here = Net {
            address: [127, 0, 0, 1].into(),
            bits: 32,
        };
        let policy = ZonePolicy {
            transfer: Access {
                nets: vec![here],
                keys: Vec::new(),
            },
            ..ZonePolicy::default()
        };
        policies.insert(&Name::parse("example.test.", None).unwrap(), policy);
        shared.publish_with(set(&lines), Arc::new(AlwaysUp), policies, Arc::default());

        let certified = rcgen::generate_simple_self_signed(["ns.example.test".into()]).unwrap();
        let key =
            rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let authority = certified.cert.der().clone();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![authority.clone()], key.into())
            .unwrap();
        tls.alpn_protocols = vec![b"doq".to_vec()];
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = QuicServer::new(socket, Arc::new(tls), limits).unwrap();
        let (stop, stopped) = watch::channel(false);
        Self {
            address,
            authority,
            stop,
            task: tokio::spawn(server.serve(Arc::clone(&shared), stopped)),
            shared,
        }
    }

    fn client(&self, protocol: &[u8]) -> Endpoint {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let mut tls = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![protocol.to_vec()];
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(
            QuicClientConfig::try_from(tls).unwrap(),
        )));
        endpoint
    }

    async fn try_connect(&self) -> Result<Connection, ConnectionError> {
        let endpoint = self.client(b"doq");
        let connecting = endpoint.connect(self.address, "ns.example.test").unwrap();
        tokio::time::timeout(PATIENCE, connecting).await.unwrap()
    }

    async fn connect(&self) -> Connection {
        self.try_connect().await.unwrap()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        let counts = self.shared.counters.snapshot().dropped;
        counts[DropReason::ALL.iter().position(|r| *r == reason).unwrap()]
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.unwrap().unwrap();
    }
}

/// A query as it is sent here: with the ID 0, behind its length.
fn framed(question: &Ask) -> Vec<u8> {
    let mut query = question.bytes();
    query[..2].fill(0);
    [&(query.len() as u16).to_be_bytes()[..], &query].concat()
}

/// Sends these bytes on a stream of their own, and gives what comes back until its end.
async fn exchange(connection: &Connection, bytes: &[u8]) -> Result<Vec<u8>, ReadToEndError> {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    // What the server has had enough of is not taken to its end.
    if send.write_all(bytes).await.is_ok() {
        send.finish().unwrap();
    }
    let read = receive.read_to_end(1 << 24);
    tokio::time::timeout(PATIENCE, read).await.unwrap()
}

async fn ask(connection: &Connection, question: &Ask) -> Answer {
    let reply = exchange(connection, &framed(question)).await.unwrap();
    let (len, message) = reply.split_first_chunk().unwrap();
    assert_eq!(usize::from(u16::from_be_bytes(*len)), message.len());
    assert_eq!(message[..2], [0, 0], "the ID of an answer is 0");
    Answer::read(message)
}

/// The code that the server has closed a connection with.
async fn closed_with(connection: &Connection) -> u32 {
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    match closed.unwrap() {
        ConnectionError::ApplicationClosed(close) => {
            u32::try_from(u64::from(close.error_code)).unwrap()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn queries_are_answered_each_on_its_stream() {
    let server = Server::start(QuicLimits::default());
    let connection = server.connect().await;
    let answer = ask(&connection, &Ask::new("www.example.test", "A")).await;
    assert_eq!(answer.answers.len(), 1);
    let whole = ask(&connection, &Ask::new("big.example.test", "A")).await;
    assert_eq!(
        (whole.tc, whole.answers.len()),
        (false, 100),
        "nothing is cut"
    );
    // A query that comes late keeps nobody else waiting.
    let (mut slow, mut slow_answer) = connection.open_bi().await.unwrap();
    let query = framed(&Ask::new("www.example.test", "A"));
    slow.write_all(&query[..5]).await.unwrap();
    for _ in 0..50 {
        let nothing = ask(&connection, &Ask::new("nope.example.test", "A")).await;
        assert_eq!(nothing.rcode, 3);
    }
    slow.write_all(&query[5..]).await.unwrap();
    slow.finish().unwrap();
    assert!(slow_answer.read_to_end(4096).await.unwrap().len() > query.len());
    let counts = server.shared.counters.snapshot();
    assert_eq!(counts.transports[Transport::Quic as usize], 53);
    server.stop().await;
    assert_eq!(closed_with(&connection).await, NO_ERROR);
}

#[tokio::test]
async fn a_zone_is_transferred_in_messages_on_one_stream() {
    let server = Server::start(QuicLimits::default());
    let connection = server.connect().await;
    let reply = exchange(&connection, &framed(&Ask::new("example.test", "AXFR"))).await;
    let (mut rest, mut messages, mut records) = (&reply.unwrap()[..], 0, 0);
    while let Some((len, tail)) = rest.split_first_chunk() {
        let (message, tail) = tail.split_at(u16::from_be_bytes(*len).into());
        let answer = Answer::read(message);
        assert_eq!((answer.rcode, &message[..2]), (0, &[0, 0][..]));
        (rest, messages, records) = (tail, messages + 1, records + answer.answers.len());
    }
    // SOA, two NS, ns1, www, a hundred of big, the hosts, and the SOA again.
    assert_eq!(records, 5 + 100 + 3000 + 1);
    assert!(messages > 1);
    server.stop().await;
}

#[tokio::test]
async fn what_the_protocol_forbids_closes_the_connection() {
    let server = Server::start(QuicLimits::default());
    let question = Ask::new("www.example.test", "A");
    let query = framed(&question);
    let with_id = [&query[..2], &[0, 1], &query[4..]].concat();
    let twice = [&query[..], &query].concat();
    let mut keepalive = question.clone().edns(1232).bytes();
    keepalive[..2].fill(0);
    let last = keepalive.len() - 1;
    keepalive[last] = 4;
    keepalive.extend([0, 11, 0, 0]);
    let keepalive = [&(keepalive.len() as u16).to_be_bytes()[..], &keepalive].concat();
    let mut response = query.clone();
    response[4] |= 0x80;
    let wrong: [&[u8]; 7] = [
        &with_id,
        &twice,
        &query[..query.len() - 1],
        &query[..1],
        &keepalive,
        &response,
        b"\0\x03\0\0x",
    ];
    for (n, bytes) in wrong.iter().enumerate() {
        let connection = server.connect().await;
        assert!(exchange(&connection, bytes).await.is_err(), "{n}");
        assert_eq!(closed_with(&connection).await, PROTOCOL_ERROR, "{n}");
    }
    assert_eq!(server.dropped(DropReason::Protocol), wrong.len() as u64);
    server.stop().await;
}

#[tokio::test]
async fn a_query_over_the_limit_costs_its_stream_only() {
    let limits = QuicLimits {
        query_bytes: 100,
        ..QuicLimits::default()
    };
    let server = Server::start(limits);
    let connection = server.connect().await;
    let long = [&101_u16.to_be_bytes()[..], &[0; 101]].concat();
    let reset = exchange(&connection, &long).await;
    let ReadToEndError::Read(ReadError::Reset(code)) = reset.unwrap_err() else {
        panic!("not reset");
    };
    assert_eq!(code, VarInt::from_u32(EXCESSIVE_LOAD));
    assert_eq!(server.dropped(DropReason::Oversize), 1);
    let answer = ask(&connection, &Ask::new("www.example.test", "A")).await;
    assert_eq!(answer.answers.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_client_has_so_many_connections_and_queries() {
    let limits = QuicLimits {
        per_client: 4,
        queries: 3,
        ..QuicLimits::default()
    };
    let server = Server::start(limits);
    let mut held = Vec::new();
    for _ in 0..4 {
        // From the second on the address is checked first.
        held.push(server.connect().await);
    }
    let refused = server.try_connect().await.unwrap_err();
    assert!(
        matches!(refused, ConnectionError::ConnectionClosed(_)),
        "{refused}"
    );
    assert_eq!(server.dropped(DropReason::ConnectionLimit), 1);
    let connection = held.pop().unwrap();
    for _ in 0..3 {
        ask(&connection, &Ask::new("www.example.test", "A")).await;
    }
    assert_eq!(closed_with(&connection).await, NO_ERROR);
    let again = server.connect().await;
    ask(&again, &Ask::new("www.example.test", "A")).await;
    server.stop().await;
}

#[tokio::test]
async fn streams_wait_and_idle_connections_end() {
    let limits = QuicLimits {
        streams: 2,
        idle: Duration::from_millis(300),
        ..QuicLimits::default()
    };
    let server = Server::start(limits);
    let connection = server.connect().await;
    let (mut first, _) = connection.open_bi().await.unwrap();
    let (mut second, _) = connection.open_bi().await.unwrap();
    first.write_all(&[0]).await.unwrap();
    second.write_all(&[0]).await.unwrap();
    tokio::select! {
        opened = connection.open_bi() => panic!("a third: {opened:?}"),
        stopped = first.stopped() => assert!(stopped.unwrap().is_some(), "it has taken too long"),
    }
    second.stopped().await.unwrap();
    drop((first, second));
    let answer = ask(&connection, &Ask::new("www.example.test", "A")).await;
    assert_eq!(answer.answers.len(), 1);
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    assert!(matches!(
        closed.unwrap(),
        ConnectionError::ApplicationClosed(_) | ConnectionError::TimedOut
    ));
    server.stop().await;
}

#[tokio::test]
async fn only_this_protocol_is_spoken() {
    let server = Server::start(QuicLimits::default());
    let endpoint = server.client(b"h3");
    let connecting = endpoint.connect(server.address, "ns.example.test").unwrap();
    assert!(
        tokio::time::timeout(PATIENCE, connecting)
            .await
            .unwrap()
            .is_err()
    );
    let connection = server.connect().await;
    let question = Ask::new("www.example.test", "A");
    tokio::select! {
        opened = connection.open_uni() => panic!("{opened:?}"),
        answer = ask(&connection, &question) => assert_eq!(answer.rcode, 0),
    }
    server.stop().await;
}

/// Stands between a client and the server, and notes the first byte of each datagram that the server sends.
async fn relay(server: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let front = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        let (mut up, mut down, mut client) = ([0; 2048], [0; 2048], None);
        loop {
            tokio::select! {
                got = front.recv_from(&mut up) => {
                    let (len, from) = got.unwrap();
                    client = Some(from);
                    back.send_to(&up[..len], server).await.unwrap();
                }
                got = back.recv(&mut down) => {
                    let len = got.unwrap();
                    noted.lock().unwrap().push(down[0]);
                    front.send_to(&down[..len], client.unwrap()).await.unwrap();
                }
            }
        }
    });
    (address, seen)
}

#[tokio::test]
async fn under_load_a_client_shows_that_its_address_is_its_own() {
    for (handshakes, retried) in [(0, true), (1, false)] {
        let limits = QuicLimits {
            handshakes,
            ..QuicLimits::default()
        };
        let server = Server::start(limits);
        let (through, seen) = relay(server.address).await;
        let endpoint = server.client(b"doq");
        let connecting = endpoint.connect(through, "ns.example.test").unwrap();
        let connection = tokio::time::timeout(PATIENCE, connecting).await.unwrap();
        let answer = ask(&connection.unwrap(), &Ask::new("www.example.test", "A")).await;
        assert_eq!(answer.answers.len(), 1);
        // RFC 9000 §17.2: a long header of the type Retry.
        let first = seen.lock().unwrap()[0];
        assert_eq!(first & 0xF0 == 0xF0, retried, "{first:#x}");
        server.stop().await;
    }
}

#[tokio::test]
async fn there_are_so_many_connections_in_all() {
    let limits = QuicLimits {
        connections: 2,
        ..QuicLimits::default()
    };
    let server = Server::start(limits);
    let held = (server.connect().await, server.connect().await);
    server.try_connect().await.unwrap_err();
    assert_eq!(server.dropped(DropReason::ConnectionLimit), 1);
    held.0.close(VarInt::from_u32(NO_ERROR), b"");
    let again = async {
        loop {
            if let Ok(connection) = server.try_connect().await {
                return connection;
            }
        }
    };
    let connection = tokio::time::timeout(PATIENCE, again).await.unwrap();
    ask(&connection, &Ask::new("www.example.test", "A")).await;
    server.stop().await;
}
