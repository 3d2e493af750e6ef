//! What `expires` takes (ngx_http_headers_module), read when a configuration is loaded and, where a variable says it, when
//! a response is made.

use crate::model::Expires;
use crate::quantity;
use std::time::Duration;

/// What `expires` says, without variables. `nginx` decides on the units of durations.
pub fn parse(text: &str, nginx: bool) -> Option<Expires> {
    let seconds = |text: &str| -> Option<i64> {
        let (text, sign) = match text.strip_prefix('-') {
            Some(rest) => (rest, -1),
            None => (text.strip_prefix('+').unwrap_or(text), 1),
        };
        // A number without a unit is seconds.
        let duration = match text.parse::<u32>() {
            Ok(s) => Duration::from_secs(s.into()),
            Err(_) => quantity::duration(text, nginx).ok()?,
        };
        i64::try_from(duration.as_secs()).ok().map(|s| s * sign)
    };
    match text {
        "epoch" => Some(Expires::Epoch),
        "max" => Some(Expires::Max),
        _ if text.starts_with('@') => {
            let second = seconds(text.get(1..)?)?;
            u32::try_from(second)
                .ok()
                .filter(|s| *s <= 86_400)
                .map(Expires::Daily)
        }
        _ => match text.strip_prefix("modified ") {
            Some(rest) => seconds(rest.trim()).map(Expires::Modified),
            None => seconds(text).map(Expires::After),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("30d", Some(Expires::After(30 * 86_400))),
            ("-1", Some(Expires::After(-1))),
            ("0", Some(Expires::After(0))),
            ("+1h", Some(Expires::After(3600))),
            ("modified 1h", Some(Expires::Modified(3600))),
            ("@15h30m", Some(Expires::Daily(15 * 3600 + 30 * 60))),
            ("epoch", Some(Expires::Epoch)),
            ("max", Some(Expires::Max)),
            ("@25h", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(text, true), expected, "{text}");
        }
    }
}
