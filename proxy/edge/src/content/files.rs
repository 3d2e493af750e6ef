//! Files under a root (ngx_http_static_module, ngx_http_index_module): GET and HEAD, validators, an index.
//!
//! The path is the normalised one, so it holds no `..`; opening and reading happen off the worker thread, which never
//! waits for a disk.

use super::{Outcome, absolute_location};
use crate::{
    client::{ClientError, Length, Reply},
    log_error,
    pipeline::Cx,
    plan::RoutePlan,
    template::Template,
};
use seawall_http::{Method, Name, date, encode, etag};
use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io::{self, ErrorKind, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// `O_NONBLOCK` of Linux (asm-generic/fcntl.h); regular files do not heed it.
const O_NONBLOCK: i32 = 0o4000;
/// Read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Content type of a path by its extension.
pub fn type_of<'a>(route: &'a RoutePlan, path: &[u8]) -> &'a [u8] {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let extension = memchr::memrchr(b'.', name)
        .and_then(|at| name.get(at + 1..))
        .unwrap_or_default();
    let known = if extension.iter().any(u8::is_ascii_uppercase) {
        route
            .types
            .by_extension
            .get(extension.to_ascii_lowercase().as_slice())
    } else {
        route.types.by_extension.get(extension)
    };
    known.unwrap_or(&route.types.default)
}

/// Serves a file or a directory's index.
pub async fn files(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    root: &Template,
    index: &[Template],
) -> Result<Outcome, ClientError> {
    if !matches!(cx.tx.head.method, Method::Get | Method::Head) {
        return cx
            .reply(Some(route), Reply::error(405))
            .await
            .map(|()| Outcome::Done);
    }
    let mut path = Vec::new();
    root.render(&cx.scope(), &mut path);
    path.extend_from_slice(cx.tx.uri());
    if cx.tx.uri().ends_with(b"/") {
        return directory(cx, route, path, index).await;
    }
    let path = PathBuf::from(OsStr::from_bytes(&path));
    match open(path.clone()).await {
        Ok(Opened::File(file, meta, first)) => send(cx, route, file, &meta, first)
            .await
            .map(|()| Outcome::Done),
        Ok(Opened::Directory) => {
            let mut to = cx.tx.raw_path().to_vec();
            to.push(b'/');
            if !cx.tx.args().is_empty() {
                to.push(b'?');
                to.extend_from_slice(cx.tx.args());
            }
            let to = absolute_location(cx, &to);
            cx.reply(Some(route), Reply::redirect(301, &to))
                .await
                .map(|()| Outcome::Done)
        }
        Err(e) => refuse(cx, route, &path, &e).await,
    }
}

async fn directory(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: Vec<u8>,
    index: &[Template],
) -> Result<Outcome, ClientError> {
    for name in index {
        let mut rendered = Vec::new();
        name.render(&cx.scope(), &mut rendered);
        let mut candidate = path.clone();
        candidate.extend_from_slice(rendered.strip_prefix(b"/").unwrap_or(&rendered));
        let exists = tokio::task::spawn_blocking(move || {
            std::fs::metadata(OsStr::from_bytes(&candidate)).is_ok_and(|m| m.is_file())
        });
        if exists.await.unwrap_or(false) {
            let mut to = cx.tx.uri().to_vec();
            to.extend_from_slice(rendered.strip_prefix(b"/").unwrap_or(&rendered));
            return Ok(Outcome::Reenter(to));
        }
    }
    let path = PathBuf::from(OsStr::from_bytes(&path));
    let missing = !path.is_dir();
    let status = if missing { 404 } else { 403 };
    if !missing {
        let serial = cx.client.info.serial;
        log_error!(
            cx.local.shared,
            Error,
            serial,
            "directory index of \"{}\" is forbidden",
            path.display()
        );
    }
    cx.reply(Some(route), Reply::error(status))
        .await
        .map(|()| Outcome::Done)
}

