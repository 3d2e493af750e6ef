//! A request on its way through the rules, and its response.

use std::sync::Arc;

use crate::evaluate::{Evaluation, hits_of};
use crate::expand::Scope;
use crate::limits::OverLimit;
use crate::matched::{Match, Severity, printable};
use crate::program::{Control, Outcome, Program, Rule};
use crate::request::{Body, BodyKind, RequestLine, ResponseLine, Surroundings};
use crate::scan::scan;
use crate::scratch::Scratch;
use crate::seclang::ast::{Allowed, Engine};
use crate::tx::{lossy, number};
use crate::variable::Source;

/// The status of a refusal by a limit.
const OVER_LIMIT_STATUS: u16 = 413;
/// Bytes of a message or of log data with its macros put in.
const MESSAGE_BYTES_MAX: usize = 512;

/// What is to happen to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing speaks against it so far.
    Pass,
    /// It is to be refused. A caller that only detects ignores this and goes on.
    Deny {
        /// The status of the answer.
        status: u16,
        /// The rule that decided; 0 for a limit of the engine's own.
        rule: u32,
    },
}

/// The phases, as rules number them less one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    RequestHead,
    RequestBody,
    ResponseHead,
    ResponseBody,
    Logging,
}

/// One request, judged step by step: [`request_head`](Self::request_head), then the body's chunks if
/// [`wants_body`](Self::wants_body), then always [`request_end`](Self::request_end), which runs the rules of phase 2.
/// Where [responses are judged](Program::judges_responses): [`response_head`](Self::response_head), the body's chunks if
/// [`wants_response_body`](Self::wants_response_body), [`response_end`](Self::response_end). At last
/// [`finish`](Self::finish).
///
/// It owns what it needs, and no step blocks or fails; work is bounded by the program's [`Limits`](crate::Limits).
#[derive(Debug)]
pub struct Transaction {
    pub(crate) program: Arc<Program>,
    pub(crate) scratch: Scratch,
    body_kind: Option<BodyKind>,
    body_access: bool,
    body_forced: bool,
    body_cut: bool,
    response_access: bool,
    response_cut: bool,
    response_typed: bool,
    /// The phases that are passed over.
    allowed: Option<Allowed>,
    /// What is under way.
    under_way: Option<UnderWay>,
}

/// A phase that is being run, step by step.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    phase: Phase,
    /// The first member that is not scanned; `None` once all are.
    member: Option<usize>,
    /// The first rule that has not run.
    rule: usize,
    verdict: Verdict,
    too_many_args: bool,
}

impl Transaction {
    /// A transaction that has seen nothing yet.
    pub fn begin(program: Arc<Program>, mut scratch: Scratch) -> Self {
        scratch.prepare(&program);
        Self {
            body_access: program.limits.body_access,
            response_access: program.response.body,
            program,
            scratch,
            body_kind: None,
            body_forced: false,
            body_cut: false,
            response_cut: false,
            response_typed: false,
            allowed: None,
            under_way: None,
        }
    }

    /// Gives the memory back for the next transaction.
    pub fn into_scratch(self) -> Scratch {
        self.scratch
    }

    fn engine(&self) -> Engine {
        self.scratch.run.engine.unwrap_or(self.program.engine)
    }

    /// Whether rules look at the request's id.
    pub fn wants_unique_id(&self) -> bool {
        self.program.uses(Source::UniqueId)
    }

    /// Says what is known beside the head. To be called before it, or not at all.
    pub fn surroundings(&mut self, around: &Surroundings<'_>) {
        self.scratch.run.now_s = around.now_s;
        self.scratch.store.load_surroundings(around, &self.program);
    }

    /// Judges the head: phase 1.
    pub fn request_head(&mut self, head: &RequestLine<'_>) -> Verdict {
        self.start_head(head);
        self.run_out()
    }

