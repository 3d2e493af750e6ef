//! Where clients are, by a database: variables for keys, fields and logs.

use seawall_tests::{Edge, mmdb};

#[test]
fn templates_know_the_country_the_continent_and_the_system_of_a_client() {
    let edge = Edge::yaml(
        "geo: [cities.mmdb, systems.mmdb]
trusted_proxies: [127.0.0.1]
sites: [{ host: a.test, respond: { status: 200, body: \"$client_country/$client_continent/$client_asn\" } }]",
    );
    for (name, bytes) in ["cities.mmdb", "systems.mmdb"]
        .iter()
        .zip(mmdb::databases())
    {
        edge.write(name, bytes);
    }
    let edge = edge.start();
    let from = |client: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n");
        edge.exchange(head).text()
    };
    assert_eq!(from("198.51.7.7"), "DE/EU/");
    assert_eq!(from("203.0.113.200"), "FR/EU/64500");
    assert_eq!(from("::ffff:203.0.113.200"), "FR/EU/64500");
    assert_eq!(from("2001:db8::1"), "DE/EU/");
    assert_eq!(from("8.8.8.8"), "//");
}

#[test]
fn a_variable_that_no_database_answers_and_a_file_that_is_none_are_errors_at_their_places() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, respond: { status: 200, body: \"$client_country\" } }]",
    );
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    assert!(
        said.contains("error[no-places]: nothing tells where clients are"),
        "{said}"
    );
    let edge = Edge::yaml(
        "geo: bad.mmdb\nsites: [{ host: a.test, respond: { status: 200, body: \"$client_country\" } }]",
    );
    edge.write("bad.mmdb", "no database");
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    assert!(
        said.contains("error[bad-database]: ")
            && said.contains("bad.mmdb\": this is no MaxMind database"),
        "{said}"
    );
    assert!(!said.contains("no-places"), "{said}");
}
