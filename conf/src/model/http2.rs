//! Limits of HTTP/2 connections.

/// What one HTTP/2 connection may ask for. Past [`streams`](Self::streams) a request is refused with `REFUSED_STREAM`; past
/// the others the connection ends with GOAWAY `ENHANCE_YOUR_CALM`.
///
/// All but `streams` are buckets: so many at once, and then as many as come back with time (a tenth a second) and, for
/// pings and frames, with bytes that are moved (one a KiB), because honest clients ping and open windows while they load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at once (default 100; nginx: `http2_max_concurrent_streams`). Those that were reset lately count, so that a
    /// flood of resets (CVE-2023-44487) reaches an origin no more often than this.
    pub streams: u32,
    /// RST_STREAM frames (default 100).
    pub resets: u32,
    /// SETTINGS frames (default 50).
    pub settings: u32,
    /// PING frames (default 200).
    pub pings: u32,
    /// DATA frames that carry nothing (default 200).
    pub empty_data: u32,
    /// Frames that move nothing: PRIORITY, WINDOW_UPDATE, acknowledgements, unknown ones (default 2,000).
    pub idle_frames: u32,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            resets: 100,
            settings: 50,
            pings: 200,
            empty_data: 200,
            idle_frames: 2_000,
        }
    }
}
