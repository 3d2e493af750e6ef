//! The directives of a file, each part with its span.

use seawall_diag::Span;

use crate::byteset::ByteSet;
use crate::transform::Transform;

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
}

/// What `SecRuleEngine` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    On,
    Off,
    DetectionOnly,
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

/// What a rule can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Variable {
    Args,
    ArgsNames,
    ArgsGet,
    ArgsPost,
    ArgsCombinedSize,
    MatchedVar,
    MatchedVarName,
    QueryString,
    RemoteAddr,
    ReqbodyError,
    RequestBody,
    RequestCookies,
    RequestCookiesNames,
    RequestFilename,
    RequestHeaders,
    RequestHeadersNames,
    RequestLine,
    RequestMethod,
    RequestProtocol,
    RequestUri,
    RequestUriRaw,
    Tx,
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
    Streq,
    Contains,
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
    UnconditionalMatch,
}

/// What happens to a request when a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disruption {
    Pass,
    /// What SecDefaultAction says.
    Block,
    Deny,
}

/// An action.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Id(u32),
    Phase(u8),
    Disruption(Disruption),
    Status(u16),
    Log(bool),
    Msg(String),
    LogData(String),
    Tag(String),
    Severity(u8),
    /// `None` is `t:none`.
    Transform(Option<Transform>),
    /// `!name`, `name`, `name=value`, `name=+value`, `name=-value`: the part after `setvar:`.
    SetVar(String),
    Capture,
    Chain,
    SkipAfter(String),
    /// `ver` and `rev`: for readers.
    Note,
    /// `ctl:ruleRemoveById`: from, to.
    RemoveById(u32, u32),
}
