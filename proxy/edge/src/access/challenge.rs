//! Refusals: 401 with what would be enough (RFC 9110 §11.6.1), 403 where nothing would, 503 where it cannot be known.

use crate::{
    client::{ClientError, Reply},
    metrics::AccessResult,
    pipeline::Cx,
    plan::RoutePlan,
};
use seawall_http::encode;

/// Why a proof does not hold.
pub(crate) enum Challenge {
    /// This would be one: the value of `WWW-Authenticate`.
    Credentials(Vec<u8>),
    /// 401 with these header lines, as another service said it.
    Lines(u16, Vec<u8>),
    /// Nothing would be.
    Forbidden,
    /// Whoever knows does not answer.
    Unavailable(u16),
}

/// A text in quotes (RFC 9110 §5.6.4); what cannot stand there is left out.
pub(crate) fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=31 | 127 => {}
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Answers with the mildest of what was refused: who can be mended by credentials is told so.
pub(crate) async fn refuse(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    challenges: &[Challenge],
    denied: bool,
) -> Result<(), ClientError> {
    let asks = |c: &Challenge| matches!(c, Challenge::Credentials(_) | Challenge::Lines(401, _));
    let unavailable = challenges.iter().find_map(|c| match c {
        Challenge::Unavailable(status) => Some(*status),
        _ => None,
    });
    let status = if challenges.iter().any(asks) {
        401
    } else {
        unavailable.unwrap_or(403)
    };
    cx.site.metrics.access(match status {
        401 => AccessResult::Unauthorized,
        403 if denied => AccessResult::Denied,
        403 => AccessResult::Refused,
        _ => AccessResult::Unavailable,
    });
    let mut lines = Vec::new();
    if status == 401 {
        for challenge in challenges {
            match challenge {
                Challenge::Credentials(value) => {
                    encode::field(&mut lines, b"WWW-Authenticate", value)
                }
                Challenge::Lines(401, said) => lines.extend_from_slice(said),
                _ => {}
            }
        }
    }
    let reply = Reply {
        lines: &lines,
        ..Reply::error(status)
    };
    cx.reply(Some(route), reply).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_end_its_quotes_or_its_line() {
        let mut out = Vec::new();
        quoted(b"a\"b\\c\r\nX: y", &mut out);
        assert_eq!(out, b"\"a\\\"b\\\\cX: y\"");
    }
}
