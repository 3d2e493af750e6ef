//! Origins that speak HTTP/2, gRPC among them.

use super::{ask, connected, get, read, send};
use bytes::Bytes;
use http::Request;
use seawall_tests::{Edge, Running, http2::Http2Origin, php::Nginx, tls};

fn in_front_of(origin: &Http2Origin) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"h2c://{origin}\", timeouts: {{ first_byte: 2s }} }}]"
    ))
    .start()
}

#[test]
fn a_client_of_http1_is_served_by_an_origin_of_http2() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    for target in ["/a?b=c", "/", "/<odd>"] {
        let response = client.get("a.test", target);
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
    let asked = origin.asked();
    assert_eq!(asked[0].head.uri(), "http://a.test/a?b=c");
    assert_eq!(asked[0].head.method(), "GET");
    assert!(asked[0].head.headers().contains_key("x-forwarded-for"));
    assert!(!asked[0].head.headers().contains_key("connection"));
    assert_eq!(asked[2].head.uri().path(), "/%3Codd%3E");
    assert_eq!(
        edge.exchange("HEAD / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            .body,
        b""
    );
}

#[test]
fn many_requests_share_a_connection() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    for _ in 0..20 {
        assert_eq!(edge.get("a.test", "/").status, 200);
    }
    let connections = origin.asked().iter().map(|a| a.connection).max().unwrap();
    assert!(connections <= 2, "{connections} connections of two threads");
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let large = vec![b'x'; 700_000];
    let up = edge.exchange(
        [
            format!(
                "POST /late HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n",
                large.len()
            )
            .as_bytes(),
            &large,
        ]
        .concat(),
    );
    assert_eq!(up.text(), "700000 None");
    let chunked = edge.exchange(
        "POST /late HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 9\r\nContent-Length: 7\r\n\r\n",
    );
    assert_eq!(chunked.text(), "3 Some(\"9\")");
    let echoed = edge.exchange(
        "POST /echo HTTP/1.1\r\nHost: a.test\r\nConnection: TE\r\nTE: trailers\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(echoed.text(), "hello");
    assert_eq!(
        echoed.trailers,
        ["grpc-status: 0"],
        "what frames is left out"
    );
}

#[test]
fn a_grpc_stream_flows_both_ways_before_either_side_is_done() {
    let origin = Http2Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"grpc://{origin}\" }}]"
    ))
    .start();
    connected(edge.address("http"), async |requests| {
        let request = Request::post("http://a.test/echo")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut requests = requests.ready().await.unwrap();
        let (response, mut up) = requests.send_request(request, false).unwrap();
        // The head comes before a byte of a body was sent.
        let (head, mut down) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        for message in ["one", "two", "three"] {
            up.send_data(Bytes::from(message), false).unwrap();
            let mut got = Vec::new();
            while got.len() < message.len() {
                let bytes = down.data().await.unwrap().unwrap();
                down.flow_control().release_capacity(bytes.len()).unwrap();
                got.extend_from_slice(&bytes);
            }
            assert_eq!(got, message.as_bytes());
        }
        up.send_data(Bytes::new(), true).unwrap();
        assert!(down.data().await.is_none());
        let trailers = down.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    });
    assert_eq!(origin.last().head.headers()["te"], "trailers");
}

#[test]
fn a_megabyte_of_messages_comes_back_whole() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let sent: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::post("http://a.test/echo").body(()).unwrap();
        let mut requests = requests.ready().await.unwrap();
        let (response, mut up) = requests.send_request(request, false).unwrap();
        up.send_data(Bytes::from(sent.clone()), true).unwrap();
        read(response.await.unwrap()).await.unwrap()
    });
    assert!(answer.body == sent);
}

#[test]
fn an_answer_that_is_nothing_but_trailers_is_passed_on() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let answer = connected(edge.address("http"), async |requests| {
        ask(&requests, get("http://a.test/status")).await.unwrap()
    });
    assert_eq!(
        (answer.status(), answer.field("grpc-status")),
        (200, Some("5"))
    );
    assert!(answer.body.is_empty());
}

