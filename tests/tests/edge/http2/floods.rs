//! Limits of HTTP/2 connections, each passed.

use seawall_tests::{
    Edge, Origin,
    http2::{
        Connection, Said,
        frame::{self, END_STREAM},
        hpack,
    },
};

const ENHANCE_YOUR_CALM: u32 = 11;
const REFUSED_STREAM: u32 = 7;

fn head(path: &str) -> Vec<u8> {
    hpack::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", path),
    ])
}

fn stream(n: u32) -> u32 {
    n * 2 + 1
}

/// An edge that answers by itself.
fn alone(limits: &str) -> seawall_tests::Running {
    Edge::yaml(format!(
        "limits: {{ {limits} }}\nsites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]"
    ))
    .start()
}

/// Sends `flood` and expects GOAWAY for this limit, counted and logged.
fn is_calmed(flood: impl FnOnce(&mut Connection), limit: &str) {
    let edge = alone("");
    let mut connection = Connection::open(edge.address("http"));
    flood(&mut connection);
    let said = connection.rest();
    assert!(said.contains(&Said::GoAway(ENHANCE_YOUR_CALM)), "{said:?}");
    assert_eq!(said.last(), Some(&Said::Closed));
    edge.counts(
        &format!("seawall_http2_floods_total{{limit=\"{limit}\"}}"),
        1,
    );
    edge.logged(&format!("HTTP/2 flood: limit \"{limit}\" passed"));
}

#[test]
fn a_rapid_reset_flood_reaches_the_origin_at_most_a_hundred_times() {
    let origin = Origin::start();
    let edge = crate::in_front_of(&origin);
    let mut connection = Connection::open(edge.address("http"));
    for n in 0..1000 {
        connection.send(frame::get(stream(n), &head("/")));
        connection.send(frame::reset(stream(n), 8));
    }
    let said = connection.rest();
    assert!(said.contains(&Said::GoAway(ENHANCE_YOUR_CALM)), "{said:?}");
    assert!(
        origin.received().len() <= 100,
        "{}",
        origin.received().len()
    );
    edge.counts("seawall_http2_floods_total{limit=\"resets\"}", 1);
}

#[test]
fn resets_that_wait_for_the_origin_count_too() {
    let origin = Origin::start();
    let edge = crate::in_front_of(&origin);
    let mut connection = Connection::open(edge.address("http"));
    // All that may be open at once, then their resets, then as many again.
    for round in 0..3 {
        for n in 0..100 {
            connection.send(frame::get(stream(round * 100 + n), &head("/")));
        }
        // The answer to a PING comes after all before it was read.
        connection.send(frame::frame(frame::PING, 0, 0, &[0; 8]));
        while !matches!(connection.said(), Said::Pong | Said::Closed) {}
        for n in 0..100 {
            connection.send(frame::reset(stream(round * 100 + n), 8));
        }
    }
    connection.rest();
    assert!(
        origin.received().len() <= 100,
        "{}",
        origin.received().len()
    );
}

#[test]
fn resets_behind_the_answers_count_too() {
    let origin = Origin::start();
    let edge = crate::in_front_of(&origin);
    let mut connection = Connection::open(edge.address("http"));
    // Half of what is allowed, answered, then reset all the same: the client has cost as much as it may.
    for round in 0..3 {
        for n in 0..50 {
            connection.send(frame::get(stream(round * 50 + n), &head("/")));
        }
        for _ in 0..50 {
            let said = connection.said();
            let expected = match round {
                2 => Said::Reset(REFUSED_STREAM),
                _ => Said::Status(200),
            };
            assert_eq!(said, expected, "round {round}");
        }
        for n in 0..50 {
            connection.send(frame::reset(stream(round * 50 + n), 8));
        }
    }
    assert_eq!(origin.received().len(), 100);
}

