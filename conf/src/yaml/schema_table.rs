//! What the fields of the YAML syntax hold; see [`super::schema`] for the language.

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
allow: [text] / off -- networks that may
deny: [text] / off -- networks that may not
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

pub(super) const TABLE: &[Object] = &[
    (
        "configuration",
        &document::DOCUMENT,
        "
        version: number -- the schema this is written for: 1
        include: [path] -- files of the same shape; lists and names join
        process: @process
        listen: [@listener / address] -- where clients connect
        admin: @admin / [address] -- the admin API; a unix socket by default
        metrics: @metrics / address -- a read-only /metrics
        trusted_proxies: @trusted_proxies / [text] -- whose X-Forwarded-* count
        geo: [path] -- databases that tell where addresses are (.mmdb): for DNS, lists and templates
        acme: @acme -- the CA for public names
        log: @log
        dns: @dns -- the DNS server
        caches: {@cache_store / size} -- caches by name
        wafs: {@waf} -- rule sets by name
        pools: {@pool / [@server / address]} -- origins by name
        defaults: @defaults -- what every site inherits
        sites: [@site] -- virtual hosts
        streams: [@stream] -- connections carried as they are
        limits: @limits -- bounds on what clients send
    ",
    ),
    (
        "process",
        &document::PROCESS,
        "
        threads: number / 'auto' -- worker threads, one a core by default
        user: text -- whom the worker becomes when started as root
        pid: path -- the pid file
        daemon: bool -- whether to go to the background
        state: path -- certificates, revisions, the audit log; /var/lib/seawall
        drain: duration -- how long connections may go on at a stop; 30s
    ",
    ),
    (
        "limits",
        &document::LIMITS,
        "
        head_bytes: size -- a request head; 64KiB
        head_fields: number -- its fields; 128
        head_timeout: duration -- until it is whole; 10s
        connections: number -- of clients at once; 65536
        encoders: number -- responses compressed at once; 256
        http2: @http2
    ",
    ),
    (
        "http2",
        &http2::HTTP2,
        "
        streams: number
        resets: number
        settings: number
        pings: number
        empty_data: number
        idle_frames: number
    ",
    ),
    (
        "listener",
        &listen::LISTEN,
        "
        http: [address] -- plain; a bare port is every address
        https: [address] -- TLS
        name: text -- only sites that ask for it
        http2: bool -- by ALPN or prior knowledge; on
        proxy_protocol: @proxy_from / off -- a header says who the client is
    ",
    ),
    (
        "proxy_from",
        &streams::FROM,
        "from: [text] -- who may send the header",
    ),
    (
        "admin",
        &listen::ADMIN,
        "
        listen: [address] -- unix:/run/seawall/admin.sock, or an address of the loopback
        tokens: @secret / path -- who may use it over TCP; see seawall token
    ",
    ),
    (
        "secret",
        &read::SECRET,
        "
        file: path
        credential: text -- LoadCredential= of the unit
    ",
    ),
    ("metrics", &listen::METRICS, "listen: address"),
    (
        "trusted_proxies",
        &exposure::TRUSTED,
        "
        from: [text] -- networks
        header: text -- the field that names the client
    ",
    ),
    (
        "acme",
        &acme::ACME,
        "
        directory: [text] -- the CA's URL; Let's Encrypt
        fallback: [text] -- CAs asked when it fails
        email: [text]
        agree_tos: bool -- the CA's terms are agreed to
        challenge: 'tls-alpn-01' / 'http-01' / 'dns-01'
        ca: path -- what the CA's own server is verified by
        eab: @eab -- an account known from elsewhere
        profile: text
        resolver: [address]
        retry: duration
        timeout: duration
    ",
    ),
    (
        "eab",
        &acme::EAB,
        "
        key_id: text
        key: @secret / text
    ",
    ),
    (
        "log",
        &log::LOG,
        "
        access: [@access_log] / path / off
        error: @error_log / path
        traces: @traces / bool -- W3C Trace Context: requests are parts of traces
    ",
    ),
    (
        "traces",
        &log::TRACES,
        "
        sample: percent -- of the traces that begin here
        otlp: text -- the collector that gets spans, http://127.0.0.1:4318
    ",
    ),
    (
        "access_log",
        &log::ACCESS,
        "
        path: path
        format: text -- combined, vcombined, json or a template
        escape: 'default' / 'json' / 'none'
        buffer: size
        flush: duration
        gzip: number / off
        rotate: @rotate / off
        syslog: @syslog / text
    ",
    ),
    (
        "rotate",
        &log::ROTATE,
        "
        size: size
        keep: number
    ",
    ),
    (
        "syslog",
        &syslog::SYSLOG,
        "
        server: text
        facility: text
        severity: 'emerg' / 'alert' / 'crit' / 'error' / 'warn' / 'notice' / 'info' / 'debug'
        tag: text
        hostname: bool
    ",
    ),
    (
        "error_log",
        &log::ERROR,
        "
        path: path
        level: 'emerg' / 'alert' / 'crit' / 'error' / 'warn' / 'notice' / 'info' / 'debug'
        rotate: @rotate / off
        syslog: [@syslog] / text
    ",
    ),
    (
        "dns",
        &dns::DNS,
        "
        listen: [address] -- UDP and TCP
        dot: [address] -- DNS over TLS
        threads: number
        rrl: @rrl / off
        cookies: @cookies / bool
        geo: [path] -- other databases of places than those of the whole file
        proxy_protocol: @proxy_from / off -- these begin connections with a header that says who the client is
        query_log: @query_log / path / off -- a line of JSON a query
        resolver: [address] -- asked for what ALIAS records name
        zones: [@zone]
    ",
    ),
    (
        "query_log",
        &dns::QUERY_LOG,
        "path: path\nsample: number -- every so-manyth query; 1",
    ),
    (
        "rrl",
        &dns::RRL,
        "rate: number\nslip: number\nexempt: [text]",
    ),
    ("cookies", &dns::COOKIES, "secrets: @secret / path"),
    (
        "zone",
        &dns::ZONE,
        "
        name: text
        file: path -- RFC 1035
        records: [@record]
        transfer: @transfer -- who may copy it; nobody
        secondary: @secondary -- where it is copied from
        update: @update -- who may change it (RFC 2136)
        notify: [address]
        dnssec: @dnssec / bool
    ",
    ),
    (
        "transfer",
        &dns::TRANSFER,
        "to: [text]\nkey: @secret / path",
    ),
    ("update", &dns::UPDATE, "from: [text]\nkey: @secret / path"),
    (
        "secondary",
        &dns::SECONDARY,
        "from: [address]\nkey: @secret / path\ncatalog: bool",
    ),
    (
        "record",
        &dns::records::RECORD,
        "
        name: text
        type: text
        ttl: duration
        policy: 'failover' / 'weighted' / 'geo' / 'nets' / 'nearest' / 'hash' / 'multi'
        targets: [@target / text]
        all_down: any
        value: [text]
    ",
    ),
    (
        "target",
        &dns::records::TARGET,
        "address: text\nup: @up\nweight: number\nnets: [text]",
    ),
    (
        "up",
        &dns::records::UP,
        "pool: text -- while it has a healthy server",
    ),
    ("dnssec", &dnssec::DNSSEC, ""),
    (
        "cache_store",
        &rooms::CACHE,
        "memory: size -- 256MiB\ndisk: @disk / off\ninactive: duration -- none",
    ),
    (
        "disk",
        &rooms::DISK,
        "path: path\nsize: size -- 10GiB\nmin_free: size -- 0",
    ),
    (
        "waf",
        &rooms::WAF,
        "
        rules: any -- builtin, owasp-crs, or files
        mode: 'detect' / 'block'
        paranoia: number -- 1 to 4
        threshold: number -- the score of a refusal; 5
        body_limit: size
        report_header: text
        response: bool -- responses are judged, too
        exclude: any -- lists of `rules` or `tags`, each with `target` and `path`
        shadow: text -- another rule set that judges the same without any effect
    ",
    ),
    (
        "pool",
        &pools::POOL,
        "
        balance: text -- round_robin, least_conn, p2c, ewma, ip_hash, hash, random
        hash: @hash / text
        servers: [@server / address]
        resolver: [address]
        health: @health / path / off
        eject: @eject / off
        retry: @retry / off
        protocol: text
        proxy_protocol: text / off
        queue: @queue / number / off
        breaker: @breaker / off
        hedge: @hedge / off
        sticky: @sticky / text / off
        keepalive: @keepalive / number / off
        tls: @pool_tls / bool
    ",
    ),
    ("hash", &pools::HASH, "key: text"),
    (
        "server",
        &pools::servers::SERVER,
        "
        address: address
        srv: text
        file: path
        resolve: bool
        weight: number
        backup: bool
        down: bool
        drain: bool
        max_conns: number
        slow_start: duration
        id: text
    ",
    ),
    (
        "health",
        &pools::health::HEALTH,
        "
        path: text
        tcp: bool
        grpc: any
        method: text
        host: text
        headers: {text}
        expect: @expect / any
        port: number
        interval: duration
        fast_interval: duration
        jitter: percent
        timeout: duration
        fall: number
        rise: number
    ",
    ),
    (
        "expect",
        &pools::health::EXPECT,
        "status: any\nbody: text\nregex: text",
    ),
    (
        "eject",
        &pools::resilience::EJECT,
        "
        after: number
        ratio: @ratio
        for: duration
        at_longest: duration
        at_most: percent
    ",
    ),
    (
        "ratio",
        &pools::resilience::RATIO,
        "errors: percent\nmin_requests: number\nwindow: duration",
    ),
    (
        "retry",
        &pools::resilience::RETRY,
        "
        when: [text]
        attempts: number
        budget: percent
        backoff: @backoff / off
        methods: [text]
        non_idempotent: bool
        idempotency_key: any
        within: duration
    ",
    ),
    (
        "backoff",
        &pools::resilience::BACKOFF,
        "base: duration\ncap: duration",
    ),
    (
        "breaker",
        &pools::resilience::BREAKER,
        "
        failures: percent
        min_requests: number
        window: duration
        open_for: duration
        probes: number
    ",
    ),
    (
        "queue",
        &pools::load::QUEUE,
        "size: number\ntimeout: duration",
    ),
    (
        "hedge",
        &pools::load::HEDGE,
        "after: any\nat_least: duration\nbudget: percent",
    ),
    ("sticky", &pools::sticky::STICKY, "learn: @learn"),
    ("learn", &pools::sticky::LEARN, ""),
    (
        "keepalive",
        &pools::connection::KEEPALIVE_SHAPE,
        "connections: number\ntimeout: duration",
    ),
    (
        "pool_tls",
        &pools::connection::TLS,
        "
        ca: path
        sni: text
        verify: bool
        certificate: path
        key: @secret / path
        crl: path
    ",
    ),
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
        "cookies: [text]\nheaders: [text]\ndevice: bool",
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
allow: [text] / off
deny: [text] / off
auth: [@auth] / off
satisfy: 'all' / 'any'
cors: @cors / off
hsts: @hsts / duration / off
mirror: @mirror / text / off
";
