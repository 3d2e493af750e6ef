//! Codes by time (RFC 6238) for tokens that ask for one: what was stolen from a disk or a screen changes nothing alone.
//!
//! A code is six digits of HMAC-SHA-1 over the number of half minutes since 1970, as every authenticator application makes
//! them. One before and one after are good as well (clocks differ, people type), and each is good once: the number of the last
//! one is kept for each token, also when the tokens are read again. It is not kept over a restart of the daemon; what was
//! good before that is not good after it, so that nothing can be shown twice.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds that a code lasts.
const STEP_S: u64 = 30;

/// Steps before and after now that are good.
const WINDOW: u64 = 1;

/// Digits of a code.
const DIGITS: u32 = 6;

/// Wrong codes in a row after which a token rests.
const WRONG_MAX: u32 = 5;

/// For how long it rests.
const REST_S: u64 = 60;

/// Bytes of a secret at least (RFC 4226 §4, R6: 128 bits).
const SECRET_BYTES_MIN: usize = 16;

/// Bytes of a secret that is made (RFC 4226 §4: 160 bits are recommended).
const SECRET_BYTES: usize = 20;

/// Why a code is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrongCode {
    /// It is another one.
    #[error("the code is wrong")]
    Wrong,
    /// It was shown before, or one after it was.
    #[error("the code was used already: wait for the next one")]
    Used,
    /// Too many were wrong.
    #[error("too many codes were wrong: wait a minute")]
    Resting,
}

/// What was shown of each token.
#[derive(Debug, Default)]
pub struct Codes {
    /// Codes of steps up to this one are good no more, whosever they are.
    before: u64,
    tokens: Mutex<HashMap<String, State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    last: u64,
    wrong: u32,
    rests_until_s: u64,
}

impl Codes {
    /// For a daemon that starts now: the code of this moment may have been shown to the one before it.
    pub fn from_now(now: SystemTime) -> Self {
        let now_s = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self {
            before: now_s / STEP_S,
            tokens: Mutex::default(),
        }
    }

    /// Takes a code, once.
    ///
    /// # Errors
    /// See [`WrongCode`].
    pub fn take(&self, id: &str, secret: &[u8], code: &str, now_s: u64) -> Result<(), WrongCode> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let state = tokens.entry(id.to_owned()).or_default();
        if now_s < state.rests_until_s {
            return Err(WrongCode::Resting);
        }
        let now = now_s / STEP_S;
        let mut steps = now.saturating_sub(WINDOW)..=now + WINDOW;
        let Some(step) = steps.find(|step| is_same(&code_of(secret, *step, DIGITS), code)) else {
            state.wrong += 1;
            if state.wrong >= WRONG_MAX {
                (state.wrong, state.rests_until_s) = (0, now_s + REST_S);
            }
            return Err(WrongCode::Wrong);
        };
        if step <= state.last || step <= self.before {
            return Err(WrongCode::Used);
        }
        (state.last, state.wrong) = (step, 0);
        Ok(())
    }
}

/// The code of a step (RFC 4226 §5.3).
fn code_of(secret: &[u8], step: u64, digits: u32) -> String {
    // A key may have any length.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash.last().copied().unwrap_or(0) & 0x0f);
    let four: [u8; 4] = hash
        .get(at..at + 4)
        .and_then(|f| f.try_into().ok())
        .unwrap_or_default();
    let number = u32::from_be_bytes(four) & 0x7fff_ffff;
    let width = digits as usize;
    format!("{:0width$}", number % 10_u32.pow(digits))
}

/// Without telling by its time how much fits.
fn is_same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && differ == 0
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret from base32 (RFC 4648 §6), whatever its case, spaces and padding; none if it is too short.
pub(crate) fn secret(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = Vec::new();
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET
            .iter()
            .position(|a| *a == letter.to_ascii_uppercase())?;
        bits = (bits << 5) | value as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    (bytes.len() >= SECRET_BYTES_MIN).then_some(bytes)
}

/// A new secret in base32.
pub(crate) fn new_secret() -> Option<String> {
    let mut random = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut random).ok()?;
    // 160 bits are 32 letters of five.
    let letters = random.chunks(5).flat_map(|five| {
        let number = five.iter().fold(0_u64, |n, b| (n << 8) | u64::from(*b));
        (0..8)
            .rev()
            .map(move |at| (number >> (at * 5) & 31) as usize)
    });
    letters
        .map(|at| ALPHABET.get(at).map(|b| char::from(*b)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1.
        for (time_s, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code_of(SECRET, time_s / STEP_S, 8), code);
        }
    }

    #[test]
    fn a_code_is_good_once_and_near_its_time() {
        let codes = Codes::default();
        let now = 1_800_000_000;
        let at = |offset: i64| code_of(SECRET, (now / STEP_S).strict_add_signed(offset), DIGITS);
        let take = |code: &str| codes.take("a", SECRET, code, now);
        assert_eq!(take(&at(-2)), Err(WrongCode::Wrong));
        assert_eq!(take(&at(2)), Err(WrongCode::Wrong));
        assert_eq!(take(&at(-1)), Ok(()));
        assert_eq!(take(&at(-1)), Err(WrongCode::Used));
        assert_eq!(take(&at(1)), Ok(()));
        assert_eq!(
            take(&at(0)),
            Err(WrongCode::Used),
            "an older one after a newer"
        );
        assert_eq!(
            codes.take("b", SECRET, &at(0), now),
            Ok(()),
            "each token has its own"
        );
        for wrong in ["", "12345", "abcdef", "0000000"] {
            assert_eq!(codes.take("c", SECRET, wrong, now), Err(WrongCode::Wrong));
        }
    }

    #[test]
    fn whoever_guesses_waits() {
        let codes = Codes::default();
        let now = 1_800_000_000;
        let good = code_of(SECRET, now / STEP_S, DIGITS);
        for _ in 0..WRONG_MAX {
            assert_eq!(codes.take("a", SECRET, "x", now), Err(WrongCode::Wrong));
        }
        assert_eq!(codes.take("a", SECRET, &good, now), Err(WrongCode::Resting));
        let later = now + REST_S;
        let good = code_of(SECRET, later / STEP_S, DIGITS);
        assert_eq!(codes.take("a", SECRET, &good, later), Ok(()));
    }

    #[test]
    fn what_was_good_before_a_restart_is_not_good_after_it() {
        let now_s = 1_800_000_000;
        let codes = Codes::from_now(UNIX_EPOCH + std::time::Duration::from_secs(now_s));
        let good = code_of(SECRET, now_s / STEP_S, DIGITS);
        assert_eq!(codes.take("a", SECRET, &good, now_s), Err(WrongCode::Used));
        let next = code_of(SECRET, now_s / STEP_S + 1, DIGITS);
        assert_eq!(codes.take("a", SECRET, &next, now_s + STEP_S), Ok(()));
    }

    #[test]
    fn secrets_are_base32() {
        assert_eq!(
            secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").as_deref(),
            Some(SECRET)
        );
        assert_eq!(
            secret("gezdgnbvgy3tqojqgezdgnbvgy3tqojq====").as_deref(),
            Some(SECRET)
        );
        for bad in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"] {
            assert_eq!(secret(bad), None, "{bad}");
        }
        let made = new_secret().unwrap();
        assert_eq!(
            (made.len(), secret(&made).map(|s| s.len())),
            (32, Some(SECRET_BYTES))
        );
    }
}
