//! Wall-clock time, cheap, and as an operator reads it.

use nix::time::{ClockId, clock_gettime};
use std::mem::MaybeUninit;

/// Seconds since 1970, at the resolution of the kernel's tick (1 to 10 ms); a few nanoseconds to read.
pub fn now_s() -> u64 {
    coarse().0
}

/// Milliseconds since 1970, at the resolution of the kernel's tick.
pub fn now_ms() -> u64 {
    let (s, ns) = coarse();
    s.saturating_mul(1000).saturating_add(ns / 1_000_000)
}

fn coarse() -> (u64, u64) {
    // The call can only fail for an unknown clock; 1970 is then as good an answer as any.
    clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map_or((0, 0), |t| {
        (t.tv_sec().max(0) as u64, t.tv_nsec().max(0) as u64)
    })
}

/// A moment in the machine's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Year, as written.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// Minutes east of UTC.
    pub offset_min: i32,
}

/// Breaks seconds since 1970 down in the machine's time zone (`TZ`, /etc/localtime); UTC's epoch where that fails.
///
/// Takes the C library's time zone lock and is for logs: call it once a second, not once a line.
pub fn local(unix_s: u64) -> Local {
    let time = libc::time_t::try_from(unix_s).unwrap_or(libc::time_t::MAX);
    let mut out = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call, and `localtime_r` writes nothing but `out`. It reads the
    // environment's TZ, which nothing in this workspace changes at run time.
    let done = unsafe { libc::localtime_r(&time, out.as_mut_ptr()) };
    // SAFETY: `tm` is integers and one pointer, for which all zeroes is a valid value; `localtime_r` filled it or left it.
    let tm = unsafe { out.assume_init() };
    if done.is_null() {
        return Local {
            year: 1970,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            offset_min: 0,
        };
    }
    Local {
        year: tm.tm_year.saturating_add(1900),
        month: (tm.tm_mon + 1) as u8,
        day: tm.tm_mday as u8,
        hour: tm.tm_hour as u8,
        minute: tm.tm_min as u8,
        second: tm.tm_sec as u8,
        offset_min: (tm.tm_gmtoff / 60) as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_coarse_clock_agrees_with_the_exact_one() {
        let exact = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64;
        assert!(now_ms().abs_diff(exact) < 2_000);
        assert!(now_s().abs_diff(exact / 1000) <= 2);
    }

    #[test]
    fn local_time_minus_its_offset_is_utc() {
        // 2026-11-23 18:32:51 UTC; whatever the zone, the instant is the same.
        let t = local(1_795_458_771);
        let minutes = i64::from(t.hour) * 60 + i64::from(t.minute) - i64::from(t.offset_min);
        assert_eq!(minutes.rem_euclid(24 * 60), 18 * 60 + 32);
        assert_eq!((t.year, t.month, t.second), (2026, 11, 51));
    }

    #[test]
    fn a_time_past_every_calendar_does_not_panic() {
        assert_eq!(local(u64::MAX).year, 1970);
    }
}
