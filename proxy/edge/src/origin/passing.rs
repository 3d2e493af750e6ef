//! Changes to a response's fields on its way to the client: lines that are hidden, places that are named anew, cookies
//! (ngx_http_proxy_module).
//!
//! They apply to the lines in `tx.lines`, so that a response from the cache is changed for whoever gets it.

use crate::{
    client::{has_line, remove_lines},
    content,
    pipeline::Cx,
    plan::{
        ContentPlan, RoutePlan,
        passing::{FitPlan, FlagsPlan, PassingPlan, ReplacePlan},
    },
};
use seawall_http::{Fields, encode};

/// The rules of a route, if they change anything.
pub fn rules(route: &RoutePlan) -> Option<&PassingPlan> {
    match &route.content {
        ContentPlan::Proxy(proxy) => proxy.passing.as_deref(),
        _ => None,
    }
}

/// Passes on what is not passed on by default.
pub fn pass_more(plan: &PassingPlan, fields: Fields<'_>, lines: &mut Vec<u8>) {
    for name in &plan.pass {
        if has_line(lines, name) {
            continue;
        }
        for (_, as_sent, value) in fields.iter() {
            if as_sent.eq_ignore_ascii_case(name) {
                encode::field(lines, as_sent, value);
            }
        }
    }
}

/// Changes the lines of a response as the route's rules say.
pub fn adjust(cx: &mut Cx<'_>, route: &RoutePlan) {
    let Some(plan) = rules(route).filter(|plan| plan.changes()) else {
        return;
    };
    for name in &plan.hide {
        remove_lines(&mut cx.tx.lines, name);
    }
    let changed = (!plan.redirects.is_empty()
        && (has_line(&cx.tx.lines, b"location") || has_line(&cx.tx.lines, b"refresh")))
        || (plan.changes_cookies() && has_line(&cx.tx.lines, b"set-cookie"));
    if !changed {
        return;
    }
    let lines = std::mem::take(&mut cx.tx.lines);
    let mut out = Vec::with_capacity(lines.len() + 64);
    for line in lines.split_inclusive(|b| *b == b'\n') {
        match changed_line(cx, route, plan, line) {
            Some((name, value)) if encode::is_field_value(&value) => {
                encode::field(&mut out, name, &value)
            }
            _ => out.extend_from_slice(line),
        }
    }
    cx.tx.lines = out;
}

fn changed_line<'l>(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    plan: &PassingPlan,
    line: &'l [u8],
) -> Option<(&'l [u8], Vec<u8>)> {
    let at = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at(at);
    let value = seawall_http::trim(value.get(1..)?.trim_ascii_end());
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    let new = if is(b"location") {
        let to = first(cx, &plan.redirects, value, Whole::Prefix)?;
        content::absolute_location(cx, Some(route), &to)
    } else if is(b"refresh") {
        let url = find_caseless(value, b"url=")? + 4;
        let (before, place) = value.split_at(url);
        let to = first(cx, &plan.redirects, place, Whole::Prefix)?;
        [before, &to].concat()
    } else if is(b"set-cookie") {
        cookie(cx, plan, value)?
    } else {
        return None;
    };
    Some((name, new))
}

fn find_caseless(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window.eq_ignore_ascii_case(wanted))
}

/// How much of a value a text must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// Its beginning; the rest stays.
    Prefix,
    /// All of it but a leading dot, whatever the case.
    Domain,
}

/// What the first rule that fits makes of a value.
fn first(cx: &mut Cx<'_>, rules: &[ReplacePlan], value: &[u8], whole: Whole) -> Option<Vec<u8>> {
    rules
        .iter()
        .find_map(|rule| replace(cx, rule, value, whole))
}

fn replace(cx: &mut Cx<'_>, rule: &ReplacePlan, value: &[u8], whole: Whole) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match &rule.from {
        FitPlan::Regex(regex) => {
            // All of the value is replaced, whatever part of it the expression stands for.
            let found = regex.captures(value)?;
            cx.tx.captures.keep(&found);
            rule.to.render(&cx.scope(), &mut out);
        }
        FitPlan::Text(text) => {
            let mut wanted = Vec::new();
            text.render(&cx.scope(), &mut wanted);
            let rest = match whole {
                Whole::Prefix => value.strip_prefix(wanted.as_slice())?,
                Whole::Domain => {
                    let bare = value.strip_prefix(b".").unwrap_or(value);
                    let wanted = wanted.strip_prefix(b".").unwrap_or(&wanted);
                    bare.eq_ignore_ascii_case(wanted).then_some(&b""[..])?
                }
            };
            rule.to.render(&cx.scope(), &mut out);
            out.extend_from_slice(rest);
        }
    }
    Some(out)
}

