//! Virtual hosts, and the listeners that lead to them.

use super::{
    ListenerPlan, RedirectTable, RoutePlan, SitePlan, certificates, compile::Compiler, content,
    hosts::HostMap, pattern, router::Router,
};
use seawall_conf::model::{self, Content, HostName, Matcher, Syntax};
use seawall_diag::{Diagnostic, Diagnostics};
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn listeners(&mut self) -> Vec<ListenerPlan> {
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

    pub(super) fn site(
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
}
