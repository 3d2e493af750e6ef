//! Places from a database in MaxMind's format, and the networks that answers by place hold for.

mod asking;
#[path = "../../proxy/nets/tests/mmdb/mod.rs"]
mod mmdb;

use asking::{Answer, Ask, zone};
use mmdb::databases;
use seawall_dns::{
    AlwaysUp, Area, Client, DynamicRecord, Guard, Net, Out, Policy, RType, Target, Transport,
    Verdict, Zones, answer,
};
use seawall_nets::Databases;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

fn zones(policy: Policy, targets: Vec<Target>) -> Zones {
    let mut zone = zone("");
    zone.add_dynamic(DynamicRecord::new("www", RType::A, 30, policy, targets))
        .unwrap();
    Zones::new(vec![zone])
}

/// The last byte of the address a client behind a resolver gets, and the scope it holds for.
fn asked(zones: &Zones, network: &str) -> (u8, u8) {
    let (address, bits) = network.split_once('/').unwrap();
    let bits: u8 = bits.parse().unwrap();
    let (family, address) = match address.parse().unwrap() {
        IpAddr::V4(a) => (1, a.octets().to_vec()),
        IpAddr::V6(a) => (2, Ipv6Addr::octets(&a).to_vec()),
    };
    let address = &address[..usize::from(bits.div_ceil(8))];
    let mut query = Ask::new("www.example.test", "A").edns(1232).bytes();
    let end = query.len() - 2;
    query[end..].copy_from_slice(&(8 + address.len() as u16).to_be_bytes());
    query.extend([0, 8, 0, 4 + address.len() as u8, 0, family, bits, 0]);
    query.extend(address);
    let guard = Guard::default().with_geo(Arc::new(Databases::read(databases()).unwrap()));
    let client = Client {
        addr: [127, 0, 0, 1].into(),
        transport: Transport::Udp,
        health: &AlwaysUp,
        guard: Some(&guard),
    };
    let mut buffer = vec![0; 1500];
    let mut out = Out::new(&mut buffer);
    let Verdict::Reply(len) = answer(zones, &query, &client, &mut out) else {
        panic!("dropped");
    };
    let reply = out.written(len);
    let option = reply
        .windows(8)
        .position(|w| w[..2] == [0, 8] && w[5] == family && w[6] == bits);
    let scope = reply[option.expect("the option comes back") + 7];
    let answers = Answer::read(reply).answers;
    (
        answers[0].rsplit('.').next().unwrap().parse().unwrap(),
        scope,
    )
}

#[test]
fn the_nearest_area_answers_and_the_scope_is_the_database_s_network() {
    let mut targets: Vec<Target> = (1..=5)
        .map(|n| Target::new([192, 0, 2, n].into(), None))
        .collect();
    targets[0].areas = vec![Area::Country(*b"DE")];
    targets[1].areas = vec![Area::Continent(*b"EU")];
    targets[2].areas = vec![Area::Asn(64_500)];
    // The fourth is for everybody else.
    targets[4].areas = vec![Area::Country(*b"JP")];
    let by_place = zones(Policy::Geo, targets.clone());
    assert_eq!(asked(&by_place, "198.51.100.0/24"), (1, 16));
    assert_eq!(asked(&by_place, "203.0.113.0/25"), (2, 25));
    assert_eq!(asked(&by_place, "203.0.113.128/25"), (3, 25));
    assert_eq!(asked(&by_place, "192.0.2.0/24").0, 5);
    assert_eq!(asked(&by_place, "8.8.8.0/24").0, 4);
    assert_eq!(asked(&by_place, "2001:db8:1::/48"), (1, 32));
    targets[3].nets = vec![Net {
        address: [198, 51, 100, 0].into(),
        bits: 24,
    }];
    let with_nets = zones(Policy::Geo, targets);
    assert_eq!(asked(&with_nets, "198.51.100.0/24"), (4, 24));
    assert_eq!(asked(&with_nets, "198.51.101.0/24"), (1, 24));
}

#[test]
fn the_nearest_target_answers() {
    let mut targets: Vec<Target> = (1..=2)
        .map(|n| Target::new([192, 0, 2, n].into(), None))
        .collect();
    targets[0].at = Some((356_700, 1_396_500));
    targets[1].at = Some((488_500, 23_500));
    let zones = zones(Policy::Nearest, targets);
    assert_eq!(asked(&zones, "198.51.100.0/24").0, 2);
    assert_eq!(asked(&zones, "192.0.2.0/24").0, 1);
}
