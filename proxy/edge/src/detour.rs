//! Internal redirects: where a request goes on when its first route did not answer it.
//!
//! Error pages, `try`, X-Accel-Redirect and an index all lead a request to another path or route of its site, at most
//! [`REENTER_MAX`](crate::pipeline::REENTER_MAX) times. What leads away leaves a [`Detour`] in the request and says that it is
//! done; the pipeline, finding one in place of an answer, looks for the route again.

use crate::{
    client::Reply,
    log_error,
    pipeline::Cx,
    plan::{
        ContentRules, RoutePlan,
        content::{PagePlan, PageTo},
    },
};
use seawall_conf::model::PageStatus;
use seawall_http::Method;

/// What an internal redirect has made of a request.
#[derive(Default)]
pub struct Redirected {
    /// Where it goes on.
    pub next: Option<Box<Detour>>,
    /// Whether the request was led here by ourselves, so that internal routes are open to it.
    pub internal: bool,
    /// Whether the origin led it here.
    pub by_origin: bool,
    /// Whether an error page is being made.
    pub in_page: bool,
    /// Whether it is answered as GET, whatever the client sent.
    pub as_get: bool,
    /// Whether its route's own program rewrote the path: a prefix of the route is no part of it any more.
    pub rewritten: bool,
    /// The status that the answer gets in place of its own; 0 for none.
    pub status: u16,
    /// Header lines that the answer gets beside its own.
    pub lines: Vec<u8>,
}

/// Where a request goes on.
pub enum Detour {
    /// A path, and the arguments if they are replaced.
    Path(Vec<u8>, Option<Vec<u8>>),
    /// A route.
    Route(usize),
}

impl Redirected {
    /// Forgets everything.
    pub fn reset(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        *self = Self {
            lines,
            ..Self::default()
        };
    }
}

/// What answers an error.
pub enum Page<'p> {
    /// The page every status has.
    Own,
    /// The request goes on elsewhere.
    Elsewhere,
    /// This.
    Reply(Reply<'p>),
    /// A redirect to this place, with this status.
    Location(u16, Vec<u8>),
}

/// Looks for the page of an error. `route` is where the error was made.
pub fn error_page<'p>(
    cx: &mut Cx<'_>,
    rules: &'p ContentRules,
    route: Option<&RoutePlan>,
    status: u16,
) -> Page<'p> {
    // What an earlier page wanted ends here: this is another answer.
    cx.tx.redirected.status = 0;
    if cx.tx.redirected.in_page && !rules.errors.recursive {
        return Page::Own;
    }
    let Some(page) = rules.errors.find(status) else {
        return Page::Own;
    };
    cx.tx.redirected.in_page = true;
    match &page.to {
        PageTo::Kept { body, content_type } => Page::Reply(Reply {
            body: Some(body),
            content_type,
            ..Reply::error(match page.status {
                PageStatus::Original => status,
                PageStatus::Fixed(status) => status,
                PageStatus::OfPage => 200,
            })
        }),
        PageTo::To(to) => {
            let mut target = Vec::new();
            // `$status` on the way to the page is the error's.
            cx.tx.status = status;
            to.render(&cx.scope(), &mut target);
            cx.tx.status = 0;
            lead_to_page(cx, route, page, status, target)
        }
    }
}

fn lead_to_page<'p>(
    cx: &mut Cx<'_>,
    route: Option<&RoutePlan>,
    page: &PagePlan,
    status: u16,
    target: Vec<u8>,
) -> Page<'p> {
    let wanted = match page.status {
        PageStatus::Original => status,
        PageStatus::Fixed(status) => status,
        PageStatus::OfPage => 0,
    };
    match target.first() {
        Some(b'/' | b'@') => {
            let named = target.first() == Some(&b'@');
            cx.tx.redirected.status = wanted;
            // The body is read already, or belongs to the request that failed.
            if !named || cx.tx.body_read > 0 {
                answer_as_get(cx);
            }
            if lead(cx, &target, false) {
                Page::Elsewhere
            } else {
                cx.tx.redirected.status = 0;
                Page::Own
            }
        }
        _ => {
            let status = match wanted {
                301 | 302 | 303 | 307 | 308 => wanted,
                _ => 302,
            };
            let location = crate::content::absolute_location(cx, route, &target);
            Page::Location(status, location)
        }
    }
}

/// From here on the request is a GET without a body; HEAD stays HEAD.
pub fn answer_as_get(cx: &mut Cx<'_>) {
    if cx.tx.head.method != Method::Head {
        cx.tx.head.method = Method::Get;
        cx.tx.redirected.as_get = true;
    }
    cx.tx.head.framing = seawall_http::Framing::None;
    cx.client.body.withhold();
}

/// Leads the request on to a path with its query, or to a route by its `@name`. False if there is no such route, which is
/// logged.
pub fn lead(cx: &mut Cx<'_>, target: &[u8], keeps_args: bool) -> bool {
    let detour = if target.first() == Some(&b'@') {
        let name = String::from_utf8_lossy(target);
        match cx.site.router.named(&name) {
            Some(at) => Detour::Route(at),
            None => {
                let serial = cx.client.info.serial;
                log_error!(
                    cx.local.shared,
                    Error,
                    serial,
                    "could not find named location \"{}\"",
                    target.escape_ascii()
                );
                return false;
            }
        }
    } else {
        match memchr::memchr(b'?', target) {
            Some(at) => {
                let (path, args) = target.split_at(at);
                Detour::Path(
                    path.to_vec(),
                    Some(args.get(1..).unwrap_or_default().into()),
                )
            }
            None if keeps_args => Detour::Path(target.to_vec(), None),
            None => Detour::Path(target.to_vec(), Some(Vec::new())),
        }
    };
    cx.tx.redirected.next = Some(Box::new(detour));
    true
}
