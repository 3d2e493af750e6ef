//! A rule, ready to run: names are slots and indexes, texts are templates, patterns are compiled.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::audit::{AuditEngine, PartsChange};
use crate::byteset::ByteSet;
use crate::matched::RuleInfo;
use crate::request::BodyKind;
use crate::seclang::ast::{Allowed, Engine};
use crate::template::Template;
use crate::variable::{Record, Variable};

/// Which members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selector {
    All,
    /// In lower case: names of members are compared regardless of ASCII case.
    Name(Vec<u8>),
    /// A member of TX.
    Slot(usize),
    /// Index of a pattern.
    Regex(usize),
}

/// One of the things a link looks at.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
    /// Their number instead of themselves.
    pub(crate) count: bool,
}

/// What a link does not look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exclusion {
    pub(crate) variable: Variable,
    pub(crate) selector: Selector,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Equal,
    Contains,
    /// Contains it with no letter, digit or underscore at either side.
    ContainsWord,
    BeginsWith,
    EndsWith,
    /// The value is a part of the argument.
    Within,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberTest {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
}

/// What can be asked of a value while it is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteTest {
    /// It has a byte that is not in the set.
    Outside(ByteSet),
    Sqli,
    Xss,
    /// It has a percent sign without two hexadecimal digits after it.
    BrokenUrlEncoding,
    BrokenUtf8,
}

/// Numbers with a check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    CreditCard,
    Cpf,
    Ssn,
}

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    /// Index of a pattern.
    Pattern(usize),
    /// A pattern with macros, compiled when it is known.
    MacroPattern(Template),
    /// Index of a list of phrases.
    Phrases(usize),
    Text(TextTest, Template),
    Number(NumberTest, Template),
    Bytes(ByteTest),
    /// Index of a list of networks.
    Addresses(usize),
    /// Index of a pattern that finds candidates, and how they are checked.
    Checked(usize, Checked),
    Always,
    Never,
}

/// The name of a member of TX.
#[derive(Clone, Debug)]
pub(crate) enum VariableName {
    Slot(usize),
    /// Has macros: known only when it runs.
    Computed(Template),
    /// A member of a record.
    Record(Record, Template),
}

/// What `setvar` does.
#[derive(Clone, Debug)]
pub(crate) enum SetOp {
    Set(Template),
    Add(Template),
    Subtract(Template),
    Remove,
}

/// A `setvar`.
#[derive(Clone, Debug)]
pub(crate) struct SetVar {
    pub(crate) name: VariableName,
    pub(crate) op: SetOp,
}

/// A rule of a chain; most chains have one.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Empty for a SecAction, which always matches.
    pub(crate) targets: Vec<Target>,
    pub(crate) exclusions: Vec<Exclusion>,
    /// Indexes of the transformation chains whose results are asked about: one, or with `multiMatch` one for each step.
    pub(crate) chains: SmallVec<[usize; 1]>,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    pub(crate) capture: bool,
    /// Run for each value that matches, whether the rest of the chain does or not.
    pub(crate) set_vars: Vec<SetVar>,
    /// See [`compares_tx`](Self::compares_tx); known once all rules are.
    pub(crate) compares_tx: bool,
}

impl Link {
    /// Whether it does no more than compare single members of TX with a fixed text: most of the rules that no scan
    /// decides are such. `plain` tells whether a transformation chain changes nothing.
    pub(crate) fn compares_tx(&self, plain: impl Fn(usize) -> bool) -> bool {
        let members = self.targets.iter().all(|target| {
            target.variable == Variable::Tx && matches!(target.selector, Selector::Slot(_))
        });
        let fixed = match &self.operator {
            Operator::Number(_, argument) | Operator::Text(_, argument) => {
                argument.fixed().is_some()
            }
            _ => false,
        };
        let compares = members && fixed && !self.targets.is_empty();
        compares
            && !self.capture
            && self.exclusions.is_empty()
            && matches!(self.chains.as_slice(), [chain] if plain(*chain))
    }
}

/// What becomes of a request that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    /// The status of the refusal.
    Deny(u16),
    Allow(Allowed),
}

/// A set of rules: a bit for each.
pub(crate) type RuleSet = Arc<[u64]>;

/// What a rule that matched changes for those that follow.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Engine(Engine),
    RemoveRules(RuleSet),
    RemoveTarget(RuleSet, Exclusion),
    BodyProcessor(BodyKind),
    BodyAccess(bool),
    ForceBody(bool),
    ResponseBodyAccess(bool),
    AuditEngine(AuditEngine),
    AuditParts(PartsChange),
    /// `initcol`: the record's key.
    Init(Record, Template),
    /// `expirevar`: the member, seconds.
    Expire(Record, Template, Template),
}

/// A chain of links with what happens when all of them match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: u32,
    pub(crate) links: Vec<Link>,
    /// Whether only values that a scan found are looked at.
    pub(crate) scanned: bool,
    /// Whether a link looks at what earlier links matched.
    pub(crate) remembers: bool,
    pub(crate) log: bool,
    pub(crate) audit: bool,
    pub(crate) message: Option<Template>,
    pub(crate) log_data: Option<Template>,
    /// 0 (emergency) to 7 (debug).
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Arc<[String]>,
    pub(crate) info: Arc<RuleInfo>,
    /// Whether it adds to a member of TX that is an anomaly score.
    pub(crate) scores: bool,
    /// Whether its matches are only told.
    pub(crate) dry_run: bool,
    pub(crate) outcome: Outcome,
    /// The first rule after the marker, or after those that are skipped.
    pub(crate) skip_to: Option<usize>,
    pub(crate) controls: Vec<Control>,
    /// If it skips rules unless a level is reached (`TX:paranoia_level "@lt 2"`): that level.
    pub(crate) gate: Option<u8>,
}

impl SetVar {
    /// The texts in it that may have macros.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Template> {
        let name = match &self.name {
            VariableName::Slot(_) => None,
            VariableName::Computed(template) | VariableName::Record(_, template) => Some(template),
        };
        let value = match &self.op {
            SetOp::Set(t) | SetOp::Add(t) | SetOp::Subtract(t) => Some(t),
            SetOp::Remove => None,
        };
        name.into_iter().chain(value)
    }
}

impl Operator {
    /// Its argument, if that may have macros.
    pub(crate) fn template(&self) -> Option<&Template> {
        match self {
            Self::MacroPattern(template) | Self::Text(_, template) | Self::Number(_, template) => {
                Some(template)
            }
            _ => None,
        }
    }
}
