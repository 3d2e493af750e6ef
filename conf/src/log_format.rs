//! The log formats that have names.

use crate::model::LogEscape;

/// nginx's `combined` (ngx_http_log_module).
pub(crate) const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
     \"$http_referer\" \"$http_user_agent\"";

/// `combined` with host and port in front, as Apache's `vhost_combined`.
const VCOMBINED: &str = "$host:$server_port $remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// One JSON object a line.
const JSON: &str = "{\"time\":\"$time_iso8601\",\"request_id\":\"$request_id\",\"trace_id\":\"$trace_id\",\"span_id\":\"$span_id\",\"remote_addr\":\"$remote_addr\",\
     \"host\":\"$host\",\"method\":\"$request_method\",\"uri\":\"$request_uri\",\"protocol\":\"$server_protocol\",\
     \"status\":\"$status\",\"bytes\":\"$body_bytes_sent\",\"request_time\":\"$request_time\",\
     \"upstream\":\"$upstream_addr\",\"upstream_time\":\"$upstream_response_time\",\
     \"cache\":\"$upstream_cache_status\",\"referer\":\"$http_referer\",\"user_agent\":\"$http_user_agent\"}";

/// A stream's line: the example of ngx_stream_log_module.
pub(crate) const STREAM: &str = "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received \
     $session_time \"$upstream_addr\"";

/// The names.
pub(crate) const NAMES: &[&str] = &["combined", "vcombined", "json"];

/// A named format: its template and how values are escaped.
pub(crate) fn named(name: &str) -> Option<(&'static str, LogEscape)> {
    match name {
        "combined" => Some((COMBINED, LogEscape::Default)),
        "vcombined" => Some((VCOMBINED, LogEscape::Default)),
        "stream" => Some((STREAM, LogEscape::Default)),
        "json" => Some((JSON, LogEscape::Json)),
        _ => None,
    }
}
