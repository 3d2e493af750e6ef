//! Ranges and conditions of files, by the RFC and beside nginx.

use seawall_tests::{Client, Edge, Response, Running, eventually, free_address};
use std::{
    net::TcpStream,
    process::{Child, Command, Stdio},
};

const FILE: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

fn edge() -> Running {
    let edge = Edge::yaml("sites: [{ host: a.test, root: @dir@/www, ranges_max: 4 }]");
    edge.write("www/f.txt", FILE);
    edge.start()
}

fn with(client: &mut Client, fields: &str) -> Response {
    client
        .send(format!(
            "GET /f.txt HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"
        ))
        .response()
}

#[test]
fn one_range_is_a_part_and_several_are_a_multipart() {
    let edge = edge();
    let mut client = edge.client();
    let one = with(&mut client, "Range: bytes=10-12\r\n");
    assert_eq!((one.status, one.text().as_str()), (206, "abc"));
    assert_eq!(one.has("Content-Range"), "bytes 10-12/36");
    let several = with(&mut client, "Range: bytes=0-1,-2\r\n");
    assert_eq!(several.status, 206);
    let kind = several.has("Content-Type").to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("a boundary");
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/36\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 34-35/36\r\n\r\nyz\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(several.text(), expected);
}

#[test]
fn too_many_or_overlapping_ranges_get_the_whole_and_none_gets_416() {
    let edge = edge();
    let mut client = edge.client();
    for range in ["0-0,1-1,2-2,3-3,4-4", "0-30,0-30", "0-,0-,0-"] {
        let answer = with(&mut client, &format!("Range: bytes={range}\r\n"));
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, FILE),
            "{range}"
        );
    }
    let none = with(&mut client, "Range: bytes=36-\r\n");
    assert_eq!(
        (none.status, none.has("Content-Range")),
        (416, "bytes */36")
    );
    let head = client.send("HEAD /f.txt HTTP/1.1\r\nHost: a.test\r\nRange: bytes=0-1\r\n\r\n");
    assert_eq!(
        head.response_to_head().status,
        200,
        "a range has no meaning for HEAD"
    );
}

#[test]
fn conditions_are_judged_in_the_order_of_the_rfc() {
    let edge = edge();
    let mut client = edge.client();
    let first = with(&mut client, "");
    let (tag, date) = (
        first.has("ETag").to_owned(),
        first.has("Last-Modified").to_owned(),
    );
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: W/{tag}, \"x\"\r\n"), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"),
            200,
        ),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        (format!("If-Modified-Since: {old}\r\n"), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        (format!("If-Match: W/{tag}\r\n"), 412),
        ("If-Match: *\r\n".to_owned(), 200),
        (format!("If-Unmodified-Since: {old}\r\n"), 412),
        (format!("If-Unmodified-Since: {date}\r\n"), 200),
        (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"), 412),
        (format!("If-Range: {tag}\r\nRange: bytes=0-0\r\n"), 206),
        (format!("If-Range: W/{tag}\r\nRange: bytes=0-0\r\n"), 200),
        (format!("If-Range: {date}\r\nRange: bytes=0-0\r\n"), 206),
        (format!("If-Range: {old}\r\nRange: bytes=0-0\r\n"), 200),
        (format!("If-None-Match: {tag}\r\nRange: bytes=99-\r\n"), 304),
    ] {
        let answer = with(&mut client, &fields);
        assert_eq!(answer.status, status, "{fields}");
        if status == 304 {
            assert_eq!(answer.has("ETag"), tag, "{fields}");
        }
    }
}

struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client sees of an answer, but for the boundary and what differs by design.
fn seen(answer: &Response) -> (u16, String, String, String) {
    let kind = answer.has("Content-Type").to_owned();
    let mut text = answer.text();
    if let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") {
        text = text.replace(boundary, "BOUNDARY");
    }
    let multipart = kind.starts_with("multipart/");
    let body = if answer.status < 300 {
        text
    } else {
        String::new()
    };
    let kind = if multipart {
        "multipart".to_owned()
    } else {
        kind
    };
    (
        answer.status,
        answer.has("Content-Range").to_owned(),
        kind,
        body,
    )
}

#[test]
fn ranges_and_conditions_are_answered_as_nginx_answers_them() {
    let theirs = free_address();
    let edge = Edge::nginx(
        "events {} http { types { text/plain txt; } server { listen @http@; root @dir@/www; open_file_cache max=10; } }",
    );
    edge.write("www/f.txt", FILE);
    edge.write("www/empty.txt", "");
    let conf = edge.fill_in(&format!(
        "daemon off; master_process off; pid @dir@/theirs.pid; error_log @dir@/theirs.log;
events {{}} http {{ access_log off; types {{ text/plain txt; }} client_body_temp_path @dir@/t1; proxy_temp_path @dir@/t2;
fastcgi_temp_path @dir@/t3; uwsgi_temp_path @dir@/t4; scgi_temp_path @dir@/t5;
server {{ listen {theirs}; root @dir@/www; }} }}"
    ));
    let file = edge.write("theirs.conf", conf);
    let edge = edge.start();
    let child = Command::new("nginx")
        .arg("-c")
        .arg(file)
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx is installed");
    let _nginx = Nginx(child);
    eventually("nginx", || TcpStream::connect(theirs).ok());
    let date = edge.get("a.test", "/f.txt").has("Last-Modified").to_owned();
    let mut cases: Vec<String> = Vec::new();
    for range in [
        "0-0",
        "5-",
        "-3",
        "-99",
        "-0",
        "36-",
        "35-36",
        "35-99",
        "3-1",
        "a-b",
        "",
        "-",
        "0-1,3-4",
        "0-1, 99-, 3-4",
        "0-35,0-0",
        "1-1,1-1",
        " 1 - 2 ",
        "99999999999999999999-",
        "0-99999999999999999999",
        "0-1,,3-4",
        "0-0;1-1",
    ] {
        cases.push(format!("Range: bytes={range}\r\n"));
    }
    cases.push("Range: lines=0-1\r\n".into());
    cases.push("Range: BYTES=0-1\r\n".into());
    for condition in ["If-Modified-Since", "If-Unmodified-Since", "If-Range"] {
        for value in [
            date.as_str(),
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "nonsense",
            "Fri, 01 Jan 2100 00:00:00 GMT",
        ] {
            // nginx fails a condition whose date it cannot read; it is to be ignored (RFC 9110 §13.1.4).
            if condition == "If-Unmodified-Since" && value == "nonsense" {
                continue;
            }
            cases.push(format!("{condition}: {value}\r\nRange: bytes=0-0\r\n"));
        }
    }
    for path in ["/f.txt", "/empty.txt"] {
        for fields in &cases {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{fields}\r\n");
            let ours = edge.exchange(&request);
            let reference = Client::connect(theirs).send(&request).response();
            assert_eq!(seen(&ours), seen(&reference), "{path} {fields}");
        }
    }
}
