//! What an application is told of a request: the parameters of the configuration, and the request's fields as `HTTP_*`.

use super::{
    super::{
        forwarding::CLAIMS,
        request::{Built, Conditional},
    },
    job::Job,
};
use crate::{
    pipeline::Cx,
    plan::{FastCgiPlan, ProxyPlan},
    tx::Tx,
};
use seawall_http::{
    Framing, Method, Name,
    fastcgi::{self, CgiRequest},
};

/// Not passed on: the hop's own, and what has a parameter of its own. `Proxy` never is: as `HTTP_PROXY` it would name a
/// proxy to programs that look for one in their environment (CVE-2016-5385).
const DROPPED: u128 =
    super::super::ONE_HOP | super::super::mask(&[Name::Expect, Name::Http2Settings]);

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
    let fills = matches!(conditional, Conditional::Validators(..));
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
        push_fields(cx, proxy, plan, fills, &mut pairs);
    }
    if let Conditional::Validators(etag, modified) = conditional {
        if let Some(etag) = etag {
            fastcgi::param(&mut pairs, b"HTTP_IF_NONE_MATCH", etag);
        }
        if let Some(modified) = modified {
            fastcgi::param(&mut pairs, b"HTTP_IF_MODIFIED_SINCE", modified);
        }
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

/// `HTTP_*` (RFC 3875 §4.1.18). A name with an underscore is not passed: beside one with a dash it could not be told from it.
fn push_fields(
    cx: &Cx<'_>,
    proxy: &ProxyPlan,
    plan: &FastCgiPlan,
    fills: bool,
    pairs: &mut Vec<u8>,
) {
    let tx: &Tx = cx.tx;
    let mut dropped = DROPPED | proxy.withheld.known;
    if fills {
        dropped |= CONDITIONS;
    }
    let trusted = cx.client.info.peer.is_some_and(|p| cx.plan.trusts(p.ip()));
    if proxy.forwarding.guarded {
        dropped |= Name::ContentType.bit();
        dropped |= if trusted {
            Name::XRequestId.bit()
        } else {
            CLAIMS
        };
    }
    let fields = tx.fields();
    let mut name = Vec::new();
    let mut value = Vec::new();
    for (at, (id, written, first)) in fields.iter().enumerate() {
        if dropped & id.bit() != 0 && id != Name::Other
            || written.contains(&b'_')
            || written.eq_ignore_ascii_case(b"proxy")
            || proxy.withheld.has_other(written)
        {
            continue;
        }
        let same = |other: &[u8]| other.eq_ignore_ascii_case(written);
        if fields.iter().take(at).any(|(_, n, _)| same(n)) {
            continue;
        }
        environment_name(written, &mut name);
        let set = proxy.set_headers.iter().any(|h| same(&h.name));
        if set || plan.params.iter().any(|p| *p.name == *name) {
            continue;
        }
        value.clear();
        value.extend_from_slice(first);
        let between: &[u8] = if id == Name::Cookie { b"; " } else { b", " };
        for (_, _, more) in fields.iter().skip(at + 1).filter(|(_, n, _)| same(n)) {
            value.extend_from_slice(between);
            value.extend_from_slice(more);
        }
        fastcgi::param(pairs, &name, &value);
    }
    let scope = cx.scope();
    for header in &proxy.set_headers {
        value.clear();
        header.value.render(&scope, &mut value);
        if !value.is_empty() {
            environment_name(&header.name, &mut name);
            fastcgi::param(pairs, &name, &value);
        }
    }
    push_granted(tx, pairs);
    if proxy.forwarding.x && tx.has_id {
        fastcgi::param(pairs, b"HTTP_X_REQUEST_ID", &tx.id);
    }
}

/// What was proved of the client; values of one name are one list.
fn push_granted(tx: &Tx, pairs: &mut Vec<u8>) {
    let Some(granted) = &tx.granted else { return };
    let (mut name, all) = (Vec::new(), &granted.request);
    for (at, (written, value)) in all.iter().enumerate() {
        let same = |(other, _): &&(Box<[u8]>, Vec<u8>)| other.eq_ignore_ascii_case(written);
        if all.iter().take(at).any(|f| same(&f)) {
            continue;
        }
        let mut value = value.clone();
        for (_, more) in all.iter().skip(at + 1).filter(same) {
            value.extend_from_slice(b", ");
            value.extend_from_slice(more);
        }
        environment_name(written, &mut name);
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
