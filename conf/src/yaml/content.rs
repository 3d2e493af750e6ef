//! What goes with content on a route, a site and in `defaults`: error pages, files, listings, expiry.

use super::read::{Fields, Reader, Shape};
use super::tree::{Key, Node, Value};
use crate::expires;
use crate::model::{
    ContentPolicy, Encoding, ErrorPage, Expires, FilePolicy, FileRoot, Listing, ListingFormat,
    ModifiedSince, OpenCache, PageStatus, PageTarget, Symlinks, Template, TryFiles, TryLast,
};

pub(super) const ERROR_PAGE: Shape = Shape {
    what: "an error page",
    fields: &["file", "to", "status"],
    not_yet: &[],
};
pub(super) const OPEN_CACHE: Shape = Shape {
    what: "`open_cache`",
    fields: &["max", "valid", "errors"],
    not_yet: &[],
};
pub(super) const LISTING: Shape = Shape {
    what: "`listing`",
    fields: &["format", "exact_size", "local_time"],
    not_yet: &[],
};

/// Entries of an open cache at most: each may hold a descriptor.
const OPEN_CACHE_MAX: u64 = 1 << 20;
/// Ranges of one request at most, whatever is configured.
const RANGES_MAX: u64 = 1000;

/// What one level says.
#[derive(Clone, Default)]
pub(crate) struct ContentLayer {
    errors: Vec<ErrorEntry>,
    intercept: Option<bool>,
    recursive: Option<bool>,
    expires: Option<Option<Expires>>,
    symlinks: Option<Symlinks>,
    open_cache: Option<Option<OpenCache>>,
    etag: Option<bool>,
    precompressed: Option<Vec<Encoding>>,
    listing: Option<Option<Listing>>,
    ranges_max: Option<usize>,
}

/// A page by what it was written for; `None` takes back what an outer level says.
#[derive(Clone)]
struct ErrorEntry {
    statuses: (u16, u16),
    page: Option<ErrorPage>,
}

impl ContentLayer {
    /// This level with what it leaves open taken from the one around it.
    pub(crate) fn over(mut self, outer: &ContentLayer) -> ContentLayer {
        for entry in &outer.errors {
            if !self.errors.iter().any(|e| e.statuses == entry.statuses) {
                self.errors.push(entry.clone());
            }
        }
        ContentLayer {
            errors: self.errors,
            intercept: self.intercept.or(outer.intercept),
            recursive: self.recursive.or(outer.recursive),
            expires: self.expires.or_else(|| outer.expires.clone()),
            symlinks: self.symlinks.or(outer.symlinks),
            open_cache: self.open_cache.or(outer.open_cache),
            etag: self.etag.or(outer.etag),
            precompressed: self.precompressed.or_else(|| outer.precompressed.clone()),
            listing: self.listing.or(outer.listing),
            ranges_max: self.ranges_max.or(outer.ranges_max),
        }
    }

    /// The policy of a route on which nothing further is said.
    pub(crate) fn policy(&self) -> ContentPolicy {
        let built_in = FilePolicy::default();
        let mut errors: Vec<ErrorPage> =
            self.errors.iter().filter_map(|e| e.page.clone()).collect();
        // A code before its class.
        errors.sort_by_key(|page| page.statuses.1 - page.statuses.0);
        ContentPolicy {
            errors,
            intercept: self.intercept.unwrap_or(false),
            recursive_errors: self.recursive.unwrap_or(false),
            expires: self.expires.clone().flatten(),
            files: FilePolicy {
                symlinks: self.symlinks.unwrap_or(built_in.symlinks),
                open_cache: self.open_cache.unwrap_or(built_in.open_cache),
                etag: self.etag.unwrap_or(true),
                if_modified_since: ModifiedSince::Before,
                precompressed: self.precompressed.clone().unwrap_or_default(),
                precompressed_always: false,
                ranges_max: self.ranges_max.unwrap_or(built_in.ranges_max),
                listing: self.listing.flatten(),
                nopush: built_in.nopush,
            },
            ..ContentPolicy::default()
        }
    }
}

