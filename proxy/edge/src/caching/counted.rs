//! What of a request counts: parameters, cookies, the kind of device and the country, as the route says. What does not count is not sent to the
//! origin either, or its answer could depend on what the key does not know.

use crate::{
    plan::{CacheUse, CookiesPlan, QueryPlan},
    tx::Tx,
};
use seawall_http::{Fields, Method, Name, Range32, trim};
use smallvec::SmallVec;

/// The country of clients that no database knows (ISO 3166-1 leaves it to its users).
const NOWHERE: [u8; 2] = *b"XX";

/// Takes out of the request what does not count, and notes what is in the key anyway.
pub fn prepare(tx: &mut Tx, cache: &CacheUse) {
    if cache.reports {
        lower_host(tx);
    }
    let has_cookies = tx.fields().has(Name::Cookie);
    let looks =
        !matches!(cache.ignored_cookies, CookiesPlan::None) || !cache.key_cookies.is_empty();
    if has_cookies && looks {
        take_out(tx, cache);
    }
    if cache.key_device {
        tx.device = Some(device(&tx.fields()));
    }
    if let Some(places) = &cache.key_country {
        let place = tx.client.map(|client| places.place(client.to_canonical()));
        tx.country = Some(place.and_then(|p| p.country).unwrap_or(NOWHERE));
    }
}

/// The key knows a host in small letters, so the origin gets it so: one that repeats it, or refuses it in others, says so to one client only.
fn lower_host(tx: &mut Tx) {
    let (start, end) = (tx.head.host.start as usize, tx.head.host.end as usize);
    if let Some(host) = tx.rb.bytes_mut().get_mut(start..end) {
        host.make_ascii_lowercase();
    }
}

/// Whether it is a POST whose answer is stored.
pub fn is_post(tx: &Tx, cache: &CacheUse) -> bool {
    cache.caches_post && tx.head.method == Method::Post
}

/// The method as the cache sees it: where answers to POST are stored, they are stored as those to GET are.
pub fn method(tx: &Tx, cache: &CacheUse) -> Method {
    if is_post(tx, cache) {
        return Method::Get;
    }
    tx.head.method
}

/// The request's fields as the cache sees them: cookies that are all in the key do not make it somebody's.
pub fn fields(tx: &Tx) -> Fields<'_> {
    let mut fields = tx.fields();
    fields.present &= !tx.in_key;
    fields
}

/// The query as it counts; `None` where it is so already.
pub fn query(plan: &QueryPlan, args: &[u8]) -> Option<Vec<u8>> {
    if args.is_empty() {
        return None;
    }
    fn name(parameter: &[u8]) -> &[u8] {
        parameter.split(|b| *b == b'=').next().unwrap_or_default()
    }
    let mut kept: SmallVec<[&[u8]; 16]> = args
        .split(|b| *b == b'&')
        .filter(|p| !p.is_empty() && plan.keep.keeps(name(p)))
        .collect();
    if plan.sorted {
        // Stable: values of one name may be a list whose order counts.
        kept.sort_by(|a, b| name(a).cmp(name(b)));
    }
    let counted = kept.join(&b'&');
    (counted != args).then_some(counted)
}

/// The values of a cookie, each with a semicolon behind it; false where there is none.
pub fn push_cookie(fields: &Fields<'_>, name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut any = false;
    for cookie in fields
        .all(Name::Cookie)
        .flat_map(|line| line.split(|b| *b == b';'))
    {
        let cookie = trim(cookie);
        if let Some(value) = cookie
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(b"="))
        {
            out.extend_from_slice(value);
            out.push(b';');
            any = true;
        }
    }
    any
}

/// Rewrites the Cookie lines in place: what is left is never longer.
fn take_out(tx: &mut Tx, cache: &CacheUse) {
    let mut all_in_key = true;
    let Tx { rb, head, .. } = tx;
    let bytes = rb.bytes_mut();
    for field in head.fields.iter_mut().filter(|f| f.id == Name::Cookie) {
        let (start, end) = (field.value.start as usize, field.value.end as usize);
        let Some(line) = bytes.get_mut(start..end) else {
            continue;
        };
        let kept = take_out_of_line(line, |name| {
            let kept = !cache.ignored_cookies.takes(name);
            if kept && !cache.key_cookies.iter().any(|known| **known == *name) {
                all_in_key = false;
            }
            kept
        });
        field.value = Range32::new(start, start + kept);
    }
    head.fields
        .retain(|f| f.id != Name::Cookie || f.value.start < f.value.end);
    if !head.fields.iter().any(|f| f.id == Name::Cookie) {
        head.present &= !Name::Cookie.bit();
    } else if all_in_key {
        tx.in_key = Name::Cookie.bit();
    }
}

/// Moves the cookies that are kept to the front; how long they are.
fn take_out_of_line(line: &mut [u8], mut keeps: impl FnMut(&[u8]) -> bool) -> usize {
    let (mut read, mut write) = (0, 0);
    while read < line.len() {
        let rest = line.get(read..).unwrap_or_default();
        let stop = read + memchr::memchr(b';', rest).unwrap_or(rest.len());
        let cookie = line.get(read..stop).unwrap_or_default();
        let from = read
            + cookie
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
        let to = from + trim(cookie).len();
        let cookie = line.get(from..to).unwrap_or_default();
        let name = cookie.split(|b| *b == b'=').next().unwrap_or_default();
        if !cookie.is_empty() && keeps(trim(name)) {
            // A semicolon stood before this one, and mostly a space.
            for separator in [b';', b' '] {
                if write > 0
                    && write < from
                    && let Some(byte) = line.get_mut(write)
                {
                    *byte = separator;
                    write += 1;
                }
            }
            line.copy_within(from..to, write);
            write += to - from;
        }
        read = stop + 1;
    }
    write
}

/// The kind of device, by what browsers say of themselves.
fn device(fields: &Fields<'_>) -> &'static str {
    let agent = fields.get(Name::UserAgent).unwrap_or_default();
    let says = |word: &str| memchr::memmem::find(agent, word.as_bytes()).is_some();
    let mobile = fields.find(b"sec-ch-ua-mobile") == Some(b"?1");
    if says("iPad") || says("Tablet") || says("Silk/") || says("Android") && !says("Mobi") {
        "tablet"
    } else if mobile || says("Mobi") || says("iPhone") || says("iPod") || says("Opera Mini") {
        "mobile"
    } else {
        "desktop"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(line: &str, ignored: &[&str]) -> String {
        let mut bytes = line.as_bytes().to_vec();
        let names: Vec<&[u8]> = ignored.iter().map(|n| n.as_bytes()).collect();
        let kept = take_out_of_line(&mut bytes, |name| !names.contains(&name));
        String::from_utf8(bytes[..kept].to_vec()).unwrap()
    }

    #[test]
    fn cookies_are_taken_out_and_the_others_stay_as_they_are() {
        for (line, ignored, expected) in [
            ("a=1; b=2; c=3", &["b"][..], "a=1; c=3"),
            ("a=1; b=2; c=3", &["a"], "b=2; c=3"),
            ("a=1; b=2; c=3", &["a", "b", "c"], ""),
            ("a=1;b=2;c=3", &["a"], "b=2; c=3"),
            ("a=1;b=2;c=3", &["x"], "a=1;b=2;c=3"),
            (" a=1 ;;  b=\"x=y\" ", &["x"], "a=1; b=\"x=y\""),
            ("a; b=2", &["a"], "b=2"),
            ("", &["a"], ""),
            (";;;", &["a"], ""),
        ] {
            assert_eq!(left(line, ignored), expected, "{line}");
        }
    }
}
