//! A stored body that lies in a file of the disk tier, on its way to a client: by the kernel where nobody has to look at it, else piece by
//! piece.

use crate::{
    client::ClientError,
    content::{ranges::Span, send_pieces},
    pipeline::Cx,
    plan::CacheUse,
};
use seawall_cache::{FileBody, Hit};
use seawall_sys::beneath;
use std::{io, os::unix::fs::FileExt};

/// Sends a part of it. What cannot be read is forgotten: the next who asks gets it from the origin.
pub async fn send(
    cx: &mut Cx<'_>,
    cache: &CacheUse,
    hit: &Hit,
    body: &FileBody,
    span: Span,
) -> Result<(), ClientError> {
    if cx.tx.is_head() || span.0 >= span.1 {
        return Ok(());
    }
    let sent = send_span(cx, hit, body, span).await;
    if let Err(e) = &sent {
        note(cache, hit, e);
    }
    sent
}

async fn send_span(
    cx: &mut Cx<'_>,
    hit: &Hit,
    body: &FileBody,
    span: Span,
) -> Result<(), ClientError> {
    let (from, length) = (body.at + span.0, span.1 - span.0);
    if !cx.client.takes_files() || !cx.tx.leaves_as_it_is() {
        return send_pieces(cx, &body.file, (from, from + length)).await;
    }
    let now_ms = cx.tx.now_ms;
    let is_warm = hit.object.is_warm(now_ms);
    cx.client
        .send_file(cx.tx, &body.file, (from, length), true, is_warm)
        .await?;
    let is_whole = length == hit.object.content_length();
    if is_whole && length <= crate::client::SLICE_BYTES && !is_warm {
        hit.object.note_sent(now_ms);
    }
    Ok(())
}

/// All of it, in memory.
pub async fn load(cache: &CacheUse, hit: &Hit, body: &FileBody) -> Result<Vec<u8>, ClientError> {
    let (body, length) = (body.clone(), hit.object.content_length());
    let work = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; length as usize];
        body.file.read_exact_at(&mut bytes, body.at)?;
        Ok::<_, io::Error>(bytes)
    });
    work.await.map_err(io::Error::other)?.map_err(|e| {
        cache.cache.body_failed(&hit.object, &e);
        ClientError::Truncated
    })
}

/// Tells an error of the file from one of the client.
fn note(cache: &CacheUse, hit: &Hit, error: &ClientError) {
    let of_file = match error {
        ClientError::Truncated => io::ErrorKind::UnexpectedEof.into(),
        ClientError::Io(e) if beneath::is_of_device(e) => io::Error::other(e.to_string()),
        _ => return,
    };
    cache.cache.body_failed(&hit.object, &of_file);
}