    /// Begins to judge the head: to be followed by [`step`](Self::step).
    pub fn start_head(&mut self, head: &RequestLine<'_>) {
        if self.engine() == Engine::Off {
            return;
        }
        let store = &mut self.scratch.store;
        let loaded = store.load_head(head, &self.program);
        let content_type = store.first(Source::Headers, Some(b"content-type"));
        self.body_kind = content_type.and_then(BodyKind::of);
        store.load_processor(self.body_kind);
        self.start(Phase::RequestHead, 0, loaded.is_err());
    }

    fn start(&mut self, phase: Phase, from: usize, too_many_args: bool) {
        self.under_way = Some(UnderWay {
            phase,
            member: Some(from),
            rule: 0,
            verdict: Verdict::Pass,
            too_many_args,
        });
    }

    /// Goes on with what was started until about `budget` bytes more were looked at (see [`work`](Self::work)): the
    /// verdict, or `None` if there is more to do. A value that is long in itself is left to a call without a budget
    /// (`u64::MAX`), which always comes to the end: a thread that serves others hands the transaction to one that may
    /// compute.
    pub fn step(&mut self, budget: u64) -> Option<Verdict> {
        let Some(mut way) = self.under_way.take() else {
            return Some(Verdict::Pass);
        };
        let until = self.scratch.run.work.saturating_add(budget);
        if let Some(from) = way.member {
            way.member = scan(&self.program, &mut self.scratch, from, until);
        }
        if way.member.is_some() || !self.rules(&mut way, until) {
            self.under_way = Some(way);
            return None;
        }
        if way.too_many_args {
            let message = "The request has more arguments than the limit";
            return Some(self.over_limit("ARGS", message, true));
        }
        Some(way.verdict)
    }

    fn run_out(&mut self) -> Verdict {
        self.step(u64::MAX).unwrap_or(Verdict::Pass)
    }

    /// Whether the body is a form in a URL's encoding.
    pub fn has_form(&self) -> bool {
        self.body_kind == Some(BodyKind::Form)
    }

    /// Whether the body's chunks are to be passed on: it has a type that is understood, or a rule wants it.
    pub fn wants_body(&self) -> bool {
        self.body_access
            && self.engine() != Engine::Off
            && (self.body_kind.is_some() || self.body_forced)
    }

    /// Whether the body is longer than what is inspected of it.
    pub fn body_is_cut(&self) -> bool {
        self.body_cut
    }

    /// Takes a part of the body. Judged it is at the end; a limit may refuse it here.
    pub fn body_chunk(&mut self, chunk: &[u8]) -> Verdict {
        if !self.wants_body() {
            return Verdict::Pass;
        }
        let limits = &self.program.limits;
        let whole = keep(&mut self.scratch.body, chunk, limits.body_bytes_max);
        if whole {
            return Verdict::Pass;
        }
        let over = limits.body_over;
        let first = !std::mem::replace(&mut self.body_cut, true);
        match over {
            OverLimit::Inspect => Verdict::Pass,
            OverLimit::Refuse => {
                self.over_limit("REQUEST_BODY", "The body is longer than the limit", first)
            }
        }
    }

    /// Judges the whole request: phase 2. To be called for requests without a body, too.
    pub fn request_end(&mut self) -> Verdict {
        self.start_end();
        self.run_out()
    }

    /// Begins to judge the whole request: to be followed by [`step`](Self::step).
    pub fn start_end(&mut self) {
        if self.engine() == Engine::Off {
            return;
        }
        let kind = self.body_kind.filter(|_| self.body_access);
        let scratch = &mut self.scratch;
        let from = scratch.store.len();
        let body = Body {
            bytes: &scratch.body,
            // A request without a body has none that could be wrong.
            kind: kind.filter(|_| !scratch.body.is_empty()),
            cut: self.body_cut,
            forced: self.body_forced && !scratch.body.is_empty(),
        };
        let loaded = scratch.store.load_body(&body, &self.program);
        self.start(Phase::RequestBody, from, loaded.is_err());
    }

