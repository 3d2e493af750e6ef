//! Strings with variables, compiled: variables are slots, literals are bytes, nothing is looked up a request.

use crate::{
    clock::Clock,
    log::privacy,
    placed::Placed,
    plan::{SitePlan, computed::Computed},
    tx::{ConnInfo, Tx},
    whereabouts::{self, Whereabouts},
};
use seawall_conf::model::{self, Part};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use seawall_http::Name;
use seawall_nets::Databases;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io::Write,
    os::unix::ffi::OsStrExt,
    sync::Arc,
};

/// A compiled string.
#[derive(Clone, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Variable(Variable),
}

/// A variable.
#[derive(Clone, Debug)]
#[rustfmt::skip]
enum Variable {
    Host, Uri, RequestUri, Args, IsArgs, Method, Scheme, ServerName, ServerPort, ServerAddr, Protocol, RemoteAddr, RemotePort,
    ClientIp, RemoteUser, Request, Status, BodyBytesSent, BytesSent, RequestLength, RequestTime, Msec, TimeLocal, TimeIso8601,
    UpstreamAddr, UpstreamStatus, UpstreamResponseTime, UpstreamHeaderTime, UpstreamConnectTime, TraceId, SpanId, ParentSpanId, TraceSampled, RateStatus, PlacesStatus, UpstreamCacheStatus, SliceRange, ProxyHost, ProxyPort, ProxyAddXForwardedFor,
    Hostname, Pid, Connection, ConnectionRequests, RequestId, ContentType, ContentLength, NginxVersion, HttpHost,
    Http(Name), HttpOther(Box<[u8]>), SentHttp(Box<[u8]>), Arg(Box<[u8]>), Cookie(Box<[u8]>), UpstreamHttp(Box<[u8]>),
    FastCgiScriptName, FastCgiPathInfo, Https, Capture(usize), User(usize), Proxied(Proxied), Computed(Arc<Computed>),
    Whereabouts(Whereabouts), Placed(Placed, Arc<Databases>), Claim(usize), RequestBody, RequestBodyFile, RequestCompletion, ConnectionTime, Http2, UpstreamCookie(Box<[u8]>),
}

/// What a PROXY header said, and who connected to us.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
enum Proxied { Addr, Port, ServerAddr, ServerPort, RealAddr, RealPort, Value(u8) }

/// Names that `set` and named groups of regular expressions define, with their slots.
#[derive(Default)]
pub struct UserVariables {
    slots: HashMap<String, usize>,
    computed: HashMap<String, Arc<Computed>>,
    places: Option<Arc<Databases>>,
    names_files: Cell<bool>,
    names_body: Cell<bool>,
    claims: RefCell<Vec<Box<str>>>,
}

impl UserVariables {
    /// The slot of a name, made if it is new.
    pub fn define(&mut self, name: &str) -> usize {
        let next = self.slots.len();
        *self.slots.entry(name.to_owned()).or_insert(next)
    }

    /// What a name is computed by.
    pub fn computed(&self, name: &str) -> Option<&Arc<Computed>> {
        self.computed.get(name)
    }

    /// Gives a name what it is computed by.
    pub fn define_computed(&mut self, name: &str, computed: Arc<Computed>) {
        self.computed.insert(name.to_owned(), computed);
    }

    /// With what tells where clients are.
    /// What tells where clients are.
    pub fn places(&self) -> Option<&Arc<Databases>> {
        self.places.as_ref()
    }

    /// With what tells where clients are.
    pub fn with_places(mut self, places: Option<Arc<Databases>>) -> Self {
        self.places = places;
        self
    }

    /// The slot of a known name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// Takes note that a variable about files is named.
    fn files(&self, what: Whereabouts) -> Variable {
        self.names_files.set(true);
        Variable::Whereabouts(what)
    }

    /// Whether a template compiled so far names a variable about files.
    pub fn names_files(&self) -> bool {
        self.names_files.get()
    }

