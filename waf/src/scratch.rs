//! What a worker thread keeps from one transaction to the next: buffers and the caches of lazy automata.

use std::ops::Range;

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::audit::{AuditEngine, PartsChange};
use crate::matched::{Match, Matched};
use crate::operator::Fingerprints;
use crate::pattern::{Groups, Pattern, PatternCache};
use crate::program::{Exclusion, Program, RuleSet, UnionCache};
use crate::request::Store;
use crate::scan::{Memo, Variants};
use crate::seclang::ast::Engine;
use crate::transform::Buffers;
use crate::tx::Tx;
use crate::variable::{Part, Record};

/// A value that a scan found something for a rule in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub(crate) rule: u32,
    pub(crate) member: u32,
    pub(crate) part: Part,
}

/// Memory for transactions, one after the other. Keep one for each thread: the automata it holds grow warm with use.
///
/// It serves any program; with another one its caches begin anew.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The program the caches belong to.
    identity: u64,
    pub(crate) store: Store,
    pub(crate) body: Vec<u8>,
    pub(crate) hits: Vec<Hit>,
    pub(crate) candidates: Vec<u64>,
    /// The rules that a `ctl` removed: a bit for each.
    pub(crate) removed: Vec<u64>,
    pub(crate) matches: Vec<Match>,
    pub(crate) run: Run,
    pub(crate) unions: Vec<Option<UnionCache>>,
    pub(crate) memo: Memo,
    pub(crate) variants: Variants,
    pub(crate) found: Vec<u32>,
}

/// What changes while rules run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) tx: Tx,
    pub(crate) matched: Matched,
    /// What the links of the rule matched: names and values. Only kept for rules that ask for it.
    pub(crate) matched_vars: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) buffers: Buffers,
    pub(crate) patterns: Vec<PatternCache>,
    /// Patterns that came of macros.
    pub(crate) macro_patterns: MacroPatterns,
    pub(crate) groups: Groups,
    pub(crate) fingerprints: Fingerprints,
    /// Room for a text that a rule looks at and may set.
    pub(crate) spare: Vec<u8>,
    /// Bytes that macros may still expand to.
    pub(crate) macro_bytes_left: usize,
    /// Bytes that were looked at.
    pub(crate) work: u64,
    /// Values are scanned for the rules of all levels.
    pub(crate) full: bool,
    pub(crate) engine: Option<Engine>,
    pub(crate) audit_engine: Option<AuditEngine>,
    /// What `ctl`s did to the parts of an audit log's entry: at most one for each rule that ran.
    pub(crate) audit_parts: SmallVec<[PartsChange; 1]>,
    /// What a `ctl` excluded from rules.
    pub(crate) excluded: Vec<(RuleSet, Exclusion)>,
    /// The keys of the records that are open.
    pub(crate) records: [Option<(Record, Vec<u8>)>; 5],
    pub(crate) now_s: u64,
}

/// Patterns with macros put in, compiled: as many texts as rules have for them, and they hardly ever change.
#[derive(Debug, Default)]
pub(crate) struct MacroPatterns(AHashMap<Vec<u8>, Option<(Pattern, PatternCache)>>);

/// One more empties the table.
const MACRO_PATTERNS_MAX: usize = 32;
/// Bytes of a pattern with its macros put in.
const MACRO_PATTERN_BYTES_MAX: usize = 4 << 10;

impl MacroPatterns {
    /// Where the pattern matches; one that is wrong, or too long, matches nothing.
    pub(crate) fn find(
        &mut self,
        pattern: &[u8],
        text: &[u8],
        groups: Option<&mut Groups>,
    ) -> Option<Range<usize>> {
        if pattern.len() > MACRO_PATTERN_BYTES_MAX {
            return None;
        }
        if self.0.len() >= MACRO_PATTERNS_MAX && !self.0.contains_key(pattern) {
            self.0.clear();
        }
        let entry = self.0.entry(pattern.to_vec()).or_insert_with(|| {
            let text = std::str::from_utf8(pattern).ok()?;
            Some((Pattern::rx(text, false).ok()?, None))
        });
        let (pattern, cache) = entry.as_mut()?;
        pattern.find(cache, text, groups)
    }
}

impl Scratch {
    /// Memory that nothing was done with yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether its caches are this program's.
    pub fn serves(&self, program: &Program) -> bool {
        self.identity == program.identity
    }

    /// Makes it ready for a transaction.
    pub(crate) fn prepare(&mut self, program: &Program) {
        if self.identity != program.identity {
            self.identity = program.identity;
            self.unions.clear();
            self.run.patterns.clear();
            self.memo.clear();
        }
        self.unions.resize_with(program.unions.len(), || None);
        self.run
            .patterns
            .resize_with(program.patterns.len(), || None);
        let words = program.rules.len().div_ceil(64);
        self.store.clear();
        self.body.clear();
        self.hits.clear();
        self.candidates.clear();
        self.candidates.resize(words, 0);
        self.removed.clear();
        self.removed.resize(words, 0);
        self.matches.clear();
        let run = &mut self.run;
        run.tx.reset(program);
        run.matched.clear();
        run.matched_vars.clear();
        run.macro_bytes_left = program.limits.macro_bytes_max;
        run.fingerprints.clear();
        run.work = 0;
        run.full = false;
        run.engine = None;
        run.audit_engine = None;
        run.audit_parts.clear();
        run.excluded.clear();
        run.records = Default::default();
        run.now_s = 0;
    }
}
