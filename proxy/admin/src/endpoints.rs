//! Every endpoint, listed once: the router, the OpenAPI document and what a token must be good for all come from here.

use crate::{
    Problem, Scope,
    answers::{self, Ask, Reply},
    changes, configuration, waf, zones,
};

/// What answers an endpoint.
#[derive(Clone, Copy)]
pub enum Handler {
    /// It may block; it runs where that is allowed.
    Plain(fn(&Ask) -> Result<Reply, Problem>),
    /// Events without end (`text/event-stream`).
    Events,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads; HEAD as well.
    Get,
    /// Does something.
    Post,
    /// Puts something in the place of what is there.
    Put,
    /// Takes something away.
    Delete,
}

impl Verb {
    /// In a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        }
    }
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Nothing.
    Nothing,
    /// JSON with these fields: name, JSON type, about.
    Json(&'static [(&'static str, &'static str, &'static str)]),
    /// A configuration as text.
    Yaml,
}

/// One endpoint.
pub struct Endpoint {
    /// Its method.
    pub verb: Verb,
    /// Its path; `{name}` is a parameter.
    pub path: &'static str,
    /// What a token must be good for.
    pub scope: Scope,
    /// In one line.
    pub summary: &'static str,
    /// Arguments of its query: name and about.
    pub query: &'static [(&'static str, &'static str)],
    /// What it takes.
    pub carries: Carries,
    /// What answers.
    pub handler: Handler,
}

const fn get(
    path: &'static str,
    summary: &'static str,
    run: fn(&Ask) -> Result<Reply, Problem>,
) -> Endpoint {
    Endpoint {
        verb: Verb::Get,
        path,
        scope: Scope::Read,
        summary,
        query: &[],
        carries: Carries::Nothing,
        handler: Handler::Plain(run),
    }
}

const fn post(
    path: &'static str,
    scope: Scope,
    summary: &'static str,
    run: fn(&Ask) -> Result<Reply, Problem>,
) -> Endpoint {
    Endpoint {
        verb: Verb::Post,
        scope,
        ..get(path, summary, run)
    }
}

const LIMIT: (&str, &str) = ("limit", "how many at most");
const IF_VALID: (&str, &str) = (
    "dry_run",
    "true: only say what is wrong and what would change",
);
const CONFIRM: (&str, &str) = (
    "confirm",
    "a duration, 120s: what was there comes back by itself after it unless confirmed",
);