    /// Takes note that the body of the request is named.
    fn body(&self) -> Variable {
        self.names_body.set(true);
        Variable::RequestBody
    }

    /// Takes note that a claim is named.
    fn claim(&self, name: &str) -> Variable {
        let mut all = self.claims.borrow_mut();
        let known = all.iter().position(|claim| **claim == *name);
        Variable::Claim(known.unwrap_or_else(|| {
            all.push(name.into());
            all.len() - 1
        }))
    }

    /// The claims that templates compiled so far name: what is verified of a token is kept in this order.
    pub fn claims(&self) -> Vec<Box<str>> {
        self.claims.borrow().clone()
    }

    /// Whether a template compiled so far names the body of the request.
    pub fn names_body(&self) -> bool {
        self.names_body.get()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// What a template may ask.
pub struct Scope<'a> {
    /// The request.
    pub tx: &'a Tx,
    /// Its connection.
    pub conn: &'a ConnInfo,
    /// Its site, once found.
    pub site: Option<&'a SitePlan>,
    /// The thread's clock.
    pub clock: &'a Clock,
    /// What the process is.
    pub process: &'a ProcessInfo,
}

/// What the process is.
pub struct ProcessInfo {
    /// `$hostname`
    pub hostname: String,
    /// `$pid`
    pub pid: u32,
}

impl Default for ProcessInfo {
    fn default() -> Self {
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned();
        Self {
            hostname,
            pid: std::process::id(),
        }
    }
}

impl Template {
    /// Compiles a template; an unknown variable is an error at its place.
    pub fn compile(from: &model::Template, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        let pieces = from
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Literal(text) => Some(Piece::Literal(text.as_bytes().into())),
                Part::Variable { name, at } => match variable(name, user) {
                    Some(v) => Some(Piece::Variable(v)),
                    None => {
                        errors.push(unknown(name, *at));
                        None
                    }
                },
            })
            .collect();
        Self { pieces }
    }

    /// Bytes as they stand.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            pieces: vec![Piece::Literal(bytes.into())],
        }
    }

    /// The bytes, if there are no variables.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(b""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the request id is asked for.
    pub fn wants_id(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::RequestId) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.wants_id(),
            _ => false,
        })
    }

    /// Whether it speaks of a claim of a token, which is there once the token is verified.
    pub fn names_claims(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::Claim(_)) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.names_claims(),
            _ => false,
        })
    }

    /// Whether it speaks of where files lie.
    pub fn names_files(&self) -> bool {
        self.pieces.iter().any(|p| match p {
            Piece::Variable(Variable::Whereabouts(_)) => true,
            Piece::Variable(Variable::Computed(computed)) => computed.names_files(),
            _ => false,
        })
    }

    /// Appends the value.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) => value(v, scope, out),
            }
        }
    }

    /// Appends the value as a file's name: of what variables say, `/` and bytes that no name should have become `_`.
    pub fn render_name(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) => {
                    let before = out.len();
                    value(v, scope, out);
                    for byte in out.iter_mut().skip(before) {
                        if matches!(*byte, 0..=32 | b'/' | b'\\' | 127) {
                            *byte = b'_';
                        }
                    }
                }
            }
        }
    }

    /// Appends the value as a log line (ngx_http_log_module): literals as they are, variables escaped.
    pub fn render_log(
        &self,
        scope: &Scope<'_>,
        (escape, privacy): (model::LogEscape, model::LogPrivacy),
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        for piece in &self.pieces {
            match piece {
                Piece::Variable(Variable::RemoteAddr | Variable::ClientIp)
                    if privacy.truncate_addresses =>
                {
                    scratch.clear();
                    privacy::network(scope.tx.client_text(scope.conn), scratch);
                    out.extend_from_slice(scratch);
                }
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Variable(v) if v.is_plain() => {
                    let before = out.len();
                    value(v, scope, out);
                    if out.len() == before && escape == model::LogEscape::Default {
                        out.push(b'-');
                    }
                }
                Piece::Variable(v) => {
                    scratch.clear();
                    value(v, scope, scratch);
                    match v.secrecy() {
                        Secrecy::Arguments if privacy.scrub => privacy::scrub(scratch),
                        Secrecy::Whole if privacy.scrub => privacy::cover(scratch),
                        _ => {}
                    }
                    escape_into(scratch, escape, out);
                }
            }
        }
    }
}