#[test]
fn streams_past_the_limit_are_refused_and_may_be_tried_again() {
    let gate = seawall_tests::Gate::default();
    let origin = Origin::start();
    origin.serve_after(&gate, "/slow", "", "slow");
    let edge = Edge::yaml(format!(
        "limits: {{ http2: {{ streams: 3 }} }}\nsites: [{{ host: a.test, to: \"{origin}\" }}]"
    ))
    .start();
    let mut connection = Connection::open(edge.address("http"));
    for n in 0..4 {
        connection.send(frame::get(stream(n), &head("/slow")));
    }
    assert_eq!(connection.said(), Said::Reset(REFUSED_STREAM));
    gate.open();
    for _ in 0..3 {
        assert_eq!(connection.said(), Said::Status(200));
    }
    connection.send(frame::get(stream(4), &head("/")));
    assert_eq!(connection.said(), Said::Status(200));
}

#[test]
fn continuations_without_end_are_ended() {
    is_calmed(
        |c| {
            c.send(frame::frame(frame::HEADERS, END_STREAM, 1, &head("/")));
            for _ in 0..1000 {
                c.send(frame::frame(
                    frame::CONTINUATION,
                    0,
                    1,
                    &hpack::field("x", "y"),
                ));
            }
        },
        "continuations",
    );
}

#[test]
fn settings_without_end_are_ended() {
    is_calmed(
        |c| {
            (0..1000).for_each(|_| {
                c.send(frame::settings(&[]));
            })
        },
        "settings",
    );
}

#[test]
fn pings_without_end_are_ended() {
    is_calmed(
        |c| {
            (0..5000).for_each(|_| {
                c.send(frame::frame(frame::PING, 0, 0, &[0; 8]));
            })
        },
        "pings",
    );
}

#[test]
fn data_that_is_empty_without_end_is_ended() {
    let origin = Origin::start();
    let edge = crate::in_front_of(&origin);
    let mut connection = Connection::open(edge.address("http"));
    let post = hpack::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/"),
    ]);
    connection.send(frame::post(1, &post));
    (0..1000).for_each(|_| {
        connection.send(frame::data(1, 0, b""));
    });
    let said = connection.rest();
    assert!(said.contains(&Said::GoAway(ENHANCE_YOUR_CALM)), "{said:?}");
    edge.counts("seawall_http2_floods_total", 1);
}

#[test]
fn frames_that_move_nothing_without_end_are_ended() {
    is_calmed(
        |c| {
            (0..5000).for_each(|n| {
                c.send(frame::priority(stream(n % 50), 0));
            })
        },
        "idle_frames",
    );
}

#[test]
fn a_head_past_the_limit_is_431_and_a_vast_one_ends_the_connection() {
    let edge = alone("head_bytes: 4KiB");
    let mut connection = Connection::open(edge.address("http"));
    let mut block = head("/");
    block.extend(hpack::field("x", "y".repeat(5000)));
    connection.send(frame::get(1, &block));
    assert_eq!(connection.said(), Said::Status(431));
    connection.send(frame::get(3, &head("/")));
    assert_eq!(connection.said(), Said::Status(200));
    edge.counts("seawall_refused_heads_total{reason=\"head-too-large\"}", 1);
    // A bomb: one large field in the dynamic table, named again and again.
    let mut bomb = head("/");
    bomb.extend(hpack::indexed_field("x", "y".repeat(3000)));
    bomb.extend(std::iter::repeat_n(0xbe, 10_000));
    connection.send(frame::get(5, &bomb));
    let said = connection.rest();
    assert!(said.contains(&Said::GoAway(ENHANCE_YOUR_CALM)), "{said:?}");
}

#[test]
fn more_fields_than_the_limit_are_431() {
    let edge = alone("head_fields: 10");
    let mut connection = Connection::open(edge.address("http"));
    let mut block = head("/");
    for n in 0..20 {
        block.extend(hpack::field(format!("x-{n}"), "y"));
    }
    connection.send(frame::get(1, &block));
    assert_eq!(connection.said(), Said::Status(431));
}