    /// Judges the head of the response: phase 3.
    pub fn response_head(&mut self, head: &ResponseLine<'_>) -> Verdict {
        if self.engine() == Engine::Off {
            return Verdict::Pass;
        }
        let from = self.scratch.store.len();
        self.scratch.store.load_response(head, &self.program);
        let store = &self.scratch.store;
        let media = store
            .first(Source::ResponseContentType, None)
            .unwrap_or_default();
        let end = memchr::memchr(b';', media).unwrap_or(media.len());
        let media = media.get(..end).unwrap_or_default().trim_ascii();
        self.response_typed = self
            .program
            .response
            .types
            .iter()
            .any(|t| t.as_bytes().eq_ignore_ascii_case(media));
        self.scratch.body.clear();
        self.start(Phase::ResponseHead, from, false);
        self.run_out()
    }

    /// Whether the chunks of the response's body are to be passed on.
    pub fn wants_response_body(&self) -> bool {
        self.response_access
            && self.response_typed
            && self.engine() != Engine::Off
            && !matches!(self.allowed, Some(Allowed::All))
    }

    /// Takes a part of the response's body; a limit may refuse it here.
    pub fn response_chunk(&mut self, chunk: &[u8]) -> Verdict {
        if !self.wants_response_body() {
            return Verdict::Pass;
        }
        let limits = &self.program.limits;
        if keep(&mut self.scratch.body, chunk, limits.response_bytes_max) {
            return Verdict::Pass;
        }
        let over = limits.response_over;
        let first = !std::mem::replace(&mut self.response_cut, true);
        match over {
            OverLimit::Inspect => Verdict::Pass,
            OverLimit::Refuse => {
                let message = "The response is longer than the limit";
                self.over_limit("RESPONSE_BODY", message, first)
            }
        }
    }

    /// Whether as much of the response's body as is looked at is there.
    pub fn response_is_full(&self) -> bool {
        self.scratch.body.len() >= self.program.limits.response_bytes_max
    }

    /// Judges the response's body: phase 4.
    pub fn response_end(&mut self) -> Verdict {
        if self.engine() == Engine::Off {
            return Verdict::Pass;
        }
        let scratch = &mut self.scratch;
        let from = scratch.store.len();
        if self.response_typed && self.response_access {
            let body = std::mem::take(&mut scratch.body);
            scratch.store.load_response_body(&body, self.response_cut);
            scratch.body = body;
        }
        self.start(Phase::ResponseBody, from, false);
        self.run_out()
    }

    /// The rules for logs: phase 5. Nothing can be refused any more.
    pub fn finish(&mut self) {
        if self.engine() != Engine::Off {
            self.start(Phase::Logging, self.scratch.store.len(), false);
            self.run_out();
        }
    }

    /// The rules that matched so far and are [logged](Match::logged) or [audited](Match::audited), in the order they matched.
    pub fn matches(&self) -> &[Match] {
        &self.scratch.matches
    }

    /// Bytes that were looked at so far, each as often as it was: what [`Limits::work_max`](crate::Limits) bounds.
    pub fn work(&self) -> u64 {
        self.scratch.run.work
    }

    /// The inbound anomaly score so far.
    pub fn score(&self) -> u32 {
        let scores = self
            .program
            .score_slots
            .iter()
            .filter_map(|slot| self.scratch.run.tx.get(*slot));
        scores
            .map(|text| u32::try_from(number(text).max(0)).unwrap_or(u32::MAX))
            .max()
            .unwrap_or(0)
    }

    fn over_limit(&mut self, variable: &str, message: &str, record: bool) -> Verdict {
        if record {
            self.record(Match {
                rule: 0,
                message: message.to_owned(),
                data: String::new(),
                severity: Some(Severity::Critical),
                variable: variable.to_owned(),
                value: String::new(),
                tags: Arc::default(),
                scores: true,
                dry_run: false,
                logged: true,
                audited: true,
                place: (0, 0),
                info: Arc::default(),
            });
        }
        match self.engine() {
            Engine::On => Verdict::Deny {
                status: OVER_LIMIT_STATUS,
                rule: 0,
            },
            Engine::DetectionOnly | Engine::Off => Verdict::Pass,
        }
    }

