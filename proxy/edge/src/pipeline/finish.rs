//! The end of a request: it is counted, told to who watches, and logged.

use super::Cx;
use crate::{
    client::Client,
    local::{Local, Pinned},
    log::LogSink,
    otlp::Span,
    plan::RoutePlan,
    step::Step,
    tail::Ended,
    template::Scope,
    tx::Tx,
    waf_audit,
};
use std::rc::Rc;

/// Counts and logs a request that its client gave up while it was served.
pub fn abandoned(local: &Rc<Local>, client: &mut Client, tx: &mut Tx, plan: &Pinned) {
    let listener = plan.listener(client.info.listener);
    let site = listener
        .and_then(|l| l.hosts.find(&tx.host))
        .and_then(|at| plan.sites.get(at));
    if let Some(site) = site {
        let mut cx = Cx {
            local,
            client,
            tx,
            plan,
            site,
        };
        finish(&mut cx, None);
    }
}

/// Counts and logs.
pub(super) fn finish(cx: &mut Cx<'_>, route: Option<&RoutePlan>) {
    let reached = std::mem::replace(&mut cx.tx.step, Step::Log);
    cx.tx.ended_ms = crate::clock::now_ms();
    let ms = cx.tx.ended_ms.saturating_sub(cx.tx.started_ms);
    cx.site.metrics.answered(
        if cx.tx.status == 0 { 499 } else { cx.tx.status },
        ms as f64 / 1000.0,
    );
    if cx.tx.status == 0 {
        // nginx's code for a client that left before it was answered.
        cx.tx.status = 499;
        cx.tx.step = reached;
    }
    cx.tx.held.clear();
    if cx.local.shared.tail.is_watched() {
        let ended = Ended {
            site: Some(cx.site),
            route,
            reached,
            refused: None,
        };
        crate::tail::tell(cx.local, &cx.client.info, cx.tx, cx.plan, &ended);
    }
    if let Some(exporter) = cx
        .plan
        .spans
        .as_ref()
        .filter(|_| cx.tx.trace.is_set && cx.tx.trace.sampled)
    {
        exporter.take(Span::of(cx, route));
    }
    if let Some(entry) = cx.tx.audit.take() {
        waf_audit::write(cx, &entry);
    }
    let logs = route.map_or(&cx.site.access, |r| &r.access);
    if logs.is_empty() {
        return;
    }
    let mut scratch = std::mem::take(&mut cx.tx.scratch);
    for log in logs {
        let scope = Scope {
            tx: cx.tx,
            conn: &cx.client.info,
            site: Some(cx.site),
            clock: &cx.local.clock,
            process: &cx.local.process,
        };
        if let Some(condition) = &log.condition {
            scratch.clear();
            condition.render(&scope, &mut scratch);
            if matches!(scratch.as_slice(), b"" | b"0") {
                continue;
            }
        }
        let write = |out: &mut Vec<u8>| {
            let style = (log.escape, log.privacy);
            log.format.render_log(&scope, style, &mut scratch, out);
        };
        let local = cx.local;
        match &log.to {
            LogSink::File(file) => local.logs.line(file, log.how, write),
            LogSink::Syslog(server) => server.send(None, &mut local.datagram.borrow_mut(), write),
            LogSink::Files(files) => {
                let logs = &local.shared.logs;
                if !local.named_logs.line(files, &scope, logs.opened(), write) {
                    logs.lose_named();
                }
            }
        }
    }
    cx.tx.scratch = scratch;
}
