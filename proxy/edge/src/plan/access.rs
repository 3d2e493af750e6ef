//! Access policies, compiled: files read, keys taken over, whom to ask.

use super::{Environment, Plan, PoolPlan, lists::Lists};
use crate::{
    access::{
        Rules,
        basic::BasicPlan,
        cors::CorsPlan,
        forward::{ForwardPlan, Target},
        htpasswd::Htpasswd,
        jwks::{self, KeySet},
        jwt::JwtPlan,
    },
    template::{Template, UserVariables},
    tx::Tx,
};
use jsonwebtoken::{Algorithm, Validation};
use prometheus::IntCounter;
use seawall_conf::model::{self, Auth, Config, ForwardTarget, KeySource, TokenSource};
use seawall_diag::{Diagnostic, Diagnostics, Severity, SourceMap, Span};
use seawall_http::{Method, Name};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a request must satisfy.
pub struct GuardPlan {
    main: Policy,
    /// For methods that are not listed.
    except: Option<(Vec<Box<[u8]>>, Policy)>,
    /// Preflights that are answered here.
    pub cors: Option<Arc<CorsPlan>>,
}

struct Policy {
    rules: Rules,
    auth: Vec<AuthPlan>,
    any: bool,
}

/// One way to prove who one is.
pub enum AuthPlan {
    /// A name and a password.
    Basic(BasicPlan),
    /// Another service is asked.
    Forward(Box<ForwardPlan>),
    /// A signed token.
    Jwt(Box<JwtPlan>),
}

impl GuardPlan {
    /// What holds for a request: rules, ways to authenticate, whether one of all is enough.
    pub fn holding_for(&self, tx: &Tx) -> (&Rules, &[AuthPlan], bool) {
        let policy = match &self.except {
            Some((methods, policy)) if !is_listed(methods, tx) => policy,
            _ => &self.main,
        };
        (&policy.rules, &policy.auth, policy.any)
    }
}

/// GET stands for HEAD, too (ngx_http_core_module, `limit_except`).
fn is_listed(methods: &[Box<[u8]>], tx: &Tx) -> bool {
    let text = match tx.head.method {
        Method::Head => &b"GET"[..],
        _ => tx.method_text(),
    };
    methods
        .iter()
        .any(|m| **m == *text || **m == *tx.method_text())
}

/// Fields that a client may not claim.
#[derive(Clone, Default)]
pub struct Withheld {
    /// Known names, as bits.
    pub known: u128,
    /// Other names, in lower case and with `-` for `_`.
    pub others: Vec<Box<[u8]>>,
}

impl Withheld {
    /// Adds a name.
    pub fn add(&mut self, name: &str) {
        match Name::lookup(name.as_bytes()) {
            Name::Other => {
                let folded: Box<[u8]> = name
                    .bytes()
                    .map(fold)
                    .collect::<Vec<u8>>()
                    .into_boxed_slice();
                if !self.others.contains(&folded) {
                    self.others.push(folded);
                }
            }
            known => self.known |= known.bit(),
        }
    }

    /// Whether a field of an unknown name is withheld. `_` counts as `-`: CGI and WSGI make one variable of both.
    pub fn has_other(&self, name: &[u8]) -> bool {
        self.others.iter().any(|other| {
            other.len() == name.len() && other.iter().zip(name).all(|(a, b)| *a == fold(*b))
        })
    }
}

fn fold(byte: u8) -> u8 {
    match byte {
        b'_' => b'-',
        other => other.to_ascii_lowercase(),
    }
}

/// Every field that some route of a configuration proves: no route lets a client say it itself, for behind a route
/// without authentication the same application may listen.
pub fn proved_fields(config: &Config) -> Withheld {
    let mut withheld = Withheld::default();
    super::named::each_route(config, &mut |route| {
        each_auth(&route.policy.access, &mut |auth| match auth {
            Auth::Basic(_) => {}
            Auth::Forward(f) => f.copy.iter().for_each(|name| withheld.add(name)),
            Auth::Jwt(j) => j.claims.iter().for_each(|(_, name)| withheld.add(name)),
        });
    });
    withheld
}

/// What of its credentials a route keeps from the origin.
pub fn stripped(access: &model::Access, withheld: &mut Withheld) {
    each_auth(access, &mut |auth| match auth {
        Auth::Basic(b) if b.strip => withheld.add("authorization"),
        Auth::Jwt(j) if j.strip => match &j.from {
            TokenSource::Bearer => withheld.add("authorization"),
            TokenSource::Header(name) => withheld.add(name),
            TokenSource::Cookie(_) => {}
        },
        _ => {}
    });
}

/// Every way to authenticate of a policy.
pub fn each_auth(access: &model::Access, each: &mut dyn FnMut(&Auth)) {
    access.auth.iter().for_each(&mut *each);
    if let Some(except) = &access.except {
        each_auth(&except.access, each);
    }
}

