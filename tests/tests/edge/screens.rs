//! What stands before a site beside its rules: bad agents, and the decisions of a CrowdSec server.

use seawall_tests::{Edge, Origin, Running, Then, crowdsec::CrowdSec, eventually, mmdb};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

fn asked(edge: &Running, path: &str, fields: &str) -> seawall_tests::Response {
    edge.exchange(format!(
        "GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
    ))
}

fn agents(result: &str) -> String {
    format!("seawall_bad_agents_total{{result=\"{result}\",site=\"a.test\"}}")
}

#[test]
fn scanners_and_own_patterns_are_denied_challenged_or_logged() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    bad_agents: { patterns: [EvilBot, { regex: '^grab(ber)?/\\d' }] }
    respond: 200
    routes:
      - { path: /challenged, bad_agents: challenge, respond: 200 }
      - { path: /logged, bad_agents: log, respond: 200 }
      - { path: /own, bad_agents: { builtin: false, patterns: evil, status: 404 }, respond: 200 }
      - { path: /open, bad_agents: off, respond: 200 }",
    )
    .start();
    for (path, agent, status) in [
        ("/", "sqlmap/1.7.2#stable (https://sqlmap.org)", 403),
        ("/", "Mozilla/5.00 (NIKTO/2.1.6)", 403),
        ("/", "an evilbot/1", 403),
        ("/", "Grabber/1", 403),
        ("/", "a grabber/1", 200),
        (
            "/",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            200,
        ),
        ("/logged", "sqlmap", 200),
        ("/own", "sqlmap", 200),
        ("/own", "Evil", 404),
        ("/open", "sqlmap", 200),
    ] {
        let answer = asked(&edge, path, &format!("User-Agent: {agent}\r\n"));
        assert_eq!(answer.status, status, "{path} {agent}");
    }
    // Nobody says nothing of itself as a scanner does.
    assert_eq!(asked(&edge, "/", "").status, 200);
    let page = asked(
        &edge,
        "/challenged",
        "User-Agent: sqlmap\r\nAccept: text/html\r\n",
    );
    assert!(page.status == 403 && page.text().contains("data-puzzle"));
    let browser = "User-Agent: Firefox\r\nAccept: text/html\r\n";
    assert_eq!(asked(&edge, "/challenged", browser).status, 200);
    for (result, count) in [
        ("denied", 5),
        ("challenged", 1),
        ("logged", 1),
        ("verified", 0),
    ] {
        edge.counts(&agents(result), count);
    }
    let line = edge.logged("bad agent, \"nikto\", client: 127.0.0.1");
    assert!(line.contains("[error]"), "{line}");
}

