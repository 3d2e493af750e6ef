//! Named lists of clients: files in the forms that they come in, countries and systems, and files that change.

use seawall_tests::{Edge, Running, eventually, mmdb};

fn from(edge: &Running, path: &str, client: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: {client}\r\n\r\n");
    edge.exchange(head).status
}

#[test]
fn whoever_is_on_a_list_is_denied_or_allowed_as_a_site_and_its_routes_say() {
    let edge = Edge::yaml(
        "trusted_proxies: [127.0.0.1]
lists:
  drop: drop.txt
  office: { files: office.geo, networks: [192.0.2.77], status: 404 }
sites:
  - host: a.test
    deny: [list:drop, 198.51.100.66]
    respond: 200
    routes:
      - { path: /inside, allow: list:office, respond: 200 }
      - { path: /not-office, deny: list:office, respond: 200 }
      - { path: /open, deny: off, respond: 200 }",
    );
    edge.write(
        "drop.txt",
        "; Spamhaus DROP\n203.0.113.0/24 ; SBL1\n2001:db8:bad::/48\n# FireHOL\n198.51.100.7\n",
    );
    edge.write("office.geo", "10.0.0.0/8 1;\n10.66.0.0/16 0;\n");
    let edge = edge.start();
    for (path, client, status) in [
        ("/", "203.0.113.9", 403),
        ("/", "2001:db8:bad::1", 403),
        ("/", "198.51.100.7", 403),
        ("/", "198.51.100.66", 403),
        ("/", "198.51.100.8", 200),
        ("/open", "203.0.113.9", 200),
        ("/inside", "10.1.1.1", 200),
        ("/inside", "10.66.1.1", 403),
        ("/inside", "198.51.100.8", 403),
        // What a route says of `allow` takes nothing away from its site's `deny`.
        ("/inside", "203.0.113.9", 403),
        ("/not-office", "192.0.2.77", 404),
        ("/not-office", "203.0.113.9", 200),
    ] {
        assert_eq!(from(&edge, path, client), status, "{path} {client}");
    }
    let line =
        edge.logged("access forbidden by list \"drop\" (203.0.113.0/24), client: 203.0.113.9");
    assert!(line.contains("[error]"), "{line}");
    let denied = |list, count| {
        let sample = format!("seawall_list_denied_total{{list=\"{list}\",site=\"a.test\"}}");
        edge.counts(&sample, count);
    };
    denied("drop", 4);
    denied("office", 1);
    edge.counts("seawall_list_entries{list=\"office\"}", 3);
}

#[test]
fn countries_and_systems_are_told_by_a_database() {
    let edge = Edge::yaml(
        "trusted_proxies: [127.0.0.1]
geo: [cities.mmdb, systems.mmdb]
lists: { abroad: { countries: [jp, DE], asns: [AS64500] }, file: systems.txt }
sites:
  - host: a.test
    respond: 200
    deny: list:abroad
    routes:
      - { path: /fr, deny: country:FR, respond: 200 }
      - { path: /home, allow: [country:fr, 10.0.0.0/8], respond: 200 }
      - { path: /system, deny: asn:64500, respond: 200 }
      - { path: /file, deny: list:file, respond: 200 }",
    );
    for (name, bytes) in ["cities.mmdb", "systems.mmdb"]
        .iter()
        .zip(mmdb::databases())
    {
        edge.write(name, bytes);
    }
    edge.write("systems.txt", "AS64500 ; ASN-DROP\n");
    let edge = edge.start();
    for (path, client, status) in [
        ("/", "198.51.7.7", 403),
        ("/", "192.0.2.1", 403),
        ("/", "203.0.113.1", 200),
        ("/", "203.0.113.200", 403),
        ("/", "8.8.8.8", 200),
        ("/fr", "203.0.113.1", 403),
        ("/fr", "198.51.7.7", 200),
        ("/system", "203.0.113.200", 403),
        ("/system", "203.0.113.1", 200),
        ("/file", "203.0.113.200", 403),
        ("/file", "203.0.113.1", 200),
    ] {
        assert_eq!(from(&edge, path, client), status, "{path} {client}");
    }
    edge.logged("access forbidden by list \"abroad\" (DE), client: 198.51.7.7");
    edge.logged("access forbidden by list \"abroad\" (AS64500), client: 203.0.113.200");
    for (client, status) in [("203.0.113.1", 200), ("10.0.0.1", 200), ("8.8.8.8", 403)] {
        assert_eq!(from(&edge, "/home", client), status, "{client}");
    }
}

#[test]
fn a_list_that_changes_counts_at_once_and_a_broken_one_changes_nothing() {
    let edge = Edge::yaml(
        "trusted_proxies: [127.0.0.1]
lists: { drop: drop.txt }
sites: [{ host: a.test, deny: list:drop, respond: 200 }]",
    );
    edge.write("drop.txt", "192.0.2.0/24\n");
    let edge = edge.start();
    assert_eq!(from(&edge, "/", "192.0.2.1"), 403);
    assert_eq!(from(&edge, "/", "203.0.113.1"), 200);
    // As feeds are fetched: written beside, then moved into place.
    let put = |text: &str| {
        let next = edge.write("drop.next", text);
        std::fs::rename(next, edge.path("drop.txt")).expect("a rename");
    };
    put("203.0.113.0/24\n");
    eventually("the list", || {
        (from(&edge, "/", "203.0.113.1") == 403).then_some(())
    });
    assert_eq!(from(&edge, "/", "192.0.2.1"), 200);
    put("203.0.113.0/24\n<html>Too many requests</html>\n");
    edge.logged("error[bad-list]: `<html>Too` is no network");
    edge.logged("drop.txt:2:1");
    assert_eq!(from(&edge, "/", "203.0.113.1"), 403);
    edge.counts("seawall_reload_failures_total", 1);
}

#[test]
fn what_is_wrong_with_a_list_is_shown_at_its_line() {
    let edge = Edge::yaml(
        "lists: { drop: drop.txt }
sites: [{ host: a.test, deny: list:drop, respond: 200 }]",
    );
    edge.write(
        "drop.txt",
        "192.0.2.0/24\n192.0.2.300\n0.0.0.0/0\nAS64500\n",
    );
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    for part in [
        "error[bad-list]: `192.0.2.300` is no network",
        "drop.txt:2:1",
        "^^^^^^^^^^^",
        "`0.0.0.0/0` is everybody",
        "drop.txt:3:1",
        "error[no-places]: `drop` has autonomous systems",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}
