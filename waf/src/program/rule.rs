//! A rule, ready to run: names are slots and indexes, texts are templates, patterns are compiled.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::byteset::ByteSet;
use crate::template::Template;

/// Where values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    Method,
    Uri,
    UriRaw,
    Filename,
    QueryString,
    Protocol,
    Line,
    RemoteAddr,
    Headers,
    Cookies,
    ArgsGet,
    ArgsPost,
    ArgsSize,
    Body,
    BodyError,
}

impl Source {
    /// How many there are.
    pub(crate) const COUNT: usize = Source::BodyError as usize + 1;

    /// Its name in SecLang; that of its members' names for [`Part::Name`].
    pub(crate) fn name(self, part: Part) -> &'static str {
        match (self, part) {
            (Source::Method, _) => "REQUEST_METHOD",
            (Source::Uri, _) => "REQUEST_URI",
            (Source::UriRaw, _) => "REQUEST_URI_RAW",
            (Source::Filename, _) => "REQUEST_FILENAME",
            (Source::QueryString, _) => "QUERY_STRING",
            (Source::Protocol, _) => "REQUEST_PROTOCOL",
            (Source::Line, _) => "REQUEST_LINE",
            (Source::RemoteAddr, _) => "REMOTE_ADDR",
            (Source::Headers, Part::Value) => "REQUEST_HEADERS",
            (Source::Headers, Part::Name) => "REQUEST_HEADERS_NAMES",
            (Source::Cookies, Part::Value) => "REQUEST_COOKIES",
            (Source::Cookies, Part::Name) => "REQUEST_COOKIES_NAMES",
            (Source::ArgsGet | Source::ArgsPost, Part::Value) => "ARGS",
            (Source::ArgsGet | Source::ArgsPost, Part::Name) => "ARGS_NAMES",
            (Source::ArgsSize, _) => "ARGS_COMBINED_SIZE",
            (Source::Body, _) => "REQUEST_BODY",
            (Source::BodyError, _) => "REQBODY_ERROR",
        }
    }

    /// Whether looking at it directly costs less than having a union scan it.
    pub(crate) fn is_small(self) -> bool {
        use Source::{ArgsSize, BodyError, Method, Protocol, RemoteAddr};
        matches!(self, Method | Protocol | RemoteAddr | ArgsSize | BodyError)
    }
}

/// Which part of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    Value,
    Name,
}

/// What a target looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Values {
        sources: SmallVec<[Source; 2]>,
        part: Part,
    },
    Tx,
    MatchedVar,
    MatchedVarName,
}

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
    pub(crate) what: What,
    pub(crate) selector: Selector,
    /// Their number instead of themselves.
    pub(crate) count: bool,
}

/// What a link does not look at.
#[derive(Clone, Debug)]
pub(crate) struct Exclusion {
    pub(crate) what: What,
    pub(crate) selector: Selector,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Equal,
    Contains,
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

/// What is asked of a value.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    /// Index of a pattern.
    Pattern(usize),
    Text(TextTest, Template),
    Number(NumberTest, Template),
    /// Matches a value with a byte that is not in the set.
    BytesOutside(ByteSet),
    Always,
}

/// The name of a member of TX.
#[derive(Clone, Debug)]
pub(crate) enum TxName {
    Slot(usize),
    /// Has macros: known only when it runs.
    Computed(Template),
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
    pub(crate) name: TxName,
    pub(crate) op: SetOp,
}

/// A rule of a chain; most chains have one.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Empty for a SecAction, which always matches.
    pub(crate) targets: Vec<Target>,
    pub(crate) exclusions: Vec<Exclusion>,
    /// Index of a transformation chain.
    pub(crate) chain: usize,
    pub(crate) operator: Operator,
    pub(crate) negated: bool,
    pub(crate) capture: bool,
    /// Run for each value that matches, whether the rest of the chain does or not.
    pub(crate) set_vars: Vec<SetVar>,
}

/// A chain of links with what happens when all of them match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: u32,
    pub(crate) links: Vec<Link>,
    /// Whether only values that a union found are looked at.
    pub(crate) scanned: bool,
    pub(crate) log: bool,
    pub(crate) message: Option<Template>,
    pub(crate) log_data: Option<Template>,
    /// 0 (emergency) to 7 (debug).
    pub(crate) severity: Option<u8>,
    pub(crate) tags: Arc<[String]>,
    /// The status of the refusal.
    pub(crate) deny: Option<u16>,
    /// The first rule after the marker.
    pub(crate) skip_to: Option<usize>,
    pub(crate) removes: Vec<(u32, u32)>,
}
