//! A check by the gRPC health protocol: `grpc.health.v1.Health/Check` over HTTP/2 answers SERVING.

use crate::plan::PeerSlot;
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of an answer at most: a `HealthCheckResponse` has two.
const ANSWER_BYTES: usize = 1024;
/// `ServingStatus.SERVING`
const SERVING: u8 = 1;

pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    slot: &PeerSlot,
    service: &str,
    stream: S,
) -> Result<(), String> {
    let text = |e: h2::Error| e.to_string();
    let (client, mut connection) = h2::client::handshake(stream).await.map_err(text)?;
    let exchange = exchange(client, slot, service);
    let mut exchange = std::pin::pin!(exchange);
    // Both on this task: what ends the check ends its connection.
    poll_fn(|cx| {
        use std::{future::Future, pin::Pin, task::Poll};
        let driven = Pin::new(&mut connection).poll(cx);
        match (exchange.as_mut().poll(cx), driven) {
            (Poll::Ready(answer), _) => Poll::Ready(answer),
            (Poll::Pending, Poll::Ready(Err(e))) => Poll::Ready(Err(e.to_string())),
            (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Ready(Err("connection closed".into())),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    })
    .await
}

async fn exchange(
    client: h2::client::SendRequest<Bytes>,
    slot: &PeerSlot,
    service: &str,
) -> Result<(), String> {
    let text = |e: h2::Error| e.to_string();
    let mut client = client.ready().await.map_err(text)?;
    let authority = match slot.text.starts_with("unix:") {
        true => "localhost",
        false => &slot.text,
    };
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "seawall-check")
        .body(())
        .map_err(|e| e.to_string())?;
    let (response, mut body) = client.send_request(request, false).map_err(text)?;
    body.send_data(message(service), true).map_err(text)?;
    let response = response.await.map_err(text)?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("status {}", response.status().as_u16()));
    }
    // An error without a message says so in the head.
    grpc_status(response.headers())?;
    let mut body = response.into_body();
    let mut answer = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(text)?;
        let _ = body.flow_control().release_capacity(data.len());
        answer.extend_from_slice(&data);
        if answer.len() > ANSWER_BYTES {
            return Err("the answer is too long".into());
        }
    }
    if let Some(trailers) = body.trailers().await.map_err(text)? {
        grpc_status(&trailers)?;
    }
    match serving_status(&answer) {
        Some(SERVING) => Ok(()),
        Some(status) => Err(format!("serving status {status}")),
        None => Err("the answer is no HealthCheckResponse".into()),
    }
}

fn grpc_status(headers: &http::HeaderMap) -> Result<(), String> {
    match headers.get("grpc-status").map(|v| v.as_bytes()) {
        None | Some(b"0") => Ok(()),
        Some(code) => Err(format!("grpc-status {}", code.escape_ascii())),
    }
}

/// A `HealthCheckRequest { service = 1 }` in gRPC's frame: no compression, four bytes of length.
fn message(service: &str) -> Bytes {
    let mut proto = Vec::new();
    if !service.is_empty() {
        proto.push(0x0a);
        push_varint(service.len(), &mut proto);
        proto.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(proto.len() as u32).to_be_bytes());
    framed.extend_from_slice(&proto);
    framed.into()
}

fn push_varint(mut n: usize, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// The status of a `HealthCheckResponse { status = 1 }`; an empty one says 0, unknown.
fn serving_status(answer: &[u8]) -> Option<u8> {
    let (frame, message) = answer.split_at_checked(5)?;
    let &[0, a, b, c, d] = frame else { return None };
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return None;
    }
    match message {
        [] => Some(0),
        [0x08, status, ..] => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_service() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("shop")[..], b"\0\0\0\0\x06\x0a\x04shop");
        assert_eq!(message(&"x".repeat(200)).len(), 5 + 3 + 200);
    }

    #[test]
    fn an_answer_says_whether_it_serves() {
        assert_eq!(serving_status(b"\0\0\0\0\x02\x08\x01"), Some(SERVING));
        assert_eq!(serving_status(b"\0\0\0\0\x02\x08\x02"), Some(2));
        assert_eq!(serving_status(b"\0\0\0\0\0"), Some(0));
        for bad in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\x02\x08\x01",
            b"\0\0\0\0\x09\x08\x01",
        ] {
            assert_eq!(serving_status(bad), None, "{bad:?}");
        }
    }
}
