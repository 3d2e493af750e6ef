//! Keys stay where they are when servers come and go.

use crate::seeds::{self, Random};
use seawall_balance::{
    Algorithm, Choice, Pool, PoolOptions, ServerOptions, Tried, hash_key, ip_key,
};
use std::{net::Ipv4Addr, sync::Arc};

const KEYS: u64 = 1000;

fn pool(algorithm: Algorithm, addresses: &[String], previous: Option<&Pool>) -> Arc<Pool> {
    let servers = addresses.iter().map(ServerOptions::new).collect();
    let options = PoolOptions {
        checked: true,
        ..PoolOptions::new("hashed", algorithm, servers)
    };
    Pool::new(options, previous)
}

fn key(algorithm: Algorithm, number: u64) -> u64 {
    match algorithm {
        Algorithm::IpHash => ip_key(Ipv4Addr::from((number as u32) << 8).into()),
        _ => hash_key(format!("key {number}").as_bytes()),
    }
}

/// Each key's server, by address.
fn placement(pool: &Pool, algorithm: Algorithm) -> Vec<String> {
    let tried = Tried::new();
    let at = |number| {
        let choice = Choice {
            key: Some(key(algorithm, number)),
            ..Choice::new(seeds::start(), number, &tried)
        };
        let lease = pool.pick_with(&choice).lease().expect("a server is up");
        lease.address().to_owned()
    };
    (0..KEYS).map(at).collect()
}

fn addresses(count: usize) -> Vec<String> {
    (0..count)
        .map(|index| format!("10.1.{index}.9:80"))
        .collect()
}

#[test]
fn a_server_that_leaves_moves_its_own_keys_and_no_others() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let mut addresses = addresses(3 + random.index(10));
        let before_pool = pool(Algorithm::Hash, &addresses, None);
        let before = placement(&before_pool, Algorithm::Hash);
        let gone = addresses.remove(random.index(addresses.len()));
        // Discovery may give the others in another order.
        let turn = random.index(addresses.len());
        addresses.rotate_left(turn);
        let after_pool = pool(Algorithm::Hash, &addresses, Some(&before_pool));
        let after = placement(&after_pool, Algorithm::Hash);
        let mut moved = 0;
        for (before, after) in before.iter().zip(&after) {
            if before == &gone {
                moved += 1;
            } else {
                assert_eq!(before, after, "a key of a server that stays");
            }
        }
        let fair = KEYS as f64 / (addresses.len() + 1) as f64;
        let moved = f64::from(moved);
        assert!(
            moved <= fair * 1.5 + 5.0 * fair.sqrt(),
            "{moved}, fair {fair}"
        );
    });
}

#[test]
fn a_server_that_fails_gets_its_keys_back() {
    seeds::each(|seed| {
        let mut random = Random::new(seed);
        let addresses = addresses(3 + random.index(10));
        for algorithm in [Algorithm::Hash, Algorithm::IpHash] {
            let pool = pool(algorithm, &addresses, None);
            let before = placement(&pool, algorithm);
            let failed = random.index(addresses.len());
            pool.check_result(seeds::start(), failed, false);
            let during = placement(&pool, algorithm);
            let mut heirs = std::collections::HashSet::new();
            for (before, during) in before.iter().zip(&during) {
                assert_ne!(during, &addresses[failed]);
                if before == &addresses[failed] {
                    heirs.insert(during);
                } else {
                    assert_eq!(before, during);
                }
            }
            assert!(heirs.len() > 1, "one heir would bear all of it");
            pool.check_result(seeds::start(), failed, true);
            pool.check_result(seeds::start(), failed, true);
            assert_eq!(placement(&pool, algorithm), before);
        }
    });
}

#[test]
fn a_server_that_is_full_lends_its_keys_to_the_next() {
    let mut options = PoolOptions::new(
        "hashed",
        Algorithm::Hash,
        addresses(4).iter().map(ServerOptions::new).collect(),
    );
    for server in &mut options.servers {
        server.max_conns = 1;
    }
    let pool = Pool::new(options, None);
    let tried = Tried::new();
    let choice = Choice {
        key: Some(7),
        ..Choice::new(seeds::start(), 0, &tried)
    };
    let held: Vec<_> = (0..4)
        .filter_map(|_| pool.pick_with(&choice).lease())
        .collect();
    let mut indexes: Vec<usize> = held.iter().map(|lease| lease.index).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, [0, 1, 2, 3]);
}

#[test]
fn a_weight_that_changes_moves_only_that_servers_share() {
    let addresses = addresses(4);
    let pool = pool(Algorithm::Hash, &addresses, None);
    let before = placement(&pool, Algorithm::Hash);
    pool.set_weight(0, 2);
    let after = placement(&pool, Algorithm::Hash);
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || after == &addresses[0]);
    }
    let count = |of: &[String]| of.iter().filter(|at| **at == addresses[0]).count();
    let (small, large) = (count(&before), count(&after));
    assert!(
        large > small * 4 / 3 && large < small * 5 / 2,
        "{small}, {large}"
    );
    pool.set_weight(0, 0);
    assert_eq!(placement(&pool, Algorithm::Hash), before);
}

#[test]
fn a_server_configured_down_keeps_the_others_where_they_are() {
    for algorithm in [Algorithm::Hash, Algorithm::IpHash] {
        let addresses = addresses(5);
        let all = pool(algorithm, &addresses, None);
        let before = placement(&all, algorithm);
        let mut options = all.options().clone();
        options.servers = addresses.iter().map(ServerOptions::new).collect();
        options.servers[2].down = true;
        let after = placement(&Pool::new(options, None), algorithm);
        for (before, after) in before.iter().zip(&after) {
            assert!(before == after || before == &addresses[2]);
        }
    }
}
