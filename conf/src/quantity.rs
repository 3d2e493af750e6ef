//! Sizes, durations and shares as people write them.

use std::time::Duration;

/// The longest duration accepted: a hundred years, far from any overflow of a clock.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Bytes: `512`, `64k`, `10m`, `1g` (nginx's, 1024 each) and `KiB`, `MiB`, `GiB`, `TiB`.
///
/// `KB` and its like are refused: they mean 1000 to some and 1024 to others.
pub fn size(text: &str) -> Result<u64, &'static str> {
    const HELP: &str = "write a size such as 512, 64KiB, 10MiB, 1GiB";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" | "B" => 0,
        "k" | "K" | "KiB" => 10,
        "m" | "M" | "MiB" => 20,
        "g" | "G" | "GiB" => 30,
        "TiB" => 40,
        "KB" | "kB" | "MB" | "GB" | "TB" => {
            return Err("write KiB, MiB, GiB or TiB: 1024 bytes each step");
        }
        _ => return Err(HELP),
    };
    let number: u64 = number.parse().map_err(|_| HELP)?;
    number
        .checked_mul(1 << shift)
        .filter(|n| *n <= i64::MAX as u64)
        .ok_or("the size is out of range")
}

/// A duration: `300ms`, `30s`, `5m`, `1h30m`, `1d`, `1w`, `1M` (30 days), `1y` (365 days).
///
/// A number without a unit is seconds where `bare_seconds` says so (nginx); `0` always is.
pub fn duration(text: &str, bare_seconds: bool) -> Result<Duration, &'static str> {
    const HELP: &str = "write a duration such as 500ms, 30s, 5m, 1h30m or 7d";
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return Err(HELP);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest
            .get(..digits)
            .unwrap_or_default()
            .parse()
            .map_err(|_| HELP)?;
        rest = rest.get(digits..).unwrap_or_default();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = rest.get(..letters).unwrap_or_default();
        rest = rest.get(letters..).unwrap_or_default().trim_start();
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            "" if (bare_seconds || number == 0) && rest.is_empty() => 1000,
            "" => return Err("a duration needs a unit: 500ms, 30s, 5m, 1h, 7d"),
            _ => return Err(HELP),
        };
        // From the greatest unit to the smallest, each once (ngx_parse_time).
        if unit_ms >= last_unit {
            return Err(HELP);
        }
        last_unit = unit_ms;
        let part = number
            .checked_mul(unit_ms)
            .map(Duration::from_millis)
            .ok_or("the duration is out of range")?;
        total = total
            .checked_add(part)
            .filter(|t| *t <= DURATION_MAX)
            .ok_or("the duration is out of range")?;
    }
    Ok(total)
}

/// A share in percent, 0 to 100: `20%` or `20`.
pub fn percent(text: &str) -> Result<u8, &'static str> {
    const HELP: &str = "write a share from 0% to 100%";
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    number.parse().ok().filter(|n| *n <= 100).ok_or(HELP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_ambiguous_units_are_refused() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10 MiB"), Ok(10 << 20));
        assert_eq!(size("1g"), Ok(1 << 30));
        for bad in [
            "",
            "k",
            "10KB",
            "-1",
            "1.5m",
            "99999999999999999999",
            "9223372036854775807g",
            "1 2",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_add_up_from_the_greatest_unit_down() {
        assert_eq!(duration("1h30m", false), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms", false), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1m 30s", true), Ok(Duration::from_secs(90)));
        assert_eq!(duration("60", true), Ok(Duration::from_secs(60)));
        assert_eq!(duration("0", false), Ok(Duration::ZERO));
        for bad in [
            "",
            "60",
            "30s1h",
            "1s1s",
            "s",
            "1x",
            "101y",
            "18446744073709551615w",
        ] {
            assert!(duration(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_at_most_the_whole() {
        assert_eq!(percent("20%"), Ok(20));
        assert_eq!(percent("100"), Ok(100));
        assert!(percent("101%").is_err());
        assert!(percent("-1").is_err());
    }
}
