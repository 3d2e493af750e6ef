//! A request on its way: everything the steps read and write, in one reused structure.

use crate::{
    detour::Redirected, filter::Chain, io::ReadBuffer, plan::RetryPlan, step::Step, sticky::Bound,
};
use seawall_balance::limit::ConnectionGuard;
use seawall_http::{Method, RequestHead, ResponseHead};
use smallvec::SmallVec;
use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

/// What a PROXY header said of a connection, and who sent it.
pub struct Proxied {
    /// The header.
    pub header: seawall_http::proxy_protocol::Header,
    /// Who connected to us; `None` for a unix socket.
    pub from: Option<SocketAddr>,
}

/// What is known of a connection.
#[derive(Clone)]
pub struct ConnInfo {
    /// nginx's `$connection`, for logs.
    pub serial: u64,
    /// Requests so far, this one included.
    pub requests: u64,
    /// What a PROXY header said.
    pub proxied: Option<Rc<Proxied>>,
    /// Who connected, or whom a trusted PROXY header names; `None` for a unix socket.
    pub peer: Option<SocketAddr>,
    /// When it was taken (ms since 1970).
    pub since_ms: u64,
    /// The peer's address as text; `unix:` for a unix socket.
    pub peer_text: String,
    /// The address connected to.
    pub local: Option<SocketAddr>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Identity of the listener in [`crate::plan::Plan`].
    pub listener: u32,
    /// What its certificate was asked for by, if it was.
    pub clients: Option<Arc<seawall_tls::ClientPolicy>>,
}

/// One try at an origin, for `$upstream_*`.
pub struct Try {
    /// Address as configured.
    pub address: Arc<str>,
    /// Status; 0 when there was none.
    pub status: u16,
    /// When it began.
    pub began: Instant,
    /// Milliseconds from then to the response head, or to its failure.
    pub ms: u64,
    /// Milliseconds until there was a connection: 0 for one that was there, none where there never was one.
    pub connect_ms: Option<u32>,
}

/// Buffers of an exchange with an origin.
#[derive(Default)]
pub struct OriginScratch {
    /// The request as sent.
    pub out: Vec<u8>,
    /// What was read.
    pub rb: ReadBuffer,
    /// The response head, as ranges over `rb`.
    pub head: Option<Box<ResponseHead>>,
    /// What was asked for besides.
    pub asked: Asked,
    /// The server that the request belongs to.
    pub bound: Bound,
    /// Retries in place of the pool's.
    pub retry: Option<Arc<RetryPlan>>,
    /// What of the response is not heeded, as bits of known names.
    pub ignored: u128,
}

/// What a request asked its origin for besides a response.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `Upgrade` was sent: a 101 may come.
    pub upgrade: bool,
    /// Which interim responses go on to the client.
    pub interim: Interims,
    /// A large body may go on by the kernel's hand, so little of it is read with the head.
    pub splices: bool,
}

/// Which interim responses go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interims {
    /// None.
    #[default]
    Never,
    /// 103 alone.
    EarlyHints,
    /// All.
    Always,
}

impl Interims {
    /// Whether a status goes on.
    pub fn passes(self, status: u16) -> bool {
        match self {
            Interims::Never => false,
            Interims::EarlyHints => status == 103,
            Interims::Always => true,
        }
    }
}