/// What of a value is not for a log.
enum Secrecy {
    Nothing,
    /// Values of arguments in it, by their names.
    Arguments,
    /// All of it.
    Whole,
}

impl Variable {
    fn secrecy(&self) -> Secrecy {
        use Variable::*;
        match self {
            Request | RequestUri | Args | Http(Name::Referer) => Secrecy::Arguments,
            Http(Name::Authorization | Name::Cookie) | Cookie(_) | RequestBody => Secrecy::Whole,
            Arg(name) if privacy::is_secret(name) => Secrecy::Whole,
            SentHttp(name) | HttpOther(name) if privacy::is_credential(name) => Secrecy::Whole,
            _ => Secrecy::Nothing,
        }
    }

    /// Values that are digits, dots and the like by construction need no escaping in a log.
    #[rustfmt::skip]
    fn is_plain(&self) -> bool {
        use Variable::*;
        matches!(self, Status | BodyBytesSent | BytesSent | RequestLength | RequestTime | Msec | TimeLocal | TimeIso8601
            | RemoteAddr | RemotePort | ClientIp | ServerPort | ServerAddr | Connection | ConnectionRequests | Pid | RequestId)
    }
}

fn escape_into(value: &[u8], escape: model::LogEscape, out: &mut Vec<u8>) {
    use model::LogEscape;
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let hex = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    match escape {
        LogEscape::None => out.extend_from_slice(value),
        LogEscape::Default if value.is_empty() => out.push(b'-'),
        LogEscape::Default => {
            // Without an early exit the compiler compares sixteen bytes at a time.
            let special = |b: &u8| (*b < 32) | (*b >= 127) | (*b == b'"') | (*b == b'\\');
            if !value.iter().fold(false, |any, b| any | special(b)) {
                return out.extend_from_slice(value);
            }
            for &b in value {
                match b {
                    0..32 | 127.. | b'"' | b'\\' => {
                        out.extend_from_slice(&[b'\\', b'x', hex(b >> 4), hex(b)])
                    }
                    _ => out.push(b),
                }
            }
        }
        LogEscape::Json => {
            // nginx passes bytes on that are no UTF-8, and no reader of JSON takes the line then.
            for chunk in value.utf8_chunks() {
                for &b in chunk.valid().as_bytes() {
                    match b {
                        b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
                        b'\n' => out.extend_from_slice(b"\\n"),
                        b'\r' => out.extend_from_slice(b"\\r"),
                        b'\t' => out.extend_from_slice(b"\\t"),
                        8 => out.extend_from_slice(b"\\b"),
                        12 => out.extend_from_slice(b"\\f"),
                        0..32 => {
                            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(b >> 4), hex(b)])
                        }
                        _ => out.push(b),
                    }
                }
                if !chunk.invalid().is_empty() {
                    out.extend_from_slice(b"\\ufffd");
                }
            }
        }
    }
}

fn unknown(name: &str, at: Span) -> Diagnostic {
    if Placed::named(name).is_none() {
        let message = format!("unknown \"{name}\" variable");
        return Diagnostic::error("unknown-variable", at, message);
    }
    no_places(name, at)
}

/// Something depends on where clients are, and no database says that.
pub fn no_places(what: &str, at: Span) -> Diagnostic {
    let message = format!("nothing tells where clients are, for \"{what}\"");
    Diagnostic::error("no-places", at, message)
        .help("name a database at the top of the configuration: geo: GeoLite2-Country.mmdb")
}

