//! The zone as a resolver sees it, and the balancer's health in it.

use hickory_proto::op::ResponseCode;
use seawall_tests::{
    Edge, Origin, Running,
    dns::{Type, ask, ask_tcp},
    eventually,
};

const ZONE: &str = "\
$ORIGIN shop.test.
$TTL 300
@        IN SOA ns1 admin 1 3600 600 86400 60
@        IN NS  ns1
ns1      IN A   192.0.2.1
@        IN A   192.0.2.10
www      IN CNAME @
*.wild   IN A   192.0.2.20
mail     IN MX  10 mx
a.b.deep IN A   192.0.2.30
sub      IN NS  ns.sub
ns.sub   IN A   192.0.2.40
";

fn served(records: &str, rest: &str, zone: &str) -> Running {
    let edge = Edge::yaml(format!(
        "dns:
  listen: \"@dns@\"
  zones:
    - name: shop.test
      file: shop.test.zone
{records}
{rest}sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    ));
    edge.write("shop.test.zone", zone);
    edge.start()
}

#[test]
fn existing_names_are_answered_with_authority() {
    let edge = served("", "", ZONE);
    let server = edge.address("dns");
    let apex = ask(server, "shop.test", Type::A);
    assert_eq!(
        (apex.code(), apex.data()),
        (ResponseCode::NoError, vec!["192.0.2.10".to_owned()])
    );
    assert!(apex.is_authoritative());
    assert_eq!(ask(server, "SHOP.Test", Type::A).data(), ["192.0.2.10"]);
    assert_eq!(
        ask(server, "www.shop.test", Type::A).data(),
        ["shop.test.", "192.0.2.10"],
        "a chain is followed"
    );
    assert_eq!(
        ask(server, "x.y.wild.shop.test", Type::A).data(),
        ["192.0.2.20"]
    );
    assert_eq!(
        ask(server, "mail.shop.test", Type::Mx).data(),
        ["10 mx.shop.test."]
    );
    assert_eq!(
        ask_tcp(server, "shop.test", Type::A).unwrap().data(),
        ["192.0.2.10"]
    );
}

#[test]
fn what_is_not_there_is_denied_with_the_soa() {
    let edge = served("", "", ZONE);
    let server = edge.address("dns");
    for (name, kind, code) in [
        ("none.shop.test", Type::A, ResponseCode::NXDomain),
        ("shop.test", Type::Aaaa, ResponseCode::NoError),
        // An empty non-terminal exists (RFC 8020).
        ("deep.shop.test", Type::A, ResponseCode::NoError),
        ("wild.shop.test", Type::A, ResponseCode::NoError),
    ] {
        let answer = ask(server, name, kind);
        assert_eq!(answer.code(), code, "{name}");
        assert!(answer.data().is_empty(), "{name}");
        let soa = &answer.message.authorities;
        assert_eq!(soa.len(), 1, "{name}");
        assert_eq!(
            soa[0].ttl, 60,
            "the lesser of the SOA's TTL and its minimum (RFC 2308)"
        );
    }
    assert_eq!(
        ask(server, "elsewhere.test", Type::A).code(),
        ResponseCode::Refused
    );
    let referral = ask(server, "x.sub.shop.test", Type::A);
    assert!(!referral.is_authoritative() && referral.data().is_empty());
    assert_eq!(referral.message.authorities.len(), 1);
    assert_eq!(referral.message.additionals.len(), 1, "glue");
}

#[test]
fn what_does_not_fit_is_cut_and_asked_for_again_over_tcp() {
    let mut zone = ZONE.to_owned();
    for n in 0..40 {
        zone.push_str(&format!("many IN TXT \"{n:03} {}\"\n", "x".repeat(60)));
    }
    let edge = served("", "", &zone);
    let cut = ask(edge.address("dns"), "many.shop.test", Type::Txt);
    assert!(cut.is_truncated());
    let whole = ask_tcp(edge.address("dns"), "many.shop.test", Type::Txt).unwrap();
    assert!(!whole.is_truncated());
    assert_eq!(whole.data().len(), 40);
}