    fn record(&mut self, found: Match) {
        if self.scratch.matches.len() < self.program.limits.matches_max {
            self.scratch.matches.push(found);
        }
    }

    /// Whether an `allow` passes over a phase.
    fn is_allowed(&self, phase: Phase) -> bool {
        match self.allowed {
            Some(Allowed::All) => phase != Phase::Logging,
            Some(Allowed::Request) => matches!(phase, Phase::RequestHead | Phase::RequestBody),
            Some(Allowed::Phase) | None => false,
        }
    }

    /// Runs the rules of a phase, in order, until one refuses; to the end where refusals are only detected. Whether that
    /// is done: it stops before a rule where the work has come to `until`.
    fn rules(&mut self, way: &mut UnderWay, until: u64) -> bool {
        if self.is_allowed(way.phase) {
            return true;
        }
        let program = Arc::clone(&self.program);
        loop {
            // Also where no rule is left: what was not looked at may be why.
            if self.scratch.run.work > program.limits.work_max {
                way.verdict = self.over_work(way.verdict);
                return true;
            }
            let next = self.next_rule(way.phase as usize, way.rule);
            let Some((index, rule)) = next.and_then(|i| Some((i, program.rules.get(i)?))) else {
                break;
            };
            if self.scratch.run.work >= until {
                return false;
            }
            way.rule = index + 1;
            if !self.evaluate(&program, rule, index) {
                if rule.gate.is_some_and(|level| level > program.paranoia) {
                    self.scan_all_levels();
                }
                continue;
            }
            if self.matched(&program, rule, way) {
                return true;
            }
            if let Some(to) = rule.skip_to {
                way.rule = to;
                let level = program.levels.get(to).copied().unwrap_or(0);
                if level > program.paranoia {
                    self.scan_all_levels();
                }
            }
        }
        true
    }

    /// Does what a rule that matched is to do, and says whether the phase ends with it.
    fn matched(&mut self, program: &Program, rule: &Rule, way: &mut UnderWay) -> bool {
        if rule.log || rule.audit {
            self.record_rule(program, rule);
        }
        for control in &rule.controls {
            self.control(program, rule, control);
        }
        if self.engine() == Engine::Off {
            return true;
        }
        match rule.outcome {
            Outcome::Deny(status) if self.engine() == Engine::On => {
                if way.verdict == Verdict::Pass {
                    way.verdict = Verdict::Deny {
                        status,
                        rule: rule.id,
                    };
                }
                !program.detect
            }
            Outcome::Allow(allowed) => {
                self.allowed = Some(allowed);
                true
            }
            Outcome::Deny(_) | Outcome::Pass => false,
        }
    }

    /// A request that takes more work than one may.
    fn over_work(&mut self, verdict: Verdict) -> Verdict {
        // The rules for logs come by here once more.
        let first = !matches!(self.allowed, Some(Allowed::All));
        let message = "The request takes more work than the limit";
        let over = self.over_limit("REQUEST", message, first);
        // What follows would only take more.
        self.allowed = Some(Allowed::All);
        match self.program.limits.work_over {
            OverLimit::Refuse if verdict == Verdict::Pass => over,
            _ => verdict,
        }
    }

    /// A rule above the program's level is not skipped after all: it needs its candidates.
    fn scan_all_levels(&mut self) {
        let scratch = &mut self.scratch;
        if scratch.run.full || self.program.full_classes.is_none() {
            return;
        }
        scratch.run.full = true;
        scratch.hits.clear();
        scratch.candidates.iter_mut().for_each(|word| *word = 0);
        scan(&self.program, scratch, 0, u64::MAX);
    }

