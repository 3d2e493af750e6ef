//! Dynamic records: whom each policy answers, and what is answered when too few are up.

mod asking;

use asking::{Answer, Ask, zone};
use seawall_dns::{
    AllDown, Area, Client, DynamicRecord, Geo, Guard, Health, HealthId, Net, Out, Place, Policy,
    RType, Target, Transport, Verdict, Zones, answer,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Bit n: target n is up.
struct Up(u64);

impl Health for Up {
    fn is_up(&self, id: HealthId) -> bool {
        self.0 >> id.0 & 1 == 1
    }
}

/// The first byte of an address is where it is.
struct Atlas;

impl Geo for Atlas {
    fn place(&self, address: IpAddr) -> Place {
        let IpAddr::V4(address) = address else {
            return Place::default();
        };
        match address.octets()[0] {
            1 => Place {
                country: Some(*b"DE"),
                continent: Some(*b"EU"),
                asn: Some(64_500),
                at: Some((525_200, 134_050)),
                bits: None,
            },
            2 => Place {
                country: Some(*b"FR"),
                continent: Some(*b"EU"),
                asn: None,
                at: Some((488_566, 23_522)),
                bits: None,
            },
            3 => Place {
                continent: Some(*b"AS"),
                at: Some((356_762, 1_396_503)),
                ..Place::default()
            },
            _ => Place::default(),
        }
    }
}

fn targets(n: u8) -> Vec<Target> {
    let target = |n: u8| Target::new(IpAddr::from([192, 0, 2, n]), Some(HealthId(n.into())));
    (0..n).map(target).collect()
}

fn record(policy: Policy, targets: Vec<Target>) -> DynamicRecord {
    DynamicRecord::new("www", RType::A, 30, policy, targets)
}

fn zones(record: DynamicRecord) -> Zones {
    let mut zone = zone("");
    zone.add_dynamic(record).unwrap();
    Zones::new(vec![zone])
}

/// The last bytes of the addresses that a client is answered with.
fn asked(zones: &Zones, up: u64, from: [u8; 4], id: u16, options: &[u8]) -> (Vec<u8>, Answer) {
    let mut query = Ask::new("www.example.test", "A").edns(1232).bytes();
    query[..2].copy_from_slice(&id.to_be_bytes());
    let len = query.len();
    query[len - 2..].copy_from_slice(&(options.len() as u16).to_be_bytes());
    query.extend_from_slice(options);
    let guard = Guard::default().with_geo(Arc::new(Atlas));
    let client = Client {
        addr: from.into(),
        transport: Transport::Udp,
        health: &Up(up),
        guard: Some(&guard),
    };
    let mut buffer = vec![0; 1500];
    let mut out = Out::new(&mut buffer);
    let Verdict::Reply(len) = answer(zones, &query, &client, &mut out) else {
        panic!("dropped");
    };
    let answer = Answer::read(out.written(len));
    let last = |line: &String| line.rsplit('.').next().unwrap().parse().unwrap();
    (answer.answers.iter().map(last).collect(), answer)
}

fn of(zones: &Zones, up: u64, from: [u8; 4]) -> Vec<u8> {
    asked(zones, up, from, 7, &[]).0
}

#[test]
fn weights_are_shares_of_the_answers_and_who_is_down_has_none() {
    let mut all = targets(3);
    (all[0].weight, all[1].weight, all[2].weight) = (3, 1, 0);
    let zones = zones(record(Policy::Weighted, all));
    let shares = |up: u64| {
        let mut shares: BTreeMap<u8, u32> = BTreeMap::new();
        for id in 0..4000 {
            let (answers, _) = asked(&zones, up, [9, 9, 9, 9], id, &[]);
            assert_eq!(answers.len(), 1);
            *shares.entry(answers[0]).or_default() += 1;
        }
        shares
    };
    let all_up = shares(0b111);
    assert!((2700..3300).contains(&all_up[&0]), "{all_up:?}");
    assert_eq!(
        all_up.len(),
        2,
        "weight 0 is for when there is nothing else"
    );
    assert_eq!(shares(0b110).into_keys().collect::<Vec<_>>(), [1]);
    assert_eq!(shares(0b100).into_keys().collect::<Vec<_>>(), [2]);
}

#[test]
fn a_client_is_sent_to_its_system_its_country_its_continent_or_anywhere() {
    let mut all = targets(4);
    all[0].areas = vec![Area::Asn(64_500)];
    all[1].areas = vec![Area::Country(*b"DE"), Area::Country(*b"FR")];
    all[2].areas = vec![Area::Continent(*b"EU")];
    let zones = zones(record(Policy::Geo, all));
    assert_eq!(of(&zones, 0b1111, [1, 0, 0, 1]), [0]);
    assert_eq!(
        of(&zones, 0b1110, [1, 0, 0, 1]),
        [1],
        "the country, where the system's is down"
    );
    assert_eq!(of(&zones, 0b1100, [1, 0, 0, 1]), [2]);
    assert_eq!(of(&zones, 0b1111, [2, 0, 0, 1]), [1]);
    assert_eq!(
        of(&zones, 0b1111, [3, 0, 0, 1]),
        [3],
        "nowhere in particular"
    );
    assert_eq!(of(&zones, 0b0001, [3, 0, 0, 1]), [0], "better than nothing");
}

#[test]
fn the_resolvers_client_counts_and_the_answer_holds_for_its_network() {
    let mut all = targets(2);
    all[0].areas = vec![Area::Country(*b"FR")];
    let by_country = zones(record(Policy::Geo, all));
    // FAMILY 1, 24 bits, 2.3.4.0.
    let subnet = [0, 8, 0, 7, 0, 1, 24, 0, 2, 3, 4];
    let (answers, message) = asked(&by_country, 0b11, [9, 9, 9, 9], 7, &subnet);
    assert_eq!(answers, [0]);
    assert!(
        message
            .bytes
            .ends_with(&[0, 8, 0, 7, 0, 1, 24, 24, 2, 3, 4]),
        "{:x?}",
        message.bytes
    );
    let failover = zones(record(Policy::Failover, targets(2)));
    let (_, message) = asked(&failover, 0b11, [9, 9, 9, 9], 7, &subnet);
    assert!(
        message.bytes.ends_with(&[0, 8, 0, 7, 0, 1, 24, 0, 2, 3, 4]),
        "it holds for everybody"
    );
    for broken in [
        &[0, 8, 0, 7, 0, 1, 24, 1, 2, 3, 4][..],
        &[0, 8, 0, 7, 0, 1, 23, 0, 2, 3, 5],
        &[0, 8, 0, 3, 0, 1, 24],
    ] {
        assert_eq!(asked(&failover, 0b11, [9, 9, 9, 9], 7, broken).1.rcode, 1);
    }
}

#[test]
fn the_smallest_network_wins_and_the_nearest_is_nearest() {
    let net = |address: [u8; 4], bits| Net {
        address: address.into(),
        bits,
    };
    let mut all = targets(3);
    all[0].nets = vec![net([10, 0, 0, 0], 8)];
    all[1].nets = vec![net([10, 1, 0, 0], 16)];
    let by_net = zones(record(Policy::Nets, all));
    assert_eq!(of(&by_net, 0b111, [10, 1, 2, 3]), [1]);
    assert_eq!(of(&by_net, 0b101, [10, 1, 2, 3]), [0]);
    assert_eq!(of(&by_net, 0b111, [11, 1, 2, 3]), [2]);
    let mut all = targets(2);
    all[0].at = Some((356_762, 1_396_503));
    all[1].at = Some((525_200, 134_050));
    let by_place = zones(record(Policy::Nearest, all));
    assert_eq!(of(&by_place, 0b11, [2, 0, 0, 1]), [1]);
    assert_eq!(of(&by_place, 0b11, [3, 0, 0, 1]), [0]);
    assert_eq!(of(&by_place, 0b01, [2, 0, 0, 1]), [0]);
}

#[test]
fn a_hash_keeps_each_client_where_it_is_as_far_as_it_can() {
    let zones = zones(record(Policy::Hash, targets(4)));
    let place = |up: u64, n: u8| of(&zones, up, [100, n, n, 7])[0];
    let before: Vec<u8> = (0..200).map(|n| place(0b1111, n)).collect();
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 4);
    for n in 0..200 {
        let after = place(0b1101, n);
        assert!(
            after == before[usize::from(n)] || before[usize::from(n)] == 1,
            "only those of the one that went"
        );
    }
    assert_eq!(
        place(0b1111, 5),
        of(&zones, 0b1111, [100, 5, 5, 200])[0],
        "a network stays together"
    );
}

