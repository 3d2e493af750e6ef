//! What a configuration names on its way: routes within routes, variables, files.

use super::{access, pattern};
use crate::template::UserVariables;
use seawall_conf::model::{self, Config, HostName, Matcher, Op, WafRules};

/// Rules and certificates: files beside the configuration that a change of is a change of it.
pub(super) fn files(config: &Config) -> Vec<std::path::PathBuf> {
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

/// A route's path as it is written, for those who watch.
pub(super) fn name_of(matcher: &Matcher) -> Box<str> {
    match matcher {
        Matcher::Exact(path) => format!("= {path}").into(),
        Matcher::Segments(path) | Matcher::Prefix { path, .. } => path.as_str().into(),
        Matcher::Regex(pattern) => format!("~ {}", pattern.text).into(),
        Matcher::Named(name) => format!("@{name}").into(),
    }
}

/// Collects every name that `set` and named groups define, so that templates anywhere may use them.
pub(super) fn variables(config: &Config) -> UserVariables {
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
