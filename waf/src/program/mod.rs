//! The compiled form of a rule set.

mod classes;
mod compile;
mod rule;
mod union;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use seawall_diag::{Diagnostics, FileId, SourceMap};

use crate::limits::{Limits, Options};
use crate::pattern::Pattern;
use crate::seclang::ast::Engine;
use crate::transform::Chain;

pub(crate) use classes::{Class, Classes};
pub(crate) use rule::{
    Exclusion, Link, NumberTest, Operator, Part, Rule, Selector, SetOp, SetVar, Source, Target,
    TextTest, TxName, What,
};
pub(crate) use union::{Union, UnionCache};

/// The built-in rules, in the order they run.
const BUILTIN: &[(&str, &str)] = &[
    (
        "builtin/00-setup.conf",
        include_str!("../../rules/00-setup.conf"),
    ),
    (
        "builtin/10-protocol.conf",
        include_str!("../../rules/10-protocol.conf"),
    ),
    (
        "builtin/20-scanners.conf",
        include_str!("../../rules/20-scanners.conf"),
    ),
    (
        "builtin/30-files.conf",
        include_str!("../../rules/30-files.conf"),
    ),
    (
        "builtin/32-injection.conf",
        include_str!("../../rules/32-injection.conf"),
    ),
    (
        "builtin/41-xss.conf",
        include_str!("../../rules/41-xss.conf"),
    ),
    (
        "builtin/42-sqli.conf",
        include_str!("../../rules/42-sqli.conf"),
    ),
    (
        "builtin/49-blocking.conf",
        include_str!("../../rules/49-blocking.conf"),
    ),
];

/// Members of TX that every program has: the captures, `TX:0` to `TX:9`, in their slots.
pub(crate) const CAPTURES: usize = 10;

/// A compiled rule set. Immutable: share it with an [`Arc`].
#[derive(Debug)]
pub struct Program {
    /// Tells a [`Scratch`](crate::Scratch) whether its caches are this program's.
    pub(crate) identity: u64,
    pub(crate) limits: Limits,
    pub(crate) engine: Engine,
    pub(crate) rules: Vec<Rule>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) classes: Classes,
    pub(crate) unions: Vec<Union>,
    /// For phases 1 and 2: a bit for each rule that is evaluated even if no value is a candidate.
    pub(crate) always: [Vec<u64>; 2],
    /// For phases 1 and 2: a bit for each rule of the phase.
    pub(crate) phase: [Vec<u64>; 2],
    /// Names of the members of TX that rules mention, in lower case; the index is the slot.
    pub(crate) tx_names: Vec<Arc<str>>,
    pub(crate) tx_slots: AHashMap<Arc<str>, usize>,
    /// What TX holds before the first rule.
    pub(crate) tx_initial: Vec<(usize, Vec<u8>)>,
    /// Slots whose greatest number is the inbound anomaly score.
    pub(crate) score_slots: Vec<usize>,
}

impl Program {
    /// The rule set that comes with Seawall.
    ///
    /// # Errors
    /// Only if the built-in rules themselves are wrong, which a test excludes. As the caller has no source map of them,
    /// each finding is one message with its file, line and column.
    pub fn builtin(options: &Options) -> Result<Program, Diagnostics> {
        let mut sources = SourceMap::default();
        let files: Vec<FileId> = BUILTIN
            .iter()
            .map(|(name, text)| sources.add(*name, (*text).to_owned()))
            .collect();
        Self::compile(&mut sources, &files, options).map_err(|found| {
            let mut plain = Diagnostics::default();
            found
                .lines(&sources)
                .into_iter()
                .for_each(|line| plain.error("builtin-rules", None, line));
            plain
        })
    }

    /// Compiles SecLang files, in this order, to one program.
    ///
    /// `Include` is not followed; nothing is read but what is in `sources`.
    ///
    /// # Errors
    /// All errors of all files, each with its span in `sources`.
    pub fn compile(
        sources: &mut SourceMap,
        files: &[FileId],
        options: &Options,
    ) -> Result<Program, Diagnostics> {
        compile::compile(sources, files, options)
    }

    /// How many rules it has; a chain is one.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Where the values of a variable are.
    pub(crate) fn what(&self, variable: crate::seclang::ast::Variable) -> What {
        compile::what(variable)
    }

    /// A number that no other program of this process has.
    fn next_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}