#[test]
fn several_are_answered_at_once_but_none_that_is_down() {
    let zones = zones(record(Policy::Multi(2), targets(4)));
    let mut seen = BTreeSet::new();
    for id in 0..200 {
        let (answers, _) = asked(&zones, 0b1011, [9, 9, 9, 9], id, &[]);
        assert_eq!(answers.len(), 2);
        assert!(!answers.contains(&2));
        seen.extend(answers);
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(of(&zones, 0b1000, [9, 9, 9, 9]), [3]);
    assert_eq!(of(&zones, 0, [9, 9, 9, 9]), [0, 1, 2, 3]);
}

#[test]
fn who_stands_first_changes_from_answer_to_answer_and_each_does_as_often() {
    let mut made = record(Policy::Multi(8), targets(3));
    made.degraded_ttl_s = Some(5);
    let zones = zones(made);
    for (up, there) in [(0b111, vec![0, 1, 2]), (0b101, vec![0, 2])] {
        let mut first = [0u32; 3];
        let mut orders = BTreeSet::new();
        for id in 0..3000 {
            let (_, answer) = asked(&zones, up, [9, 9, 9, 9], id, &[]);
            let records = answer.message.answers.iter();
            let host = |r: &hickory_proto::rr::Record| {
                let data = r.data.to_string();
                data.rsplit('.').next().unwrap().parse::<u8>().unwrap()
            };
            let answers: Vec<u8> = records.map(host).collect();
            first[usize::from(answers[0])] += 1;
            let mut sorted = answers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, there, "all that are up, once each");
            orders.insert(answers);
        }
        assert_eq!(orders.len(), there.len(), "{orders:?}");
        if up == 0b111 {
            assert!(first.iter().all(|n| (950..=1050).contains(n)), "{first:?}");
        } else {
            assert!(first[0] > 900 && first[2] > 900, "{first:?}");
        }
    }
}

