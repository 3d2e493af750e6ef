//! What goes with content: files tried, error pages, internal routes, expiry, how files are found and cached.

use super::Template;
use seawall_diag::Span;
use std::{path::PathBuf, time::Duration};

/// Policy of a route that concerns its content.
#[derive(Clone, Debug, Default)]
pub struct ContentPolicy {
    /// What `$document_root` and `$request_filename` speak of, whatever answers (nginx: `root`, `alias`). `None`: where
    /// the content's own files lie.
    pub root: Option<FileRoot>,
    /// Files looked for before the content answers (nginx: `try_files`).
    pub tries: Option<TryFiles>,
    /// Pages for errors, in the order in which they are looked through.
    pub errors: Vec<ErrorPage>,
    /// Whether error pages stand in for what an origin sends, too (nginx: `proxy_intercept_errors`).
    pub intercept: bool,
    /// Whether an error page may lead to another one (nginx: `recursive_error_pages`).
    pub recursive_errors: bool,
    /// Whether only internal redirects come here (nginx: `internal`).
    pub internal: bool,
    /// `Expires` and `Cache-Control: max-age` (nginx: `expires`).
    pub expires: Option<Expires>,
    /// How locations made here are completed.
    pub locations: LocationStyle,
    /// Whether `Server` and the pages of errors say our version (nginx: `server_tokens`).
    pub version_shown: bool,
    /// How files are found, opened and sent.
    pub files: FilePolicy,
}

/// Files looked for in order; the first that is there becomes the path.
#[derive(Clone, Debug)]
pub struct TryFiles {
    /// Where they lie.
    pub root: FileRoot,
    /// Paths below it; one that ends in a slash is a directory.
    pub candidates: Vec<Template>,
    /// What then.
    pub last: TryLast,
}

/// What answers where no file is found.
#[derive(Clone, Debug)]
pub enum TryLast {
    /// A status.
    Status(u16),
    /// A path, with its query, for which a route is looked for again; or the name of a route, with its `@`.
    To(Template),
}

/// Where files lie.
#[derive(Clone, Debug)]
pub struct FileRoot {
    /// Directory (or, with `alias`, what stands in place of the prefix), absolute once rendered.
    pub path: Template,
    /// `None`: the path is appended. Else nginx's `alias`.
    pub alias: Option<Alias>,
}

/// What of the path an `alias` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alias {
    /// This prefix; the rest is appended.
    Prefix(String),
    /// All of it: the location is a regular expression.
    Whole,
}

/// Pages for one or more statuses.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// Where it was written.
    pub at: Span,
    /// From this status to this one, both included.
    pub statuses: (u16, u16),
    /// The status that is sent.
    pub status: PageStatus,
    /// What is sent.
    pub to: PageTarget,
}

/// The status of an error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStatus {
    /// The error's own.
    Original,
    /// This one (nginx: `=200`).
    Fixed(u16),
    /// Whatever the page is answered with (nginx: `=`).
    OfPage,
}

/// Where an error page comes from.
#[derive(Clone, Debug)]
pub enum PageTarget {
    /// A file, read with the configuration and kept in memory.
    File(PathBuf),
    /// A path, a route's name with its `@`, or a location for a redirect.
    To(Template),
}

/// `expires` (ngx_http_headers_module).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expires {
    /// So many seconds from now; below zero is `no-cache`.
    After(i64),
    /// So many seconds after the file's modification.
    Modified(i64),
    /// At this second of the (UTC) day.
    Daily(u32),
    /// 1970, and `no-cache`.
    Epoch,
    /// 2037, and ten years.
    Max,
    /// One of the above, or `off`, as a variable says.
    Template(Template),
}

/// How a location that is a path is completed (ngx_http_core_module).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocationStyle {
    /// With scheme and host (nginx: `absolute_redirect`).
    pub absolute: bool,
    /// With the port (nginx: `port_in_redirect`).
    pub port: bool,
    /// With the site's primary name in place of the client's (nginx: `server_name_in_redirect`).
    pub server_name: bool,
}