/// A request on its way.
pub struct Tx {
    /// The request's head, as ranges over `rb`.
    pub head: RequestHead,
    /// What was read from the client; the head stays at its front until the request is over.
    pub rb: ReadBuffer,
    /// Where the unread rest begins: body, then the next requests.
    pub body_at: usize,
    /// The step reached.
    pub step: Step,
    /// When the first byte was read (ms since 1970).
    pub started_ms: u64,
    /// When its head was complete (ms since 1970): the request's idea of now.
    pub now_ms: u64,
    /// When its response was sent (ms since 1970); 0 before.
    pub ended_ms: u64,
    /// The client, through trusted proxies; `None` for a unix socket.
    pub client: Option<IpAddr>,
    /// The client's address as text, if it is not the peer's.
    pub client_text: String,
    /// Host in lower case without port.
    pub host: Vec<u8>,
    /// The decoded, normalised path; empty when the path as received is normal (see [`Tx::uri`]).
    pub uri_buf: Vec<u8>,
    /// Whether `uri_buf` counts.
    pub uri_in_buf: bool,
    /// Whether a rewrite changed the path, so that it is escaped anew for the origin.
    pub uri_changed: bool,
    /// Whether rate limits have counted it.
    pub counted: bool,
    /// Whether the limits by a token's claims have counted it.
    pub counted_proved: bool,
    /// What became of it at the rate limits, as nginx names it (`PASSED` ...); empty if none counted it.
    pub rate_status: &'static str,
    /// The same, of the limits on requests at once.
    pub places_status: &'static str,
    /// Its places in the limits on requests at once.
    pub held: Vec<ConnectionGuard>,
    /// Whether those limits have been asked.
    pub held_once: bool,
    /// Arguments, if they were rewritten.
    pub args_buf: Option<Vec<u8>>,
    /// Values of `set` variables by slot.
    pub user: Vec<Option<Vec<u8>>>,
    /// Captures of the last regular expression that matched.
    pub captures: Captures,
    /// Request id, 32 hex digits, made when first asked for.
    pub id: [u8; 32],
    /// Whether `id` is set.
    pub has_id: bool,
    /// The trace that it is part of, where traces are on.
    pub trace: crate::trace::Trace,
    /// Status sent; 0 before.
    pub status: u16,
    /// The response head (and a small body) on its way out.
    pub out: Vec<u8>,
    /// Length of the head in `out`.
    pub out_head: usize,
    /// Header lines of the response being made.
    pub lines: Vec<u8>,
    /// Trailer lines that end the response.
    pub trailers: Vec<u8>,
    /// What the response's body goes through.
    pub filters: Chain,
    /// The stored answer that is being sent, where a coded form of it may be kept.
    pub stored: Option<Arc<seawall_cache::Object>>,
    /// What the response's filters encode it in.
    pub coding: Option<seawall_http::Coding>,
    /// Scratch for cache keys and rendered templates.
    pub scratch: Vec<u8>,
    /// Bytes of the response body sent.
    pub body_sent: u64,
    /// Bytes sent in all.
    pub sent: u64,
    /// Bytes of the request body read.
    pub body_read: u64,
    /// Tries at origins.
    pub tries: SmallVec<[Try; 2]>,
    /// What the cache did, as nginx names it (`HIT`, `MISS` ...); empty if it was not asked.
    pub cache: &'static str,
    /// The same as the route's books have it.
    pub course: Option<crate::caching::Course>,
    /// Fields of the request that are in the cache's key, by their bits: they do not make it somebody's.
    pub in_key: u128,
    /// The kind of device, where it is in the cache's key.
    pub device: Option<&'static str>,
    /// The client's country, where it is in the cache's key; `XX` where it is unknown.
    pub country: Option<[u8; 2]>,
    /// Buffers towards the origin.
    pub origin: OriginScratch,
    /// Host and port of `proxy_pass`, for `$proxy_host`.
    pub proxy_host: Arc<str>,
    /// Its port, for `$proxy_port`.
    pub proxy_port: u16,
    /// The application of the route that was found, for `$fastcgi_script_name`.
    pub fastcgi: Option<Arc<crate::plan::FastCgiPlan>>,
    /// Where files lie for the route that was found, if a variable asks for it.
    pub root: Option<Arc<crate::plan::RootPlan>>,
    /// The script that was found for it.
    pub script: Option<Box<Script>>,
    /// For tests of rule sets: a response header and the rules that matched.
    pub waf_report: Option<(String, String)>,
    /// What the WAF's audit log will tell of it.
    pub audit: Option<Box<crate::waf_audit::Entry>>,
    /// The WAF while it judges the response.
    pub judging: Option<Box<crate::waf_response::Judging>>,
    /// What the request has proved of who sends it.
    pub granted: Option<Box<crate::access::Granted>>,
    /// The origin that it has named.
    pub target: Option<Box<crate::origin::Target>>,
    /// Its body, where all of it is in memory and a template names it.
    pub body_kept: Option<Vec<u8>>,
    /// The file with its body.
    pub body_file: Option<crate::spool::BodyFile>,
    /// Whether its response was sent to the end.
    pub completed: bool,
    /// Header lines that tell of its rate limits.
    pub limit_lines: Vec<u8>,
    /// What internal redirects have made of it.
    pub redirected: Redirected,
}

/// A script, and what of the path stands behind it.
pub struct Script {
    /// Below the root, with its slash.
    pub name: Vec<u8>,
    /// The rest.
    pub path_info: Vec<u8>,
}

/// Captures of a regular expression.
#[derive(Default)]
pub struct Captures {
    text: Vec<u8>,
    groups: SmallVec<[Option<(u32, u32)>; 10]>,
}

impl Captures {
    /// Keeps the captures of a match.
    pub fn keep(&mut self, captures: &regex::bytes::Captures<'_>) {
        self.text.clear();
        self.groups.clear();
        for group in captures.iter() {
            self.groups.push(group.map(|m| {
                let start = self.text.len() as u32;
                self.text.extend_from_slice(m.as_bytes());
                (start, self.text.len() as u32)
            }));
        }
    }

    /// A group's text; empty if it did not take part.
    pub fn get(&self, group: usize) -> &[u8] {
        match self.groups.get(group) {
            Some(Some((start, end))) => self
                .text
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            _ => b"",
        }
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.text.clear();
    }
}

