//! The steps of a request, listed once and in order.
//!
//! nginx's phases are this same list, so an nginx.conf location and a YAML route compile to the same plan. Logs,
//! metrics and the documentation take the names from here.

/// A step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Step {
    /// A connection was taken from a listener.
    #[default]
    Accept,
    /// The PROXY protocol header, where the listener asks for one.
    ProxyProtocol,
    /// The TLS handshake.
    Tls,
    /// The request head: strictness, limits, one deadline.
    Head,
    /// Who the client is, through trusted proxies.
    Client,
    /// The virtual host.
    Site,
    /// The site's own rewrite program.
    SiteRewrite,
    /// The route within the site.
    Route,
    /// The route's rewrite program.
    Rewrite,
    /// Request and connection limits.
    Limit,
    /// Allow and deny, authentication.
    Access,
    /// The WAF on the request's head and body.
    WafRequest,
    /// Files tried, mirrors fed.
    TryFiles,
    /// The cache is asked.
    CacheLookup,
    /// A server of the pool is chosen.
    SelectServer,
    /// A connection to it is made or taken from the pool.
    Connect,
    /// Request sent, response head received.
    Exchange,
    /// The WAF on the response.
    WafResponse,
    /// Body filters.
    Filters,
    /// The response is stored.
    CacheStore,
    /// The response is written.
    Deliver,
    /// The access log.
    Log,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Step; 22] = [
        Step::Accept,
        Step::ProxyProtocol,
        Step::Tls,
        Step::Head,
        Step::Client,
        Step::Site,
        Step::SiteRewrite,
        Step::Route,
        Step::Rewrite,
        Step::Limit,
        Step::Access,
        Step::WafRequest,
        Step::TryFiles,
        Step::CacheLookup,
        Step::SelectServer,
        Step::Connect,
        Step::Exchange,
        Step::WafResponse,
        Step::Filters,
        Step::CacheStore,
        Step::Deliver,
        Step::Log,
    ];

    /// Its name in logs and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Accept => "accept",
            Step::ProxyProtocol => "proxy-protocol",
            Step::Tls => "tls",
            Step::Head => "head",
            Step::Client => "client",
            Step::Site => "site",
            Step::SiteRewrite => "site-rewrite",
            Step::Route => "route",
            Step::Rewrite => "rewrite",
            Step::Limit => "limit",
            Step::Access => "access",
            Step::WafRequest => "waf-request",
            Step::TryFiles => "try-files",
            Step::CacheLookup => "cache-lookup",
            Step::SelectServer => "select-server",
            Step::Connect => "connect",
            Step::Exchange => "exchange",
            Step::WafResponse => "waf-response",
            Step::Filters => "filters",
            Step::CacheStore => "cache-store",
            Step::Deliver => "deliver",
            Step::Log => "log",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_and_names_are_distinct() {
        assert!(Step::ALL.windows(2).all(|w| w[0] < w[1]));
        let names: std::collections::HashSet<_> = Step::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(names.len(), Step::ALL.len());
    }
}
