//! What an origin's answer leads to in place of itself: a file or a route it names (X-Accel-Redirect), or an error page of
//! ours (nginx: `proxy_intercept_errors`).

use crate::{
    client::{ClientError, Reply},
    detour, log_error,
    origin::Answer,
    pipeline::Cx,
    plan::RoutePlan,
    tx::OriginScratch,
};
use seawall_http::{Name, encode, uri};

/// What an answer that leads elsewhere says of the answer in its place (ngx_http_upstream_module).
const CARRIED: [Name; 6] = [
    Name::ContentType,
    Name::SetCookie,
    Name::ContentDisposition,
    Name::CacheControl,
    Name::Expires,
    Name::AcceptRanges,
];

/// Whether the answer whose head has come leads elsewhere.
pub fn diverts(cx: &Cx<'_>, route: &RoutePlan, scratch: &OriginScratch) -> bool {
    let Some(head) = &scratch.head else {
        return false;
    };
    leads(scratch)
        || (route.rules.intercept && head.status >= 300 && has_page(cx, route, head.status))
}

/// Whether a head names another place. For what has no client: such an answer is never stored.
pub fn leads(scratch: &OriginScratch) -> bool {
    let name = Name::XAccelRedirect;
    (scratch.head.as_ref()).is_some_and(|head| head.fields(scratch.rb.bytes()).has(name))
}

fn has_page(cx: &Cx<'_>, route: &RoutePlan, status: u16) -> bool {
    let errors = &route.rules.errors;
    (!cx.tx.redirected.in_page || errors.recursive) && errors.find(status).is_some()
}

/// Lets go of the answer and leads the request where it says.
pub async fn divert(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    answer: Answer,
    scratch: &OriginScratch,
) -> Result<(), ClientError> {
    if answer.is_done() {
        answer.finish(cx.local, &scratch.rb);
    }
    let Some(head) = &scratch.head else {
        return Ok(());
    };
    let fields = head.fields(scratch.rb.bytes());
    let Some(target) = fields.get(Name::XAccelRedirect) else {
        let mut lines = Vec::new();
        for value in fields.all(Name::WwwAuthenticate) {
            encode::field(&mut lines, b"WWW-Authenticate", value);
        }
        let reply = Reply {
            lines: &lines,
            ..Reply::error(head.status)
        };
        return cx.reply(Some(route), reply).await;
    };
    let lines = &mut cx.tx.redirected.lines;
    lines.clear();
    for (id, name, value) in fields.iter() {
        if CARRIED.contains(&id) {
            encode::field(lines, name, value);
        }
    }
    if follow(cx, target) {
        return Ok(());
    }
    cx.tx.redirected.lines.clear();
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "upstream sent an X-Accel-Redirect that leads nowhere: \"{}\"",
        target.escape_ascii()
    );
    cx.reply(Some(route), Reply::error(404)).await
}

/// Takes the place an origin named. Its path is decoded and made normal like a client's.
fn follow(cx: &mut Cx<'_>, target: &[u8]) -> bool {
    cx.tx.redirected.status = 0;
    if target.first() == Some(&b'@') {
        if cx.tx.body_read > 0 {
            detour::answer_as_get(cx);
        }
        return detour::lead(cx, target, false);
    }
    let at = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, args) = target.split_at(at);
    let mut normal = Vec::new();
    if uri::normalize(path, true, &mut normal).is_err() {
        return false;
    }
    detour::answer_as_get(cx);
    cx.tx.redirected.by_origin = true;
    let args = args.get(1..).unwrap_or_default().to_vec();
    cx.tx.redirected.next = Some(Box::new(detour::Detour::Path(normal, Some(args))));
    true
}
