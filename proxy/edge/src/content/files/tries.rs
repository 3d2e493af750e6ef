//! `try`: the first file that is there becomes the path (ngx_http_try_files_module).

use super::{FilePath, Found, open};
use crate::{
    client::{ClientError, Reply},
    detour,
    pipeline::Cx,
    plan::{
        RoutePlan,
        content::{TryLast, TryPlan},
    },
};
use seawall_conf::model::Alias;

/// Looks for the files. True if the request was answered or goes on elsewhere; false if the content is to answer.
pub async fn tries(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &TryPlan,
) -> Result<bool, ClientError> {
    for (candidate, directory) in &plan.candidates {
        let mut name = Vec::new();
        candidate.render(&cx.scope(), &mut name);
        let path = path_of(cx, route, plan, &name);
        let found = open::open(cx.local, route, &path).await;
        let is_it = match found {
            Ok(Found::File(_)) => !directory,
            Ok(Found::Directory) => *directory,
            Err(_) => false,
        };
        if is_it {
            let name = site_path(plan, name);
            if name != cx.tx.uri() {
                cx.tx.uri_buf = name;
                cx.tx.uri_in_buf = true;
                cx.tx.uri_changed = true;
            }
            return Ok(false);
        }
    }
    let status = match &plan.last {
        TryLast::Status(status) => *status,
        TryLast::To(to) => {
            let mut target = Vec::new();
            to.render(&cx.scope(), &mut target);
            // In YAML the client's query goes along, unless the target has its own; in nginx it never does.
            let keeps_args = cx.site.yaml;
            if detour::lead(cx, &target, keeps_args) {
                return Ok(true);
            }
            500
        }
    };
    cx.reply(Some(route), Reply::error(status))
        .await
        .map(|()| true)
}

fn path_of(cx: &Cx<'_>, route: &RoutePlan, plan: &TryPlan, name: &[u8]) -> FilePath {
    let below = match &plan.root.alias {
        Some(Alias::Prefix(prefix)) => name.strip_prefix(prefix.as_bytes()).unwrap_or(name),
        _ => name,
    };
    let mut bytes = Vec::with_capacity(128);
    let mut root = plan.root.push(&cx.scope(), &mut bytes);
    bytes.extend_from_slice(below);
    if !cx.site.yaml && route.rules.links != seawall_sys::beneath::Links::Beneath {
        root = root.min(1);
    }
    FilePath { bytes, root }
}

/// The path within the site of a name that was found.
fn site_path(plan: &TryPlan, name: Vec<u8>) -> Vec<u8> {
    match &plan.root.alias {
        Some(Alias::Prefix(prefix)) if !name.starts_with(prefix.as_bytes()) => {
            [prefix.as_bytes(), &name].concat()
        }
        _ => name,
    }
}
