//! Who asks: the log of queries, clients behind a proxy, and what is counted of them.

use nix::sys::signal::Signal;
use seawall_tests::{
    Edge, Running,
    dns::{Type, ask, ask_behind, ask_tcp},
    eventually,
};
use serde_json::Value;

const ZONE: &str = "$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n";

fn served(more: &str) -> Running {
    let edge = Edge::yaml(format!(
        "dns:
  listen: \"@dns@\"
{more}
  zones: [{{ name: shop.test, file: shop.test.zone }}]
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    ));
    edge.write("shop.test.zone", ZONE);
    edge.start()
}

/// The log's lines, once there are so many.
fn logged(edge: &Running, count: usize) -> Vec<Value> {
    eventually("the log of queries", || {
        let text = std::fs::read_to_string(edge.path("queries.log")).ok()?;
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"))
            .collect();
        (lines.len() >= count).then_some(lines)
    })
}

#[test]
fn queries_are_logged_as_lines_of_json() {
    let edge = served("  query_log: queries.log");
    let server = edge.address("dns");
    ask(server, "www.shop.test", Type::A);
    ask_tcp(server, "nope.shop.test", Type::Txt).unwrap();
    let lines = logged(&edge, 2);
    let fields = |line: &Value| {
        ["client", "transport", "name", "type", "rcode"]
            .map(|f| line[f].as_str().expect("a text").to_owned())
    };
    let udp = ["127.0.0.1", "udp", "www.shop.test.", "A", "NOERROR"];
    let tcp = ["127.0.0.1", "tcp", "nope.shop.test.", "TXT", "NXDOMAIN"];
    assert_eq!(fields(&lines[0]), udp);
    assert_eq!(fields(&lines[1]), tcp);
    assert!(lines[0]["time"].as_f64().unwrap() > 1e9 && lines[0]["bytes"].as_u64().unwrap() > 40);
}

#[test]
fn a_sample_of_the_queries_is_logged() {
    let edge = served("  query_log: { path: queries.log, sample: 10 }");
    let server = edge.address("dns");
    for n in 0..31 {
        ask_tcp(server, &format!("q{n}.shop.test"), Type::A).unwrap();
    }
    let lines = logged(&edge, 4);
    let names: Vec<&str> = lines.iter().filter_map(|l| l["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "q0.shop.test.",
            "q10.shop.test.",
            "q20.shop.test.",
            "q30.shop.test."
        ]
    );
    assert!(lines.iter().all(|l| l["sample"] == 10));
}

#[test]
fn a_proxy_says_who_its_clients_are() {
    let edge = served("  query_log: queries.log\n  proxy_protocol: { from: [127.0.0.1] }");
    let server = edge.address("dns");
    let first = b"PROXY TCP4 198.51.100.7 192.0.2.53 40000 53\r\n";
    let answer = ask_behind(first, server, "www.shop.test", Type::A).unwrap();
    assert_eq!(answer.data(), ["192.0.2.2"]);
    let mut second = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    second.extend(
        "2001:db8::7"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    second.extend(
        "2001:db8::53"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    second.extend([0x9c, 0x40, 0, 53]);
    ask_behind(&second, server, "www.shop.test", Type::A).unwrap();
    let lines = logged(&edge, 2);
    assert_eq!(
        (&lines[0]["client"], &lines[1]["client"]),
        (&"198.51.100.7".into(), &"2001:db8::7".into())
    );
    // Without its header a proxy is not answered; its datagrams have none.
    assert!(ask_tcp(server, "www.shop.test", Type::A).is_err());
    assert!(ask_behind(b"PROXY NONSENSE\r\n", server, "www.shop.test", Type::A).is_err());
    assert_eq!(ask(server, "www.shop.test", Type::A).data(), ["192.0.2.2"]);
}

#[test]
fn who_is_no_proxy_is_a_client() {
    let edge = served("  proxy_protocol: { from: [192.0.2.200] }");
    let server = edge.address("dns");
    assert_eq!(
        ask_tcp(server, "www.shop.test", Type::A).unwrap().data(),
        ["192.0.2.2"]
    );
    let header = b"PROXY TCP4 198.51.100.7 192.0.2.53 40000 53\r\n";
    assert!(
        ask_behind(header, server, "www.shop.test", Type::A).is_err(),
        "whose header says nothing to us"
    );
}

#[test]
fn answers_are_counted_by_zone_through_a_reload() {
    let edge = served("");
    let server = edge.address("dns");
    let sample = |rcode: &str| {
        format!("seawall_dns_zone_answers_total{{zone=\"shop.test.\",rcode=\"{rcode}\"}}")
    };
    ask(server, "www.shop.test", Type::A);
    ask(server, "nope.shop.test", Type::A);
    // What is refused is of no zone.
    ask(server, "not.ours.test", Type::A);
    edge.counts(&sample("NOERROR"), 1);
    edge.counts(&sample("NXDOMAIN"), 1);
    edge.write("shop.test.zone", format!("{ZONE}new A 192.0.2.3\n"));
    edge.signal(Signal::SIGHUP);
    let mut denied = 1;
    eventually("the reload", || {
        let found = ask(server, "new.shop.test", Type::A).data();
        denied += u64::from(found.is_empty());
        (!found.is_empty()).then_some(())
    });
    edge.counts(&sample("NOERROR"), 2);
    edge.counts(&sample("NXDOMAIN"), denied);
}
