//! From [`Config`] to [`Plan`].

use super::{
    AccessLog, CachePlan, CacheUse, CompressPlan, ContentPlan, ExposurePlan, FixedPlan, HeaderSet,
    ListenerPlan, MirrorToPlan, PacePlan, Plan, PoolPlan, RedirectTable, RoutePlan, SitePlan,
    Types, WafPlan,
    access::{self, Credentials, GuardContext, Withheld},
    certificates, content,
    hosts::HostMap,
    lists::Lists,
    pattern,
    pool::PoolContext,
    program::Program,
    router::Router,
};
use crate::{
    access::cors::CorsPlan,
    crowdsec::Bouncer,
    log::{AccessLogs, Buffering, LogSink, NamedFiles},
    metrics::Metrics,
    template::{Template, UserVariables},
};
use seawall_conf::model::{self, Config, Content, HostName, LogTo, Matcher, Op, Syntax, WafRules};
use seawall_diag::{Diagnostic, Diagnostics, SourceMap};
use seawall_http::HeadLimits;
use std::{fs::File, io, path::Path, sync::Arc};

/// What compiling needs from outside.
pub struct Environment<'a> {
    /// Counters.
    pub metrics: &'a Metrics,
    /// Open access logs.
    pub logs: &'a AccessLogs,
    /// Opens a log for appending.
    pub open_log: &'a dyn Fn(&Path) -> io::Result<File>,
    /// Reads a whole file: keys, rules.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Nothing is made that stays: no certificate issued, no CA created (`check`, `-t`).
    pub dry_run: bool,
    /// The certificates in force, which policies of sites lead handshakes to.
    pub resolver: &'a Arc<seawall_tls::Resolver>,
    /// Certificates that keep themselves current.
    pub acme: &'a seawall_tls::acme::Acme,
    /// The identity of a listening address, the same for every plan of the process.
    /// True for datagrams.
    pub listener_id: &'a dyn Fn(&model::Address, bool) -> u32,
}

struct Compiler<'a> {
    config: &'a Config,
    env: &'a Environment<'a>,
    user: UserVariables,
    errors: Diagnostics,
    pools: Vec<Arc<PoolPlan>>,
    caches: Vec<Arc<CachePlan>>,
    wafs: Vec<Option<Arc<WafPlan>>>,
    logs: Vec<Option<CompiledLog>>,
    previous: Option<&'a Plan>,
    limits: Arc<super::LimitTables>,
    lists: Arc<Lists>,
    bouncer: Option<Arc<Bouncer>>,
    site_name: String,
    credentials: Credentials,
    withheld: Withheld,
}

