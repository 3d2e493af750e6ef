//! A request's body read whole before an origin is asked: the origin is not held by a slow client, its length is said,
//! and what is idempotent can be asked of another server (ngx_http_proxy_module, `proxy_request_buffering`).
//!
//! What fits [`MEMORY_BYTES`] stays in memory; the rest goes to a file without a name, written and read by the thread's
//! pool for files, never by the thread itself. At [`DISK_BYTES`] reading stops, and the rest follows as the client sends
//! it.

use crate::{
    origin::FetchError,
    pipeline::Cx,
    plan::{ProxyPlan, RoutePlan},
    spool::{DISK_BYTES, MEMORY_BYTES, Spool},
};
use seawall_conf::model::RequestBuffering;
use seawall_http::Framing;

/// Bytes that are handed to the pool for files at a time.
const BATCH_BYTES: usize = 256 * 1024;

/// Whether a body is to be read whole.
pub fn is_wanted(cx: &Cx<'_>, route: &RoutePlan, proxy: &ProxyPlan) -> bool {
    if !cx.client.body.is_present() || cx.client.body.is_done() {
        return false;
    }
    if proxy.body.is_some() || proxy.no_body || route.body_files.is_some() {
        return true;
    }
    match (route.request_buffering, cx.tx.head.framing) {
        (RequestBuffering::Never, _) => false,
        (_, Framing::Length(n)) if n <= MEMORY_BYTES as u64 => true,
        // A stream of messages has answers before it has an end.
        (RequestBuffering::All, _) => !proxy.pool.wire.http2,
        (RequestBuffering::Small, _) => false,
    }
}

/// Reads the body behind what was read of it already.
pub async fn hold(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    spool: Option<Spool>,
) -> Result<Spool, FetchError> {
    let mut spool = spool.unwrap_or_default();
    let mut batch = Vec::new();
    while spool.len() + (batch.len() as u64) < DISK_BYTES {
        let Some(range) = cx.client.next_chunk(cx.tx).await? else {
            break;
        };
        if route
            .body_limit
            .is_some_and(|limit| cx.tx.body_read > limit)
        {
            cx.client.keep_alive = false;
            return Err(FetchError::TooLarge);
        }
        let data = cx.tx.rb.bytes().get(range).unwrap_or_default();
        if spool.fits(data.len()) && batch.is_empty() {
            spool.push(data).map_err(failed)?;
            continue;
        }
        batch.extend_from_slice(data);
        if batch.len() >= BATCH_BYTES {
            spool = write(spool, std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.is_empty() {
        spool = write(spool, batch).await?;
    }
    keep(cx, route, spool).await
}

/// What the variables about the body speak of.
async fn keep(cx: &mut Cx<'_>, route: &RoutePlan, spool: Spool) -> Result<Spool, FetchError> {
    let Some(files) = &route.body_files else {
        if cx.plan.names_body {
            cx.tx.body_kept = spool.in_memory().map(<[u8]>::to_vec);
        }
        return Ok(spool);
    };
    let (directory, stays) = (files.directory.clone(), files.stay);
    let work = tokio::task::spawn_blocking(move || {
        let file = spool.save(&directory, stays)?;
        Ok((spool, file))
    });
    let done = work.await.map_err(std::io::Error::other).flatten();
    let (spool, file) = done.map_err(failed)?;
    cx.tx.body_file = Some(file);
    Ok(spool)
}

async fn write(mut spool: Spool, batch: Vec<u8>) -> Result<Spool, FetchError> {
    let work = tokio::task::spawn_blocking(move || spool.push(&batch).map(|()| spool));
    work.await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(failed)
}

/// A disk that is full or gone is ours, not the client's: 502 and a line that says so.
fn failed(e: std::io::Error) -> FetchError {
    FetchError::Failed(format!("holding back the request body failed ({e})"))
}
