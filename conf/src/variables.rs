//! The variables a template may name.
//!
//! Names and meanings are nginx's. A regular expression's named captures and whatever `set` sets come on top;
//! what is neither is reported where the plan is compiled, with [`nearest_variable`] as the hint.

use crate::suggest::nearest;

/// Variables by their whole name.
pub const VARIABLES: &[&str] = &[
    "args",
    "body_bytes_sent",
    "bytes_sent",
    "client_asn",
    "client_continent",
    "client_country",
    "client_ip",
    "connection",
    "connection_requests",
    "connection_time",
    "content_length",
    "content_type",
    "document_root",
    "document_uri",
    "fastcgi_path_info",
    "fastcgi_script_name",
    "host",
    "hostname",
    "http2",
    "https",
    "is_args",
    "msec",
    "nginx_version",
    "pid",
    "proxy_add_x_forwarded_for",
    "proxy_host",
    "proxy_port",
    "query_string",
    "realip_remote_addr",
    "realpath_root",
    "remote_addr",
    "remote_port",
    "remote_user",
    "request",
    "request_body",
    "request_body_file",
    "request_completion",
    "request_filename",
    "request_id",
    "request_length",
    "request_method",
    "request_time",
    "request_uri",
    "scheme",
    "server_addr",
    "server_name",
    "server_port",
    "server_protocol",
    "slice_range",
    "status",
    "time_iso8601",
    "time_local",
    "upstream_addr",
    "upstream_cache_status",
    "upstream_header_time",
    "upstream_response_time",
    "upstream_status",
    "uri",
];

/// Beginnings of variables whose rest names a header field, an argument or a cookie.
pub const VARIABLE_PREFIXES: &[&str] = &[
    "arg_",
    "cookie_",
    "http_",
    "jwt_claim_",
    "sent_http_",
    "upstream_cookie_",
    "upstream_http_",
];

/// Whether a name is built in, or a capture's number.
pub fn is_variable(name: &str) -> bool {
    VARIABLES.binary_search(&name).is_ok()
        || VARIABLE_PREFIXES
            .iter()
            .any(|p| name.len() > p.len() && name.starts_with(p))
        || (!name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()))
}

/// The built-in variable that was probably meant.
pub fn nearest_variable(name: &str) -> Option<&'static str> {
    nearest(name, VARIABLES.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_because_it_is_searched() {
        assert!(VARIABLES.is_sorted());
    }

    #[test]
    fn prefixes_need_a_rest() {
        assert!(is_variable("http_x_forwarded_for") && is_variable("1") && is_variable("uri"));
        assert!(!is_variable("http_") && !is_variable("urii") && !is_variable(""));
        assert_eq!(nearest_variable("urii"), Some("uri"));
    }
}
