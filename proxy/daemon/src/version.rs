//! What this binary says it is.

/// Our own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// With the commit it was built from; see `build.rs`.
pub const WITH_COMMIT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SEAWALL_COMMIT"), ")");

/// The nginx whose behaviour and defaults are followed; scripts compare this number.
pub const NGINX_VERSION: &str = "1.31.3";

/// `-v`: one line in nginx's shape.
pub fn nginx_line() -> String {
    format!("nginx version: nginx/{NGINX_VERSION} (seawall/{VERSION})")
}

/// `-V`: with what is there and what is not, in the words nginx's own configure script would use, because test suites
/// and scripts look for them. Keep it honest: a module is listed with `--with` once its directives work.
pub fn nginx_configure_line() -> String {
    let present = [
        "http_ssl_module",
        "http_v2_module",
        "http_realip_module",
        "http_auth_request_module",
        "http_gunzip_module",
        "http_gzip_static_module",
        "stream",
        "stream_realip_module",
        "stream_ssl_preread_module",
    ];
    let absent = [
        "http_browser_module",
        "http_charset_module",
        "http_memcached_module",
        "http_referer_module",
        "http_scgi_module",
        "http_ssi_module",
        "http_userid_module",
        "http_uwsgi_module",
        "stream_geo_module",
        "stream_limit_conn_module",
        "stream_pass_module",
        "stream_return_module",
        "stream_set_module",
        "stream_split_clients_module",
    ];
    let with: String = present
        .iter()
        .map(|module| format!(" --with-{module}"))
        .collect();
    let without: String = absent
        .iter()
        .map(|module| format!(" --without-{module}"))
        .collect();
    format!("configure arguments:{with}{without}")
}
