//! The directive table: every directive of nginx that is known, where it may stand, what it takes, and what becomes
//! of it. The check, the documentation and `convert`'s report come from here.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what it does in nginx.
    Native,
    /// It changes nothing that a client could see: tuning of machinery that is not ours.
    NoEffect,
    /// It does nearly what it does in nginx; the note says what differs.
    Approximated(&'static str),
    /// Its room is not built: an error, unless it says `off`.
    NotYet,
}

/// Where directives may stand, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts(u16);

/// Contexts of `http` directives that nest, in nginx's words.
const HSL: Contexts = Contexts(Contexts::HTTP.0 | Contexts::SERVER.0 | Contexts::LOCATION.0);
const HSLI: Contexts = Contexts(HSL.0 | Contexts::IF_LOCATION.0);
const HSLE: Contexts = Contexts(HSL.0 | Contexts::LIMIT_EXCEPT.0);
const HS: Contexts = Contexts(Contexts::HTTP.0 | Contexts::SERVER.0);
const REWRITE: Contexts = Contexts(
    Contexts::SERVER.0 | Contexts::IF_SERVER.0 | Contexts::LOCATION.0 | Contexts::IF_LOCATION.0,
);

impl Contexts {
    /// The file itself.
    pub const MAIN: Self = Self(1);
    /// `events`
    pub const EVENTS: Self = Self(2);
    /// `http`
    pub const HTTP: Self = Self(4);
    /// `server` in `http`
    pub const SERVER: Self = Self(8);
    /// `location`
    pub const LOCATION: Self = Self(16);
    /// `if` in `server`
    pub const IF_SERVER: Self = Self(32);
    /// `if` in `location`
    pub const IF_LOCATION: Self = Self(64);
    /// `upstream`
    pub const UPSTREAM: Self = Self(128);
    /// `stream`
    pub const STREAM: Self = Self(256);
    /// `server` in `stream`
    pub const STREAM_SERVER: Self = Self(512);
    /// `upstream` in `stream`
    pub const STREAM_UPSTREAM: Self = Self(1024);
    /// `limit_except`
    pub const LIMIT_EXCEPT: Self = Self(2048);
    /// Everywhere.
    pub const ANY: Self = Self(4095);

    /// Whether all of this set is within `stream`.
    pub(crate) const fn is_stream_only(self) -> bool {
        self.0 & (255 | Self::LIMIT_EXCEPT.0) == 0
    }

    /// Whether one of the other set is in this one.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// From, to (both included).
    Range(u8, u8),
    /// `on` or `off`.
    Flag,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// What it takes.
    pub arity: Arity,
    /// Whether it has a block.
    pub block: bool,
    /// Whether it may stand more than once in a block.
    pub repeats: bool,
    /// What becomes of it.
    pub status: Status,
}

const fn row(name: &'static str, contexts: Contexts, from: u8, to: u8, status: Status) -> Row {
    Row {
        name,
        contexts,
        arity: Arity::Range(from, to),
        block: false,
        repeats: false,
        status,
    }
}

const fn flag(name: &'static str, contexts: Contexts, status: Status) -> Row {
    Row {
        name,
        contexts,
        arity: Arity::Flag,
        block: false,
        repeats: false,
        status,
    }
}

/// May stand more than once.
const fn many(name: &'static str, contexts: Contexts, from: u8, to: u8, status: Status) -> Row {
    Row {
        repeats: true,
        ..row(name, contexts, from, to, status)
    }
}

const fn block(name: &'static str, contexts: Contexts, from: u8, to: u8) -> Row {
    Row {
        block: true,
        repeats: true,
        ..row(name, contexts, from, to, Status::Native)
    }
}

const fn block_once(name: &'static str, contexts: Contexts) -> Row {
    Row {
        block: true,
        ..row(name, contexts, 0, 0, Status::Native)
    }
}

const N: Status = Status::Native;
const X: Status = Status::NoEffect;
const M: Contexts = Contexts::MAIN;
const U: Contexts = Contexts::UPSTREAM;
const S: Contexts = Contexts::STREAM;
const SV: Contexts = Contexts::STREAM_SERVER;
const SU: Contexts = Contexts::STREAM_UPSTREAM;
const SS: Contexts = Contexts(S.0 | SV.0);
const ANY_NUMBER: u8 = u8::MAX;

