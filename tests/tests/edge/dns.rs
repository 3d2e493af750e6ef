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
