//! Which route answers: the programs of a site and of its routes run, and lead to a route, to an answer or in a circle.

use super::{Cx, REENTER_MAX, Returned, enter};
use crate::{
    detour::Detour,
    log_error,
    plan::{
        ContentPlan, ContentRules, RoutePlan, SitePlan,
        program::{Target, Verdict},
    },
    step::Step,
    template::Scope,
    tx::Tx,
};
use seawall_http::{Method, uri};
use std::{borrow::Cow, sync::Arc};

/// Where the search of a route starts.
#[derive(Clone, Copy)]
pub(super) enum Start {
    /// With the site's own program.
    Site,
    /// With the path.
    Path,
    /// With this route.
    Route(usize),
}

/// Takes an internal redirect.
pub(super) fn go_on(cx: &mut Cx<'_>, detour: Detour) -> Start {
    cx.tx.redirected.internal = true;
    match detour {
        Detour::Path(path, args) => {
            if let Some(args) = args {
                cx.tx.args_buf = Some(args);
            }
            set_path(cx.tx, path);
            Start::Path
        }
        Detour::Route(at) => Start::Route(at),
    }
}

/// Requests that are refused whatever the configuration says.
pub(super) fn early_refusal(tx: &mut Tx) -> Option<u16> {
    if tx.head.method == Method::Connect {
        return Some(405);
    }
    if tx.head.method == Method::Trace {
        return Some(405);
    }
    let path = tx.raw_path();
    if uri::is_normal(path) || path == b"*" {
        return None;
    }
    let mut normal = std::mem::take(&mut tx.uri_buf);
    normal.clear();
    let made = uri::normalize(tx.raw_path(), true, &mut normal);
    tx.uri_buf = normal;
    tx.uri_in_buf = true;
    made.is_err().then_some(400)
}

/// The route of the path, its program left alone.
pub(super) fn plain_route<'p>(cx: &mut Cx<'p>) -> Option<&'p Arc<RoutePlan>> {
    let site: &'p SitePlan = cx.site;
    let mut captures = std::mem::take(&mut cx.tx.captures);
    let at = site.router.find_for(cx.tx, &mut captures);
    cx.tx.captures = captures;
    match at {
        Some(at) => site.routes.get(at),
        None => site.fallback.as_ref(),
    }
}

pub(super) fn site_program<'p>(cx: &mut Cx<'p>) -> Result<(), Returned<'p>> {
    let site: &'p SitePlan = cx.site;
    enter_root(cx, &site.rules);
    if cx.site.program.is_empty() {
        return Ok(());
    }
    cx.tx.step = Step::SiteRewrite;
    if site.program.wants_id() {
        let local = cx.local;
        cx.tx.ensure_id(|| local.random_id());
    }
    match site.program.run(&mut Rewriting { cx }) {
        Verdict::Return { status, value, .. } => Err(Returned { status, value }),
        // `last`, `break` and a changed path all go on to the search of a location.
        Verdict::Last | Verdict::Continue { .. } => Ok(()),
    }
}

/// A route; or an answer, with the route whose program came to it.
pub(super) type Found<'p> =
    Result<Option<&'p Arc<RoutePlan>>, (Returned<'p>, Option<&'p RoutePlan>)>;

