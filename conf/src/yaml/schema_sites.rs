//! What the fields of sites, routes and streams hold; see [`super::schema`] for the language.

use super::schema::Object;
use super::*;

/// What may stand on a route, on a site and in `defaults`.
const POLICY: &str = "
mirror: @mirror / text / off -- a copy of requests for another pool
body_limit: size / off -- bytes of a request body
buffering: @buffering / off -- what is read ahead of whom
ignore_client_abort: bool -- an exchange goes on when its client has closed
pace: @pace / rate / off -- the speed of a response
timeouts: @timeouts
headers: @headers -- fields set, added and removed
cache: @cache / text / off -- a cache's name, or how one is used
waf: text / off -- a rule set's name
compress: @compress / [text] / off -- codings, the preferred one first
rate_limit: [@rate_limit] / off -- requests over a rate get 429
connection_limit: [@connection_limit] / off -- requests served at once
challenge: @challenge / 'on' / off -- browsers prove by some work that they are one
bad_agents: @bad_agents / 'deny' / 'challenge' / 'log' / off -- scanners and others, told by their User-Agent
crowdsec: bool -- decisions of the CrowdSec server count; on
allow: [text] / off -- who may: networks, list:NAME, country:DE, asn:64500
deny: [text] / off -- who may not
auth: [@auth] / off -- passwords, another service, tokens
satisfy: 'all' / 'any' -- whether address and credentials must both hold
cors: @cors / off -- pages of other origins
hsts: @hsts / duration / off -- Strict-Transport-Security
security_headers: any -- a set of response fields
forwarded: @forwarded / off -- what the origin is told of the client
errors: any -- pages in the place of errors: status or 4xx, 5xx to a file
expires: any -- Cache-Control and Expires
symlinks: any -- which links in files are followed
open_cache: @open_cache / off -- open files that are kept
etag: bool -- files have an ETag
precompressed: any -- files beside the file: .gz, .br, .zst
listing: @listing / bool -- a directory without an index is listed
ranges_max: number -- ranges of one request
";

/// The objects of sites, routes and streams.
pub(super) const TABLE: &[Object] = &[
    ("defaults", &layer::DEFAULTS, POLICY),
    (
        "timeouts",
        &layer::TIMEOUTS,
        "
        connect: duration
        first_byte: duration
        between_bytes: duration
        tunnel_idle: duration
        keepalive: duration
        client: duration
    ",
    ),
    (
        "headers",
        &layer::HEADERS,
        "response: @header_changes\nrequest: @header_changes",
    ),
    (
        "header_changes",
        &layer::HEADER_CHANGES,
        "set: {text / off}\nadd: {[text] / off}\nremove: [text] / off",
    ),
    (
        "mirror",
        &split::MIRROR,
        "to: text\nshare: percent\nmethods: [text]",
    ),
    (
        "buffering",
        &buffering::BUFFERING,
        "request: bool\nresponse: bool\nmemory: size\ndisk: size",
    ),
    ("pace", &buffering::PACE, "rate: text\nafter: text"),
    (
        "cache",
        &cache::CACHE,
        "
        name: text
        key: text
        query: @cache_query
        vary: @cache_vary
        ignore_cookies: [text] / bool
        default_ttl: duration -- where the origin is silent
        force_ttl: duration -- whatever the origin says
        stale_while_revalidate: duration
        stale_if_error: duration
        min_uses: number
    ",
    ),
    (
        "cache_query",
        &cache::QUERY,
        "only: [text]\nwithout: [text]\nsorted: bool",
    ),
    (
        "cache_vary",
        &cache::VARY,
        "cookies: [text]\nheaders: [text]\ndevice: bool\ncountry: bool -- by the databases of `geo`",
    ),
    (
        "compress",
        &compress::COMPRESS,
        "
        encodings: [text]
        types: [text]
        min_length: size
        level: any
        decode: any
    ",
    ),
    (
        "challenge",
        &challenge::CHALLENGE,
        "
        difficulty: number -- leading zero bits, 16
        lifetime: duration -- how long a proof holds, 12h
        unless: [text] -- networks that need none
        bots: [@bot] / off -- crawlers that may pass, verified by the names of their addresses
        resolver: [address] -- name servers that are asked, the system's by default
    ",
    ),
    ("bot", &challenge::BOT, "agent: text\ndomains: [text]"),
    (
        "bad_agents",
        &screen::BAD_AGENTS,
        "
        action: 'deny' / 'challenge' / 'log' -- deny
        builtin: bool -- the daemon's own list of scanners counts; on
        patterns: [@agent_pattern / text] -- more of them: what a User-Agent has in it, in any case
        status: number -- for those denied; 403
    ",
    ),
    ("agent_pattern", &screen::AGENT_PATTERN, "regex: text"),
    (
        "rate_limit",
        &limit::RATE,
        "
        key: text -- $client_ip by default
        rate: rate
        burst: number
        delay: any
        status: number -- 429
        dry_run: bool
        keys: number
        fields: bool
    ",
    ),
    (
        "connection_limit",
        &limit::CONNECTIONS,
        "
        key: text
        max: number
        status: number -- 503
        dry_run: bool
        keys: number
    ",
    ),
    (
        "auth",
        &access::AUTH,
        "
        basic: @secret / path -- an htpasswd file
        realm: text
        strip: bool
        forward: text -- the URL of a service that is asked
        copy: [text]
        timeout: duration
        jwt: @jwt
    ",
    ),
    (
        "jwt",
        &access::JWT,
        "
        jwks: text -- a file or a URL
        algorithms: [text]
        audience: [text]
        issuer: [text]
        leeway: duration
        claims: {text}
        from: @jwt_from / text
        required: bool
    ",
    ),
    ("jwt_from", &access::FROM, "header: text\ncookie: text"),
    (
        "cors",
        &exposure::CORS,
        "
        origins: [text]
        methods: [text]
        headers: [text]
        expose: [text]
        credentials: bool
        max_age: duration
    ",
    ),
    (
        "hsts",
        &exposure::HSTS,
        "max_age: duration\ninclude_subdomains: bool\npreload: bool",
    ),
    ("forwarded", &exposure::FORWARDED, ""),
    (
        "open_cache",
        &content::OPEN_CACHE,
        "max: number\nvalid: duration\nerrors: bool",
    ),
    (
        "listing",
        &content::LISTING,
        "format: text\nexact_size: bool\nlocal_time: bool",
    ),
    ("site", &sites::SITE, SITE_FIELDS),
    (
        "tls_pair",
        &tls::PAIR,
        "
        certificate: @secret / path
        key: @secret / path
        ocsp: path
        clients: path -- the CA of client certificates
    ",
    ),
    ("route", &routes::ROUTE, ROUTE_FIELDS),
    (
        "respond",
        &routes::RESPOND,
        "status: number\nbody: text\ntype: text\nfile: path",
    ),
    ("redirect", &routes::REDIRECT, "to: text\nstatus: number"),
    (
        "rewrite",
        &rewrite::REWRITE,
        "
        strip: text
        add: text
        path: text
        regex: @rewrite_regex
        query: @rewrite_query
    ",
    ),
    ("rewrite_regex", &rewrite::REGEX, "pattern: text\nto: text"),
    (
        "rewrite_query",
        &rewrite::QUERY,
        "set: {text}\nremove: [text]",
    ),
    ("step", &program::STEP, ""),
    (
        "when",
        &when::WHEN,
        "
        method: [text]
        header: any
        query: any
        cookie: any
        from: [text]
        not: [@when]
    ",
    ),
    ("fastcgi", &fastcgi::FASTCGI, ""),
    (
        "stream",
        &streams::STREAM,
        "
        listen: [address]
        protocol: 'tcp' / 'udp'
        to: any
        names: any
        accept_proxy: @proxy_from / off
        proxy_protocol: text / off
        allow: [text]
        deny: [text]
        timeouts: @stream_timeouts
        connections: number
        responses: number
        log: @access_log / path
    ",
    ),
    (
        "stream_timeouts",
        &streams::TIMEOUTS,
        "
        connect: duration
        tunnel_idle: duration
        first_byte: duration
    ",
    ),
];