impl Plan {
    /// Compiles a configuration beside the live one. Warnings come back with the plan; errors in its place.
    pub fn compile(
        config: Config,
        previous: Option<&Plan>,
        env: &Environment<'_>,
    ) -> Result<(Plan, Diagnostics), (SourceMap, Diagnostics)> {
        let mut config = config;
        let mut errors = Diagnostics::default();
        env.metrics.ledgers.forget_closed();
        let wafs = super::waf::compile(&mut config, previous, env, &mut errors);
        let mut sources = std::mem::take(&mut config.sources);
        let credentials = Credentials::read(&config, &mut sources, env, &mut errors);
        config.sources = sources;
        let certificates::Compiled {
            map: certificate_map,
            states: certificates,
            policies: client_policies,
        } = certificates::compile(&config, previous, env, &mut errors);
        let acme = config.acme.as_ref();
        let acme = acme.and_then(|acme| {
            super::acme::compile(acme, &config.process.state, env.read, &mut errors)
        });
        let places = super::places::read(&config.geo, env, &mut errors);
        let mut user = user_variables(&config).with_places(places.clone());
        let mut sources = std::mem::take(&mut config.sources);
        let shared = places.clone();
        let lists = Lists::compile(&config, shared, previous, &mut sources, env, &mut errors);
        let lists = Arc::new(lists);
        config.sources = sources;
        super::computed::compile(&config.computed, &mut user, &mut errors);
        let limits = Arc::new(super::LimitTables::of(&config, previous));
        let mut compiler = Compiler {
            config: &config,
            env,
            user,
            errors,
            pools: Vec::new(),
            caches: config
                .caches
                .iter()
                .map(|c| CachePlan::compile(c, previous, env.dry_run))
                .collect(),
            wafs,
            logs: Vec::new(),
            previous,
            limits: limits.clone(),
            lists: lists.clone(),
            bouncer: None,
            site_name: String::new(),
            credentials,
            withheld: access::proved_fields(&config),
        };
        compiler.compile_logs();
        compiler.compile_pools(previous);
        compiler.bouncer = compiler.follow(previous);
        let sites: Vec<Arc<SitePlan>> = config
            .sites
            .iter()
            .zip(&client_policies)
            .map(|(s, clients)| Arc::new(compiler.site(s, clients.clone())))
            .collect();
        let listeners = compiler.listeners();
        let found = &mut compiler.errors;
        let streams = super::stream::compile(&config, &compiler.pools, previous, env, found);
        let Compiler {
            mut errors,
            pools,
            caches,
            wafs,
            user,
            credentials,
            bouncer,
            ..
        } = compiler;
        let mut files = config.files.clone();
        let mut sources = std::mem::take(&mut config.sources);
        let dns = config.dns.as_ref().map(|d| {
            let shared = places.as_ref().filter(|_| d.geo == config.geo);
            super::dns::compile(d, &config, &mut sources, &pools, shared, env, &mut errors)
        });
        config.sources = sources;
        files.extend(dns.iter().flat_map(|d| d.files.iter().cloned()));
        files.extend(other_files(&config));
        let wafs: Vec<Arc<WafPlan>> = wafs.into_iter().flatten().collect();
        files.extend(wafs.iter().flat_map(|w| w.files.iter().cloned()));
        files.extend(credentials.files.iter().cloned());
        files.extend(super::content::kept_files(&config));
        if errors.has_errors() {
            return Err((config.sources, errors));
        }
        let spans = super::spans::compile(&config, previous, env, &mut errors);
        let challenge_keys = super::challenge::keys(&config, env, &mut errors);
        let plan = Plan {
            generation: previous.map_or(1, |p| p.generation + 1),
            traces: config.log.traces.as_ref().map(|traces| traces.sample),
            spans,
            listeners,
            streams,
            limits,
            sites,
            pools,
            caches,
            wafs,
            policy: match config.syntax {
                Syntax::Yaml => seawall_http::Policy::Rfc,
                Syntax::Nginx => seawall_http::Policy::Nginx,
            },
            head_limits: HeadLimits {
                head_bytes: config.limits.head_bytes,
                fields: config.limits.head_fields,
                ..HeadLimits::default()
            },
            head_timeout: config.limits.head_timeout,
            connections_max: config.limits.connections,
            http2: config.limits.http2,
            trusted: config.trusted_proxies.clone(),
            identity: (!config.trusted_proxies.is_empty()).then(|| model::ClientIdentity {
                trusted: config.trusted_proxies.clone(),
                trusts_unix: false,
                header: config.identity_header.clone(),
                recursive: true,
            }),
            challenge_keys,
            bouncer,
            key_sets: credentials.fetched(),
            lists,
            user_slots: user.len(),
            claims: user.claims(),
            names_files: user.names_files(),
            names_body: user.names_body(),
            certificates,
            client_policies,
            acme,
            dns: parking_lot::Mutex::new(dns),
            files,
            certificate_map: parking_lot::Mutex::new(Some(certificate_map)),
            config: Arc::new(config),
        };
        Ok((plan, errors))
    }
}