#[rustfmt::skip]
fn variable(name: &str, user: &UserVariables) -> Option<Variable> {
    use Variable::*;
    if let Some(slot) = user.slot(name) { return Some(User(slot)); }
    if let Some(computed) = user.computed.get(name) { return Some(Variable::Computed(computed.clone())); }
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) { return name.parse().ok().filter(|n| *n < 100).map(Capture); }
    Some(match name {
        "host" => Host, "uri" | "document_uri" => Uri, "request_uri" => RequestUri,
        "args" | "query_string" => Args, "is_args" => IsArgs, "request_method" => Method, "scheme" => Scheme,
        "server_name" => ServerName, "server_port" => ServerPort, "server_addr" => ServerAddr, "server_protocol" => Protocol,
        "remote_addr" | "binary_remote_addr" => RemoteAddr, "remote_port" => RemotePort, "client_ip" => ClientIp,
        "remote_user" => RemoteUser, "request" => Request, "status" => Status, "body_bytes_sent" => BodyBytesSent,
        "bytes_sent" => BytesSent, "request_length" => RequestLength, "request_time" => RequestTime, "msec" => Msec,
        "time_local" => TimeLocal, "time_iso8601" => TimeIso8601, "upstream_addr" => UpstreamAddr,
        "upstream_status" => UpstreamStatus, "upstream_response_time" => UpstreamResponseTime,
        "slice_range" => SliceRange, "upstream_cache_status" => UpstreamCacheStatus, "proxy_host" => ProxyHost, "proxy_port" => ProxyPort,
        "proxy_add_x_forwarded_for" => ProxyAddXForwardedFor, "hostname" => Hostname, "pid" => Pid,
        "connection" => Connection, "connection_requests" => ConnectionRequests, "request_id" => RequestId,
        "content_type" => ContentType, "content_length" => ContentLength, "nginx_version" => NginxVersion,
        "http_host" => HttpHost, "fastcgi_script_name" => FastCgiScriptName, "fastcgi_path_info" => FastCgiPathInfo,
        "https" => Https, "request_body" => user.body(), "request_body_file" => RequestBodyFile, "http2" => Http2,
        "request_completion" => RequestCompletion, "connection_time" => ConnectionTime, "upstream_header_time" => UpstreamHeaderTime,
        "upstream_connect_time" => UpstreamConnectTime, "limit_req_status" => RateStatus,
        "trace_id" | "otel_trace_id" => TraceId, "span_id" | "otel_span_id" => SpanId, "parent_span_id" | "otel_parent_id" => ParentSpanId,
        "trace_sampled" | "otel_parent_sampled" => TraceSampled, "limit_conn_status" => PlacesStatus,
        "proxy_protocol_addr" => Proxied(self::Proxied::Addr), "proxy_protocol_port" => Proxied(self::Proxied::Port),
        "proxy_protocol_server_addr" => Proxied(self::Proxied::ServerAddr), "proxy_protocol_server_port" => Proxied(self::Proxied::ServerPort),
        "realip_remote_addr" => Proxied(self::Proxied::RealAddr), "realip_remote_port" => Proxied(self::Proxied::RealPort),
        "proxy_protocol_tlv_alpn" => Proxied(self::Proxied::Value(1)), "proxy_protocol_tlv_authority" => Proxied(self::Proxied::Value(2)),
        "proxy_protocol_tlv_unique_id" => Proxied(self::Proxied::Value(5)),
        "document_root" => user.files(self::Whereabouts::Root), "realpath_root" => user.files(self::Whereabouts::RealRoot),
        "request_filename" => user.files(self::Whereabouts::File),
        _ if let Some(claim) = name.strip_prefix("jwt_claim_").filter(|c| !c.is_empty()) => user.claim(claim),
        _ => match self::Placed::named(name) {
            Some(what) => Variable::Placed(what, user.places.clone()?),
            None => return prefixed(name),
        },
    })
}

