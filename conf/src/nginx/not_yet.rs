//! Directives of nginx that are known and not built.

/// Directives whose room is not built. Where they stand and what they take is not looked at.
#[rustfmt::skip]
pub const NOT_YET: &[&str] = &[
    "add_after_body", "add_before_body", "add_trailer", "addition_types",
    "ancient_browser", "ancient_browser_value", "api",
    "auth_delay", "auth_http", "auth_jwt", "auth_jwt_key_file",
    "charset",
    "charset_map", "charset_types", "chunked_transfer_encoding",
    "create_full_put_path", "dav_access", "dav_methods",
    "env", "fastcgi_bind",
    "fastcgi_cache",
    "fastcgi_cache_background_update", "fastcgi_cache_bypass", "fastcgi_cache_key", "fastcgi_cache_lock",
    "fastcgi_cache_methods", "fastcgi_cache_min_uses", "fastcgi_cache_path", "fastcgi_cache_revalidate",
    "fastcgi_cache_use_stale", "fastcgi_cache_valid", "fastcgi_catch_stderr",
    "fastcgi_force_ranges",
    "fastcgi_no_cache", 
    "fastcgi_store",
    "fastcgi_store_access", "flv", "geoip_city", "geoip_country",
    "geoip_proxy", 
    "http3", "http3_hq", "http3_max_concurrent_streams",
    "ignore_invalid_headers", "image_filter", "js_content",
    "js_import", "js_set", 
    "mail", "memcached_pass", "merge_slashes", "min_delete_depth", 
    "modern_browser", "mp4", "msie_padding", "msie_refresh", "ntlm",
    "override_charset", "perl", "proxy_allow_upstream", "proxy_bind",
    "proxy_cache_purge",
    "proxy_force_ranges", 
    "proxy_limit_rate", 
    "proxy_ssl_ciphers",
    "proxy_ssl_conf_command", "proxy_ssl_password_file",
    "proxy_ssl_protocols",
    "proxy_ssl_verify_depth", "proxy_store", "proxy_store_access", "quic_retry", "random_index",
    "referer_hash_bucket_size",
    "referer_hash_max_size", "request_pool", "scgi_param",
    "scgi_pass", "secure_link", "secure_link_md5", "secure_link_secret",
    "source_charset", "ssi", "ssi_last_modified",
    "ssi_min_file_chunk", "ssi_silent_errors", "ssi_types", "ssi_value_length", "ssl", "ssl_alpn",
    "ssl_ciphers", "ssl_client_certificate", "ssl_conf_command", "ssl_crl", "ssl_early_data",
    "ssl_ecdh_curve", "ssl_engine", "ssl_ocsp", "ssl_ocsp_cache", "ssl_ocsp_responder", "ssl_password_file",
    "ssl_reject_handshake", "ssl_session_ticket_key",
    "ssl_session_tickets", "ssl_stapling", "ssl_stapling_file", "ssl_stapling_responder",
    "ssl_stapling_verify", "ssl_trusted_certificate", "ssl_verify_client", "ssl_verify_depth",
    "status_zone", "stub_status", "sub_filter", "sub_filter_last_modified",
    "sub_filter_once", "sub_filter_types", "underscores_in_headers", "userid", "userid_domain",
    "userid_expires", "userid_name", "userid_p3p", "userid_path", "uwsgi_param", "uwsgi_pass",
    "valid_referers", "xclient", "xml_entities", "xslt_stylesheet", "xslt_types",
];

/// Directives of [`NOT_YET`] for which `off` is what happens here anyway.
#[rustfmt::skip]
pub const OFF_ALREADY: &[&str] = &[
    "charset", "http3",
    "msie_padding", "msie_refresh",
    "proxy_store",
    "ssi", "ssl", "ssl_early_data",
    "ssl_reject_handshake", "ssl_stapling", "ssl_verify_client", "underscores_in_headers",
];
