//! Directives that go with content: `try_files`, `error_page`, `alias`, `internal`, `expires`, `autoindex` and how files are
//! opened (ngx_http_core_module, ngx_http_try_files_module, ngx_http_headers_module, ngx_http_autoindex_module,
//! ngx_http_gzip_static_module).

use super::lex::Word;
use super::read::{Reader, is_on};
use super::scope::Scope;
use super::tree::{Directive, Item, directives};
use crate::expires;
use crate::model::{
    Alias, ContentPolicy, Encoding, ErrorPage, Expires, FilePolicy, FileRoot, Listing,
    ListingFormat, Matcher, ModifiedSince, OpenCache, PageStatus, PageTarget, Symlinks, Template,
    TryFiles, TryLast,
};
use std::time::Duration;

/// What holds at a level.
#[derive(Clone)]
pub(crate) struct ContentScope {
    policy: ContentPolicy,
    open_cache: Option<OpenCache>,
    open_cache_valid: Duration,
    open_cache_errors: bool,
    autoindex: bool,
    listing: Listing,
}

impl Default for ContentScope {
    /// nginx's defaults.
    fn default() -> Self {
        Self {
            policy: ContentPolicy {
                files: FilePolicy {
                    symlinks: Symlinks::Follow,
                    open_cache: None,
                    if_modified_since: ModifiedSince::Exact,
                    ranges_max: usize::MAX,
                    nopush: false,
                    ..FilePolicy::default()
                },
                ..ContentPolicy::default()
            },
            open_cache: None,
            open_cache_valid: Duration::from_secs(60),
            open_cache_errors: false,
            autoindex: false,
            listing: Listing {
                format: ListingFormat::Html,
                exact_size: true,
                local_time: false,
            },
        }
    }
}

impl ContentScope {
    /// The policy of a level.
    pub(crate) fn policy(&self) -> ContentPolicy {
        let mut policy = self.policy.clone();
        policy.files.open_cache = self.open_cache.map(|cache| OpenCache {
            valid: self.open_cache_valid,
            errors: self.open_cache_errors,
            ..cache
        });
        policy.files.listing = self.autoindex.then_some(self.listing);
        policy
    }

    /// Takes a directive in. `begun` says whether this level has an `error_page` already.
    pub(crate) fn apply(&mut self, reader: &mut Reader<'_>, d: &Directive, begun: &mut bool) {
        match d.name() {
            "internal" => self.policy.internal = true,
            "error_page" => {
                if !std::mem::replace(begun, true) {
                    self.policy.errors.clear();
                }
                error_page(reader, d, &mut self.policy.errors);
            }
            "proxy_intercept_errors" | "grpc_intercept_errors" => self.policy.intercept = is_on(d),
            "recursive_error_pages" => self.policy.recursive_errors = is_on(d),
            "absolute_redirect" => self.policy.locations.absolute = is_on(d),
            "port_in_redirect" => self.policy.locations.port = is_on(d),
            "server_name_in_redirect" => self.policy.locations.server_name = is_on(d),
            "expires" => {
                if let Some(expires) = read_expires(reader, d) {
                    self.policy.expires = expires;
                }
            }
            "autoindex" => self.autoindex = is_on(d),
            "autoindex_exact_size" => self.listing.exact_size = is_on(d),
            "autoindex_localtime" => self.listing.local_time = is_on(d),
            "autoindex_format" => self.autoindex_format(reader, d),
            _ => self.files(reader, d),
        }
    }

    fn autoindex_format(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(word) = d.args.first() else { return };
        match word.text.as_str() {
            "html" => self.listing.format = ListingFormat::Html,
            "json" => self.listing.format = ListingFormat::Json,
            "xml" | "jsonp" => reader.not_yet(word.at, "a listing in this format"),
            _ => reader.error(word.at, format!("invalid value \"{}\"", word.text)),
        }
    }

    fn files(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let Some(word) = d.args.first() else { return };
        let files = &mut self.policy.files;
        let invalid = |reader: &mut Reader<'_>| {
            reader.error(word.at, format!("invalid value \"{}\"", word.text));
        };
        match d.name() {
            "etag" => files.etag = is_on(d),
            "tcp_nopush" => files.nopush = is_on(d),
            "max_ranges" => {
                files.ranges_max = reader.number(d).map_or(usize::MAX, |n| n as usize);
            }
            "if_modified_since" => match word.text.as_str() {
                "off" => files.if_modified_since = ModifiedSince::Off,
                "exact" => files.if_modified_since = ModifiedSince::Exact,
                "before" => files.if_modified_since = ModifiedSince::Before,
                _ => invalid(reader),
            },
            "gzip_static" => {
                let on = matches!(word.text.as_str(), "on" | "always");
                if !on && word.text != "off" {
                    return invalid(reader);
                }
                files.precompressed = if on { vec![Encoding::Gzip] } else { Vec::new() };
                files.precompressed_always = word.text == "always";
            }
            "disable_symlinks" => {
                files.symlinks = match word.text.as_str() {
                    "off" => Symlinks::Follow,
                    "on" => Symlinks::Off,
                    "if_not_owner" => Symlinks::Owner,
                    _ => return reader.invalid_parameter(word),
                };
                if let Some(from) = d.args.get(1) {
                    reader.not_yet(from.at, "a part of the path that is not looked at");
                }
            }
            "open_file_cache" => self.open_file_cache(reader, d),
            "open_file_cache_valid" => {
                if let Some(valid) = reader.duration(d) {
                    self.open_cache_valid = valid;
                }
            }
            "open_file_cache_errors" => self.open_cache_errors = is_on(d),
            _ => {}
        }
    }

    fn open_file_cache(&mut self, reader: &mut Reader<'_>, d: &Directive) {
        let mut max = None;
        for word in &d.args {
            if word.text == "off" {
                self.open_cache = None;
                return;
            } else if let Some(number) = word.text.strip_prefix("max=") {
                max = reader.number_word(word, number);
            } else if let Some(time) = word.text.strip_prefix("inactive=") {
                // What is not asked for is the first to go anyway.
                reader.duration_word(word, time);
            } else {
                reader.invalid_parameter(word);
            }
        }
        match max {
            Some(max) if max > 0 => {
                self.open_cache = Some(OpenCache {
                    max: max as usize,
                    ..OpenCache::default()
                });
            }
            _ => reader.error(
                d.at(),
                "\"open_file_cache\" must have the \"max\" parameter",
            ),
        }
    }
}