#[test]
fn grpc_gets_its_own_kind_of_error() {
    let edge = Edge::yaml("sites: [{ host: a.test, to: \"grpc://@nobody@\" }]").start();
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::post("http://a.test/svc/Call")
            .header("content-type", "application/grpc+proto")
            .body(())
            .unwrap();
        send(&requests, request, b"\0\0\0\0\0", None).await.unwrap()
    });
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("grpc-status"), Some("14"));
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert!(answer.body.is_empty());
    // Whoever does not speak it gets a page.
    assert_eq!(edge.get("a.test", "/svc/Call").status, 502);
}

#[test]
fn what_the_origin_did_not_process_is_asked_again_and_nothing_else() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let post = "POST /refuse HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(edge.exchange(post).text(), "ok");
    assert_eq!(origin.hits("/refuse"), 2);
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    assert_eq!(edge.get("a.test", "/reset").status, 502);
    assert_eq!(origin.hits("/reset"), 1, "it may have been processed");
}

#[test]
fn an_origin_s_nonsense_is_a_502_and_the_next_request_is_served() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    for path in ["/length", "/cut"] {
        let got = edge.client().ask("a.test", path).try_response();
        assert!(
            got.as_ref().map_or(true, |r| r.status == 502),
            "{path}: {got:?}"
        );
        assert_eq!(edge.get("a.test", "/").status, 200);
    }
    edge.counts("seawall_panics_total", 0);
}

#[test]
fn an_answer_that_comes_before_the_body_was_sent_is_taken() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    client.send("POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nfirst");
    let response = client.response();
    assert_eq!(
        (response.status, response.text().as_str()),
        (413, "too much")
    );
}

#[test]
fn interim_responses_come_from_there_too() {
    let origin = Http2Origin::start();
    let edge = in_front_of(&origin);
    let mut client = edge.client();
    let hints = client.ask("a.test", "/hints").head();
    assert_eq!(
        (hints.status, hints.has("link")),
        (103, "</a.css>; rel=preload")
    );
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn an_origin_that_never_answers_is_a_504() {
    let origin = Http2Origin::start();
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"h2c://{origin}\", timeouts: {{ first_byte: 200ms }} }}]"
    ))
    .start();
    assert_eq!(edge.get("a.test", "/silent").status, 504);
    assert_eq!(edge.get("a.test", "/").status, 200);
}

#[test]
fn nginx_is_asked_over_tls_by_alpn() {
    let edge = Edge::yaml(
        "pools: { a: { servers: [\"https://@peer@\"], protocol: h2, tls: { ca: @dir@/peer.pem, sni: peer.test } } }\n\
         sites: [{ host: a.test, to: a }]",
    );
    let (certificate, key) = (edge.path("peer.pem"), edge.path("peer.key"));
    tls::write_certificate("peer.test", &certificate, &key);
    let address = edge.address("peer");
    let _nginx = Nginx::start(
        edge.path("").as_path(),
        address,
        &format!(
            "server {{ listen {address} ssl http2; ssl_certificate {}; ssl_certificate_key {};\n\
             location / {{ return 200 \"$server_protocol $http_host\"; }} }}",
            certificate.display(),
            key.display()
        ),
    );
    let edge = edge.start();
    assert_eq!(edge.get("a.test", "/").text(), "HTTP/2.0 a.test");
}

#[test]
fn grpc_pass_of_nginx_conf_carries_calls_and_their_trailers() {
    let origin = Http2Origin::start();
    let edge = Edge::nginx(format!(
        "events {{}}\nhttp {{ server {{ listen @http@ http2; location / {{ grpc_pass {origin}; grpc_set_header X-Edge yes; }} }} }}"
    ))
    .start();
    let answer = connected(edge.address("http"), async |requests| {
        let request = Request::post("http://a.test/echo")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        send(&requests, request, b"\0\0\0\0\x01x", None)
            .await
            .unwrap()
    });
    assert_eq!(answer.body, b"\0\0\0\0\x01x");
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    assert_eq!(origin.last().head.headers()["x-edge"], "yes");
}