fn prefixed(name: &str) -> Option<Variable> {
    let dashed = |rest: &str| rest.replace('_', "-").into_bytes().into_boxed_slice();
    if let Some(rest) = name.strip_prefix("http_") {
        let header = dashed(rest);
        return Some(match Name::lookup(&header) {
            Name::Other => Variable::HttpOther(header),
            known => Variable::Http(known),
        });
    }
    if let Some(rest) = name.strip_prefix("sent_http_") {
        return Some(Variable::SentHttp(dashed(rest)));
    }
    if let Some(rest) = name.strip_prefix("upstream_cookie_") {
        return Some(Variable::UpstreamCookie(rest.as_bytes().into()));
    }
    if let Some(rest) = name.strip_prefix("upstream_http_") {
        return Some(Variable::UpstreamHttp(dashed(rest)));
    }
    if let Some(rest) = name.strip_prefix("arg_") {
        return Some(Variable::Arg(rest.as_bytes().into()));
    }
    name.strip_prefix("cookie_")
        .map(|rest| Variable::Cookie(rest.as_bytes().into()))
}

fn decimal(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Seconds with three digits, as nginx prints times.
fn seconds(ms: u64, out: &mut Vec<u8>) {
    decimal(ms / 1000, out);
    let ms = ms % 1000;
    out.extend_from_slice(&[
        b'.',
        b'0' + (ms / 100) as u8,
        b'0' + (ms / 10 % 10) as u8,
        b'0' + (ms % 10) as u8,
    ]);
}

/// Of a connection without a header, everything but the peer is empty.
fn proxied(what: Proxied, conn: &ConnInfo, out: &mut Vec<u8>) {
    let header = conn.proxied.as_ref().map(|p| &p.header);
    let peer = conn.proxied.as_ref().map_or(conn.peer, |p| p.from);
    let (address, port) = match what {
        Proxied::Addr => (header.and_then(|h| h.source()), false),
        Proxied::Port => (header.and_then(|h| h.source()), true),
        Proxied::ServerAddr => (header.and_then(|h| h.destination()), false),
        Proxied::ServerPort => (header.and_then(|h| h.destination()), true),
        Proxied::RealAddr => (peer, false),
        Proxied::RealPort => (peer, true),
        Proxied::Value(kind) => {
            out.extend_from_slice(header.and_then(|h| h.value(kind)).unwrap_or_default());
            return;
        }
    };
    match address {
        Some(address) if port => decimal(address.port().into(), out),
        Some(address) => {
            let _ = write!(out, "{}", address.ip());
        }
        None => {}
    }
}

fn value(variable: &Variable, scope: &Scope<'_>, out: &mut Vec<u8>) {
    use Variable::*;
    let (tx, conn) = (scope.tx, scope.conn);
    match variable {
        Host => match (tx.host.as_slice(), scope.site) {
            (b"", Some(site)) => out.extend_from_slice(site.name.as_bytes()),
            (host, _) => out.extend_from_slice(host),
        },
        Uri => out.extend_from_slice(tx.uri()),
        FastCgiScriptName => out.extend_from_slice(&tx.script().0),
        FastCgiPathInfo => out.extend_from_slice(tx.script().1),
        Https if conn.tls => out.extend_from_slice(b"on"),
        Https => {}
        RequestUri => out.extend_from_slice(tx.request_uri()),
        Args => out.extend_from_slice(tx.args()),
        IsArgs if !tx.args().is_empty() => out.push(b'?'),
        IsArgs => {}
        Method => out.extend_from_slice(tx.method_text()),
        Scheme => out.extend_from_slice(if conn.tls { b"https" } else { b"http" }),
        ServerName => out.extend_from_slice(scope.site.map_or("", |s| &s.name).as_bytes()),
        ServerPort => decimal(conn.local.map_or(0, |a| a.port().into()), out),
        ServerAddr => {
            if let Some(local) = conn.local {
                let _ = write!(out, "{}", local.ip());
            }
        }
        Protocol => out.extend_from_slice(match tx.head.version {
            seawall_http::Version::Http10 => b"HTTP/1.0",
            seawall_http::Version::Http11 => b"HTTP/1.1",
            seawall_http::Version::Http2 => b"HTTP/2.0",
        }),
        RemoteAddr => out.extend_from_slice(tx.client_text(conn).as_bytes()),
        ClientIp => out.extend_from_slice(tx.client_text(conn).as_bytes()),
        RemotePort => {
            if let Some(peer) = conn.peer {
                decimal(peer.port().into(), out);
            }
        }
        RemoteUser => remote_user(tx, out),
        Request => request_line(tx, out),
        Status => {
            // On the way to an error page it is the page's.
            let n = if tx.status == 0 {
                tx.redirected.status
            } else {
                tx.status
            };
            out.extend_from_slice(&[
                b'0' + (n / 100 % 10) as u8,
                b'0' + (n / 10 % 10) as u8,
                b'0' + (n % 10) as u8,
            ]);
        }
        BodyBytesSent => decimal(tx.body_sent, out),
        BytesSent => decimal(tx.sent, out),
        RequestLength => decimal(tx.head.len as u64 + tx.body_read, out),
        RequestTime => seconds(tx.moment_ms().saturating_sub(tx.started_ms), out),
        Msec => seconds(tx.moment_ms(), out),
        TimeLocal => scope.clock.clf(tx.moment_ms(), out),
        TimeIso8601 => iso8601(tx.moment_ms() / 1000, out),
        UpstreamAddr => joined(tx, out, |t, out| {
            out.extend_from_slice(t.address.as_bytes())
        }),
        UpstreamStatus => joined(tx, out, |t, out| match t.status {
            0 => out.extend_from_slice(b"502"),
            n => decimal(n.into(), out),
        }),
        UpstreamResponseTime => {
            let last = tx.tries.last().filter(|t| t.status != 0).map(|t| t.began);
            joined(tx, out, |t, out| match last {
                // The last one goes on until its response has been passed on whole.
                Some(began) if t.began == began => seconds(began.elapsed().as_millis() as u64, out),
                _ => seconds(t.ms, out),
            })
        }
        UpstreamHeaderTime => joined(tx, out, |t, out| match t.status {
            0 => out.push(b'-'),
            _ => seconds(t.ms, out),
        }),
        UpstreamConnectTime => joined(tx, out, |t, out| match t.connect_ms {
            None => out.push(b'-'),
            Some(ms) => seconds(ms.into(), out),
        }),
        TraceId | SpanId | ParentSpanId | TraceSampled if !tx.trace.is_set => {}
        TraceId => out.extend_from_slice(&tx.trace.id),
        SpanId => out.extend_from_slice(&tx.trace.span),
        ParentSpanId if tx.trace.is_continued() => out.extend_from_slice(&tx.trace.parent),
        ParentSpanId => {}
        TraceSampled => out.push(if tx.trace.sampled { b'1' } else { b'0' }),
        RateStatus => out.extend_from_slice(tx.rate_status.as_bytes()),
        PlacesStatus => out.extend_from_slice(tx.places_status.as_bytes()),
        // The key of a slice is made from that of its head, and a fill sets its own `Range`.
        SliceRange => {}
        UpstreamCacheStatus => out.extend_from_slice(tx.cache.as_bytes()),
        ProxyHost => out.extend_from_slice(tx.proxy_host.as_bytes()),
        ProxyPort => decimal(tx.proxy_port.into(), out),
        ProxyAddXForwardedFor => {
            for value in tx.fields().all(Name::XForwardedFor) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
            // nginx adds whom it takes for the client, ours whom it talks to.
            let yaml = scope.site.is_none_or(|s| s.yaml);
            let client = if yaml {
                &conn.peer_text
            } else {
                tx.client_text(conn)
            };
            out.extend_from_slice(client.as_bytes());
        }
        Hostname => out.extend_from_slice(scope.process.hostname.as_bytes()),
        Pid => decimal(scope.process.pid.into(), out),
        Connection => decimal(conn.serial, out),
        ConnectionRequests => decimal(conn.requests, out),
        RequestId if tx.has_id => out.extend_from_slice(&tx.id),
        RequestId => {}
        ContentType => {
            out.extend_from_slice(tx.fields().get(Name::ContentType).unwrap_or_default())
        }
        ContentLength => {
            out.extend_from_slice(tx.fields().get(Name::ContentLength).unwrap_or_default())
        }
        NginxVersion => out.extend_from_slice(b"1.31.3"),
        HttpHost => out.extend_from_slice(tx.head.host.of(tx.rb.bytes())),
        Http(name) => {
            let mut separator: &[u8] = b"";
            for value in tx.fields().all(*name) {
                out.extend_from_slice(separator);
                out.extend_from_slice(value);
                separator = if *name == Name::Cookie { b"; " } else { b", " };
            }
        }
        HttpOther(name) => out.extend_from_slice(tx.fields().find(name).unwrap_or_default()),
        SentHttp(name) => out.extend_from_slice(line_value(tx.sent_head(), name)),
        UpstreamHttp(name) => {
            if let Some(head) = &tx.origin.head {
                out.extend_from_slice(
                    head.fields(tx.origin.rb.bytes())
                        .find(name)
                        .unwrap_or_default(),
                );
            }
        }
        RequestBody => out.extend_from_slice(tx.body_kept.as_deref().unwrap_or_default()),
        RequestBodyFile => {
            if let Some(file) = &tx.body_file {
                out.extend_from_slice(file.path().as_os_str().as_bytes());
            }
        }
        RequestCompletion if tx.completed => out.extend_from_slice(b"OK"),
        RequestCompletion => {}
        ConnectionTime => seconds(tx.moment_ms().saturating_sub(conn.since_ms), out),
        Http2 if tx.head.version == seawall_http::Version::Http2 => {
            out.extend_from_slice(if conn.tls { b"h2" } else { b"h2c" });
        }
        Http2 => {}
        UpstreamCookie(name) => {
            if let Some(head) = &tx.origin.head {
                let fields = head.fields(tx.origin.rb.bytes());
                let found = fields.all(Name::SetCookie).find_map(|set| {
                    let pair = set.split(|b| *b == b';').next()?;
                    pair.strip_prefix(&**name)?.strip_prefix(b"=")
                });
                out.extend_from_slice(found.unwrap_or_default());
            }
        }
        Arg(name) => out.extend_from_slice(argument(tx.args(), name)),
        Cookie(name) => out.extend_from_slice(cookie(tx, name).unwrap_or_default()),
        Proxied(what) => proxied(*what, conn, out),
        Variable::Placed(what, places) => what.render(places, tx.client, out),
        Variable::Whereabouts(what) => whereabouts::render(*what, tx.root.as_deref(), scope, out),
        Claim(at) => {
            let granted = tx.granted.as_ref();
            let claim = granted.and_then(|granted| granted.claims.get(*at)?.as_deref());
            out.extend_from_slice(claim.unwrap_or_default());
        }
        Capture(group) => out.extend_from_slice(tx.captures.get(*group)),
        Variable::Computed(computed) => computed.render(scope, out),
        User(slot) => {
            if let Some(Some(value)) = tx.user.get(*slot) {
                out.extend_from_slice(value);
            }
        }
    }
}

fn joined(tx: &Tx, out: &mut Vec<u8>, each: impl Fn(&crate::tx::Try, &mut Vec<u8>)) {
    for (i, attempt) in tx.tries.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        each(attempt, out);
    }
}

