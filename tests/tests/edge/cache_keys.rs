//! What a route takes into the key, leaves out of it, and sends to the origin.

use seawall_tests::{Client, Edge, Origin, Response, Running, Then, mmdb};

fn cached(origin: &Origin, cache: &str) -> Running {
    Edge::yaml(format!(
        "caches: {{ default: 64MiB }}\nsites: [{{ host: a.test, cache: {cache}, to: \"{origin}\" }}]"
    ))
    .start()
}

fn ask(client: &mut Client, target: &str, fields: &str) -> Response {
    client
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
        .response()
}

const FRESH: &str = "Cache-Control: max-age=60\r\n";

#[test]
fn parameters_are_sorted_for_key_and_origin() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = cached(&origin, "{ query: sorted }");
    edge.get("a.test", "/x?b=2&a=2&a=1");
    assert_eq!(origin.last().target, "/x?a=2&a=1&b=2");
    assert!(edge.get("a.test", "/x?a=2&b=2&a=1").is_hit());
    assert!(
        !edge.get("a.test", "/x?a=1&a=2&b=2").is_hit(),
        "a list has its order"
    );
    // A request that is not for the cache is sent as it is.
    edge.exchange("POST /x?b=2&a=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(origin.last().target, "/x?b=2&a=1");
}

#[test]
fn only_the_parameters_that_count_are_asked_for() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = cached(
        &origin,
        "{ query: { only: [id, \"page_*\"], sorted: true } }",
    );
    edge.get("a.test", "/x?utm=1&page_size=3&id=7&id2=8");
    assert_eq!(origin.last().target, "/x?id=7&page_size=3");
    assert!(edge.get("a.test", "/x?id=7&page_size=3&other").is_hit());
    let edge = cached(&origin, "{ query: none }");
    edge.get("a.test", "/x?anything");
    assert_eq!(origin.last().target, "/x");
    assert!(edge.get("a.test", "/x?else").is_hit());
}

#[test]
fn ignored_cookies_are_not_sent_and_do_not_make_a_request_somebody_s() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = cached(&origin, "{ ignore_cookies: [\"_ga*\", theme] }");
    let mut client = edge.client();
    ask(
        &mut client,
        "/x",
        "Cookie: _ga=1; theme=dark\r\nCookie: _gat=2\r\n",
    );
    assert_eq!(origin.last().field("Cookie"), None);
    assert!(ask(&mut client, "/x", "Cookie: theme=light\r\n").is_hit());
    assert!(ask(&mut client, "/x", "").is_hit());
    let mine = ask(
        &mut client,
        "/x",
        "Cookie: _ga=1; session=7; theme=dark\r\n",
    );
    assert!(!mine.is_hit() && mine.has("Cache-Status").contains("detail=cookie"));
    assert_eq!(origin.last().field("Cookie"), Some("session=7"));
}

#[test]
fn cookies_and_headers_of_the_key_have_objects_of_their_own() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let of = |name| request.field(name).unwrap_or("none").to_owned();
        let body = format!("{} {}", of("Cookie"), of("X-Tenant"));
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{FRESH}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        Then::Keep
    });
    let edge = cached(
        &origin,
        "{ vary: { cookies: [currency], headers: [X-Tenant] }, ignore_cookies: [other] }",
    );
    let mut client = edge.client();
    for (fields, body) in [
        ("", "none none"),
        ("Cookie: currency=eur; other=1\r\n", "currency=eur none"),
        ("Cookie: currency=usd\r\n", "currency=usd none"),
        ("X-Tenant: a\r\n", "none a"),
        ("X-Tenant: b\r\nCookie: currency=usd\r\n", "currency=usd b"),
    ] {
        let first = ask(&mut client, "/x", fields);
        assert!(
            !first.is_hit() && first.text() == body,
            "{fields}: {first:?}"
        );
        let second = ask(&mut client, "/x", fields);
        assert!(second.is_hit() && second.text() == body, "{fields}");
    }
    let mine = ask(&mut client, "/x", "Cookie: currency=usd; session=1\r\n");
    assert!(!mine.is_hit(), "another cookie makes it somebody's");
}

