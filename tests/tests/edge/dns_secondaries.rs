//! Copies of zones where something goes wrong at the primary: one that breaks off, says nonsense, cannot do IXFR, or signs
//! with another key. And primaries of others that were not met elsewhere: NSD, and Knot DNS with a catalog.

use super::dns_transfers::{KEY, edge, has_serial, knot, transferred, zone};
use hickory_proto::op::ResponseCode;
use nix::sys::signal::Signal;
use seawall_tests::{
    Edge, Peer, Running,
    dns::{Type, ask},
    eventually, free_address,
    process::signal,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const SOA: u16 = 6;
const IXFR: u16 = 251;

/// What our primary does when it is asked for its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Sends all of it, however it is asked.
    Whole,
    /// Closes in the middle.
    BreaksOff,
    /// Announces a longer message than it sends, and closes.
    Scraps,
    /// Sends a record that is none of this zone.
    Foreign,
    /// Sends records whose data ends early.
    Garbage,
    /// Knows no IXFR.
    NoIxfr,
    /// Takes away what was never there.
    WrongDifference,
}

/// A primary that misbehaves as it is told.
struct Primary {
    address: SocketAddr,
    serial: AtomicU32,
    manner: Mutex<Manner>,
    stopped: AtomicBool,
}

fn name(labels: &[&str]) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn record(owner: &[&str], rtype: u16, data: &[u8]) -> Vec<u8> {
    let mut wire = name(owner);
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&[0, 1, 0, 0, 1, 44]);
    wire.extend_from_slice(&(data.len() as u16).to_be_bytes());
    wire.extend_from_slice(data);
    wire
}

fn soa(serial: u32) -> Vec<u8> {
    let mut data = [
        name(&["ns", "shop", "test"]),
        name(&["admin", "shop", "test"]),
    ]
    .concat();
    for number in [serial, 1, 1, 600, 60] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    record(&["shop", "test"], SOA, &data)
}

fn host(n: u32, serial: u32) -> Vec<u8> {
    record(
        &[&format!("host{n}"), "shop", "test"],
        1,
        &[192, 0, 2, serial as u8],
    )
}

