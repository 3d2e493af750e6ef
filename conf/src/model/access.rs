//! Who may pass: networks, passwords, a verifying service, tokens.

use super::{Pattern, Proxy, Template};
use ipnet::IpNet;
use seawall_diag::Span;
use std::{path::PathBuf, time::Duration};

/// What a request must satisfy before anything answers it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The first rule that takes the client decides; a client that none takes passes (ngx_http_access_module).
    pub rules: Vec<AccessRule>,
    /// What must be proved, in order.
    pub auth: Vec<Auth>,
    /// One of `rules` and `auth` is enough (nginx: `satisfy any`); otherwise all must hold.
    pub satisfy_any: bool,
    /// For methods that are not listed another policy holds (nginx: `limit_except`).
    pub except: Option<Box<LimitExcept>>,
}

/// A policy for every method but some.
#[derive(Clone, Debug)]
pub struct LimitExcept {
    /// Methods that are not concerned. GET stands for HEAD, too.
    pub methods: Vec<String>,
    /// What holds for all others.
    pub access: Access,
}

/// One rule of an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Whom it takes.
    pub who: Who,
    /// Whether they pass.
    pub allow: bool,
}

/// Clients by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    All,
    /// Those who came through a unix socket.
    Unix,
    /// A network.
    Net(IpNet),
    /// Whoever is on a list; an index into [`super::Config::lists`].
    List(usize),
    /// A country (ISO 3166-1, upper case).
    Country([u8; 2]),
    /// An autonomous system.
    System(u32),
}

/// Clients under a name.
#[derive(Clone, Debug)]
pub struct List {
    /// Where it was written.
    pub at: Span,
    /// Its name.
    pub name: String,
    /// Files of networks, absolute, watched.
    pub files: Vec<(PathBuf, Span)>,
    /// Networks.
    pub networks: Vec<IpNet>,
    /// Autonomous systems.
    pub systems: Vec<u32>,
    /// Countries (ISO 3166-1, upper case).
    pub countries: Vec<[u8; 2]>,
    /// What is answered to whom it denies (default 403).
    pub status: u16,
}

impl List {
    /// Whether it can only be told by a database of places. Files may hold systems, too: these count where there is one.
    pub fn needs_places(&self) -> bool {
        !self.systems.is_empty() || !self.countries.is_empty()
    }
}

/// One way to prove who one is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// A name and a password (RFC 7617).
    Basic(BasicAuth),
    /// Another service is asked.
    Forward(Box<ForwardAuth>),
    /// A signed token (RFC 7519).
    Jwt(Box<JwtAuth>),
}

/// Basic authentication.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    /// Where it was written.
    pub at: Span,
    /// The htpasswd file, absolute.
    pub users: PathBuf,
    /// What a client is asked for.
    pub realm: Template,
    /// Whether `Authorization` is kept from the origin.
    pub strip: bool,
    /// Whether a file that is missing, or a line of it that cannot be used, is an error; otherwise a warning, and
    /// nobody passes by it (nginx reads the file at the request).
    pub strict: bool,
}

/// A service is asked whether a request may pass.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    /// Where it was written.
    pub at: Span,
    /// Whom to ask.
    pub target: ForwardTarget,
    /// Fields of its 2xx answer that the origin gets; a client's own fields of these names are always removed.
    pub copy: Vec<String>,
    /// The longest the question may take (default 5 s).
    pub timeout: Duration,
    /// Variables set from its answer (nginx: `auth_request_set`).
    pub set: Vec<(String, Template)>,
}

/// Whom a forward authentication asks.
#[derive(Clone, Debug)]
pub enum ForwardTarget {
    /// A pool. What it says other than 2xx is the client's answer.
    Pool(Box<Proxy>),
    /// A location of the same site (nginx: `auth_request`): 401 and 403 refuse, anything else than 2xx is 500.
    Location(Template),
}

/// JSON Web Tokens.
#[derive(Clone, Debug)]
pub struct JwtAuth {
    /// Where it was written.
    pub at: Span,
    /// Where the keys are (RFC 7517).
    pub keys: KeySource,
    /// Signatures taken, by their JWA names (RFC 7518 §3.1); never empty, never `none` or symmetric ones.
    pub algorithms: Vec<String>,
    /// One of these must be among the token's `aud`; empty: not looked at.
    pub audience: Vec<String>,
    /// One of these must be the token's `iss`; empty: not looked at.
    pub issuer: Vec<String>,
    /// Tolerance of clocks (default 30 s).
    pub leeway: Duration,
    /// Claims (a path with dots) that the origin gets as fields; a client's own fields of these names are removed.
    pub claims: Vec<(String, String)>,
    /// Where the token is looked for.
    pub from: TokenSource,
    /// Whether a request without a token is refused.
    pub required: bool,
    /// Whether the token is kept from the origin.
    pub strip: bool,
}

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file, absolute, watched.
    File(PathBuf),
    /// A pool that is asked for a path, in the background.
    Url {
        /// The URL as written.
        url: String,
        /// Index into [`super::Config::pools`].
        pool: usize,
        /// Host and port.
        authority: String,
        /// Path and query.
        path: String,
    },
}

/// Where a token is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// The whole value of a field.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// A condition of a route beside its path; see `when` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these methods.
    Method(Vec<String>),
    /// A request field.
    Header(String, Wanted),
    /// An argument of the query, decoded.
    Query(String, Wanted),
    /// A cookie.
    Cookie(String, Wanted),
    /// The client's address is in one of these networks.
    From(Vec<IpNet>),
    /// These do not all hold.
    Not(Vec<Test>),
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// It is one of these.
    OneOf(Vec<String>),
    /// An expression matches it.
    Regex(Pattern),
}