/// Files and key sets of a configuration, each read once.
#[derive(Default)]
pub struct Credentials {
    users: HashMap<PathBuf, Users>,
    keys: HashMap<String, Arc<KeySet>>,
    /// Every file that was read, for watching.
    pub files: Vec<PathBuf>,
}

#[derive(Clone)]
struct Users {
    users: Arc<Htpasswd>,
    version: [u8; 32],
}

impl Credentials {
    /// Reads every file that a configuration names. `sources` grows by them.
    pub fn read(
        config: &Config,
        sources: &mut SourceMap,
        env: &Environment<'_>,
        errors: &mut Diagnostics,
    ) -> Self {
        let mut all = Self::default();
        super::named::each_route(config, &mut |route| {
            each_auth(&route.policy.access, &mut |auth| match auth {
                Auth::Basic(basic) => all.read_users(basic, sources, env, errors),
                Auth::Jwt(jwt) => {
                    if let KeySource::File(path) = &jwt.keys {
                        all.read_keys(path, jwt.at, env, errors);
                    }
                }
                Auth::Forward(_) => {}
            });
        });
        all
    }

    fn read_users(
        &mut self,
        basic: &model::BasicAuth,
        sources: &mut SourceMap,
        env: &Environment<'_>,
        errors: &mut Diagnostics,
    ) {
        if self.users.contains_key(&basic.users) {
            return;
        }
        let severity = if basic.strict {
            Severity::Error
        } else {
            Severity::Warning
        };
        self.files.push(basic.users.clone());
        let text = (env.read)(&basic.users).unwrap_or_else(|e| {
            errors.push(Diagnostic {
                severity,
                ..unreadable(&basic.users, basic.at, &e)
            });
            Vec::new()
        });
        let version = Sha256::digest(&text).into();
        let text = String::from_utf8_lossy(&text);
        let users = Htpasswd::parse(&basic.users, &text, severity, sources, errors);
        self.users.insert(
            basic.users.clone(),
            Users {
                users: Arc::new(users),
                version,
            },
        );
    }

    fn read_keys(
        &mut self,
        path: &Path,
        at: Span,
        env: &Environment<'_>,
        errors: &mut Diagnostics,
    ) {
        let source = path.display().to_string();
        if self.keys.contains_key(&source) {
            return;
        }
        self.files.push(path.to_owned());
        let made = match (env.read)(path) {
            Ok(text) => jwks::parse(&text).map_err(|why| {
                Diagnostic::error("key-set", at, format!("\"{source}\": {why}"))
                    .help("a key set is what the issuer has at its jwks_uri: { \"keys\": [...] }")
            }),
            Err(e) => Err(unreadable(path, at, &e)),
        };
        match made {
            Ok(keys) => {
                let set = Arc::new(KeySet::of_file(source.clone(), keys));
                self.keys.insert(source, set);
            }
            Err(finding) => errors.push(finding),
        }
    }

    /// The key sets that are fetched.
    pub fn fetched(&self) -> Vec<Arc<KeySet>> {
        self.keys
            .values()
            .filter(|k| k.is_fetched())
            .cloned()
            .collect()
    }
}

fn unreadable(path: &Path, at: Span, error: &std::io::Error) -> Diagnostic {
    let message = format!("cannot read \"{}\": {error}", path.display());
    Diagnostic::error("unreadable", at, message)
}

/// What compiling a guard needs.
pub struct GuardContext<'a> {
    /// Files and keys.
    pub credentials: &'a mut Credentials,
    /// Pools, in the order of the configuration.
    pub pools: &'a [Arc<PoolPlan>],
    /// The plan before.
    pub previous: Option<&'a Plan>,
    /// What no client may claim.
    pub withheld: &'a Withheld,
    /// Names of variables.
    pub user: &'a UserVariables,
    /// Lists of clients.
    pub lists: &'a Lists,
    /// Those of the site that a list denies, by its name.
    pub denied: &'a dyn Fn(&str) -> Option<IntCounter>,
}

/// Compiles what a route asks for; `None` when it asks for nothing.
pub fn compile(
    access: &model::Access,
    cors: Option<Arc<CorsPlan>>,
    cx: &mut GuardContext<'_>,
    errors: &mut Diagnostics,
) -> Option<Box<GuardPlan>> {
    if access.rules.is_empty()
        && access.auth.is_empty()
        && access.except.is_none()
        && cors.is_none()
    {
        return None;
    }
    let main = policy(access, cx, errors);
    let except = access.except.as_ref().map(|e| {
        let methods = e.methods.iter().map(|m| m.as_bytes().into()).collect();
        (methods, policy(&e.access, cx, errors))
    });
    Some(Box::new(GuardPlan { main, except, cors }))
}

fn policy(access: &model::Access, cx: &mut GuardContext<'_>, errors: &mut Diagnostics) -> Policy {
    Policy {
        rules: Rules::compile(&access.rules, cx.lists, cx.denied),
        auth: access
            .auth
            .iter()
            .filter_map(|auth| self::auth(auth, cx, errors))
            .collect(),
        any: access.satisfy_any,
    }
}