/// `error_page code ... [=[response]] uri`.
fn error_page(reader: &mut Reader<'_>, d: &Directive, pages: &mut Vec<ErrorPage>) {
    let Some((to, before)) = d.args.split_last() else {
        return;
    };
    let (status, codes) = match before.split_last() {
        Some((word, codes)) if word.text.starts_with('=') => {
            let Some(status) = page_status(reader, word) else {
                return;
            };
            (status, codes)
        }
        _ => (PageStatus::Original, before),
    };
    if codes.is_empty() {
        return reader.error(to.at, format!("invalid value \"{}\"", to.text));
    }
    let target = reader.template(to);
    for word in codes {
        let Some(code) = reader.number_word(word, &word.text) else {
            continue;
        };
        if !(300..=599).contains(&code) || code == 499 {
            let message = format!("value \"{}\" must be between 300 and 599", word.text);
            reader.error(word.at, message);
            continue;
        }
        pages.push(ErrorPage {
            at: d.at(),
            statuses: (code as u16, code as u16),
            status,
            to: PageTarget::To(target.clone()),
        });
    }
}

fn page_status(reader: &mut Reader<'_>, word: &Word) -> Option<PageStatus> {
    match word.text.get(1..).unwrap_or_default() {
        "" => Some(PageStatus::OfPage),
        text => match text.parse::<u16>().ok().filter(|s| (100..1000).contains(s)) {
            Some(status) => Some(PageStatus::Fixed(status)),
            None => {
                reader.error(word.at, format!("invalid value \"{}\"", word.text));
                None
            }
        },
    }
}

/// `expires [modified] time`, `epoch`, `max`, `off` or a variable.
fn read_expires(reader: &mut Reader<'_>, d: &Directive) -> Option<Option<Expires>> {
    let (word, text) = match d.args.as_slice() {
        [word] => (word, word.text.clone()),
        [first, word] if first.text == "modified" => (word, format!("modified {}", word.text)),
        [first, ..] => {
            reader.invalid_parameter(first);
            return None;
        }
        [] => return None,
    };
    if text == "off" {
        return Some(None);
    }
    if text.contains('$') {
        return Some(Some(Expires::Template(reader.template_text(word, &text))));
    }
    match expires::parse(&text, true) {
        Some(expires) => Some(Some(expires)),
        None => {
            reader.error(word.at, "invalid value");
            None
        }
    }
}

/// The root of a location with `alias`: what it stands for depends on what the location takes.
pub(crate) fn alias(
    reader: &mut Reader<'_>,
    items: &[Item],
    matcher: &Matcher,
) -> Option<FileRoot> {
    let d = directives(items).find(|d| d.name() == "alias")?;
    if let Some(root) = directives(items).find(|d| d.name() == "root") {
        reader.error(
            root.at(),
            "\"root\" directive is duplicate, \"alias\" directive was specified earlier",
        );
    }
    let word = d.args.first()?;
    let alias = match matcher {
        Matcher::Exact(path) | Matcher::Segments(path) | Matcher::Prefix { path, .. } => {
            Alias::Prefix(path.clone())
        }
        Matcher::Regex(_) => Alias::Whole,
        Matcher::Named(_) => {
            let message = "the \"alias\" directive cannot be used inside the named location";
            reader.error(d.at(), message);
            return None;
        }
    };
    let text = if word.text.starts_with(['/', '$']) {
        word.text.clone()
    } else {
        reader.path(&word.text).to_string_lossy().into_owned()
    };
    Some(FileRoot {
        path: reader.template_text(word, &text),
        alias: Some(alias),
    })
}

/// `try_files file ... uri` and `try_files file ... =code` of a level; levels within do not inherit it.
pub(crate) fn try_files(
    reader: &mut Reader<'_>,
    items: &[Item],
    scope: &Scope,
) -> Option<TryFiles> {
    let d = directives(items).find(|d| d.name() == "try_files")?;
    let (last, files) = d.args.split_last()?;
    let last = match last.text.strip_prefix('=') {
        Some(code) => match code.parse().ok().filter(|s| (1..1000).contains(s)) {
            Some(status) => TryLast::Status(status),
            None => {
                reader.error(last.at, format!("invalid code \"{}\"", last.text));
                return None;
            }
        },
        None => TryLast::To(reader.template(last)),
    };
    let candidates: Vec<Template> = files.iter().map(|w| reader.template(w)).collect();
    Some(TryFiles {
        root: scope.root.clone(),
        candidates,
        last,
    })
}
