//! How servers are chosen, under real traffic.

use seawall_tests::{Edge, Origin, Running, eventually};

fn three() -> [Origin; 3] {
    ["a", "b", "c"].map(|name| {
        let origin = Origin::start();
        origin.serve("/who", "", name);
        origin
    })
}

fn pool(origins: &[Origin], fields: &str) -> Running {
    let servers: Vec<String> = origins.iter().map(|o| format!("\"{o}\"")).collect();
    Edge::yaml(format!(
        "pools:\n  p: {{ servers: [{}], {fields} }}\nsites: [{{ host: a.test, to: p }}]",
        servers.join(", ")
    ))
    .start()
}

fn shares(origins: &[Origin], edge: &Running, requests: usize) -> Vec<usize> {
    let mut client = edge.client();
    for _ in 0..requests {
        assert_eq!(client.get("a.test", "/who").status, 200);
    }
    origins.iter().map(|o| o.hits("/who")).collect()
}

#[test]
fn three_servers_get_a_third_each_within_two_percent() {
    let origins = three();
    let edge = pool(&origins, "balance: round_robin");
    for share in shares(&origins, &edge, 900) {
        assert!((294..=306).contains(&share), "{share} of 900");
    }
}

#[test]
fn every_algorithm_without_a_key_uses_every_server() {
    for balance in ["least_conn", "p2c", "ewma", "random"] {
        let origins = three();
        let edge = pool(&origins, &format!("balance: {balance}"));
        let shares = shares(&origins, &edge, 300);
        // By latency a server whose first connection took long waits for its turn; the others share evenly.
        let least = if balance == "ewma" { 1 } else { 20 };
        assert!(shares.iter().all(|s| *s >= least), "{balance}: {shares:?}");
    }
}

#[test]
fn a_key_meets_one_server_and_keys_are_spread() {
    let origins = three();
    let edge = pool(&origins, "balance: hash, hash: { key: $arg_user }");
    let mut client = edge.client();
    for user in 0..60 {
        let target = format!("/who?user={user}");
        let first = client.get("a.test", &target).text();
        for _ in 0..3 {
            assert_eq!(client.get("a.test", &target).text(), first, "{user}");
        }
    }
    for origin in &origins {
        assert!(origin.hits("/who") >= 20, "{}", origin.hits("/who"));
    }
}

#[test]
fn a_client_meets_one_server_by_ip_hash() {
    let origins = three();
    let edge = pool(&origins, "balance: ip_hash");
    let shares = shares(&origins, &edge, 30);
    assert_eq!(shares.iter().filter(|s| **s > 0).count(), 1, "{shares:?}");
}

#[test]
fn one_of_three_killed_under_load_is_no_clients_error() {
    let [a, b, c] = three();
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\", \"{b}\", \"{c}\"], retry: {{ when: [connect], attempts: 3, budget: 100% }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    let mut client = edge.client();
    for n in 0..300 {
        if n == 100 {
            b.stop();
        }
        assert_eq!(client.get("a.test", "/who").status, 200, "request {n}");
    }
    assert!(edge.metric("seawall_retries_total") >= 1);
}

#[test]
fn a_server_that_answers_500_on_half_is_left_out_and_comes_back() {
    let (bad, good) = (Origin::start(), Origin::start());
    good.serve("/who", "", "good");
    let turn = std::sync::atomic::AtomicUsize::new(0);
    bad.script("/who", move |_, exchange| {
        let is_odd = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 == 1;
        let status = if is_odd { "500 Oh" } else { "200 OK" };
        exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        seawall_tests::Then::Keep
    });
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{bad}\", \"{good}\"], eject: {{ ratio: {{ errors: 40%, min_requests: 10, window: 10s }}, for: 300ms }} }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    eventually("the ejection", || {
        edge.get("a.test", "/who");
        edge.error_log()
            .contains(&format!("server {bad} is ejected"))
            .then_some(())
    });
    bad.serve("/who", "", "healed");
    eventually("the readmission", || {
        (edge.get("a.test", "/who").text() == "healed").then_some(())
    });
}

#[test]
fn a_drained_server_gets_nothing_new() {
    let origins = three();
    let [a, b, c] = &origins;
    let edge = Edge::yaml(format!(
        "pools:\n  p: {{ servers: [\"{a}\", {{ address: \"{b}\", drain: true }}, \"{c}\"] }}\nsites: [{{ host: a.test, to: p }}]"
    ))
    .start();
    let shares = shares(&origins, &edge, 60);
    assert_eq!(shares, [30, 0, 30]);
}

#[test]
fn an_nginx_upstream_says_the_same() {
    let origins = three();
    let [a, b, c] = &origins;
    let edge = Edge::nginx(format!(
        "events {{}} http {{ upstream u {{ least_conn; zone u 64k; server {a} max_conns=10 slow_start=1s; server {b} drain; server {c} backup; }}
           server {{ listen @http@; location / {{ proxy_pass http://u; }} }} }}"
    ))
    .start();
    let shares = shares(&origins, &edge, 20);
    assert_eq!(shares, [20, 0, 0]);
}

#[test]
fn a_server_is_drained_and_taken_back_over_the_api() {
    let origins = three();
    let edge = pool(&origins, "balance: round_robin");
    let post = |change: &str| {
        let stream = std::os::unix::net::UnixStream::connect(edge.path("admin.sock")).unwrap();
        let target = format!("/api/v1/pools/p/servers/{}/{change}", origins[1]);
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let mut answer = String::new();
        std::io::Write::write_all(&mut &stream, request.as_bytes()).unwrap();
        std::io::Read::read_to_string(&mut &stream, &mut answer).unwrap();
        answer
    };
    assert!(post("drain").starts_with("HTTP/1.1 200"));
    assert_eq!(shares(&origins, &edge, 20), [10, 0, 10]);
    assert!(post("undrain").starts_with("HTTP/1.1 200"));
    assert_eq!(shares(&origins, &edge, 30), [20, 10, 20]);
    assert!(post("explode").starts_with("HTTP/1.1 404"));
}