impl Default for Tx {
    fn default() -> Self {
        Self {
            head: RequestHead::new(),
            rb: ReadBuffer::new(),
            body_at: 0,
            step: Step::Accept,
            started_ms: 0,
            now_ms: 0,
            ended_ms: 0,
            client: None,
            client_text: String::new(),
            host: Vec::new(),
            uri_buf: Vec::new(),
            uri_in_buf: false,
            uri_changed: false,
            counted: false,
            counted_proved: false,
            rate_status: "",
            places_status: "",
            held: Vec::new(),
            held_once: false,
            args_buf: None,
            user: Vec::new(),
            captures: Captures::default(),
            id: [0; 32],
            has_id: false,
            trace: Default::default(),
            status: 0,
            out: Vec::new(),
            out_head: 0,
            lines: Vec::new(),
            trailers: Vec::new(),
            filters: Chain::default(),
            stored: None,
            coding: None,
            scratch: Vec::new(),
            body_sent: 0,
            sent: 0,
            body_read: 0,
            tries: SmallVec::new(),
            cache: "",
            course: None,
            in_key: 0,
            device: None,
            country: None,
            origin: OriginScratch::default(),
            proxy_host: Arc::from(""),
            proxy_port: 0,
            fastcgi: None,
            root: None,
            script: None,
            waf_report: None,
            audit: None,
            judging: None,
            granted: None,
            target: None,
            body_kept: None,
            body_file: None,
            completed: false,
            limit_lines: Vec::new(),
            redirected: Redirected::default(),
        }
    }
}

impl Tx {
    /// Largest buffers kept between requests.
    const KEPT_BYTES: usize = 64 * 1024;

    /// Makes it ready for the next request; what was read beyond this one stays.
    pub fn reset(&mut self) {
        self.body_at = 0;
        self.step = Step::Head;
        self.ended_ms = 0;
        self.client = None;
        self.client_text.clear();
        self.host.clear();
        self.uri_buf.clear();
        self.uri_in_buf = false;
        self.counted = false;
        self.counted_proved = false;
        self.rate_status = "";
        self.places_status = "";
        self.held.clear();
        self.held_once = false;
        self.uri_changed = false;
        self.args_buf = None;
        self.user.clear();
        self.captures.clear();
        self.has_id = false;
        self.trace.is_set = false;
        self.status = 0;
        self.out.clear();
        self.out_head = 0;
        self.lines.clear();
        self.trailers.clear();
        self.filters = Chain::default();
        self.stored = None;
        self.coding = None;
        self.body_sent = 0;
        self.sent = 0;
        self.body_read = 0;
        self.tries.clear();
        self.cache = "";
        self.course = None;
        self.in_key = 0;
        self.device = None;
        self.country = None;
        self.fastcgi = None;
        self.root = None;
        self.script = None;
        self.waf_report = None;
        self.audit = None;
        self.judging = None;
        self.granted = None;
        self.target = None;
        self.body_kept = None;
        self.body_file = None;
        self.completed = false;
        self.limit_lines.clear();
        self.redirected.reset();
        self.origin.rb.clear();
        for buffer in [
            &mut self.out,
            &mut self.lines,
            &mut self.scratch,
            &mut self.origin.out,
        ] {
            if buffer.capacity() > Self::KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
        self.rb.shrink();
        self.origin.rb.shrink();
    }

    /// Forgets what routing found, so that the same head can be routed again.
    pub fn forget_route(&mut self) {
        self.host.clear();
        self.uri_in_buf = false;
        self.uri_changed = false;
        self.args_buf = None;
        self.user.clear();
        self.captures.clear();
    }

    /// The request's header fields.
    pub fn fields(&self) -> seawall_http::Fields<'_> {
        self.head.fields(self.rb.bytes())
    }

    /// The path as received, without the query; `/` where an absolute-form target has none.
    pub fn raw_path(&self) -> &[u8] {
        self.head.path_only(self.rb.bytes())
    }

    /// Path and query as received (nginx: `$request_uri`). An absolute-form target may lack a path: see
    /// [`Tx::lacks_path`].
    pub fn request_uri(&self) -> &[u8] {
        self.head.path.of(self.rb.bytes())
    }

    /// Whether the target was absolute-form without a path (`http://host?q`): the origin is asked for `/`.
    pub fn lacks_path(&self) -> bool {
        !matches!(self.request_uri().first(), Some(b'/' | b'*'))
    }

    /// The decoded and normalised path (nginx: `$uri`).
    pub fn uri(&self) -> &[u8] {
        if self.uri_in_buf {
            &self.uri_buf
        } else {
            self.raw_path()
        }
    }

