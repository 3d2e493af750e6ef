//! What a worker thread keeps from one transaction to the next: buffers and the caches of lazy automata.

use regex_automata::meta;

use crate::matched::{Match, Matched};
use crate::program::{Part, Program, UnionCache};
use crate::request::Store;
use crate::transform::Buffers;
use crate::tx::Tx;

/// A value that a union found a rule's pattern in.
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
    pub(crate) removed: Vec<(u32, u32)>,
    pub(crate) matches: Vec<Match>,
    pub(crate) run: Run,
    pub(crate) unions: Vec<Option<UnionCache>>,
}

/// What changes while rules run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) tx: Tx,
    pub(crate) matched: Matched,
    pub(crate) buffers: Buffers,
    pub(crate) patterns: Vec<Option<meta::Cache>>,
    pub(crate) groups: Vec<Option<std::ops::Range<usize>>>,
    /// Bytes that macros may still expand to.
    pub(crate) macro_bytes_left: usize,
}

impl Scratch {
    /// Memory that nothing was done with yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it ready for a transaction.
    pub(crate) fn prepare(&mut self, program: &Program) {
        if self.identity != program.identity {
            self.identity = program.identity;
            self.unions.clear();
            self.run.patterns.clear();
        }
        self.unions.resize_with(program.unions.len(), || None);
        self.run
            .patterns
            .resize_with(program.patterns.len(), || None);
        self.store.clear();
        self.body.clear();
        self.hits.clear();
        self.candidates.clear();
        self.candidates.resize(program.rules.len().div_ceil(64), 0);
        self.removed.clear();
        self.matches.clear();
        self.run.tx.reset(program);
        self.run.matched.clear();
        self.run.macro_bytes_left = program.limits.macro_bytes_max;
    }
}