#[test]
fn kinds_of_devices_have_objects_of_their_own_and_the_origin_is_told_which() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let device = request.field("X-Device").unwrap_or("none").to_owned();
        assert_eq!(request.field("X_Device"), None);
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{FRESH}Content-Length: {}\r\n\r\n{device}",
            device.len()
        ));
        Then::Keep
    });
    let edge = cached(&origin, "{ vary: { device: true } }");
    let mut client = edge.client();
    for (agent, device) in [
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "desktop"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148",
            "mobile",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel) Mobile Safari/537.36",
            "mobile",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Tab) Safari/537.36",
            "tablet",
        ),
        ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X)", "tablet"),
    ] {
        let fields = format!("User-Agent: {agent}\r\nX-Device: evil\r\nX_Device: evil\r\n");
        assert_eq!(ask(&mut client, "/x", &fields).text(), device);
    }
    assert_eq!(origin.hits("/x"), 3);
}

#[test]
fn countries_have_objects_of_their_own_and_the_origin_is_told_which() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        let country = request.field("X-Country").unwrap_or("none").to_owned();
        assert_eq!(request.field("X_Country"), None);
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\n{FRESH}Content-Length: {}\r\n\r\n{country}",
            country.len()
        ));
        Then::Keep
    });
    let edge = Edge::yaml(format!(
        "geo: [cities.mmdb, systems.mmdb]
trusted_proxies: [127.0.0.1]
caches: {{ default: 64MiB }}
sites: [{{ host: a.test, cache: {{ vary: {{ country: true }} }}, to: \"{origin}\" }}]"
    ));
    for (name, bytes) in ["cities.mmdb", "systems.mmdb"]
        .iter()
        .zip(mmdb::databases())
    {
        edge.write(name, bytes);
    }
    let edge = edge.start();
    let mut client = edge.client();
    for (address, country, is_hit) in [
        ("198.51.7.7", "DE", false),
        ("203.0.113.200", "FR", false),
        ("2001:db8::1", "DE", true),
        ("::ffff:203.0.113.200", "FR", true),
        ("8.8.8.8", "XX", false),
        ("9.9.9.9", "XX", true),
    ] {
        let fields =
            format!("X-Forwarded-For: {address}\r\nX-Country: evil\r\nX_Country: evil\r\n");
        let response = ask(&mut client, "/x", &fields);
        assert_eq!(
            (response.text().as_str(), response.is_hit()),
            (country, is_hit),
            "{address}"
        );
    }
    assert_eq!(origin.hits("/x"), 3);
}

#[test]
fn what_a_client_says_of_its_address_makes_no_country_without_a_trusted_proxy() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = Edge::yaml(format!(
        "geo: cities.mmdb
caches: {{ default: 64MiB }}
sites: [{{ host: a.test, cache: {{ vary: {{ country: true }} }}, to: \"{origin}\" }}]"
    ));
    edge.write("cities.mmdb", &mmdb::databases()[0]);
    let edge = edge.start();
    let mut client = edge.client();
    for address in ["198.51.7.7", "203.0.113.200", "2001:db8::1"] {
        ask(
            &mut client,
            "/x",
            &format!("X-Forwarded-For: {address}\r\n"),
        );
        assert_eq!(origin.last().field("X-Country"), Some("XX"), "{address}");
    }
    assert_eq!(origin.hits("/x"), 1);
}

#[test]
fn a_country_in_the_key_without_a_database_is_an_error_at_its_place() {
    let edge = Edge::yaml(
        "caches: { default: 64MiB }
sites: [{ host: a.test, cache: { vary: { country: true } }, to: \"127.0.0.1:1\" }]",
    );
    let (status, said) = edge.start_in_vain();
    assert!(!status.success());
    let at = "cache: { vary: { country: true } }";
    assert!(
        said.contains("error[no-places]: nothing tells where clients are, for \"country\"")
            && said.contains(at)
            && said.contains("geo: GeoLite2-Country.mmdb"),
        "{said}"
    );
}

#[test]
fn languages_in_another_order_are_the_same_wish() {
    let origin = Origin::start();
    let fields = format!("{FRESH}Vary: Accept-Language\r\nContent-Language: de\r\n");
    origin.serve("/x", &fields, "hallo");
    for (cache, by_preference) in [("{ languages: by_preference }", true), ("on", false)] {
        let edge = cached(&origin, cache);
        let mut client = edge.client();
        ask(&mut client, "/x", "Accept-Language: en, de\r\n");
        assert!(ask(&mut client, "/x", "Accept-Language: DE,en\r\n").is_hit());
        let prefers = ask(&mut client, "/x", "Accept-Language: fr;q=0.5, de\r\n");
        assert_eq!(prefers.is_hit(), by_preference);
    }
}

#[test]
fn the_origin_is_asked_for_codings_in_the_form_that_the_key_knows() {
    let origin = Origin::start();
    origin.serve("/x", &format!("{FRESH}Vary: Accept-Encoding\r\n"), "body");
    let edge = cached(&origin, "on");
    let mut client = edge.client();
    ask(
        &mut client,
        "/x",
        "Accept-Encoding: zstd;q=0.5, evil, br, gzip;q=1.0\r\n",
    );
    assert_eq!(
        origin.last().field("Accept-Encoding"),
        Some("gzip, br, zstd")
    );
    assert!(ask(&mut client, "/x", "Accept-Encoding: gzip, br, zstd\r\n").is_hit());
}

#[test]
fn a_coded_answer_that_does_not_say_so_is_not_given_to_who_does_not_take_it() {
    let origin = Origin::start();
    origin.script("/x", |request, exchange| {
        exchange.send(match request.field("Accept-Encoding") {
            Some("gzip") => {
                format!("HTTP/1.1 200 OK\r\n{FRESH}Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\nzipped")
            }
            _ => format!("HTTP/1.1 200 OK\r\n{FRESH}Content-Length: 5\r\n\r\nplain"),
        });
        Then::Keep
    });
    let edge = cached(&origin, "on");
    let mut client = edge.client();
    assert_eq!(
        ask(&mut client, "/x", "Accept-Encoding: gzip\r\n").text(),
        "zipped"
    );
    assert_eq!(ask(&mut client, "/x", "").text(), "plain");
}

#[test]
fn set_cookie_is_stripped_or_stored_where_the_route_says_so() {
    let origin = Origin::start();
    origin.serve("/x", &format!("{FRESH}Set-Cookie: a=b\r\n"), "body");
    for (cache, hit, cookie) in [
        ("on", false, Some("a=b")),
        ("{ set_cookie: strip }", true, None),
        ("{ set_cookie: store }", true, Some("a=b")),
    ] {
        let edge = cached(&origin, cache);
        edge.get("a.test", "/x");
        let second = edge.get("a.test", "/x");
        assert_eq!(
            (second.is_hit(), second.field("Set-Cookie")),
            (hit, cookie),
            "{cache}"
        );
    }
}

#[test]
fn conditions_of_a_route_keep_answers_out_or_have_them_made_anew() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = cached(
        &origin,
        "{ bypass: $arg_fresh, no_store: [$arg_a, $arg_private] }",
    );
    edge.get("a.test", "/x?private=1");
    assert!(!edge.get("a.test", "/x?private=1").is_hit());
    edge.get("a.test", "/x?private=0");
    assert!(edge.get("a.test", "/x?private=0").is_hit(), "`0` is no");
    edge.get("a.test", "/x?fresh=1");
    let again = edge.get("a.test", "/x?fresh=1");
    assert!(!again.is_hit() && again.has("Cache-Status").contains("fwd=bypass"));
}

#[test]
fn what_is_asked_for_often_enough_is_stored() {
    let origin = Origin::start();
    origin.serve("/x", FRESH, "body");
    let edge = cached(&origin, "{ min_uses: 3 }");
    for _ in 0..3 {
        assert!(!edge.get("a.test", "/x").is_hit());
    }
    assert!(edge.get("a.test", "/x").is_hit());
}

#[test]
fn parameters_that_the_origin_says_do_not_count_make_no_other_object() {
    let origin = Origin::start();
    let fields = format!("{FRESH}No-Vary-Search: key-order, params=(\"utm\")\r\n");
    origin.serve("/x", &fields, "body");
    origin.serve("/y", FRESH, "body");
    let edge = cached(&origin, "on");
    edge.get("a.test", "/x?b=1&a=2&utm=3");
    // The first who asks after that is stored under what counts.
    edge.get("a.test", "/x?utm=4&b=1&a=2");
    assert_eq!(
        origin.last().target,
        "/x?utm=4&b=1&a=2",
        "it is asked for as it was sent"
    );
    for same in ["/x?a=2&b=1", "/x?b=1&utm=7&a=2", "/x?%61=2&b=1"] {
        let expected = same != "/x?%61=2&b=1";
        assert_eq!(edge.get("a.test", same).is_hit(), expected, "{same}");
    }
    assert!(!edge.get("a.test", "/x?a=2&b=2").is_hit());
    edge.get("a.test", "/y?b=1&a=2");
    assert!(!edge.get("a.test", "/y?a=2&b=1").is_hit(), "another path");
}
