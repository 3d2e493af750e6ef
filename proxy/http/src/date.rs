//! HTTP dates (RFC 9110 §5.6.7) and the two log formats, over seconds since 1970 in UTC.
//!
//! All three forms that the RFC asks a recipient to understand are read; only IMF-fixdate is written. Names are read in any case, as a field that
//! says when something expires is better understood than taken for one that has. A wrong day of the week is forgiven (the day of the month
//! counts), an unknown one is not. Years 1970 to 9999.

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const LONG_DAYS: [&[u8]; 7] = [
    b"Thursday",
    b"Friday",
    b"Saturday",
    b"Sunday",
    b"Monday",
    b"Tuesday",
    b"Wednesday",
];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The last second of the year 9999; later times are written as this one.
const LAST_S: u64 = 253_402_300_799;
const DAY_S: u64 = 86_400;

/// A time of day on a calendar day.
#[derive(Copy, Clone)]
struct Civil {
    year: u64,
    /// 1 to 12
    month: u64,
    /// 1 to 31
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    /// Days since a Thursday, as 1 January 1970 was one.
    weekday: usize,
}

/// Seconds since 1970 of an IMF-fixdate, an RFC 850 date or an asctime date; `None` for anything else and for years before 1970.
///
/// The two-digit year of RFC 850 is in the 1900s from 70 on and else in the 2000s, as nginx reads it: no clock is needed, and nobody has written
/// that form since.
pub fn parse(text: &[u8]) -> Option<u64> {
    if text.len() == 29 && text.get(3) == Some(&b',') {
        return parse_imf(text);
    }
    if text.len() == 24 {
        return parse_asctime(text);
    }
    parse_rfc850(text)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn parse_imf(text: &[u8]) -> Option<u64> {
    known_day(text.get(..3)?)?;
    literal(text, 3, b", ")?;
    literal(text, 7, b" ")?;
    literal(text, 11, b" ")?;
    literal(text, 16, b" ")?;
    literal(text, 25, b" GMT")?;
    let year = digits(text, 12, 4)?;
    seconds(
        year,
        month(text.get(8..11)?)?,
        digits(text, 5, 2)?,
        time(text, 17)?,
    )
}

/// `Sun Nov  6 08:49:37 1994`
fn parse_asctime(text: &[u8]) -> Option<u64> {
    known_day(text.get(..3)?)?;
    literal(text, 3, b" ")?;
    literal(text, 7, b" ")?;
    literal(text, 10, b" ")?;
    literal(text, 19, b" ")?;
    let day = match text.get(8)? {
        b' ' => digits(text, 9, 1)?,
        _ => digits(text, 8, 2)?,
    };
    let year = digits(text, 20, 4)?;
    seconds(year, month(text.get(4..7)?)?, day, time(text, 11)?)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn parse_rfc850(text: &[u8]) -> Option<u64> {
    let comma = text.iter().take(10).position(|&byte| byte == b',')?;
    let (day_name, rest) = text.split_at_checked(comma)?;
    let is_known = LONG_DAYS
        .iter()
        .any(|day| day.eq_ignore_ascii_case(day_name));
    if !is_known || rest.len() != 24 {
        return None;
    }
    literal(rest, 0, b", ")?;
    literal(rest, 4, b"-")?;
    literal(rest, 8, b"-")?;
    literal(rest, 11, b" ")?;
    literal(rest, 20, b" GMT")?;
    let year = match digits(rest, 9, 2)? {
        year @ 70.. => 1900 + year,
        year => 2000 + year,
    };
    seconds(
        year,
        month(rest.get(5..8)?)?,
        digits(rest, 2, 2)?,
        time(rest, 12)?,
    )
}

fn known_day(text: &[u8]) -> Option<()> {
    DAYS.iter()
        .any(|day| day.eq_ignore_ascii_case(text))
        .then_some(())
}

fn literal(text: &[u8], at: usize, want: &[u8]) -> Option<()> {
    text.get(at..at + want.len())?
        .eq_ignore_ascii_case(want)
        .then_some(())
}

fn digits(text: &[u8], at: usize, count: usize) -> Option<u64> {
    text.get(at..at + count)?.iter().try_fold(0, |sum, &byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u64::from(byte - b'0'))
    })
}

fn month(text: &[u8]) -> Option<u64> {
    let index = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(text))?;
    Some(index as u64 + 1)
}

