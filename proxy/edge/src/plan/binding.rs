//! What the choice of a server needs of a request: a key, a session. Most pools need neither, and have no [`Binding`].

use super::{
    kept::{KEY_BYTES, kept_key, process_key},
    pool::Member,
};
use crate::template::{Template, UserVariables};
use seawall_balance::{StickyIds, StickyTable};
use seawall_conf::model::{self, LearnFrom, StickyBy, StickyCookie};
use seawall_diag::Diagnostics;
use std::sync::Arc;

/// What the choice needs of a request.
#[derive(Clone)]
pub struct Binding {
    /// The key that is hashed.
    pub key: KeyBy,
    /// Sessions.
    pub session: Option<Session>,
}

/// What is hashed.
#[derive(Clone)]
pub enum KeyBy {
    /// Nothing.
    Nothing,
    /// The client's address.
    Client,
    /// A value.
    Value(Arc<Template>),
}

/// How a request's session, and the server it belongs to, is known.
#[derive(Clone)]
pub struct Session {
    /// What servers are called.
    pub ids: Arc<StickyIds>,
    /// How it is known.
    pub by: SessionBy,
}

/// See [`Session`].
#[derive(Clone)]
pub enum SessionBy {
    /// By a cookie of ours: its name, and what follows the server's id in `Set-Cookie`.
    Cookie(Arc<CookiePlan>),
    /// By the first of these values that is not empty: a server's id.
    Route(Arc<[Template]>),
    /// By what the server said when it began.
    Learned(Arc<Learned>),
}

/// A sticky cookie.
pub struct CookiePlan {
    /// Its name.
    pub name: Box<[u8]>,
    /// What follows its value.
    pub attributes: Box<str>,
    /// `; Secure`: always, never, or (`None`) where the client speaks TLS.
    pub secure: Option<bool>,
}

/// Sessions that were learned.
pub struct Learned {
    /// What of an answer begins one.
    pub create: Vec<LearnFrom>,
    /// What of a request tells it.
    pub lookup: Vec<Template>,
    /// Which are known.
    pub table: StickyTable,
    /// Keys the hashes, so that nobody can make two sessions meet.
    hasher: ahash::RandomState,
    /// What it was made of: a reload that changes none of it goes on with the table.
    made_of: String,
}

impl Learned {
    /// A session's name as the table has it.
    pub fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }
}

impl Binding {
    /// Compiles what a pool needs, if it needs anything.
    pub fn compile(
        from: &model::Pool,
        members: &[Member],
        before: Option<&Binding>,
        key: &[u8],
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let by = match (from.balance, &from.hash_key) {
            (model::Balance::IpHash, _) => KeyBy::Client,
            (model::Balance::Hash, Some(template)) => {
                KeyBy::Value(Arc::new(Template::compile(template, user, errors)))
            }
            _ => KeyBy::Nothing,
        };
        let session = from.sticky.as_ref().map(|sticky| Session {
            ids: Arc::new(ids(key, members)),
            by: session(&sticky.by, before, user, errors),
        });
        if matches!(by, KeyBy::Nothing) && session.is_none() {
            return None;
        }
        Some(Self { key: by, session })
    }

    /// The same for other servers.
    pub fn with_members(&self, key: &[u8], members: &[Member]) -> Self {
        let mut next = self.clone();
        if let Some(session) = &mut next.session {
            session.ids = Arc::new(ids(key, members));
        }
        next
    }
}

fn ids(key: &[u8], members: &[Member]) -> StickyIds {
    let addresses: Vec<String> = members
        .iter()
        .map(|m| super::pool::address_text(&m.server.address))
        .collect();
    let given = members.iter().map(|m| m.server.id.as_deref());
    StickyIds::new(key, addresses.iter().map(String::as_str).zip(given))
}

fn session(
    from: &StickyBy,
    before: Option<&Binding>,
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> SessionBy {
    let mut templates = |all: &[model::Template]| -> Vec<Template> {
        let compiled = all.iter().map(|t| Template::compile(t, user, errors));
        compiled.collect()
    };
    match from {
        StickyBy::Cookie(cookie) => SessionBy::Cookie(Arc::new(cookie_plan(cookie))),
        StickyBy::Route(values) => SessionBy::Route(templates(values).into()),
        StickyBy::Learn {
            create,
            lookup,
            ttl,
            sessions,
        } => {
            let parts: Vec<_> = lookup.iter().map(|t| format!("{t:?}")).collect();
            let made_of = format!("{create:?} {parts:?} {ttl:?} {sessions}");
            let lookup = templates(lookup);
            let known = before.and_then(|b| match &b.session.as_ref()?.by {
                SessionBy::Learned(learned) if learned.made_of == made_of => Some(learned.clone()),
                _ => None,
            });
            SessionBy::Learned(known.unwrap_or_else(|| {
                Arc::new(Learned {
                    create: create.clone(),
                    lookup,
                    table: StickyTable::new(*sessions, *ttl),
                    hasher: ahash::RandomState::new(),
                    made_of,
                })
            }))
        }
    }
}

fn cookie_plan(from: &StickyCookie) -> CookiePlan {
    let mut attributes = String::new();
    if let Some(ttl) = from.ttl {
        attributes.push_str(&format!("; Max-Age={}", ttl.as_secs()));
    }
    if let Some(domain) = &from.domain {
        attributes.push_str("; Domain=");
        attributes.push_str(domain);
    }
    if !from.path.is_empty() {
        attributes.push_str("; Path=");
        attributes.push_str(&from.path);
    }
    if !from.same_site.is_empty() {
        attributes.push_str("; SameSite=");
        attributes.push_str(from.same_site);
    }
    if from.http_only {
        attributes.push_str("; HttpOnly");
    }
    CookiePlan {
        name: from.name.as_bytes().into(),
        attributes: attributes.into(),
        secure: from.secure,
    }
}

/// The key of the ids in sticky cookies: kept in the state directory, so that cookies outlive a restart. Where it
/// cannot be kept a warning says so, and it lives as long as the process.
pub fn key(
    config: &model::Config,
    env: &super::Environment<'_>,
    errors: &mut Diagnostics,
) -> Arc<[u8]> {
    let sticky = |p: &model::Pool| {
        let sticky = p.sticky.as_ref()?;
        matches!(sticky.by, StickyBy::Cookie(_)).then_some(p.at)
    };
    let Some(at) = config.pools.iter().find_map(sticky) else {
        return Arc::from([]);
    };
    if env.dry_run {
        return Arc::from([0; KEY_BYTES]);
    }
    let path = config.process.state.join("sticky.key");
    match kept_key(&path) {
        Ok(key) => Arc::from(key),
        Err(e) => {
            let message = format!("the key of sticky cookies cannot be kept: {e}");
            let warning = seawall_diag::Diagnostic::warning("sticky-key", at, message);
            let help = format!(
                "make {} writable: until then cookies end with the process",
                path.display()
            );
            errors.push(warning.help(help));
            Arc::from(process_key())
        }
    }
}
