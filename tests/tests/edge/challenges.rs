//! What a browser proves before a site is asked, and who passes without.

use seawall_tests::{
    Edge, Origin, Running,
    chromium::{Browser, drawn},
};

/// Difficulty 8: some hundred hashes.
fn challenged(origin: &Origin, more: &str) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: \"*\", challenge: {{ difficulty: 8{more} }}, to: \"{origin}\" }}]"
    ))
    .start()
}

fn asked(edge: &Running, host: &str, fields: &str) -> seawall_tests::Response {
    edge.exchange(format!(
        "GET /page HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
    ))
}

const BROWSER: &str = "User-Agent: Firefox\r\nAccept: text/html\r\n";

/// The cookie that the page's script would set.
fn solve(page: &str) -> String {
    let puzzle = page.split("data-puzzle=\"").nth(1).unwrap();
    let puzzle = puzzle.split('"').next().unwrap();
    let zero = |n: &u64| {
        let text = format!("{puzzle}-{n}");
        sum(text.as_bytes())[0] == 0
    };
    let number = (0u64..).find(zero).unwrap();
    format!("__seawall_challenge={puzzle}-{number}")
}

fn sum(text: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).into()
}

#[test]
fn a_browser_works_once_and_is_served_others_are_refused() {
    let origin = Origin::start();
    let edge = challenged(&origin, "");
    let page = asked(&edge, "a.test", BROWSER);
    assert_eq!(page.status, 403);
    assert_eq!(page.field("cache-control"), Some("no-store"));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"));
    assert!(page.text().contains("Request id: "));
    assert_eq!(origin.connections(), 0);
    let cookie = solve(&page.text());
    let with = |fields: &str| {
        asked(
            &edge,
            "a.test",
            &format!("{fields}Cookie: x=1; {cookie}\r\n"),
        )
        .status
    };
    assert_eq!(with(BROWSER), 200);
    // What is fetched by the page's own scripts carries the cookie, too.
    assert_eq!(with("User-Agent: Firefox\r\nAccept: */*\r\n"), 200);
    // Another browser, another site, a number that solves nothing: made anew.
    assert_eq!(with("User-Agent: curl\r\nAccept: text/html\r\n"), 403);
    assert_eq!(
        asked(&edge, "b.test", &format!("{BROWSER}Cookie: {cookie}\r\n")).status,
        403
    );
    assert_eq!(
        asked(&edge, "a.test", &format!("{BROWSER}Cookie: {cookie}1\r\n")).status,
        403
    );
    // No page for what cannot run it.
    let refused = asked(&edge, "a.test", "Accept: application/json\r\n");
    assert!(refused.status == 403 && !refused.text().contains("data-puzzle"));
    let count = |result: &str, count| {
        edge.counts(
            &format!("seawall_challenges_total{{result=\"{result}\",site=\"*\"}}"),
            count,
        );
    };
    count("proved", 2);
    count("refused", 1);
    count("asked", 4);
}

#[test]
fn a_proof_outlives_a_restart_and_its_key_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let origin = Origin::start();
    let edge = challenged(&origin, "");
    let cookie = solve(&asked(&edge, "a.test", BROWSER).text());
    let with = format!("{BROWSER}Cookie: {cookie}\r\n");
    assert_eq!(asked(&edge, "a.test", &with).status, 200);
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, edge) = edge.wait();
    let keys: Vec<_> = std::fs::read_dir(edge.path("state/challenge"))
        .expect("the keys' directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let mode = keys[0].metadata().expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let edge = edge.start();
    assert_eq!(asked(&edge, "a.test", &with).status, 200);
    edge.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, edge) = edge.wait();
    // Without its key it is worth nothing.
    std::fs::remove_file(&keys[0]).expect("the key");
    let edge = edge.start();
    assert_eq!(asked(&edge, "a.test", &with).status, 403);
}

