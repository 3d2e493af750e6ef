//! `allow`, `deny`, `satisfy`, `auth_basic`, `auth_request`, `limit_except` and the real IP of clients, as a level
//! inherits them.

use super::read::{Reader, is_on};
use super::tree::{Directive, Item, directives};
use crate::model::{
    Access, AccessRule, Auth, BasicAuth, ClientIdentity, ForwardAuth, ForwardTarget,
    IdentityHeader, LimitExcept, Template, Who,
};
use ipnet::IpNet;
use seawall_diag::Span;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The longest an `auth_request` may take when nothing else is said: as `proxy_read_timeout`, which its location says.
const AUTH_REQUEST: Duration = Duration::from_secs(60);

/// What holds at a level.
#[derive(Clone, Default)]
pub(crate) struct AccessScope {
    rules: Vec<AccessRule>,
    satisfy_any: bool,
    realm: Option<(Template, Span)>,
    users: Option<PathBuf>,
    request: Option<(Template, Span)>,
    set: Vec<(String, Template)>,
    except: Option<Box<LimitExcept>>,
    trusted: Vec<IpNet>,
    trusts_unix: bool,
    header: Option<String>,
    recursive: bool,
}

impl AccessScope {
    /// Takes over what a block within says.
    pub(crate) fn enter(&mut self, reader: &mut Reader<'_>, items: &[Item]) {
        self.except = None;
        let says = |names: &[&str]| directives(items).any(|d| names.contains(&d.name()));
        // Arrays are taken over only where the inner level says nothing of them at all.
        if says(&["allow", "deny"]) {
            self.rules.clear();
        }
        if says(&["auth_request_set"]) {
            self.set.clear();
        }
        if says(&["set_real_ip_from"]) {
            self.trusted.clear();
            self.trusts_unix = false;
        }
        for d in directives(items) {
            self.apply(reader, d);
        }
        // Last, because it inherits what stands behind it, too.
        for d in directives(items).filter(|d| d.name() == "limit_except") {
            self.limit_except(reader, d);
        }
    }

    fn apply(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(word) = d.args.first() else { return };
        match d.name() {
            "allow" | "deny" => {
                let Some(who) = who(&word.text) else {
                    return reader.error(word.at, format!("invalid parameter \"{}\"", word.text));
                };
                self.rules.push(AccessRule {
                    who,
                    allow: d.name() == "allow",
                });
            }
            "satisfy" => match word.text.as_str() {
                "all" => self.satisfy_any = false,
                "any" => self.satisfy_any = true,
                other => reader.error(word.at, format!("invalid value \"{other}\"")),
            },
            "auth_basic" if word.text == "off" => self.realm = None,
            "auth_basic" => self.realm = Some((reader.template(word), word.at)),
            "auth_basic_user_file" if word.text.contains('$') => {
                reader.not_yet(word.at, "a file of users named by a variable")
            }
            "auth_basic_user_file" => self.users = Some(reader.conf_prefix.join(&word.text)),
            "auth_request" if word.text == "off" => self.request = None,
            "auth_request" => self.request = Some((reader.template(word), word.at)),
            "auth_request_set" => {
                let name = word.text.strip_prefix('$').filter(|n| !n.is_empty());
                match (name, d.args.get(1)) {
                    (Some(name), Some(value)) => {
                        self.set.push((name.to_owned(), reader.template(value)))
                    }
                    _ => reader.error(word.at, format!("invalid variable name \"{}\"", word.text)),
                }
            }
            "set_real_ip_from" => match who(&word.text) {
                Some(Who::Net(net)) => self.trusted.push(net),
                Some(Who::Unix) => self.trusts_unix = true,
                _ => reader.not_yet(word.at, "a trusted proxy by its name"),
            },
            "real_ip_header" if word.text == "proxy_protocol" => {
                reader.not_yet(word.at, "\"real_ip_header proxy_protocol\"")
            }
            "real_ip_header" => self.header = Some(word.text.clone()),
            "real_ip_recursive" => self.recursive = is_on(d),
            _ => {}
        }
    }

    fn limit_except(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        const METHODS: &[&str] = &[
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
            "MKCOL",
            "COPY",
            "MOVE",
            "OPTIONS",
            "PROPFIND",
            "PROPPATCH",
            "LOCK",
            "UNLOCK",
            "PATCH",
        ];
        let mut methods = Vec::new();
        for word in &d.args {
            if METHODS.contains(&word.text.as_str()) {
                methods.push(word.text.clone());
            } else {
                reader.error(word.at, format!("invalid method \"{}\"", word.text));
            }
        }
        let mut inner = self.clone();
        inner.enter(reader, d.block.as_deref().unwrap_or_default());
        self.except = Some(Box::new(LimitExcept {
            methods,
            access: inner.policy(),
        }));
    }

    /// What a route at this level asks for.
    pub(crate) fn policy(&self) -> Access {
        let mut auth = Vec::new();
        // Without a file nothing is asked (ngx_http_auth_basic_handler).
        if let (Some((realm, at)), Some(users)) = (&self.realm, &self.users) {
            auth.push(Auth::Basic(BasicAuth {
                at: *at,
                users: users.clone(),
                realm: realm.clone(),
                strip: false,
                strict: false,
            }));
        }
        if let Some((uri, at)) = &self.request {
            auth.push(Auth::Forward(Box::new(ForwardAuth {
                at: *at,
                target: ForwardTarget::Location(uri.clone()),
                copy: Vec::new(),
                timeout: AUTH_REQUEST,
                set: self.set.clone(),
            })));
        }
        Access {
            rules: self.rules.clone(),
            auth,
            satisfy_any: self.satisfy_any,
            except: self.except.clone(),
        }
    }

    /// Where a trusted proxy names the client.
    pub(crate) fn identity(&self) -> Option<Arc<ClientIdentity>> {
        if self.trusted.is_empty() && !self.trusts_unix {
            return None;
        }
        let header = self.header.as_deref().unwrap_or("X-Real-IP");
        Some(Arc::new(ClientIdentity {
            trusted: self.trusted.clone(),
            trusts_unix: self.trusts_unix,
            header: IdentityHeader::named(header),
            recursive: self.recursive,
        }))
    }
}

/// `all`, `unix:`, an address or a network.
fn who(text: &str) -> Option<Who> {
    match text {
        "all" => Some(Who::All),
        "unix:" => Some(Who::Unix),
        _ => network(text).map(Who::Net),
    }
}

/// A network; a single address is a network of one.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
        .map(|net| net.trunc())
}
