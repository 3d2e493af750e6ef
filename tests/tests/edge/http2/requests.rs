//! Requests and responses: over TLS and by prior knowledge, with and without bodies.

use super::{ask, connected, get, read, run, send};
use bytes::Bytes;
use http::{Request, Version};
use seawall_tests::{Edge, Gate, Origin, eventually};

fn in_front_of(origin: &Origin) -> seawall_tests::Running {
    crate::in_front_of(origin)
}

#[test]
fn a_request_by_prior_knowledge_reaches_the_origin_as_http1() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::get("http://a.test/x?y=1")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(())
            .unwrap();
        ask(&requests, request).await.unwrap()
    });
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.head.version(), Version::HTTP_2);
    assert!(answer.field("date").is_some());
    assert_eq!(answer.field("connection"), None);
    let asked = origin.last();
    assert_eq!(
        (
            asked.method.as_str(),
            asked.target.as_str(),
            asked.version.as_str()
        ),
        ("GET", "/x?y=1", "HTTP/1.1")
    );
    assert_eq!(asked.field("host"), Some("a.test"));
    assert_eq!(asked.field("cookie"), Some("a=1; b=2"));
    assert_eq!(asked.field("te"), Some("trailers"));
    assert_eq!(asked.field("transfer-encoding"), None);
    edge.counts("seawall_http2_connections_total", 1);
}

#[test]
fn the_log_and_templates_say_which_protocol_it_was() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, respond: { status: 200, body: \"$server_protocol $request\" } }]",
    )
    .start();
    let answer = connected(edge.address("http"), async |requests| {
        ask(&requests, get("http://a.test/p")).await.unwrap()
    });
    assert_eq!(answer.text(), "HTTP/2.0 GET /p HTTP/2.0");
    eventually("the log line", || {
        edge.access_log()
            .contains("\"GET /p HTTP/2.0\" 200")
            .then_some(())
    });
}

#[test]
fn bodies_of_any_size_go_both_ways() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let large = "r".repeat(700_000);
    origin.serve("/up", "", "ok");
    origin.serve("/down", "", &large);
    origin.answer(
        "/chunks",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    );
    let sent = vec![b's'; 500_000];
    let (up, stated, down, chunks) = connected(edge.address("http"), async |requests| {
        let post = || Request::post("http://a.test/up");
        let up = send(&requests, post().body(()).unwrap(), &sent, None)
            .await
            .unwrap();
        let with_length = post().header("content-length", "5").body(()).unwrap();
        let stated = send(&requests, with_length, b"12345", None).await.unwrap();
        let down = ask(&requests, get("http://a.test/down")).await.unwrap();
        let chunks = ask(&requests, get("http://a.test/chunks")).await.unwrap();
        (up, stated, down, chunks)
    });
    assert_eq!((up.text().as_str(), stated.text().as_str()), ("ok", "ok"));
    assert_eq!(down.body.len(), large.len());
    assert_eq!(down.field("content-length"), Some("700000"));
    assert_eq!(chunks.text(), "abcdef");
    assert_eq!(chunks.field("transfer-encoding"), None);
    let received = origin.received();
    assert!(received[0].chunked && received[0].body == sent);
    assert!(!received[1].chunked && received[1].body == b"12345");
}

#[test]
fn streams_are_served_side_by_side() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let gate = Gate::default();
    origin.serve_after(&gate, "/slow", "", "slow");
    origin.serve("/fast", "", "fast");
    connected(edge.address("http"), async |requests| {
        let mut waiting = requests.clone().ready().await.unwrap();
        let (slow, _) = waiting
            .send_request(get("http://a.test/slow"), true)
            .unwrap();
        for _ in 0..20 {
            let fast = ask(&requests, get("http://a.test/fast")).await.unwrap();
            assert_eq!(fast.text(), "fast");
        }
        gate.open();
        assert_eq!(read(slow.await.unwrap()).await.unwrap().text(), "slow");
    });
}

#[test]
fn head_and_empty_answers_have_no_body() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.answer("/none", "HTTP/1.1 204 No Content\r\n\r\n");
    connected(edge.address("http"), async |requests| {
        let head = Request::head("http://a.test/").body(()).unwrap();
        let head = ask(&requests, head).await.unwrap();
        assert!(head.body.is_empty() && head.field("content-length").is_some());
        let none = ask(&requests, get("http://a.test/none")).await.unwrap();
        assert_eq!((none.status(), none.body.len()), (204, 0));
    });
}

