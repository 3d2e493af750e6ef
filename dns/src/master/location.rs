//! `LOC` (RFC 1876 §3): degrees, minutes, seconds, metres.

use super::fields::{Fields, Read};
use seawall_diag::Diagnostic;

const EQUATOR: i64 = 1 << 31;

/// Reads `52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m`; the last three have defaults.
pub(crate) fn read(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let latitude = angle(fields, 90, ["N", "S"])?;
    let longitude = angle(fields, 180, ["E", "W"])?;
    let altitude = 10_000_000 + metres(fields, "the altitude")?;
    let altitude = u32::try_from(altitude).map_err(|_| {
        Diagnostic::error(
            "bad-data",
            fields.whole(),
            "the altitude lies between -100000m and 42849672.95m",
        )
    })?;
    let mut sizes = [0x12, 0x16, 0x13];
    for size in &mut sizes {
        if fields.peek().is_some() {
            *size = exponent(fields)?;
        }
    }
    out.push(0);
    out.extend(sizes);
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(altitude.to_be_bytes());
    Ok(())
}

fn angle(fields: &mut Fields<'_>, max: u32, [plus, minus]: [&str; 2]) -> Read<u32> {
    let mut thousandths = i64::from(fields.number("degrees", max)?) * 3_600_000;
    for (unit, decimals) in [(60_000, 0), (1000, 3)] {
        let Some((text, at)) = fields
            .peek()
            .filter(|(t, _)| !is_hemisphere(t, plus, minus))
        else {
            break;
        };
        fields.at += 1;
        let value = decimal(text, decimals).filter(|v| (0..60 * 10i64.pow(decimals)).contains(v));
        let value = value
            .ok_or_else(|| Diagnostic::error("bad-data", at, "minutes and seconds are below 60"))?;
        thousandths += value * unit / 10i64.pow(decimals);
    }
    let (text, at) = fields.next("a hemisphere")?;
    if !is_hemisphere(text, plus, minus) {
        return Err(Diagnostic::error(
            "bad-data",
            at,
            format!("expected {plus} or {minus}"),
        ));
    }
    if thousandths > i64::from(max) * 3_600_000 {
        return Err(Diagnostic::error(
            "bad-data",
            at,
            format!("an angle here is at most {max} degrees"),
        ));
    }
    let signed = if text.eq_ignore_ascii_case(minus) {
        EQUATOR - thousandths
    } else {
        EQUATOR + thousandths
    };
    Ok(signed as u32)
}

fn is_hemisphere(text: &str, plus: &str, minus: &str) -> bool {
    text.eq_ignore_ascii_case(plus) || text.eq_ignore_ascii_case(minus)
}

/// A length in centimetres.
fn metres(fields: &mut Fields<'_>, what: &str) -> Read<i64> {
    let (text, at) = fields.next(what)?;
    let number = text.strip_suffix(['m', 'M']).unwrap_or(text);
    decimal(number, 2).ok_or_else(|| {
        Diagnostic::error("bad-data", at, format!("{what} is metres such as 12.50m"))
    })
}

/// Centimetres as a digit and a power of ten.
fn exponent(fields: &mut Fields<'_>) -> Read<u8> {
    let at = fields.peek().map(|(_, at)| at);
    let mut value = metres(fields, "a size or precision")?;
    let mut power = 0;
    while value > 9 {
        value /= 10;
        power += 1;
    }
    match u8::try_from(value) {
        Ok(digit) if power <= 9 => Ok(digit << 4 | power),
        _ => Err(Diagnostic::error(
            "bad-data",
            at,
            "a size or precision lies between 0 and 90000000m",
        )),
    }
}

/// `-1.5` with two decimals is -150.
fn decimal(text: &str, decimals: u32) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 10 || fraction.len() > decimals as usize || !all_digits {
        return None;
    }
    let scale = 10i64.pow(decimals - fraction.len() as u32);
    let fraction: i64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    Some(sign * (whole.parse::<i64>().ok()? * 10i64.pow(decimals) + fraction * scale))
}