    /// The first rule of the phase, not before `from`, that may match.
    fn next_rule(&self, phase: usize, from: usize) -> Option<usize> {
        let (mine, always) = (
            self.program.phase.get(phase)?,
            self.program.always.get(phase)?,
        );
        let Scratch {
            candidates,
            removed,
            ..
        } = &self.scratch;
        let word = |i: usize| {
            let asked = always.get(i)? | candidates.get(i)?;
            Some(mine.get(i)? & asked & !removed.get(i)?)
        };
        let mut i = from / 64;
        let mut rules = word(i)? & (u64::MAX << (from % 64));
        while rules == 0 {
            i += 1;
            rules = word(i)?;
        }
        Some(i * 64 + rules.trailing_zeros() as usize)
    }

    fn evaluate(&mut self, program: &Program, rule: &Rule, index: usize) -> bool {
        let Scratch {
            store, hits, run, ..
        } = &mut self.scratch;
        let hits = rule
            .scanned
            .then(|| hits.get(hits_of(hits, index as u32)).unwrap_or_default());
        Evaluation::new(program, store, rule, index, hits).run(run)
    }

    fn control(&mut self, program: &Program, rule: &Rule, control: &Control) {
        let Scratch {
            store,
            run,
            removed,
            ..
        } = &mut self.scratch;
        let scope = Scope {
            program,
            store,
            rule,
        };
        match control {
            Control::Engine(engine) => run.engine = Some(*engine),
            Control::RemoveRules(rules) => {
                let words = removed.iter_mut().zip(rules.iter());
                words.for_each(|(removed, rules)| *removed |= rules);
            }
            Control::RemoveTarget(rules, target) => {
                run.excluded.push((rules.clone(), target.clone()));
            }
            Control::BodyProcessor(kind) => {
                self.body_kind = Some(*kind);
                self.scratch.store.load_processor(self.body_kind);
            }
            Control::BodyAccess(on) => self.body_access = *on,
            Control::ForceBody(on) => self.body_forced = *on,
            Control::ResponseBodyAccess(on) => self.response_access = *on,
            Control::AuditEngine(engine) => run.audit_engine = Some(*engine),
            Control::AuditParts(change) => run.audit_parts.push(*change),
            Control::Init(record, key) => scope.init(*record, key, run),
            Control::Expire(record, member, seconds) => {
                scope.expire(*record, member, seconds, run);
            }
        }
    }

    fn record_rule(&mut self, program: &Program, rule: &Rule) {
        if self.scratch.matches.len() >= program.limits.matches_max {
            return;
        }
        let Scratch { store, run, .. } = &mut self.scratch;
        let scope = Scope {
            program,
            store,
            rule,
        };
        let text = |template: &crate::template::Template, run: &mut _| {
            let text = scope.expand(template, run);
            printable(text.get(..MESSAGE_BYTES_MAX).unwrap_or(&text))
        };
        let message = rule
            .message
            .as_ref()
            .map(|m| text(m, run))
            .unwrap_or_default();
        let data = rule
            .log_data
            .as_ref()
            .filter(|_| !run.matched.is_secret())
            .map(|m| text(m, run));
        let found = Match {
            rule: rule.id,
            message,
            data: data.unwrap_or_default(),
            severity: rule.severity.map(Severity::of),
            variable: lossy(&run.matched.name).into_owned(),
            value: run.matched.excerpt(),
            tags: rule.tags.clone(),
            scores: rule.scores,
            dry_run: rule.dry_run,
            logged: rule.log,
            audited: rule.audit,
            place: (run.matched.range.start, run.matched.range.len()),
            info: rule.info.clone(),
        };
        self.record(found);
    }
}

/// Keeps a chunk as far as there is room, and says whether all of it was kept.
fn keep(body: &mut Vec<u8>, chunk: &[u8], bytes_max: usize) -> bool {
    let room = bytes_max.saturating_sub(body.len());
    body.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    chunk.len() <= room
}
