//! The WAF on a request: the head, then as much of the body as is inspected, spooled before an origin is asked.

use crate::{
    client::ClientError,
    log_error,
    pipeline::Cx,
    plan::{RoutePlan, WafPlan},
    spool::Spool,
    waf_response::Judging,
};
use seawall_conf::model::WafMode;
use seawall_waf::{RequestLine, Surroundings, Transaction, Verdict};
use smallvec::SmallVec;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// What became of a request.
pub enum Judged {
    /// It goes on; the part of the body that was read for inspection goes before the rest.
    Pass(Option<Spool>),
    /// It is refused.
    Refused(u16),
}

/// Bodies over this size are inspected off the worker thread, which never computes for over a millisecond.
pub const INLINE_BYTES: u64 = 8 * 1024;

/// Judges a request.
pub async fn judge(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    waf: &Arc<WafPlan>,
) -> Result<Judged, ClientError> {
    let mut transaction = Transaction::begin(waf.program.clone(), cx.local.take_waf());
    let mut verdict = judge_head(cx, &mut transaction);
    let mut spool = None;
    if goes_on(waf, &verdict) && cx.client.body.is_present() && transaction.wants_body() {
        match read_body(cx, route, waf).await? {
            Some(body) => {
                let (back, judged) = judge_body(transaction, &body).await;
                transaction = back;
                verdict = judged;
                spool = Some(body);
            }
            None => {
                cx.local.give_waf(transaction.into_scratch());
                cx.client.keep_alive = false;
                return Ok(Judged::Refused(413));
            }
        }
    } else if goes_on(waf, &verdict) {
        verdict = transaction.request_end();
    }
    let refused = waf.mode == WafMode::Block && !matches!(verdict, Verdict::Pass);
    let judges_response = waf.response && !refused;
    if !judges_response {
        transaction.finish();
    }
    let refused = conclude(cx, waf, &transaction, &verdict);
    if judges_response {
        let judging = Judging::new(transaction, waf.clone(), cx.local, &cx.site.metrics);
        cx.tx.judging = Some(Box::new(judging));
    } else {
        cx.local.give_waf(transaction.into_scratch());
    }
    Ok(match refused {
        Some(status) => Judged::Refused(status),
        None => Judged::Pass(spool),
    })
}

fn goes_on(waf: &WafPlan, verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Pass) || waf.mode == WafMode::Detect
}

fn judge_head(cx: &mut Cx<'_>, transaction: &mut Transaction) -> Verdict {
    if transaction.wants_unique_id() {
        let local = cx.local;
        cx.tx.ensure_id(|| local.random_id());
    }
    let tx = &*cx.tx;
    let info = &cx.client.info;
    transaction.surroundings(&Surroundings {
        now_s: tx.now_ms / 1000,
        unique_id: if tx.has_id { &tx.id } else { b"" },
        client_port: info.peer.map_or(0, |peer| peer.port()),
        server: info.local,
    });
    let fields: SmallVec<[(&[u8], &[u8]); 32]> = tx
        .fields()
        .iter()
        .map(|(_, name, value)| (name, value))
        .collect();
    let protocol: &[u8] = match tx.head.version {
        seawall_http::Version::Http10 => b"HTTP/1.0",
        seawall_http::Version::Http11 => b"HTTP/1.1",
        seawall_http::Version::Http2 => b"HTTP/2.0",
    };
    transaction.request_head(&RequestLine {
        client: tx.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        method: tx.method_text(),
        target: tx.request_uri(),
        protocol,
        fields: &fields,
    })
}

/// Reads at most `body_limit` bytes; `None` when the route's own limit is passed on the way.
async fn read_body(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    waf: &WafPlan,
) -> Result<Option<Spool>, ClientError> {
    let mut spool = Spool::new();
    while spool.len() < waf.body_limit {
        let Some(data) = cx.client.next_chunk(cx.tx).await? else {
            break;
        };
        if route
            .body_limit
            .is_some_and(|limit| cx.tx.body_read > limit)
        {
            return Ok(None);
        }
        spool.push(cx.tx.rb.bytes().get(data).unwrap_or_default())?;
    }
    Ok(Some(spool))
}

async fn judge_body(mut transaction: Transaction, body: &Spool) -> (Transaction, Verdict) {
    let Some(bytes) = body.in_memory().filter(|_| body.len() <= INLINE_BYTES) else {
        return judge_off_thread(transaction, body).await;
    };
    let mut verdict = transaction.body_chunk(bytes);
    if matches!(verdict, Verdict::Pass) {
        verdict = transaction.request_end();
    }
    (transaction, verdict)
}

async fn judge_off_thread(transaction: Transaction, body: &Spool) -> (Transaction, Verdict) {
    let bytes = body.read_all().unwrap_or_default();
    let work = tokio::task::spawn_blocking(move || {
        let mut transaction = transaction;
        let mut verdict = transaction.body_chunk(&bytes);
        if matches!(verdict, Verdict::Pass) {
            verdict = transaction.request_end();
        }
        (transaction, verdict)
    });
    match work.await {
        Ok(judged) => judged,
        // The pool is gone only while the process ends, and a panic in the engine is a bug: both end this request.
        Err(e) => std::panic::resume_unwind(Box::new(e.to_string())),
    }
}

/// The rules that matched, for the response's header, if it is to name them.
pub fn report(waf: &WafPlan, transaction: &Transaction) -> Option<(String, String)> {
    let header = waf.report_header.as_ref()?;
    let ids: Vec<String> = transaction
        .matches()
        .iter()
        .map(|m| m.rule.to_string())
        .collect();
    Some((header.clone(), ids.join(",")))
}

/// Counts, logs and decides.
fn conclude(
    cx: &mut Cx<'_>,
    waf: &WafPlan,
    transaction: &Transaction,
    verdict: &Verdict,
) -> Option<u16> {
    cx.tx.waf_report = report(waf, transaction);
    let over = match verdict {
        Verdict::Deny { status, rule } => Some((*status, *rule)),
        Verdict::Pass => None,
    };
    let (status, rule) = over?;
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    let blocked = waf.mode == WafMode::Block;
    let counter = if blocked {
        &cx.site.metrics.waf_denied
    } else {
        &cx.site.metrics.waf_detected
    };
    counter.inc();
    for found in transaction.matches() {
        log_error!(
            cx.local.shared,
            Warn,
            cx.client.info.serial,
            "waf: rule {} \"{}\" at {}: \"{}\", client: {}, request id: {}",
            found.rule,
            found.message,
            found.variable,
            String::from_utf8_lossy(found.value.as_ref()),
            cx.tx.client_text(&cx.client.info),
            String::from_utf8_lossy(&cx.tx.id)
        );
    }
    log_error!(
        cx.local.shared,
        Error,
        cx.client.info.serial,
        "waf: request {} by rule {rule} of \"{}\", score {}, client: {}, request id: {}",
        if blocked { "denied" } else { "would be denied" },
        waf.name,
        transaction.score(),
        cx.tx.client_text(&cx.client.info),
        String::from_utf8_lossy(&cx.tx.id)
    );
    blocked.then_some(status)
}
