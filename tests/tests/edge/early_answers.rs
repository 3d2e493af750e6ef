//! Origins of HTTP/1 that answer before they have read a request's body.

use seawall_tests::{Edge, Running, eventually, free_address};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// An origin that does this with each connection once a head has come.
fn origin(
    answer: impl Fn(&mut BufReader<TcpStream>) + Send + Sync + Clone + 'static,
) -> SocketAddr {
    let address = free_address();
    let listener = TcpListener::bind(address).expect("the origin's address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while matches!(reader.read_line(&mut line), Ok(n) if n > 2) {
                    line.clear();
                }
                answer(&mut reader);
            });
        }
    });
    address
}

fn say(reader: &mut BufReader<TcpStream>, text: &str) {
    let _ = reader.get_mut().write_all(text.as_bytes());
}

/// Reads on until the other side closes.
fn idle(reader: &mut BufReader<TcpStream>) {
    let mut bytes = [0; 4096];
    while matches!(reader.read(&mut bytes), Ok(n) if n > 0) {}
}

fn streaming(origin: SocketAddr) -> Running {
    Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 1GiB, buffering: {{ request: false }}, to: \"{origin}\" }}]"
    ))
    .start()
}

#[test]
fn a_refusal_is_passed_on_while_the_client_still_sends() {
    let origin = origin(|reader| {
        say(
            reader,
            "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge",
        );
        // Not a byte of the body is read: the sockets fill.
        eventually("the other side's end", || is_closed(reader).then_some(()));
    });
    let edge = streaming(origin);
    let mut client = edge.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000000\r\n\r\nbegin");
    let refused = client.response();
    assert_eq!((refused.status, refused.text().as_str()), (413, "large"));
    assert!(refused.says_close(), "too much is left of the body");
    assert!(client.is_closed());
}

/// Whether the other side has closed, though there is more to read: a write fails then.
fn is_closed(reader: &mut BufReader<TcpStream>) -> bool {
    reader.get_mut().write_all(b" ").is_err()
}

#[test]
fn behind_a_refusal_a_small_rest_is_drained_and_the_connection_goes_on() {
    let origin = origin(|reader| {
        say(reader, "HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno");
        idle(reader);
    });
    let edge = streaming(origin);
    let mut client = edge.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nbegin");
        let refused = client.response();
        assert_eq!((refused.status, refused.text().as_str()), (401, "no"));
        assert!(!refused.says_close());
        client.send(" rest");
    }
}

#[test]
fn an_answer_and_its_request_go_both_ways_at_once() {
    let origin = origin(|reader| {
        say(
            reader,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        let mut byte = [0];
        // Each letter comes back as soon as it has come.
        while matches!(reader.read(&mut byte), Ok(1)) {
            match byte[0] {
                b'.' => break,
                letter if letter.is_ascii_alphabetic() => {
                    say(reader, &format!("1\r\n{}\r\n", letter as char));
                }
                _ => {}
            }
        }
        say(reader, "0\r\n\r\n");
        idle(reader);
    });
    let edge = streaming(origin);
    let mut client = edge.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\n");
    assert_eq!(client.head().status, 200);
    for letter in ["x", "y", "z"] {
        client.send(letter);
        assert_eq!(client.chunk(), letter.as_bytes());
    }
    client.send(".");
    assert_eq!(client.chunk(), b"");
}

#[test]
fn an_origin_that_answers_and_closes_is_heard_though_writing_fails() {
    let origin = origin(|reader| {
        say(
            reader,
            "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        );
    });
    let edge = streaming(origin);
    let mut client = edge.client();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000000\r\n\r\n");
    let refused = client.response();
    assert_eq!((refused.status, refused.text().as_str()), (403, "no"));
}

#[test]
fn a_held_body_is_not_sent_to_its_end_to_who_refuses_it() {
    let origin = origin(|reader| {
        say(reader, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
        eventually("the other side's end", || is_closed(reader).then_some(()));
    });
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, body_limit: 1GiB, buffering: {{ request: true }}, to: \"{origin}\" }}]"
    ))
    .start();
    let mut client = edge.client();
    let body = vec![b'x'; 16 << 20];
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    let refused = client.response();
    assert_eq!((refused.status, refused.text().as_str()), (413, "no"));
    // All of it was read: nothing stands in the way of the next request.
    assert!(!refused.says_close());
}
