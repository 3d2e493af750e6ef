//! Counts frames as they are read, before anything is done for them: what costs the client nothing must not cost us much.
//!
//! Sans-io: the head of each frame goes in (RFC 9113 §4.1), so the cost is that of a few comparisons a frame.

use seawall_conf::model::Http2Limits;
use seawall_http::http2::{FRAME_BYTES, FrameHead, flag, kind};

/// A padded DATA frame up to this length may be padding alone.
const PADDING_BYTES: usize = 256;
/// CONTINUATION frames that any head may have, however small it is.
const CONTINUATIONS: usize = 4;

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// `limits.http2.resets`: CVE-2023-44487.
    Resets,
    /// A head in more CONTINUATION frames than `limits.head_bytes` needs: CVE-2024-27316.
    Continuations,
    /// `limits.http2.settings`: CVE-2019-9515.
    Settings,
    /// `limits.http2.pings`: CVE-2019-9512.
    Pings,
    /// `limits.http2.empty_data`: CVE-2019-9518.
    EmptyData,
    /// `limits.http2.idle_frames`
    IdleFrames,
    /// `limits.http2.resets` too: streams that had to be reset here (CVE-2025-8671). Or a head that lists many times what is
    /// taken.
    Codec,
}

impl Flood {
    /// All of them, in the order of declaration.
    pub const ALL: [Flood; 7] = [
        Flood::Resets,
        Flood::Continuations,
        Flood::Settings,
        Flood::Pings,
        Flood::EmptyData,
        Flood::IdleFrames,
        Flood::Codec,
    ];

    /// For a counter's label and a log line.
    pub fn as_str(self) -> &'static str {
        match self {
            Flood::Resets => "resets",
            Flood::Continuations => "continuations",
            Flood::Settings => "settings",
            Flood::Pings => "pings",
            Flood::EmptyData => "empty_data",
            Flood::IdleFrames => "idle_frames",
            Flood::Codec => "codec",
        }
    }
}

/// Why no more frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A limit was passed.
    Flood(Flood),
    /// The first frame is not SETTINGS (RFC 9113 §3.4).
    NoSettings,
}

/// So many at once, a tenth of it back a second, and one a KiB moved where the bucket is `fed`. Looks at the clock only
/// when it is empty.
struct Bucket {
    most: u32,
    left: u32,
    filled_ms: u64,
    fed: bool,
    moved_kib: u64,
}

impl Bucket {
    fn new(most: u32, fed: bool, now_ms: u64) -> Self {
        Self {
            most,
            left: most,
            filled_ms: now_ms,
            fed,
            moved_kib: 0,
        }
    }

