//! ALIAS: a name that has the addresses of another one, looked up in the background.

use hickory_proto::op::ResponseCode;
use nix::sys::signal::Signal;
use seawall_tests::{
    Edge, Running,
    dns::{Type, ask},
    eventually,
};

/// Two zones: one whose apex is an alias, and one of somebody else that happens to be served here, too, and is asked
/// over the network like any other.
fn served() -> Running {
    let edge = Edge::yaml(configuration("cdn.other.test"));
    edge.write("other.test.zone", other("192.0.2.50"));
    edge.start()
}

fn configuration(target: &str) -> String {
    format!(
        "dns:
  listen: \"@dns@\"
  resolver: [\"@dns@\"]
  zones:
    - name: shop.test
      records:
        - {{ name: \"@\", type: NS, value: ns }}
        - {{ name: ns, type: A, value: 192.0.2.1 }}
        - {{ name: \"@\", type: ALIAS, value: {target}, ttl: 20s }}
        - {{ name: \"@\", type: MX, value: 10 mail }}
    - name: other.test
      file: other.test.zone
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    )
}

fn other(address: &str) -> String {
    format!(
        "$TTL 1\n@ SOA ns h 1 2 3 4 1\n@ NS ns\nns A 192.0.2.2\ncdn CNAME edge\nedge A {address}\nedge AAAA 2001:db8::50\n"
    )
}

fn addresses(edge: &Running, kind: Type) -> Vec<String> {
    ask(edge.address("dns"), "shop.test", kind).data()
}

fn has(edge: &Running, kind: Type, address: &str) {
    eventually(&format!("the apex to have {address}"), || {
        (addresses(edge, kind) == [address]).then_some(())
    });
}

#[test]
fn an_apex_has_the_addresses_of_another_name_and_follows_them() {
    let edge = served();
    has(&edge, Type::A, "192.0.2.50");
    has(&edge, Type::Aaaa, "2001:db8::50");
    let answer = ask(edge.address("dns"), "shop.test", Type::A);
    let record = &answer.message.answers[0];
    assert_eq!((record.ttl, answer.is_authoritative()), (20, true));
    assert_eq!(
        ask(edge.address("dns"), "shop.test", Type::Mx).code(),
        ResponseCode::NoError,
        "other records stand beside it, as they could not beside a CNAME"
    );
    // The target moves: it is looked up again when its time to live is over.
    edge.write(
        "other.test.zone",
        other("192.0.2.51").replace("h 1 ", "h 2 "),
    );
    edge.signal(Signal::SIGHUP);
    has(&edge, Type::A, "192.0.2.51");
}

#[test]
fn the_last_addresses_stay_while_nobody_answers_and_go_with_the_alias() {
    let edge = served();
    has(&edge, Type::A, "192.0.2.50");
    // The name is gone, and somebody else's servers with it.
    edge.write(
        "other.test.zone",
        "$TTL 1\n@ SOA ns h 3 2 3 4 1\n@ NS ns\nns A 192.0.2.2\n",
    );
    edge.signal(Signal::SIGHUP);
    edge.logged("the last addresses stay");
    assert_eq!(addresses(&edge, Type::A), ["192.0.2.50"]);
    // Without the alias there is nothing left of it.
    let without = configuration("x.test").replace(
        "        - { name: \"@\", type: ALIAS, value: x.test, ttl: 20s }\n",
        "",
    );
    edge.rewrite(&without);
    edge.signal(Signal::SIGHUP);
    eventually("the addresses to go", || {
        addresses(&edge, Type::A).is_empty().then_some(())
    });
}

#[test]
fn an_alias_beside_an_address_or_of_no_name_is_refused() {
    for (records, said) in [
        (
            "        - { name: www, type: ALIAS, value: a.test }\n        - { name: www, type: A, value: 192.0.2.3 }",
            "www",
        ),
        (
            "        - { name: www, type: ALIAS, value: \"not a name\" }",
            "an ALIAS names one host",
        ),
        (
            "        - { name: www, type: ALIAS, value: a.test, ttl: 2h }",
            "an hour at most",
        ),
    ] {
        let text = configuration("a.test").replace(
            "        - { name: \"@\", type: ALIAS, value: a.test, ttl: 20s }",
            records,
        );
        let edge = Edge::yaml(text);
        edge.write("other.test.zone", other("192.0.2.50"));
        let check = edge.seawall(&["check", "-c", "seawall.yaml"]);
        let output = String::from_utf8_lossy(&check.stderr);
        assert!(!check.status.success() && output.contains(said), "{output}");
    }
}
