//! The WAF on a response: its head as it is composed, then as much of its body as is inspected, held back meanwhile.
//!
//! It stands in the client, before every filter, so that whatever answers (an origin, the cache, a file, a page of ours)
//! is judged in the same place. A refusal takes the place of the head that waits; what still comes of the body is dropped.

use crate::{
    local::Local,
    log_error,
    metrics::SiteMetrics,
    plan::WafPlan,
    tx::Tx,
    waf_audit,
    waf_step::{self, INLINE_BYTES},
};
use prometheus::IntCounter;
use seawall_conf::model::WafMode;
use seawall_waf::{ResponseLine, Transaction, Verdict};
use smallvec::SmallVec;
use std::{rc::Rc, sync::Arc};

/// A response that is being judged.
pub struct Judging {
    /// Gone once the verdict is there.
    transaction: Option<Transaction>,
    waf: Arc<WafPlan>,
    local: Rc<Local>,
    denied: IntCounter,
    detected: IntCounter,
    refused: Option<u16>,
    /// The page of the refusal was sent.
    replaced: bool,
    body: Vec<u8>,
}

/// What becomes of a piece of a response.
pub enum Held {
    /// It waits, or is dropped.
    Yes,
    /// All that waited goes on.
    Release(Vec<u8>),
    /// A page of this status takes its place.
    Refuse(u16),
}

impl Judging {
    /// A response to a request that passed.
    pub fn new(
        transaction: Transaction,
        waf: Arc<WafPlan>,
        local: &Rc<Local>,
        metrics: &SiteMetrics,
    ) -> Self {
        Self {
            transaction: Some(transaction),
            waf,
            local: local.clone(),
            denied: metrics.waf_denied.clone(),
            detected: metrics.waf_detected.clone(),
            refused: None,
            replaced: false,
            body: Vec::new(),
        }
    }

    /// The last word: counts and logs a refusal, and gives the rules that matched.
    fn conclude(
        &mut self,
        mut transaction: Transaction,
        verdict: Verdict,
        tx: &mut Tx,
        serial: u64,
    ) -> Option<(String, String)> {
        transaction.finish();
        if let Some(entry) = waf_audit::entry(&self.waf, &transaction, false) {
            tx.audit = Some(entry.after(tx.audit.take()));
        }
        let report = waf_step::report(&self.waf, &transaction);
        if let Verdict::Deny { status, rule } = verdict {
            let blocks = self.waf.mode == WafMode::Block;
            let counter = if blocks { &self.denied } else { &self.detected };
            counter.inc();
            log_error!(
                self.local.shared,
                Error,
                serial,
                "waf: response {} by rule {rule} of \"{}\", request id: {}",
                if blocks { "denied" } else { "would be denied" },
                self.waf.name,
                String::from_utf8_lossy(&tx.id)
            );
            self.refused = blocks.then_some(status);
        }
        self.local.give_waf(transaction.into_scratch());
        report
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.local.give_waf(transaction.into_scratch());
        }
    }
}

/// Judges the head whose lines are in `tx.lines`. Where no body is looked at, that is all.
pub fn judge_head(tx: &mut Tx, serial: u64, status: u16, bodiless: bool) {
    let Some(mut judging) = tx.judging.take() else {
        return;
    };
    if judging.replaced {
        tx.judging = Some(judging);
        return;
    }
    let Some(mut transaction) = judging.transaction.take() else {
        return;
    };
    let local = judging.local.clone();
    tx.ensure_id(|| local.random_id());
    let fields: SmallVec<[(&[u8], &[u8]); 32]> = fields(&tx.lines).collect();
    let mut verdict = transaction.response_head(&ResponseLine {
        status,
        protocol: b"HTTP/1.1",
        fields: &fields,
    });
    drop(fields);
    let goes_on = verdict == Verdict::Pass || judging.waf.mode == WafMode::Detect;
    if goes_on && !bodiless && transaction.wants_response_body() {
        judging.transaction = Some(transaction);
        tx.waf_report = None;
        tx.judging = Some(judging);
        return;
    }
    if goes_on {
        let end = transaction.response_end();
        verdict = if verdict == Verdict::Pass {
            end
        } else {
            verdict
        };
    }
    let report = judging.conclude(transaction, verdict, tx, serial);
    tx.waf_report = report;
    tx.judging = judging.refused.is_some().then_some(judging);
}

/// The fields of header lines.
fn fields(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines.split(|b| *b == b'\n').filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
    })
}

/// Takes a piece of the body.
pub async fn judge_body(tx: &mut Tx, serial: u64, data: &[u8], last: bool) -> Held {
    let Some(mut judging) = tx.judging.take() else {
        return Held::Release(data.to_vec());
    };
    if judging.replaced {
        tx.judging = Some(judging);
        return Held::Yes;
    }
    let Some(mut transaction) = judging.transaction.take() else {
        return refuse(tx, judging);
    };
    judging.body.extend_from_slice(data);
    let mut verdict = transaction.response_chunk(data);
    let decided = verdict != Verdict::Pass && judging.waf.mode == WafMode::Block;
    if !decided && !last && !transaction.response_is_full() {
        judging.transaction = Some(transaction);
        tx.judging = Some(judging);
        return Held::Yes;
    }
    if !decided {
        let (back, end) = end(transaction, judging.body.len() as u64).await;
        transaction = back;
        verdict = if verdict == Verdict::Pass {
            end
        } else {
            verdict
        };
    }
    let report = judging.conclude(transaction, verdict, tx, serial);
    if judging.refused.is_some() {
        tx.waf_report = report;
        return refuse(tx, judging);
    }
    if let Some((name, ids)) = report {
        insert_field(tx, &name, &ids);
    }
    Held::Release(std::mem::take(&mut judging.body))
}

fn refuse(tx: &mut Tx, mut judging: Box<Judging>) -> Held {
    let status = judging.refused.unwrap_or(403);
    judging.replaced = true;
    judging.body = Vec::new();
    tx.judging = Some(judging);
    Held::Refuse(status)
}

/// The rules for the body; off the worker thread if it is long.
async fn end(mut transaction: Transaction, length: u64) -> (Transaction, Verdict) {
    if length <= INLINE_BYTES {
        let verdict = transaction.response_end();
        return (transaction, verdict);
    }
    let work = tokio::task::spawn_blocking(move || {
        let mut transaction = transaction;
        let verdict = transaction.response_end();
        (transaction, verdict)
    });
    match work.await {
        Ok(judged) => judged,
        Err(e) => std::panic::resume_unwind(Box::new(e.to_string())),
    }
}

/// Adds a field to the head that waits in `tx.out`.
fn insert_field(tx: &mut Tx, name: &str, value: &str) {
    let Some(at) = tx.out_head.checked_sub(2).filter(|at| *at <= tx.out.len()) else {
        return;
    };
    let line = format!("{name}: {value}\r\n");
    tx.out.splice(at..at, line.bytes());
    tx.out_head += line.len();
}
