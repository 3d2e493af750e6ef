//! Cross-origin requests (the Fetch standard, §3.2): preflights answered here, and the fields that let a page of another
//! origin read a response.

use crate::{
    client::{ClientError, Length, remove_lines},
    content::Outcome,
    pipeline::Cx,
    plan::RoutePlan,
    tx::Tx,
};
use seawall_conf::model;
use seawall_http::{Method, Name, encode};

/// A compiled `cors`.
pub struct CorsPlan {
    /// Whole origins in lower case.
    exact: Vec<Box<[u8]>>,
    /// Scheme with `://`, and what a host ends in, from the dot.
    below: Vec<Below>,
    any: bool,
    credentials: bool,
    /// Lines of a preflight's answer that never differ.
    preflight: Box<[u8]>,
    /// Whether a preflight is allowed whatever fields it asks for.
    any_field: bool,
    /// `Access-Control-Expose-Headers`, ready.
    expose: Box<[u8]>,
}

type Below = (Box<[u8]>, Box<[u8]>);

/// Fields that are said here; an origin's own of these names go.
const OWN: [&[u8]; 3] = [
    b"access-control-allow-origin",
    b"access-control-allow-credentials",
    b"access-control-expose-headers",
];

impl CorsPlan {
    /// Compiles it.
    pub fn compile(from: &model::Cors) -> Self {
        let (mut exact, mut below) = (Vec::new(), Vec::new());
        for origin in &from.origins {
            match origin.split_once("://*.") {
                Some((scheme, rest)) => below.push((
                    format!("{scheme}://").into_bytes().into(),
                    format!(".{rest}").into_bytes().into(),
                )),
                None => exact.push(origin.as_bytes().into()),
            }
        }
        let mut preflight = Vec::new();
        encode::field(
            &mut preflight,
            b"Access-Control-Allow-Methods",
            from.methods.join(", ").as_bytes(),
        );
        if !from.headers.is_empty() {
            encode::field(
                &mut preflight,
                b"Access-Control-Allow-Headers",
                from.headers.join(", ").as_bytes(),
            );
        }
        encode::field(
            &mut preflight,
            b"Access-Control-Max-Age",
            from.max_age.as_secs().to_string().as_bytes(),
        );
        let mut expose = Vec::new();
        if !from.expose.is_empty() {
            encode::field(
                &mut expose,
                b"Access-Control-Expose-Headers",
                from.expose.join(", ").as_bytes(),
            );
        }
        Self {
            exact,
            below,
            any: from.origins.is_empty(),
            credentials: from.credentials,
            preflight: preflight.into(),
            any_field: from.headers.is_empty(),
            expose: expose.into(),
        }
    }

    /// Whether a request asks what another one may do.
    pub fn is_preflight(&self, tx: &Tx) -> bool {
        let fields = tx.fields();
        tx.head.method == Method::Options
            && fields.has(Name::Origin)
            && fields.has(Name::AccessControlRequestMethod)
    }

    /// Whether pages of an origin may read. `null` is the origin of every sandboxed page, also of an attacker's.
    fn allows(&self, origin: &[u8]) -> bool {
        if origin == b"null" || !encode::is_field_value(origin) {
            return false;
        }
        let lower = origin.to_ascii_lowercase();
        self.any
            || self.exact.iter().any(|o| **o == *lower)
            || self.below.iter().any(|(scheme, end)| {
                lower
                    .strip_prefix(&**scheme)
                    .and_then(|host| host.strip_suffix(&**end))
                    .is_some_and(|label| !label.is_empty() && !label.contains(&b'/'))
            })
    }

    /// Appends what lets the request's page read the response.
    fn push(&self, tx: &Tx, lines: &mut Vec<u8>) -> bool {
        let mut origins = tx.fields().all(Name::Origin);
        let origin = match (origins.next(), origins.next()) {
            (Some(origin), None) if self.allows(origin) => Some(origin),
            _ => None,
        };
        match origin {
            Some(_) if self.any => lines.extend_from_slice(b"Access-Control-Allow-Origin: *\r\n"),
            Some(origin) => {
                encode::field(lines, b"Access-Control-Allow-Origin", origin);
                if self.credentials {
                    lines.extend_from_slice(b"Access-Control-Allow-Credentials: true\r\n");
                }
            }
            None => {}
        }
        if !self.any {
            // Also without an origin: a cache must not give this response to a page of one.
            lines.extend_from_slice(b"Vary: Origin\r\n");
        }
        origin.is_some()
    }

    /// Says it in a response whose header lines stand in `lines`.
    pub fn apply(&self, tx: &Tx, lines: &mut Vec<u8>) {
        for name in OWN {
            remove_lines(lines, name);
        }
        if self.push(tx, lines) {
            lines.extend_from_slice(&self.expose);
        }
    }
}

/// Answers a preflight.
pub(super) async fn answer_preflight(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &CorsPlan,
) -> Result<Outcome, ClientError> {
    // The lines that every response of this route has come with the head; these are the preflight's own.
    let mut lines = std::mem::take(&mut cx.tx.lines);
    lines.clear();
    let mut probe = Vec::new();
    if plan.push(cx.tx, &mut probe) {
        lines.extend_from_slice(&plan.preflight);
        if plan.any_field {
            for asked in cx.tx.fields().all(Name::AccessControlRequestHeaders) {
                if encode::is_field_value(asked) {
                    encode::field(&mut lines, b"Access-Control-Allow-Headers", asked);
                }
            }
            lines.extend_from_slice(b"Vary: Access-Control-Request-Headers\r\n");
        }
    }
    cx.tx.lines = lines;
    cx.client.head(
        cx.local,
        cx.tx,
        Some(cx.site),
        Some(route),
        204,
        Length::Known(0),
    );
    cx.client.last(cx.tx, b"").await.map(|()| Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(origins: &[&str]) -> CorsPlan {
        CorsPlan::compile(&model::Cors {
            origins: origins.iter().map(|o| (*o).to_owned()).collect(),
            methods: vec!["GET".into()],
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: std::time::Duration::from_secs(1),
        })
    }

    #[test]
    fn origins_are_compared_whole() {
        let plan = plan(&["https://app.test", "https://*.shop.test"]);
        for good in [
            "https://app.test",
            "HTTPS://APP.test",
            "https://a.shop.test",
            "https://a.b.shop.test",
        ] {
            assert!(plan.allows(good.as_bytes()), "{good}");
        }
        for bad in [
            "null",
            "http://app.test",
            "https://app.test.evil.test",
            "https://app.test:8443",
            "https://shop.test",
            "https://evilshop.test",
            "https://.shop.test",
            "https://evil.test/.shop.test",
            "",
        ] {
            assert!(!plan.allows(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn any_origin_is_not_the_null_origin() {
        assert!(plan(&[]).allows(b"https://anyone.test"));
        assert!(!plan(&[]).allows(b"null"));
    }
}
