//! What rules can look at: the variables of SecLang, and where their values are.

/// Where values come from. Each source is one list of members of a request (or of its response).
macro_rules! sources {
    ($($name:ident $values:literal $names:literal;)*) => {
        /// Where values come from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Source { $($name,)* }

        /// For each source what MATCHED_VAR_NAME calls its values, and the names of its members.
        const LABELS: &[(&str, &str)] = &[$(($values, $names),)*];
    };
}

sources! {
    Method "REQUEST_METHOD" "";
    Uri "REQUEST_URI" "";
    UriRaw "REQUEST_URI_RAW" "";
    Filename "REQUEST_FILENAME" "";
    Basename "REQUEST_BASENAME" "";
    QueryString "QUERY_STRING" "";
    Protocol "REQUEST_PROTOCOL" "";
    Line "REQUEST_LINE" "";
    RemoteAddr "REMOTE_ADDR" "";
    RemotePort "REMOTE_PORT" "";
    ServerAddr "SERVER_ADDR" "";
    ServerName "SERVER_NAME" "";
    ServerPort "SERVER_PORT" "";
    UniqueId "UNIQUE_ID" "";
    Headers "REQUEST_HEADERS" "REQUEST_HEADERS_NAMES";
    Cookies "REQUEST_COOKIES" "REQUEST_COOKIES_NAMES";
    ArgsGet "ARGS" "ARGS_NAMES";
    ArgsPost "ARGS" "ARGS_NAMES";
    ArgsSize "ARGS_COMBINED_SIZE" "";
    Body "REQUEST_BODY" "";
    BodyLength "REQUEST_BODY_LENGTH" "";
    BodyError "REQBODY_ERROR" "";
    BodyErrorText "REQBODY_ERROR_MSG" "";
    BodyProcessor "REQBODY_PROCESSOR" "";
    UrlencodedError "URLENCODED_ERROR" "";
    InboundError "INBOUND_DATA_ERROR" "";
    FullRequest "FULL_REQUEST" "";
    FullRequestLength "FULL_REQUEST_LENGTH" "";
    Files "FILES" "FILES_NAMES";
    FilesSizes "FILES_SIZES" "";
    FilesSize "FILES_COMBINED_SIZE" "";
    FilesContent "FILES_TMP_CONTENT" "";
    PartHeaders "MULTIPART_PART_HEADERS" "";
    PartFilename "MULTIPART_FILENAME" "";
    PartName "MULTIPART_NAME" "";
    StrictError "MULTIPART_STRICT_ERROR" "";
    UnmatchedBoundary "MULTIPART_UNMATCHED_BOUNDARY" "";
    BoundaryQuoted "MULTIPART_BOUNDARY_QUOTED" "";
    BoundaryWhitespace "MULTIPART_BOUNDARY_WHITESPACE" "";
    DataBefore "MULTIPART_DATA_BEFORE" "";
    DataAfter "MULTIPART_DATA_AFTER" "";
    HeaderFolding "MULTIPART_HEADER_FOLDING" "";
    InvalidHeaderFolding "MULTIPART_INVALID_HEADER_FOLDING" "";
    LfLine "MULTIPART_LF_LINE" "";
    CrlfLfLines "MULTIPART_CRLF_LF_LINES" "";
    MissingSemicolon "MULTIPART_MISSING_SEMICOLON" "";
    InvalidQuoting "MULTIPART_INVALID_QUOTING" "";
    InvalidPart "MULTIPART_INVALID_PART" "";
    FileLimitExceeded "MULTIPART_FILE_LIMIT_EXCEEDED" "";
    XmlText "XML" "";
    XmlAttributes "XML" "";
    ResponseStatus "RESPONSE_STATUS" "";
    ResponseProtocol "RESPONSE_PROTOCOL" "";
    StatusLine "STATUS_LINE" "";
    ResponseHeaders "RESPONSE_HEADERS" "RESPONSE_HEADERS_NAMES";
    ResponseContentType "RESPONSE_CONTENT_TYPE" "";
    ResponseContentLength "RESPONSE_CONTENT_LENGTH" "";
    ResponseBody "RESPONSE_BODY" "";
    OutboundError "OUTBOUND_DATA_ERROR" "";
    Duration "DURATION" "";
    Time "TIME" "";
    TimeEpoch "TIME_EPOCH" "";
    TimeYear "TIME_YEAR" "";
    TimeMonth "TIME_MON" "";
    TimeDay "TIME_DAY" "";
    TimeWeekday "TIME_WDAY" "";
    TimeHour "TIME_HOUR" "";
    TimeMinute "TIME_MIN" "";
    TimeSecond "TIME_SEC" "";
}

impl Source {
    /// How many there are.
    pub(crate) const COUNT: usize = LABELS.len();

