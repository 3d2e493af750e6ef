//! Properties: any split gives the same head, what is encoded decodes to what it was.

use proptest::prelude::*;
use seawall_http::{
    BodyDecoder, Framing, HeadLimits, Method, Policy, RequestHead, ResponseHead, ResponseTo,
    encode, parse_request, parse_response,
};

fn any_fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = "X-[!#$%&'*+.^_`|~0-9A-Za-z-]{0,12}";
    let value = proptest::collection::vec(
        prop_oneof![0x21u8..=0x7e, 0x80u8..=0xff, Just(b' '), Just(b'\t')],
        0..60,
    )
    .prop_map(|value| seawall_http::trim(&value).to_vec());
    proptest::collection::vec((name, value), 0..20)
}

proptest! {
    #[test]
    fn an_encoded_request_parses_to_what_it_was_wherever_it_is_split(
        method in "[A-Z]{1,8}",
        path in "/[!-\"$->@-~]{0,40}",
        fields in any_fields(),
        split in any::<prop::sample::Index>(),
    ) {
        prop_assume!(method != "CONNECT");
        let mut wire = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n").into_bytes();
        fields.iter().for_each(|(name, value)| encode::field(&mut wire, name.as_bytes(), value));
        wire.extend_from_slice(b"\r\n");
        let cut = split.index(wire.len());
        let (limits, mut head) = (HeadLimits::default(), RequestHead::new());
        prop_assert_eq!(parse_request(&wire[..cut], Policy::Rfc, &limits, &mut head), Ok(false));
        prop_assert_eq!(parse_request(&wire, Policy::Rfc, &limits, &mut head), Ok(true));
        prop_assert_eq!(head.len, wire.len());
        prop_assert_eq!(head.method_text.of(&wire), method.as_bytes());
        prop_assert_eq!(head.method, Method::lookup(method.as_bytes()));
        prop_assert_eq!(head.path_only(&wire), path.as_bytes());
        let read: Vec<_> = head.fields(&wire).iter().skip(1).map(|(_, name, value)| (name, value)).collect();
        let written: Vec<_> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn an_encoded_response_parses_to_what_it_was(status in 200u16..=999, fields in any_fields(), length in 0..=i64::MAX as u64) {
        let mut wire = Vec::new();
        encode::status_line(&mut wire, status);
        encode::content_length(&mut wire, length);
        fields.iter().for_each(|(name, value)| encode::field(&mut wire, name.as_bytes(), value));
        wire.extend_from_slice(b"\r\n");
        let request = ResponseTo { method: Method::Get, upgrade_asked: false };
        let mut head = ResponseHead::new();
        prop_assert_eq!(parse_response(&wire, &request, &HeadLimits::default(), &mut head), Ok(true));
        prop_assert_eq!((head.status, head.len), (status, wire.len()));
        prop_assert_eq!(head.reason.of(&wire), encode::reason(status).as_bytes());
        prop_assert_eq!(head.fields.len(), fields.len() + 1);
        if !matches!(status, 204 | 304) {
            prop_assert_eq!(head.framing, Framing::Length(length));
        }
    }

    #[test]
    fn an_encoded_chunked_body_decodes_to_what_it_was_in_any_pieces(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
        piece in 1usize..64,
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            encode::chunk_head(&mut wire, chunk.len());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(encode::CHUNK_END);
        }
        wire.extend_from_slice(encode::LAST_CHUNK);
        let end = wire.len();
        wire.extend_from_slice(b"GET / HTTP/1.1\r\n");
        let (mut body, mut data, mut at) = (BodyDecoder::new(Framing::Chunked), Vec::new(), 0);
        while !body.is_done() {
            let shown = &wire[at..wire.len().min(at + piece)];
            let found = body.decode(shown).unwrap();
            data.extend_from_slice(&shown[found.data]);
            at += found.consumed;
        }
        prop_assert_eq!(at, end);
        prop_assert_eq!(data, chunks.concat());
    }
}
