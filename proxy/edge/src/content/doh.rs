//! DNS over HTTPS (RFC 8484): a question in a URL or a body, answered by the DNS server of this process.

use super::Outcome;
use crate::{
    client::{ClientError, Reply},
    pipeline::Cx,
    plan::RoutePlan,
};
use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use seawall_http::{Method, Name};
use std::net::{IpAddr, Ipv4Addr};

const MESSAGE_TYPE: &[u8] = b"application/dns-message";

/// Bytes of a question: a name of 255 and every option that a client may send fit many times.
const QUESTION_BYTES_MAX: usize = 4096;

/// RFC 8484 §6: base64url without padding; who pads is understood, too.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Answers a request that carries a question.
pub async fn doh(cx: &mut Cx<'_>, route: &RoutePlan) -> Result<Outcome, ClientError> {
    let question = match cx.tx.head.method {
        Method::Get | Method::Head => asked(cx.tx.args()).ok_or(400),
        Method::Post => posted(cx).await?,
        _ => Err(405),
    };
    let question = match question {
        Ok(question) => question,
        Err(status) => return refused(cx, route, status).await,
    };
    let Some(dns) = cx.local.shared.dns.get().cloned() else {
        return refused(cx, route, 503).await;
    };
    // Over a unix socket nobody has an address: it counts as here.
    let client = cx.tx.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let Some(answer) = dns.answer_https(&question, client.to_canonical()) else {
        return refused(cx, route, 400).await;
    };
    // What is chosen by where a client is belongs to nobody else.
    let lines = format!("Cache-Control: private, max-age={}\r\n", answer.max_age_s);
    let reply = Reply {
        body: Some(&answer.message),
        content_type: MESSAGE_TYPE,
        lines: lines.as_bytes(),
        ..Reply::error(200)
    };
    cx.reply(Some(route), reply).await.map(|()| Outcome::Done)
}

async fn refused(cx: &mut Cx<'_>, route: &RoutePlan, status: u16) -> Result<Outcome, ClientError> {
    let reply = Reply {
        lines: if status == 405 {
            b"Allow: GET, HEAD, POST\r\n"
        } else {
            b""
        },
        ..Reply::error(status)
    };
    cx.reply(Some(route), reply).await.map(|()| Outcome::Done)
}

/// The question in `?dns=`.
fn asked(query: &[u8]) -> Option<Vec<u8>> {
    let text = query
        .split(|b| *b == b'&')
        .find_map(|argument| argument.strip_prefix(b"dns="))?;
    if text.len() > QUESTION_BYTES_MAX * 4 / 3 + 4 {
        return None;
    }
    BASE64URL.decode(text).ok()
}

/// The question in the body, or the status to answer with.
async fn posted(cx: &mut Cx<'_>) -> Result<Result<Vec<u8>, u16>, ClientError> {
    let kind = cx.tx.fields().get(Name::ContentType).unwrap_or_default();
    let kind = kind.split(|b| *b == b';').next().unwrap_or_default();
    if !seawall_http::trim(kind).eq_ignore_ascii_case(MESSAGE_TYPE) {
        return Ok(Err(415));
    }
    let mut question = Vec::new();
    while let Some(range) = cx.client.next_chunk(cx.tx).await? {
        let piece = cx.tx.rb.bytes().get(range).unwrap_or_default();
        if question.len() + piece.len() > QUESTION_BYTES_MAX {
            cx.client.keep_alive = false;
            return Ok(Err(413));
        }
        question.extend_from_slice(piece);
    }
    Ok(Ok(question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_in_a_url_is_base64url() {
        // RFC 8484 §4.1.1.
        let query = b"x=1&dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
        let question = asked(query).unwrap();
        assert_eq!(question.len(), 33);
        assert!(question.ends_with(b"\x03com\0\0\x01\0\x01"));
        assert_eq!(asked(b"dns=AA=="), Some(vec![0]));
        assert_eq!(asked(b"dns=+/"), None);
        assert_eq!(asked(b"name=example.com"), None);
        assert_eq!(asked(&[b"dns=".to_vec(), vec![b'A'; 6000]].concat()), None);
    }
}
