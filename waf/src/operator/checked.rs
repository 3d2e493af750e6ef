//! Numbers with check digits: cards (Luhn), Brazilian and US registers.

use crate::program::Checked;

/// Whether the digits of a text are such a number.
pub(crate) fn check(kind: Checked, text: &[u8]) -> bool {
    let digits: Vec<u32> = text
        .iter()
        .filter(|b| b.is_ascii_digit())
        .map(|b| u32::from(b - b'0'))
        .collect();
    match kind {
        Checked::CreditCard => luhn(&digits),
        Checked::Cpf => cpf(&digits),
        Checked::Ssn => ssn(&digits),
    }
}

/// ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| match (i % 2, d * 2) {
            (0, _) => *d,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Eleven digits, not all the same; the last two are sums modulo eleven.
fn cpf(digits: &[u32]) -> bool {
    let [body @ .., first, second] = digits else {
        return false;
    };
    if body.len() != 9 || digits.iter().all(|d| Some(d) == digits.first()) {
        return false;
    }
    let check = |count: u32| {
        let sum: u32 = digits
            .iter()
            .zip((2..=count).rev())
            .map(|(d, weight)| d * weight)
            .sum();
        match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    check(10) == *first && check(11) == *second
}

/// Nine digits with an area, a group and a serial that were given out.
fn ssn(digits: &[u32]) -> bool {
    let number = |part: &[u32]| part.iter().fold(0, |n, d| n * 10 + d);
    let Some((area, rest)) = digits.split_at_checked(3) else {
        return false;
    };
    let Some((group, serial)) = rest.split_at_checked(2) else {
        return false;
    };
    let area = number(area);
    serial.len() == 4
        && number(group) > 0
        && number(serial) > 0
        && area > 0
        && area < 740
        && area != 666
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_decide() {
        assert!(check(Checked::CreditCard, b"4111 1111 1111 1111"));
        assert!(!check(Checked::CreditCard, b"4111111111111112"));
        assert!(check(Checked::Cpf, b"529.982.247-25") && !check(Checked::Cpf, b"529.982.247-26"));
        assert!(check(Checked::Ssn, b"078-05-1120") && !check(Checked::Ssn, b"000-05-1120"));
    }
}
