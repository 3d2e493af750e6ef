//! What the fields of the YAML syntax hold; see [`super::schema`] for the language.

use super::schema::Object;
use super::*;

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
        lists: {@list / [path]} -- networks, systems and countries by name, for `allow` and `deny`
        crowdsec: @crowdsec / off -- the server whose decisions are carried out
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
        "crowdsec",
        &screen::CROWDSEC,
        "
        lapi: text -- its local API: http://127.0.0.1:8080, or a pool's name
        key: @secret / path -- what cscli bouncers add printed
        interval: duration -- how often it is asked; 10s
        decisions: number -- kept at once; 200000
        scenarios: [text] -- only of scenarios with one of these in their names
    ",
    ),
    (
        "list",
        &lists::LIST,
        "
        files: [path] -- a network, an address, a range or AS64500 a line
        networks: [text]
        asns: [text] -- told by a database of `geo`
        countries: [text]
        status: number -- for whom it denies; 403
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
        "waf_audit",
        &log::AUDIT,
        "
        path: path
        when: 'relevant' / 'all' -- requests with a match, or every one
        parts: text -- ModSecurity's letters; ABFHZ, C adds the request's body
        buffer: size -- 64KiB
        flush: duration -- 1s
        rotate: @rotate / off
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
        doq: [address] -- DNS over QUIC, by UDP
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
        "waf_dry_run",
        &rooms::DRY_RUN,
        "
        rules: [number]
        tags: [text]
    ",
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
        exclusions: 'default' / 'none' -- what the Core Rule Set is wrong about on an ordinary site; default at paranoia 1
        dry_run: @waf_dry_run -- rules that are only tried: their matches are logged and counted, and change nothing
        exclude: any -- lists of `rules` or `tags`, each with `target` and `path`
        audit_log: @waf_audit / path / off -- ModSecurity's JSON, a line for each request with a match
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
];