/// An answer with these records, behind the question as it came.
fn answer(query: &[u8], code: u8, records: &[Vec<u8>]) -> Vec<u8> {
    let question = &query[12..];
    let end = question.iter().position(|b| *b == 0).expect("a name") + 5;
    let mut message = query[..2].to_vec();
    message.extend_from_slice(&[0x84, code, 0, 1]);
    message.extend_from_slice(&(records.len() as u16).to_be_bytes());
    message.extend_from_slice(&[0, 0, 0, 0]);
    message.extend_from_slice(&question[..end]);
    message.extend(records.concat());
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

impl Primary {
    fn start() -> Arc<Self> {
        let address = free_address();
        let primary = Arc::new(Self {
            address,
            serial: AtomicU32::new(1),
            manner: Mutex::new(Manner::Whole),
            stopped: AtomicBool::new(false),
        });
        let datagrams = UdpSocket::bind(address).expect("a free port");
        let streams = TcpListener::bind(address).expect("a free port");
        let (one, other) = (Arc::clone(&primary), Arc::clone(&primary));
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = datagrams.recv_from(&mut buffer) {
                if one.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let serial = one.serial.load(Ordering::Relaxed);
                let said = answer(&buffer[..length], 0, &[soa(serial)]);
                let _ = datagrams.send_to(&said, from);
            }
        });
        std::thread::spawn(move || {
            for stream in streams.incoming().flatten() {
                if other.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let _ = other.serve(stream);
            }
        });
        primary
    }

    /// From now on it has this version, and sends it so.
    fn has(&self, serial: u32, manner: Manner) {
        *self.manner.lock().expect("the manner") = manner;
        self.serial.store(serial, Ordering::Relaxed);
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        let end = query[12..].iter().position(|b| *b == 0).expect("a name") + 13;
        let asked = u16::from_be_bytes([query[end], query[end + 1]]);
        let (serial, manner) = (
            self.serial.load(Ordering::Relaxed),
            *self.manner.lock().expect("the manner"),
        );
        let first: Vec<Vec<u8>> = (0..50).map(|n| host(n, serial)).collect();
        let first = answer(&query, 0, &[vec![soa(serial)], first].concat());
        let last: Vec<Vec<u8>> = (50..100).map(|n| host(n, serial)).collect();
        let last = answer(&query, 0, &[last, vec![soa(serial)]].concat());
        let messages = match manner {
            Manner::NoIxfr if asked == IXFR => vec![framed(&answer(&query, 4, &[]))],
            Manner::WrongDifference if asked == IXFR => {
                let never = record(&["never", "shop", "test"], 1, &[192, 0, 2, 1]);
                let steps = [
                    soa(serial),
                    soa(serial - 1),
                    never,
                    soa(serial),
                    soa(serial),
                ];
                vec![framed(&answer(&query, 0, &steps))]
            }
            Manner::Whole | Manner::NoIxfr | Manner::WrongDifference => {
                vec![framed(&first), framed(&last)]
            }
            Manner::BreaksOff => vec![framed(&first)],
            Manner::Scraps => vec![framed(&first), framed(&last)[..40].to_vec()],
            Manner::Foreign => {
                let foreign = record(&["www", "elsewhere", "test"], 1, &[192, 0, 2, 1]);
                let records = [soa(serial), host(0, serial), foreign, soa(serial)];
                vec![framed(&answer(&query, 0, &records))]
            }
            Manner::Garbage => {
                let mut message = answer(&query, 0, &[soa(serial), host(0, serial)]);
                message.truncate(message.len() - 2);
                vec![framed(&message), framed(&last)]
            }
        };
        messages.iter().try_for_each(|m| stream.write_all(m))
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Tells a secondary that its zone has changed (RFC 1996).
fn notify(server: SocketAddr) {
    let mut message = vec![0x12, 0x34, 0x24, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend(name(&["shop", "test"]));
    message.extend_from_slice(&[0, 6, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(&message, server).expect("it is sent");
}

fn failures(edge: &Running) -> usize {
    edge.error_log().matches("was not copied from").count()
}

#[test]
fn a_transfer_that_breaks_off_or_is_broken_changes_nothing() {
    let primary = Primary::start();
    let edge = edge(&format!(
        "    - name: shop.test\n      secondary: {{ from: \"{}\" }}",
        primary.address
    ));
    let edge = edge.start();
    let ours = edge.address("dns");
    has_serial(ours, "1");
    for (serial, manner) in [
        (2, Manner::BreaksOff),
        (3, Manner::Scraps),
        (4, Manner::Foreign),
        (5, Manner::Garbage),
    ] {
        let before = failures(&edge);
        primary.has(serial, manner);
        notify(ours);
        eventually(&format!("a failure of {manner:?}"), || {
            (failures(&edge) > before).then_some(())
        });
        has_serial(ours, "1");
        for host in ["host0.shop.test", "host99.shop.test"] {
            assert_eq!(ask(ours, host, Type::A).data(), ["192.0.2.1"], "{manner:?}");
        }
    }
    primary.has(6, Manner::Whole);
    notify(ours);
    has_serial(ours, "6");
    assert_eq!(ask(ours, "host99.shop.test", Type::A).data(), ["192.0.2.6"]);
}

#[test]
fn a_difference_that_is_not_to_be_had_or_does_not_fit_is_followed_by_the_whole_zone() {
    let primary = Primary::start();
    let edge = edge(&format!(
        "    - name: shop.test\n      secondary: {{ from: \"{}\" }}",
        primary.address
    ));
    let edge = edge.start();
    let ours = edge.address("dns");
    has_serial(ours, "1");
    for (serial, manner) in [(2, Manner::NoIxfr), (3, Manner::WrongDifference)] {
        primary.has(serial, manner);
        notify(ours);
        has_serial(ours, &serial.to_string());
        let data = ask(ours, "host42.shop.test", Type::A).data();
        assert_eq!(data, [format!("192.0.2.{serial}")], "{manner:?}");
    }
    assert_eq!(failures(&edge), 0, "{}", edge.error_log());
}

/// Knot DNS as the primary of the zone, for whoever has its key.
fn primary_knot(edge: &Edge, address: SocketAddr, more: &str) -> Peer {
    let directory = edge.path("knot").parent().expect("a directory").to_owned();
    edge.write("primary.zone", zone(1, ""));
    knot(
        &directory,
        address,
        &format!(
            "remote:\n  - id: us\n    address: {}\n    key: k.test\nacl:\n  - id: us\n    address: 127.0.0.1\n    key: k.test\n    action: transfer\n\
             {more}zone:\n  - domain: shop.test\n    file: {}\n    notify: us\n    acl: us\n",
            edge.address("dns").to_string().replace(':', "@"),
            directory.join("primary.zone").display()
        ),
    )
}

#[test]
fn a_copy_is_not_taken_with_another_key_and_the_key_may_come_later() {
    let other = free_address();
    let dns = |key: &str| {
        format!(
            "    - name: shop.test\n      secondary: {{ from: \"{other}\", key: {{ file: {key} }} }}"
        )
    };
    let edge = edge(&dns("wrong.key"));
    edge.write("wrong.key", KEY.replace("c2Vh", "AAAA"));
    let _knot = primary_knot(&edge, other, "");
    let edge = edge.start();
    let ours = edge.address("dns");
    edge.logged("was not copied from");
    let answer = ask(ours, "www.shop.test", Type::A);
    assert!(answer.data().is_empty(), "{:?}", answer.data());
    edge.write("wrong.key", KEY);
    edge.signal(Signal::SIGHUP);
    has_serial(ours, "1");
    assert_eq!(ask(ours, "www.shop.test", Type::A).data(), ["192.0.2.10"]);
}

#[test]
fn we_follow_nsd_by_notify() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: shop.test\n      secondary: {{ from: \"{other}\" }}\n      transfer: {{ to: 127.0.0.1, key: {{ file: tsig.key }} }}"
    ));
    let ours = edge.address("dns");
    let directory = edge.path("nsd").parent().expect("a directory").to_owned();
    edge.write("primary.zone", zone(1, ""));
    let text = format!(
        "server:\n  ip-address: {0}@{1}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{2}\"\n  database: \"\"\n\
         \x20 pidfile: \"{2}/nsd.pid\"\n  xfrdfile: \"{2}/xfrd\"\n  zonelistfile: \"{2}/list\"\n  xfrdir: \"{2}\"\n  xfrd-reload-timeout: 0\n\
         remote-control:\n  control-enable: no\nkey:\n  name: k.test\n  algorithm: hmac-sha256\n  secret: \"c2Vhd2FsbC1zZWFsZWQtc2VjcmV0LTEyMzQ1Njc4\"\n\
         zone:\n  name: shop.test\n  zonefile: primary.zone\n  notify: {3}@{4} NOKEY\n  provide-xfr: 127.0.0.1 NOKEY\n  provide-xfr: 127.0.0.1 k.test\n",
        other.ip(),
        other.port(),
        directory.display(),
        ours.ip(),
        ours.port()
    );
    let config = edge.write("nsd.conf", text);
    let nsd = Peer::start(
        "nsd",
        &["-d", "-c", &config.to_string_lossy()],
        &directory,
        other,
    );
    let edge = edge.start();
    has_serial(ours, "1");
    let key = edge.path("tsig.key");
    edge.write("primary.zone", zone(2, "new IN A 192.0.2.99\n"));
    signal(nsd.pid(), Signal::SIGHUP);
    has_serial(ours, "2");
    assert_eq!(
        transferred(ours, &key, "AXFR"),
        transferred(other, &key, "AXFR")
    );
}

#[test]
fn knot_lists_zones_in_a_catalog_and_we_copy_them() {
    let other = free_address();
    let edge = edge(&format!(
        "    - name: catalog.test\n      secondary: {{ from: \"{other}\", catalog: true, key: {{ file: tsig.key }} }}"
    ));
    let ours = edge.address("dns");
    let directory = edge.path("knot").parent().expect("a directory").to_owned();
    edge.write("shop.zone", zone(7, ""));
    let us = ours.to_string().replace(':', "@");
    let member = |name: &str| {
        let file = directory.join("shop.zone");
        format!(
            "  - domain: {name}\n    file: {}\n    catalog-role: member\n    catalog-zone: catalog.test\n    notify: us\n    acl: us\n",
            file.display()
        )
    };
    let begin = |members: &str| {
        format!(
            "remote:\n  - id: us\n    address: {us}\n    key: k.test\nacl:\n  - id: us\n    address: 127.0.0.1\n    key: k.test\n    action: transfer\n\
             zone:\n  - domain: catalog.test\n    catalog-role: generate\n    notify: us\n    acl: us\n{members}"
        )
    };
    let both = member("shop.test") + &member("stays.test");
    let primary = knot(&directory, other, &begin(&both));
    let edge = edge.start();
    has_serial(ours, "7");
    let host = |zone: &str| ask(ours, &format!("host9.{zone}"), Type::A);
    eventually("the other zone", || {
        (host("stays.test").data() == ["198.51.100.9"]).then_some(())
    });
    let text = std::fs::read_to_string(directory.join("knot.conf")).expect("it was written");
    edge.write("knot.conf", text.replace(&member("shop.test"), ""));
    signal(primary.pid(), Signal::SIGHUP);
    eventually("the zone is gone", || {
        (host("shop.test").code() == ResponseCode::Refused).then_some(())
    });
    assert_eq!(host("stays.test").data(), ["198.51.100.9"]);
    edge.logged("is no longer in the catalog");
}
