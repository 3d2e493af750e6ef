//! `Expires` and `Cache-Control: max-age` of an answer (ngx_http_headers_module, `expires`).

use super::respond::remove_lines;
use crate::{
    plan::content::ExpiresPlan,
    template::{Scope, line_value},
};
use seawall_conf::{expires, model::Expires};
use seawall_http::{date, encode};

const DAY_S: i64 = 86_400;

/// Puts both lines in place of what stands there.
pub fn put(plan: &ExpiresPlan, scope: &Scope<'_>, lines: &mut Vec<u8>) {
    let rendered;
    let expires = match plan {
        ExpiresPlan::Known(known) => known,
        ExpiresPlan::Template(template) => {
            let mut text = Vec::new();
            template.render(scope, &mut text);
            // `off`, nothing and what cannot be read: nothing is said.
            let parsed = std::str::from_utf8(&text)
                .ok()
                .and_then(|t| expires::parse(t, true));
            match parsed {
                Some(parsed) => rendered = parsed,
                None => return,
            }
            &rendered
        }
    };
    let now = (scope.tx.now_ms / 1000) as i64;
    let at = match expires {
        Expires::Epoch => {
            return replace(lines, b"Thu, 01 Jan 1970 00:00:01 GMT", b"no-cache");
        }
        Expires::Max => {
            return replace(
                lines,
                b"Thu, 31 Dec 2037 23:55:55 GMT",
                b"max-age=315360000",
            );
        }
        Expires::After(seconds) => now.saturating_add(*seconds),
        Expires::Modified(seconds) => match date::parse(line_value(lines, b"last-modified")) {
            Some(modified) => (modified as i64).saturating_add(*seconds),
            None => return,
        },
        Expires::Daily(second) => {
            let offset = i64::from(seawall_sys::clock::local(now.max(0) as u64).offset_min) * 60;
            let midnight = now - (now + offset).rem_euclid(DAY_S);
            let today = midnight + i64::from(*second);
            if today > now { today } else { today + DAY_S }
        }
        Expires::Template(_) => return,
    };
    let left = at - now;
    let control = if left < 0 {
        b"no-cache".to_vec()
    } else {
        format!("max-age={left}").into_bytes()
    };
    replace(lines, &date::format(at.max(0) as u64), &control);
}

fn replace(lines: &mut Vec<u8>, expires: &[u8], control: &[u8]) {
    remove_lines(lines, b"expires");
    remove_lines(lines, b"cache-control");
    encode::field(lines, b"Expires", expires);
    encode::field(lines, b"Cache-Control", control);
}
