//! Precompressed siblings: `app.js.br` in place of `app.js` where the client takes it (ngx_http_gzip_static_module).

use super::{FilePath, Found, done, open, send};
use crate::{client::ClientError, content::Outcome, pipeline::Cx, plan::RoutePlan};
use seawall_conf::model::Encoding;
use seawall_http::Name;

fn name(encoding: Encoding) -> (&'static [u8], &'static [u8]) {
    match encoding {
        Encoding::Brotli => (b"br", b".br"),
        Encoding::Zstd => (b"zstd", b".zst"),
        Encoding::Gzip => (b"gzip", b".gz"),
    }
}

/// Sends a sibling, if there is one that the client takes.
pub async fn serve(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    path: &FilePath,
) -> Result<Option<Outcome>, ClientError> {
    let rules = &route.rules.files;
    for &encoding in &rules.precompressed {
        let (coding, extension) = name(encoding);
        if !rules.precompressed_always && !accepts(cx, coding) {
            continue;
        }
        let sibling = FilePath {
            bytes: [path.bytes.as_slice(), extension].concat(),
            root: path.root,
        };
        if let Ok(Found::File(file)) = open::open(cx.local, route, &sibling).await {
            let sent = send::send(cx, route, &file, Some(coding)).await;
            return done(sent).map(Some);
        }
    }
    Ok(None)
}

/// Whether the client takes a coding (RFC 9110 §12.5.3): named or covered by `*`, and not with a weight of zero.
fn accepts(cx: &Cx<'_>, coding: &[u8]) -> bool {
    let mut any = false;
    for member in cx.tx.fields().list(Name::AcceptEncoding) {
        let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let named = parts.next().unwrap_or_default();
        let zero = parts.any(is_zero_weight);
        if named.eq_ignore_ascii_case(coding) {
            return !zero;
        }
        any |= named == b"*" && !zero;
    }
    any
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter.split_at_checked(2) {
        Some((name, value)) if name.eq_ignore_ascii_case(b"q=") => {
            value.first() == Some(&b'0') && value.iter().all(|b| matches!(b, b'0' | b'.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_zero_is_a_no() {
        for zero in ["q=0", "Q=0.0", "q=0.000"] {
            assert!(is_zero_weight(zero.as_bytes()), "{zero}");
        }
        for some in ["q=0.001", "q=1", "level=0", "q"] {
            assert!(!is_zero_weight(some.as_bytes()), "{some}");
        }
    }
}