    /// The query without its `?` (nginx: `$args`).
    pub fn args(&self) -> &[u8] {
        match (&self.args_buf, self.head.query_at) {
            (Some(args), _) => args,
            (None, Some(at)) => self
                .rb
                .bytes()
                .get(at as usize + 1..self.head.path.end as usize)
                .unwrap_or_default(),
            (None, None) => b"",
        }
    }

    /// The script of a FastCGI application (nginx: `$fastcgi_script_name`), and the rest of the path
    /// (`$fastcgi_path_info`).
    pub fn script(&self) -> (std::borrow::Cow<'_, [u8]>, &[u8]) {
        if let Some(script) = &self.script {
            return (script.name.as_slice().into(), &script.path_info);
        }
        let Some(plan) = &self.fastcgi else {
            return (self.uri().into(), b"");
        };
        let (name, rest) = plan.split(self.uri());
        if name.ends_with(b"/") {
            return ([name, plan.index()].concat().into(), rest);
        }
        (name.into(), rest)
    }

    /// Whether the response's body is sent as it comes: no filter changes it, and nothing holds it back to judge it.
    pub fn leaves_as_it_is(&self) -> bool {
        self.filters.is_empty() && self.judging.is_none()
    }

    /// The method as written; GET for an error page.
    pub fn method_text(&self) -> &[u8] {
        if self.redirected.as_get {
            return b"GET";
        }
        self.head.method_text.of(self.rb.bytes())
    }

    /// The time as templates tell it: of the response's end once it was sent.
    pub fn moment_ms(&self) -> u64 {
        if self.ended_ms == 0 {
            crate::clock::now_ms()
        } else {
            self.ended_ms
        }
    }

    /// Whether the client said that it takes trailers (RFC 9110 §10.1.4).
    pub fn takes_trailers(&self) -> bool {
        let fields = self.fields();
        fields.has(seawall_http::Name::Te)
            && self.head.version != seawall_http::Version::Http10
            && fields.list(seawall_http::Name::Te).any(|coding| {
                let name = coding.split(|b| *b == b';').next().unwrap_or_default();
                seawall_http::trim(name).eq_ignore_ascii_case(b"trailers")
            })
    }

    /// Whether it is a HEAD request.
    pub fn is_head(&self) -> bool {
        self.head.method == Method::Head
    }

    /// The client's address as text.
    pub fn client_text<'a>(&'a self, conn: &'a ConnInfo) -> &'a str {
        if self.client_text.is_empty() {
            &conn.peer_text
        } else {
            &self.client_text
        }
    }

    /// The request id, made now if it was not yet.
    pub fn ensure_id(&mut self, random: impl FnOnce() -> u128) -> &[u8; 32] {
        if !self.has_id {
            let mut n = random();
            for digit in self.id.iter_mut() {
                *digit = b"0123456789abcdef"
                    .get((n & 15) as usize)
                    .copied()
                    .unwrap_or(b'0');
                n >>= 4;
            }
            self.has_id = true;
        }
        &self.id
    }

    /// Keeps what a check has proved, beside what others have.
    pub fn grant(&mut self, granted: crate::access::Granted) {
        let all = self.granted.get_or_insert_default();
        all.request.extend(granted.request);
        if !granted.claims.is_empty() {
            all.claims = granted.claims;
        }
        all.response_lines.extend(granted.response_lines);
    }

    /// Header lines of the response as sent.
    pub fn sent_head(&self) -> &[u8] {
        self.out.get(..self.out_head).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_http::{HeadLimits, Policy, parse_request};

    fn tx(text: &str) -> Tx {
        let mut tx = Tx::default();
        tx.rb.reserve(text.len());
        tx.rb.free()[..text.len()].copy_from_slice(text.as_bytes());
        tx.rb.filled(text.len());
        let Tx { rb, head, .. } = &mut tx;
        assert!(parse_request(rb.bytes(), Policy::Rfc, &HeadLimits::default(), head).unwrap());
        tx
    }

    #[test]
    fn path_query_and_target_are_told_apart() {
        let tx = tx("GET /a/b?x=1&y=2 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(tx.raw_path(), b"/a/b");
        assert_eq!(tx.args(), b"x=1&y=2");
        assert_eq!(tx.request_uri(), b"/a/b?x=1&y=2");
        assert_eq!(tx.method_text(), b"GET");
    }

    #[test]
    fn an_empty_query_is_not_a_missing_one() {
        let tx = tx("GET /a? HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(tx.args(), b"");
        assert!(tx.head.query_at.is_some());
    }

    #[test]
    fn the_request_id_is_made_once() {
        let mut tx = Tx::default();
        let first = *tx.ensure_id(|| 0xabc);
        assert_eq!(*tx.ensure_id(|| 0xdef), first);
        assert!(first.starts_with(b"cba0"));
    }
}
