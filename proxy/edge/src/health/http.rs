//! A check by an HTTP/1.1 request: the status, and what the body must hold.

use crate::plan::{CheckPlan, PeerSlot};
use seawall_conf::model::{BodyExpected, HttpCheck};
use seawall_http::{BodyDecoder, HeadLimits, Method, ResponseHead, ResponseTo, parse_response};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a check's response head at most.
const HEAD_BYTES: usize = 16 * 1024;
/// Bytes of a body that are looked at.
const BODY_BYTES: usize = 64 * 1024;

pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    slot: &PeerSlot,
    check: &HttpCheck,
    plan: &CheckPlan,
    mut stream: S,
) -> Result<(), String> {
    let text = |e: io::Error| e.to_string();
    let request = request(slot, check);
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let mut buf = Vec::with_capacity(1024);
    let mut head = ResponseHead::new();
    let method = Method::lookup(check.method.as_bytes());
    let to = ResponseTo {
        method,
        upgrade_asked: false,
    };
    loop {
        if stream.read_buf(&mut buf).await.map_err(text)? == 0 {
            return Err("connection closed before a response".into());
        }
        loop {
            match parse_response(&buf, &to, &HeadLimits::default(), &mut head) {
                // Not the answer yet.
                Ok(true) if (100..200).contains(&head.status) => drop(buf.drain(..head.len)),
                Ok(true) => return judge(check, plan, &head, buf, stream).await,
                Ok(false) if buf.len() > HEAD_BYTES => return Err("response head too large".into()),
                Ok(false) => break,
                Err(e) => return Err(format!("not HTTP: {}", e.as_str())),
            }
        }
    }
}

fn request(slot: &PeerSlot, check: &HttpCheck) -> String {
    let host = match &check.host {
        Some(host) => host.as_str(),
        None if slot.text.starts_with("unix:") => "localhost",
        None => &slot.text,
    };
    let mut request = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seawall-check\r\nConnection: close\r\n",
        check.method, check.path
    );
    for (name, value) in &check.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if check.method == "POST" {
        request.push_str("Content-Length: 0\r\n");
    }
    request.push_str("\r\n");
    request
}

async fn judge<S: AsyncRead + Unpin>(
    check: &HttpCheck,
    plan: &CheckPlan,
    head: &ResponseHead,
    mut buf: Vec<u8>,
    mut stream: S,
) -> Result<(), String> {
    let mut ranges = check.statuses.iter();
    if !ranges.any(|(from, to)| (*from..=*to).contains(&head.status)) {
        return Err(format!("status {}", head.status));
    }
    let Some(expected) = &check.body else {
        return Ok(());
    };
    buf.drain(..head.len);
    let mut decoder = BodyDecoder::new(head.framing);
    let mut body = Vec::new();
    let mut at = 0;
    while !decoder.is_done() && body.len() < BODY_BYTES {
        let unread = buf.get(at..).unwrap_or_default();
        let decoded = decoder
            .decode(unread)
            .map_err(|e| format!("not HTTP: {}", e.as_str()))?;
        body.extend_from_slice(unread.get(decoded.data.clone()).unwrap_or_default());
        at += decoded.consumed;
        if holds(expected, plan, &body) {
            return Ok(());
        }
        if decoded.consumed > 0 || decoder.is_done() {
            continue;
        }
        buf.drain(..at);
        at = 0;
        if stream.read_buf(&mut buf).await.map_err(|e| e.to_string())? == 0 {
            break;
        }
    }
    Err("the body does not hold what is expected".into())
}

fn holds(expected: &BodyExpected, plan: &CheckPlan, body: &[u8]) -> bool {
    match expected {
        BodyExpected::Contains(text) => memchr::memmem::find(body, text.as_bytes()).is_some(),
        BodyExpected::Matches(_) => plan.regex.as_ref().is_some_and(|r| r.is_match(body)),
    }
}
