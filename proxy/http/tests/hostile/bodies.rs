//! What must hold for any bytes at all. The same functions are the fuzz targets of `fuzz/` and the seeded test `hostile.rs`: what a fuzzer finds
//! becomes a line there.

use seawall_http::{
    BodyDecoder, Fields, Framing, HeadLimits, Method, Policy, RequestHead, ResponseHead,
    ResponseTo,
    http2::{self, Of, Section, hpack},
    limits, parse_request, parse_response, uri,
};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 8192,
    fields: 64,
    target_bytes: 1024,
};

/// Reads `input` as a request head under both policies, whole and cut at a place that its bytes choose.
pub fn request_head(input: &[u8]) {
    for policy in [Policy::Rfc, Policy::Nginx] {
        let mut head = RequestHead::new();
        let whole = parse_request(input, policy, &LIMITS, &mut head);
        if whole == Ok(true) {
            assert!(head.len <= input.len() && head.len <= LIMITS.head_bytes);
            assert_ne!(head.framing, Framing::UntilClose);
            assert!(head.target.len() <= LIMITS.target_bytes);
            check_fields(&head.fields(input), head.len, policy == Policy::Rfc);
            let ranges = [
                head.method_text,
                head.target,
                head.authority,
                head.path,
                head.host,
            ];
            for range in ranges {
                assert!(range.start <= range.end && range.end as usize <= head.len);
            }
            check_path(head.path_only(input));
            let _ = head.query(input);
            // What follows a head has no part in it.
            let mut alone = RequestHead::new();
            let alone_result = parse_request(&input[..head.len], policy, &LIMITS, &mut alone);
            assert_eq!((alone_result, &alone.fields), (Ok(true), &head.fields));
        }
        let cut = cut_of(input);
        let part = parse_request(&input[..cut], policy, &LIMITS, &mut RequestHead::new());
        match part {
            Ok(false) => {}
            Ok(true) => assert!(whole == Ok(true) && head.len <= cut),
            // What is refused in part is refused whole, and for the same reason.
            Err(why) => assert_eq!(whole, Err(why)),
        }
    }
}

/// Reads `input` as a response head to several requests.
pub fn response_head(input: &[u8]) {
    for method in [Method::Get, Method::Head, Method::Connect] {
        for upgrade_asked in [false, true] {
            let request = ResponseTo {
                method,
                upgrade_asked,
            };
            let mut head = ResponseHead::new();
            let whole = parse_response(input, &request, &LIMITS, &mut head);
            if whole == Ok(true) {
                assert!(head.len <= input.len() && head.len <= LIMITS.head_bytes);
                assert!((100..=999).contains(&head.status));
                assert!(!head.keep_alive || head.framing != Framing::UntilClose);
                check_fields(&head.fields(input), head.len, true);
            }
            let cut = cut_of(input);
            match parse_response(&input[..cut], &request, &LIMITS, &mut ResponseHead::new()) {
                Ok(false) => {}
                Ok(true) => assert!(whole == Ok(true) && head.len <= cut),
                Err(why) => assert_eq!(whole, Err(why)),
            }
        }
    }
}

/// Reads `input` as a chunked body, whole and in pieces; both must find the same.
pub fn chunked_body(input: &[u8]) {
    let whole = read_chunked(input, usize::MAX);
    let pieces = read_chunked(input, 1 + cut_of(input) % 7);
    assert_eq!(whole, pieces);
}

/// Data, trailers, bytes consumed, whether done; `None` after an error.
fn read_chunked(input: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>, usize, bool)> {
    let mut body = BodyDecoder::new(Framing::Chunked);
    let (mut data, mut at) = (Vec::new(), 0);
    while !body.is_done() && at < input.len() {
        let shown = &input[at..at.saturating_add(piece).min(input.len())];
        let found = body.decode(shown).ok()?;
        assert!(found.consumed > 0 && found.consumed <= shown.len());
        assert!(found.data.start <= found.data.end && found.data.end <= found.consumed);
        data.extend_from_slice(&shown[found.data]);
        at += found.consumed;
    }
    assert!(
        body.trailers().len() <= limits::TRAILER_BYTES + 2 * usize::from(limits::TRAILER_LINES)
    );
    let done = body.is_done();
    assert_eq!(body.on_eof().is_ok(), done);
    Some((data, body.trailers().to_vec(), at, done))
}

fn check_fields(fields: &Fields<'_>, len: usize, strict: bool) {
    assert!(fields.len() <= LIMITS.fields);
    let mut present = 0;
    for field in fields.fields {
        assert!(field.name.start < field.name.end && field.name.end <= field.value.start);
        assert!(field.value.start <= field.value.end && field.value.end as usize <= len);
        present |= field.id.bit();
    }
    assert_eq!(present, fields.present);
    for (id, name, value) in fields.iter() {
        assert!(seawall_http::encode::is_token(name));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        assert!(!strict || seawall_http::encode::is_field_value(value));
        assert!(fields.find(name).is_some());
        for member in fields.list(id) {
            assert!(!member.is_empty());
        }
    }
}

fn check_path(path: &[u8]) {
    let mut out = Vec::new();
    for merge_slashes in [false, true] {
        let normal = uri::normalize(path, merge_slashes, &mut out);
        if uri::is_normal(path) {
            assert_eq!((normal, out.as_slice()), (Ok(()), path));
        }
    }
}

