//! A file as a client gets it: validators, ranges, and its bytes from memory, by the kernel or piece by piece.

use super::{
    Found,
    conditions::{self, Verdict},
    open::OpenedFile,
    ranges::{self, Ranges, Span},
    type_of,
};
use crate::{
    client::{ClientError, Length, Reply, SLICE_BYTES},
    pipeline::Cx,
    plan::{RootPlan, RoutePlan},
};
use seawall_http::{Method, Name, encode};
use seawall_sys::beneath;
use std::{fs::File, io, os::unix::fs::FileExt, rc::Rc, sync::Arc};

/// Read at once where the kernel cannot send a file by itself.
const PIECE_BYTES: usize = 256 * 1024;
/// Read at once from the kernel's cache: what a TLS write takes at a time.
const WARM_PIECE_BYTES: usize = 64 * 1024;

/// How long a file of one slice that was just sent is taken to be in the kernel's cache without asking.
const WARM_FOR_MS: u64 = 100;

/// The usual case, without waiting for anything: a small file that is kept, asked for without conditions. Its head is
/// composed, and its bytes are what the caller sends last.
pub fn kept(cx: &mut Cx<'_>, route: &RoutePlan, root: &RootPlan) -> Option<Rc<OpenedFile>> {
    let rules = &route.rules.files;
    let cache = rules.open_cache.as_ref()?;
    if !matches!(cx.tx.head.method, Method::Get | Method::Head)
        || cx.tx.redirected.status != 0
        || !rules.precompressed.is_empty()
        || conditions::any(&cx.tx.fields())
    {
        return None;
    }
    let mut path = std::mem::take(&mut cx.tx.scratch);
    path.clear();
    root.push_file(&cx.scope(), cx.tx.uri(), &mut path);
    let files = &cx.local.files;
    let found = files.find(&path, route.rules.links, cx.tx.now_ms, cache.valid);
    cx.tx.scratch = path;
    let Some((Ok(Found::File(file)), true)) = found else {
        return None;
    };
    file.kept.as_ref()?;
    cx.tx.lines.clear();
    push_lines(cx, route, &file, None);
    let kind = type_of(route, cx.tx.uri());
    encode::field(&mut cx.tx.lines, b"Content-Type", kind);
    head(cx, route, 200, Length::Known(file.size));
    Some(file)
}

fn head(cx: &mut Cx<'_>, route: &RoutePlan, status: u16, length: Length) {
    let (local, site) = (cx.local, cx.site);
    cx.client
        .head(local, cx.tx, Some(site), Some(route), status, length);
}

/// Lines that every answer with or about a file has.
fn push_lines(cx: &mut Cx<'_>, route: &RoutePlan, file: &OpenedFile, coding: Option<&[u8]>) {
    let rules = &route.rules.files;
    let lines = &mut cx.tx.lines;
    lines.extend_from_slice(file.lines(rules.etag));
    if let Some(coding) = coding {
        encode::field(lines, b"Content-Encoding", coding);
    }
    // Under nginx.conf `gzip_vary` says it.
    if !rules.precompressed.is_empty() && cx.site.yaml {
        encode::field(lines, b"Vary", b"Accept-Encoding");
    }
    if rules.ranges_max > 0 {
        lines.extend_from_slice(b"Accept-Ranges: bytes\r\n");
    }
}

/// Sends a file as the request's conditions and ranges ask; `coding` is the sibling's.
pub async fn send(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    file: &Rc<OpenedFile>,
    coding: Option<&'static [u8]>,
) -> Result<(), ClientError> {
    // An error page is sent whole, whatever was asked of what it stands for.
    let plain = matches!(cx.tx.redirected.status, 0 | 200);
    if plain {
        match conditions::judge(cx, route, file, &file.tag) {
            Verdict::Go => {}
            Verdict::Failed => return cx.reply(Some(route), Reply::error(412)).await,
            Verdict::NotModified => {
                cx.tx.lines.clear();
                push_lines(cx, route, file, coding);
                head(cx, route, 304, Length::Said(None));
                return cx.client.last(cx.tx, b"").await;
            }
        }
    }
    let found = if plain {
        wanted(cx, route, file)
    } else {
        Ranges::Whole
    };
    let kind = type_of(route, cx.tx.uri());
    cx.tx.lines.clear();
    push_lines(cx, route, file, coding);
    match found {
        Ranges::Unsatisfiable => {
            let lines = format!("Content-Range: bytes */{}\r\n", file.size);
            let reply = Reply {
                lines: lines.as_bytes(),
                ..Reply::error(416)
            };
            cx.reply(Some(route), reply).await
        }
        Ranges::Whole => {
            encode::field(&mut cx.tx.lines, b"Content-Type", kind);
            head(cx, route, 200, Length::Known(file.size));
            if file.kept.is_some() {
                return cx.client.last(cx.tx, file.content()).await;
            }
            part(cx, route, file, (0, file.size)).await?;
            cx.client.last(cx.tx, b"").await
        }
        Ranges::Parts(parts) => match parts.as_slice() {
            [span] => {
                encode::field(&mut cx.tx.lines, b"Content-Type", kind);
                let line = content_range(*span, file.size);
                cx.tx.lines.extend_from_slice(line.as_bytes());
                head(cx, route, 206, Length::Known(span.1 - span.0));
                part(cx, route, file, *span).await?;
                cx.client.last(cx.tx, b"").await
            }
            spans => several(cx, route, file, kind, spans).await,
        },
    }
}

