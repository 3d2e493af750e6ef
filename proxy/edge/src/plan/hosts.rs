//! From a listener and a host to a site: exact, longest wildcard, regular expression, default
//! (ngx_http_core_module, `server_name`).

use regex::bytes::Regex;
use std::collections::HashMap;

/// The names of one listener.
#[derive(Default)]
pub struct HostMap {
    exact: HashMap<Box<[u8]>, usize, ahash::RandomState>,
    /// `example.test` for `*.example.test`; longest first.
    suffixes: Vec<(Box<[u8]>, usize)>,
    /// `www.example` for `www.example.*`; longest first.
    prefixes: Vec<(Box<[u8]>, usize)>,
    regexes: Vec<(Regex, usize)>,
    any: Option<usize>,
    default: Option<usize>,
}

impl HostMap {
    /// Adds a whole name; false if it is taken.
    pub fn exact(&mut self, name: &str, site: usize) -> bool {
        let name = name.as_bytes().to_ascii_lowercase().into_boxed_slice();
        if self.exact.contains_key(&name) {
            return false;
        }
        self.exact.insert(name, site);
        true
    }

    /// Adds `*.name`.
    pub fn suffix(&mut self, name: &str, site: usize) {
        self.suffixes.push((
            name.as_bytes().to_ascii_lowercase().into_boxed_slice(),
            site,
        ));
        self.suffixes
            .sort_by_key(|(n, _)| std::cmp::Reverse(n.len()));
    }

    /// Adds `name.*`.
    pub fn prefix(&mut self, name: &str, site: usize) {
        self.prefixes.push((
            name.as_bytes().to_ascii_lowercase().into_boxed_slice(),
            site,
        ));
        self.prefixes
            .sort_by_key(|(n, _)| std::cmp::Reverse(n.len()));
    }

    /// Adds an expression.
    pub fn regex(&mut self, regex: Regex, site: usize) {
        self.regexes.push((regex, site));
    }

    /// A site for any name (YAML's `*`), the first one counts.
    pub fn any(&mut self, site: usize) {
        self.any.get_or_insert(site);
    }

    /// A site for unknown names (nginx's `default_server`).
    pub fn set_default(&mut self, site: Option<usize>) {
        self.default = site;
    }

    /// The site of a host in lower case without port; `None`: 421.
    pub fn find(&self, host: &[u8]) -> Option<usize> {
        if let Some(site) = self.exact.get(host) {
            return Some(*site);
        }
        let below = |name: &[u8]| {
            host.len() > name.len() + 1
                && host.ends_with(name)
                && host.get(host.len() - name.len() - 1) == Some(&b'.')
        };
        if let Some((_, site)) = self.suffixes.iter().find(|(n, _)| below(n)) {
            return Some(*site);
        }
        let above = |name: &[u8]| {
            host.len() > name.len() + 1
                && host.starts_with(name)
                && host.get(name.len()) == Some(&b'.')
        };
        if let Some((_, site)) = self.prefixes.iter().find(|(n, _)| above(n)) {
            return Some(*site);
        }
        if let Some((_, site)) = self.regexes.iter().find(|(r, _)| r.is_match(host)) {
            return Some(*site);
        }
        self.any.or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_longest_wildcard_then_regex_then_default() {
        let mut map = HostMap::default();
        assert!(map.exact("Shop.test", 0));
        assert!(!map.exact("shop.test", 9));
        map.suffix("test", 1);
        map.suffix("shop.test", 2);
        map.prefix("www.shop", 3);
        map.regex(Regex::new(r"^\d+$").unwrap(), 4);
        for (host, site) in [
            ("shop.test", Some(0)),
            ("a.test", Some(1)),
            ("a.shop.test", Some(2)),
            ("www.shop.example", Some(3)),
            ("123", Some(4)),
            ("test", None),
            ("xshop.example", None),
        ] {
            assert_eq!(map.find(host.as_bytes()), site, "{host}");
        }
        map.set_default(Some(5));
        assert_eq!(map.find(b"other"), Some(5));
        map.any(6);
        assert_eq!(map.find(b"other"), Some(6));
    }
}