#[test]
fn a_crawler_whose_name_leads_back_is_no_bad_agent() {
    let edge = Edge::yaml(
        "trusted_proxies: [127.0.0.1]
dns:
  listen: \"@dns@\"
  zones:
    - { name: crawler.test, file: crawler.zone }
    - { name: 2.0.192.in-addr.arpa, file: reverse.zone }
sites:
  - host: a.test
    respond: 200
    bad_agents: { builtin: false, patterns: bot }
    challenge: { resolver: [\"@dns@\"], unless: 192.0.2.0/24, bots: [{ agent: goodbot, domains: [crawler.test] }] }",
    );
    let head = "$TTL 300\n@ IN SOA ns1.crawler.test. admin.crawler.test. 1 3600 600 86400 60\n@ IN NS ns1.crawler.test.\n";
    edge.write(
        "crawler.zone",
        format!("{head}ns1 IN A 192.0.2.1\none IN A 192.0.2.10\n"),
    );
    edge.write(
        "reverse.zone",
        format!("{head}10 IN PTR one.crawler.test.\n11 IN PTR one.crawler.test.\n"),
    );
    let edge = edge.start();
    let from = |address: &str, agent: &str| {
        let fields = format!("X-Forwarded-For: {address}\r\nUser-Agent: {agent}/1.0\r\n");
        asked(&edge, "/", &fields).status
    };
    assert_eq!(from("192.0.2.10", "GoodBot"), 200);
    assert_eq!(from("192.0.2.11", "GoodBot"), 403);
    assert_eq!(from("192.0.2.10", "BadBot"), 403);
    assert_eq!(from("192.0.2.12", "Firefox"), 200);
    edge.counts(&agents("verified"), 1);
    edge.counts(&agents("denied"), 2);
}

/// A server that tells what it is given: once the whole, then what changed.
struct Lapi {
    origin: Origin,
    next: Arc<Mutex<String>>,
    fails: Arc<AtomicBool>,
}

fn decision(scope: &str, value: &str, kind: &str, duration: &str) -> String {
    format!(
        r#"{{"id":1,"origin":"cscli","scenario":"crowdsecurity/{kind}","scope":"{scope}","value":"{value}","type":"{kind}","duration":"{duration}"}}"#
    )
}

impl Lapi {
    fn start() -> Self {
        let lapi = Self {
            origin: Origin::start(),
            next: Arc::default(),
            fails: Arc::default(),
        };
        let (next, fails) = (lapi.next.clone(), lapi.fails.clone());
        lapi.origin
            .script("/v1/decisions/stream", move |request, exchange| {
                let body = std::mem::take(&mut *next.lock().expect("what is next"));
                let body = if body.is_empty() {
                    r#"{"new":null,"deleted":null}"#.to_owned()
                } else {
                    body
                };
                let answer = match request.field("X-Api-Key") {
                    _ if fails.load(Ordering::SeqCst) => {
                        "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n".to_owned()
                    }
                    Some("secret-key") => format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    ),
                    _ => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                exchange.send(answer);
                Then::Close
            });
        lapi
    }

    fn tell(&self, new: &[String], deleted: &[String]) {
        let told = format!(
            r#"{{"new":[{}],"deleted":[{}]}}"#,
            new.join(","),
            deleted.join(",")
        );
        *self.next.lock().expect("what is next") = told;
    }
}

fn behind(lapi: &Lapi, more: &str, sites: &str) -> Running {
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]\ncrowdsec: {{ lapi: \"http://{}\", key: bouncer.key, interval: 1s{more} }}\n{sites}",
        lapi.origin
    ));
    edge.write("bouncer.key", "secret-key\n");
    edge.start()
}

const SITES: &str = "sites:
  - host: a.test
    respond: 200
    routes:
      - { path: /open, crowdsec: off, respond: 200 }
      - { path: /gone, redirect: /there }";

fn from(edge: &Running, path: &str, client: &str) -> u16 {
    let fields =
        format!("X-Forwarded-For: {client}\r\nAccept: text/html\r\nUser-Agent: Firefox\r\n");
    asked(edge, path, &fields).status
}

fn until(edge: &Running, client: &str, status: u16) {
    eventually(&format!("{status} for {client}"), || {
        (from(edge, "/", client) == status).then_some(())
    });
}

#[test]
fn decisions_are_carried_out_until_they_are_taken_back_and_stand_while_the_server_is_away() {
    let lapi = Lapi::start();
    let range = decision("Range", "203.0.113.0/24", "captcha", "4h");
    let brief = decision("Ip", "192.0.2.2", "ban", "1ms");
    lapi.tell(
        &[
            decision("Ip", "192.0.2.1", "ban", "4h"),
            range.clone(),
            brief,
        ],
        &[],
    );
    let edge = behind(&lapi, "", SITES);
    until(&edge, "192.0.2.1", 403);
    assert_eq!(from(&edge, "/open", "192.0.2.1"), 200);
    assert_eq!(from(&edge, "/gone", "192.0.2.1"), 403);
    assert_eq!(from(&edge, "/gone", "198.51.100.1"), 302);
    assert_eq!(from(&edge, "/", "198.51.100.1"), 200);
    edge.logged("banned by CrowdSec, \"crowdsecurity/ban\" (192.0.2.1/32), client: 192.0.2.1");
    // What is over by itself needs no word of the server.
    until(&edge, "192.0.2.2", 200);
    let fields = "X-Forwarded-For: 203.0.113.9\r\nAccept: text/html\r\nUser-Agent: Firefox\r\n";
    let page = asked(&edge, "/", fields);
    assert!(
        page.status == 403 && page.text().contains("data-puzzle"),
        "a captcha is our challenge"
    );
    // The first question is for the whole, the others for what changed.
    eventually("a second question", || {
        (lapi.origin.hits("/v1/decisions/stream") > 1).then_some(())
    });
    let asked_for: Vec<String> = lapi
        .origin
        .received()
        .iter()
        .map(|r| r.target.clone())
        .collect();
    assert!(asked_for[0].ends_with("startup=true"), "{asked_for:?}");
    assert!(
        asked_for[1].ends_with("scopes=ip,range,country,as&startup=false"),
        "{asked_for:?}"
    );
    lapi.tell(&[decision("ip", "192.0.2.3", "ban", "4h")], &[range]);
    until(&edge, "192.0.2.3", 403);
    assert_eq!(from(&edge, "/", "203.0.113.9"), 200);
    // Away: what was decided stands, and nobody else is refused.
    lapi.fails.store(true, Ordering::SeqCst);
    edge.logged("the CrowdSec server was not heard");
    assert_eq!(from(&edge, "/", "192.0.2.1"), 403);
    assert_eq!(from(&edge, "/", "198.51.100.1"), 200);
    let counted = |sample: &str| edge.metric(&format!("seawall_crowdsec_{sample}"));
    eventually("a failure that is counted", || {
        (counted("polls_total{result=\"failed\"}") > 0).then_some(())
    });
    assert!(counted("requests_total{site=\"a.test\",type=\"ban\"}") >= 4);
    assert_eq!(counted("decisions{type=\"ban\"}"), 2);
    // Back: the whole is asked for, and takes the place of what was held.
    lapi.tell(&[decision("Ip", "192.0.2.9", "ban", "4h")], &[]);
    let before = lapi.origin.hits("/v1/decisions/stream");
    lapi.fails.store(false, Ordering::SeqCst);
    edge.logged("the CrowdSec server answers again");
    let whole = |r: &seawall_tests::Received| r.target.ends_with("startup=true");
    assert!(lapi.origin.received()[before - 1..].iter().any(whole));
}

#[test]
fn a_reload_keeps_the_decisions_and_hostile_answers_change_nothing() {
    let lapi = Lapi::start();
    lapi.tell(&[decision("Ip", "192.0.2.1", "ban", "4h")], &[]);
    let edge = behind(&lapi, ", decisions: 2", SITES);
    until(&edge, "192.0.2.1", 403);
    lapi.fails.store(true, Ordering::SeqCst);
    edge.rewrite(format!(
        "trusted_proxies: [127.0.0.1]\ncrowdsec: {{ lapi: \"http://{}\", key: bouncer.key, interval: 2s, decisions: 2 }}\n{SITES}",
        lapi.origin
    ));
    eventually("the reload", || {
        (edge.metric("seawall_reloads_total") > 0).then_some(())
    });
    assert_eq!(from(&edge, "/", "192.0.2.1"), 403);
    edge.logged("was not heard (");
    for body in ["[]", "{\"new\":[1]}", "no JSON"] {
        *lapi.next.lock().expect("what is next") = body.to_owned();
        let before = edge.metric("seawall_crowdsec_polls_total{result=\"failed\"}");
        lapi.fails.store(false, Ordering::SeqCst);
        eventually(body, || {
            let failed = edge.metric("seawall_crowdsec_polls_total{result=\"failed\"}");
            (failed > before).then_some(())
        });
        assert_eq!(from(&edge, "/", "192.0.2.1"), 403, "{body}");
        lapi.fails.store(true, Ordering::SeqCst);
    }
    // More than there is room for: the rest does not count, and the log says so.
    let many: Vec<String> = (1..=3)
        .map(|n| decision("Ip", &format!("198.51.100.{n}"), "ban", "4h"))
        .collect();
    lapi.tell(&many, &[]);
    lapi.fails.store(false, Ordering::SeqCst);
    edge.logged("1 decisions of the CrowdSec server found no room");
    assert_eq!(edge.metric("seawall_crowdsec_decisions{type=\"ban\"}"), 2);
}

#[test]
fn a_key_that_is_none_is_an_error_at_its_place() {
    let edge = Edge::yaml(
        "crowdsec: { lapi: \"http://127.0.0.1:1\", key: bouncer.key }\nsites: [{ host: a.test, respond: 200 }]",
    );
    edge.write("bouncer.key", "two words\n");
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    assert!(
        said.contains("error[bad-key]: ") && said.contains("cscli bouncers add"),
        "{said}"
    );
}

#[test]
fn crowdsec_s_own_server_is_followed() {
    let mut server = CrowdSec::start();
    server.cscli(&[
        "decisions",
        "add",
        "--ip",
        "192.0.2.1",
        "--reason",
        "by hand",
    ]);
    server.cscli(&[
        "decisions",
        "add",
        "--range",
        "203.0.113.0/25",
        "--type",
        "captcha",
    ]);
    server.cscli(&["decisions", "add", "--scope", "country", "--value", "JP"]);
    server.cscli(&["decisions", "add", "--scope", "as", "--value", "64500"]);
    let edge = Edge::yaml(format!(
        "geo: [cities.mmdb, systems.mmdb]
trusted_proxies: [127.0.0.1]
crowdsec: {{ lapi: \"http://{}\", key: bouncer.key, interval: 1s }}
sites: [{{ host: a.test, respond: 200 }}]",
        server.address()
    ));
    for (name, bytes) in ["cities.mmdb", "systems.mmdb"]
        .iter()
        .zip(mmdb::databases())
    {
        edge.write(name, bytes);
    }
    edge.write("bouncer.key", &server.key);
    let edge = edge.start();
    until(&edge, "192.0.2.1", 403);
    edge.logged("banned by CrowdSec, \"by hand\" (192.0.2.1/32), client: 192.0.2.1");
    let page = asked(
        &edge,
        "/",
        "X-Forwarded-For: 203.0.113.9\r\nAccept: text/html\r\n",
    );
    assert!(
        page.status == 403 && page.text().contains("data-puzzle"),
        "{}",
        page.text()
    );
    // Of a country, and of an autonomous system.
    assert_eq!(from(&edge, "/", "192.0.2.77"), 403);
    assert_eq!(from(&edge, "/", "203.0.113.200"), 403);
    assert_eq!(from(&edge, "/", "198.51.7.7"), 200);
    server.cscli(&["decisions", "add", "--ip", "198.51.7.7"]);
    until(&edge, "198.51.7.7", 403);
    server.cscli(&["decisions", "delete", "--ip", "198.51.7.7"]);
    until(&edge, "198.51.7.7", 200);
    server.stop();
    edge.logged("the CrowdSec server was not heard");
    assert_eq!(from(&edge, "/", "192.0.2.1"), 403);
    assert_eq!(from(&edge, "/", "198.51.7.7"), 200);
    server.run();
    edge.logged("the CrowdSec server answers again");
    assert_eq!(edge.metric("seawall_crowdsec_decisions{type=\"ban\"}"), 3);
    let status = edge.seawall(&["status", "--json", "-c", "seawall.yaml"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let told = &status["crowdsec"];
    assert_eq!(
        (told["bans"].as_u64(), told["captchas"].as_u64()),
        (Some(3), Some(1))
    );
    assert!(told["failure"].is_null(), "{told}");
}
