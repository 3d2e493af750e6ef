//! A question in the background: GET to the first server of a pool that answers, the answer whole and bounded. For what is
//! asked now and then (key sets, decisions): each question has a connection of its own.

use crate::plan::{PeerSlot, PoolPlan};
use seawall_conf::model::Address;
use seawall_http::{BodyDecoder, HeadLimits, Method, ResponseHead, ResponseTo, parse_response};
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

/// Read at once.
const READ_BYTES: usize = 16 * 1024;

/// A question: a whole request without a body, and how many bytes of an answer are taken.
pub struct Question<'a> {
    /// `GET ...`, with `Connection: close`.
    pub request: &'a str,
    /// Bytes of the body of its answer, at most.
    pub most: usize,
}

/// Asks the servers of a pool in order: the body of the first 200.
///
/// # Errors
/// What the last one said or did.
pub async fn fetch(pool: &Arc<PoolPlan>, question: &Question<'_>) -> Result<Vec<u8>, String> {
    let mut last = "there is no server".to_owned();
    let pool = pool.live();
    for slot in &pool.peers {
        match fetch_from(&pool, slot, question).await {
            Ok(text) => return Ok(text),
            Err(e) => last = format!("{}: {e}", slot.text),
        }
    }
    Err(last)
}

async fn fetch_from(
    pool: &PoolPlan,
    slot: &PeerSlot,
    question: &Question<'_>,
) -> Result<Vec<u8>, String> {
    let text = |e: io::Error| e.to_string();
    let stream = match &slot.address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(text)?;
            return ask(stream, question).await;
        }
        Address::Ip(address) => TcpStream::connect(address).await,
        Address::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
    }
    .map_err(text)?;
    match (&slot.sni, &pool.check_tls) {
        (Some(sni), Some(config)) => {
            let name =
                rustls::pki_types::ServerName::try_from(sni.clone()).map_err(|e| e.to_string())?;
            let connector = tokio_rustls::TlsConnector::from(config.clone());
            let stream = connector.connect(name, stream).await.map_err(text)?;
            ask(stream, question).await
        }
        (Some(_), None) => Err("TLS to it is not set up".into()),
        _ => ask(stream, question).await,
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    question: &Question<'_>,
) -> Result<Vec<u8>, String> {
    let text = |e: io::Error| e.to_string();
    let request = question.request.as_bytes();
    stream.write_all(request).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let limits = HeadLimits::default();
    let mut buf = Vec::with_capacity(READ_BYTES);
    let mut head = ResponseHead::new();
    let to = ResponseTo {
        method: Method::Get,
        upgrade_asked: false,
    };
    loop {
        match parse_response(&buf, &to, &limits, &mut head) {
            Ok(true) if head.status == 200 => break,
            Ok(true) => return Err(format!("status {}", head.status)),
            Ok(false) if buf.len() > limits.head_bytes => return Err("too large a head".into()),
            Ok(false) => {}
            Err(e) => return Err(format!("not HTTP: {}", e.as_str())),
        }
        buf.reserve(READ_BYTES);
        if stream.read_buf(&mut buf).await.map_err(text)? == 0 {
            return Err("connection closed before a response".into());
        }
    }
    let mut decoder = BodyDecoder::new(head.framing);
    buf.drain(..head.len.min(buf.len()));
    let mut body = Vec::new();
    while !decoder.is_done() {
        let decoded = decoder.decode(&buf).map_err(|e| e.as_str().to_owned())?;
        body.extend_from_slice(buf.get(decoded.data.clone()).unwrap_or_default());
        buf.drain(..decoded.consumed.min(buf.len()));
        if body.len() > question.most || buf.len() > question.most {
            return Err(format!("more than {} bytes", question.most));
        }
        if decoded.consumed > 0 || decoder.is_done() {
            continue;
        }
        buf.reserve(READ_BYTES);
        if stream.read_buf(&mut buf).await.map_err(text)? == 0 {
            decoder.on_eof().map_err(|e| e.as_str().to_owned())?;
            break;
        }
    }
    Ok(body)
}