/// Reads what a level says of its content.
pub(crate) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> ContentLayer {
    let mut layer = ContentLayer::default();
    if let Some(node) = fields.get("errors") {
        errors(reader, node, &mut layer);
    }
    if let Some(node) = fields.get("expires") {
        layer.expires = read_expires(reader, node);
    }
    if let Some(node) = fields.get("symlinks") {
        let words = [
            ("follow", Symlinks::Follow),
            ("beneath", Symlinks::Beneath),
            ("owner", Symlinks::Owner),
            ("off", Symlinks::Off),
            ("false", Symlinks::Off),
        ];
        layer.symlinks = reader.choice(node, &words, &[]);
    }
    if let Some(node) = fields.get("open_cache") {
        layer.open_cache = open_cache(reader, node);
    }
    layer.etag = fields.get("etag").and_then(|n| reader.boolean(n));
    if let Some(node) = fields.get("precompressed") {
        layer.precompressed = Some(precompressed(reader, node));
    }
    if let Some(node) = fields.get("listing") {
        layer.listing = listing(reader, node);
    }
    if let Some(node) = fields.get("ranges_max") {
        layer.ranges_max = if node.is_off() {
            Some(0)
        } else {
            reader.integer(node, 0, RANGES_MAX).map(|n| n as usize)
        };
    }
    layer
}

/// `errors: { "404": pages/404.html, 5xx: { to: /sorry }, intercept: true }`.
fn errors(reader: &mut Reader<'_>, node: &Node, layer: &mut ContentLayer) {
    for (key, node) in reader.entries(node, "`errors`") {
        match key.name.as_str() {
            "intercept" => layer.intercept = reader.boolean(node),
            "recursive" => layer.recursive = reader.boolean(node),
            _ => {
                let Some(statuses) = statuses(reader, key) else {
                    continue;
                };
                let page = if node.is_off() {
                    None
                } else {
                    match error_page(reader, key, node, statuses) {
                        Some(page) => Some(page),
                        None => continue,
                    }
                };
                layer.errors.push(ErrorEntry { statuses, page });
            }
        }
    }
}

/// A code, or a class such as `5xx`.
fn statuses(reader: &mut Reader<'_>, key: &Key) -> Option<(u16, u16)> {
    let text = key.name.as_str();
    let found = match text.strip_suffix("xx") {
        Some("4") => Some((400, 499)),
        Some("5") => Some((500, 599)),
        Some(_) => None,
        None => text
            .parse::<u16>()
            .ok()
            .filter(|s| (400..600).contains(s))
            .map(|s| (s, s)),
    };
    if found.is_none() {
        reader.invalid(
            key.at,
            format!("`{text}` is no status of an error"),
            "write a code from 400 to 599, 4xx or 5xx",
        );
    }
    found
}

fn error_page(
    reader: &mut Reader<'_>,
    key: &Key,
    node: &Node,
    statuses: (u16, u16),
) -> Option<ErrorPage> {
    let mut page = ErrorPage {
        at: node.at,
        statuses,
        status: PageStatus::Original,
        to: PageTarget::To(Template::default()),
    };
    if let Value::Scalar { .. } = node.value {
        let text = reader.string(node)?;
        page.to = if text.starts_with('@') || text.contains("://") {
            PageTarget::To(reader.template(node)?)
        } else {
            PageTarget::File(reader.path(node)?)
        };
        return Some(page);
    }
    let fields = reader.open(node, &ERROR_PAGE)?;
    if let Some(node) = fields.get("status") {
        page.status = match reader.string(node)? {
            "original" => PageStatus::Original,
            "page" => PageStatus::OfPage,
            _ => PageStatus::Fixed(reader.integer(node, 200, 599)? as u16),
        };
    }
    match (fields.get("file"), fields.get("to")) {
        (Some(file), None) => page.to = PageTarget::File(reader.path(file)?),
        (None, Some(to)) => {
            let text = reader.string(to)?;
            if !text.starts_with(['/', '@', '$']) && !text.contains("://") {
                reader.invalid(
                    to.at,
                    format!("`{text}` leads nowhere"),
                    "write a path, a route's name with its @, or a location with its scheme; a file is `file:`",
                );
                return None;
            }
            page.to = PageTarget::To(reader.template(to)?);
        }
        (Some(_), Some(to)) => {
            reader.invalid(to.at, "`file` and `to` exclude each other", "leave one out");
            return None;
        }
        (None, None) => {
            reader.missing(key.at, "an error page", "file");
            return None;
        }
    }
    Some(page)
}

