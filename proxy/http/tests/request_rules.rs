//! Each rule for request heads, as an operator could send it.

use seawall_http::{
    Framing, HeadLimits, Method, Name, Policy, Refusal, RequestHead, Version, parse_request,
};

fn parsed(text: &[u8], policy: Policy) -> Result<RequestHead, Refusal> {
    let mut head = RequestHead::new();
    let complete = parse_request(text, policy, &HeadLimits::default(), &mut head)?;
    assert!(
        complete,
        "incomplete: {:?}",
        text.escape_ascii().to_string()
    );
    assert_eq!(head.len, text.len());
    // Fed byte by byte it must come to the same end.
    for end in 0..text.len() {
        let mut part = RequestHead::new();
        assert_eq!(
            parse_request(&text[..end], policy, &HeadLimits::default(), &mut part),
            Ok(false)
        );
    }
    Ok(head)
}

fn accepted(text: &str) -> RequestHead {
    parsed(text.as_bytes(), Policy::Rfc).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn nginx_accepts(text: &str) -> RequestHead {
    parsed(text.as_bytes(), Policy::Nginx).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn refused(text: &[u8], policy: Policy) -> Refusal {
    match parsed(text, policy) {
        Err(why) => why,
        Ok(_) => panic!("accepted: {:?}", text.escape_ascii().to_string()),
    }
}

/// A GET of `/` with these lines after `Host: a`.
fn with_lines(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// Asserts that both policies refuse the head for the same reason.
fn both_refuse(text: &str, why: Refusal) {
    for policy in [Policy::Rfc, Policy::Nginx] {
        assert_eq!(refused(text.as_bytes(), policy), why, "{policy:?} {text:?}");
    }
}

/// Asserts that the strict policy refuses what nginx accepts.
fn only_nginx_accepts(text: &str, why: Refusal) -> RequestHead {
    assert_eq!(refused(text.as_bytes(), Policy::Rfc), why, "{text:?}");
    nginx_accepts(text)
}

#[test]
fn an_ordinary_head_is_ranges_over_its_buffer() {
    let text = "GET /shop/a%20b?q=1&r HTTP/1.1\r\nHost: Shop.test:8080\r\nX-Odd:\t two words \t\r\ncookie: a=b\r\nCookie:\r\n\r\n";
    let (head, buf) = (accepted(text), text.as_bytes());
    assert_eq!((head.method, head.version), (Method::Get, Version::Http11));
    assert_eq!(head.method_text.of(buf), b"GET");
    assert_eq!(head.target.of(buf), b"/shop/a%20b?q=1&r");
    assert_eq!(head.path.of(buf), b"/shop/a%20b?q=1&r");
    assert_eq!(head.path_only(buf), b"/shop/a%20b");
    assert_eq!(head.query(buf), Some(&b"q=1&r"[..]));
    assert_eq!(head.host.of(buf), b"Shop.test:8080");
    assert!(head.authority.is_empty());
    assert_eq!(head.framing, Framing::None);
    assert!(head.keep_alive && !head.expect_continue && !head.upgrade);
    let fields = head.fields(buf);
    assert_eq!(fields.len(), 4);
    assert_eq!(fields.find(b"x-odd"), Some(&b"two words"[..]));
    assert_eq!(
        fields.all(Name::Cookie).collect::<Vec<_>>(),
        [&b"a=b"[..], b""]
    );
    assert_eq!(fields.iter().next().map(|line| line.1), Some(&b"Host"[..]));
}

#[test]
fn a_head_ends_where_the_next_request_starts_and_is_refilled() {
    let wire =
        b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.0\r\n\r\n";
    let mut head = RequestHead::new();
    assert_eq!(
        parse_request(wire, Policy::Rfc, &HeadLimits::default(), &mut head),
        Ok(true)
    );
    assert_eq!(head.framing, Framing::Length(2));
    let next = &wire[head.len + 2..];
    assert_eq!(
        parse_request(next, Policy::Rfc, &HeadLimits::default(), &mut head),
        Ok(true)
    );
    assert_eq!(
        (head.len, head.fields.len(), head.present),
        (next.len(), 0, 0)
    );
    assert_eq!(
        (head.framing, head.keep_alive, head.host.len()),
        (Framing::None, false, 0)
    );
}

#[test]
fn the_four_forms_of_targets_go_with_their_methods() {
    let text = "GET http://B.test:81/p?q HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = accepted(text);
    assert_eq!(head.authority.of(text.as_bytes()), b"B.test:81");
    assert_eq!(head.host.of(text.as_bytes()), b"B.test:81");
    assert_eq!(head.path.of(text.as_bytes()), b"/p?q");

    for (target, path, query) in [
        ("HTTPS://b", "", None),
        ("http://b?x", "?x", Some(&b"x"[..])),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = accepted(&text);
        assert_eq!(head.path.of(text.as_bytes()), path.as_bytes());
        assert_eq!(head.path_only(text.as_bytes()), b"/");
        assert_eq!(head.query(text.as_bytes()), query);
    }

    let text = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let head = accepted(text);
    assert_eq!(
        (head.method, head.host.of(text.as_bytes())),
        (Method::Connect, &b"a.test:443"[..])
    );
    assert!(head.path.is_empty() && head.path_only(text.as_bytes()).is_empty());

    let text = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(accepted(text).path_only(text.as_bytes()), b"*");
    assert_eq!(refused(text.as_bytes(), Policy::Nginx), Refusal::BadTarget);

    for (start, why) in [
        ("GET *", Refusal::BadTarget),
        ("GET a.test:443", Refusal::BadTarget),
        ("GET ?x", Refusal::BadTarget),
        ("GET http:/a", Refusal::BadTarget),
        ("GET ht$tp://a/", Refusal::BadTarget),
        ("GET http://", Refusal::BadAuthority),
        ("GET http:///x", Refusal::BadAuthority),
        ("GET http://a:b/", Refusal::BadAuthority),
        ("GET http://u@a/", Refusal::UserinfoInTarget),
        ("GET http://u:p@a/", Refusal::UserinfoInTarget),
        ("CONNECT a.test", Refusal::BadTarget),
        ("CONNECT /", Refusal::BadAuthority),
        ("CONNECT u@a.test:1", Refusal::UserinfoInTarget),
    ] {
        both_refuse(&format!("{start} HTTP/1.1\r\nHost: a\r\n\r\n"), why);
    }
    only_nginx_accepts(
        "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::BadScheme,
    );
}

#[test]
fn methods_are_tokens() {
    assert_eq!(
        accepted("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n").method,
        Method::Other
    );
    for method in ["get", "M!"] {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(accepted(&text).method, Method::Other);
        assert_eq!(refused(text.as_bytes(), Policy::Nginx), Refusal::BadMethod);
    }
    for start in [
        " GET /",
        "G@T /",
        "GET\t/",
        "\u{16}\u{3}\u{1}",
        "GET\r\n",
        ":",
    ] {
        both_refuse(
            &format!("{start} HTTP/1.1\r\nHost: a\r\n\r\n"),
            Refusal::BadMethod,
        );
    }
}

#[test]
fn spaces_in_the_request_line_are_exactly_two() {
    for line in ["GET  / HTTP/1.1", "GET /  HTTP/1.1"] {
        let text = format!("{line}\r\nHost: a\r\n\r\n");
        let head = only_nginx_accepts(&text, Refusal::SpaceInTarget);
        assert_eq!(head.path.of(text.as_bytes()), b"/");
    }
    only_nginx_accepts("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refusal::BadVersion);
    both_refuse(
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::SpaceInTarget,
    );
    both_refuse("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TargetByte);
}

#[test]
fn targets_are_visible_ascii_without_a_fragment() {
    let text = "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = only_nginx_accepts(text, Refusal::FragmentInTarget);
    assert_eq!(head.path.of(text.as_bytes()), b"/a?b");
    assert_eq!(head.query(text.as_bytes()), Some(&b"b"[..]));
    assert_eq!(head.target.of(text.as_bytes()), b"/a?b#c");
    let text = "GET /a#b?c HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(nginx_accepts(text).query(text.as_bytes()), None);
    only_nginx_accepts(
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::TargetByte,
    );
    both_refuse(
        "GET /\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::TargetByte,
    );
    both_refuse("GET /\u{0} HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Nul);
    accepted("GET /<script>\"{}|\\^` HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn versions_are_1_0_and_1_1() {
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
    let head = only_nginx_accepts("GET / HTTP/1.7\r\nHost: a\r\n\r\n", Refusal::BadVersion);
    assert_eq!(head.version, Version::Http11);
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/2"] {
        let text = format!("GET / {version}\r\nHost: a\r\n\r\n");
        both_refuse(&text, Refusal::VersionUnsupported);
    }
    assert_eq!(Refusal::VersionUnsupported.status(), 505);
    for version in [
        "HTTP/0.9",
        "http/1.1",
        "HTTP/1.",
        "HTTP/1",
        "HTTP/1.x",
        "HTTPS/1.1",
        "HTTP/01.1",
        "HTTP/11",
        "",
    ] {
        both_refuse(
            &format!("GET / {version}\r\nHost: a\r\n\r\n"),
            Refusal::BadVersion,
        );
    }
    both_refuse("GET /\r\n\r\n", Refusal::BadVersion);
}

#[test]
fn lines_end_with_crlf() {
    for text in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        only_nginx_accepts(text, Refusal::BareLf);
    }
    only_nginx_accepts("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refusal::BareCr);
    for text in [
        "GET / HTTP/1.1\rHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\rX",
    ] {
        both_refuse(text, Refusal::BareCr);
    }
}

#[test]
fn a_few_empty_lines_may_come_first() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    accepted(&format!("\r\n\r\n\r\n\r\n{head}"));
    only_nginx_accepts(&format!("\r\n\r\n\r\n\r\n\r\n{head}"), Refusal::EmptyLines);
}

#[test]
fn field_lines_are_a_token_a_colon_and_a_value() {
    for (lines, why) in [
        (" folded\r\n", Refusal::ObsFold),
        ("X: a\r\n\tfolded\r\n", Refusal::ObsFold),
        ("X : a\r\n", Refusal::SpaceBeforeColon),
        ("Content-Length\t: 1\r\n", Refusal::SpaceBeforeColon),
        (": a\r\n", Refusal::EmptyName),
        ("X: a\0b\r\n", Refusal::Nul),
        ("X\0: a\r\n", Refusal::Nul),
        ("X\u{1}: a\r\n", Refusal::BadName),
    ] {
        both_refuse(&with_lines(lines), why);
    }
    let folded = "GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    both_refuse(folded, Refusal::ObsFold);
    for lines in ["X\"Y: a\r\n", "(X): a\r\n", "X/Y: a\r\n", "\u{e9}: a\r\n"] {
        let head = only_nginx_accepts(&with_lines(lines), Refusal::BadName);
        assert_eq!(head.fields.len(), 1, "nginx drops the line");
    }
    let text = with_lines("Nocolon\r\n");
    let head = only_nginx_accepts(&text, Refusal::NoColon);
    assert_eq!(
        head.fields(text.as_bytes()).find(b"nocolon"),
        Some(&b""[..])
    );
    only_nginx_accepts(&with_lines("X: a\u{1}b\r\n"), Refusal::ControlByte);
    only_nginx_accepts(&with_lines("X: a\u{7f}b\r\n"), Refusal::ControlByte);
    accepted(&with_lines("X: \u{e9}\tb\r\nX-!#$%&'*+.^_`|~1: x\r\n"));
}

#[test]
fn nginx_drops_names_with_underscores_so_that_none_passes_for_another() {
    let text = with_lines("Content_Length: 5\r\nTransfer_Encoding: chunked\r\n");
    assert_eq!(nginx_accepts(&text).fields.len(), 1);
    assert_eq!(accepted(&text).fields.len(), 3);
    assert_eq!(accepted(&text).framing, Framing::None);
}

#[test]
fn host_is_there_once_and_valid() {
    both_refuse("GET / HTTP/1.1\r\n\r\n", Refusal::HostMissing);
    both_refuse("GET http://a/ HTTP/1.1\r\n\r\n", Refusal::HostMissing);
    both_refuse(&with_lines("host: a\r\n"), Refusal::HostRepeated);
    both_refuse(
        "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        Refusal::HostRepeated,
    );
    for host in [
        "", "a b", "a/b", "u@a", "a..b", "a:b", "a:70000", "[::1", "a,b c", "\u{e9}",
    ] {
        both_refuse(
            &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Refusal::HostInvalid,
        );
        both_refuse(
            &format!("GET http://a/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Refusal::HostInvalid,
        );
    }
    only_nginx_accepts("GET / HTTP/1.1\r\nHost: [x]\r\n\r\n", Refusal::HostInvalid);
    accepted("GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n");
}

#[test]
fn lengths_and_codings_leave_no_doubt_about_the_body() {
    assert_eq!(
        accepted(&with_lines("Content-Length: 10\r\n")).framing,
        Framing::Length(10)
    );
    assert_eq!(
        accepted(&with_lines("Transfer-Encoding: Chunked\r\n")).framing,
        Framing::Chunked
    );
    for (lines, why) in [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Refusal::LengthWithCoding,
        ),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            Refusal::LengthWithCoding,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Refusal::LengthRepeated,
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            Refusal::LengthRepeated,
        ),
        ("Content-Length: 5, 5\r\n", Refusal::LengthInvalid),
        ("Content-Length: +5\r\n", Refusal::LengthInvalid),
        ("Content-Length: -5\r\n", Refusal::LengthInvalid),
        ("Content-Length: 0x5\r\n", Refusal::LengthInvalid),
        ("Content-Length:\r\n", Refusal::LengthInvalid),
        (
            "Content-Length: 9223372036854775808\r\n",
            Refusal::LengthInvalid,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Refusal::CodingRepeated,
        ),
        (
            "Transfer-Encoding: chunked, chunked\r\n",
            Refusal::CodingUnknown,
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            Refusal::CodingUnknown,
        ),
        ("Transfer-Encoding: xchunked\r\n", Refusal::CodingUnknown),
        ("Transfer-Encoding: identity\r\n", Refusal::CodingUnknown),
        ("Transfer-Encoding: chunked;q=1\r\n", Refusal::CodingUnknown),
        ("Transfer-Encoding:\r\n", Refusal::CodingUnknown),
    ] {
        both_refuse(&with_lines(lines), why);
    }
    both_refuse(
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::CodingInHttp10,
    );
    assert_eq!(
        refused(
            with_lines("Transfer-Encoding: \u{b}chunked\r\n").as_bytes(),
            Policy::Nginx
        ),
        Refusal::CodingUnknown
    );
    assert_eq!(Refusal::CodingUnknown.status(), 501);
}

#[test]
fn persistence_expectations_and_upgrades_follow_version_and_connection() {
    assert!(!accepted(&with_lines("Connection: foo, Close\r\n")).keep_alive);
    assert!(
        !accepted(&with_lines(
            "Connection: keep-alive\r\nConnection: close\r\n"
        ))
        .keep_alive
    );
    assert!(!accepted("GET / HTTP/1.0\r\nHost: a\r\n\r\n").keep_alive);
    assert!(accepted("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    assert!(accepted(&with_lines("Expect: 100-Continue\r\n")).expect_continue);
    assert!(!accepted("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
    assert!(accepted(&with_lines("Connection: Upgrade\r\nUpgrade: websocket\r\n")).upgrade);
    assert!(!accepted(&with_lines("Upgrade: websocket\r\n")).upgrade);
    assert!(!accepted(&with_lines("Connection: upgrade\r\n")).upgrade);
    assert!(!accepted("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").upgrade);
}

#[test]
fn limits_hold_from_both_sides() {
    let limits = HeadLimits {
        head_bytes: 100,
        fields: 3,
        target_bytes: 10,
    };
    let try_with = |text: &str| {
        let mut head = RequestHead::new();
        parse_request(text.as_bytes(), Policy::Rfc, &limits, &mut head)
    };
    assert_eq!(
        try_with("GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n"),
        Ok(true)
    );
    assert_eq!(
        try_with("GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(Refusal::TargetTooLong)
    );
    assert_eq!(try_with("GET /1234567890"), Err(Refusal::TargetTooLong));
    assert_eq!(Refusal::TargetTooLong.status(), 414);
    assert_eq!(
        try_with("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n"),
        Ok(true)
    );
    assert_eq!(
        try_with("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC"),
        Err(Refusal::TooManyFields)
    );
    let exact = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(100 - 32)
    );
    assert_eq!(exact.len(), 100);
    assert_eq!(try_with(&exact), Ok(true));
    assert_eq!(try_with(&exact[..99]), Ok(false));
    let over = exact.replace("X: ", "X: x");
    assert_eq!(try_with(&over), Err(Refusal::HeadTooLarge));
    assert_eq!(try_with(&over[..100]), Err(Refusal::HeadTooLarge));
    assert_eq!(Refusal::HeadTooLarge.status(), 431);
}
