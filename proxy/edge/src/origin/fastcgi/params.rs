//! What an application is told of a request: the parameters of the configuration, and the request's fields as `HTTP_*`.

use super::{
    super::request::{Built, Conditional, push_lines},
    job::Job,
};
use crate::{
    pipeline::Cx,
    plan::{FastCgiPlan, ProxyPlan},
};
use seawall_http::{
    Framing, Method, Name,
    fastcgi::{self, CgiRequest},
};
use smallvec::SmallVec;

const CONDITIONS: u128 = super::super::mask(&[
    Name::IfMatch,
    Name::IfNoneMatch,
    Name::IfModifiedSince,
    Name::IfUnmodifiedSince,
    Name::IfRange,
    Name::Range,
]);

/// Builds the request for an application into `out`; `length` is the body's where it was held back.
pub fn build(
    cx: &mut Cx<'_>,
    proxy: &ProxyPlan,
    plan: &FastCgiPlan,
    conditional: &Conditional<'_>,
    length: Option<u64>,
    out: &mut Vec<u8>,
) -> Built {
    cx.tx.proxy_host = proxy.proxy_host.clone();
    cx.tx.proxy_port = proxy.proxy_port;
    let fills = conditional.fills();
    let present = cx.client.body.is_present() && !fills;
    let body = match (length, cx.tx.head.framing) {
        _ if !present => 0,
        (Some(n), _) | (None, Framing::Length(n)) => n,
        // A body whose length is not known is held back before (RFC 3875 §4.2); without that nothing is sent of it.
        (None, _) => return Built::Ambiguous,
    };
    let mut pairs = Vec::with_capacity(2048);
    push_params(cx, plan, fills, present.then_some(body), &mut pairs);
    if !plan.no_fields {
        let mut lines = Vec::with_capacity(1024);
        if !push_lines(cx, proxy, conditional, &mut lines) {
            return Built::Ambiguous;
        }
        push_fields(&lines, cx.site.yaml, plan, &mut pairs);
    }
    let mut records = Vec::with_capacity(pairs.len() + 64);
    fastcgi::begin(&mut records, plan.keep);
    fastcgi::params(&mut records, &pairs);
    if body == 0 {
        fastcgi::stdin_end(&mut records);
    }
    let fields = cx.tx.fields();
    let asked = |set: u128| fields.present & set != 0;
    let validators =
        matches!(conditional, Conditional::Validators(e, m) if e.is_some() || m.is_some());
    let job = Job {
        request: CgiRequest {
            head: cx.tx.head.method == Method::Head && !fills,
            conditional: validators || !fills && asked(CONDITIONS & !Name::Range.bit()),
            range: !fills && fields.has(Name::Range),
            keep: plan.keep,
        },
        records: records.len(),
        body,
        serial: cx.client.info.serial,
    };
    out.clear();
    job.write(out);
    out.extend_from_slice(&records);
    Built::Ready
}

fn push_params(
    cx: &Cx<'_>,
    plan: &FastCgiPlan,
    fills: bool,
    body: Option<u64>,
    pairs: &mut Vec<u8>,
) {
    let scope = cx.scope();
    let mut value = Vec::new();
    for param in &plan.params {
        value.clear();
        match &*param.name {
            // The length as it is sent, whatever the client said of it.
            b"CONTENT_LENGTH" => {
                if let Some(n) = body {
                    value.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
                }
            }
            // A fill asks for the whole answer.
            b"REQUEST_METHOD" if fills => value.extend_from_slice(b"GET"),
            _ => param.value.render(&scope, &mut value),
        }
        if !(param.if_not_empty && value.is_empty()) {
            fastcgi::param(pairs, &param.name, &value);
        }
    }
}

/// `HTTP_*` (RFC 3875 §4.1.18): the field lines that any origin would get. `Proxy` is left out: as `HTTP_PROXY` it would name
/// a proxy to programs that look for one in their environment (CVE-2016-5385). So is a name with an underscore, which could
/// not be told from one with a dash. Lines of one name are joined.
fn push_fields(lines: &[u8], yaml: bool, plan: &FastCgiPlan, pairs: &mut Vec<u8>) {
    let all: SmallVec<[(&[u8], &[u8]); 32]> = lines
        .split(|b| *b == b'\n')
        .filter_map(|line| {
            let at = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at_checked(at)?;
            let value = value.get(1..)?.trim_ascii();
            let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
            // The content's type has a parameter of its own; nginx says it twice.
            let left_out = name.contains(&b'_') || is(b"proxy") || yaml && is(b"content-type");
            (!left_out).then_some((name, value))
        })
        .collect();
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for (at, (written, first)) in all.iter().enumerate() {
        let same = |other: &(&[u8], &[u8])| other.0.eq_ignore_ascii_case(written);
        if all.iter().take(at).any(same) {
            continue;
        }
        environment_name(written, &mut name);
        if plan.params.iter().any(|p| *p.name == *name) {
            continue;
        }
        value.clear();
        value.extend_from_slice(first);
        let between: &[u8] = if written.eq_ignore_ascii_case(b"cookie") {
            b"; "
        } else {
            b", "
        };
        for (_, more) in all.iter().skip(at + 1).filter(|o| same(o)) {
            value.extend_from_slice(between);
            value.extend_from_slice(more);
        }
        fastcgi::param(pairs, &name, &value);
    }
}

/// `X-Name` as `HTTP_X_NAME`.
fn environment_name(written: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"HTTP_");
    out.extend(written.iter().map(|b| match b {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    }));
}
