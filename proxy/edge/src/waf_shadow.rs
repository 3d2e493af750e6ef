//! A rule set beside the one that decides: it judges the same requests, changes nothing, and the difference is counted.
//! So the next version of the rules, or another paranoia level, meets real traffic before it may refuse any.
//!
//! Responses are the deciding rule set's alone.

use crate::{pipeline::Cx, plan::WafPlan, spool::Spool, waf_step};
use seawall_waf::{Transaction, Verdict};
use std::sync::Arc;

/// Judges a request again; `body` is what was read for the deciding rule set, and `refused` what that came to.
pub async fn judge(cx: &mut Cx<'_>, shadow: &Arc<WafPlan>, body: Option<&Spool>, refused: bool) {
    let program = shadow.program.clone();
    let scratch = cx.local.take_waf(&program);
    let mut transaction = Transaction::begin(program, scratch);
    waf_step::start_head(cx, shadow, &mut transaction);
    let (mut transaction, mut verdict) = waf_step::to_the_end(transaction).await;
    if verdict == Verdict::Pass {
        (transaction, verdict) = match body.filter(|_| transaction.wants_body()) {
            Some(body) => waf_step::judge_body(transaction, body).await,
            None => {
                transaction.start_end();
                waf_step::to_the_end(transaction).await
            }
        };
    }
    transaction.finish();
    cx.site
        .metrics
        .waf_shadowed(refused, verdict != Verdict::Pass);
    if let Verdict::Deny { status, rule } = verdict
        && !refused
    {
        let local = cx.local;
        cx.tx.ensure_id(|| local.random_id());
        waf_step::record(cx, shadow, &transaction, (status, rule), false);
    }
    cx.local.give_waf(transaction.into_scratch());
}