#[test]
fn a_head_that_does_not_end_is_timed_out() {
    let edge = alone("head_timeout: 200ms");
    let mut connection = Connection::open(edge.address("http"));
    connection.send(frame::frame(frame::HEADERS, END_STREAM, 1, &head("/")));
    assert!(connection.rest().contains(&Said::GoAway(ENHANCE_YOUR_CALM)));
    edge.counts("seawall_client_timeouts_total{waiting_for=\"head\"}", 1);
}

#[test]
fn a_preface_that_does_not_come_is_timed_out() {
    let edge = alone("head_timeout: 200ms");
    let mut connection = Connection::silent(edge.address("http"));
    connection.send(&frame::PREFACE[..20]);
    // Its SETTINGS come, then nothing but the end.
    assert!(connection.frame().is_some());
    assert_eq!(connection.frame(), None);
    edge.counts("seawall_client_timeouts_total{waiting_for=\"head\"}", 1);
}

#[test]
fn a_window_that_stays_shut_ends_its_stream() {
    let origin = Origin::start();
    origin.serve("/large", "", &"x".repeat(200_000));
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", timeouts: {{ client: 200ms }} }}]"
    ))
    .start();
    let mut connection = Connection::open(edge.address("http"));
    connection.send(frame::settings(&[(4, 0)]));
    connection.send(frame::get(1, &head("/large")));
    assert_eq!(connection.said(), Said::Status(200));
    assert!(matches!(connection.said(), Said::Reset(_)));
    edge.counts("seawall_client_timeouts_total{waiting_for=\"write\"}", 1);
    connection.send(frame::get(3, &head("/none")));
    assert_eq!(connection.said(), Said::Status(200));
}

#[test]
fn an_idle_connection_is_ended() {
    let edge = Edge::yaml(
        "sites: [{ host: a.test, timeouts: { keepalive: 100ms }, respond: { status: 200, body: ok } }]",
    )
    .start();
    let mut connection = Connection::open(edge.address("http"));
    connection.send(frame::get(1, &head("/")));
    assert_eq!(
        connection.rest(),
        [Said::Status(200), Said::GoAway(0), Said::Closed]
    );
}

#[test]
fn streams_that_had_to_be_reset_are_counted() {
    is_calmed(
        |c| {
            let mut block = head("/");
            block.extend(hpack::field("connection", "close"));
            // Each is an error of its stream, which the server itself resets (CVE-2025-8671).
            (0..300).for_each(|n| {
                c.send(frame::get(stream(n), &block));
            });
        },
        "codec",
    );
}

#[test]
fn a_client_that_opens_its_windows_and_reads_nothing_is_closed() {
    let origin = Origin::start();
    origin.serve("/vast", "", &"x".repeat(32 << 20));
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"{origin}\", timeouts: {{ client: 200ms }} }}]"
    ))
    .start();
    let mut connection = Connection::open(edge.address("http"));
    connection.send(frame::settings(&[(4, (1 << 31) - 1)]));
    connection.send(frame::window_update(0, (1 << 31) - 1 - 65_535));
    connection.send(frame::get(1, &head("/vast")));
    edge.logged("client timed out: waited for room to write");
    seawall_tests::eventually("the connection's end", || {
        (edge.metric("seawall_connections") == 0).then_some(())
    });
}

#[test]
fn after_its_requests_a_connection_is_led_away() {
    let edge = Edge::nginx(
        "events {} http { http2 on; keepalive_requests 3; server { listen @http@; location / { return 200 ok; } } }",
    )
    .start();
    let mut connection = Connection::open(edge.address("http"));
    for n in 0..2 {
        connection.send(frame::get(stream(n), &head("/")));
        assert_eq!(connection.said(), Said::Status(200));
    }
    connection.send(frame::get(stream(2), &head("/")));
    let said = connection.rest();
    assert!(
        said.contains(&Said::Status(200)) && said.contains(&Said::GoAway(0)),
        "{said:?}"
    );
}
