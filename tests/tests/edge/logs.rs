//! Logs as those who read them want them: fail2ban's filters, GoAccess, and those who must not read secrets.

use seawall_tests::{Edge, Running, eventually};
use std::process::Command;

/// What a tool printed.
fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .expect("installed by packaging/dev/install.sh test");
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// How many lines of a log a filter of fail2ban's finds a culprit in.
fn matched(edge: &Running, log: &str, filter: &str) -> u32 {
    let path = ["/etc/fail2ban/filter.d/", filter, ".conf"].concat();
    let said = output(Command::new("fail2ban-regex").arg(edge.path(log)).arg(path));
    let summary = said
        .lines()
        .find(|line| line.starts_with("Lines: "))
        .unwrap_or_else(|| panic!("{said}"));
    let words: Vec<&str> = summary.split([' ', ',']).collect();
    let at = words
        .iter()
        .position(|w| *w == "matched")
        .unwrap_or_else(|| panic!("{summary}"));
    words[at - 1]
        .parse()
        .unwrap_or_else(|_| panic!("{summary}"))
}

#[test]
fn fail2ban_finds_its_culprits_in_our_logs() {
    let edge = Edge::nginx(
        "events {}
http {
  access_log access.log combined;
  limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
  server { listen @http@; server_name a.test; root @dir@/www;
    location /private { auth_basic x; auth_basic_user_file @dir@/htpasswd; }
    location /limited { limit_req zone=one; }
    location /forbidden { deny all; }
  }
}",
    );
    edge.write("www/limited/index.html", "l");
    edge.write("www/listing/x", "l");
    // right
    edge.write("htpasswd", "ada:$apr1$xxxxxxxx$Nq/P5mxlAiHWR8AZfMHAJ0\n");
    let edge = edge.start();
    for _ in 0..2 {
        // ada:wrong
        let asked = edge.exchange("GET /private/ HTTP/1.1\r\nHost: a.test\r\nReferer: http://a.test/\r\nAuthorization: Basic YWRhOndyb25n\r\n\r\n");
        assert_eq!(asked.status, 401);
    }
    // nobody:x
    edge.exchange(
        "GET /private/ HTTP/1.1\r\nHost: a.test\r\nAuthorization: Basic bm9ib2R5Ong=\r\n\r\n",
    );
    for _ in 0..4 {
        edge.get("a.test", "/limited/");
    }
    assert_eq!(edge.get("a.test", "/forbidden/x").status, 403);
    assert_eq!(edge.get("a.test", "/listing/").status, 403);
    for probe in [
        "/wp-login.php",
        "/phpmyadmin/scripts/setup.php",
        "/roundcube/config",
    ] {
        assert_eq!(edge.get("a.test", probe).status, 404);
    }
    edge.logged("/roundcube/config");
    eventually("the access log", || {
        edge.access_log()
            .contains("/roundcube/config")
            .then_some(())
    });
    assert_eq!(matched(&edge, "error.log", "nginx-http-auth"), 3);
    assert_eq!(matched(&edge, "error.log", "nginx-limit-req"), 3);
    assert_eq!(matched(&edge, "error.log", "nginx-botsearch"), 3);
    assert_eq!(matched(&edge, "access.log", "nginx-botsearch"), 3);
    // nginx-forbidden, which newer fail2bans bring: its own expression.
    let said = output(Command::new("fail2ban-regex").arg(edge.path("error.log")).arg(
        r#"^ \[error\] \d+#\d+: \*\d+ (?:access forbidden by rule|directory index of "[^"]+" is forbidden), client: <HOST>"#,
    ));
    assert!(said.contains("2 matched"), "{said}");
}

