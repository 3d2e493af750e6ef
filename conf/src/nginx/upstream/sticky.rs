//! `sticky cookie`, `sticky route` and `sticky learn` (ngx_http_upstream_sticky_module).

use crate::model::{LearnFrom, Sticky, StickyBy, StickyCookie};
use crate::nginx::lex::Word;
use crate::nginx::read::Reader;
use crate::nginx::tree::Directive;
use std::time::Duration;

/// `expires=max`, as nginx has it: the end of 2037, ten years and more.
const EXPIRES_MAX: Duration = Duration::from_secs(315_360_000);

/// Sessions for each byte of a zone: nginx says 4,000 for a mebibyte.
const SESSIONS_PER_MIB: u64 = 4000;

pub(super) fn read(reader: &mut Reader<'_>, d: &Directive) -> Option<Sticky> {
    let word = d.args.first()?;
    let by = match word.text.as_str() {
        "cookie" => StickyBy::Cookie(cookie(reader, d)?),
        "route" => {
            let words = d.args.iter().skip(1);
            StickyBy::Route(words.map(|w| reader.template(w)).collect())
        }
        "learn" => learn(reader, d)?,
        _ => {
            reader.invalid_parameter(word);
            return None;
        }
    };
    Some(Sticky {
        by,
        while_draining: true,
    })
}

fn cookie(reader: &mut Reader<'_>, d: &Directive) -> Option<StickyCookie> {
    let Some(name) = d.args.get(1) else {
        reader.error(
            d.at(),
            "invalid number of arguments in \"sticky\" directive",
        );
        return None;
    };
    let mut cookie = StickyCookie {
        name: name.text.clone(),
        ttl: None,
        secure: Some(false),
        http_only: false,
        same_site: "",
        path: String::new(),
        domain: None,
    };
    for word in d.args.iter().skip(2) {
        match word.text.split_once('=') {
            None if word.text == "httponly" => cookie.http_only = true,
            None if word.text == "secure" => cookie.secure = Some(true),
            Some(("expires", "max")) => cookie.ttl = Some(EXPIRES_MAX),
            Some(("expires", time)) => cookie.ttl = reader.duration_word(word, time),
            Some(("path", path)) => cookie.path = attribute(reader, word, path),
            Some(("domain", domain)) => cookie.domain = Some(attribute(reader, word, domain)),
            Some(("samesite", site)) => match site.to_ascii_lowercase().as_str() {
                "strict" => cookie.same_site = "Strict",
                "lax" => cookie.same_site = "Lax",
                "none" => cookie.same_site = "None",
                _ => reader.invalid_parameter(word),
            },
            _ => reader.invalid_parameter(word),
        }
    }
    Some(cookie)
}

fn attribute(reader: &mut Reader<'_>, word: &Word, value: &str) -> String {
    if value.contains('$') {
        reader.not_yet(word.at, "a variable in an attribute of a sticky cookie");
    } else if value.bytes().any(|b| b.is_ascii_control() || b == b';') {
        reader.invalid_parameter(word);
    }
    value.to_owned()
}

fn learn(reader: &mut Reader<'_>, d: &Directive) -> Option<StickyBy> {
    let (mut create, mut lookup, mut ttl) = (Vec::new(), Vec::new(), Duration::from_secs(600));
    let mut sessions = SESSIONS_PER_MIB;
    for word in d.args.iter().skip(1) {
        match word.text.split_once('=') {
            Some(("create", text)) => match LearnFrom::parse(&reader.template_text(word, text)) {
                Some(from) => create.push(from),
                None => reader.not_yet(word.at, "a session that is no single value of an answer"),
            },
            Some(("lookup", text)) => lookup.push(reader.template_text(word, text)),
            Some(("timeout", time)) => ttl = reader.duration_word(word, time).unwrap_or(ttl),
            Some(("zone", zone)) => {
                let size = zone.split_once(':').map(|(_, size)| size);
                if let Some(bytes) = size.and_then(|size| reader.size_word(word, size)) {
                    sessions = (bytes.saturating_mul(SESSIONS_PER_MIB) >> 20).clamp(1, 16_777_216);
                }
            }
            None if matches!(word.text.as_str(), "header" | "sync") => {}
            _ => reader.invalid_parameter(word),
        }
    }
    if create.is_empty() || lookup.is_empty() {
        reader.error(d.at(), "\"sticky learn\" needs \"create\" and \"lookup\"");
        return None;
    }
    Some(StickyBy::Learn {
        create,
        lookup,
        ttl,
        sessions: sessions as usize,
    })
}