/// A cookie with its attributes changed; `None` if nothing is.
fn cookie(cx: &mut Cx<'_>, plan: &PassingPlan, value: &[u8]) -> Option<Vec<u8>> {
    let mut parts = value.split(|b| *b == b';').map(seawall_http::trim);
    let pair = parts.next()?;
    let mut attributes: Vec<Vec<u8>> = Vec::new();
    let mut changed = false;
    for attribute in parts.filter(|a| !a.is_empty()) {
        let at = memchr::memchr(b'=', attribute).unwrap_or(attribute.len());
        let (name, said) = attribute.split_at(at);
        let said = said.get(1..).unwrap_or_default();
        let name = seawall_http::trim(name);
        let new = if name.eq_ignore_ascii_case(b"domain") {
            first(cx, &plan.cookie_domains, said, Whole::Domain)
        } else if name.eq_ignore_ascii_case(b"path") {
            first(cx, &plan.cookie_paths, said, Whole::Prefix)
        } else {
            None
        };
        changed |= new.is_some();
        attributes.push(match new {
            Some(new) => [name, b"=", &new].concat(),
            None => attribute.to_vec(),
        });
    }
    let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
    let name = pair.get(..at).unwrap_or_default();
    let flags = plan.cookie_flags.iter().find(|f| names(cx, f, name));
    if let Some(flags) = flags {
        for flag in &flags.flags {
            let mut said = Vec::new();
            flag.render(&cx.scope(), &mut said);
            changed |= set_flag(&mut attributes, &said.to_ascii_lowercase());
        }
    }
    changed.then(|| {
        let mut out = pair.to_vec();
        for attribute in &attributes {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(attribute);
        }
        out
    })
}

fn names(cx: &mut Cx<'_>, flags: &FlagsPlan, cookie: &[u8]) -> bool {
    match &flags.name {
        FitPlan::Regex(regex) => match regex.captures(cookie) {
            Some(found) => {
                cx.tx.captures.keep(&found);
                true
            }
            None => false,
        },
        FitPlan::Text(text) => {
            let mut wanted = Vec::new();
            text.render(&cx.scope(), &mut wanted);
            wanted.eq_ignore_ascii_case(cookie)
        }
    }
}

/// Sets or takes away a flag; true if that changes anything.
fn set_flag(attributes: &mut Vec<Vec<u8>>, flag: &[u8]) -> bool {
    let is = |attribute: &[u8], name: &[u8]| {
        let at = memchr::memchr(b'=', attribute).unwrap_or(attribute.len());
        let said = attribute.get(..at).unwrap_or_default();
        seawall_http::trim(said).eq_ignore_ascii_case(name)
    };
    let (name, says): (&[u8], Option<&[u8]>) = match flag {
        b"secure" => (b"secure", Some(b"Secure")),
        b"nosecure" => (b"secure", None),
        b"httponly" => (b"httponly", Some(b"HttpOnly")),
        b"nohttponly" => (b"httponly", None),
        b"samesite" => (b"samesite", Some(b"SameSite")),
        b"samesite=strict" => (b"samesite", Some(b"SameSite=Strict")),
        b"samesite=lax" => (b"samesite", Some(b"SameSite=Lax")),
        b"samesite=none" => (b"samesite", Some(b"SameSite=None")),
        b"nosamesite" => (b"samesite", None),
        _ => return false,
    };
    if let Some(says) = says
        && attributes.iter().any(|a| a.eq_ignore_ascii_case(says))
    {
        return false;
    }
    let before = attributes.len();
    attributes.retain(|a| !is(a, name));
    match says {
        Some(says) => attributes.push(says.to_vec()),
        None => return attributes.len() != before,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_set_once_and_taken_away() {
        let mut attributes = vec![b"Path=/".to_vec(), b"secure".to_vec()];
        assert!(!set_flag(&mut attributes, b"secure"));
        assert!(set_flag(&mut attributes, b"samesite=lax"));
        assert!(set_flag(&mut attributes, b"samesite=none"));
        assert!(set_flag(&mut attributes, b"nosecure"));
        assert!(!set_flag(&mut attributes, b"nohttponly"));
        assert!(!set_flag(&mut attributes, b"nonsense"));
        assert_eq!(
            attributes.join(&b"; "[..]),
            b"Path=/; SameSite=None".to_vec()
        );
    }

    #[test]
    fn a_place_in_refresh_is_found_whatever_its_case() {
        assert_eq!(find_caseless(b"3; URL=http://a/", b"url="), Some(3));
        assert_eq!(find_caseless(b"3", b"url="), None);
    }
}
