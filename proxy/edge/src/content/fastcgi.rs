//! What comes before an application is asked: its script is found, a body of unknown length is held back.

use super::Outcome;
use crate::{
    client::{ClientError, Reply},
    log_error,
    origin::FetchError,
    pipeline::Cx,
    plan::{FastCgiPlan, FindPlan, RoutePlan},
    spool::Spool,
    tx::Script,
};
use seawall_http::{Framing, uri};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

/// What a path turned out to be.
enum Found {
    Script(Script),
    File,
    /// A directory that was asked for without its slash.
    Directory,
    Nothing,
}

/// Makes a request ready for an application; an outcome where it is answered without one.
pub async fn fastcgi(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &FastCgiPlan,
    spool: &mut Option<Spool>,
) -> Result<Option<Outcome>, ClientError> {
    // One that an earlier route found is not this one's.
    cx.tx.script = None;
    if let Some(find) = &plan.find {
        match look(cx, plan, find).await {
            Found::Script(script) => cx.tx.script = Some(Box::new(script)),
            Found::File => {
                return super::files(cx, route, &find.root, &find.index)
                    .await
                    .map(Some);
            }
            Found::Directory => {
                // The normalised path: two slashes at its beginning would name another host.
                let mut to = Vec::new();
                uri::escape_path(cx.tx.uri(), &mut to);
                to.push(b'/');
                if !cx.tx.args().is_empty() {
                    to.push(b'?');
                    to.extend_from_slice(cx.tx.args());
                }
                // 308: a form that was posted stays posted.
                let sent = cx.reply(Some(route), Reply::redirect(308, &to)).await;
                return sent.map(|()| Some(Outcome::Done));
            }
            Found::Nothing => {
                let sent = cx.reply(Some(route), Reply::error(404)).await;
                return sent.map(|()| Some(Outcome::Done));
            }
        }
    }
    match hold_body(cx, route, spool).await {
        Ok(()) => Ok(None),
        Err(e) => super::exchange_error(cx, route, &e).await.map(Some),
    }
}

/// Whether a name in a path begins with a dot: `.env`, `.git`, `.htaccess`, `.user.ini` are for the application's own eyes.
/// `.well-known` is not (RFC 8615).
fn is_hidden(path: &[u8]) -> bool {
    path.split(|b| *b == b'/')
        .any(|name| name.starts_with(b".") && name != b".well-known")
}

/// Looks at the files, off the worker thread.
async fn look(cx: &Cx<'_>, plan: &FastCgiPlan, find: &FindPlan) -> Found {
    let mut root = Vec::new();
    find.root.push(&cx.scope(), &mut root);
    let uri = cx.tx.uri().to_vec();
    let split = plan.script_of(&uri);
    let split = split.map(|(script, rest)| (script.to_vec(), rest.to_vec()));
    let index = plan.index().to_vec();
    let fallback = find.fallback.clone();
    let work = move || {
        let kind = |path: &[u8]| {
            let whole = [&root, path].concat();
            fs::metadata(OsStr::from_bytes(&whole)).ok()
        };
        let is_file = |path: &[u8]| kind(path).is_some_and(|m| m.is_file());
        let script = |name: Vec<u8>, path_info: Vec<u8>| Found::Script(Script { name, path_info });
        if let Some((name, path_info)) = split
            && is_file(&name)
        {
            return script(name, path_info);
        }
        match kind(&uri) {
            Some(m) if m.is_file() && !is_hidden(&uri) => return Found::File,
            Some(m) if m.is_dir() && !index.is_empty() => {
                let slash: &[u8] = if uri.ends_with(b"/") { b"" } else { b"/" };
                let name = [&uri, slash, &index].concat();
                if is_file(&name) {
                    return if slash.is_empty() {
                        script(name, Vec::new())
                    } else {
                        Found::Directory
                    };
                }
            }
            _ => {}
        }
        match fallback {
            Some(name) if is_file(&name) => script(name.into_vec(), Vec::new()),
            _ => Found::Nothing,
        }
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Found::Nothing)
}

/// An application is told the length of a body before the body (RFC 3875 §4.1.2): one that comes in chunks is held back
/// whole, in memory and then in a file, within the route's limit.
async fn hold_body(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    spool: &mut Option<Spool>,
) -> Result<(), FetchError> {
    if !cx.client.body.is_present() || matches!(cx.tx.head.framing, Framing::Length(_)) {
        return Ok(());
    }
    let mut held = spool.take().unwrap_or_default();
    while let Some(range) = cx.client.next_chunk(cx.tx).await? {
        if route
            .body_limit
            .is_some_and(|limit| cx.tx.body_read > limit)
        {
            log_error!(
                cx.local.shared,
                Error,
                cx.client.info.serial,
                "client intended to send too large chunked body"
            );
            return Err(FetchError::TooLarge);
        }
        let data = cx.tx.rb.bytes().get(range).unwrap_or_default();
        held.push(data).map_err(ClientError::Io)?;
    }
    *spool = Some(held);
    Ok(())
}