#[test]
fn networks_and_crawlers_whose_names_lead_back_need_no_proof() {
    let origin = Origin::start();
    let near = Edge::yaml(format!(
        "sites: [{{ host: \"*\", challenge: {{ unless: [127.0.0.0/8] }}, to: \"{origin}\" }}]"
    ))
    .start();
    assert_eq!(asked(&near, "a.test", BROWSER).status, 200);
    // 127.0.0.1 is crawl-1.crawler.test, which is 127.0.0.1; 127.0.0.2 says so too, but is not.
    let edge = Edge::yaml(format!(
        "trusted_proxies: [127.0.0.1]
dns:
  listen: \"@dns@\"
  zones:
    - {{ name: crawler.test, file: crawler.zone }}
    - {{ name: 2.0.192.in-addr.arpa, file: reverse.zone }}
sites: [{{ host: \"*\", to: \"{origin}\", challenge: {{ resolver: [\"@dns@\"],
  bots: [{{ agent: testbot, domains: [crawler.test] }}, {{ agent: other, domains: [other.test] }}] }} }}]"
    ));
    let head = "$TTL 300\n@ IN SOA ns1.crawler.test. admin.crawler.test. 1 3600 600 86400 60\n@ IN NS ns1.crawler.test.\n";
    let forward = format!("{head}ns1 IN A 192.0.2.1\ncrawl-1 IN A 192.0.2.10\n");
    edge.write("crawler.zone", forward);
    let reverse =
        format!("{head}10 IN PTR crawl-1.crawler.test.\n11 IN PTR crawl-1.crawler.test.\n");
    edge.write("reverse.zone", reverse);
    let edge = edge.start();
    let from = |address: &str, agent: &str| {
        let fields = format!(
            "X-Forwarded-For: {address}\r\nUser-Agent: Mozilla (compatible; {agent}/1.0)\r\n"
        );
        asked(&edge, "a.test", &fields).status
    };
    assert_eq!(from("192.0.2.10", "TestBot"), 200);
    assert_eq!(from("192.0.2.11", "TestBot"), 403);
    assert_eq!(from("192.0.2.12", "TestBot"), 403);
    assert_eq!(from("192.0.2.10", "Other"), 403);
    assert_eq!(from("192.0.2.10", "Firefox"), 403);
    edge.counts("seawall_challenges_total{result=\"bot\",site=\"*\"}", 1);
}

#[test]
fn a_real_browser_gets_through_by_itself() {
    let origin = Origin::start();
    let edge = challenged(&origin, "");
    let url = format!("http://{}/page", edge.address("http"));
    let seen = drawn(&edge.path("profile"), &url, 20_000);
    assert!(!seen.contains("data-puzzle"), "{seen}");
    assert_eq!(origin.hits("/page"), 1);
    assert!(edge.metric("seawall_challenges_total{result=\"proved\",site=\"*\"}") >= 1);
}

#[test]
fn the_page_can_be_read_by_day_by_night_on_a_phone_and_by_those_who_do_not_see_it() {
    let origin = Origin::start();
    // So hard that it is not solved while it is looked at.
    let edge = Edge::yaml(format!(
        "sites: [{{ host: \"*\", challenge: {{ difficulty: 24 }}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut browser = Browser::start(&edge.path("profile"));
    browser.go(&format!("http://{}/page", edge.address("http")));
    for (width, dark) in [
        (390, false),
        (390, true),
        (1280, false),
        (1280, true),
        (320, false),
    ] {
        browser.window(width, 844, dark);
        browser.until("document.querySelector('progress').value > 0");
        let name = format!("challenge-{width}-{}", if dark { "dark" } else { "light" });
        browser.shot(&name);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64().expect("a width") <= u64::from(width),
            "{name}: {wide}"
        );
        let faint = browser.faint();
        assert!(faint.is_empty(), "{name}: {faint:?}");
    }
    // What a reader of the screen says: the language, one heading, a named progress, news as they come.
    for (what, expected) in [
        ("document.documentElement.lang", "en"),
        ("document.title", "One moment"),
        (
            "[...document.querySelectorAll('h1')].map(h => h.innerText).join()",
            "One moment",
        ),
        ("document.querySelectorAll('main').length + ''", "1"),
        (
            "document.querySelector('progress').getAttribute('aria-label')",
            "Progress",
        ),
        (
            "document.getElementById('state').getAttribute('role')",
            "status",
        ),
        (
            "document.getElementById('state').innerText",
            "Working\u{2026}",
        ),
    ] {
        assert_eq!(browser.value(what), expected, "{what}");
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