#[test]
fn goaccess_reads_every_line_of_combined_and_vcombined() {
    let edge = Edge::yaml("sites: [{ host: a.test, respond: { status: 200, body: ok } }]");
    let text = std::fs::read_to_string(edge.config())
        .unwrap()
        .replace("  access: { path: @dir@/access.log, buffer: 0 }", "");
    let one = edge.path("combined.log").display().to_string();
    let two = edge.path("vcombined.log").display().to_string();
    let access = format!(
        "  access: [{{ path: {one}, buffer: 0 }}, {{ path: {two}, format: vcombined, buffer: 0 }}]"
    );
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            if line.trim_start().starts_with("access:") {
                access.clone()
            } else {
                line.to_owned()
            }
        })
        .collect();
    std::fs::write(edge.config(), lines.join("\n") + "\n").unwrap();
    let edge = edge.start();
    for target in ["/", "/a?b=c", "/%22quoted%22", "/%D0%B0"] {
        edge.exchange(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"odd\" \\ \x01agent\r\nReferer: http://b.test/\r\n\r\n").replace('\x01', ""));
    }
    for (log, format) in [("combined.log", "COMBINED"), ("vcombined.log", "VCOMBINED")] {
        eventually("four lines", || {
            let text = std::fs::read_to_string(edge.path(log)).unwrap_or_default();
            (text.lines().count() == 4).then_some(())
        });
        let report = edge.path(&format!("{format}.json"));
        let said = output(
            Command::new("goaccess")
                .arg(edge.path(log))
                .arg(format!("--log-format={format}"))
                .arg("-o")
                .arg(&report),
        );
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report).unwrap_or_else(|_| panic!("{said}")))
                .unwrap();
        assert_eq!(report["general"]["valid_requests"], 4, "{said}");
        assert_eq!(report["general"]["failed_requests"], 0, "{said}");
    }
}

/// A daemon whose access log is this.
fn logging(access: &str, text: &str) -> Running {
    let edge = Edge::yaml(text);
    let whole = std::fs::read_to_string(edge.config()).unwrap();
    let lines: Vec<String> = whole
        .lines()
        .map(|line| match line.trim_start().starts_with("access:") {
            true => format!(
                "  access: {{ path: {}, buffer: 0, {access} }}",
                edge.path("access.log").display()
            ),
            false => line.to_owned(),
        })
        .collect();
    std::fs::write(edge.config(), lines.join("\n") + "\n").unwrap();
    edge.start()
}

const SITE: &str = "sites: [{ host: a.test, respond: { status: 200, body: ok } }]";
const SECRETS: &str = "GET /reset?token=s3cret&q=shoes HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer s3cret\r\nCookie: sid=s3cret\r\n\
                       Referer: https://a.test/login?password=s3cret&next=/\r\n\r\n";

#[test]
fn secrets_do_not_reach_the_access_log_unless_they_are_asked_for() {
    let format = "format: '$request \"$http_referer\" $http_authorization $http_cookie $cookie_sid $arg_token $arg_q $args'";
    let edge = logging(format, SITE);
    edge.exchange(SECRETS);
    let line = eventually("a line", || {
        edge.access_log().lines().next().map(str::to_owned)
    });
    assert!(!line.contains("s3cret"), "{line}");
    assert!(line.starts_with("GET /reset?token=***&q=shoes HTTP/1.1 \"https://a.test/login?password=***&next=/\" *** *** *** *** shoes"), "{line}");
    let edge = logging(&format!("scrub: false, {format}"), SITE);
    edge.exchange(SECRETS);
    let line = eventually("a line", || {
        edge.access_log().lines().next().map(str::to_owned)
    });
    assert!(
        line.contains("token=s3cret") && line.contains("Bearer s3cret"),
        "{line}"
    );
}

#[test]
fn addresses_may_be_cut_to_their_network() {
    let edge = logging(
        "addresses: truncated, format: '$remote_addr $client_ip $status'",
        SITE,
    );
    edge.get("a.test", "/");
    let line = eventually("a line", || {
        edge.access_log().lines().next().map(str::to_owned)
    });
    assert_eq!(line, "127.0.0.0 127.0.0.0 200");
}