/// The request line as received (nginx: `$request`).
pub(crate) fn request_line(tx: &Tx, out: &mut Vec<u8>) {
    let bytes = tx.rb.bytes();
    let start = tx.head.method_text.start as usize;
    let line = bytes.get(start..).unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    out.extend_from_slice(line.get(..end).unwrap_or_default());
}

/// The user of Basic credentials, unverified (nginx: `$remote_user`).
fn remote_user(tx: &Tx, out: &mut Vec<u8>) {
    let Some(value) = tx.fields().get(Name::Authorization) else {
        return;
    };
    let Some((scheme, rest)) = value.split_at_checked(6) else {
        return;
    };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return;
    }
    if let Some(decoded) = base64_decode(rest) {
        let end = memchr::memchr(b':', &decoded).unwrap_or(decoded.len());
        out.extend_from_slice(decoded.get(..end).unwrap_or_default());
    }
}

fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n) = (0u32, 0);
    for &b in text.iter().take_while(|b| **b != b'=') {
        let v = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(v);
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
    }
    Some(out)
}

/// A moment as ISO 8601, of `date`'s kind: with the zone's offset.
pub(crate) fn iso8601(unix_s: u64, out: &mut Vec<u8>) {
    // From "23/Nov/2026:18:32:51 +0000" and the numeric month of the error log's form.
    let text = seawall_http::date::nginx_error(unix_s);
    let mut t = text;
    t.iter_mut().for_each(|b| match *b {
        b'/' => *b = b'-',
        b' ' => *b = b'T',
        _ => {}
    });
    out.extend_from_slice(&t);
    out.extend_from_slice(b"+00:00");
}

