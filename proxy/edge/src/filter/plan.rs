//! Which filters a response gets: decided once, when its head is made.

use super::{
    chain::{Chain, Encoders},
    decode::Gunzip,
    encode::encoder,
};
use crate::{
    client::{Length, remove_lines},
    local::Local,
    log_error,
    plan::{CompressPlan, NginxPlan},
    tx::Tx,
};
use seawall_http::{Coding, Name, Version, coding::Accepted, date, encode, etag, members, trim};

/// Fields that name bytes which encoding changes: a response that has one is left alone.
const DIGESTS: [&[u8]; 4] = [b"content-md5", b"digest", b"content-digest", b"repr-digest"];

/// What the header lines of a response say that matters here.
#[derive(Default)]
struct Seen<'a> {
    content_type: &'a [u8],
    coding: Option<&'a [u8]>,
    etag: Option<&'a [u8]>,
    length: Option<u64>,
    expires: Option<&'a [u8]>,
    last_modified: bool,
    no_transform: bool,
    no_cache: bool,
    no_store: bool,
    private: bool,
    max_age: bool,
    /// A range, or a digest of the bytes.
    fixed: bool,
    varies: bool,
}

fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    block.split(|b| *b == b'\n').filter_map(|line| {
        let at = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(at)?;
        Some((name, trim(value.strip_prefix(b":")?.trim_ascii_end())))
    })
}

fn look(block: &[u8]) -> Seen<'_> {
    let mut seen = Seen::default();
    for (name, value) in lines(block) {
        match Name::lookup(name) {
            Name::ContentType => seen.content_type = value,
            Name::ContentEncoding => seen.coding = Some(value),
            Name::ContentRange => seen.fixed = true,
            Name::ETag => seen.etag = Some(value),
            Name::Expires => seen.expires = Some(value),
            Name::LastModified => seen.last_modified = true,
            Name::ContentLength => {
                seen.length = std::str::from_utf8(value).ok().and_then(|t| t.parse().ok());
            }
            Name::CacheControl => {
                for option in members(value) {
                    let is = |word: &[u8]| {
                        option
                            .get(..word.len())
                            .is_some_and(|o| o.eq_ignore_ascii_case(word))
                    };
                    seen.no_transform |= is(b"no-transform");
                    seen.no_cache |= is(b"no-cache");
                    seen.no_store |= is(b"no-store");
                    seen.private |= is(b"private");
                    seen.max_age |= is(b"max-age") || is(b"s-maxage");
                }
            }
            Name::Vary => {
                seen.varies |=
                    members(value).any(|m| m == b"*" || m.eq_ignore_ascii_case(b"accept-encoding"));
            }
            _ => seen.fixed |= DIGESTS.iter().any(|d| name.eq_ignore_ascii_case(d)),
        }
    }
    seen
}

/// Decides on the filters of a response whose header lines stand in `tx.lines`: puts them into `tx.filters`, changes the
/// lines to fit, and gives the length that the client is to be told.
pub fn plan_response(
    local: &Local,
    tx: &mut Tx,
    plan: &CompressPlan,
    status: u16,
    length: Length,
) -> Length {
    let seen = look(&tx.lines);
    let nginx = plan.nginx.as_ref();
    let fits = match nginx {
        Some(_) => matches!(status, 200 | 403 | 404),
        None => status >= 200 && !matches!(status, 204 | 206 | 304),
    };
    if !fits || seen.no_transform || seen.fixed {
        // A 304 says the `Vary` that its 200 said; which type that had is not known any more (RFC 9110 §15.4.5).
        if status == 304 && nginx.is_none() && !seen.varies {
            encode::field(&mut tx.lines, b"Vary", b"Accept-Encoding");
        }
        return length;
    }
    match seen.coding {
        Some(coding) if plan.decode && coding.eq_ignore_ascii_case(b"gzip") => {
            decoded(local, tx, plan, length)
        }
        Some(_) => length,
        None => encoded(local, tx, plan, length),
    }
}

fn accepted(tx: &Tx) -> Accepted {
    Accepted::read(tx.fields().all(Name::AcceptEncoding))
}

fn vary(tx: &mut Tx, nginx: Option<&NginxPlan>, said: bool) {
    if !said && nginx.is_none_or(|n| n.vary) {
        encode::field(&mut tx.lines, b"Vary", b"Accept-Encoding");
    }
}