#[test]
fn a_failover_record_follows_the_pools_own_health() {
    let primary = Origin::start();
    let spare = Origin::start();
    let edge = served(
        "      records:
        - name: www2
          type: A
          ttl: 30s
          policy: failover
          targets:
            - { address: 198.51.100.1, up: { pool: primary } }
            - { address: 198.51.100.2, up: { pool: spare } }",
        &format!(
            "pools:
  primary: {{ servers: [\"{primary}\"], health: {{ path: /ready, interval: 20ms, fall: 2, rise: 2 }} }}
  spare: {{ servers: [\"{spare}\"], health: {{ path: /ready, interval: 20ms, fall: 2, rise: 2 }} }}
"
        ),
        ZONE,
    );
    let server = edge.address("dns");
    let answers = |expected: &str| {
        eventually(&format!("the answer {expected}"), || {
            let answer = ask(server, "www2.shop.test", Type::A);
            (answer.data() == [expected]).then_some(answer)
        })
    };
    let first = answers("198.51.100.1");
    assert_eq!(first.message.answers[0].ttl, 30);
    let address = primary.address();
    drop(primary);
    answers("198.51.100.2");
    let mended = Origin::at(address);
    answers("198.51.100.1");
    drop((mended, spare));
    // When nobody is up the zone still answers.
    eventually("all of them", || {
        (!ask(server, "www2.shop.test", Type::A).data().is_empty()).then_some(())
    });
}

#[test]
fn a_target_with_a_check_of_its_own_follows_it() {
    let origin = Origin::start();
    let edge = served(
        &format!(
            "      records:
        - name: www2
          type: A
          targets:
            - {{ address: 192.0.2.50, up: {{ check: {{ url: \"http://{}/ready\", interval: 20ms }} }} }}
            - 192.0.2.51",
            origin.address()
        ),
        "",
        ZONE,
    );
    let server = edge.address("dns");
    let data = || ask(server, "www2.shop.test", Type::A).data();
    eventually("the checked one", || {
        (data() == ["192.0.2.50"]).then_some(())
    });
    drop(origin);
    eventually("the other one", || (data() == ["192.0.2.51"]).then_some(()));
}

#[test]
fn questions_over_https_are_answered_by_get_and_by_post() {
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\" }, { https: \"@https@\" }]
dns:
  listen: \"@dns@\"
  zones:
    - name: shop.test
      file: shop.test.zone
      records: [{ name: dns, type: HTTPS, value: listeners }]
sites:
  - host: dns.shop.test
    tls: internal
    respond: { status: 200, body: ok }
    routes: [{ path: /dns-query, doh: true }]",
    );
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    let query =
        b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04shop\x04test\x00\x00\x01\x00\x01";
    let decoded = |response: &seawall_tests::Response| {
        assert_eq!(response.status, 200);
        assert_eq!(response.has("Content-Type"), "application/dns-message");
        assert_eq!(response.has("Cache-Control"), "private, max-age=300");
        hickory_proto::op::Message::from_vec(&response.body)
            .unwrap()
            .answers[0]
            .data
            .to_string()
    };
    let mut client = edge.tls("dns.shop.test").client;
    let text = "AAABAAABAAAAAAAABHNob3AEdGVzdAAAAQAB";
    let got = client.get("dns.shop.test", &format!("/dns-query?dns={text}"));
    assert_eq!(decoded(&got), "192.0.2.10");
    client.send(format!(
        "POST /dns-query HTTP/1.1\r\nHost: dns.shop.test\r\nContent-Type: application/dns-message\r\nContent-Length: {}\r\n\r\n",
        query.len()
    ));
    client.send(query);
    assert_eq!(decoded(&client.response()), "192.0.2.10");
    for target in [
        "/dns-query",
        "/dns-query?dns=AAA",
        "/dns-query?dns=!",
        "/dns-query?x=AAAB",
    ] {
        assert_eq!(client.get("dns.shop.test", target).status, 400, "{target}");
    }
    client.send("POST /dns-query HTTP/1.1\r\nHost: dns.shop.test\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response().status, 415);
    let mut large = edge.tls("dns.shop.test").client;
    large.send("POST /dns-query HTTP/1.1\r\nHost: dns.shop.test\r\nContent-Type: application/dns-message\r\nContent-Length: 5000\r\n\r\n");
    large.send([0; 5000]);
    assert_eq!(large.response().status, 413);
    edge.counts("seawall_dns_transports_total{transport=\"https\"}", 2);
    let address = edge.address("https");
    let dns = edge.address("dns");
    let service = std::process::Command::new("dig")
        .args([
            "@127.0.0.1",
            "-p",
            &dns.port().to_string(),
            "+short",
            "dns.shop.test",
            "TYPE65",
        ])
        .output()
        .expect("dig");
    let service = String::from_utf8_lossy(&service.stdout).into_owned();
    assert!(service.starts_with("1 . alpn=\"h2\" port="), "{service}");
    let output = std::process::Command::new("kdig")
        .args([
            &format!("@{}", address.ip()),
            "-p",
            &address.port().to_string(),
            "+https=/dns-query",
            &format!("+tls-ca={}", edge.path("state/ca/ca.pem").display()),
            "+tls-hostname=dns.shop.test",
            "+short",
            "x.wild.shop.test",
            "A",
        ])
        .output()
        .expect("kdig (Debian's knot-dnsutils)");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "192.0.2.20\n",
        "{output:?}"
    );
}

#[test]
fn records_are_put_and_taken_away_by_the_api_and_outlive_a_restart() {
    let edge = Edge::yaml(
        "dns:
  listen: \"@dns@\"
  zones: [{ name: shop.test, file: shop.test.zone }]
sites: [{ host: a.test, respond: { status: 200, body: ok } }]",
    );
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    let seawall = |edge: &Running, arguments: &[&str]| {
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(["-c", "seawall.yaml"])
            .collect();
        let output = edge.seawall(&all);
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let data = |edge: &Running, name: &str| ask(edge.address("dns"), name, Type::A).data();
    let (code, said) = seawall(
        &edge,
        &[
            "dns",
            "set",
            "shop.test",
            "new",
            "A",
            "192.0.2.90",
            "192.0.2.91",
        ],
    );
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(data(&edge, "new.shop.test"), ["192.0.2.90", "192.0.2.91"]);
    let serial = seawall(
        &edge,
        &[
            "dns",
            "set",
            "shop.test",
            "new",
            "A",
            "192.0.2.90",
            "192.0.2.91",
        ],
    )
    .1;
    assert_eq!(serial, said, "twice is once");
    assert_eq!(
        seawall(&edge, &["dns", "rm", "shop.test", "@", "A"]).0,
        Some(0)
    );
    assert!(data(&edge, "shop.test").is_empty());
    for (arguments, why) in [
        (["shop.test", "www", "A", "192.0.2.1"], "alias"),
        (["shop.test", "new", "A", "nonsense"], "nonsense"),
        (
            ["shop.test", "new.other.test.", "A", "192.0.2.1"],
            "outside",
        ),
        (["other.test", "new", "A", "192.0.2.1"], "no such zone"),
        (["shop.test", "new", "SOA", "x"], "cannot be put"),
    ] {
        let (code, said) = seawall(&edge, &[&["dns", "set"][..], &arguments].concat());
        assert!(
            code == Some(1) && said.contains(why),
            "{arguments:?} {said}"
        );
    }
    let listed = seawall(&edge, &["dns", "ls", "shop.test"]).1;
    assert!(
        listed.contains("new.shop.test.") && listed.contains("192.0.2.91"),
        "{listed}"
    );
    assert!(seawall(&edge, &["dns", "ls"]).1.contains("shop.test."));
    let server = edge.address("dns").to_string();
    let asked = edge.seawall(&["dns", "query", "new.shop.test", "A", "--server", &server]);
    let asked = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert!(
        asked.contains("NOERROR, authoritative") && asked.contains("192.0.2.90"),
        "{asked}"
    );
    edge.signal(nix::sys::signal::Signal::SIGKILL);
    let (_, stopped) = edge.wait();
    let edge = stopped.start();
    assert_eq!(data(&edge, "new.shop.test"), ["192.0.2.90", "192.0.2.91"]);
    assert!(data(&edge, "shop.test").is_empty());
}

#[test]
fn a_zone_file_is_checked_without_a_daemon() {
    let edge = Edge::yaml("sites: [{ host: a.test, respond: { status: 200, body: ok } }]");
    edge.write("good.zone", ZONE);
    edge.write(
        "bad.zone",
        format!("{ZONE}broken IN A 192.0.2.999\nworse IN MX\n"),
    );
    let good = edge.seawall(&["dns", "check", "shop.test", "good.zone"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = edge.seawall(&["dns", "check", "shop.test", "bad.zone"]);
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(1), "{said}");
    assert!(
        said.contains("192.0.2.999") && said.contains("worse") && said.contains('^'),
        "{said}"
    );
}

#[test]
fn a_broken_zone_is_an_error_with_its_line_and_keeps_the_old_one() {
    let edge = served("", "", ZONE);
    edge.write("shop.test.zone", format!("{ZONE}broken IN A 192.0.2.999\n"));
    let check = edge.seawall(&["check", "-c", "seawall.yaml"]);
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    assert!(
        said.contains("shop.test.zone") && said.contains('^'),
        "{said}"
    );
    edge.signal(nix::sys::signal::Signal::SIGHUP);
    edge.logged("shop.test.zone");
    assert_eq!(
        ask(edge.address("dns"), "shop.test", Type::A).data(),
        ["192.0.2.10"]
    );
    edge.write("shop.test.zone", ZONE.replace("192.0.2.10", "192.0.2.11"));
    edge.signal(nix::sys::signal::Signal::SIGHUP);
    eventually("the mended zone", || {
        (ask(edge.address("dns"), "shop.test", Type::A).data() == ["192.0.2.11"]).then_some(())
    });
}

#[test]
fn nonsense_is_survived() {
    let edge = served("", "", ZONE);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..2000_u32 {
        let bytes: Vec<u8> = (0..n % 80)
            .map(|i| (n.wrapping_mul(2_654_435_761).wrapping_add(i * 40_503) >> 7) as u8)
            .collect();
        socket.send_to(&bytes, edge.address("dns")).unwrap();
    }
    assert_eq!(
        ask(edge.address("dns"), "shop.test", Type::A).data(),
        ["192.0.2.10"]
    );
}

#[test]
fn a_zone_is_answered_over_tls_with_a_sites_certificate() {
    let edge = Edge::yaml(
        "listen: [{ https: \"@https@\" }]
dns:
  listen: \"@dns@\"
  dot: \"@dot@\"
  zones: [{ name: shop.test, file: shop.test.zone }]
sites: [{ host: ns1.shop.test, tls: internal, respond: { status: 200, body: ok } }]",
    );
    edge.write("shop.test.zone", ZONE);
    let edge = edge.start();
    let address = edge.address("dot");
    let output = std::process::Command::new("dig")
        .args([
            &format!("@{}", address.ip()),
            "-p",
            &address.port().to_string(),
            "+tls",
            &format!("+tls-ca={}", edge.path("state/ca/ca.pem").display()),
            "+tls-hostname=ns1.shop.test",
            "+short",
            "shop.test",
            "A",
            "mail.shop.test",
            "MX",
        ])
        .output()
        .expect("dig");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "192.0.2.10\n10 mx.shop.test.\n"
    );
}