/// Rules and certificates: files beside the configuration that a change of is a change of it.
fn other_files(config: &Config) -> Vec<std::path::PathBuf> {
    let lists = config.lists.iter().flat_map(|list| &list.files);
    let mut files: Vec<_> = config
        .geo
        .iter()
        .chain(lists)
        .chain(config.crowdsec.iter().map(|crowdsec| &crowdsec.key))
        .map(|(path, _)| path.clone())
        .collect();
    for waf in &config.wafs {
        if let WafRules::Files(rules) = &waf.rules {
            files.extend(rules.iter().map(|(path, _)| path.clone()));
        }
    }
    for site in &config.sites {
        if let model::SiteTls::Files(pairs) = &site.tls {
            files.extend(
                pairs
                    .iter()
                    .flat_map(|p| [p.certificate.0.clone(), p.key.0.clone()]),
            );
            let staples = pairs.iter().filter_map(|p| p.ocsp.as_ref());
            files.extend(staples.map(|(path, _)| path.clone()));
        }
        files.extend(site.clients.iter().map(|(path, _)| path.clone()));
    }
    if let Some(acme) = &config.acme {
        files.extend(acme.ca.iter().map(|(path, _)| path.clone()));
        if let Some(model::SecretText::File(path, _)) = acme.eab.as_ref().map(|e| &e.key) {
            files.push(path.clone());
        }
    }
    files
}

/// Every route of a configuration, those of `if` and of no location, too.
pub(super) fn each_route(config: &Config, each: &mut dyn FnMut(&model::Route)) {
    fn within(ops: &[Op], each: &mut dyn FnMut(&model::Route)) {
        for op in ops {
            if let Op::If { then, route, .. } = op {
                within(then, each);
                if let Some(route) = route {
                    each(route);
                    within(&route.program, each);
                }
            }
        }
    }
    for site in &config.sites {
        within(&site.program, each);
        for route in site.routes.iter().chain(site.fallback.as_deref()) {
            each(route);
            within(&route.program, each);
        }
    }
}

/// Collects every name that `set` and named groups define, so that templates anywhere may use them.
/// A route's path as it is written, for those who watch.
fn name_of(matcher: &Matcher) -> Box<str> {
    match matcher {
        Matcher::Exact(path) => format!("= {path}").into(),
        Matcher::Segments(path) | Matcher::Prefix { path, .. } => path.as_str().into(),
        Matcher::Regex(pattern) => format!("~ {}", pattern.text).into(),
        Matcher::Named(name) => format!("@{name}").into(),
    }
}

fn user_variables(config: &Config) -> UserVariables {
    let mut user = UserVariables::default();
    for site in &config.sites {
        for name in &site.names {
            if let HostName::Regex(p) = name {
                define_groups(p, &mut user);
            }
        }
        define_ops(&site.program, &mut user);
        for route in site.routes.iter().chain(site.fallback.as_deref()) {
            if let Matcher::Regex(p) = &route.matcher {
                define_groups(p, &mut user);
            }
            define_ops(&route.program, &mut user);
        }
    }
    each_route(config, &mut |route| {
        access::each_auth(&route.policy.access, &mut |auth| {
            if let model::Auth::Forward(forward) = auth {
                for (name, _) in &forward.set {
                    user.define(name);
                }
            }
        });
    });
    user
}

fn define_groups(p: &model::Pattern, user: &mut UserVariables) {
    for name in pattern::group_names(p) {
        user.define(&name);
    }
}

fn define_ops(ops: &[Op], user: &mut UserVariables) {
    for op in ops {
        match op {
            Op::Set { variable, .. } => {
                user.define(variable);
            }
            Op::Rewrite { pattern: p, .. } => define_groups(p, user),
            Op::If {
                condition,
                then,
                route,
            } => {
                if let model::Condition::Match { pattern: p, .. } = condition {
                    define_groups(p, user);
                }
                define_ops(then, user);
                if let Some(route) = route {
                    define_ops(&route.program, user);
                }
            }
            Op::Return { .. } | Op::Query { .. } | Op::Break => {}
        }
    }
}

