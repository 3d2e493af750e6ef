//! Places from a database in MaxMind's format, and the networks that answers by place hold for.

mod asking;

use asking::{Answer, Ask, zone};
use seawall_dns::{
    AlwaysUp, Area, Client, Databases, DynamicRecord, Geo, Guard, Net, Out, Policy, RType, Target,
    Transport, Verdict, Zones, answer,
};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// A value as the format writes it.
enum Value {
    Text(&'static str),
    Short(u16),
    Number(u32),
    Long(u64),
    Double(f64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

fn control(kind: u8, len: usize, out: &mut Vec<u8>) {
    assert!(len < 29, "short values only");
    if kind < 8 {
        out.push(kind << 5 | len as u8);
    } else {
        out.extend([len as u8, kind - 7]);
    }
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            control(2, text.len(), out);
            out.extend(text.bytes());
        }
        Value::Number(number) => {
            control(6, 4, out);
            out.extend(number.to_be_bytes());
        }
        Value::Short(number) => {
            control(5, 2, out);
            out.extend(number.to_be_bytes());
        }
        Value::Long(number) => {
            control(9, 8, out);
            out.extend(number.to_be_bytes());
        }
        Value::Double(number) => {
            control(3, 8, out);
            out.extend(number.to_be_bytes());
        }
        Value::Map(pairs) => {
            control(7, pairs.len(), out);
            for (key, value) in pairs {
                put(&Value::Text(key), out);
                put(value, out);
            }
        }
        Value::List(values) => {
            control(11, values.len(), out);
            values.iter().for_each(|v| put(v, out));
        }
    }
}

/// A database of IPv6 with IPv4 below `::/96`, of records of 24 bits.
fn database(kind: &'static str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut tree: Vec<[u32; 2]> = vec![[0; 2]];
    let mut data = Vec::new();
    // Children: 0 is empty, n is a node, u32::MAX - n is data at n.
    for (network, value) in networks {
        let offset = data.len() as u32;
        put(value, &mut data);
        let (address, bits) = network.split_once('/').unwrap();
        let bits: u32 = bits.parse().unwrap();
        let (bytes, bits) = match address.parse().unwrap() {
            IpAddr::V4(a) => (u128::from(u32::from(a)), bits + 96),
            IpAddr::V6(a) => (u128::from(a), bits),
        };
        let mut node = 0;
        for bit in 0..bits {
            let side = (bytes >> (127 - bit) & 1) as usize;
            if bit + 1 == bits {
                tree[node][side] = u32::MAX - offset;
            } else {
                if tree[node][side] == 0 {
                    tree[node][side] = tree.len() as u32;
                    tree.push([0; 2]);
                }
                node = tree[node][side] as usize;
            }
        }
    }
    let count = tree.len() as u32;
    let record = |child: u32| match child {
        0 => count,
        data if data > u32::MAX / 2 => count + 16 + (u32::MAX - data),
        node => node,
    };
    let mut file: Vec<u8> = tree
        .iter()
        .flatten()
        .flat_map(|child| record(*child).to_be_bytes().into_iter().skip(1))
        .collect();
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = Value::Map(vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_700_000_000)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Short(6)),
        ("languages", Value::List(Vec::new())),
        ("node_count", Value::Number(count)),
        ("record_size", Value::Short(24)),
    ]);
    put(&metadata, &mut file);
    file
}

fn databases() -> Databases {
    let place = |country, continent, latitude, longitude| {
        Value::Map(vec![
            (
                "continent",
                Value::Map(vec![("code", Value::Text(continent))]),
            ),
            (
                "country",
                Value::Map(vec![("iso_code", Value::Text(country))]),
            ),
            (
                "location",
                Value::Map(vec![
                    ("latitude", Value::Double(latitude)),
                    ("longitude", Value::Double(longitude)),
                ]),
            ),
        ])
    };
    let cities = database(
        "Test-City",
        &[
            ("198.51.0.0/16", place("DE", "EU", 52.52, 13.405)),
            ("203.0.113.0/24", place("FR", "EU", 48.85, 2.35)),
            ("192.0.2.0/24", place("JP", "AS", 35.67, 139.65)),
            ("2001:db8::/32", place("DE", "EU", 52.52, 13.405)),
        ],
    );
    let systems = database(
        "Test-ASN",
        &[(
            "203.0.113.128/25",
            Value::Map(vec![("autonomous_system_number", Value::Number(64_500))]),
        )],
    );
    Databases::read(vec![cities, systems]).unwrap()
}

#[test]
fn databases_complete_each_other() {
    let databases = databases();
    let place = |a: &str| databases.place(a.parse().unwrap());
    let berlin = place("198.51.7.7");
    assert_eq!(
        (berlin.country, berlin.continent, berlin.asn),
        (Some(*b"DE"), Some(*b"EU"), None)
    );
    assert_eq!(berlin.at, Some((525_200, 134_050)));
    assert_eq!(place("203.0.113.200").asn, Some(64_500));
    assert_eq!(place("203.0.113.200").bits, Some(25));
    assert_eq!(place("203.0.113.1").asn, None);
    assert_eq!(place("2001:db8::1").country, Some(*b"DE"));
    assert_eq!(place("8.8.8.8").country, None);
    assert!(Databases::read(vec![b"no database".to_vec()]).is_err());
}

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
    let guard = Guard::default().with_geo(Arc::new(databases()));
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