/// `30d`, `-1`, `epoch`, `max`, `modified 1h`, `@13h30m` or a variable.
fn read_expires(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Expires>> {
    if node.is_off() {
        return Some(None);
    }
    let text = reader.string(node)?;
    if text.contains('$') {
        return reader.template(node).map(|t| Some(Expires::Template(t)));
    }
    let parsed = expires::parse(text, false);
    if parsed.is_none() {
        reader.invalid(
            node.at,
            format!("`{text}` is no time of expiry"),
            "write a duration (30d), -1, epoch, max, \"modified 1h\" or a time of day (@13h30m)",
        );
    }
    parsed.map(Some)
}

fn open_cache(reader: &mut Reader<'_>, node: &Node) -> Option<Option<OpenCache>> {
    if node.is_off() {
        return Some(None);
    }
    let mut cache = OpenCache::default();
    let fields = reader.open(node, &OPEN_CACHE)?;
    if let Some(node) = fields.get("max") {
        cache.max = reader.integer(node, 1, OPEN_CACHE_MAX)? as usize;
    }
    if let Some(node) = fields.get("valid") {
        cache.valid = reader.duration(node)?;
    }
    if let Some(node) = fields.get("errors") {
        cache.errors = reader.boolean(node)?;
    }
    Some(Some(cache))
}

fn precompressed(reader: &mut Reader<'_>, node: &Node) -> Vec<Encoding> {
    if node.is_off() {
        return Vec::new();
    }
    let words = [
        ("br", Encoding::Brotli),
        ("zstd", Encoding::Zstd),
        ("gzip", Encoding::Gzip),
    ];
    let mut all: Vec<Encoding> = Vec::new();
    for node in reader.list(node) {
        match reader.choice(node, &words, &[]) {
            Some(encoding) if all.contains(&encoding) => {
                reader.invalid(node.at, "written twice", "leave it out");
            }
            found => all.extend(found),
        }
    }
    all
}

fn listing(reader: &mut Reader<'_>, node: &Node) -> Option<Option<Listing>> {
    if node.is_off() {
        return Some(None);
    }
    let formats = [
        ("true", ListingFormat::Negotiated),
        ("on", ListingFormat::Negotiated),
        ("html", ListingFormat::Html),
        ("json", ListingFormat::Json),
    ];
    let mut listing = Listing {
        format: ListingFormat::Negotiated,
        exact_size: true,
        local_time: false,
    };
    if let Value::Scalar { .. } = node.value {
        listing.format = reader.choice(node, &formats, &[])?;
        return Some(Some(listing));
    }
    let fields = reader.open(node, &LISTING)?;
    if let Some(node) = fields.get("format") {
        listing.format = reader.choice(node, &formats, &[])?;
    }
    if let Some(node) = fields.get("exact_size") {
        listing.exact_size = reader.boolean(node)?;
    }
    if let Some(node) = fields.get("local_time") {
        listing.local_time = reader.boolean(node)?;
    }
    Some(Some(listing))
}

/// `try: [$uri, $uri/, /index.html]`. The last leads on if it is `=404`, `@name` or a path; otherwise 404 does.
pub(crate) fn tries(reader: &mut Reader<'_>, node: &Node, root: &FileRoot) -> Option<TryFiles> {
    let nodes = reader.list(node);
    let mut candidates = Vec::new();
    let mut last = TryLast::Status(404);
    for (i, node) in nodes.iter().enumerate() {
        let text = reader.string(node)?;
        let is_last = i + 1 == nodes.len();
        if let Some(code) = text.strip_prefix('=') {
            let status = code.parse().ok().filter(|s| (200..600).contains(s));
            let (Some(status), true) = (status, is_last) else {
                reader.invalid(
                    node.at,
                    format!("`{text}` does not end the list"),
                    "a status such as =404 comes last",
                );
                return None;
            };
            last = TryLast::Status(status);
        } else if is_last && text.starts_with(['/', '@']) {
            last = TryLast::To(reader.template(node)?);
        } else if text.starts_with('@') {
            reader.invalid(
                node.at,
                format!("`{text}` does not end the list"),
                "the name of a route comes last",
            );
            return None;
        } else {
            candidates.push(reader.template(node)?);
        }
    }
    Some(TryFiles {
        root: root.clone(),
        candidates,
        last,
    })
}
