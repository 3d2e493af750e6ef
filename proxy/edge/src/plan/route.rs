//! Routes: what answers, and everything that is said of it.

use super::{
    AccessLog, CacheUse, CompressPlan, ContentPlan, ExposurePlan, FixedPlan, HeaderSet,
    MirrorToPlan, PacePlan, RoutePlan, Types,
    access::{self, Credentials, GuardContext},
    compile::Compiler,
    content,
    named::name_of,
    program::Program,
};
use crate::{
    access::cors::CorsPlan,
    log::Buffering,
    template::{Template, UserVariables},
};
use seawall_conf::model::{self, Content, Op};
use seawall_diag::Diagnostics;
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn program(&mut self, ops: &[Op]) -> Program {
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

    pub(super) fn route(&mut self, route: &model::Route) -> RoutePlan {
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

    pub(super) fn access(&self, logs: &[usize]) -> Vec<AccessLog> {
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
