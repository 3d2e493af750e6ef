//! The WAF on a request: the head, then as much of the body as is inspected, spooled before an origin is asked.

use crate::{
    client::ClientError,
    log_error,
    pipeline::Cx,
    plan::{RoutePlan, WafPlan},
    spool::Spool,
    waf_audit,
    waf_events::WafEvent,
    waf_log::ModSecurityLine,
    waf_response::Judging,
    waf_shadow,
};
use seawall_conf::model::WafMode;
use seawall_waf::{Match, RequestLine, Surroundings, Transaction, Verdict};
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

/// Work that is done at a stretch on a worker thread, in bytes looked at: half a millisecond's.
const STEP_WORK: u64 = 300_000;

/// Bodies over this size are inspected off the worker thread, which never computes for over a millisecond.
pub const INLINE_BYTES: u64 = 8 * 1024;

/// Judges a request.
pub async fn judge(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    waf: &Arc<WafPlan>,
) -> Result<Judged, ClientError> {
    let mut transaction = Transaction::begin(waf.program.clone(), cx.local.take_waf(&waf.program));
    start_head(cx, waf, &mut transaction);
    let mut verdict;
    (transaction, verdict) = to_the_end(transaction).await;
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
        transaction.start_end();
        (transaction, verdict) = to_the_end(transaction).await;
    }
    let refused = waf.mode == WafMode::Block && !matches!(verdict, Verdict::Pass);
    let judges_response = waf.response && !refused;
    if !judges_response {
        transaction.finish();
    }
    if let Some(shadow) = waf.shadow.get() {
        waf_shadow::judge(cx, shadow, spool.as_ref(), verdict != Verdict::Pass).await;
    }
    let refused = conclude(cx, waf, &transaction, &verdict);
    cx.tx.audit = waf_audit::entry(waf, &transaction, transaction.has_form());
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

pub(crate) fn start_head(cx: &mut Cx<'_>, waf: &WafPlan, transaction: &mut Transaction) {
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
    let target = tx.request_uri();
    transaction.exclude(&waf.exclusions.load(), target);
    transaction.start_head(&RequestLine {
        client: tx.client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        method: tx.method_text(),
        target,
        protocol,
        fields: &fields,
    });
}

/// Goes on with what was started: here for as long as a thread that serves others may compute, the rest elsewhere.
pub(crate) async fn to_the_end(mut transaction: Transaction) -> (Transaction, Verdict) {
    match transaction.step(STEP_WORK) {
        Some(verdict) => (transaction, verdict),
        None => {
            off_thread(transaction, |transaction| {
                transaction.step(u64::MAX).unwrap_or(Verdict::Pass)
            })
            .await
        }
    }
}

async fn off_thread(
    mut transaction: Transaction,
    work: impl FnOnce(&mut Transaction) -> Verdict + Send + 'static,
) -> (Transaction, Verdict) {
    let work = tokio::task::spawn_blocking(move || {
        let verdict = work(&mut transaction);
        (transaction, verdict)
    });
    match work.await {
        Ok(judged) => judged,
        // The pool is gone only while the process ends, and a panic in the engine is a bug: both end this request.
        Err(e) => std::panic::resume_unwind(Box::new(e.to_string())),
    }
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

pub(crate) async fn judge_body(
    mut transaction: Transaction,
    body: &Spool,
) -> (Transaction, Verdict) {
    let Some(bytes) = body.in_memory().filter(|_| body.len() <= INLINE_BYTES) else {
        let bytes = body.read_all().unwrap_or_default();
        return off_thread(transaction, move |transaction| {
            match transaction.body_chunk(&bytes) {
                Verdict::Pass => transaction.request_end(),
                refused => refused,
            }
        })
        .await;
    };
    let verdict = transaction.body_chunk(bytes);
    if verdict != Verdict::Pass {
        return (transaction, verdict);
    }
    transaction.start_end();
    to_the_end(transaction).await
}

/// The matches that are for logs.
pub(crate) fn logged(transaction: &Transaction) -> Vec<Match> {
    let matches = transaction.matches().iter();
    matches.filter(|found| found.logged).cloned().collect()
}

/// The rules that matched, for the response's header, if it is to name them.
pub fn report(waf: &WafPlan, transaction: &Transaction) -> Option<(String, String)> {
    let header = waf.report_header.as_ref()?;
    let ids: Vec<String> = transaction
        .matches()
        .iter()
        .filter(|m| m.logged)
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
    count_tried(waf, transaction);
    let Verdict::Deny { status, rule } = *verdict else {
        log_tried(cx, waf, transaction);
        return None;
    };
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    let blocked = waf.mode == WafMode::Block;
    let counter = if blocked {
        &cx.site.metrics.waf_denied
    } else {
        &cx.site.metrics.waf_detected
    };
    counter.inc();
    record(cx, waf, transaction, (status, rule), blocked);
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

/// Counts the requests in which rules matched that are only tried: each rule once.
fn count_tried(waf: &WafPlan, transaction: &Transaction) {
    for (rule, counter) in &waf.tried {
        let mut matches = transaction.matches().iter();
        if matches.any(|found| found.dry_run && found.rule == *rule) {
            counter.inc();
        }
    }
}

/// Logs their matches where the request is not refused anyway, which logs all.
fn log_tried(cx: &mut Cx<'_>, waf: &WafPlan, transaction: &Transaction) {
    if waf.tried.is_empty() {
        return;
    }
    let matches = transaction.matches().iter();
    let tried: Vec<&Match> = matches.filter(|m| m.dry_run && m.logged).collect();
    if tried.is_empty() {
        return;
    }
    let local = cx.local;
    cx.tx.ensure_id(|| local.random_id());
    for found in tried {
        let line = ModSecurityLine {
            found,
            refused: None,
            host: &cx.site.name,
            path: &WafEvent::path_of(cx.tx.request_uri()),
            id: &String::from_utf8_lossy(&cx.tx.id),
            client: cx.tx.client_text(&cx.client.info),
        };
        log_error!(cx.local.shared, Warn, cx.client.info.serial, "{line}");
    }
}

/// Keeps what was decided, and logs each match.
pub(crate) fn record(
    cx: &Cx<'_>,
    waf: &WafPlan,
    transaction: &Transaction,
    (status, rule): (u16, u32),
    blocked: bool,
) {
    let target = cx.tx.request_uri();
    let event = WafEvent {
        time_ms: cx.tx.now_ms,
        id: String::from_utf8_lossy(&cx.tx.id).into_owned(),
        client: cx.tx.client_text(&cx.client.info).to_owned(),
        site: cx.site.name.clone(),
        rule_set: waf.name.clone(),
        method: cx.tx.method_text().escape_ascii().to_string(),
        path: WafEvent::path_of(target),
        blocked,
        status,
        rule,
        score: transaction.score(),
        threshold: waf.threshold,
        matches: logged(transaction),
    };
    for found in &event.matches {
        let line = ModSecurityLine {
            found,
            refused: (blocked && found.rule == rule).then_some(status),
            host: &event.site,
            path: &event.path,
            id: &event.id,
            client: &event.client,
        };
        let serial = cx.client.info.serial;
        log_error!(cx.local.shared, Warn, serial, "{line}");
    }
    cx.local.shared.waf_events.push(event);
}