/// The ranges that are asked for and may be answered. `Range` has a meaning for GET only (RFC 9110 §14.2); nginx answers it
/// for HEAD, too.
fn wanted(cx: &Cx<'_>, route: &RoutePlan, file: &OpenedFile) -> Ranges {
    let fields = cx.tx.fields();
    let Some(value) = fields.get(Name::Range) else {
        return Ranges::Whole;
    };
    if cx.tx.head.method != Method::Get && cx.site.yaml
        || !conditions::if_range(cx, route, file, &file.tag)
    {
        return Ranges::Whole;
    }
    ranges::parse(value, file.size, route.rules.files.ranges_max)
}

fn content_range(span: Span, size: u64) -> String {
    format!("Content-Range: bytes {}-{}/{size}\r\n", span.0, span.1 - 1)
}

/// `multipart/byteranges` (RFC 9110 §14.6).
async fn several(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    file: &Rc<OpenedFile>,
    kind: &[u8],
    spans: &[Span],
) -> Result<(), ClientError> {
    let boundary = format!("{:020}", cx.local.random());
    let before = |span: Span| {
        let mut head = format!("\r\n--{boundary}\r\nContent-Type: ").into_bytes();
        head.extend_from_slice(kind);
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(content_range(span, file.size).as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let length: u64 = spans
        .iter()
        .map(|span| before(*span).len() as u64 + (span.1 - span.0))
        .sum();
    let of_all = format!("multipart/byteranges; boundary={boundary}");
    encode::field(&mut cx.tx.lines, b"Content-Type", of_all.as_bytes());
    head(cx, route, 206, Length::Known(length + end.len() as u64));
    if cx.tx.is_head() {
        return cx.client.last(cx.tx, b"").await;
    }
    for span in spans {
        let before = before(*span);
        cx.client.send(cx.tx, &before).await?;
        part(cx, route, file, *span).await?;
    }
    cx.client.last(cx.tx, end.as_bytes()).await
}

/// Sends a part of a file.
async fn part(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    file: &Rc<OpenedFile>,
    span: Span,
) -> Result<(), ClientError> {
    let nopush = route.rules.files.nopush;
    if cx.tx.is_head() || span.0 == span.1 {
        return Ok(());
    }
    let opened = file;
    match &file.file {
        None => {
            let bytes = file.content().get(span.0 as usize..span.1 as usize);
            cx.client.send(cx.tx, bytes.unwrap_or_default()).await
        }
        Some(file) if cx.client.takes_files() && cx.tx.leaves_as_it_is() => {
            let part = (span.0, span.1 - span.0);
            let is_warm = cx.tx.now_ms < opened.warm_until_ms.get();
            cx.client
                .send_file(cx.tx, file, part, nopush, is_warm)
                .await?;
            if part.1 == opened.size && opened.size <= SLICE_BYTES && !is_warm {
                opened.warm_until_ms.set(cx.tx.now_ms + WARM_FOR_MS);
            }
            Ok(())
        }
        Some(file) => send_pieces(cx, file, span).await,
    }
}

/// Sends a part piece by piece: from the kernel's cache where it has it, else by the blocking pool, which reads the next
/// piece while this one is sent.
pub async fn send_pieces(cx: &mut Cx<'_>, file: &Arc<File>, span: Span) -> Result<(), ClientError> {
    let (mut at, end) = span;
    let mut warm = vec![0; WARM_PIECE_BYTES.min((end - at) as usize)];
    while at < end {
        let want = WARM_PIECE_BYTES.min((end - at) as usize);
        match beneath::read_now(file, warm.get_mut(..want).unwrap_or_default(), at) {
            // A file that shrank while it was sent cannot keep the length that was said.
            Ok(0) => return Err(ClientError::Truncated),
            Ok(n) => {
                at += n as u64;
                let piece = warm.get(..n).unwrap_or_default();
                cx.client.send(cx.tx, piece).await?;
            }
            Err(_) => return cold_pieces(cx, file, (at, end)).await,
        }
    }
    Ok(())
}

async fn cold_pieces(cx: &mut Cx<'_>, file: &Arc<File>, span: Span) -> Result<(), ClientError> {
    let (mut at, end) = span;
    let read = |at: u64| {
        let file = file.clone();
        let want = PIECE_BYTES.min((end - at) as usize);
        tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; want];
            file.read_exact_at(&mut piece, at)?;
            Ok::<_, io::Error>(piece)
        })
    };
    let mut next = read(at);
    while at < end {
        let piece = match next.await.map_err(io::Error::other)? {
            Ok(piece) => piece,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ClientError::Truncated);
            }
            Err(e) => return Err(e.into()),
        };
        at += piece.len() as u64;
        if at >= end {
            return cx.client.send(cx.tx, &piece).await;
        }
        next = read(at);
        cx.client.send(cx.tx, &piece).await?;
    }
    Ok(())
}
