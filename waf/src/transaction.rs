//! A request on its way through the rules.

use std::sync::Arc;

use crate::evaluate::{Evaluation, hits_of};
use crate::expand::Scope;
use crate::limits::OverLimit;
use crate::matched::{Match, Severity, printable};
use crate::program::{Program, Rule, Source};
use crate::request::{BodyKind, RequestLine, TooManyArgs, body_kind};
use crate::scan::scan;
use crate::scratch::Scratch;
use crate::seclang::ast::Engine;
use crate::tx::{lossy, number};

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

/// One request, judged step by step: [`request_head`](Self::request_head), then the body's chunks if
/// [`wants_body`](Self::wants_body), then always [`request_end`](Self::request_end), which runs the rules of phase 2.
///
/// It owns what it needs, and no step blocks or fails; work is bounded by the program's [`Limits`](crate::Limits).
#[derive(Debug)]
pub struct Transaction {
    program: Arc<Program>,
    scratch: Scratch,
    body_kind: Option<BodyKind>,
    body_cut: bool,
}

impl Transaction {
    /// A transaction that has seen nothing yet.
    pub fn begin(program: Arc<Program>, mut scratch: Scratch) -> Self {
        scratch.prepare(&program);
        Self {
            program,
            scratch,
            body_kind: None,
            body_cut: false,
        }
    }

    /// Gives the memory back for the next transaction.
    pub fn into_scratch(self) -> Scratch {
        self.scratch
    }

    /// Judges the head: phase 1.
    pub fn request_head(&mut self, head: &RequestLine<'_>) -> Verdict {
        if self.program.engine == Engine::Off {
            return Verdict::Pass;
        }
        let loaded = self
            .scratch
            .store
            .load_head(head, self.program.limits.args_max);
        let content_type = self
            .scratch
            .store
            .first(Source::Headers, Some(b"content-type"));
        self.body_kind = content_type.and_then(body_kind);
        scan(&self.program, &mut self.scratch, 0);
        let verdict = self.phase(0);
        self.refuse_args(loaded).unwrap_or(verdict)
    }

    /// Whether the body's chunks are to be passed on: it has a type that is understood.
    pub fn wants_body(&self) -> bool {
        self.body_kind.is_some()
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
        let room = self
            .program
            .limits
            .body_bytes_max
            .saturating_sub(self.scratch.body.len());
        self.scratch
            .body
            .extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        if chunk.len() <= room {
            return Verdict::Pass;
        }
        let first = !std::mem::replace(&mut self.body_cut, true);
        match self.program.limits.body_over {
            OverLimit::Inspect => Verdict::Pass,
            OverLimit::Refuse => {
                self.over_limit("REQUEST_BODY", "The body is longer than the limit", first)
            }
        }
    }

    /// Judges the whole request: phase 2. To be called for requests without a body, too.
    pub fn request_end(&mut self) -> Verdict {
        if self.program.engine == Engine::Off {
            return Verdict::Pass;
        }
        let scratch = &mut self.scratch;
        let from = scratch.store.len();
        let loaded = scratch.store.load_body(
            &scratch.body,
            self.body_kind,
            self.body_cut,
            &self.program.limits,
        );
        scan(&self.program, scratch, from);
        let verdict = self.phase(1);
        self.refuse_args(loaded).unwrap_or(verdict)
    }

    /// The rules that matched so far and are logged, in the order they matched.
    pub fn matches(&self) -> &[Match] {
        &self.scratch.matches
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

    fn refuse_args(&mut self, loaded: Result<(), TooManyArgs>) -> Option<Verdict> {
        loaded.err().map(|TooManyArgs| {
            self.over_limit(
                "ARGS",
                "The request has more arguments than the limit",
                true,
            )
        })
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
            });
        }
        match self.program.engine {
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

    /// Runs the rules of a phase (0 or 1), in order, until one refuses.
    fn phase(&mut self, phase: usize) -> Verdict {
        let program = Arc::clone(&self.program);
        let mut at = 0;
        while let Some(index) = self.next_rule(phase, at) {
            at = index + 1;
            let Some(rule) = program.rules.get(index) else {
                break;
            };
            if self.is_removed(rule.id) || !self.evaluate(&program, rule, index as u32) {
                continue;
            }
            if rule.log {
                self.record_rule(&program, rule);
            }
            self.scratch.removed.extend_from_slice(&rule.removes);
            if let Some(status) = rule.deny.filter(|_| program.engine == Engine::On) {
                return Verdict::Deny {
                    status,
                    rule: rule.id,
                };
            }
            at = rule.skip_to.unwrap_or(at);
        }
        Verdict::Pass
    }

    /// The first rule of the phase, not before `from`, that may match.
    fn next_rule(&self, phase: usize, from: usize) -> Option<usize> {
        let (mine, always) = (
            self.program.phase.get(phase)?,
            self.program.always.get(phase)?,
        );
        let words = mine
            .iter()
            .zip(always)
            .zip(&self.scratch.candidates)
            .enumerate()
            .skip(from / 64);
        for (i, ((mine, always), candidates)) in words {
            let word = mine & (always | candidates);
            let word = if i == from / 64 {
                word & (u64::MAX << (from % 64))
            } else {
                word
            };
            if word != 0 {
                return Some(i * 64 + word.trailing_zeros() as usize);
            }
        }
        None
    }

    fn is_removed(&self, id: u32) -> bool {
        self.scratch
            .removed
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&id))
    }

    fn evaluate(&mut self, program: &Program, rule: &Rule, index: u32) -> bool {
        let Scratch {
            store, hits, run, ..
        } = &mut self.scratch;
        let hits = rule
            .scanned
            .then(|| hits.get(hits_of(hits, index)).unwrap_or_default());
        Evaluation::new(program, store, rule, hits).run(run)
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
        };
        self.record(found);
    }
}