#[test]
fn over_tls_alpn_decides() {
    let edge = Edge::yaml(
        "listen: [{ https: \"@https@\" }, { https: \"@old@\", http2: false }]\n\
         sites: [{ host: a.test, tls: internal, respond: { status: 200, body: $server_protocol } }]",
    )
    .start();
    let agreed = |name: &str| {
        run(async {
            let stream = crate::http2::tls(&edge, edge.address(name)).await;
            let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            if alpn.as_deref() != Some(b"h2") {
                return (alpn, String::new());
            }
            let (requests, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::task::spawn_local(connection);
            let answer = ask(&requests, get("https://a.test/")).await.unwrap();
            (alpn, answer.text())
        })
    };
    assert_eq!(agreed("https"), (Some(b"h2".to_vec()), "HTTP/2.0".into()));
    assert_eq!(agreed("old").0, Some(b"http/1.1".to_vec()));
    assert_eq!(edge.tls("a.test").alpn.as_deref(), Some("http/1.1"));
}

#[test]
fn a_listener_without_http2_refuses_the_preface() {
    let edge = Edge::yaml(
        "listen: [{ http: \"@http@\", http2: false }]\nsites: [{ host: a.test, respond: 204 }]",
    )
    .start();
    let response = edge
        .client()
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .response();
    assert_eq!(response.status, 400);
}

#[test]
fn from_nginx_conf_it_is_spoken_only_where_asked_for() {
    let edge = Edge::nginx(
        "events {} http { server { listen @http@; return 200 old; } \
         server { listen @new@; http2 on; return 200 $server_protocol; } }",
    )
    .start();
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_ne!(edge.client().send(preface).response().status, 200);
    let answer = connected(edge.address("new"), async |requests| {
        ask(&requests, get("http://a.test/")).await.unwrap()
    });
    assert_eq!(answer.text(), "HTTP/2.0");
}

#[test]
fn a_body_over_the_limit_is_refused_and_the_connection_goes_on() {
    let origin = Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", body_limit: 10KiB }}]"
    ))
    .start();
    connected(edge.address("http"), async |requests| {
        let stated = Request::post("http://a.test/").header("content-length", "20000");
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, mut stream) = ready.send_request(stated.body(()).unwrap(), false).unwrap();
        assert_eq!(response.await.unwrap().status(), 413);
        let _ = stream.send_data(Bytes::from_static(b"late"), false);
        let unstated = Request::post("http://a.test/").body(()).unwrap();
        let refused = send(&requests, unstated, &[b'x'; 20_000], None)
            .await
            .unwrap();
        assert_eq!(refused.status(), 413);
        assert_eq!(
            ask(&requests, get("http://a.test/"))
                .await
                .unwrap()
                .status(),
            200
        );
    });
}

#[test]
fn an_origin_that_breaks_off_ends_the_stream_and_not_the_connection() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.answer_and_close(
        "/broken",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    );
    connected(edge.address("http"), async |requests| {
        let broken = ask(&requests, get("http://a.test/broken"))
            .await
            .unwrap_err();
        assert_eq!(broken.reason(), Some(h2::Reason::INTERNAL_ERROR));
        assert_eq!(
            ask(&requests, get("http://a.test/"))
                .await
                .unwrap()
                .status(),
            200
        );
    });
}

#[test]
fn a_stream_that_the_client_resets_is_logged_and_lets_its_origin_go() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let closed = Gate::default();
    let seen = closed.clone();
    origin.script("/slow", move |_, exchange| {
        exchange.until_closed();
        seen.open();
        seawall_tests::Then::Close
    });
    connected(edge.address("http"), async |requests| {
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, mut stream) = ready
            .send_request(get("http://a.test/slow"), false)
            .unwrap();
        while origin.hits("/slow") == 0 && origin.connections() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        assert_eq!(
            ask(&requests, get("http://a.test/"))
                .await
                .unwrap()
                .status(),
            200
        );
    });
    edge.counts("seawall_http2_abandoned_total", 1);
    eventually("the log line", || {
        edge.access_log()
            .contains("\"GET /slow HTTP/2.0\" 499")
            .then_some(())
    });
}

