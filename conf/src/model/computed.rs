//! Variables that are computed from others when they are asked for: `map`, `geo`, `split_clients`.

use super::{Pattern, Template};
use ipnet::IpNet;
use seawall_diag::Span;

/// A computed variable.
#[derive(Clone, Debug)]
pub struct Computed {
    /// Where it was written.
    pub at: Span,
    /// Its name, without the `$`.
    pub name: String,
    /// How.
    pub how: How,
}

/// How a variable is computed.
#[derive(Clone, Debug)]
pub enum How {
    /// ngx_http_map_module
    Map {
        /// What is looked up.
        source: Template,
        /// Whether names with `*.` and `.*` are host names.
        hostnames: bool,
        /// Texts, without regard to case, and their values.
        exact: Vec<(String, Template)>,
        /// Expressions in order, and their values.
        regexes: Vec<(Pattern, Template)>,
        /// For what is not there.
        default: Template,
    },
    /// ngx_http_geo_module
    Geo {
        /// The address that is looked up.
        source: Template,
        /// Networks and their values; the longest prefix counts.
        nets: Vec<(IpNet, String)>,
        /// For all others.
        default: String,
    },
    /// ngx_http_split_clients_module
    Split {
        /// What is hashed.
        source: Template,
        /// Shares of 10,000 and their values, in order.
        parts: Vec<(u32, String)>,
        /// For the rest.
        rest: String,
    },
}
