//! dns-01 through our own zones: wildcards, and names of which only `_acme-challenge` is ours.

use super::{ONE_SITE, configure, issued, say, told};
use hickory_proto::op::ResponseCode;
use seawall_tests::{
    Edge,
    dns::{Type, ask},
    eventually, free_address,
    pebble::Pebble,
};
use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

fn with_zones(zones: &str, sites: &str, change: impl Fn(Pebble) -> Pebble) -> (Edge, Pebble) {
    let edge = Edge::yaml("");
    edge.write("shop.test.zone", super::ZONE);
    edge.write(
        "challenge.zone",
        "$ORIGIN _acme-challenge.far.test.\n$TTL 60\n@ IN SOA ns.shop.test. admin.shop.test. 1 3600 600 86400 60\n@ IN NS ns.shop.test.\n",
    );
    let pebble = change(Pebble::beside(&edge)).start();
    configure(&edge, &pebble, sites, ", challenge: dns-01");
    let text = std::fs::read_to_string(edge.config()).unwrap();
    let text = text.replace(
        "file: shop.test.zone }",
        &format!("file: shop.test.zone }}{zones}"),
    );
    std::fs::write(edge.config(), text).unwrap();
    (edge, pebble)
}

#[test]
fn a_wildcard_is_proved_in_our_own_zone_renewed_and_leaves_nothing_there() {
    let sites = "  - { host: [\"*.shop.test\", shop.test], tls: acme, respond: { status: 200, body: hello } }";
    let (edge, pebble) = with_zones("", sites, |p| p);
    let edge = edge.start();
    let mut session = issued(&edge, &pebble, "any.shop.test");
    assert_eq!(session.client.get("any.shop.test", "/").text(), "hello");
    issued(&edge, &pebble, "shop.test");
    let shown = told(&edge, "*.shop.test", "stored as");
    assert!(
        shown.contains("dns-01 is answered at _acme-challenge.shop.test"),
        "{shown}"
    );
    assert!(say(&edge, &["cert", "renew", "any.shop.test"]).contains("asked for"));
    edge.counts("seawall_acme_orders_total{outcome=\"issued\"}", 2);
    eventually("a zone without tokens", || {
        let answer = ask(edge.address("dns"), "_acme-challenge.shop.test", Type::Txt);
        answer.data().is_empty().then_some(())
    });
    assert_eq!(
        ask(edge.address("dns"), "shop.test", Type::A).code(),
        ResponseCode::NoError
    );
}

#[test]
fn a_name_is_proved_where_only_its_challenge_is_delegated_to_us() {
    let sites = "  - { host: [far.test, \"*.far.test\"], tls: acme, respond: { status: 200, body: hello } }";
    let zone = ", { name: _acme-challenge.far.test, file: challenge.zone }";
    let (edge, pebble) = with_zones(zone, sites, |p| p);
    let edge = edge.start();
    issued(&edge, &pebble, "www.far.test");
    let why = say(&edge, &["cert", "why", "far.test"]);
    assert!(
        why.contains("the proof for dns-01 is answered here"),
        "{why}"
    );
}

#[test]
fn a_name_is_proved_where_its_challenge_is_an_alias_of_one_of_ours() {
    let sites = "  - { host: far.test, tls: acme, respond: { status: 200, body: hello } }";
    let (edge, pebble) = with_zones("", sites, |p| p);
    drop(pebble);
    let others = OthersDns::start(edge.address("dns"));
    let pebble = Pebble::beside(&edge).dns(others.address).start();
    configure(&edge, &pebble, sites, ", challenge: dns-01");
    let text = std::fs::read_to_string(edge.config()).unwrap();
    let ours = format!("resolver: \"{}\"", edge.address("dns"));
    assert!(text.contains(&ours), "{text}");
    let text = text.replace(&ours, &format!("resolver: \"{}\"", others.address));
    std::fs::write(edge.config(), text).unwrap();
    let edge = edge.start();
    issued(&edge, &pebble, "far.test");
    let shown = told(&edge, "far.test", "stored as");
    assert!(
        shown.contains("dns-01 is answered at token.shop.test"),
        "{shown}"
    );
}

#[test]
fn a_name_in_nobodys_zone_is_told_how_it_could_be_proved() {
    let sites = "  - { host: lost.test, tls: acme, respond: { status: 200, body: hello } }";
    let (edge, _pebble) = with_zones("", sites, |p| p);
    let edge = edge.start();
    let shown = told(&edge, "lost.test", "FAIL challenge");
    assert!(shown.contains("_acme-challenge.lost.test"), "{shown}");
    assert!(
        shown.contains("cannot be looked up") || shown.contains("delegate"),
        "{shown}"
    );
    // What does work is not kept from it.
    let text = std::fs::read_to_string(edge.config()).unwrap();
    let text = text.replace(sites.trim(), ONE_SITE.trim());
    std::fs::write(edge.config(), text).unwrap();
    told(&edge, "shop.test", "stored as");
}

/// Somebody else's name server, which knows one thing: `_acme-challenge.far.test` is an alias of `token.shop.test`. As a
/// resolver would, it follows the alias.
struct OthersDns {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OthersDns {
    fn start(ours: SocketAddr) -> Self {
        let socket = UdpSocket::bind(free_address()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stopped.load(SeqCst) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&answer(&buffer[..length], ours), from);
                }
            }
        });
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for OthersDns {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn wire(name: &str) -> Vec<u8> {
    let labels = name
        .split('.')
        .flat_map(|l| [&[l.len() as u8][..], l.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn answer(question: &[u8], ours: SocketAddr) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let kind = question[end - 3];
    let asked = question[12..end - 4].to_ascii_lowercase();
    let mut records: Vec<Vec<u8>> = Vec::new();
    let record = |owner: &str, kind: u8, data: &[u8]| {
        let length = (data.len() as u16).to_be_bytes();
        [
            &wire(owner)[..],
            &[0, kind, 0, 1, 0, 0, 0, 1],
            &length,
            data,
        ]
        .concat()
    };
    let (alias, target) = ("_acme-challenge.far.test", "token.shop.test");
    if asked == wire(alias) {
        records.push(record(alias, Type::Cname as u8, &wire(target)));
        if kind == Type::Txt as u8 {
            for text in ask(ours, target, Type::Txt).data() {
                let text = text.trim_matches('"').as_bytes().to_vec();
                let data = [&[text.len() as u8][..], &text].concat();
                records.push(record(target, Type::Txt as u8, &data));
            }
        }
    }
    let count = (records.len() as u16).to_be_bytes();
    let head = [&question[..2], &[0x85, 0x80, 0, 1], &count, &[0, 0, 0, 0]].concat();
    [head, question[12..end].to_vec(), records.concat()].concat()
}
