//! FastCGI applications, as configured.

use super::{Pattern, Template};

/// What an application needs (ngx_http_fastcgi_module).
#[derive(Clone, Debug)]
pub struct FastCgi {
    /// What it is told, in order.
    pub params: Vec<FastCgiParam>,
    /// The script of a directory (nginx: `fastcgi_index`); empty: none.
    pub index: String,
    /// Parts a path into script and the rest, with two groups (nginx: `fastcgi_split_path_info`).
    pub split: Option<Pattern>,
    /// Whether connections are kept. Off by default: php-fpm gives each a process of its own.
    pub keep: bool,
    /// How scripts are found (YAML, with `root`); `None`: whatever is asked for is passed on.
    pub find: Option<FindScripts>,
    /// The request's fields are not passed as `HTTP_*` (nginx: `fastcgi_pass_request_headers off`).
    pub no_fields: bool,
    /// Response fields that clients do not get (nginx: `fastcgi_hide_header`).
    pub hide: Vec<String>,
}

/// A parameter (nginx: `fastcgi_param`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastCgiParam {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Template,
    /// Left out when empty.
    pub if_not_empty: bool,
}

/// How scripts are found below a root. A script runs only if its file is there, so that a part of a path cannot make a
/// script of an upload (`/upload.jpg/x.php`); a path that is another file is served as it is.
#[derive(Clone, Debug)]
pub struct FindScripts {
    /// The root.
    pub root: Template,
    /// Answers what is neither (the front controller, `/index.php`); `None`: 404.
    pub fallback: Option<String>,
}

impl FastCgi {
    /// Parts a path behind the first `.php` that ends a segment.
    pub const SPLIT: &str = r"^(.+?\.php)(/.*)?$";

    /// The parameters of nginx's `fastcgi.conf`, beside `SCRIPT_FILENAME` and `DOCUMENT_ROOT`: name, value, and whether it
    /// is left out when empty.
    pub const PARAMS: &[(&str, &str, bool)] = &[
        ("QUERY_STRING", "$query_string", false),
        ("REQUEST_METHOD", "$request_method", false),
        ("CONTENT_TYPE", "$content_type", false),
        ("CONTENT_LENGTH", "$content_length", false),
        ("SCRIPT_NAME", "$fastcgi_script_name", false),
        ("PATH_INFO", "$fastcgi_path_info", true),
        ("REQUEST_URI", "$request_uri", false),
        ("DOCUMENT_URI", "$document_uri", false),
        ("SERVER_PROTOCOL", "$server_protocol", false),
        ("REQUEST_SCHEME", "$scheme", false),
        ("HTTPS", "$https", true),
        ("GATEWAY_INTERFACE", "CGI/1.1", false),
        ("SERVER_SOFTWARE", "seawall", false),
        ("REMOTE_ADDR", "$remote_addr", false),
        ("REMOTE_PORT", "$remote_port", false),
        ("REMOTE_USER", "$remote_user", true),
        ("SERVER_ADDR", "$server_addr", false),
        ("SERVER_PORT", "$server_port", false),
        ("SERVER_NAME", "$host", false),
        // php-cgi refuses to run without it where it was built to be called by redirects only.
        ("REDIRECT_STATUS", "200", false),
    ];
}
