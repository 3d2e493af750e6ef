//! Where log lines go: files that grow, files that requests name, compressed ones, syslog.

use seawall_tests::{Edge, Origin, Running, eventually};
use std::{fs, net::UdpSocket, os::unix::net::UnixDatagram, process::Command};

/// The next datagram as text.
fn datagram(socket: &UdpSocket) -> String {
    let mut bytes = [0; 65_536];
    let n = socket.recv(&mut bytes).expect("a datagram");
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

/// A server for syslog that gives up when nothing comes.
fn syslog() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(seawall_tests::PATIENCE))
        .unwrap();
    socket
}

/// Waits for so many lines; a line follows its answer.
fn has_lines(edge: &Running, name: &str, expected: usize) {
    eventually(name, || {
        let text = fs::read_to_string(edge.path(name)).ok()?;
        (text.lines().count() == expected).then_some(())
    });
}

/// A daemon with these lines of its own under `log`.
fn with_log(log: &str, text: &str) -> Edge {
    let edge = Edge::yaml(text);
    let whole = fs::read_to_string(edge.config()).unwrap();
    let kept = whole
        .lines()
        .filter(|line| !line.trim_start().starts_with("access:"))
        .filter(|line| !line.trim_start().starts_with("error:"));
    let text: String = kept
        .map(|line| match line {
            "log:" => format!("log:\n{}\n", edge.fill_in(log)),
            line => format!("{line}\n"),
        })
        .collect();
    fs::write(edge.config(), text).unwrap();
    edge
}

const SITE: &str = "sites: [{ host: a.test, respond: { status: 200, body: ok } }]";

