//! A subrequest: another URI of the same site for a while, then the request as it was.

use crate::{pipeline::Cx, plan::RootPlan};
use std::sync::Arc;

/// What of a request a subrequest changes for its time.
pub struct Aside {
    uri_buf: Vec<u8>,
    uri_in_buf: bool,
    uri_changed: bool,
    args_buf: Option<Vec<u8>>,
    root: Option<Arc<RootPlan>>,
}

impl Aside {
    /// The request asks for `uri`, without arguments unless it has some itself.
    pub fn lay(cx: &mut Cx<'_>, uri: Vec<u8>) -> Self {
        Self::with_args(cx, uri, Some(Vec::new()))
    }

    /// The request asks for `uri`, with these arguments unless it has some itself; `None` keeps the request's own.
    pub fn with_args(cx: &mut Cx<'_>, uri: Vec<u8>, args: Option<Vec<u8>>) -> Self {
        let tx = &mut *cx.tx;
        let (path, args) = match memchr::memchr(b'?', &uri) {
            Some(at) => {
                let (path, args) = uri.split_at(at);
                let args = args.get(1..).unwrap_or_default().to_vec();
                (path.to_vec(), args)
            }
            None => (uri, args.unwrap_or_else(|| tx.args().to_vec())),
        };
        Self {
            uri_buf: std::mem::replace(&mut tx.uri_buf, path),
            uri_in_buf: std::mem::replace(&mut tx.uri_in_buf, true),
            uri_changed: std::mem::replace(&mut tx.uri_changed, true),
            args_buf: tx.args_buf.replace(args),
            root: tx.root.clone(),
        }
    }

    /// The request is what it was.
    pub fn restore(self, cx: &mut Cx<'_>) {
        let tx = &mut *cx.tx;
        tx.uri_buf = self.uri_buf;
        tx.uri_in_buf = self.uri_in_buf;
        tx.uri_changed = self.uri_changed;
        tx.args_buf = self.args_buf;
        tx.root = self.root;
    }
}
