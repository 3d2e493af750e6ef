//! Files under a root: found, opened through each thread's cache, and sent as the client's conditions and ranges ask
//! (RFC 9110 §13, §14; ngx_http_static_module, ngx_http_index_module, ngx_http_try_files_module).
//!
//! A path is the normalised one; what a rewrite or a variable makes of it may hold a `..`, which is refused. Links are
//! followed as the route says. What the kernel has in its caches is opened, read and sent on the worker thread; what would
//! wait for a disk is done by the blocking pool.

mod cache;
mod conditions;
mod directory;
mod encoded;
mod listing;
mod open;
pub mod ranges;
mod send;
mod tries;

pub use cache::OpenFiles;
pub use open::Found;
pub use send::{kept, send_pieces};
pub use tries::tries;

use super::{Outcome, absolute_location};
use crate::{
    client::{ClientError, Reply},
    log_error,
    pipeline::Cx,
    plan::{RootPlan, RoutePlan},
    template::Template,
};
use seawall_http::Method;
use std::io::ErrorKind;

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

/// A file's path, and how long the root is that nothing may leave.
pub struct FilePath {
    /// Absolute.
    pub bytes: Vec<u8>,
    /// Length of the root.
    pub root: usize,
}

impl FilePath {
    /// The file that a path of the site stands for.
    fn of(cx: &Cx<'_>, root: &RootPlan, uri: &[u8], route: &RoutePlan) -> Self {
        let mut bytes = Vec::with_capacity(128);
        let mut length = root.push_file(&cx.scope(), uri, &mut bytes);
        if !cx.site.yaml && route.rules.links != seawall_sys::beneath::Links::Beneath {
            // nginx looks at every name of the path.
            length = length.min(1);
        }
        Self {
            bytes,
            root: length,
        }
    }
}

/// Serves a file or a directory's index.
pub async fn files(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    root: &RootPlan,
    index: &[Template],
) -> Result<Outcome, ClientError> {
    match cx.tx.head.method {
        Method::Get | Method::Head => {}
        Method::Options if cx.site.yaml => {
            let reply = Reply {
                body: Some(b""),
                lines: ALLOW,
                ..Reply::error(204)
            };
            return done(cx.reply(Some(route), reply).await);
        }
        _ => {
            let reply = Reply {
                lines: ALLOW,
                ..Reply::error(405)
            };
            return done(cx.reply(Some(route), reply).await);
        }
    }
    let path = FilePath::of(cx, root, cx.tx.uri(), route);
    if cx.tx.uri().ends_with(b"/") {
        return directory::serve(cx, route, path, index).await;
    }
    if let Some(served) = encoded::serve(cx, route, &path).await? {
        return Ok(served);
    }
    match open::open(cx.local, route, &path).await {
        Ok(Found::File(file)) => done(send::send(cx, route, &file, None).await),
        Ok(Found::Directory) => {
            let mut to = Vec::new();
            if cx.tx.uri_changed {
                seawall_http::uri::escape_path(cx.tx.uri(), &mut to);
            } else {
                to.extend_from_slice(cx.tx.raw_path());
            }
            to.push(b'/');
            if !cx.tx.args().is_empty() {
                to.push(b'?');
                to.extend_from_slice(cx.tx.args());
            }
            let to = absolute_location(cx, Some(route), &to);
            done(cx.reply(Some(route), Reply::redirect(301, &to)).await)
        }
        Err(e) => refuse(cx, route, &path, &e).await,
    }
}

/// A path or a name in it is too long (asm-generic/errno.h).
const ENAMETOOLONG: i32 = 36;

/// What is allowed of a file.
const ALLOW: &[u8] = b"Allow: GET, HEAD, OPTIONS\r\n";

fn done(sent: Result<(), ClientError>) -> Result<Outcome, ClientError> {
    sent.map(|()| Outcome::Done)
}

/// Says that a file cannot be had.
async fn refuse(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: &FilePath,
    error: &std::io::Error,
) -> Result<Outcome, ClientError> {
    let status = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput => 404,
        ErrorKind::PermissionDenied => 403,
        _ if error.raw_os_error() == Some(ENAMETOOLONG) => 414,
        _ => 500,
    };
    let serial = cx.client.info.serial;
    log_error!(
        cx.local.shared,
        Error,
        serial,
        "open() \"{}\" failed ({}), {}",
        String::from_utf8_lossy(&path.bytes),
        crate::access::kernel_words(error),
        crate::access::request_of(cx)
    );
    done(cx.reply(Some(route), Reply::error(status)).await)
}
