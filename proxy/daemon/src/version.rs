//! What this binary says it is.

/// Our own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The nginx whose behaviour and defaults are followed; scripts compare this number.
pub const NGINX_VERSION: &str = "1.31.3";

/// `-v`: one line in nginx's shape.
pub fn nginx_line() -> String {
    format!("nginx version: nginx/{NGINX_VERSION} (seawall/{VERSION})")
}

/// `-V`: with what is there and what is not, in the words nginx's own configure script would use, because test suites
/// and scripts look for them. Keep it honest: a module is listed with `--with` once its directives work.
pub fn nginx_configure_line() -> String {
    let absent = [
        "http_auth_basic_module",
        "http_autoindex_module",
        "http_fastcgi_module",
        "http_geo_module",
        "http_grpc_module",
        "http_gzip_module",
        "http_limit_conn_module",
        "http_limit_req_module",
        "http_map_module",
        "http_memcached_module",
        "http_mirror_module",
        "http_scgi_module",
        "http_split_clients_module",
        "http_ssi_module",
        "http_userid_module",
        "http_uwsgi_module",
    ];
    let without: String = absent
        .iter()
        .map(|module| format!(" --without-{module}"))
        .collect();
    format!("configure arguments: --with-http_ssl_module{without}")
}
