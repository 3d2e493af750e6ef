//! A directory: its index, or a listing.

use super::{FilePath, Found, done, listing, open, refuse};
use crate::{
    client::{ClientError, Reply},
    content::Outcome,
    log_error,
    pipeline::Cx,
    plan::RoutePlan,
    template::Template,
};

/// Leads to the index, or lists, or refuses.
pub async fn serve(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: FilePath,
    index: &[Template],
) -> Result<Outcome, ClientError> {
    for name in index {
        let mut rendered = Vec::new();
        name.render(&cx.scope(), &mut rendered);
        // nginx: an index that is a path is where the request goes on.
        let absolute = rendered.first() == Some(&b'/');
        let mut candidate = FilePath {
            bytes: path.bytes.clone(),
            root: path.root,
        };
        if absolute {
            return Ok(Outcome::Reenter(rendered));
        }
        candidate.bytes.extend_from_slice(&rendered);
        if let Ok(Found::File(_)) = open::open(cx.local, route, &candidate).await {
            let mut to = cx.tx.uri().to_vec();
            to.extend_from_slice(&rendered);
            return Ok(Outcome::Reenter(to));
        }
    }
    match open::open(cx.local, route, &path).await {
        Ok(Found::Directory) => {}
        Ok(Found::File(_)) => return done(cx.reply(Some(route), Reply::error(404)).await),
        Err(e) => return refuse(cx, route, &path, &e).await,
    }
    if let Some(listing) = &route.rules.files.listing {
        return done(listing::send(cx, route, &path, *listing).await);
    }
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "directory index of \"{}\" is forbidden, {}",
        String::from_utf8_lossy(&path.bytes),
        crate::access::request_of(cx)
    );
    done(cx.reply(Some(route), Reply::error(403)).await)
}
