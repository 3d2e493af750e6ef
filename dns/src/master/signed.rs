//! The fields that only records of signed zones have (RFC 4034 §3.2, §4.2; RFC 5155 §3.3).

use super::fields::{Fields, Read, hex};
use crate::RType;
use crate::dnssec::{base32hex, bitmap};
use seawall_diag::Diagnostic;

/// A record type.
pub(super) fn rtype(fields: &mut Fields<'_>) -> Read<RType> {
    let (text, at) = fields.next("a type")?;
    RType::parse(text)
        .ok_or_else(|| Diagnostic::error("bad-data", at, format!("`{text}` is not a type")))
}

/// A moment as seconds since 1970, which wrap around (RFC 4034 §3.1.5).
pub(super) fn time(fields: &mut Fields<'_>) -> Read<u32> {
    let (text, at) = fields.next("a time")?;
    moment(text).ok_or_else(|| {
        let message =
            format!("`{text}` is no time: write YYYYMMDDHHmmSS in UTC, or seconds since 1970");
        Diagnostic::error("bad-data", at, message)
    })
}

fn moment(text: &str) -> Option<u32> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if text.len() != 14 {
        return text.parse().ok().filter(|_| text.len() <= 10);
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    // Days since 1970 in the Gregorian calendar, with years that begin in March.
    let (y, m) = (
        if month <= 2 { year - 1 } else { year },
        (month + 9).rem_euclid(12),
    );
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468;
    valid.then_some((days * 86_400 + hour * 3600 + minute * 60 + second) as u32)
}

/// Types to the end of the line, as a bitmap.
pub(super) fn types(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let mut found = Vec::new();
    while fields.peek().is_some() {
        found.push(rtype(fields)?);
    }
    bitmap::write(&mut found, out);
    Ok(())
}

/// A salt with its length before it.
pub(super) fn salt(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let (text, at) = fields.next("a salt")?;
    let mut salt = Vec::new();
    let read = text == "-" || hex(text, &mut salt).is_some();
    match u8::try_from(salt.len()) {
        Ok(len) if read => {
            out.push(len);
            out.extend(salt);
            Ok(())
        }
        _ => Err(Diagnostic::error(
            "bad-data",
            at,
            format!("`{text}` is no salt: write up to 255 bytes in hexadecimal, or -"),
        )),
    }
}

/// A hash with its length before it.
pub(super) fn hash(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let (text, at) = fields.next("a hash")?;
    let hash = base32hex::decode(text.as_bytes()).filter(|h| (1..=255).contains(&h.len()));
    let Some(hash) = hash else {
        return Err(Diagnostic::error(
            "bad-data",
            at,
            format!("`{text}` is no hash in base32hex"),
        ));
    };
    out.push(hash.len() as u8);
    out.extend(hash);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_read_as_dates_and_as_seconds() {
        assert_eq!(moment("19700101000000"), Some(0));
        assert_eq!(moment("20260228235959"), Some(1_772_323_199));
        assert_eq!(moment("20240229000000"), Some(1_709_164_800));
        assert_eq!(moment("1772323199"), Some(1_772_323_199));
        // RFC 4034 §3.1.5: they wrap around in 2106.
        assert_eq!(moment("21060207062816"), Some(0));
        for text in [
            "2026022823595",
            "20261328235959",
            "20260200000000",
            "20260101240000",
            "x",
            "-1",
            "99999999999",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
