//! Where a request's files lie, for `$document_root`, `$realpath_root` and `$request_filename` (ngx_http_core_module).
//!
//! What they say depends on the location that a request is in when it is asked, so the root goes with the request.
//! Only where a configuration names one of them: no other pays for it.

use crate::{plan::RootPlan, template::Scope};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// A variable about files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// `$document_root`: `root`, or `alias`.
    Root,
    /// `$realpath_root`: the same with every symbolic link followed; empty where there is nothing.
    RealRoot,
    /// `$request_filename`: the file of the path.
    File,
}

/// Appends the value. Without a root there is no file but the path itself.
pub fn render(what: Whereabouts, root: Option<&RootPlan>, scope: &Scope<'_>, out: &mut Vec<u8>) {
    let uri = scope.tx.uri();
    match (what, root) {
        (Whereabouts::Root, Some(root)) => root.push_whole(scope, out),
        (Whereabouts::RealRoot, Some(root)) => {
            let mut path = Vec::new();
            root.push_whole(scope, &mut path);
            // One system call a path's part, as in nginx: whoever asks for it has links that change.
            if let Ok(real) = std::fs::canonicalize(OsStr::from_bytes(&path)) {
                out.extend_from_slice(real.as_os_str().as_bytes());
            }
        }
        (Whereabouts::File, Some(root)) => {
            root.push_file(scope, uri, out);
        }
        (Whereabouts::File, None) => out.extend_from_slice(uri),
        (Whereabouts::Root | Whereabouts::RealRoot, None) => {}
    }
}
