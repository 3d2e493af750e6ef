//! The directives of a file, each part with its span.

use seawall_diag::Span;

use crate::audit::{AuditEngine, AuditParts, PartsChange};
use crate::byteset::ByteSet;
use crate::request::BodyKind;
use crate::transform::Transform;
use crate::variable::{Record, Variable};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) at: Span,
}

/// A directive.
#[derive(Clone, Debug)]
pub(crate) enum Directive {
    /// `SecRule VARIABLES OPERATOR [ACTIONS]`, or `SecAction ACTIONS` (no targets, no operator).
    Rule(RuleSyntax),
    /// `SecMarker NAME`.
    Marker(String),
    /// `SecDefaultAction ACTIONS`.
    Default(Spanned<Vec<Spanned<Action>>>),
    /// `SecRuleEngine On|Off|DetectionOnly`.
    Engine(Engine),
    /// `Include PATTERN`: other files, read in its place. The flag: none is no error.
    Include(Spanned<String>, bool),
    /// `SecRuleRemoveBy...`.
    Remove(Vec<Which>),
    /// `SecRuleUpdateTargetBy... RULES TARGETS`.
    UpdateTargets(Vec<Which>, Vec<TargetSyntax>),
    /// `SecRuleUpdateActionById RULES ACTIONS`.
    UpdateActions(Vec<Which>, Vec<Spanned<Action>>),
    /// A limit or a switch of body inspection.
    Setting(Setting),
}

/// Which rules a directive or a `ctl` is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Which {
    /// From, to, both included.
    Ids(u32, u32),
    /// The tag itself, or a pattern that finds it.
    Tag(String),
    /// The message itself, or a pattern that finds it.
    Message(String),
}

/// What `SecRuleEngine` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    On,
    Off,
    DetectionOnly,
}

/// What the directives about bodies set.
#[derive(Clone, Debug)]
pub(crate) enum Setting {
    RequestBodyAccess(bool),
    /// Bytes of a request's body that are looked at.
    RequestBodyLimit(usize),
    /// Whether a longer one is refused.
    RequestBodyRefuse(bool),
    JsonDepth(usize),
    Arguments(usize),
    ResponseBodyAccess(bool),
    ResponseBodyLimit(usize),
    ResponseBodyRefuse(bool),
    /// Media types of responses whose bodies are looked at.
    ResponseBodyTypes(Vec<String>),
    /// Seconds that members of `ip`, `global` and the like live.
    CollectionTimeout(u64),
    ArgumentSeparator(u8),
    AuditEngine(AuditEngine),
    AuditParts(AuditParts),
    /// A pattern of statuses that are relevant to an audit log.
    AuditStatus(Spanned<String>),
    /// What a rule set calls itself.
    Signature(String),
}

/// A rule, or a link of a chain.
#[derive(Clone, Debug)]
pub(crate) struct RuleSyntax {
    pub(crate) at: Span,
    pub(crate) targets: Vec<TargetSyntax>,
    /// `None` for a SecAction.
    pub(crate) operator: Option<OperatorSyntax>,
    pub(crate) actions: Vec<Spanned<Action>>,
}

/// One of the variables of a rule.
#[derive(Clone, Debug)]
pub(crate) struct TargetSyntax {
    pub(crate) variable: Variable,
    pub(crate) selector: Option<Spanned<SelectorSyntax>>,
    /// `&`: how many there are.
    pub(crate) count: bool,
    /// `!`: not these.
    pub(crate) exclude: bool,
}

/// Which members of a collection.
#[derive(Clone, Debug)]
pub(crate) enum SelectorSyntax {
    Name(String),
    Regex(String),
}

/// An operator with its argument.
#[derive(Clone, Debug)]
pub(crate) struct OperatorSyntax {
    pub(crate) negated: bool,
    pub(crate) kind: OperatorKind,
    /// The argument as written, and where.
    pub(crate) argument: Spanned<String>,
}

/// Which operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum OperatorKind {
    Rx,
    Pm,
    PmFromFile,
    Streq,
    Contains,
    ContainsWord,
    BeginsWith,
    EndsWith,
    Within,
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    /// The bytes that are allowed.
    ByteRange(ByteSet),
    IpMatch,
    IpMatchFromFile,
    DetectSqli,
    DetectXss,
    UrlEncoding,
    Utf8Encoding,
    VerifyCreditCard,
    VerifyCpf,
    VerifySsn,
    UnconditionalMatch,
    NoMatch,
    /// Asks a service that there is none of here (`@rbl`, `@geoLookup`): never matches.
    Elsewhere(&'static str),
}

/// What happens to a request when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruption {
    Pass,
    /// What SecDefaultAction says.
    Block,
    Deny,
    /// The rest of the rules is passed over: of the phase, of the request's phases, or of all.
    Allow(Allowed),
}

/// How much `allow` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allowed {
    Phase,
    Request,
    All,
}

/// What a `ctl` changes for the rest of the transaction.
#[derive(Clone, Debug)]
pub(crate) enum ControlSyntax {
    Engine(Engine),
    RemoveRules(Which),
    RemoveTarget(Which, TargetSyntax),
    BodyProcessor(BodyKind),
    BodyAccess(bool),
    ForceBody(bool),
    ResponseBodyAccess(bool),
    AuditEngine(AuditEngine),
    AuditParts(PartsChange),
    /// About logs and limits that are set elsewhere.
    Nothing,
}

/// What an action says to readers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Version,
    Revision,
    Maturity,
    Accuracy,
}

/// An action.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Id(u32),
    Phase(u8),
    Disruption(Disruption),
    Status(u16),
    Log(bool),
    AuditLog(bool),
    Msg(String),
    LogData(String),
    Tag(String),
    Severity(u8),
    /// `None` is `t:none`.
    Transform(Option<Transform>),
    MultiMatch,
    /// `!name`, `name`, `name=value`, `name=+value`, `name=-value`: the part after `setvar:`.
    SetVar(String),
    /// `initcol`: the collection and the key of its record.
    Init(Record, String),
    /// `expirevar`: the collection, the member, seconds.
    Expire(Record, String, String),
    Capture,
    Chain,
    Skip(usize),
    SkipAfter(String),
    Note(Note, String),
    /// Without an effect here.
    Nothing,
    Control(ControlSyntax),
}