#[test]
fn a_line_may_have_a_condition() {
    let edge = logging("if: $arg_log, format: $request_uri", SITE);
    for target in ["/a", "/b?log=0", "/c?log=1"] {
        edge.get("a.test", target);
    }
    let log = eventually("a line", || {
        Some(edge.access_log()).filter(|log| !log.is_empty())
    });
    assert_eq!(log, "/c?log=1\n");
    let edge = Edge::nginx(
        "events {}
http {
  map $status $loggable { ~^[23] 0; default 1; }
  log_format uri '$request_uri';
  server { listen @http@; access_log access.log uri if=$loggable; location /ok { return 200 x; } }
}",
    )
    .start();
    for target in ["/ok", "/missing"] {
        edge.get("a.test", target);
    }
    let log = eventually("a line", || {
        Some(edge.access_log()).filter(|log| !log.is_empty())
    });
    assert_eq!(log, "/missing\n");
}

/// What every line of the format `json` is: an object of these fields, each a string.
const SCHEMA: &str = r#"(type == "object") and ((keys - ["time","request_id","trace_id","span_id","remote_addr","host","method","uri","protocol","status","bytes","request_time","upstream","upstream_time","cache","referer","user_agent"]) == []) and (length == 17) and all(.[]; type == "string") and (.status | test("^[0-9]{3}$")) and (.bytes | test("^[0-9]+$")) and (.request_time | test("^[0-9]+[.][0-9]{3}$")) and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T")) and (.request_id | test("^[0-9a-f]{32}$"))"#;

#[test]
fn every_json_line_is_the_same_object_whatever_a_client_sends() {
    let edge = logging("format: json", SITE);
    let hostile: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /%22%0a?a=\"b\"\\ HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"},{\"x\":1\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /u HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \xff\xfe\xc3\r\nReferer: \t\x80\r\n\r\n",
        b"DELETE /h HTTP/1.0\r\nHost: a.test\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi",
    ];
    for request in hostile {
        // Some are refused before there is a site, and leave no line of it.
        edge.exchange(request);
    }
    edge.get("a.test", "/last");
    let log = eventually("the last line", || {
        Some(edge.access_log()).filter(|log| log.contains("/last"))
    });
    assert!(log.lines().count() >= 5, "{log}");
    let judged = output(
        Command::new("jq")
            .args(["-c", SCHEMA])
            .arg(edge.path("access.log")),
    );
    let all: Vec<&str> = judged.lines().collect();
    assert!(
        all.len() == log.lines().count() && all.iter().all(|l| *l == "true"),
        "{judged}\n{log}"
    );
    // jq is lenient about bytes that are no UTF-8.
    for line in std::fs::read(edge.path("access.log"))
        .unwrap()
        .split(|b| *b == b'\n')
    {
        assert!(std::str::from_utf8(line).is_ok());
    }
}

#[test]
fn secrets_reach_no_log_at_all() {
    let edge = Edge::yaml(
        "sites:
  - host: a.test
    routes:
      - { path: /denied, deny: [0.0.0.0/0], respond: 204 }
      - { path: /limited, rate_limit: { key: $host, rate: 1/m }, respond: 204 }
      - { path: /down, to: \"127.0.0.1:1\" }
      - { path: /, respond: { status: 200, body: ok } }",
    )
    .start();
    for path in ["/", "/denied", "/limited", "/limited", "/down"] {
        edge.exchange(SECRETS.replace("/reset", path));
    }
    edge.logged("/down");
    eventually("five lines", || {
        (edge.access_log().lines().count() == 5).then_some(())
    });
    let all = edge.access_log() + &edge.error_log() + &edge.stderr();
    assert!(
        all.contains("token=***") && all.contains("limiting requests"),
        "{all}"
    );
    assert!(!all.contains("s3cret"), "{all}");
}