async fn refuse(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: &Path,
    error: &io::Error,
) -> Result<Outcome, ClientError> {
    let status = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => 404,
        ErrorKind::PermissionDenied => 403,
        _ if error.raw_os_error() == Some(36) => 414,
        _ => 500,
    };
    let serial = cx.client.info.serial;
    log_error!(
        cx.local.shared,
        Error,
        serial,
        "open() \"{}\" failed ({error})",
        path.display()
    );
    cx.reply(Some(route), Reply::error(status))
        .await
        .map(|()| Outcome::Done)
}

enum Opened {
    File(File, Box<Metadata>, Vec<u8>),
    Directory,
}

async fn open(path: PathBuf) -> io::Result<Opened> {
    let work = tokio::task::spawn_blocking(move || {
        // Without waiting: to open a pipe would wait for its other end.
        let mut file = File::options()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open(&path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Ok(Opened::Directory);
        }
        if !meta.is_file() {
            // A pipe or a device would block or never end.
            return Err(ErrorKind::PermissionDenied.into());
        }
        let mut first = vec![0; PIECE_BYTES.min(meta.len() as usize)];
        let n = read_full(&mut file, &mut first)?;
        first.truncate(n);
        Ok(Opened::File(file, Box::new(meta), first))
    });
    work.await.map_err(io::Error::other)?
}

fn read_full(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while let Some(free) = buf.get_mut(n..).filter(|f| !f.is_empty()) {
        match file.read(free) {
            Ok(0) => break,
            Ok(read) => n += read,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(n)
}

async fn send(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    mut file: File,
    meta: &Metadata,
    first: Vec<u8>,
) -> Result<(), ClientError> {
    let modified = meta.mtime().max(0) as u64;
    let tag = format!("\"{modified:x}-{:x}\"", meta.len());
    let unchanged = is_unchanged(cx, &tag, modified);
    let lines = &mut cx.tx.lines;
    lines.clear();
    encode::field(lines, b"Last-Modified", &date::format(modified));
    encode::field(lines, b"ETag", tag.as_bytes());
    if unchanged {
        cx.client.head(
            cx.local,
            cx.tx,
            Some(cx.site),
            Some(route),
            304,
            Length::Said(None),
        );
        return cx.client.last(cx.tx, b"").await;
    }
    let kind = type_of(route, cx.tx.uri());
    encode::field(&mut cx.tx.lines, b"Content-Type", kind);
    cx.client.head(
        cx.local,
        cx.tx,
        Some(cx.site),
        Some(route),
        200,
        Length::Known(meta.len()),
    );
    let mut left = meta.len().saturating_sub(first.len() as u64);
    if left == 0 || cx.tx.is_head() {
        return cx.client.last(cx.tx, &first).await;
    }
    cx.client.send(cx.tx, &first).await?;
    while left > 0 {
        let work = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE_BYTES];
            let n = read_full(&mut file, &mut piece);
            (file, piece, n)
        });
        let (back, piece, n) = work
            .await
            .map_err(|e| ClientError::Io(io::Error::other(e)))?;
        file = back;
        // A file that shrank while it was sent cannot keep the length that was said.
        let n = n?.min(left as usize);
        if n == 0 {
            return Err(ClientError::Truncated);
        }
        left -= n as u64;
        cx.client
            .send(cx.tx, piece.get(..n).unwrap_or_default())
            .await?;
    }
    Ok(())
}

/// RFC 9110 §13.2.2: If-None-Match first, If-Modified-Since only without it.
fn is_unchanged(cx: &Cx<'_>, current: &str, modified: u64) -> bool {
    let fields = cx.tx.fields();
    if fields.has(Name::IfNoneMatch) {
        return fields
            .all(Name::IfNoneMatch)
            .any(|line| etag::if_none_match(line, Some(current.as_bytes())));
    }
    fields
        .get(Name::IfModifiedSince)
        .and_then(date::parse)
        .is_some_and(|since| modified <= since)
}