#[test]
fn a_log_that_grows_is_put_away_by_size_and_no_line_is_lost() {
    let edge = with_log(
        "  access: { path: \"@dir@/access.log\", buffer: 0, format: '$request_uri', rotate: { size: 64KiB, keep: 3 } }
  error: { path: \"@dir@/error.log\", level: notice }",
        SITE,
    )
    .start();
    // Lines of 1,000 bytes, a third of a file at a time: they may be written at once, and go on into a file while it is put away.
    let mut client = edge.client();
    let mut sent = 0u32;
    eventually("three files put away", || {
        for _ in 0..22 {
            let target = format!("/{sent:0>6}?{}", "x".repeat(991));
            assert_eq!(client.get("a.test", &target).status, 200);
            sent += 1;
        }
        edge.path("access.log.3").exists().then_some(())
    });
    edge.logged("start worker process");
    let last = format!("/{:0>6}?", sent - 1);
    // Whatever file a line came into: the last ones follow each other with none missing. Read in the order of the renaming.
    let all = eventually("the last line", || {
        let files = ["access.log.3", "access.log.2", "access.log.1", "access.log"]
            .map(|name| fs::read_to_string(edge.path(name)).ok());
        let all: Option<String> = files.into_iter().collect();
        all.filter(|all| all.contains(&last))
    });
    assert!(!edge.path("access.log.4").exists());
    let numbers: Vec<u32> = all
        .lines()
        .map(|line| line[1..7].parse().unwrap())
        .collect();
    assert!(numbers.len() >= 192, "{}", numbers.len());
    let expected: Vec<u32> = (sent - numbers.len() as u32..sent).collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
}

#[test]
fn an_error_log_is_put_away_by_size_too() {
    let edge = with_log(
        "  error: { path: \"@dir@/error.log\", level: info, rotate: { size: 64KiB, keep: 1 } }",
        SITE,
    )
    .start();
    // Each refused head leaves a line of some hundred bytes at `info`.
    while !edge.path("error.log.1").exists() {
        let bad = format!(
            "GET /{} HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\n\r\n",
            "y".repeat(400)
        );
        assert_eq!(edge.exchange(bad).status, 400);
    }
    let put_away = fs::read_to_string(edge.path("error.log.1")).unwrap();
    assert!(
        put_away.contains("start worker process"),
        "the keeper's lines, too"
    );
    // The keeper goes on in the new file.
    edge.signal(nix::sys::signal::Signal::SIGHUP);
    edge.logged("configuration is live");
}

#[test]
fn syslog_gets_access_and_error_lines_over_udp_as_nginx_writes_them() {
    let (access, error) = (syslog(), syslog());
    let (to_access, to_error) = (
        access.local_addr().unwrap().to_string(),
        error.local_addr().unwrap().to_string(),
    );
    let edge = Edge::nginx(format!(
        "error_log syslog:server={to_error},facility=local3,tag=edge,nohostname info;
events {{}}
http {{
  log_format short '$request_uri $status';
  server {{ listen @http@;
    access_log syslog:server={to_access},severity=notice short;
    location / {{ return 200 x; }}
  }}
}}"
    ))
    .start();
    edge.get("a.test", "/one");
    let line = datagram(&access);
    // local7 (23) and notice (5).
    assert!(line.starts_with("<189>"), "{line}");
    assert!(line.ends_with(" nginx: /one 200"), "{line}");
    let stamp = &line["<189>".len().."<189>".len() + 15];
    assert!(
        stamp.as_bytes()[3] == b' ' && stamp.as_bytes()[6] == b' ',
        "{line}"
    );
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(
        line.contains(&format!(" {} nginx: ", hostname.trim())),
        "{line}"
    );
    edge.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\n\r\n");
    let line = eventually("the refused head", || {
        Some(datagram(&error)).filter(|line| line.contains("client sent invalid"))
    });
    // local3 (19) and info (6); no hostname, then nginx's whole line.
    assert!(
        line.starts_with("<158>") && line.contains(" edge: 20"),
        "{line}"
    );
    assert!(line.contains(" [info] ") && !line.ends_with('\n'), "{line}");
}

#[test]
fn a_syslog_socket_that_is_away_holds_no_request_up_and_is_counted() {
    let edge = with_log(
        "  access: { syslog: { server: \"unix:@dir@/dev-log\", tag: edge }, format: '$request_uri' }
  error: { path: \"@dir@/error.log\", level: notice }",
        SITE,
    )
    .start();
    for _ in 0..3 {
        assert_eq!(edge.get("a.test", "/away").status, 200);
    }
    edge.counts("seawall_log_lines_lost_total{log=\"access\"}", 3);
    // Back, and slow: nobody reads.
    let server = UnixDatagram::bind(edge.path("dev-log")).unwrap();
    server.set_nonblocking(true).unwrap();
    let mut client = edge.client();
    for n in 0..2_000 {
        assert_eq!(client.get("a.test", &format!("/{n}")).status, 200);
    }
    let mut bytes = [0; 512];
    let n = server.recv(&mut bytes).unwrap();
    let line = String::from_utf8_lossy(&bytes[..n]).into_owned();
    assert!(
        line.starts_with("<190>") && line.ends_with(" edge: /0"),
        "{line}"
    );
    assert!(edge.metric("seawall_log_lines_lost_total{log=\"access\"}") > 3);
}

#[test]
fn a_compressed_log_is_read_by_gzip() {
    let edge = Edge::nginx(
        "events {}
http {
  log_format uri '$request_uri';
  server { listen @http@; access_log access.log.gz uri gzip=6 flush=100ms; location / { return 200 x; } }
}",
    )
    .start();
    for target in ["/one", "/two"] {
        edge.get("a.test", target);
    }
    let text = eventually("both lines", || {
        let read = Command::new("gzip")
            .args(["-dc"])
            .arg(edge.path("access.log.gz"))
            .output()
            .unwrap();
        let text = String::from_utf8(read.stdout).unwrap();
        (text.lines().count() == 2).then_some(text)
    });
    assert_eq!(text, "/one\n/two\n");
}

#[test]
fn each_host_has_its_own_log_and_no_request_names_a_file_elsewhere() {
    let edge = Edge::nginx(
        "events {}
http {
  log_format uri '$request_uri';
  open_log_file_cache max=2 inactive=20s valid=1m min_uses=1;
  server { listen @http@;
    access_log @dir@/hosts/$host.log uri;
    access_log @dir@/hosts/by/$arg_name uri if=$arg_name;
    location / { return 200 x; }
  }
}",
    );
    fs::create_dir_all(edge.path("hosts/by")).unwrap();
    let edge = edge.start();
    for host in ["a.test", "b.test", "c.test", "a.test"] {
        edge.get(host, "/x");
    }
    for (host, expected) in [("a", 2), ("b", 1), ("c", 1)] {
        has_lines(&edge, &format!("hosts/{host}.test.log"), expected);
    }
    std::os::unix::fs::symlink(edge.path("secret"), edge.path("hosts/by/link")).unwrap();
    edge.write("secret", "");
    for (name, becomes) in [
        ("../../secret", Some("hosts/by/.._.._secret")),
        ("/etc/x", Some("hosts/by/_etc_x")),
        ("..", None),
        (".", None),
        ("link", None),
    ] {
        assert_eq!(edge.get("a.test", &format!("/y?name={name}")).status, 200);
        if let Some(file) = becomes {
            has_lines(&edge, file, 1);
        }
    }
    assert_eq!(fs::read(edge.path("secret")).unwrap(), b"");
    let written: Vec<String> = fs::read_dir(edge.path("hosts/by"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(written.len(), 3, "{written:?}");
    // Put away and told: the next line comes into a new file.
    fs::rename(edge.path("hosts/a.test.log"), edge.path("hosts/old")).unwrap();
    edge.signal(nix::sys::signal::Signal::SIGUSR1);
    edge.logged("reopening logs");
    eventually("a new file", || {
        edge.get("a.test", "/z");
        edge.path("hosts/a.test.log").exists().then_some(())
    });
}

#[test]
fn times_of_an_upstream_and_what_limits_said_are_in_the_log() {
    let origin = Origin::start();
    origin.answer("/slow", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let edge = Edge::nginx(format!(
        "events {{}}
http {{
  log_format times '$request_uri $upstream_connect_time $upstream_header_time $upstream_response_time|$limit_req_status|$limit_conn_status';
  limit_req_zone $arg_key zone=one:1m rate=1r/m;
  limit_conn_zone $arg_key zone=two:1m;
  server {{ listen @http@; access_log access.log times;
    location /slow {{ proxy_pass http://{origin}; }}
    location /none {{ proxy_pass http://127.0.0.1:1; }}
    location /limited {{ limit_req zone=one; limit_conn two 1; proxy_pass http://{origin}/slow; }}
  }}
}}"
    ))
    .start();
    for target in [
        "/slow",
        "/none",
        "/limited?key=a",
        "/limited?key=a",
        "/limited",
    ] {
        edge.get("a.test", target);
    }
    let log = eventually("five lines", || {
        Some(edge.access_log()).filter(|log| log.lines().count() == 5)
    });
    let lines: Vec<&str> = log.lines().collect();
    let is_time = |text: &str| text.len() >= 5 && text.parse::<f64>().is_ok();
    let words: Vec<&str> = lines[0].split([' ', '|']).collect();
    assert!(words[1..4].iter().all(|w| is_time(w)), "{}", lines[0]);
    assert!(lines[0].ends_with("|-|-"), "{}", lines[0]);
    let words: Vec<&str> = lines[1].split([' ', '|']).collect();
    assert_eq!(&words[1..3], ["-", "-"], "{}", lines[1]);
    assert!(is_time(words[3]), "{}", lines[1]);
    assert!(lines[2].ends_with("|PASSED|PASSED"), "{}", lines[2]);
    assert!(lines[3].contains("|REJECTED|"), "{}", lines[3]);
    assert!(lines[4].ends_with("|-|-"), "{}", lines[4]);
}