/// Directives that mean something here.
pub const TABLE: &[Row] = &[
    // ngx_core_module
    flag("daemon", M, N),
    flag("master_process", M, X),
    row("worker_processes", M, 1, 1, N),
    row("user", M, 1, 2, N),
    row("pid", M, 1, 1, N),
    row("worker_shutdown_timeout", M, 1, 1, N),
    row("worker_rlimit_nofile", M, 1, 1, X),
    row("worker_rlimit_core", M, 1, 1, X),
    row("worker_priority", M, 1, 1, X),
    row("worker_cpu_affinity", M, 1, ANY_NUMBER, X),
    row("working_directory", M, 1, 1, X),
    row("timer_resolution", M, 1, 1, X),
    row("lock_file", M, 1, 1, X),
    flag("pcre_jit", M, X),
    many("thread_pool", M, 2, 3, X),
    many("debug_points", M, 1, 1, X),
    many(
        "load_module",
        M,
        1,
        1,
        Status::Approximated("what is built in needs no module"),
    ),
    many(
        "error_log",
        Contexts(M.0 | HSL.0 | SS.0),
        1,
        2,
        Status::Approximated("one error log: the one of the outermost level"),
    ),
    many("include", Contexts::ANY, 1, 1, N),
    block_once("events", M),
    row("worker_connections", Contexts::EVENTS, 1, 1, N),
    row("use", Contexts::EVENTS, 1, 1, X),
    flag("multi_accept", Contexts::EVENTS, X),
    flag("accept_mutex", Contexts::EVENTS, X),
    row("accept_mutex_delay", Contexts::EVENTS, 1, 1, X),
    row("worker_aio_requests", Contexts::EVENTS, 1, 1, X),
    many("debug_connection", Contexts::EVENTS, 1, 1, X),
    // ngx_http_core_module
    block_once("http", M),
    block("server", Contexts::HTTP, 0, 0),
    block(
        "location",
        Contexts(Contexts::SERVER.0 | Contexts::LOCATION.0),
        1,
        2,
    ),
    Row {
        repeats: false,
        ..block("types", HSL, 0, 0)
    },
    row("default_type", HSL, 1, 1, N),
    many("listen", Contexts::SERVER, 1, ANY_NUMBER, N),
    many("server_name", Contexts::SERVER, 1, ANY_NUMBER, N),
    row("root", HSLI, 1, 1, N),
    row("client_max_body_size", HSL, 1, 1, N),
    row(
        "client_header_timeout",
        HS,
        1,
        1,
        Status::Approximated("the longest of all servers"),
    ),
    row("client_body_timeout", HSL, 1, 1, N),
    row(
        "send_timeout",
        HSL,
        1,
        1,
        Status::Approximated("one timeout for reading a body and writing a response"),
    ),
    row("client_header_buffer_size", HS, 1, 1, X),
    row(
        "large_client_header_buffers",
        HS,
        2,
        2,
        Status::Approximated("the sum of the buffers bounds a head, the largest of all servers"),
    ),
    row(
        "max_headers",
        HS,
        1,
        1,
        Status::Approximated("the largest of all servers"),
    ),
    row("keepalive_timeout", Contexts(HSL.0 | U.0), 1, 2, N),
    row("keepalive_requests", Contexts(HSL.0 | U.0), 1, 1, N),
    row("keepalive_time", Contexts(HSL.0 | U.0), 1, 1, X),
    row("keepalive_disable", HSL, 1, ANY_NUMBER, X),
    row("client_body_buffer_size", HSL, 1, 1, X),
    row("client_body_temp_path", HSL, 1, 4, X),
    row("client_body_in_file_only", HSL, 1, 1, N),
    row("client_body_in_single_buffer", HSL, 1, 1, X),
    row("connection_pool_size", HS, 1, 1, X),
    row("request_pool_size", HS, 1, 1, X),
    flag("sendfile", HSLI, X),
    row("sendfile_max_chunk", HSL, 1, 1, X),
    row("aio", HSL, 1, 1, X),
    flag("aio_write", HSL, X),
    row("directio", HSL, 1, 1, X),
    row("directio_alignment", HSL, 1, 1, X),
    row("read_ahead", HSL, 1, 1, X),
    row("output_buffers", HSL, 2, 2, X),
    row("postpone_output", HSL, 1, 1, X),
    row("send_lowat", HSL, 1, 1, X),
    flag("tcp_nopush", HSL, N),
    flag("tcp_nodelay", HSL, X),
    flag("reset_timedout_connection", HSL, X),
    row("lingering_close", HSL, 1, 1, X),
    row("lingering_time", HSL, 1, 1, X),
    row("lingering_timeout", HSL, 1, 1, X),
    row("server_tokens", HSL, 1, 1, N),
    row("server_names_hash_max_size", Contexts::HTTP, 1, 1, X),
    row("server_names_hash_bucket_size", Contexts::HTTP, 1, 1, X),
    row("types_hash_max_size", HSL, 1, 1, X),
    row("types_hash_bucket_size", HSL, 1, 1, X),
    row("variables_hash_max_size", Contexts::HTTP, 1, 1, X),
    row("variables_hash_bucket_size", Contexts::HTTP, 1, 1, X),
    row("map_hash_max_size", Contexts::HTTP, 1, 1, X),
    row("map_hash_bucket_size", Contexts::HTTP, 1, 1, X),
    row("subrequest_output_buffer_size", HSL, 1, 1, X),
    row("open_file_cache", HSL, 1, 2, N),
    row("open_file_cache_valid", HSL, 1, 1, N),
    row("open_file_cache_min_uses", HSL, 1, 1, X),
    flag("open_file_cache_errors", HSL, N),
    row("alias", Contexts::LOCATION, 1, 1, N),
    row("internal", Contexts::LOCATION, 0, 0, N),
    many("error_page", HSLI, 2, ANY_NUMBER, N),
    flag("recursive_error_pages", HSL, N),
    flag("absolute_redirect", HSL, N),
    flag("port_in_redirect", HSL, N),
    flag("server_name_in_redirect", HSL, N),
    row(
        "disable_symlinks",
        HSL,
        1,
        2,
        Status::Approximated("without from="),
    ),
    flag("etag", HSL, N),
    row("if_modified_since", HSL, 1, 1, N),
    row("max_ranges", HSL, 1, 1, N),
    // ngx_http_try_files_module, ngx_http_autoindex_module, ngx_http_gzip_static_module, ngx_http_empty_gif_module
    row(
        "try_files",
        Contexts(Contexts::SERVER.0 | Contexts::LOCATION.0),
        2,
        ANY_NUMBER,
        N,
    ),
    flag("autoindex", HSL, N),
    flag("autoindex_exact_size", HSL, N),
    flag("autoindex_localtime", HSL, N),
    row(
        "autoindex_format",
        HSL,
        1,
        1,
        Status::Approximated("html and json"),
    ),
    row("gzip_static", HSL, 1, 1, N),
    row("empty_gif", Contexts::LOCATION, 0, 0, N),
    flag("log_not_found", HSL, X),
    flag("log_subrequest", HSL, X),
    // ngx_http_index_module, ngx_http_headers_module
    many("index", HSL, 1, ANY_NUMBER, N),
    many("add_header", HSLI, 2, 3, N),
    row("expires", HSLI, 1, 2, N),
    // ngx_http_rewrite_module
    many("return", REWRITE, 1, 2, N),
    many("rewrite", REWRITE, 2, 3, N),
    many("set", REWRITE, 2, 2, N),
    many("break", REWRITE, 0, 0, N),
    block(
        "if",
        Contexts(Contexts::SERVER.0 | Contexts::LOCATION.0),
        1,
        ANY_NUMBER,
    ),
    flag("rewrite_log", Contexts(HSL.0 | REWRITE.0), X),
    flag(
        "uninitialized_variable_warn",
        Contexts(HSL.0 | REWRITE.0),
        X,
    ),
    // ngx_http_access_module, ngx_http_auth_basic_module, ngx_http_auth_request_module
    many("allow", HSLE, 1, 1, N),
    many("deny", HSLE, 1, 1, N),
    row("satisfy", HSL, 1, 1, N),
    row("auth_basic", HSLE, 1, 1, N),
    row(
        "auth_basic_user_file",
        HSLE,
        1,
        1,
        Status::Approximated("read when the configuration is: reload after a change"),
    ),
    row("auth_request", HSL, 1, 1, N),
    many("auth_request_set", HSL, 2, 2, N),
    Row {
        repeats: false,
        ..block("limit_except", Contexts::LOCATION, 1, ANY_NUMBER)
    },
    // ngx_http_limit_req_module, ngx_http_limit_conn_module
    many("limit_req_zone", Contexts::HTTP, 3, 4, N),
    many("limit_req", HSL, 1, 3, N),
    row("limit_req_status", HSL, 1, 1, N),
    row("limit_req_log_level", HSL, 1, 1, N),
    flag("limit_req_dry_run", HSL, N),
    many("limit_conn_zone", Contexts::HTTP, 2, 2, N),
    many("limit_conn", HSL, 2, 2, N),
    row("limit_conn_status", HSL, 1, 1, N),
    row("limit_conn_log_level", HSL, 1, 1, N),
    flag("limit_conn_dry_run", HSL, N),
    // ngx_http_realip_module
    many("set_real_ip_from", HSL, 1, 1, N),
    row("real_ip_header", HSL, 1, 1, N),
    flag("real_ip_recursive", HSL, N),
    // ngx_http_map_module, ngx_http_geo_module, ngx_http_split_clients_module
    block("map", Contexts::HTTP, 2, 2),
    block("geo", Contexts::HTTP, 1, 2),
    block("split_clients", Contexts::HTTP, 2, 2),
    // ngx_http_log_module
    many("access_log", HSLI, 1, ANY_NUMBER, N),
    many("log_format", Contexts::HTTP, 2, ANY_NUMBER, N),
    row("open_log_file_cache", HSL, 1, 4, N),
    // ngx_http_core_module: the speed of responses; ngx_http_mirror_module
    row("limit_rate", HSLI, 1, 1, N),
    row("limit_rate_after", HSLI, 1, 1, N),
    many("mirror", HSL, 1, 1, N),
    flag("mirror_request_body", HSL, N),
    // ngx_http_proxy_module
    row(
        "proxy_pass",
        Contexts(Contexts::LOCATION.0 | Contexts::IF_LOCATION.0),
        1,
        1,
        N,
    ),
    many("proxy_set_header", HSL, 2, 2, N),
    row("proxy_http_version", HSL, 1, 1, N),
    row("proxy_connect_timeout", HSL, 1, 1, N),
    row("proxy_read_timeout", HSL, 1, 1, N),
    row(
        "proxy_send_timeout",
        HSL,
        1,
        1,
        Status::Approximated("the longer of this and proxy_read_timeout"),
    ),
    row("proxy_buffer_size", HSL, 1, 1, X),
    flag("proxy_buffering", HSL, N),
    row(
        "proxy_buffers",
        HSL,
        2,
        2,
        Status::Approximated("the sum of them, at least 64 KiB"),
    ),
    row("proxy_busy_buffers_size", HSL, 1, 1, X),
    row("proxy_temp_path", HSL, 1, 4, X),
    row("proxy_temp_file_write_size", HSL, 1, 1, X),
    row("proxy_max_temp_file_size", HSL, 1, 1, N),
    row("proxy_headers_hash_max_size", HSL, 1, 1, X),
    row("proxy_headers_hash_bucket_size", HSL, 1, 1, X),
    flag("proxy_intercept_errors", HSL, N),
    flag("proxy_ignore_client_abort", HSL, N),
    row("proxy_method", HSL, 1, 1, N),
    row("proxy_set_body", HSL, 1, 1, N),
    flag("proxy_pass_request_headers", HSL, N),
    flag("proxy_pass_request_body", HSL, N),
    row("proxy_next_upstream", HSL, 1, ANY_NUMBER, N),
    row("proxy_next_upstream_tries", HSL, 1, 1, N),
    row("proxy_next_upstream_timeout", HSL, 1, 1, N),
    many("proxy_hide_header", HSL, 1, 1, N),
    many("proxy_pass_header", HSL, 1, 1, N),
    many("proxy_redirect", HSL, 1, 2, N),
    many("proxy_cookie_domain", HSL, 1, 2, N),
    many("proxy_cookie_path", HSL, 1, 2, N),
    many("proxy_cookie_flags", HSL, 1, 4, N),
    flag("proxy_socket_keepalive", HSL, X),
    flag("proxy_ssl_session_reuse", HSL, X),
    many(
        "proxy_cache_path",
        Contexts::HTTP,
        2,
        ANY_NUMBER,
        Status::Approximated(
            "kept in segments of our own with memory before them: the parameters of levels, manager and loader have no effect",
        ),
    ),
    row("proxy_cache", HSL, 1, 1, N),
    row("proxy_cache_key", HSL, 1, 1, N),
    many("proxy_cache_valid", HSL, 1, ANY_NUMBER, N),
    many("proxy_cache_bypass", HSL, 1, ANY_NUMBER, N),
    many("proxy_no_cache", HSL, 1, ANY_NUMBER, N),
    row("proxy_cache_use_stale", HSL, 1, ANY_NUMBER, N),
    flag("proxy_cache_background_update", HSL, N),
    flag("proxy_cache_revalidate", HSL, N),
    flag("proxy_cache_lock", HSL, N),
    row("proxy_cache_lock_timeout", HSL, 1, 1, N),
    row("proxy_cache_lock_age", HSL, 1, 1, N),
    row("proxy_cache_min_uses", HSL, 1, 1, N),
    row("proxy_cache_max_range_offset", HSL, 1, 1, N),
    row("proxy_cache_methods", HSL, 1, ANY_NUMBER, N),
    // ngx_http_slice_module
    row("slice", HSL, 1, 1, N),
    row("proxy_ignore_headers", HSL, 1, ANY_NUMBER, N),
    // ngx_http_fastcgi_module
    row(
        "fastcgi_pass",
        Contexts(Contexts::LOCATION.0 | Contexts::IF_LOCATION.0),
        1,
        1,
        N,
    ),
    many("fastcgi_param", HSLI, 2, 3, N),
    row("fastcgi_index", HSL, 1, 1, N),
    row("fastcgi_split_path_info", HSL, 1, 1, N),
    flag("fastcgi_keep_conn", HSL, N),
    many("fastcgi_hide_header", HSL, 1, 1, N),
    row("fastcgi_connect_timeout", HSL, 1, 1, N),
    row("fastcgi_read_timeout", HSL, 1, 1, N),
    row(
        "fastcgi_send_timeout",
        HSL,
        1,
        1,
        Status::Approximated("the longer of this and fastcgi_read_timeout"),
    ),
    flag(
        "fastcgi_request_buffering",
        HSL,
        Status::Approximated("a body of known length is passed on as it comes, another held back"),
    ),
    flag("fastcgi_buffering", HSL, N),
    flag("fastcgi_intercept_errors", HSL, N),
    row("fastcgi_next_upstream", HSL, 1, ANY_NUMBER, N),
    row("fastcgi_next_upstream_tries", HSL, 1, 1, N),
    row("fastcgi_next_upstream_timeout", HSL, 1, 1, N),
    many("fastcgi_pass_header", HSL, 1, 1, N),
    many("fastcgi_ignore_headers", HSL, 1, ANY_NUMBER, N),
    flag("fastcgi_ignore_client_abort", HSL, N),
    flag("fastcgi_pass_request_headers", HSL, N),
    flag("fastcgi_pass_request_body", HSL, N),
    row("fastcgi_buffer_size", HSL, 1, 1, X),
    row("fastcgi_buffers", HSL, 2, 2, X),
    row("fastcgi_busy_buffers_size", HSL, 1, 1, X),
    row("fastcgi_max_temp_file_size", HSL, 1, 1, X),
    row("fastcgi_temp_file_write_size", HSL, 1, 1, X),
    flag("fastcgi_socket_keepalive", HSL, X),
    flag("proxy_request_buffering", HSL, N),
    row("proxy_ssl_name", HSL, 1, 1, N),
    flag("proxy_ssl_server_name", HSL, N),
    flag("proxy_ssl_verify", HSL, N),
    row("proxy_ssl_trusted_certificate", HSL, 1, 1, N),
    row("proxy_ssl_crl", HSL, 1, 1, N),
    row("proxy_ssl_certificate", HSL, 1, 1, N),
    row("proxy_ssl_certificate_key", HSL, 1, 1, N),
    flag("proxy_pass_trailers", HSL, N),
    many("early_hints", HSL, 1, ANY_NUMBER, N),
    // ngx_http_grpc_module
    row(
        "grpc_pass",
        Contexts(Contexts::LOCATION.0 | Contexts::IF_LOCATION.0),
        1,
        1,
        N,
    ),
    many(
        "grpc_set_header",
        HSL,
        2,
        2,
        Status::Approximated("one list with proxy_set_header"),
    ),
    row("grpc_connect_timeout", HSL, 1, 1, N),
    row("grpc_read_timeout", HSL, 1, 1, N),
    row(
        "grpc_send_timeout",
        HSL,
        1,
        1,
        Status::Approximated("the longer of this and grpc_read_timeout"),
    ),
    row("grpc_buffer_size", HSL, 1, 1, X),
    flag("grpc_intercept_errors", HSL, N),
    row("grpc_next_upstream", HSL, 1, ANY_NUMBER, N),
    row("grpc_next_upstream_tries", HSL, 1, 1, N),
    row("grpc_next_upstream_timeout", HSL, 1, 1, N),
    many("grpc_hide_header", HSL, 1, 1, N),
    many("grpc_pass_header", HSL, 1, 1, N),
    row("grpc_ignore_headers", HSL, 1, ANY_NUMBER, N),
    flag("grpc_socket_keepalive", HSL, X),
    row("grpc_ssl_name", HSL, 1, 1, N),
    flag("grpc_ssl_server_name", HSL, N),
    flag("grpc_ssl_verify", HSL, N),
    row("grpc_ssl_trusted_certificate", HSL, 1, 1, N),
    row("grpc_ssl_crl", HSL, 1, 1, N),
    row("grpc_ssl_certificate", HSL, 1, 1, N),
    row("grpc_ssl_certificate_key", HSL, 1, 1, N),
    row("fastcgi_temp_path", HSL, 1, 4, X),
    row("uwsgi_temp_path", HSL, 1, 4, X),
    row("scgi_temp_path", HSL, 1, 4, X),
    // ngx_http_gzip_filter_module, ngx_http_gunzip_filter_module
    flag("gzip", HSLI, N),
    flag("gunzip", HSL, N),
    flag("gzip_vary", HSL, N),
    row("gzip_buffers", HSL, 2, 2, X),
    row("gunzip_buffers", HSL, 2, 2, X),
    row("gzip_comp_level", HSL, 1, 1, N),
    many("gzip_disable", HSL, 1, ANY_NUMBER, N),
    row("gzip_http_version", HSL, 1, 1, N),
    row("gzip_min_length", HSL, 1, 1, N),
    row("gzip_proxied", HSL, 1, ANY_NUMBER, N),
    row("gzip_types", HSL, 1, ANY_NUMBER, N),
    // ngx_http_v2_module
    flag("http2", HS, N),
    row(
        "http2_max_concurrent_streams",
        HS,
        1,
        1,
        Status::Approximated("the largest of all servers"),
    ),
    row("http2_body_preread_size", HS, 1, 1, X),
    row("http2_chunk_size", HSL, 1, 1, X),
    row("http2_recv_buffer_size", Contexts::HTTP, 1, 1, X),
    // Obsolete in nginx since 1.19.7 and 1.25.1, where they have no effect either.
    row("http2_max_field_size", HS, 1, 1, X),
    row("http2_max_header_size", HS, 1, 1, X),
    row("http2_max_requests", HS, 1, 1, X),
    row("http2_recv_timeout", HS, 1, 1, X),
    row("http2_idle_timeout", HS, 1, 1, X),
    row("http2_push", HSL, 1, 1, X),
    flag("http2_push_preload", HSL, X),
    // ngx_http_upstream_module
    block("upstream", Contexts::HTTP, 1, 1),
    many("server", U, 1, ANY_NUMBER, N),
    row("keepalive", U, 1, 2, N),
    row("random", U, 0, 2, N),
    row("zone", U, 1, 2, X),
    row("least_conn", U, 0, 0, N),
    row("ip_hash", U, 0, 0, N),
    row(
        "hash",
        U,
        1,
        2,
        Status::Approximated("always consistent, on a ketama ring"),
    ),
    row(
        "least_time",
        U,
        1,
        3,
        Status::Approximated("by a moving average of the time to the header, of two servers"),
    ),
    // ngx_http_upstream_sticky_module
    row("sticky", U, 1, ANY_NUMBER, N),
    row("queue", U, 1, 2, N),
    row(
        "resolver",
        Contexts(HSL.0 | U.0),
        1,
        ANY_NUMBER,
        Status::Approximated("of http and upstream; names keep their own time to live"),
    ),
    row("resolver_timeout", Contexts(HSL.0 | U.0), 1, 1, X),
    // ngx_http_ssl_module
    many("ssl_certificate", HS, 1, 1, N),
    many("ssl_certificate_key", HS, 1, 1, N),
    row("ssl_session_cache", HS, 1, 2, X),
    row("ssl_session_timeout", HS, 1, 1, X),
    row("ssl_buffer_size", HS, 1, 1, X),
    row("ssl_dhparam", HS, 1, 1, X),
    row("ssl_protocols", HS, 1, ANY_NUMBER, N),
    flag("ssl_prefer_server_ciphers", HS, X),
    // ngx_stream_core_module and its siblings
    block_once("stream", M),
    block("server", S, 0, 0),
    block("upstream", S, 1, 1),
    block("map", S, 2, 2),
    many("server", SU, 1, ANY_NUMBER, N),
    row("random", SU, 0, 2, N),
    row("zone", SU, 1, 2, X),
    many("listen", SV, 1, ANY_NUMBER, N),
    row("proxy_pass", SV, 1, 1, N),
    flag("proxy_protocol", SS, N),
    row("proxy_connect_timeout", SS, 1, 1, N),
    row("proxy_timeout", SS, 1, 1, N),
    row("proxy_responses", SS, 1, 1, N),
    flag("proxy_next_upstream", SS, N),
    row("proxy_buffer_size", SS, 1, 1, X),
    flag("proxy_socket_keepalive", SS, X),
    flag("tcp_nodelay", SS, X),
    row("preread_buffer_size", SS, 1, 1, X),
    row("preread_timeout", SS, 1, 1, N),
    row(
        "proxy_protocol_timeout",
        SS,
        1,
        1,
        Status::Approximated("preread_timeout counts"),
    ),
    flag("ssl_preread", SS, N),
    many("allow", SS, 1, 1, N),
    many("deny", SS, 1, 1, N),
    many("set_real_ip_from", SS, 1, 1, N),
    many("access_log", SS, 1, ANY_NUMBER, N),
    many("log_format", S, 2, ANY_NUMBER, N),
    row("variables_hash_max_size", S, 1, 1, X),
    row("variables_hash_bucket_size", S, 1, 1, X),
    row("map_hash_max_size", S, 1, 1, X),
    row("map_hash_bucket_size", S, 1, 1, X),
];

/// The row of a directive in a context; the second is one of the same name elsewhere.
pub(crate) fn find(name: &str, context: Contexts) -> (Option<&'static Row>, Option<&'static Row>) {
    let mut elsewhere = None;
    for row in TABLE.iter().filter(|r| r.name == name) {
        if row.contexts.has(context) {
            return (Some(row), None);
        }
        elsewhere = Some(row);
    }
    (None, elsewhere)
}

/// Whether it is a directive's name in any context.
pub(crate) fn is_name(word: &str) -> bool {
    TABLE.iter().any(|row| row.name == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::not_yet::NOT_YET;

    #[test]
    fn no_directive_is_both_built_and_not() {
        for name in NOT_YET {
            // What `stream` has may be missing elsewhere.
            let elsewhere = |r: &&Row| !r.contexts.is_stream_only();
            assert!(
                !TABLE.iter().filter(elsewhere).any(|r| r.name == *name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_has_one_row_a_context() {
        for (i, a) in TABLE.iter().enumerate() {
            for b in TABLE.iter().skip(i + 1) {
                assert!(
                    a.name != b.name || !a.contexts.has(b.contexts),
                    "{}",
                    a.name
                );
            }
        }
    }
}