/// Finds the route and runs its program, again while it changes the path.
pub(super) fn find_route<'p>(cx: &mut Cx<'p>, start: Start) -> Found<'p> {
    let site: &'p SitePlan = cx.site;
    let mut named = match start {
        Start::Route(at) => Some(at),
        Start::Site | Start::Path => None,
    };
    for _ in 0..REENTER_MAX {
        cx.tx.step = Step::Route;
        let tx = &mut *cx.tx;
        let mut captures = std::mem::take(&mut tx.captures);
        if named.is_none() && site.router.lacks_slash(tx.uri()) {
            tx.captures = captures;
            let mut to = Vec::new();
            uri::escape_path(cx.tx.uri(), &mut to);
            to.push(b'/');
            if !cx.tx.args().is_empty() {
                to.push(b'?');
                to.extend_from_slice(cx.tx.args());
            }
            let slashed = Returned {
                status: 301,
                value: Some(Cow::Owned(to)),
            };
            return Err((slashed, site.fallback.as_deref()));
        }
        tx.redirected.rewritten = false;
        let at = match named.take() {
            None => site.router.find_for(tx, &mut captures),
            named => named,
        };
        for (group, slot) in at.map_or(&[][..], |at| site.router.groups(at)) {
            if let Some(held) = tx.user.get_mut(*slot) {
                *held = Some(captures.get(*group).to_vec());
            }
        }
        tx.captures = captures;
        let route = match at {
            Some(at) => site.routes.get(at),
            None => site.fallback.as_ref(),
        };
        let Some(route) = route else { return Ok(None) };
        if (route.rules.internal || cx.tx.redirected.by_origin) && !may_enter(cx, route) {
            let missing = Returned {
                status: 404,
                value: None,
            };
            return Err((missing, Some(route)));
        }
        if let ContentPlan::Proxy(proxy) = &route.content {
            cx.tx.fastcgi = proxy.fastcgi.clone();
        }
        enter_root(cx, &route.rules);
        if route.program.is_empty() {
            return Ok(Some(route));
        }
        cx.tx.step = Step::Rewrite;
        if route.program.wants_id() {
            let local = cx.local;
            cx.tx.ensure_id(|| local.random_id());
        }
        match route.program.run(&mut Rewriting { cx }) {
            Verdict::Return {
                status,
                value,
                route: inner,
            } => {
                let route = inner.unwrap_or(route);
                enter(cx, route);
                return Err((Returned { status, value }, Some(route)));
            }
            Verdict::Last => {}
            Verdict::Continue {
                uri_changed: true, ..
            } => {}
            Verdict::Continue {
                uri_changed: false,
                route: inner,
            } => return Ok(Some(inner.unwrap_or(route))),
        }
    }
    let cycle = Returned {
        status: 500,
        value: None,
    };
    Err((cycle, None))
}

/// Runs the program of a route for a subrequest: the route of a true `if`, or the status it came to.
pub fn run_program<'p>(
    cx: &mut Cx<'_>,
    route: &'p RoutePlan,
) -> Result<Option<&'p Arc<RoutePlan>>, u16> {
    enter_root(cx, &route.rules);
    if route.program.is_empty() {
        return Ok(None);
    }
    match route.program.run(&mut Rewriting { cx }) {
        Verdict::Return { status, .. } => Err(status),
        Verdict::Last => Err(500),
        Verdict::Continue { route, .. } => Ok(route),
    }
}

/// Internal routes are for internal redirects; an origin leads to them only, but for nginx.conf's.
fn may_enter(cx: &mut Cx<'_>, route: &RoutePlan) -> bool {
    if route.rules.internal {
        return cx.tx.redirected.internal;
    }
    cx.tx.redirected.by_origin = false;
    if cx.site.yaml {
        log_error!(
            cx.local.shared,
            Error,
            cx.client.info.serial,
            "X-Accel-Redirect to \"{}\", whose route is not internal",
            cx.tx.uri().escape_ascii()
        );
    }
    !cx.site.yaml
}

struct Rewriting<'a, 'b> {
    cx: &'a mut Cx<'b>,
}

impl Target for Rewriting<'_, '_> {
    fn scope(&self) -> Scope<'_> {
        self.cx.scope()
    }

    fn set(&mut self, slot: usize, value: Vec<u8>) {
        if let Some(held) = self.cx.tx.user.get_mut(slot) {
            *held = Some(value);
        }
    }

    fn keep(&mut self, captures: &regex::bytes::Captures<'_>) {
        self.cx.tx.captures.keep(captures);
    }

    fn set_args(&mut self, args: Vec<u8>) {
        self.cx.tx.args_buf = Some(args);
    }

    fn rewrite(&mut self, path: Vec<u8>, args: Option<Vec<u8>>) {
        self.cx.tx.redirected.internal = true;
        self.cx.tx.redirected.rewritten = true;
        self.cx.tx.args_buf = args.or_else(|| Some(self.cx.tx.args().to_vec()));
        set_path(self.cx.tx, path);
    }
}

fn set_path(tx: &mut Tx, path: Vec<u8>) {
    tx.uri_buf = path;
    tx.uri_in_buf = true;
    tx.uri_changed = true;
}

/// From here on the variables about files speak of this level's root.
pub(super) fn enter_root(cx: &mut Cx<'_>, rules: &ContentRules) {
    if cx.plan.names_files {
        cx.tx.root.clone_from(&rules.root);
    }
}

/// The route that a request in `cx` would take, for purges: the programs run, nothing is answered.
pub fn route_of<'p>(cx: &mut Cx<'p>) -> Option<&'p Arc<RoutePlan>> {
    if early_refusal(cx.tx).is_some() || site_program(cx).is_err() {
        return None;
    }
    find_route(cx, Start::Path).ok().flatten()
}
