//! The servers, over loopback.

mod asking;

use asking::{Answer, Ask, set};
use seawall_dns::{
    AlwaysUp, Counters, DropReason, DynamicRecord, Health, HealthId, Policy, RType, Shared, Target,
    TcpLimits, Zones, limits, serve_tcp, serve_udp,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than anything here takes: what fails, fails by it.
const PATIENCE: Duration = Duration::from_secs(20);

fn shared() -> Arc<Shared> {
    let mut lines = String::from("www A 192.0.2.1\n");
    for i in 0..100 {
        lines += &format!("big A 198.51.100.{i}\n");
    }
    Arc::new(Shared::new(set(&lines), Arc::new(AlwaysUp)))
}

struct Udp {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<std::io::Result<()>>,
}

impl Udp {
    fn start(shared: &Arc<Shared>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, stop) = (
            socket.local_addr().unwrap(),
            Arc::new(AtomicBool::new(false)),
        );
        let (shared, flag) = (Arc::clone(shared), Arc::clone(&stop));
        Self {
            address,
            stop,
            thread: std::thread::spawn(move || serve_udp(socket, shared, flag)),
        }
    }

    fn ask(&self, question: &Ask) -> Answer {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(&question.bytes(), self.address).unwrap();
        let mut reply = [0; 4096];
        let (len, from) = client.recv_from(&mut reply).unwrap();
        assert_eq!(from, self.address);
        Answer::read(&reply[..len])
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

struct Tcp {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Tcp {
    async fn start(shared: &Arc<Shared>, limits: TcpLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        Self {
            address,
            stop,
            task: tokio::spawn(serve_tcp(listener, Arc::clone(shared), limits, stopped)),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap();
    }
}

fn framed(question: &Ask) -> Vec<u8> {
    let query = question.bytes();
    [&(query.len() as u16).to_be_bytes()[..], &query].concat()
}

async fn read(stream: &mut TcpStream) -> Answer {
    let read = async {
        let len = stream.read_u16().await.unwrap();
        let mut reply = vec![0; len.into()];
        stream.read_exact(&mut reply).await.unwrap();
        Answer::read(&reply)
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap()
}

/// Whether the server has closed, with nothing more to read.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 16]))
        .await
        .unwrap();
    matches!(read, Ok(0) | Err(_))
}

fn dropped(counters: &Counters, reason: DropReason) -> u64 {
    counters.snapshot().dropped[DropReason::ALL.iter().position(|r| *r == reason).unwrap()]
}

#[tokio::test]
async fn what_is_truncated_over_udp_is_whole_over_tcp() {
    let shared = shared();
    let (udp, tcp) = (
        Udp::start(&shared),
        Tcp::start(&shared, TcpLimits::default()).await,
    );
    let question = Ask::new("big.example.test", "A");
    let cut = udp.ask(&question);
    assert!(cut.tc && cut.answers.is_empty());
    let mut stream = tcp.connect().await;
    stream.write_all(&framed(&question)).await.unwrap();
    let whole = read(&mut stream).await;
    assert_eq!((whole.tc, whole.answers.len()), (false, 100));
    udp.stop();
    tcp.stop().await;
    let counts = shared.counters.snapshot();
    assert_eq!(
        (
            counts.transports,
            counts.truncated,
            counts.rcodes[0],
            counts.qtypes[0]
        ),
        ([1, 1, 0, 0, 0], 1, 2, 2)
    );
}

#[tokio::test]
async fn queries_are_pipelined_and_may_come_in_pieces() {
    let shared = shared();
    let tcp = Tcp::start(&shared, TcpLimits::default()).await;
    let mut stream = tcp.connect().await;
    let names = ["www", "nothing", "big", "www"];
    let bytes: Vec<u8> = names
        .iter()
        .flat_map(|n| framed(&Ask::new(&format!("{n}.example.test"), "A")))
        .collect();
    for piece in bytes.chunks(7) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    for (rcode, answers) in [(0, 1), (3, 0), (0, 100), (0, 1)] {
        let reply = read(&mut stream).await;
        assert_eq!((reply.rcode, reply.answers.len()), (rcode, answers));
    }
    drop(stream);
    tcp.stop().await;
}

#[tokio::test]
async fn one_client_has_its_share_of_connections() {
    let shared = shared();
    let tcp = Tcp::start(
        &shared,
        TcpLimits {
            per_client: 2,
            ..TcpLimits::default()
        },
    )
    .await;
    let question = framed(&Ask::new("www.example.test", "A"));
    let mut served = Vec::new();
    for _ in 0..2 {
        let mut stream = tcp.connect().await;
        stream.write_all(&question).await.unwrap();
        assert_eq!(read(&mut stream).await.answers.len(), 1);
        served.push(stream);
    }
    assert!(
        is_closed(&mut tcp.connect().await).await,
        "the third is closed"
    );
    assert_eq!(dropped(&shared.counters, DropReason::ConnectionLimit), 1);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(tcp.address).await.unwrap();
    other.write_all(&question).await.unwrap();
    assert_eq!(
        read(&mut other).await.answers.len(),
        1,
        "another client is served"
    );
    tcp.stop().await;
}

#[tokio::test]
async fn all_clients_together_have_a_limit() {
    let shared = shared();
    let tcp = Tcp::start(
        &shared,
        TcpLimits {
            connections: 1,
            ..TcpLimits::default()
        },
    )
    .await;
    let mut first = tcp.connect().await;
    first
        .write_all(&framed(&Ask::new("www.example.test", "A")))
        .await
        .unwrap();
    read(&mut first).await;
    assert!(is_closed(&mut tcp.connect().await).await);
    tcp.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_its_last_query_its_patience_or_a_monster() {
    let shared = shared();
    let limits = TcpLimits {
        queries: 2,
        idle: Duration::from_millis(200),
        query_bytes: 100,
        ..TcpLimits::default()
    };
    let tcp = Tcp::start(&shared, limits).await;
    let question = framed(&Ask::new("www.example.test", "A"));
    let mut busy = tcp.connect().await;
    busy.write_all(&[&question[..], &question, &question].concat())
        .await
        .unwrap();
    read(&mut busy).await;
    read(&mut busy).await;
    assert!(is_closed(&mut busy).await, "two queries were allowed");
    let mut slow = tcp.connect().await;
    slow.write_all(&question[..5]).await.unwrap();
    assert!(is_closed(&mut slow).await, "half a query is not waited for");
    let mut monster = tcp.connect().await;
    monster.write_all(&[0, 101, 0]).await.unwrap();
    assert!(
        is_closed(&mut monster).await,
        "a query over the limit is not read"
    );
    tcp.stop().await;
}

#[tokio::test]
async fn stopping_closes_idle_connections() {
    let shared = shared();
    let tcp = Tcp::start(
        &shared,
        TcpLimits {
            idle: PATIENCE * 10,
            ..TcpLimits::default()
        },
    )
    .await;
    let mut idle = tcp.connect().await;
    idle.write_all(&framed(&Ask::new("www.example.test", "A")))
        .await
        .unwrap();
    read(&mut idle).await;
    tcp.stop().await;
    assert!(is_closed(&mut idle).await);
}

#[test]
fn new_zones_answer_from_the_next_query_on() {
    let shared = shared();
    let udp = Udp::start(&shared);
    let question = Ask::new("new.example.test", "A");
    assert_eq!(udp.ask(&question).rcode, 3);
    shared.publish(set("new A 192.0.2.7\n"), Arc::new(AlwaysUp));
    assert_eq!(
        udp.ask(&question).answers,
        ["new.example.test. 300 A 192.0.2.7"]
    );
    udp.stop();
}

#[test]
fn a_flood_of_scraps_is_counted_and_does_not_stop_the_thread() {
    let shared = shared();
    let udp = Udp::start(&shared);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&[1, 2, 3], udp.address).unwrap();
    client.send_to(&[0x80; 40], udp.address).unwrap();
    client.send_to(&[0; 5000], udp.address).unwrap();
    assert_eq!(
        udp.ask(&Ask::new("www.example.test", "A")).answers.len(),
        1,
        "queued behind them"
    );
    udp.stop();
    for reason in [
        DropReason::Short,
        DropReason::Response,
        DropReason::Oversize,
    ] {
        assert_eq!(dropped(&shared.counters, reason), 1, "{reason:?}");
    }
}

/// A health that cannot be asked.
struct Broken;

impl Health for Broken {
    fn is_up(&self, _: HealthId) -> bool {
        panic!("a bug, for this test")
    }
}

#[test]
fn a_panic_loses_its_query_and_no_other() {
    let mut zone = asking::zone("www A 192.0.2.1\n");
    let targets = vec![Target::new([192, 0, 2, 3].into(), Some(HealthId(0)))];
    zone.add_dynamic(DynamicRecord::new(
        &String::from("dynamic"),
        RType::A,
        30,
        Policy::Failover,
        targets,
    ))
    .unwrap();
    let shared = Arc::new(Shared::new(Zones::new(vec![zone]), Arc::new(Broken)));
    let udp = Udp::start(&shared);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .send_to(&Ask::new("dynamic.example.test", "A").bytes(), udp.address)
        .unwrap();
    assert_eq!(udp.ask(&Ask::new("www.example.test", "A")).answers.len(), 1);
    udp.stop();
    assert_eq!(dropped(&shared.counters, DropReason::Panic), 1);
}

#[test]
fn more_queries_than_a_batch_are_all_answered() {
    let shared = shared();
    let udp = Udp::start(&shared);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let query = Ask::new("www.example.test", "A").bytes();
    let most = limits::UDP_BATCH + 10;
    for _ in 0..most {
        client.send_to(&query, udp.address).unwrap();
    }
    for _ in 0..most {
        let len = client.recv(&mut [0; 512]).unwrap();
        assert!(len > query.len());
    }
    udp.stop();
    assert_eq!(shared.counters.snapshot().answers(), most as u64);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left_and_others_are_served() {
    let shared = shared();
    let limits = TcpLimits {
        idle: Duration::from_millis(300),
        queries: usize::MAX,
        ..TcpLimits::default()
    };
    let tcp = Tcp::start(&shared, limits).await;
    let mut deaf = tcp.connect().await;
    let batch = framed(&Ask::new("big.example.test", "A")).repeat(1000);
    // Its answers fill every buffer on the way; then its writes fail, because the server has gone.
    let gone = async { while deaf.write_all(&batch).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    let mut other = tcp.connect().await;
    let question = framed(&Ask::new("www.example.test", "A"));
    other.write_all(&question).await.unwrap();
    assert_eq!(read(&mut other).await.answers.len(), 1);
    tcp.stop().await;
}