#[test]
fn when_too_few_are_up_it_is_as_configured() {
    let with = |all_down, min_up| {
        let mut made = record(Policy::Failover, targets(3));
        (made.all_down, made.min_up) = (all_down, min_up);
        zones(made)
    };
    assert_eq!(of(&with(AllDown::ServeAll, 1), 0, [9, 9, 9, 9]), [0, 1, 2]);
    let none = with(AllDown::ServeNone, 1);
    let (answers, message) = asked(&none, 0, [9, 9, 9, 9], 7, &[]);
    assert!(answers.is_empty() && message.rcode == 0 && message.authority.len() == 1);
    assert_eq!(of(&none, 0b100, [9, 9, 9, 9]), [2]);
    let last = with(AllDown::LastResort(vec![[192, 0, 2, 99].into()]), 2);
    assert_eq!(of(&last, 0b110, [9, 9, 9, 9]), [1]);
    assert_eq!(of(&last, 0b100, [9, 9, 9, 9]), [99]);
}

#[test]
fn a_failure_shortens_the_time_to_live() {
    let mut made = record(Policy::Failover, targets(2));
    made.degraded_ttl_s = Some(5);
    let zones = zones(made);
    let ttl = |up| asked(&zones, up, [9, 9, 9, 9], 7, &[]).1.message.answers[0].ttl;
    assert_eq!((ttl(0b11), ttl(0b10), ttl(0b01), ttl(0)), (30, 5, 5, 5));
}
