//! Databases in MaxMind's format, written for tests.

use std::net::IpAddr;

/// A value as the format writes it.
pub enum Value {
    /// UTF-8.
    Text(&'static str),
    /// 16 bits.
    Short(u16),
    /// 32 bits.
    Number(u32),
    /// 64 bits.
    Long(u64),
    /// A number with a fraction.
    Double(f64),
    /// Names and their values.
    Map(Vec<(&'static str, Value)>),
    /// Values.
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

/// A database of IPv6, with IPv4 below `::/96`, of records of 24 bits.
pub fn database(kind: &'static str, networks: &[(&str, Value)]) -> Vec<u8> {
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

/// A database of cities, and one of autonomous systems that says of a part of a city's network what it is.
pub fn databases() -> Vec<Vec<u8>> {
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
    vec![cities, systems]
}
