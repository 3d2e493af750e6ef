//! W3C Trace Context: the trace that a request is part of, and our step in it.
//!
//! A `traceparent` that is well formed is gone on with, its trace and its sampling decision kept (§3.2); one that is not, or that
//! is there twice, is as none: a new trace begins, and `tracestate`, which nobody could read then, is not passed on (§3.3). The
//! origin gets our step as its parent. Everything is digits in the request's own memory; where traces are not switched on none of
//! it is looked at, and both fields pass as they came.

use seawall_http::{Fields, Name};

/// Bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Where a request is in its trace, as digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The trace: 32 hex digits.
    pub id: [u8; 32],
    /// Our step: 16 hex digits.
    pub span: [u8; 16],
    /// The step before; zero bytes where the trace begins here.
    pub parent: [u8; 16],
    /// Whether somebody is to keep it.
    pub sampled: bool,
    /// Whether there is one.
    pub is_set: bool,
}

impl Trace {
    /// The trace of a request with these fields. `sample` is the share, in percent, of those that begin here and are kept;
    /// `random` gives bits.
    pub fn of(fields: &Fields<'_>, sample: u8, mut random: impl FnMut() -> u64) -> Self {
        let mut trace = match given(fields) {
            Some(trace) => trace,
            None => {
                let mut trace = Self {
                    sampled: random() % 100 < u64::from(sample),
                    ..Self::default()
                };
                let (high, low) = trace.id.split_at_mut(16);
                // All zeroes is no trace (§3.2.2.3).
                digits(random(), high);
                digits(random() | 1, low);
                trace
            }
        };
        digits(random() | 1, &mut trace.span);
        trace.is_set = true;
        trace
    }

    /// Whether it goes on with what came.
    pub fn is_continued(&self) -> bool {
        self.parent != [0; 16]
    }

    /// Appends the field for the origin.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"traceparent: 00-");
        out.extend_from_slice(&self.id);
        out.push(b'-');
        out.extend_from_slice(&self.span);
        out.extend_from_slice(if self.sampled { b"-01\r\n" } else { b"-00\r\n" });
    }
}

/// What came, if it is one and well formed.
fn given(fields: &Fields<'_>) -> Option<Trace> {
    let mut all = fields.all(Name::Traceparent);
    let value = all.next()?;
    if all.next().is_some() {
        return None;
    }
    parse(value)
}

fn parse(value: &[u8]) -> Option<Trace> {
    let (known, rest) = value.split_at_checked(LENGTH)?;
    let version = known.get(..2)?;
    // A later version may say more behind a dash; ff is none (§3.2.1).
    let more = match version {
        b"00" => rest.is_empty(),
        b"ff" => false,
        _ => rest.is_empty() || rest.first() == Some(&b'-'),
    };
    let dashed = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
    let id: [u8; 32] = known.get(3..35)?.try_into().ok()?;
    let parent: [u8; 16] = known.get(36..52)?.try_into().ok()?;
    let flags = known.get(53..)?;
    let is_hex = |text: &[u8]| text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_some = |text: &[u8]| text.iter().any(|b| *b != b'0');
    let is_well = more
        && dashed
        && [version, &id, &parent, flags].iter().all(|t| is_hex(t))
        && is_some(&id)
        && is_some(&parent);
    let last = flags.last().copied().unwrap_or(b'0');
    // The lowest bit of the last digit: a digit's or a letter's code has it where the value has, or has not.
    let odd = match last {
        b'0'..=b'9' => last & 1 == 1,
        letter => letter & 1 == 0,
    };
    is_well.then_some(Trace {
        id,
        span: [0; 16],
        parent,
        sampled: odd,
        is_set: true,
    })
}

/// Sixteen hex digits.
fn digits(mut n: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        let value = (n & 15) as usize;
        *digit = b"0123456789abcdef".get(value).copied().unwrap_or(b'0');
        n >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_well_formed_parent_is_gone_on_with() {
        for (text, sampled) in [
            (format!("00-{ID}-{PARENT}-01"), true),
            (format!("00-{ID}-{PARENT}-00"), false),
            (format!("00-{ID}-{PARENT}-fe"), false),
            (format!("00-{ID}-{PARENT}-ff"), true),
            (format!("00-{ID}-{PARENT}-09"), true),
            (format!("cc-{ID}-{PARENT}-01"), true),
            (format!("cc-{ID}-{PARENT}-01-what-will-be"), true),
        ] {
            let trace = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (trace.id.as_slice(), trace.sampled),
                (ID.as_bytes(), sampled),
                "{text}"
            );
            assert!(trace.is_continued());
        }
    }

    #[test]
    fn what_is_not_well_formed_is_as_none() {
        let zeroes = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{ID}-{PARENT}-0"),
            format!("00-{ID}-{PARENT}-01-more"),
            format!("cc-{ID}-{PARENT}-01.more"),
            format!("ff-{ID}-{PARENT}-01"),
            format!("0x-{ID}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", ID.to_uppercase()),
            format!("00-{zeroes}-{PARENT}-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00_{ID}-{PARENT}-01"),
            format!("00-{ID}-{PARENT}_01"),
            format!("00-{ID}-{PARENT}-\u{e9}"),
            "x".repeat(5000),
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_new_trace_has_digits_and_the_share_that_was_asked_for() {
        let mut n = 7_u64;
        let mut random = || {
            n = n
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            n >> 11
        };
        let head = seawall_http::RequestHead::new();
        let fields = head.fields(b"");
        let mut kept = 0;
        for _ in 0..10_000 {
            let trace = Trace::of(&fields, 10, &mut random);
            assert!(trace.is_set && !trace.is_continued());
            assert!(
                trace
                    .id
                    .iter()
                    .chain(&trace.span)
                    .all(u8::is_ascii_hexdigit)
            );
            kept += u32::from(trace.sampled);
        }
        assert!((800..1200).contains(&kept), "{kept}");
        let mut out = Vec::new();
        Trace::of(&fields, 100, random).push(&mut out);
        assert_eq!(out.len(), "traceparent: ".len() + LENGTH + 2);
        assert!(out.ends_with(b"-01\r\n"));
    }
}