    fn take(&mut self, now_ms: &dyn Fn() -> u64, moved_kib: u64) -> bool {
        if self.left == 0 {
            let now = now_ms();
            let passed = now.saturating_sub(self.filled_ms);
            let mut back = passed.saturating_mul(self.most.into()) / 10_000;
            if back > 0 {
                self.filled_ms = now;
            }
            if self.fed {
                back += moved_kib.saturating_sub(self.moved_kib);
                self.moved_kib = moved_kib;
            }
            self.left = back.min(self.most.into()) as u32;
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

/// What a connection has been asked for so far.
pub struct Watch {
    continuations: usize,
    continuations_max: usize,
    moved: u64,
    begun: bool,
    resets: Bucket,
    settings: Bucket,
    pings: Bucket,
    empty_data: Bucket,
    idle_frames: Bucket,
    faults: Bucket,
}

impl Watch {
    /// For a connection whose first frame is still to come.
    pub fn new(limits: &Http2Limits, head_bytes: usize, now_ms: u64) -> Self {
        Self {
            continuations: 0,
            continuations_max: CONTINUATIONS.max(head_bytes / FRAME_BYTES + 1),
            moved: 0,
            begun: false,
            resets: Bucket::new(limits.resets, false, now_ms),
            settings: Bucket::new(limits.settings, false, now_ms),
            pings: Bucket::new(limits.pings, true, now_ms),
            empty_data: Bucket::new(limits.empty_data, false, now_ms),
            idle_frames: Bucket::new(limits.idle_frames, true, now_ms),
            faults: Bucket::new(limits.resets, false, now_ms),
        }
    }

    /// Bytes were written: progress, which lets the client ping and open windows.
    pub fn wrote(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }

    /// A stream has to be reset for something that the client did.
    pub fn fault(&mut self, now_ms: &dyn Fn() -> u64) -> Result<(), Stop> {
        match self.faults.take(now_ms, 0) {
            true => Ok(()),
            false => Err(Stop::Flood(Flood::Codec)),
        }
    }

    /// A frame begins. An error is that it is one too many.
    pub fn frame(&mut self, head: &FrameHead, now_ms: &dyn Fn() -> u64) -> Result<(), Stop> {
        let is_settings = head.kind == kind::SETTINGS && !head.has(flag::ACK);
        if !std::mem::replace(&mut self.begun, true) && !is_settings {
            return Err(Stop::NoSettings);
        }
        let (bucket, flood) = match head.kind {
            kind::DATA if head.has(flag::END_STREAM) => return Ok(()),
            kind::DATA if is_empty(head) => (&mut self.empty_data, Flood::EmptyData),
            kind::DATA => {
                self.moved += head.len as u64;
                return Ok(());
            }
            kind::HEADERS => {
                self.continuations = 0;
                return Ok(());
            }
            kind::CONTINUATION => {
                self.continuations += 1;
                return match self.continuations > self.continuations_max {
                    true => Err(Stop::Flood(Flood::Continuations)),
                    false => Ok(()),
                };
            }
            kind::RST_STREAM => (&mut self.resets, Flood::Resets),
            kind::SETTINGS if is_settings => (&mut self.settings, Flood::Settings),
            kind::PING if !head.has(flag::ACK) => (&mut self.pings, Flood::Pings),
            _ => (&mut self.idle_frames, Flood::IdleFrames),
        };
        match bucket.take(now_ms, self.moved >> 10) {
            true => Ok(()),
            false => Err(Stop::Flood(flood)),
        }
    }
}

fn is_empty(head: &FrameHead) -> bool {
    head.len == 0 || (head.has(flag::PADDED) && head.len <= PADDING_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let mut watch = Watch::new(&Http2Limits::default(), 64 * 1024, 0);
        watch.frame(&head(4, 0, 0), &|| 0).unwrap();
        watch
    }

    fn head(kind: u8, flags: u8, len: usize) -> FrameHead {
        FrameHead {
            len,
            kind,
            flags,
            stream: 1,
        }
    }

    /// How many frames pass.
    fn passes(kind: u8, flags: u8, len: usize, most: usize) -> usize {
        let mut watch = watch();
        (0..most)
            .take_while(|_| watch.frame(&head(kind, flags, len), &|| 0).is_ok())
            .count()
    }

    #[test]
    fn each_flood_ends_at_its_limit() {
        let limits = Http2Limits::default();
        assert_eq!(passes(3, 0, 4, 5000), limits.resets as usize);
        assert_eq!(passes(4, 0, 0, 5000), limits.settings as usize - 1);
        assert_eq!(passes(6, 0, 8, 5000), limits.pings as usize);
        assert_eq!(passes(0, 0, 0, 5000), limits.empty_data as usize);
        assert_eq!(passes(0, 8, 10, 5000), limits.empty_data as usize);
        assert_eq!(passes(8, 0, 4, 5000), limits.idle_frames as usize);
        assert_eq!(passes(2, 0, 5, 5000), limits.idle_frames as usize);
        assert_eq!(passes(77, 0, 1, 5000), limits.idle_frames as usize);
        assert_eq!(passes(9, 0, 0, 5000), 5);
        assert_eq!(passes(0, 0, 4, 5000), 5000);
        let mut watch = watch();
        let faults = (0..5000).take_while(|_| watch.fault(&|| 0).is_ok()).count();
        assert_eq!(faults, limits.resets as usize);
    }

    #[test]
    fn settings_come_first() {
        let mut watch = Watch::new(&Http2Limits::default(), 64 * 1024, 0);
        assert_eq!(watch.frame(&head(6, 0, 8), &|| 0), Err(Stop::NoSettings));
    }

    #[test]
    fn buckets_fill_with_time_and_with_bytes() {
        let takes = |bucket: &mut Bucket, now: u64, kib: u64| {
            (0..1000).take_while(|_| bucket.take(&|| now, kib)).count()
        };
        let mut fed = Bucket::new(200, true, 0);
        assert_eq!(takes(&mut fed, 0, 0), 200);
        assert_eq!(takes(&mut fed, 0, 3), 3);
        assert_eq!(takes(&mut fed, 1000, 3), 20);
        assert_eq!(takes(&mut fed, 1_000_000, 3), 200);
        let mut starved = Bucket::new(200, false, 0);
        assert_eq!(takes(&mut starved, 0, 1000), 200);
        assert_eq!(takes(&mut starved, 500, 9000), 10);
    }
}