/// Seconds of the day from `08:49:37`. The grammar allows a leap second.
fn time(text: &[u8], at: usize) -> Option<u64> {
    literal(text, at + 2, b":")?;
    literal(text, at + 5, b":")?;
    let (hour, minute, second) = (
        digits(text, at, 2)?,
        digits(text, at + 3, 2)?,
        digits(text, at + 6, 2)?,
    );
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn seconds(year: u64, month: u64, day: u64, time_s: u64) -> Option<u64> {
    if year < 1970 || day == 0 || day > month_days(year, month) {
        return None;
    }
    // Years counted from March, so that the leap day is the last of its year.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    // 719468 days lie between 1 March of the year 0 and 1 January 1970.
    Some((days - 719_468) * DAY_S + time_s)
}

fn civil(unix_s: u64) -> Civil {
    let unix_s = unix_s.min(LAST_S);
    let (days, time_s) = (unix_s / DAY_S, unix_s % DAY_S);
    let from_march = days + 719_468;
    let era = from_march / 146_097;
    let day_of_era = from_march % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    Civil {
        year: era * 400 + year_of_era + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * m + 2) / 5 + 1,
        hour: time_s / 3600,
        minute: time_s / 60 % 60,
        second: time_s % 60,
        weekday: (days % 7) as usize,
    }
}

impl Civil {
    fn month_name(&self) -> &'static [u8; 3] {
        MONTHS[(self.month as usize - 1) % 12]
    }

    fn put_time(&self, out: &mut [u8], at: usize) {
        put(out, at, 2, self.hour);
        put(out, at + 3, 2, self.minute);
        put(out, at + 6, 2, self.second);
    }
}

/// Writes `value` as `width` decimal digits at `at`; callers pass arrays of known size.
fn put(out: &mut [u8], at: usize, width: usize, mut value: u64) {
    for digit in out[at..at + width].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(unix_s: u64) -> [u8; 29] {
    let civil = civil(unix_s);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    out[..3].copy_from_slice(DAYS[civil.weekday]);
    put(&mut out, 5, 2, civil.day);
    out[8..11].copy_from_slice(civil.month_name());
    put(&mut out, 12, 4, civil.year);
    civil.put_time(&mut out, 17);
    out
}

/// The time of the common log format, `23/Nov/2026:18:32:51 +0000`.
pub fn clf(unix_s: u64) -> [u8; 26] {
    let civil = civil(unix_s);
    let mut out = *b"01/Jan/1970:00:00:00 +0000";
    put(&mut out, 0, 2, civil.day);
    out[3..6].copy_from_slice(civil.month_name());
    put(&mut out, 7, 4, civil.year);
    civil.put_time(&mut out, 12);
    out
}

/// The time of nginx's error log, `2026/11/23 18:32:51`.
pub fn nginx_error(unix_s: u64) -> [u8; 19] {
    let civil = civil(unix_s);
    let mut out = *b"1970/01/01 00:00:00";
    put(&mut out, 0, 4, civil.year);
    put(&mut out, 5, 2, civil.month);
    put(&mut out, 8, 2, civil.day);
    civil.put_time(&mut out, 11);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_three_forms_name_the_same_second() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "sun, 06 NOV 1994 08:49:37 gmt",
            "SUNDAY, 06-nov-94 08:49:37 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(
            parse(b"Wed Nov 16 08:49:37 1994"),
            Some(784_111_777 + 10 * DAY_S)
        );
        assert_eq!(
            parse(b"Monday, 01-Jan-01 00:00:00 GMT"),
            parse(b"Mon, 01 Jan 2001 00:00:00 GMT")
        );
        assert_eq!(&format(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sux, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Someday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994 ",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert!(parse(b"Thu, 29 Feb 2024 08:49:37 GMT").is_some());
    }

    #[test]
    fn log_times_read_as_operators_know_them() {
        let at = parse(b"Mon, 23 Nov 2026 18:32:51 GMT").unwrap();
        assert_eq!(&clf(at), b"23/Nov/2026:18:32:51 +0000");
        assert_eq!(&nginx_error(at), b"2026/11/23 18:32:51");
        assert_eq!(&format(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(&format(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(unix_s in 0..=LAST_S) {
            prop_assert_eq!(parse(&format(unix_s)), Some(unix_s));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&text);
        }
    }
}