/// All of them.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/api/v1/status", "What runs", answers::status),
    get(
        "/api/v1/signals",
        "Requests, errors, latency and saturation, a sample every 5 s",
        answers::signals,
    ),
    get(
        "/api/v1/sites",
        "Sites with their names and routes",
        answers::sites,
    ),
    get("/api/v1/pools", "Pools with their servers", answers::pools),
    post(
        "/api/v1/pools/{pool}/servers/{server}/drain",
        Scope::Pools,
        "It finishes what it has and takes nothing new",
        changes::drain,
    ),
    post(
        "/api/v1/pools/{pool}/servers/{server}/undrain",
        Scope::Pools,
        "It takes requests again",
        changes::undrain,
    ),
    Endpoint {
        carries: Carries::Json(&[("weight", "integer", "its share; 0 is the configured one")]),
        ..post(
            "/api/v1/pools/{pool}/servers/{server}/weight",
            Scope::Pools,
            "Its share until the daemon ends",
            changes::weight,
        )
    },
    post(
        "/api/v1/pools/{pool}/servers/{server}/check",
        Scope::Pools,
        "Its health is checked at once",
        changes::check,
    ),
    get(
        "/api/v1/limits",
        "Limits on rates and on requests at once, with what they hold",
        answers::limits,
    ),
    Endpoint {
        query: &[
            ("url", "as a client would ask"),
            ("field", "a request field, `Name: value`; may be repeated"),
        ],
        ..get(
            "/api/v1/cache/object",
            "What is stored for a URL, and what a request would get and why",
            answers::cache_object,
        )
    },
    Endpoint {
        query: &[
            ("prefix", "host/path"),
            ("tag", "a label of the origin's"),
            ("site", "a site's host"),
            LIMIT,
        ],
        ..get(
            "/api/v1/cache/objects",
            "What is in the memory of the caches",
            answers::cache_objects,
        )
    },
    Endpoint {
        query: &[("site", "only routes of this site")],
        ..get(
            "/api/v1/cache/stats",
            "What the caches hold, and by route what became of requests and why, and bytes from cache and origin",
            answers::cache_stats,
        )
    },
    Endpoint {
        carries: Carries::Json(&[
            ("url", "string", "one URL with all its variants"),
            ("prefix", "string", "all URLs that begin so: host/path"),
            ("tag", "string", "all with this label"),
            ("site", "string", "all of a site"),
            ("all", "boolean", "everything"),
            ("soft", "boolean", "stale instead of gone"),
        ]),
        ..post(
            "/api/v1/cache/purge",
            Scope::Cache,
            "Purges: exactly one of url, prefix, tag, site and all",
            changes::purge,
        )
    },
    Endpoint {
        query: &[LIMIT],
        ..get(
            "/api/v1/waf/events",
            "The last refusals by the WAF, the newest first, with every rule that matched",
            waf::events,
        )
    },
    Endpoint {
        carries: Carries::Json(&[
            ("id", "string", "of a request that was refused lately"),
            ("request", "string", "or one as it would be sent"),
            ("rule_set", "string", "by which it is judged"),
            ("client", "string", "its address"),
        ]),
        ..post(
            "/api/v1/waf/explain",
            Scope::Config,
            "Why a request was, or would be, refused",
            waf::explain,
        )
    },
    Endpoint {
        carries: Carries::Json(&[
            ("rules", "array", "ids of rules"),
            ("tags", "array", "or their tags"),
            (
                "target",
                "string",
                "the variable that they do not look at any more",
            ),
            ("path", "string", "only below it"),
            ("rule_set", "string", "of which set"),
            ("dry_run", "boolean", "only say what it would change"),
        ]),
        ..post(
            "/api/v1/waf/exclusions",
            Scope::Config,
            "Rules do not look at something any more",
            waf::exclude,
        )
    },
    get("/api/v1/certs", "Certificates", answers::certificates),
    get(
        "/api/v1/certs/{name}",
        "A certificate with its timeline",
        answers::certificate,
    ),
    get(
        "/api/v1/certs/{name}/why",
        "What stands between a name and its certificate",
        answers::certificate_why,
    ),
    post(
        "/api/v1/certs/{name}/renew",
        Scope::Certs,
        "Asks for a new one; what becomes of it is in the timeline",
        changes::renew,
    ),
    get("/api/v1/dns/zones", "Zones that are served", zones::list),
    get(
        "/api/v1/dns/zones/{zone}",
        "A zone with its records",
        zones::show,
    ),
    Endpoint {
        verb: Verb::Put,
        carries: Carries::Json(&[
            ("values", "array", "the data of each record"),
            ("ttl", "integer", "seconds; 300"),
        ]),
        ..post(
            "/api/v1/dns/zones/{zone}/{name}/{type}",
            Scope::Dns,
            "Puts records in the place of those of this name and type",
            zones::change,
        )
    },
    Endpoint {
        verb: Verb::Delete,
        ..post(
            "/api/v1/dns/zones/{zone}/{name}/{type}",
            Scope::Dns,
            "Takes the records of this name and type away",
            zones::remove,
        )
    },
    get(
        "/api/v1/dns/dnssec",
        "Zones that are signed here, their keys and what comes next",
        answers::dnssec,
    ),
    get(
        "/api/v1/config",
        "The configuration as it is written, secrets as ***; its ETag is for If-Match",
        configuration::show,
    ),
    Endpoint {
        verb: Verb::Put,
        query: &[IF_VALID, CONFIRM],
        carries: Carries::Yaml,
        ..post(
            "/api/v1/config",
            Scope::Config,
            "Checks a configuration, writes it into its file and goes over to it; *** stands for the secret that was there",
            configuration::put,
        )
    },
    Endpoint {
        carries: Carries::Yaml,
        // It changes nothing, but shows what a draft of somebody's says: for those who may write one.
        ..post(
            "/api/v1/config/diff",
            Scope::Config,
            "What a configuration says otherwise than the one that is served, and what is wrong with it",
            configuration::diff,
        )
    },
    post(
        "/api/v1/config/reload",
        Scope::Config,
        "Loads the file again",
        configuration::reload,
    ),
    post(
        "/api/v1/config/confirm",
        Scope::Config,
        "Keeps a configuration that was put with `confirm`",
        configuration::confirm,
    ),
    post(
        "/api/v1/config/revert",
        Scope::Config,
        "Takes a configuration that waits for its confirmation back at once",
        configuration::revert,
    ),
    get(
        "/api/v1/config/revisions",
        "Configurations that were served, the newest first",
        configuration::revisions,
    ),
    get(
        "/api/v1/config/revisions/{revision}",
        "The text of one, secrets as ***",
        configuration::revision,
    ),
    Endpoint {
        query: &[CONFIRM],
        carries: Carries::Json(&[("revision", "integer", "which; without it the one before")]),
        ..post(
            "/api/v1/config/rollback",
            Scope::Config,
            "Puts an earlier configuration in the place of the one that is served",
            configuration::rollback,
        )
    },
    get(
        "/api/v1/log/level",
        "The least severe level of the error log",
        answers::log_level,
    ),
    Endpoint {
        verb: Verb::Put,
        carries: Carries::Json(&[(
            "level",
            "string",
            "emerg, alert, crit, error, warn, notice, info or debug",
        )]),
        ..post(
            "/api/v1/log/level",
            Scope::Config,
            "Another level until the next reload",
            changes::log_level,
        )
    },
    Endpoint {
        query: &[LIMIT],
        ..get(
            "/api/v1/audit",
            "Who changed what, the newest first, and where the chain ends",
            answers::audit,
        )
    },
    Endpoint {
        query: &[
            ("site", "only this site"),
            ("status", "only 404, or 5xx"),
            ("path", "only targets that begin so"),
            ("client", "only this address"),
        ],
        handler: Handler::Events,
        ..get(
            "/api/v1/tail",
            "Requests as they end, with what each step decided: an event stream",
            answers::status,
        )
    },
    get("/api/v1/openapi.json", "This document", answers::described),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_changes_anything_is_a_matter_of_reading() {
        for e in ENDPOINTS {
            assert_eq!(
                e.verb == Verb::Get,
                e.scope == Scope::Read,
                "{} {}",
                e.verb.as_str(),
                e.path
            );
        }
    }

    #[test]
    fn no_endpoint_is_listed_twice() {
        for (n, e) in ENDPOINTS.iter().enumerate() {
            let again = ENDPOINTS
                .iter()
                .skip(n + 1)
                .any(|o| (o.verb, o.path) == (e.verb, e.path));
            assert!(!again, "{}", e.path);
        }
    }
}