    /// Its name in SecLang; that of its members' names for [`Part::Name`].
    pub(crate) fn name(self, part: Part) -> &'static str {
        let (values, names) = LABELS.get(self as usize).copied().unwrap_or_default();
        match part {
            Part::Value => values,
            Part::Name => names,
        }
    }

    /// Whether its members have names that rules look at.
    pub(crate) fn is_named(self) -> bool {
        !self.name(Part::Name).is_empty()
    }

    /// Whether looking at it directly costs less than having a union scan it.
    pub(crate) fn is_small(self) -> bool {
        use Source::{
            ArgsSize, BodyError, BodyLength, BodyProcessor, FilesSize, Method, Protocol,
            RemoteAddr, ResponseStatus,
        };
        matches!(
            self,
            Method
                | Protocol
                | RemoteAddr
                | ArgsSize
                | BodyError
                | BodyLength
                | BodyProcessor
                | FilesSize
                | ResponseStatus
        )
    }
}

/// Which part of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    Value,
    Name,
}

/// A collection that outlives the transaction, by its name in `initcol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Ip,
    Global,
    Session,
    User,
    Resource,
}

impl Record {
    pub(crate) const ALL: [(&'static str, Record); 5] = [
        ("IP", Record::Ip),
        ("GLOBAL", Record::Global),
        ("SESSION", Record::Session),
        ("USER", Record::User),
        ("RESOURCE", Record::Resource),
    ];

    /// The collection of a name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, r)| *r)
    }

    /// `IP`.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |(name, _)| name)
    }
}

/// What a rule can look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Variable {
    /// A part of the members of these sources.
    Values {
        sources: &'static [Source],
        part: Part,
    },
    Tx,
    Record(Record),
    MatchedVar,
    MatchedVarName,
    MatchedVars,
    MatchedVarsNames,
    /// Known, but nothing here ever gives it a value.
    Absent(&'static str),
}

/// What may be selected from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    Collection,
    /// A document, selected from by one of a few paths.
    Paths,
}

/// A selector of `XML`: the text of the whole document.
pub(crate) const XML_TEXT: &str = "/*";
/// A selector of `XML`: every attribute's value.
pub(crate) const XML_ATTRIBUTES: &str = "//@*";

const fn value(sources: &'static [Source]) -> Variable {
    Variable::Values {
        sources,
        part: Part::Value,
    }
}

const fn name(sources: &'static [Source]) -> Variable {
    Variable::Values {
        sources,
        part: Part::Name,
    }
}

macro_rules! single {
    ($text:literal, $source:ident) => {
        ($text, value(&[Source::$source]), Shape::Single)
    };
}
macro_rules! collection {
    ($text:literal, $function:ident, $($source:ident),+) => {
        ($text, $function(&[$(Source::$source),+]), Shape::Collection)
    };
}
macro_rules! absent {
    ($text:literal) => {
        ($text, Variable::Absent($text), Shape::Collection)
    };
}

