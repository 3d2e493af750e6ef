//! The compiled form of a rule set.

mod classes;
mod compile;
mod rule;
mod sources;
mod union;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::AHashMap;
use seawall_diag::{Diagnostics, FileId, SourceMap};

use crate::audit::AuditSettings;
use crate::files::{Files, NoFiles};
use crate::limits::{Limits, Options};
use crate::operator::{Addresses, PhraseSet, Phrases};
use crate::pattern::Pattern;
use crate::records::Collections;
use crate::seclang::ast::Engine;
use crate::transform::Chain;
use crate::variable::Source;

pub(crate) use classes::{Automaton, Class, Classes};
pub(crate) use compile::PHASES;
pub(crate) use rule::{
    ByteTest, Checked, Control, Exclusion, Link, NumberTest, Operator, Outcome, Rule, RuleSet,
    Selector, SetOp, SetVar, Target, TextTest, VariableName,
};
pub(crate) use sources::SourceSet;
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

/// What the Core Rule Set is wrong about on an ordinary site.
const EXCLUSIONS: (&str, &str) = (
    "builtin/exclusions-crs.conf",
    include_str!("../../exclusions/crs.conf"),
);

/// Members of TX that every program has: the captures, `TX:0` to `TX:9`, in their slots.
pub(crate) const CAPTURES: usize = 10;

/// What is looked at of a response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) body: bool,
    /// Media types, in lower case.
    pub(crate) types: Vec<String>,
}

/// A compiled rule set. Immutable: share it with an [`Arc`].
#[derive(Debug)]
pub struct Program {
    /// Tells a [`Scratch`](crate::Scratch) whether its caches are this program's.
    pub(crate) identity: u64,
    pub(crate) warnings: Diagnostics,
    pub(crate) limits: Limits,
    pub(crate) response: Response,
    pub(crate) audit: AuditSettings,
    pub(crate) signatures: Vec<String>,
    pub(crate) paranoia: u8,
    pub(crate) engine: Engine,
    pub(crate) detect: bool,
    pub(crate) collections: Arc<Collections>,
    pub(crate) rules: Vec<Rule>,
    /// For each rule the level that must be reached for it not to be skipped; 0 is none.
    pub(crate) levels: Vec<u8>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) phrases: Vec<Phrases>,
    pub(crate) addresses: Vec<Addresses>,
    /// With the rules up to the paranoia level that the program was compiled for.
    pub(crate) classes: Classes,
    /// With all rules, if that is more.
    pub(crate) full_classes: Option<Classes>,
    pub(crate) unions: Vec<Union>,
    pub(crate) phrase_sets: Vec<PhraseSet>,
    /// For each phase: a bit for each rule that is evaluated even if no value is a candidate.
    pub(crate) always: [Vec<u64>; PHASES],
    /// For each phase: a bit for each rule of it.
    pub(crate) phase: [Vec<u64>; PHASES],
    pub(crate) uses: SourceSet,
    /// Names of the members of TX that rules mention, in lower case; the index is the slot.
    pub(crate) tx_names: Vec<Arc<str>>,
    pub(crate) tx_slots: AHashMap<Arc<str>, usize>,
    /// For each pattern that selects members of TX, the slots whose names it matches.
    pub(crate) tx_selected: AHashMap<usize, Vec<usize>>,
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

    /// Compiles SecLang files, in this order, to one program. Nothing is read but what is in `sources`.
    ///
    /// # Errors
    /// All errors of all files, each with its span in `sources`.
    pub fn compile(
        sources: &mut SourceMap,
        files: &[FileId],
        options: &Options,
    ) -> Result<Program, Diagnostics> {
        compile::compile(sources, files, &NoFiles, options)
    }

    /// Compiles SecLang files, in this order, with those that they include and the lists that they name, which are read
    /// by `reader`. What is included is added to `sources`. Relative paths are those of the file that they stand in.
    ///
    /// # Errors
    /// All errors of all files, each with its span in `sources`; a file that cannot be read at the place that names it.
    pub fn load(
        sources: &mut SourceMap,
        files: &[FileId],
        reader: &dyn Files,
        options: &Options,
    ) -> Result<Program, Diagnostics> {
        if !options.exclusions {
            return compile::compile(sources, files, reader, options);
        }
        let first = sources.add(EXCLUSIONS.0, EXCLUSIONS.1.to_owned());
        let files: Vec<FileId> = [first].into_iter().chain(files.iter().copied()).collect();
        compile::compile(sources, &files, reader, options)
    }

    /// How many rules it has; a chain is one.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// What is strange about the rules, but no error.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Ids of the rules that are only tried ([`Options::dry_run`]).
    pub fn tried(&self) -> impl Iterator<Item = u32> {
        let tried = self.rules.iter().filter(|rule| rule.dry_run);
        tried.map(|rule| rule.id)
    }

    /// What its rule files call themselves (`SecComponentSignature`).
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// Whether statuses make transactions relevant to an audit log (`SecAuditLogRelevantStatus`).
    pub fn audits_statuses(&self) -> bool {
        self.audit.status.is_some()
    }

    /// Whether this status does.
    pub fn audits_status(&self, status: u16) -> bool {
        let pattern = self.audit.status.and_then(|index| self.patterns.get(index));
        let text = status.to_string();
        pattern.is_some_and(|p| p.find(&mut None, text.as_bytes(), None).is_some())
    }

    /// Whether any rule looks at responses, so that they have to be passed to the transaction.
    pub fn judges_responses(&self) -> bool {
        let phases = self.phase.iter().skip(2).take(2);
        phases.flatten().any(|word| *word != 0)
    }

    /// The classes of values: with rules of all levels, or up to the program's.
    pub(crate) fn classes(&self, full: bool) -> &Classes {
        match &self.full_classes {
            Some(classes) if full => classes,
            _ => &self.classes,
        }
    }

    /// Whether anything looks at a source.
    pub(crate) fn uses(&self, source: Source) -> bool {
        self.uses.contains(source)
    }

    /// A number that no other program of this process has.
    fn next_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}
