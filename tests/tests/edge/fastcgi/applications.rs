//! Applications that are no php-fpm, most of which misbehave.

use super::*;

/// An application that answers every connection with these bytes.
fn application(bytes: Vec<u8>) -> (std::net::SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let address = free_address();
    let listener = TcpListener::bind(address).expect("an address");
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 64 * 1024];
            let n = stream.read(&mut request).unwrap_or(0);
            request.truncate(n);
            let _ = stream.write_all(&bytes);
            let _ = stream.flush();
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, received)
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0][..], content].concat()
}

const STDOUT: u8 = 6;
const END: u8 = 3;

#[test]
fn an_application_that_is_none_is_a_502_whatever_it_says() {
    let done = record(END, &[0; 8]);
    let says = |head: &str| [record(STDOUT, head.as_bytes()), done.clone()].concat();
    let mut other_request = says("A: b\n\nx");
    other_request[3] = 2;
    for (name, bytes) in [
        (
            "http",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        ("nothing", Vec::new()),
        ("an end alone", done.clone()),
        ("overloaded", record(END, &[0, 0, 0, 0, 2, 0, 0, 0])),
        ("no colon", says("garbage\n\nx")),
        ("a status line", says("HTTP/1.1 200 OK\r\n\r\n")),
        ("a bad status", says("Status: 99\n\n")),
        (
            "two lengths",
            says("Content-Length: 1\nContent-Length: 2\n\nxx"),
        ),
        (
            "a huge head",
            (0..20)
                .flat_map(|_| record(STDOUT, &[b'a'; 8000]))
                .collect(),
        ),
        ("another request's record", other_request),
        ("half a head", record(STDOUT, b"Content-Type: te")),
    ] {
        let (address, _received) = application(bytes);
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, to: \"fastcgi:{address}\" }}]"
        ))
        .start();
        assert_eq!(edge.get("a.test", "/").status, 502, "{name}");
        assert_eq!(edge.get("a.test", "/").status, 502, "{name}, again");
    }
}

#[test]
fn a_body_that_breaks_off_is_not_made_to_look_whole() {
    for bytes in [
        record(STDOUT, b"Content-Type: text/plain\n\npart of"),
        [
            record(STDOUT, b"Content-Length: 100\n\npart of"),
            record(END, &[0; 8]),
        ]
        .concat(),
    ] {
        let (address, _received) = application(bytes);
        let edge = Edge::yaml(format!(
            "sites: [{{ host: a.test, to: \"fastcgi:{address}\" }}]"
        ))
        .start();
        // Known in time it is a 502, else the connection breaks off.
        match edge.client().ask("a.test", "/").try_response() {
            Ok(answer) => assert_eq!(answer.status, 502),
            Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::UnexpectedEof),
        }
    }
}

#[test]
fn an_application_without_scripts_is_told_the_whole_path() {
    let answer = [
        record(7, b"note\n"),
        record(STDOUT, b"Status: 201 Made\r\nContent-Type: text/plain\r\n"),
        record(STDOUT, b"\r\nhel"),
        record(STDOUT, b"lo"),
        record(STDOUT, b""),
        record(END, &[0; 8]),
    ]
    .concat();
    let (address, received) = application(answer);
    let edge = Edge::yaml(format!(
        "sites: [{{ host: a.test, to: \"fastcgi:{address}\" }}]"
    ))
    .start();
    let answer = edge.get("a.test", "/some/path?q=1");
    assert_eq!((answer.status, answer.text().as_str()), (201, "hello"));
    let sent = String::from_utf8_lossy(&received.recv().expect("a request")).into_owned();
    assert!(sent.contains("PATH_INFO/some/path"), "{sent:?}");
    assert!(!sent.contains("SCRIPT_FILENAME"));
    assert!(edge.logged("FastCGI sent in stderr").contains("note"));
}

#[test]
fn an_application_that_is_down_is_passed_over() {
    let edge = Edge::yaml(
        "pools: { php: { protocol: fastcgi, servers: [\"unix:@dir@/none.sock\", \"unix:@dir@/php.sock\"], retry: { budget: 100% } } }
sites: [{ host: a.test, root: @dir@/www, to: php }]",
    );
    let site = Site::with(edge, 1);
    for _ in 0..6 {
        assert_eq!(site.get("/").text(), "front page");
    }
}
