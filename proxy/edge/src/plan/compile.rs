//! From [`Config`] to [`Plan`].

use super::{
    CachePlan, Plan, PoolPlan, SitePlan, WafPlan,
    access::{self, Credentials, Withheld},
    certificates,
    lists::Lists,
    named,
    pool::PoolContext,
};
use crate::{
    crowdsec::Bouncer,
    log::{AccessLogs, LogSink, NamedFiles},
    metrics::Metrics,
    template::{Template, UserVariables},
};
use seawall_conf::model::{self, Config, LogTo, Syntax};
use seawall_diag::{Diagnostics, SourceMap};
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

pub(super) struct Compiler<'a> {
    pub(super) config: &'a Config,
    pub(super) env: &'a Environment<'a>,
    pub(super) user: UserVariables,
    pub(super) errors: Diagnostics,
    pub(super) pools: Vec<Arc<PoolPlan>>,
    pub(super) caches: Vec<Arc<CachePlan>>,
    pub(super) wafs: Vec<Option<Arc<WafPlan>>>,
    pub(super) logs: Vec<Option<CompiledLog>>,
    pub(super) previous: Option<&'a Plan>,
    pub(super) limits: Arc<super::LimitTables>,
    pub(super) lists: Arc<Lists>,
    pub(super) bouncer: Option<Arc<Bouncer>>,
    pub(super) site_name: String,
    pub(super) credentials: Credentials,
    pub(super) withheld: Withheld,
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
        let mut user = named::variables(&config).with_places(places.clone());
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
        files.extend(named::files(&config));
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

/// Where a log goes, its line and its condition.
pub(super) type CompiledLog = (LogSink, Arc<Template>, Option<Arc<Template>>);

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
}
