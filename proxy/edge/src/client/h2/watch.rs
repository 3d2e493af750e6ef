//! Counts frames as they are read, before h2 sees them: what costs the client nothing must not cost us much.
//!
//! Sans-io: bytes in any pieces go in, and the first byte of a frame that is one too many comes out. Only the nine bytes
//! before each frame are looked at (RFC 9113 §4.1), so the cost is that of a few comparisons a frame.

use seawall_conf::model::Http2Limits;

/// Frame types (RFC 9113 §6).
mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const CONTINUATION: u8 = 9;
}

/// END_STREAM, and ACK.
const FLAG_END: u8 = 1;
const FLAG_END_HEADERS: u8 = 4;
const FLAG_PADDED: u8 = 8;
/// A padded DATA frame up to this length may be padding alone.
const PADDING_BYTES: usize = 256;
/// Bytes of a full frame; ours is the protocol's smallest maximum.
const FRAME_BYTES: usize = 16 * 1024;
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
    /// A limit of the h2 crate: streams that had to be reset (CVE-2025-8671), tiny DATA frames, vast heads.
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

    /// How much has been taken and is not back yet. The clock is looked at only if something has.
    fn taken(&mut self, now_ms: &dyn Fn() -> u64) -> u32 {
        if self.left < self.most {
            let now = now_ms();
            let passed = now.saturating_sub(self.filled_ms);
            let back = passed.saturating_mul(self.most.into()) / 10_000;
            if back > 0 {
                self.filled_ms = now;
                let left = u64::from(self.left).saturating_add(back);
                self.left = left.min(self.most.into()) as u32;
            }
        }
        self.most - self.left
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

/// Where in the stream of frames the reader is.
pub struct Watch {
    /// The frame's first nine bytes, as far as they have come.
    head: [u8; 9],
    have: usize,
    /// Bytes until the next frame begins.
    payload: usize,
    /// A header block has begun and not ended.
    in_head: bool,
    /// The frame being passed over ends it.
    ends_head: bool,
    continuations: usize,
    continuations_max: usize,
    moved: u64,
    begun: bool,
    stop: Option<Stop>,
    resets: Bucket,
    settings: Bucket,
    pings: Bucket,
    empty_data: Bucket,
    idle_frames: Bucket,
}

impl Watch {
    /// For a connection whose preface is still to come.
    pub fn new(limits: &Http2Limits, head_bytes: usize, now_ms: u64) -> Self {
        Self {
            head: [0; 9],
            have: 0,
            payload: super::PREFACE.len(),
            in_head: false,
            ends_head: false,
            continuations: 0,
            continuations_max: CONTINUATIONS.max(head_bytes / FRAME_BYTES + 1),
            moved: 0,
            begun: false,
            stop: None,
            resets: Bucket::new(limits.resets, false, now_ms),
            settings: Bucket::new(limits.settings, false, now_ms),
            pings: Bucket::new(limits.pings, true, now_ms),
            empty_data: Bucket::new(limits.empty_data, false, now_ms),
            idle_frames: Bucket::new(limits.idle_frames, true, now_ms),
        }
    }

    /// Looks at bytes that were read. `Err(n)`: only the first `n` may go on, the frame behind them is one too many.
    pub fn read(&mut self, bytes: &[u8], now_ms: &dyn Fn() -> u64) -> Result<(), usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len() - at);
                self.payload -= skipped;
                at += skipped;
                continue;
            }
            if self.have == 0 && std::mem::take(&mut self.ends_head) {
                self.in_head = false;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let wanted = self.head.get_mut(self.have..).unwrap_or_default();
            let n = wanted.len().min(rest.len());
            for (to, from) in wanted.iter_mut().zip(rest) {
                *to = *from;
            }
            let started = self.have;
            self.have += n;
            if self.have == self.head.len() {
                self.have = 0;
                if let Err(stop) = self.frame(now_ms) {
                    self.stop = Some(stop);
                    // What came of this frame's head with earlier bytes has gone on already and can do no harm alone.
                    return Err(if started == 0 { at } else { 0 });
                }
            }
            at += n;
        }
        if self.payload == 0 && self.have == 0 && std::mem::take(&mut self.ends_head) {
            self.in_head = false;
        }
        Ok(())
    }

    /// Bytes were written: progress, which lets the client ping and open windows.
    pub fn wrote(&mut self, bytes: usize) {
        self.moved += bytes as u64;
    }

    /// Resets that are remembered, and how many may be.
    pub fn resets(&mut self, now_ms: &dyn Fn() -> u64) -> (u32, u32) {
        (self.resets.taken(now_ms), self.resets.most)
    }

    /// Whether a header block has begun and not ended.
    pub fn in_head(&self) -> bool {
        self.in_head
    }

    /// Why no more is read.
    pub fn stop(&self) -> Option<Stop> {
        self.stop
    }

    fn frame(&mut self, now_ms: &dyn Fn() -> u64) -> Result<(), Stop> {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.payload = length;
        let is_settings = kind == kind::SETTINGS && flags & FLAG_END == 0;
        if !std::mem::replace(&mut self.begun, true) && !is_settings {
            return Err(Stop::NoSettings);
        }
        let moved = self.moved >> 10;
        let (bucket, flood) = match kind {
            kind::DATA if flags & FLAG_END != 0 => return Ok(()),
            kind::DATA if length == 0 || (flags & FLAG_PADDED != 0 && length <= PADDING_BYTES) => {
                (&mut self.empty_data, Flood::EmptyData)
            }
            kind::DATA => {
                self.moved += length as u64;
                return Ok(());
            }
            kind::HEADERS => {
                self.in_head = true;
                self.ends_head = flags & FLAG_END_HEADERS != 0;
                self.continuations = 0;
                return Ok(());
            }
            kind::CONTINUATION => {
                self.continuations += 1;
                self.ends_head = flags & FLAG_END_HEADERS != 0;
                let many = self.continuations > self.continuations_max;
                return if many {
                    Err(Stop::Flood(Flood::Continuations))
                } else {
                    Ok(())
                };
            }
            kind::RST_STREAM => (&mut self.resets, Flood::Resets),
            kind::SETTINGS if flags & FLAG_END == 0 => (&mut self.settings, Flood::Settings),
            kind::PING if flags & FLAG_END == 0 => (&mut self.pings, Flood::Pings),
            _ => (&mut self.idle_frames, Flood::IdleFrames),
        };
        if bucket.take(now_ms, moved) {
            Ok(())
        } else {
            Err(Stop::Flood(flood))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let mut watch = Watch::new(&Http2Limits::default(), 64 * 1024, 0);
        watch.read(crate::client::h2::PREFACE, &|| 0).unwrap();
        watch.read(&frame(4, 0, b""), &|| 0).unwrap();
        watch
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let n = payload.len();
        let mut out = vec![
            (n >> 16) as u8,
            (n >> 8) as u8,
            n as u8,
            kind,
            flags,
            0,
            0,
            0,
            1,
        ];
        out.extend_from_slice(payload);
        out
    }

    /// How many frames pass, whole and byte by byte.
    fn passes(kind: u8, flags: u8, payload: &[u8], most: usize) -> usize {
        let one = frame(kind, flags, payload);
        let mut whole = watch();
        let all = one.repeat(most);
        let passed = match whole.read(&all, &|| 0) {
            Ok(()) => most,
            Err(n) => n / one.len(),
        };
        let mut slow = watch();
        let mut bytes = 0;
        for byte in &all {
            if slow.read(&[*byte], &|| 0).is_err() {
                break;
            }
            bytes += 1;
        }
        assert_eq!(bytes / one.len(), passed);
        passed
    }

    #[test]
    fn each_flood_ends_at_its_limit_in_any_pieces() {
        let limits = Http2Limits::default();
        assert_eq!(passes(3, 0, &[0; 4], 5000), limits.resets as usize);
        assert_eq!(passes(4, 0, b"", 5000), limits.settings as usize - 1);
        assert_eq!(passes(6, 0, &[0; 8], 5000), limits.pings as usize);
        assert_eq!(passes(0, 0, b"", 5000), limits.empty_data as usize);
        assert_eq!(passes(0, 8, &[9; 10], 5000), limits.empty_data as usize);
        assert_eq!(passes(8, 0, &[0; 4], 5000), limits.idle_frames as usize);
        assert_eq!(passes(2, 0, &[0; 5], 5000), limits.idle_frames as usize);
        assert_eq!(passes(77, 0, b"?", 5000), limits.idle_frames as usize);
        assert_eq!(passes(9, 0, b"", 5000), 5);
        assert_eq!(passes(0, 0, b"data", 5000), 5000);
    }

    #[test]
    fn settings_come_first() {
        let mut watch = Watch::new(&Http2Limits::default(), 64 * 1024, 0);
        watch.read(crate::client::h2::PREFACE, &|| 0).unwrap();
        assert_eq!(watch.read(&frame(6, 0, &[0; 8]), &|| 0), Err(0));
        assert_eq!(watch.stop(), Some(Stop::NoSettings));
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

    #[test]
    fn resets_are_remembered_and_forgotten() {
        let mut watch = watch();
        let resets = frame(3, 0, &[0; 4]).repeat(40);
        watch.read(&resets, &|| 0).unwrap();
        assert_eq!(watch.resets(&|| 0), (40, 100));
        assert_eq!(watch.resets(&|| 1000), (30, 100));
        assert_eq!(watch.resets(&|| 60_000), (0, 100));
    }

    #[test]
    fn a_head_lasts_until_its_last_byte() {
        let mut watch = watch();
        let begun = frame(1, 0, b"abc");
        watch.read(&begun, &|| 0).unwrap();
        assert!(watch.in_head());
        let end = frame(9, 4, b"abc");
        let (last, before) = end.split_last().unwrap();
        watch.read(before, &|| 0).unwrap();
        assert!(watch.in_head());
        watch.read(&[*last], &|| 0).unwrap();
        assert!(!watch.in_head());
    }
}