fn encoded(local: &Local, tx: &mut Tx, plan: &CompressPlan, length: Length) -> Length {
    let seen = look(&tx.lines);
    let known = match length {
        Length::Known(n) => Some(n),
        Length::Stated => seen.length,
        Length::Said(said) => said,
        Length::Unknown => None,
    };
    let long = known.is_none_or(|n| n >= plan.min_length && n > 0);
    if plan.codings.is_empty() || !long || !plan.takes_type(seen.content_type) {
        return length;
    }
    let nginx = plan.nginx.as_ref();
    let each = seen
        .content_type
        .get(..17)
        .is_some_and(|t| t.eq_ignore_ascii_case(b"text/event-stream"));
    let allowed = nginx.is_none_or(|n| allows(n, tx, &seen));
    vary(tx, nginx, look(&tx.lines).varies);
    if !allowed {
        return length;
    }
    let old = tx.head.version == Version::Http10 && !nginx.is_some_and(|n| n.http10);
    // nginx has one coding, and takes it wherever it is named.
    let chosen = match nginx {
        Some(_) => Some(Coding::Gzip).filter(|c| accepted(tx).names(*c)),
        None => accepted(tx).choose(&plan.codings),
    };
    let Some(coding) = chosen.filter(|_| !old) else {
        return length;
    };
    if tx.is_head() {
        // nginx leaves the head of a HEAD as it is; ours is the head that GET would have (RFC 9110 §9.3.2).
        if nginx.is_none() {
            relabel(tx, Some(coding));
            return Length::Said(None);
        }
        return length;
    }
    tx.coding = Some(coding);
    let kept = tx.stored.as_ref().and_then(|stored| stored.coded(coding));
    if let Some(n) = kept.map(|kept| kept.len() as u64) {
        relabel(tx, Some(coding));
        return Length::Known(n);
    }
    let metrics = &local.shared.metrics;
    let encoders = &local.shared.encoders;
    let Some(place) = encoders.enter(plan.encoders_max) else {
        metrics.encoders_busy.inc();
        tx.coding = None;
        return length;
    };
    match encoder(coding, plan.level(coding)) {
        Ok(filter) => {
            metrics.encoded(coding);
            relabel(tx, Some(coding));
            tx.filters = Chain::of(filter, Some(place), encoders, each);
            Length::Unknown
        }
        Err(e) => {
            log_error!(local.shared, Error, 0, "{} encoder: {e}", coding.as_str());
            tx.coding = None;
            length
        }
    }
}

fn decoded(local: &Local, tx: &mut Tx, plan: &CompressPlan, length: Length) -> Length {
    let encoders: &Encoders = &local.shared.encoders;
    let nginx = plan.nginx.as_ref();
    vary(tx, nginx, look(&tx.lines).varies);
    if accepted(tx).weight(Coding::Gzip) > 0 {
        return length;
    }
    if tx.is_head() {
        if nginx.is_none() {
            relabel(tx, None);
            return Length::Said(None);
        }
        return length;
    }
    let Some(place) = encoders.enter(plan.encoders_max) else {
        local.shared.metrics.encoders_busy.inc();
        return length;
    };
    local.shared.metrics.gunzipped.inc();
    relabel(tx, None);
    tx.filters = Chain::of(Box::new(Gunzip::default()), Some(place), encoders, false);
    Length::Unknown
}

/// The head of a body that is coded otherwise: its length is not known, its ranges are gone, its tag is a weak one.
fn relabel(tx: &mut Tx, coding: Option<Coding>) {
    let tag = look(&tx.lines).etag.map(<[u8]>::to_vec);
    for name in [
        &b"content-length"[..],
        b"accept-ranges",
        b"content-encoding",
    ] {
        remove_lines(&mut tx.lines, name);
    }
    if let Some(tag) = tag.filter(|t| etag::is_etag(t) && !etag::is_weak(t)) {
        remove_lines(&mut tx.lines, b"etag");
        let weak = [b"W/", tag.as_slice()].concat();
        encode::field(&mut tx.lines, b"ETag", &weak);
    }
    if let Some(coding) = coding {
        encode::field(
            &mut tx.lines,
            b"Content-Encoding",
            coding.as_str().as_bytes(),
        );
    }
}

/// `gzip_disable` and `gzip_proxied`.
fn allows(nginx: &NginxPlan, tx: &Tx, seen: &Seen<'_>) -> bool {
    let fields = tx.fields();
    if let Some(agent) = fields.get(Name::UserAgent)
        && nginx.disable.iter().any(|r| r.is_match(agent))
    {
        return false;
    }
    if !fields.has(Name::Via) {
        return true;
    }
    let has = |word: &str| nginx.proxied.has(word);
    if has("any") || has("auth") && fields.has(Name::Authorization) {
        return true;
    }
    // ngx_http_gzip_ok: `Expires` decides alone where it is, then `Cache-Control`, then the validators.
    if let Some(expires) = seen.expires {
        let past = date::parse(expires).is_none_or(|at| at.saturating_mul(1000) <= tx.now_ms);
        return has("expired") && past;
    }
    if seen.no_cache || seen.no_store || seen.private || seen.max_age {
        return has("no-cache") && seen.no_cache
            || has("no-store") && seen.no_store
            || has("private") && seen.private;
    }
    has("no_last_modified") && !seen.last_modified || has("no_etag") && seen.etag.is_none()
}