/// `None` only where an error is reported: a way that is left out would let pass whom it refuses.
fn auth(auth: &Auth, cx: &mut GuardContext<'_>, errors: &mut Diagnostics) -> Option<AuthPlan> {
    match auth {
        Auth::Basic(basic) => {
            let Some(users) = cx.credentials.users.get(&basic.users).cloned() else {
                errors.error("unreadable", basic.at, "the file of users was not read");
                return None;
            };
            Some(AuthPlan::Basic(BasicPlan {
                users: users.users,
                version: users.version,
                file: basic.users.display().to_string(),
                realm: Template::compile(&basic.realm, cx.user, errors),
            }))
        }
        Auth::Forward(from) => forward(from, cx, errors).map(|f| AuthPlan::Forward(Box::new(f))),
        Auth::Jwt(from) => jwt(from, cx, errors).map(|j| AuthPlan::Jwt(Box::new(j))),
    }
}

fn forward(
    from: &model::ForwardAuth,
    cx: &mut GuardContext<'_>,
    errors: &mut Diagnostics,
) -> Option<ForwardPlan> {
    let target = match &from.target {
        ForwardTarget::Pool(proxy) => {
            let Some(pool) = cx.pools.get(proxy.pool) else {
                errors.error("unknown-pool", from.at, "this pool does not exist");
                return None;
            };
            let mut plan = super::proxy::compile(proxy, pool.clone(), &[], cx.user, errors);
            plan.withheld = cx.withheld.clone();
            Target::Pool(Box::new(plan))
        }
        ForwardTarget::Location(location) => {
            Target::Location(Template::compile(location, cx.user, errors))
        }
    };
    let set = from.set.iter().filter_map(|(name, value)| {
        let slot = cx.user.slot(name)?;
        Some((slot, Template::compile(value, cx.user, errors)))
    });
    Some(ForwardPlan {
        target,
        set: set.collect(),
        copy: from.copy.iter().map(|n| n.as_bytes().into()).collect(),
        timeouts: model::Timeouts {
            first_byte: from.timeout,
            between_bytes: from.timeout,
            ..model::Timeouts::default()
        },
    })
}

fn jwt(
    from: &model::JwtAuth,
    cx: &mut GuardContext<'_>,
    errors: &mut Diagnostics,
) -> Option<JwtPlan> {
    let keys = match &from.keys {
        KeySource::File(path) => cx
            .credentials
            .keys
            .get(&path.display().to_string())
            .cloned(),
        KeySource::Url {
            url,
            pool,
            authority,
            path,
        } => {
            let before = cx
                .previous
                .and_then(|p| p.key_sets.iter().find(|k| k.source == *url));
            let made = cx.pools.get(*pool).map(|pool| {
                Arc::new(KeySet::of_url(
                    url.clone(),
                    pool.clone(),
                    authority,
                    path,
                    before.map(|b| &**b),
                ))
            });
            made.map(|made| {
                let known = cx.credentials.keys.entry(url.clone());
                known.or_insert(made).clone()
            })
        }
    };
    let Some(keys) = keys else {
        errors.error("key-set", from.at, "there are no keys for these tokens");
        return None;
    };
    let validations = from
        .algorithms
        .iter()
        .filter_map(|a| a.parse::<Algorithm>().ok())
        .map(|a| (a, validation(a, from)))
        .collect();
    Some(JwtPlan {
        keys,
        validations,
        leeway_s: from.leeway.as_secs(),
        claims: from
            .claims
            .iter()
            .map(|(path, name)| {
                let path = path.split('.').map(str::to_owned).collect();
                (path, name.as_bytes().into())
            })
            .collect(),
        from: from.from.clone(),
        required: from.required,
        verified: parking_lot::Mutex::default(),
    })
}

fn validation(algorithm: Algorithm, from: &model::JwtAuth) -> Validation {
    let mut v = Validation::new(algorithm);
    v.leeway = from.leeway.as_secs();
    v.validate_nbf = true;
    // What is to be compared must be there: a token without it would pass otherwise.
    let mut required = vec!["exp"];
    v.validate_aud = !from.audience.is_empty();
    if !from.audience.is_empty() {
        v.set_audience(&from.audience);
        required.push("aud");
    }
    if !from.issuer.is_empty() {
        v.set_issuer(&from.issuer);
        required.push("iss");
    }
    v.set_required_spec_claims(&required);
    v
}

/// Puts what a route withholds into its proxy.
pub fn withhold(plan: &mut super::ContentPlan, access: &model::Access, everywhere: &Withheld) {
    if let super::ContentPlan::Proxy(proxy) = plan {
        proxy.withheld = everywhere.clone();
        stripped(access, &mut proxy.withheld);
    }
}