#[test]
fn a_stop_says_goaway_and_finishes_what_runs() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    let gate = Gate::default();
    origin.serve_after(&gate, "/slow", "", "slow");
    connected(edge.address("http"), async |requests| {
        let mut ready = requests.clone().ready().await.unwrap();
        let (slow, _) = ready.send_request(get("http://a.test/slow"), true).unwrap();
        while origin.hits("/slow") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        edge.signal(nix::sys::signal::Signal::SIGQUIT);
        // The GOAWAY arrives sooner or later; from then on no new request is begun.
        let refused = async {
            loop {
                match requests.clone().ready().await {
                    Err(e) => return e,
                    Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            }
        };
        assert_eq!(refused.await.reason(), Some(h2::Reason::NO_ERROR));
        gate.open();
        assert_eq!(read(slow.await.unwrap()).await.unwrap().text(), "slow");
    });
}

#[test]
fn trailers_go_both_ways() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.answer(
        "/call",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Status: 0\r\nContent-Length: 9\r\n\r\n",
    );
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::post("http://a.test/call")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "abc".parse().unwrap());
        trailers.insert("host", "b.test".parse().unwrap());
        send(&requests, request, b"body", Some(trailers))
            .await
            .unwrap()
    });
    let trailers = answer.trailers.unwrap();
    assert_eq!(answer.body, b"hi");
    assert_eq!(
        (trailers.len(), &trailers["x-status"]),
        (1, &"0".parse().unwrap())
    );
    let asked = origin.last();
    assert_eq!(asked.body, b"body");
    assert_eq!(asked.trailers, ["x-sum: abc"]);
}

#[test]
fn a_response_that_is_all_trailers_ends_the_stream() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.answer(
        "/call",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Status: 5\r\n\r\n",
    );
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::get("http://a.test/call").header("te", "trailers");
        ask(&requests, request.body(()).unwrap()).await.unwrap()
    });
    assert!(answer.body.is_empty());
    assert_eq!(answer.trailers.unwrap()["x-status"], "5");
}

#[test]
fn early_hints_come_before_the_response() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.answer(
        "/",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    connected(edge.address("http"), async |requests| {
        let mut ready = requests.clone().ready().await.unwrap();
        let (mut response, _) = ready.send_request(get("http://a.test/"), true).unwrap();
        let hints = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        let hints = hints.unwrap().unwrap();
        assert_eq!(
            (hints.status().as_u16(), &hints.headers()["link"]),
            (103, &"</a.css>".parse().unwrap())
        );
        assert_eq!(read(response.await.unwrap()).await.unwrap().text(), "ok");
    });
}

#[test]
fn a_websocket_over_extended_connect_reaches_an_origin_of_http1() {
    let origin = Origin::start();
    let edge = in_front_of(&origin);
    origin.script("/ws", |_, exchange| {
        exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n");
        loop {
            let byte = exchange.receive(1);
            if byte.is_empty() || !exchange.send(byte) {
                return seawall_tests::Then::Close;
            }
        }
    });
    connected(edge.address("http"), async |requests| {
        // The setting that allows it has come when something was answered.
        ask(&requests, get("http://a.test/")).await.unwrap();
        assert!(requests.is_extended_connect_protocol_enabled());
        let request = Request::connect("http://a.test/ws")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, mut to) = ready.send_request(request, false).unwrap();
        let (head, mut from) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        assert!(!head.headers.contains_key("upgrade"));
        to.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let mut echoed = Vec::new();
        while echoed.len() < 5 {
            let bytes = from.data().await.unwrap().unwrap();
            from.flow_control().release_capacity(bytes.len()).unwrap();
            echoed.extend_from_slice(&bytes);
        }
        assert_eq!(echoed, b"hello");
        to.send_data(Bytes::new(), true).unwrap();
        while let Some(end) = from.data().await {
            assert!(end.unwrap().is_empty(), "only the end goes through");
        }
    });
    let asked = origin.last();
    assert_eq!(asked.method, "GET");
    assert_eq!(asked.field("upgrade"), Some("websocket"));
    assert_eq!(asked.field("sec-websocket-key").map(str::len), Some(24));
    edge.counts("seawall_tunnels", 0);
}