/// Where a log goes, its line and its condition.
type CompiledLog = (LogSink, Arc<Template>, Option<Arc<Template>>);

impl Compiler<'_> {
    fn compile_logs(&mut self) {
        for log in &self.config.log.access {
            let format = Arc::new(Template::compile(&log.format, &self.user, &mut self.errors));
            let condition = log.condition.as_ref().map(|condition| {
                Arc::new(Template::compile(condition, &self.user, &mut self.errors))
            });
            let made = match &log.to {
                LogTo::Files(files) => {
                    let name = Template::compile(&files.name, &self.user, &mut self.errors);
                    Ok(LogSink::Files(Arc::new(NamedFiles::new(files, name))))
                }
                _ => super::log::sink(log, self.env),
            };
            match made {
                Ok(sink) => self.logs.push(Some((sink, format, condition))),
                Err(problem) => {
                    self.errors.push(problem);
                    self.logs.push(None);
                }
            }
        }
    }

    fn compile_pools(&mut self, previous: Option<&Plan>) {
        let sticky_key = super::binding::key(self.config, self.env, &mut self.errors);
        let context = PoolContext {
            metrics: self.env.metrics,
            read: self.env.read,
            user: &self.user,
            sticky_key: &sticky_key,
        };
        for pool in &self.config.pools {
            self.pools.push(PoolPlan::compile(
                pool,
                previous,
                &context,
                &mut self.errors,
            ));
        }
    }

    /// The CrowdSec server, once its pool is there.
    fn follow(&mut self, previous: Option<&Plan>) -> Option<Arc<Bouncer>> {
        let (pools, lists) = (&self.pools, &self.lists);
        let errors = &mut self.errors;
        super::screen::bouncer(self.config, pools, lists, previous, self.env, errors)
    }

    fn listeners(&mut self) -> Vec<ListenerPlan> {
        let mut plans = Vec::new();
        for (at, listener) in self.config.listeners.iter().enumerate() {
            let mut hosts = HostMap::default();
            for (index, site) in self
                .config
                .sites
                .iter()
                .enumerate()
                .filter(|(_, s)| s.listeners.contains(&at))
                .filter(|(_, s)| !matches!(s.tls, model::SiteTls::Passthrough))
            {
                for name in &site.names {
                    match name {
                        HostName::Exact(n) => {
                            if !hosts.exact(n, index) {
                                self.errors.push(Diagnostic::warning(
                                    "duplicate-host",
                                    site.at,
                                    format!("conflicting server name \"{n}\", ignored"),
                                ));
                            }
                        }
                        HostName::Suffix(n) => hosts.suffix(n, index),
                        HostName::Prefix(n) => hosts.prefix(n, index),
                        HostName::Regex(p) => {
                            if let Some(regex) = pattern::compile(p, &mut self.errors) {
                                hosts.regex(regex, index);
                            }
                        }
                        HostName::Any => hosts.any(index),
                        HostName::Empty => {
                            hosts.exact("", index);
                        }
                    }
                }
            }
            hosts.set_default(listener.default_site);
            let found = &mut self.errors;
            let carried = super::stream::carried(self.config, at, &self.pools, self.env, found);
            plans.push(ListenerPlan {
                proxy_protocol: listener.proxy_protocol.clone(),
                carried,
                id: (self.env.listener_id)(&listener.address, false),
                tls: listener.tls,
                http2: listener.http2,
                hosts,
            });
        }
        plans
    }

    fn site(
        &mut self,
        site: &model::Site,
        clients: Option<Arc<seawall_tls::ClientPolicy>>,
    ) -> SitePlan {
        let name = certificates::primary_name(site);
        self.site_name.clone_from(&name);
        let program = self.program(&site.program);
        let mut router = Router::compile(
            site.routing,
            site.routes.iter().map(|r| &r.matcher),
            &self.user,
            &mut self.errors,
        )
        .asking(site.routes.iter().map(|r| &r.when), &mut self.errors);
        if site.routing == model::Routing::Nginx {
            for route in &site.routes {
                if let (Matcher::Prefix { path, .. } | Matcher::Exact(path), Content::Proxy(_)) =
                    (&route.matcher, &route.content)
                {
                    router.lead_to_slash(path);
                }
            }
        }
        let routes: Vec<Arc<RoutePlan>> = site
            .routes
            .iter()
            .map(|r| Arc::new(self.route(r)))
            .collect();
        let fallback = site.fallback.as_ref().map(|r| Arc::new(self.route(r)));
        let logs = site
            .routes
            .first()
            .or(site.fallback.as_deref())
            .map_or(&[][..], |r| &r.policy.access_log);
        let https_port = site.redirect_to_https.then(|| self.https_port());
        let host_groups = self.host_groups(site);
        let redirects = site
            .redirects
            .as_ref()
            .map(|map| RedirectTable::compile(map, self.env, &mut self.errors));
        let types = site.routes.first().or(site.fallback.as_deref());
        let rules = content::Context {
            env: self.env,
            user: &self.user,
            types: types.map_or(&[], |r| &r.policy.types),
            default_type: types.map_or("text/html", |r| &r.policy.default_type),
        }
        .rules(&site.content, None, &mut self.errors);
        SitePlan {
            clients,
            redirects,
            rules,
            https_port,
            host_groups,
            program,
            router,
            routes,
            fallback,
            access: self.access(logs),
            identity: site
                .fallback
                .as_ref()
                .and_then(|f| f.policy.identity.clone()),
            metrics: self.env.metrics.site(&name),
            yaml: self.config.syntax == Syntax::Yaml,
            name,
        }
    }

    fn host_groups(&self, site: &model::Site) -> Vec<(regex::bytes::Regex, Vec<(usize, usize)>)> {
        let regexes = site.names.iter().filter_map(|name| match name {
            // What does not compile is reported with the listeners.
            HostName::Regex(p) => pattern::compile(p, &mut Diagnostics::default()),
            _ => None,
        });
        regexes
            .map(|regex| {
                let groups = super::program::named_groups(&regex, &self.user);
                (regex, groups)
            })
            .filter(|(_, groups)| !groups.is_empty())
            .collect()
    }

    fn https_port(&self) -> u16 {
        let port = |l: &model::Listener| match &l.address {
            model::Address::Ip(a) if l.tls && l.name.is_none() => Some(a.port()),
            _ => None,
        };
        self.config.listeners.iter().find_map(port).unwrap_or(443)
    }

    fn program(&mut self, ops: &[Op]) -> Program {
        let mut errors = std::mem::take(&mut self.errors);
        let user = std::mem::take(&mut self.user);
        let mut credentials = std::mem::take(&mut self.credentials);
        let mut route = |r: &model::Route, errors: &mut Diagnostics| {
            // The route of an `if` is compiled with everything but its own program, which stands in the `if`.
            let inner = Compiler {
                config: self.config,
                env: self.env,
                user: UserVariables::default(),
                errors: Diagnostics::default(),
                pools: self.pools.clone(),
                caches: self.caches.clone(),
                wafs: self.wafs.clone(),
                logs: self.logs.clone(),
                previous: self.previous,
                limits: self.limits.clone(),
                lists: self.lists.clone(),
                bouncer: self.bouncer.clone(),
                site_name: self.site_name.clone(),
                credentials: std::mem::take(&mut credentials),
                withheld: self.withheld.clone(),
            };
            let (plan, back) = inner.if_route(r, &user, errors);
            credentials = back;
            Some(Arc::new(plan))
        };
        let program = Program::compile(ops, &user, &mut errors, &mut route);
        self.credentials = credentials;
        self.user = user;
        self.errors = errors;
        program
    }

    fn if_route(
        mut self,
        route: &model::Route,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> (RoutePlan, Credentials) {
        let plan = self.route_with(route, Program::default(), user);
        errors.extend(self.errors);
        (plan, self.credentials)
    }

    fn route(&mut self, route: &model::Route) -> RoutePlan {
        let program = self.program(&route.program);
        let user = std::mem::take(&mut self.user);
        let plan = self.route_with(route, program, &user);
        self.user = user;
        plan
    }

    fn route_with(
        &mut self,
        route: &model::Route,
        program: Program,
        user: &UserVariables,
    ) -> RoutePlan {
        let policy = &route.policy;
        let name = name_of(&route.matcher);
        let context = content::Context {
            env: self.env,
            user,
            types: &policy.types,
            default_type: &policy.default_type,
        };
        let rules = context.rules(&policy.content, Some(&route.content), &mut self.errors);
        let mut content = self.content(&route.content, &context);
        access::withhold(&mut content, &policy.access, &self.withheld);
        let errors = &mut self.errors;
        let response_set: Vec<HeaderSet> = policy
            .response_set
            .iter()
            .map(|(name, value)| HeaderSet::compile((name, value), user, errors))
            .collect();
        let response_add: Vec<(HeaderSet, bool)> = policy
            .response_add
            .iter()
            .map(|h| {
                (
                    HeaderSet::compile((&h.name, &h.value), user, errors),
                    h.always,
                )
            })
            .collect();
        let cache = policy
            .cache
            .as_ref()
            .and_then(|c| {
                let (place, ledgers) = ((&*self.site_name, &*name), &self.env.metrics.ledgers);
                CacheUse::compile(c, &self.caches, place, ledgers, user, errors)
            })
            .map(|cache| match &content {
                // An application behind FastCGI is not asked for parts.
                ContentPlan::Proxy(proxy) if proxy.fastcgi.is_some() => cache.without_slices(),
                _ => cache,
            });
        let cors = policy.cors.as_ref().map(|c| Arc::new(CorsPlan::compile(c)));
        let mut guard = GuardContext {
            credentials: &mut self.credentials,
            pools: &self.pools,
            previous: self.previous,
            withheld: &self.withheld,
            user,
            lists: &self.lists,
            denied: &|list| Some(self.env.metrics.list_denied(&self.site_name, list)),
        };
        let guard = access::compile(&policy.access, cors.clone(), &mut guard, errors);
        let waf = policy.waf.and_then(|w| self.wafs.get(w).cloned().flatten());
        let access = self.access(&policy.access_log);
        let wants_id = access.iter().any(|l| l.format.wants_id())
            || response_set.iter().any(|h| h.value.wants_id())
            || response_add.iter().any(|(h, _)| h.value.wants_id())
            || matches!(&content, ContentPlan::Proxy(p) if p.forwarding.x || p.set_headers.iter().any(|h| h.value.wants_id()));
        let pace = policy.pace.as_ref().and_then(|pace| {
            let after = pace.after.as_ref();
            Some(Box::new(PacePlan {
                rate: Template::compile(pace.rate.as_ref()?, user, &mut self.errors),
                after: after.map(|t| Template::compile(t, user, &mut self.errors)),
            }))
        });
        let mirrors = policy.mirrors.as_ref().map(|mirror| {
            let uris = mirror.uris.iter();
            Box::new(MirrorToPlan {
                uris: uris
                    .map(|uri| Template::compile(uri, user, &mut self.errors))
                    .collect(),
                body: mirror.body,
            })
        });
        let (family, site) = (&self.env.metrics.limits, &self.site_name);
        let limits = &self.limits;
        let (errors, all) = (&mut self.errors, &policy.connection_limits);
        let connection_limits = limits.compile_connections(all, site, family, user, errors);
        let rate_limits = limits.compile(&policy.rate_limits, site, family, user, errors);
        let (rate_limits, connection_limits, proved_limits) =
            super::limit::parted(rate_limits, connection_limits, policy, errors);
        RoutePlan {
            name,
            at: route.at,
            program,
            content,
            rules,
            cache,
            waf: waf.filter(|w| w.mode != model::WafMode::Off),
            access,
            body_limit: policy.body_limit,
            request_buffering: policy.request_buffering,
            abandons: !policy.ignore_client_abort,
            body_files: policy.body_files.clone(),
            pace,
            mirrors,
            response_buffering: policy.response_buffering,
            response_set,
            response_add,
            response_remove: policy
                .response_remove
                .iter()
                .map(|n| n.to_ascii_lowercase().into_bytes().into_boxed_slice())
                .collect(),
            timeouts: policy.timeouts,
            keepalive_requests: policy.keepalive_requests,
            connection_limits,
            rate_limits,
            proved_limits,
            compress: policy
                .compress
                .as_ref()
                .map(|c| CompressPlan::compile(c, self.config.limits.encoders, &mut self.errors)),
            screen: super::ScreenPlan::compile(
                policy,
                self.bouncer.as_ref(),
                (self.env.metrics, &self.site_name),
                &mut self.errors,
            ),
            guard,
            exposure: ExposurePlan::compile(policy, cors),
            identity: policy.identity.clone(),
            wants_id,
            types: Types {
                by_extension: policy
                    .types
                    .iter()
                    .map(|(e, t)| {
                        (
                            e.to_ascii_lowercase().into_bytes().into(),
                            t.as_bytes().into(),
                        )
                    })
                    .collect(),
                default: policy.default_type.as_bytes().into(),
            },
        }
    }

    fn access(&self, logs: &[usize]) -> Vec<AccessLog> {
        logs.iter()
            .filter_map(|at| {
                let (to, format, condition) = self.logs.get(*at)?.clone()?;
                let log = self.config.log.access.get(*at)?;
                Some(AccessLog {
                    to,
                    format,
                    escape: log.escape,
                    how: Buffering::of(log),
                    condition,
                    privacy: log.privacy,
                })
            })
            .collect()
    }

    fn content(&mut self, content: &Content, context: &content::Context<'_>) -> ContentPlan {
        let errors = &mut self.errors;
        let user = context.user;
        match content {
            Content::Proxy(proxy) => match self.pools.get(proxy.pool) {
                Some(pool) => ContentPlan::Proxy(Box::new(super::proxy::compile(
                    proxy,
                    pool.clone(),
                    &self.pools,
                    user,
                    errors,
                ))),
                None => {
                    errors.error("unknown-pool", proxy.at, "this pool does not exist");
                    ContentPlan::Fixed(FixedPlan {
                        status: 502,
                        body: Template::default(),
                        lines: Box::default(),
                    })
                }
            },
            Content::Fixed {
                status,
                body,
                content_type,
            } => {
                let mut lines = Vec::new();
                if let Some(content_type) = content_type {
                    seawall_http::encode::field(
                        &mut lines,
                        b"Content-Type",
                        content_type.as_bytes(),
                    );
                }
                let body = Template::compile(body, user, errors);
                ContentPlan::Fixed(FixedPlan {
                    status: *status,
                    body,
                    lines: lines.into(),
                })
            }
            Content::Redirect { status, location } => ContentPlan::Redirect {
                status: *status,
                location: Template::compile(location, user, errors),
            },
            Content::Bytes {
                status,
                bytes,
                content_type,
            } => {
                let (body, kind) = context.bytes(bytes, content_type.as_deref(), errors);
                let mut lines = Vec::new();
                seawall_http::encode::field(&mut lines, b"Content-Type", &kind);
                ContentPlan::Fixed(FixedPlan {
                    status: *status,
                    body: Template::bytes(body),
                    lines: lines.into(),
                })
            }
            Content::Doh => ContentPlan::Doh,
            Content::Static { root, index } => ContentPlan::Static {
                root: super::RootPlan::compile(root, user, errors),
                index: index
                    .iter()
                    .map(|i| Template::compile(i, user, errors))
                    .collect(),
            },
        }
    }
}
