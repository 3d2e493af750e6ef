//! Places from databases in MaxMind's format.

mod mmdb;

use mmdb::databases;
use seawall_nets::Databases;

#[test]
fn databases_complete_each_other() {
    let databases = Databases::read(databases()).unwrap();
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