const SITE_FIELDS: &str = "
host: [text] -- names; *.shop.test, * for all others
listen: [text] -- named listeners
tls: 'auto' / 'acme' / 'internal' / 'passthrough' / off / [@tls_pair]
redirects: any -- paths to where they lead, or a file of them
routes: [@route] -- the first match from the top
to: any -- a pool's name, an address, or pools with weights
split_by: text
respond: @respond / number -- a fixed answer
redirect: @redirect / text
root: path -- files
index: [text]
try: [text]
do: [@step]
rewrite: @rewrite / text
fastcgi: @fastcgi
body_limit: size / off
timeouts: @timeouts
headers: @headers
cache: @cache / text / off
waf: text / off
compress: @compress / [text] / off
rate_limit: [@rate_limit] / off
connection_limit: [@connection_limit] / off
challenge: @challenge / 'on' / off
bad_agents: @bad_agents / 'deny' / 'challenge' / 'log' / off
crowdsec: bool
allow: [text] / off
deny: [text] / off
auth: [@auth] / off
satisfy: 'all' / 'any'
cors: @cors / off
hsts: @hsts / duration / off
mirror: @mirror / text / off
";

const ROUTE_FIELDS: &str = "
path: text -- a prefix of whole segments
exact: text
regex: text
name: text
internal: bool
when: @when -- conditions beside the path
methods: [text]
to: any -- a pool's name, an address, or pools with weights
split_by: text
respond: @respond / number
redirect: @redirect / text
root: path
index: [text]
try: [text]
do: [@step]
rewrite: @rewrite / text
fastcgi: @fastcgi
body_limit: size / off
timeouts: @timeouts
headers: @headers
cache: @cache / text / off
waf: text / off
compress: @compress / [text] / off
rate_limit: [@rate_limit] / off
connection_limit: [@connection_limit] / off
challenge: @challenge / 'on' / off
bad_agents: @bad_agents / 'deny' / 'challenge' / 'log' / off
crowdsec: bool
allow: [text] / off
deny: [text] / off
auth: [@auth] / off
satisfy: 'all' / 'any'
cors: @cors / off
hsts: @hsts / duration / off
mirror: @mirror / text / off
";