/// The value of an argument; the name is compared without regard to case, as nginx does.
fn argument<'a>(args: &'a [u8], name: &[u8]) -> &'a [u8] {
    args.split(|b| *b == b'&')
        .find_map(|pair| {
            let (key, value) = pair.split_at_checked(name.len())?;
            (key.eq_ignore_ascii_case(name) && value.first() == Some(&b'='))
                .then(|| value.get(1..).unwrap_or_default())
        })
        .unwrap_or_default()
}

/// The value of a cookie, if there is one of that name.
pub fn cookie<'a>(tx: &'a Tx, name: &[u8]) -> Option<&'a [u8]> {
    for header in tx.fields().all(Name::Cookie) {
        for pair in header.split(|b| *b == b';') {
            let pair = pair.trim_ascii_start();
            if let Some((key, value)) = pair.split_at_checked(name.len())
                && key.eq_ignore_ascii_case(name)
                && value.first() == Some(&b'=')
            {
                return value.get(1..);
            }
        }
    }
    None
}

/// The first value of a field in a block of header lines.
pub fn line_value<'a>(lines: &'a [u8], name: &[u8]) -> &'a [u8] {
    for line in lines.split(|b| *b == b'\n') {
        if let Some((key, rest)) = line.split_at_checked(name.len())
            && key.eq_ignore_ascii_case(name)
            && rest.first() == Some(&b':')
        {
            return rest.get(1..).unwrap_or_default().trim_ascii();
        }
    }
    b""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_values_are_escaped_as_nginx_does() {
        let mut out = Vec::new();
        escape_into(b"a\"b\\c\x01\xff", model::LogEscape::Default, &mut out);
        assert_eq!(out, br"a\x22b\x5Cc\x01\xFF");
        out.clear();
        escape_into(b"", model::LogEscape::Default, &mut out);
        assert_eq!(out, b"-");
        out.clear();
        escape_into(b"a\"\n\x01", model::LogEscape::Json, &mut out);
        assert_eq!(out, br#"a\"\n\u0001"#);
        out.clear();
        escape_into(b"\xc3\xa9\xff\xc3", model::LogEscape::Json, &mut out);
        assert_eq!(out, b"\xc3\xa9\\ufffd\\ufffd");
    }

    #[test]
    fn arguments_are_found_by_whole_name() {
        assert_eq!(argument(b"ab=1&b=2&B=3", b"b"), b"2");
        assert_eq!(argument(b"b", b"b"), b"");
        assert_eq!(argument(b"", b"b"), b"");
    }

    #[test]
    fn times_have_three_digits() {
        let mut out = Vec::new();
        seconds(12_034, &mut out);
        assert_eq!(out, b"12.034");
    }

    #[test]
    fn header_lines_are_searched_by_name() {
        let lines = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-A:  b \r\n";
        assert_eq!(line_value(lines, b"x-a"), b"b");
        assert_eq!(line_value(lines, b"x"), b"");
    }
}
