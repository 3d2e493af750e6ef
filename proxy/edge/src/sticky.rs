//! Which server a request belongs to: by its session's cookie, route or learned name, or by the key that is hashed.
//!
//! The balancer decides; this finds what it decides by, and tells the client (or remembers) where a session went. A
//! session whose server is gone, down or drained goes to another one and stays there.

use crate::{
    pipeline::Cx,
    plan::{
        PoolPlan,
        binding::{Binding, CookiePlan, KeyBy, Learned, Session, SessionBy},
    },
    template,
    tx::OriginScratch,
};
use seawall_balance as balance;
use seawall_conf::model::LearnFrom;
use seawall_http::{Fields, Name, encode};
use std::time::Instant;

/// What a request says of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// The hash of its key.
    pub key: Option<u64>,
    /// The server of its session, by the balancer's index.
    pub prefer: Option<usize>,
    /// Its session, where sessions are learned.
    pub session: Option<u64>,
}

/// The longest name of a session that is looked at.
const SESSION_BYTES_MAX: usize = 4096;

/// What the request in `cx` says of its server in a pool.
pub fn bind(cx: &Cx<'_>, pool: &PoolPlan) -> Bound {
    match &pool.binding {
        None => Bound::default(),
        Some(binding) => look(cx, binding),
    }
}

fn look(cx: &Cx<'_>, binding: &Binding) -> Bound {
    let mut bound = Bound {
        key: key(cx, &binding.key),
        ..Bound::default()
    };
    let Some(session) = &binding.session else {
        return bound;
    };
    match &session.by {
        SessionBy::Cookie(cookie) => {
            let named = template::cookie(cx.tx, &cookie.name);
            bound.prefer = named.and_then(|id| session.ids.index(id));
        }
        SessionBy::Route(values) => {
            let named = first(cx, values).and_then(|id| session.ids.index(&id));
            bound.prefer = named;
        }
        SessionBy::Learned(learned) => {
            bound.session = first(cx, &learned.lookup).map(|name| learned.hash(&name));
            let tag = bound
                .session
                .and_then(|s| learned.table.lookup(Instant::now(), s));
            bound.prefer = tag.and_then(|tag| session.ids.index_of_tag(tag));
        }
    }
    bound
}

fn key(cx: &Cx<'_>, by: &KeyBy) -> Option<u64> {
    match by {
        KeyBy::Nothing => None,
        KeyBy::Client => {
            let peer = || cx.client.info.peer.map(|p| p.ip());
            cx.tx.client.or_else(peer).map(balance::ip_key)
        }
        KeyBy::Value(template) => {
            let mut value = Vec::new();
            template.render(&cx.scope(), &mut value);
            // Nothing to hash: any server will do.
            (!value.is_empty()).then(|| balance::hash_key(&value))
        }
    }
}

/// The first value that is not empty.
fn first(cx: &Cx<'_>, values: &[template::Template]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    for template in values {
        template.render(&cx.scope(), &mut value);
        match value.len() {
            0 => {}
            n if n > SESSION_BYTES_MAX => return None,
            _ => return Some(value),
        }
    }
    None
}

/// A server has answered: says to the client, or remembers, where its session is.
pub fn settle(cx: &mut Cx<'_>, pool: &PoolPlan, index: usize, scratch: &OriginScratch) {
    let Some(session) = pool.binding.as_ref().and_then(|b| b.session.as_ref()) else {
        return;
    };
    let bound = &scratch.bound;
    match &session.by {
        SessionBy::Cookie(cookie) if bound.prefer != Some(index) => {
            push_cookie(cx, session, cookie, index);
        }
        SessionBy::Cookie(_) | SessionBy::Route(_) => {}
        SessionBy::Learned(learned) => {
            let Some(tag) = session.ids.tag(index) else {
                return;
            };
            if let Some(known) = bound
                .session
                .filter(|_| bound.prefer.is_some_and(|p| p != index))
            {
                learned.table.learn(Instant::now(), known, tag);
            }
            if let Some(head) = &scratch.head {
                learn(learned, head.fields(scratch.rb.bytes()), tag);
            }
        }
    }
}

fn push_cookie(cx: &mut Cx<'_>, session: &Session, cookie: &CookiePlan, index: usize) {
    let Some(id) = session.ids.id(index) else {
        return;
    };
    let mut value = cookie.name.to_vec();
    value.push(b'=');
    value.extend_from_slice(id.as_bytes());
    value.extend_from_slice(cookie.attributes.as_bytes());
    if cookie.secure.unwrap_or(cx.client.info.tls) {
        value.extend_from_slice(b"; Secure");
    }
    encode::field(&mut cx.tx.lines, b"Set-Cookie", &value);
}

/// Learns the sessions that an answer begins.
fn learn(learned: &Learned, fields: Fields<'_>, tag: u64) {
    for from in &learned.create {
        let value = match from {
            LearnFrom::Cookie(name) => set_cookie(fields, name.as_bytes()),
            LearnFrom::Header(name) => field(fields, name.as_bytes()),
        };
        if let Some(name) = value.filter(|v| (1..=SESSION_BYTES_MAX).contains(&v.len())) {
            learned.table.learn(Instant::now(), learned.hash(name), tag);
        }
    }
}

fn field<'a>(fields: Fields<'a>, wanted: &[u8]) -> Option<&'a [u8]> {
    let mut all = fields.iter();
    all.find(|(_, name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, _, value)| value)
}

fn set_cookie<'a>(fields: Fields<'a>, wanted: &[u8]) -> Option<&'a [u8]> {
    fields.all(Name::SetCookie).find_map(|line| {
        let pair = line.split(|b| *b == b';').next()?;
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at(at);
        (name.trim_ascii() == wanted).then(|| value.get(1..).unwrap_or_default().trim_ascii())
    })
}