/// Every variable by its name.
pub(crate) const VARIABLES: &[(&str, Variable, Shape)] = &[
    collection!("ARGS", value, ArgsGet, ArgsPost),
    single!("ARGS_COMBINED_SIZE", ArgsSize),
    collection!("ARGS_GET", value, ArgsGet),
    collection!("ARGS_GET_NAMES", name, ArgsGet),
    collection!("ARGS_NAMES", name, ArgsGet, ArgsPost),
    collection!("ARGS_POST", value, ArgsPost),
    collection!("ARGS_POST_NAMES", name, ArgsPost),
    absent!("AUTH_TYPE"),
    single!("DURATION", Duration),
    absent!("ENV"),
    collection!("FILES", value, Files),
    single!("FILES_COMBINED_SIZE", FilesSize),
    collection!("FILES_NAMES", name, Files),
    collection!("FILES_SIZES", value, FilesSizes),
    absent!("FILES_TMPNAMES"),
    collection!("FILES_TMP_CONTENT", value, FilesContent),
    single!("FULL_REQUEST", FullRequest),
    single!("FULL_REQUEST_LENGTH", FullRequestLength),
    absent!("GEO"),
    (
        "GLOBAL",
        Variable::Record(Record::Global),
        Shape::Collection,
    ),
    single!("INBOUND_DATA_ERROR", InboundError),
    ("IP", Variable::Record(Record::Ip), Shape::Collection),
    ("MATCHED_VAR", Variable::MatchedVar, Shape::Single),
    ("MATCHED_VAR_NAME", Variable::MatchedVarName, Shape::Single),
    ("MATCHED_VARS", Variable::MatchedVars, Shape::Collection),
    (
        "MATCHED_VARS_NAMES",
        Variable::MatchedVarsNames,
        Shape::Collection,
    ),
    single!("MULTIPART_BOUNDARY_QUOTED", BoundaryQuoted),
    single!("MULTIPART_BOUNDARY_WHITESPACE", BoundaryWhitespace),
    single!("MULTIPART_CRLF_LF_LINES", CrlfLfLines),
    single!("MULTIPART_DATA_AFTER", DataAfter),
    single!("MULTIPART_DATA_BEFORE", DataBefore),
    collection!("MULTIPART_FILENAME", value, PartFilename),
    single!("MULTIPART_FILE_LIMIT_EXCEEDED", FileLimitExceeded),
    single!("MULTIPART_HEADER_FOLDING", HeaderFolding),
    single!("MULTIPART_INVALID_HEADER_FOLDING", InvalidHeaderFolding),
    single!("MULTIPART_INVALID_PART", InvalidPart),
    single!("MULTIPART_INVALID_QUOTING", InvalidQuoting),
    single!("MULTIPART_LF_LINE", LfLine),
    single!("MULTIPART_MISSING_SEMICOLON", MissingSemicolon),
    collection!("MULTIPART_NAME", value, PartName),
    collection!("MULTIPART_PART_HEADERS", value, PartHeaders),
    single!("MULTIPART_STRICT_ERROR", StrictError),
    single!("MULTIPART_UNMATCHED_BOUNDARY", UnmatchedBoundary),
    single!("OUTBOUND_DATA_ERROR", OutboundError),
    single!("PATH_INFO", Filename),
    single!("QUERY_STRING", QueryString),
    single!("REMOTE_ADDR", RemoteAddr),
    single!("REMOTE_HOST", RemoteAddr),
    single!("REMOTE_PORT", RemotePort),
    absent!("REMOTE_USER"),
    single!("REQBODY_ERROR", BodyError),
    single!("REQBODY_ERROR_MSG", BodyErrorText),
    single!("REQBODY_PROCESSOR", BodyProcessor),
    single!("REQBODY_PROCESSOR_ERROR", BodyError),
    single!("REQBODY_PROCESSOR_ERROR_MSG", BodyErrorText),
    single!("REQUEST_BASENAME", Basename),
    single!("REQUEST_BODY", Body),
    single!("REQUEST_BODY_LENGTH", BodyLength),
    collection!("REQUEST_COOKIES", value, Cookies),
    collection!("REQUEST_COOKIES_NAMES", name, Cookies),
    single!("REQUEST_FILENAME", Filename),
    collection!("REQUEST_HEADERS", value, Headers),
    collection!("REQUEST_HEADERS_NAMES", name, Headers),
    single!("REQUEST_LINE", Line),
    single!("REQUEST_METHOD", Method),
    single!("REQUEST_PROTOCOL", Protocol),
    single!("REQUEST_URI", Uri),
    single!("REQUEST_URI_RAW", UriRaw),
    (
        "RESOURCE",
        Variable::Record(Record::Resource),
        Shape::Collection,
    ),
    single!("RESPONSE_BODY", ResponseBody),
    single!("RESPONSE_CONTENT_LENGTH", ResponseContentLength),
    single!("RESPONSE_CONTENT_TYPE", ResponseContentType),
    collection!("RESPONSE_HEADERS", value, ResponseHeaders),
    collection!("RESPONSE_HEADERS_NAMES", name, ResponseHeaders),
    single!("RESPONSE_PROTOCOL", ResponseProtocol),
    single!("RESPONSE_STATUS", ResponseStatus),
    single!("SERVER_ADDR", ServerAddr),
    single!("SERVER_NAME", ServerName),
    single!("SERVER_PORT", ServerPort),
    (
        "SESSION",
        Variable::Record(Record::Session),
        Shape::Collection,
    ),
    absent!("SESSIONID"),
    single!("STATUS_LINE", StatusLine),
    single!("TIME", Time),
    single!("TIME_DAY", TimeDay),
    single!("TIME_EPOCH", TimeEpoch),
    single!("TIME_HOUR", TimeHour),
    single!("TIME_MIN", TimeMinute),
    single!("TIME_MON", TimeMonth),
    single!("TIME_SEC", TimeSecond),
    single!("TIME_WDAY", TimeWeekday),
    single!("TIME_YEAR", TimeYear),
    ("TX", Variable::Tx, Shape::Collection),
    single!("UNIQUE_ID", UniqueId),
    single!("URLENCODED_ERROR", UrlencodedError),
    ("USER", Variable::Record(Record::User), Shape::Collection),
    absent!("USERID"),
    absent!("WEBAPPID"),
    ("XML", value(&[Source::XmlText]), Shape::Paths),
];

/// The parts of a document that `XML` can be asked for.
pub(crate) fn xml(path: &str) -> Option<Variable> {
    match path {
        XML_TEXT => Some(value(&[Source::XmlText])),
        XML_ATTRIBUTES => Some(value(&[Source::XmlAttributes])),
        _ => None,
    }
}

/// The variable of a name, in any case.
pub(crate) fn named(name: &str) -> Option<(Variable, Shape)> {
    VARIABLES
        .iter()
        .find(|(n, ..)| n.eq_ignore_ascii_case(name))
        .map(|(_, v, s)| (*v, *s))
}
