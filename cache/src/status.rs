//! Cache-Status (RFC 9211): what the cache did with a request, for whoever reads the response.

use std::io::Write;

/// One member of the list: ours.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStatus<'a> {
    /// The value that came from upstream: caches nearer to the origin come first.
    pub upstream: Option<&'a [u8]>,
    /// Served from the store, without going forward.
    pub hit: bool,
    /// Why it went forward: `bypass`, `method`, `uri-miss`, `vary-miss`, `miss`, `request`, `stale`. Not written with `hit`.
    pub fwd: Option<&'a str>,
    /// The status that came back.
    pub fwd_status: Option<u16>,
    /// Freshness left, seconds; negative when stale.
    pub ttl_s: Option<i64>,
    /// Whether the response was stored.
    pub stored: bool,
    /// Whether it was answered by another request's fill.
    pub collapsed: bool,
    /// Anything else: a token, such as a reason of [`crate::Decision`].
    pub detail: Option<&'a str>,
}

/// Appends the field's value.
pub fn write(out: &mut Vec<u8>, status: &CacheStatus<'_>) {
    if let Some(upstream) = status.upstream {
        out.extend_from_slice(upstream);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b"seawall");
    if status.hit {
        out.extend_from_slice(b"; hit");
    } else if let Some(fwd) = status.fwd {
        parameter(out, "fwd", fwd);
    }
    if let Some(fwd_status) = status.fwd_status.filter(|_| !status.hit) {
        // Writing to a Vec does not fail.
        let _ = write!(out, "; fwd-status={fwd_status}");
    }
    if let Some(ttl_s) = status.ttl_s {
        let _ = write!(out, "; ttl={ttl_s}");
    }
    if status.stored {
        out.extend_from_slice(b"; stored");
    }
    if status.collapsed {
        out.extend_from_slice(b"; collapsed");
    }
    if let Some(detail) = status.detail {
        parameter(out, "detail", detail);
    }
}

fn parameter(out: &mut Vec<u8>, name: &str, token: &str) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(token.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: &CacheStatus<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, status);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_hit_tells_its_freshness() {
        assert_eq!(
            text(&CacheStatus {
                hit: true,
                ttl_s: Some(57),
                ..Default::default()
            }),
            "seawall; hit; ttl=57"
        );
        assert_eq!(
            text(&CacheStatus {
                hit: true,
                ttl_s: Some(-3),
                ..Default::default()
            }),
            "seawall; hit; ttl=-3"
        );
    }

    #[test]
    fn a_forwarded_request_tells_why_and_what_came_of_it() {
        let status = CacheStatus {
            fwd: Some("miss"),
            stored: true,
            ..Default::default()
        };
        assert_eq!(text(&status), "seawall; fwd=miss; stored");
        let status = CacheStatus {
            upstream: Some(b"origin; hit"),
            fwd: Some("stale"),
            fwd_status: Some(304),
            collapsed: true,
            detail: Some("max-age"),
            ..Default::default()
        };
        assert_eq!(
            text(&status),
            "origin; hit, seawall; fwd=stale; fwd-status=304; collapsed; detail=max-age"
        );
    }
}