/// A place within `input` that its own bytes choose, so that a run can be repeated from the input alone.
fn cut_of(input: &[u8]) -> usize {
    let sum = input.iter().fold(input.len(), |sum, &byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    sum % (input.len() + 1)
}

/// A PROXY protocol header: any beginning of one wants more bytes, and what was read is read again from what it encodes to.
pub fn proxy_protocol(input: &[u8]) {
    use seawall_http::proxy_protocol::{Said, encode_v2, parse};
    let Ok(Some((header, len))) = parse(input) else {
        return;
    };
    assert!(len <= input.len());
    for cut in [len - 1, len / 2, 1, 0] {
        assert_eq!(parse(&input[..cut]), Ok(None));
    }
    assert_eq!(parse(&input[..len]), Ok(Some((header.clone(), len))));
    let mut wire = Vec::new();
    encode_v2(header.said, &[], &mut wire);
    let (again, _) = parse(&wire).expect("ours").expect("whole");
    if let Said::Stream { source, .. } = header.said {
        assert_eq!(again.source().map(|a| a.ip()), Some(source.ip()));
    }
    assert!(header.values().map(|(_, v)| v.len() + 3).sum::<usize>() <= header.values.len());
}

/// What an application may have sent: the same events and the same fault however it is cut, and nothing past the input.
pub fn fastcgi(input: &[u8]) {
    let whole = fastcgi_events(input, input.len().max(1));
    for piece in [1, 7, cut_of(input).max(1)] {
        assert_eq!(fastcgi_events(input, piece), whole);
    }
    let request = seawall_http::fastcgi::CgiRequest::default();
    let mut http = Vec::new();
    if let Ok(Some(head)) = seawall_http::fastcgi::http_head(input, &request, &mut http) {
        assert!(head.len <= input.len());
        let mut parsed = seawall_http::ResponseHead::new();
        let to = seawall_http::ResponseTo {
            method: seawall_http::Method::Get,
            upgrade_asked: false,
        };
        let limits = seawall_http::HeadLimits {
            head_bytes: usize::MAX,
            fields: usize::MAX,
            ..seawall_http::HeadLimits::default()
        };
        // What is translated is a head of HTTP, whole and with nothing behind it.
        assert_eq!(
            seawall_http::parse_response(&http, &to, &limits, &mut parsed),
            Ok(true)
        );
        assert_eq!(parsed.len, http.len());
    }
}

type FastCgiEvents = (
    Vec<u8>,
    Vec<u8>,
    Result<bool, seawall_http::fastcgi::RecordError>,
);

fn fastcgi_events(input: &[u8], piece: usize) -> FastCgiEvents {
    use seawall_http::fastcgi::{Decoder, Event};
    let mut decoder = Decoder::default();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for chunk in input.chunks(piece) {
        let mut rest = chunk;
        loop {
            let (taken, event) = match decoder.decode(rest) {
                Ok(found) => found,
                Err(e) => return (stdout, stderr, Err(e)),
            };
            match &event {
                Some(Event::Stdout(range)) => stdout.extend_from_slice(&rest[range.clone()]),
                Some(Event::Stderr(range)) => stderr.extend_from_slice(&rest[range.clone()]),
                Some(Event::End { .. }) | None => {}
            }
            rest = &rest[taken..];
            if taken == 0 && event.is_none() {
                break;
            }
        }
        assert!(rest.is_empty());
    }
    (stdout, stderr, Ok(decoder.is_over()))
}

/// Reads `input` as frames of a connection, and what HEADERS carry as field sections of one decoder.
pub fn http2(input: &[u8]) {
    let mut decoder = hpack::Decoder::new();
    let mut section = Section::default();
    let mut rest = input;
    while let Some(head) = http2::FrameHead::parse(rest) {
        let end = rest.len().min(http2::HEAD_BYTES + head.len);
        let payload = &rest[http2::HEAD_BYTES..end];
        rest = &rest[end..];
        let of = match head.kind % 3 {
            0 => Of::Request,
            1 => Of::Trailers,
            _ => Of::Nobody,
        };
        let Ok(block) = http2::unpadded(&head, payload) else {
            continue;
        };
        let _ = http2::Changes::parse(block);
        section.begin(of, 4096);
        if decoder.decode(block, &mut section).is_err() {
            // The decoder is of no use any more.
            decoder = hpack::Decoder::new();
            continue;
        }
        let lines = section.lines();
        assert!(lines.len() + section.path().len() + section.method().len() <= 4096);
        if section.fault().is_some() || section.is_over() {
            continue;
        }
        // What was let through is lines of a head, and nothing in it ends one of them early.
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            assert!(line.ends_with(b"\r\n"));
            let controls = line[..line.len() - 2].iter();
            assert!(
                !controls
                    .into_iter()
                    .any(|&b| (b < b' ' && b != b'\t') || b == 0x7f)
            );
        }
        // And says the same after it was encoded again.
        let mut again = Vec::new();
        hpack::fields(lines, &mut again);
        let mut second = Section::default();
        second.begin(Of::Trailers, 1 << 20);
        hpack::Decoder::new().decode(&again, &mut second).unwrap();
        assert_eq!(second.fault(), None);
        assert_eq!(second.lines(), lines);
    }
}
