//! Each rule for response heads.

use seawall_http::{
    BadResponse, Framing, HeadLimits, Method, Refusal, ResponseHead, ResponseTo, Version,
    parse_response,
};

const GET: ResponseTo = ResponseTo {
    method: Method::Get,
    upgrade_asked: false,
};

fn parsed(text: &str, request: &ResponseTo) -> Result<ResponseHead, BadResponse> {
    let mut head = ResponseHead::new();
    let complete = parse_response(text.as_bytes(), request, &HeadLimits::default(), &mut head)?;
    assert!(complete, "incomplete: {text:?}");
    assert_eq!(head.len, text.len());
    for end in 0..text.len() {
        let mut part = ResponseHead::new();
        let partial = parse_response(
            &text.as_bytes()[..end],
            request,
            &HeadLimits::default(),
            &mut part,
        );
        assert_eq!(partial, Ok(false));
    }
    Ok(head)
}

fn accepted(text: &str) -> ResponseHead {
    parsed(text, &GET).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn refused(text: &str) -> BadResponse {
    parsed(text, &GET)
        .err()
        .unwrap_or_else(|| panic!("accepted: {text:?}"))
}

#[test]
fn an_ordinary_head_is_ranges_over_its_buffer() {
    let text = "HTTP/1.1 200 OK then\r\nContent-Length: 3\r\nX-a: b\r\n\r\n";
    let head = accepted(text);
    assert_eq!((head.status, head.version), (200, Version::Http11));
    assert_eq!(head.reason.of(text.as_bytes()), b"OK then");
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(3), true));
    assert_eq!(head.fields(text.as_bytes()).find(b"X-A"), Some(&b"b"[..]));
    assert!(accepted("HTTP/1.1 200 \r\n\r\n").reason.is_empty());
    assert!(accepted("HTTP/1.1 200\r\n\r\n").reason.is_empty());
}

#[test]
fn status_lines_have_one_form() {
    for line in [
        "HTTP/2 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "<html>",
    ] {
        assert_eq!(
            refused(&format!("{line}\r\n\r\n")),
            BadResponse::StatusLine,
            "{line:?}"
        );
    }
    assert_eq!(refused("HTTP/1.1 099 OK\r\n\r\n"), BadResponse::Status);
    assert_eq!(refused("HTTP/1.1 200 a\rb\r\n\r\n"), Refusal::BareCr.into());
    assert_eq!(refused("HTTP/1.1 200 a\0\r\n\r\n"), Refusal::Nul.into());
    assert_eq!(refused("HTTP/1.1 200 OK\n\r\n"), Refusal::BareLf.into());
}

#[test]
fn bodies_follow_the_request_the_status_and_what_is_declared() {
    let framing = |text: &str, method| {
        let request = ResponseTo {
            method,
            upgrade_asked: false,
        };
        let head = parsed(text, &request).unwrap();
        (head.framing, head.keep_alive)
    };
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bare = "HTTP/1.1 200 OK\r\n\r\n";
    assert_eq!(framing(long, Method::Get), (Framing::Length(5), true));
    assert_eq!(framing(long, Method::Head), (Framing::None, true));
    assert_eq!(framing(chunked, Method::Get), (Framing::Chunked, true));
    assert_eq!(framing(chunked, Method::Head), (Framing::None, true));
    assert_eq!(framing(bare, Method::Get), (Framing::UntilClose, false));
    assert_eq!(framing(bare, Method::Head), (Framing::None, true));
    assert_eq!(framing(long, Method::Connect), (Framing::None, false));
    assert_eq!(
        framing(
            "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n",
            Method::Connect
        ),
        (Framing::Length(5), true)
    );
    assert_eq!(
        framing(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Method::Get
        ),
        (Framing::None, true)
    );
    assert_eq!(
        framing("HTTP/1.1 204 No Content\r\n\r\n", Method::Get),
        (Framing::None, true)
    );
    assert_eq!(
        framing(
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            Method::Get
        ),
        (Framing::None, false)
    );
    assert_eq!(
        framing("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Method::Get),
        (Framing::Length(5), false)
    );
    assert_eq!(
        framing(
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
            Method::Get
        ),
        (Framing::Length(5), true)
    );
    assert_eq!(
        framing(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
            Method::Get
        ),
        (Framing::Length(5), false)
    );
}

#[test]
fn interim_responses_have_no_body_and_an_upgrade_must_have_been_asked_for() {
    let early = accepted("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_eq!((early.framing, early.is_interim()), (Framing::None, true));
    assert_eq!(
        refused("HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n"),
        BadResponse::BodyForbidden
    );
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(refused(switch), BadResponse::UnaskedUpgrade);
    let asked = ResponseTo {
        method: Method::Get,
        upgrade_asked: true,
    };
    let head = parsed(switch, &asked).unwrap();
    assert_eq!(
        (head.framing, head.keep_alive, head.is_interim()),
        (Framing::None, false, false)
    );
}

#[test]
fn doubtful_framing_is_never_used() {
    for (lines, why) in [
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            Refusal::LengthRepeated,
        ),
        ("Content-Length: 5, 5\r\n", Refusal::LengthInvalid),
        ("Content-Length: 5a\r\n", Refusal::LengthInvalid),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Refusal::LengthWithCoding,
        ),
        ("Transfer-Encoding: gzip\r\n", Refusal::CodingUnknown),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            Refusal::CodingRepeated,
        ),
        ("X: a\rb\r\n", Refusal::BareCr),
        ("X: a\nY: b\r\n", Refusal::BareLf),
        ("X: a\0\r\n", Refusal::Nul),
        ("X: a\r\n b\r\n", Refusal::ObsFold),
        ("X : a\r\n", Refusal::SpaceBeforeColon),
        ("nonsense\r\n", Refusal::NoColon),
    ] {
        assert_eq!(
            refused(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
            why.into(),
            "{lines:?}"
        );
        // A status without a body makes bad framing no better.
        assert_eq!(
            refused(&format!("HTTP/1.1 304 x\r\n{lines}\r\n")),
            why.into(),
            "{lines:?}"
        );
    }
    assert_eq!(
        refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refusal::CodingInHttp10.into()
    );
}

#[test]
fn limits_hold_from_both_sides() {
    let limits = HeadLimits {
        head_bytes: 60,
        fields: 2,
        target_bytes: 0,
    };
    let try_with =
        |text: &str| parse_response(text.as_bytes(), &GET, &limits, &mut ResponseHead::new());
    assert_eq!(
        try_with("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n"),
        Ok(true)
    );
    assert_eq!(
        try_with("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"),
        Err(Refusal::TooManyFields.into())
    );
    let exact = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(60 - 24));
    assert_eq!((exact.len(), try_with(&exact)), (60, Ok(true)));
    assert_eq!(
        try_with(&exact.replace("A: ", "A: x")),
        Err(Refusal::HeadTooLarge.into())
    );
    assert_eq!(
        Refusal::HeadTooLarge.as_str(),
        BadResponse::from(Refusal::HeadTooLarge).as_str()
    );
}