impl Default for LocationStyle {
    fn default() -> Self {
        Self {
            absolute: true,
            port: true,
            server_name: false,
        }
    }
}

/// How files are found, opened and sent.
#[derive(Clone, Debug)]
pub struct FilePolicy {
    /// What symbolic links may do.
    pub symlinks: Symlinks,
    /// Descriptors, facts and small contents kept by each thread.
    pub open_cache: Option<OpenCache>,
    /// Whether `ETag` is sent.
    pub etag: bool,
    /// When a file is unchanged since `If-Modified-Since`.
    pub if_modified_since: ModifiedSince,
    /// Encoded siblings that are sent where the client takes them, best first.
    pub precompressed: Vec<Encoding>,
    /// Whether they are sent whatever the client takes (nginx: `gzip_static always`).
    pub precompressed_always: bool,
    /// Ranges of one request that are answered; more get the whole file (default 16; nginx: any number).
    pub ranges_max: usize,
    /// Directory listings.
    pub listing: Option<Listing>,
    /// Whether a response's head waits for the file's first bytes to fill a packet (nginx: `tcp_nopush`, off): the fewest
    /// packets, against the earliest first byte.
    pub nopush: bool,
}

impl Default for FilePolicy {
    fn default() -> Self {
        Self {
            symlinks: Symlinks::Beneath,
            open_cache: Some(OpenCache::default()),
            etag: true,
            if_modified_since: ModifiedSince::Before,
            precompressed: Vec::new(),
            precompressed_always: false,
            ranges_max: 16,
            listing: None,
            nopush: true,
        }
    }
}

/// What symbolic links below a root may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// Lead anywhere (nginx's default).
    Follow,
    /// Lead to what lies below the root (YAML's default).
    Beneath,
    /// Lead to what belongs to the link's own owner (nginx: `disable_symlinks if_not_owner`).
    Owner,
    /// Nothing: a path with one is refused (nginx: `disable_symlinks on`).
    Off,
}

/// What each thread keeps of files it has opened (nginx: `open_file_cache`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCache {
    /// Entries at most (default 1,024).
    pub max: usize,
    /// How long an entry is believed (default 1 s; nginx 60 s).
    pub valid: Duration,
    /// Whether the absence of files is remembered too (YAML: yes; nginx: `open_file_cache_errors`, off).
    pub errors: bool,
}

impl Default for OpenCache {
    fn default() -> Self {
        Self {
            max: 1024,
            valid: Duration::from_secs(1),
            errors: true,
        }
    }
}

/// When a file is unchanged (nginx: `if_modified_since`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModifiedSince {
    /// The field is ignored.
    Off,
    /// The dates are equal (nginx's default).
    Exact,
    /// The file is not newer (RFC 9110 §13.1.3).
    Before,
}

/// A content coding of a precompressed sibling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `.br`
    Brotli,
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
}

/// Directory listings (ngx_http_autoindex_module).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// As which they are sent.
    pub format: ListingFormat,
    /// Sizes in bytes, or rounded to `K`, `M` and `G`.
    pub exact_size: bool,
    /// Times in the machine's time zone, or in UTC.
    pub local_time: bool,
}

/// The form of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingFormat {
    /// HTML, or JSON where the client prefers it.
    Negotiated,
    /// HTML.
    Html,
    /// JSON.
    Json,
}

/// A file of redirects: `FROM TO [STATUS]` a line, exact paths, `#` begins a comment.
#[derive(Clone, Debug)]
pub struct RedirectMap {
    /// Where it was written.
    pub at: Span,
    /// The file, absolute.
    pub path: PathBuf,
    /// The status of lines that name none.
    pub status: u16,
}

/// Bytes that are sent as they are.
#[derive(Clone, Debug)]
pub enum FixedBytes {
    /// A file, read with the configuration and kept in memory.
    File(PathBuf, Span),
    /// A transparent pixel (nginx: `empty_gif`).
    EmptyGif,
}
