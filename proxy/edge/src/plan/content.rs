//! What goes with content, compiled: files tried, error pages, expiry, how files are found.

use super::Environment;
use crate::template::{Scope, Template, UserVariables};
use seawall_conf::model::{
    self, Alias, ContentPolicy, FilePolicy, FixedBytes, LocationStyle, PageStatus, PageTarget,
};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use seawall_sys::beneath::Links;
use std::{os::unix::ffi::OsStrExt, path::Path, sync::Arc};

/// A file that is kept in memory with the plan has so many bytes at most.
const KEPT_FILE_BYTES_MAX: usize = 4 << 20;

/// The transparent pixel (GIF89a, one by one).
const EMPTY_GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x01\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02L\x01\x00;";

/// What goes with a route's content, and with a site's errors.
pub struct ContentRules {
    /// Where files lie, for the variables that say so.
    pub root: Option<Arc<RootPlan>>,
    /// Files looked for before the content answers.
    pub tries: Option<TryPlan>,
    /// Pages for errors.
    pub errors: ErrorPages,
    /// Whether they stand in for what an origin sends, too.
    pub intercept: bool,
    /// Whether only internal redirects come here.
    pub internal: bool,
    /// `Expires` and `Cache-Control`.
    pub expires: Option<ExpiresPlan>,
    /// How locations made here are completed.
    pub locations: LocationStyle,
    /// Whether our version is said.
    pub version_shown: bool,
    /// How files are found, opened and sent.
    pub files: FilePolicy,
    /// The same for the system's calls.
    pub links: Links,
}

/// Files looked for in order.
pub struct TryPlan {
    /// Where they lie.
    pub root: RootPlan,
    /// Paths below it, and whether a directory is looked for.
    pub candidates: Vec<(Template, bool)>,
    /// What then.
    pub last: TryLast,
}

/// What answers where no file is found.
pub enum TryLast {
    /// A status.
    Status(u16),
    /// A path, or a route's name with its `@`.
    To(Template),
}

/// Where files lie.
pub struct RootPlan {
    path: Template,
    /// What of the path stands in its place.
    pub alias: Option<Alias>,
    /// Bytes of the path that no request has a say in, where an expression's captures make the rest of it.
    fixed: Option<usize>,
}

/// `expires`.
pub enum ExpiresPlan {
    /// Known.
    Known(model::Expires),
    /// As a variable says.
    Template(Template),
}

/// Pages for errors.
#[derive(Default)]
pub struct ErrorPages {
    pages: Vec<PagePlan>,
    /// Whether a page may lead to another one.
    pub recursive: bool,
}

/// A page.
pub struct PagePlan {
    statuses: (u16, u16),
    /// The status that is sent.
    pub status: PageStatus,
    /// What is sent.
    pub to: PageTo,
}

/// Where a page comes from.
pub enum PageTo {
    /// Memory.
    Kept {
        /// Its bytes.
        body: Arc<[u8]>,
        /// Its type.
        content_type: Box<[u8]>,
    },
    /// A path, a route's name with its `@`, or a location.
    To(Template),
}

impl ErrorPages {
    /// The page of a status.
    pub fn find(&self, status: u16) -> Option<&PagePlan> {
        self.pages
            .iter()
            .find(|p| (p.statuses.0..=p.statuses.1).contains(&status))
    }
}

impl RootPlan {
    /// Compiles where files lie.
    pub fn compile(root: &model::FileRoot, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        let fixed = match (&root.alias, root.path.parts.first()) {
            (Some(Alias::Whole), Some(model::Part::Literal(text))) => {
                Some(text.rfind('/').map_or(0, |at| at + 1))
            }
            (Some(Alias::Whole), _) => Some(0),
            _ => None,
        };
        Self {
            path: path_template(&root.path, user, errors),
            alias: root.alias.clone(),
            fixed,
        }
    }

    /// A directory to which the path is appended.
    pub fn directory(
        path: &model::Template,
        user: &UserVariables,
        errors: &mut Diagnostics,
    ) -> Self {
        Self {
            path: path_template(path, user, errors),
            alias: None,
            fixed: None,
        }
    }

    /// Appends the root as it was written, or what `alias` says.
    pub fn push_whole(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        self.path.render(scope, out);
    }

    /// Appends the root alone; gives how many bytes of it are the root that nothing may leave.
    pub fn push(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> usize {
        let before = out.len();
        self.path.render(scope, out);
        let length = out.len() - before;
        self.fixed.map_or(length, |fixed| fixed.min(length))
    }

    /// Appends the file of a path; gives the length of the root that nothing may leave.
    pub fn push_file(&self, scope: &Scope<'_>, uri: &[u8], out: &mut Vec<u8>) -> usize {
        let root = self.push(scope, out);
        match &self.alias {
            None => out.extend_from_slice(uri),
            Some(Alias::Prefix(prefix)) => {
                out.extend_from_slice(uri.get(prefix.len()..).unwrap_or_default());
            }
            Some(Alias::Whole) => {}
        }
        root
    }
}

/// A root that is made of where files lie would be made of itself.
fn path_template(
    path: &model::Template,
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> Template {
    let compiled = Template::compile(path, user, errors);
    if compiled.names_files() {
        let at = path.parts.iter().find_map(|p| match p {
            model::Part::Variable { at, .. } => Some(*at),
            model::Part::Literal(_) => None,
        });
        let message =
            "a root cannot be made of $document_root, $realpath_root or $request_filename";
        errors.error("root-of-itself", at.unwrap_or_default(), message);
    }
    compiled
}

/// What compiling needs.
pub struct Context<'a> {
    /// Reads files.
    pub env: &'a Environment<'a>,
    /// Variables.
    pub user: &'a UserVariables,
    /// Content types by extension.
    pub types: &'a [(String, String)],
    /// The type where no extension tells.
    pub default_type: &'a str,
}

impl Context<'_> {
    /// What the variables about files speak of: the root that was said, else that of the content.
    fn root(
        &self,
        policy: &ContentPolicy,
        content: Option<&model::Content>,
        errors: &mut Diagnostics,
    ) -> Option<RootPlan> {
        let written = policy.root.as_ref().or(match content {
            Some(model::Content::Static { root, .. }) => Some(root),
            _ => policy.tries.as_ref().map(|tries| &tries.root),
        });
        Some(match (written, content) {
            (Some(root), _) => RootPlan::compile(root, self.user, errors),
            (None, Some(model::Content::Proxy(proxy))) => {
                let found = proxy.fastcgi.as_ref()?.find.as_ref()?;
                RootPlan::directory(&found.root, self.user, errors)
            }
            _ => return None,
        })
    }

    /// Compiles what goes with content.
    pub fn rules(
        &self,
        policy: &ContentPolicy,
        content: Option<&model::Content>,
        errors: &mut Diagnostics,
    ) -> ContentRules {
        ContentRules {
            root: self.root(policy, content, errors).map(Arc::new),
            tries: policy.tries.as_ref().map(|t| self.tries(t, errors)),
            errors: ErrorPages {
                pages: policy
                    .errors
                    .iter()
                    .filter_map(|page| self.page(page, errors))
                    .collect(),
                recursive: policy.recursive_errors,
            },
            intercept: policy.intercept,
            internal: policy.internal,
            expires: policy.expires.as_ref().map(|e| match e {
                model::Expires::Template(t) => {
                    ExpiresPlan::Template(Template::compile(t, self.user, errors))
                }
                known => ExpiresPlan::Known(known.clone()),
            }),
            locations: policy.locations,
            version_shown: policy.version_shown,
            files: policy.files.clone(),
            links: match policy.files.symlinks {
                model::Symlinks::Follow => Links::Follow,
                model::Symlinks::Beneath => Links::Beneath,
                model::Symlinks::Owner => Links::Owner,
                model::Symlinks::Off => Links::Off,
            },
        }
    }

    fn tries(&self, tries: &model::TryFiles, errors: &mut Diagnostics) -> TryPlan {
        let mut candidates = Vec::new();
        for candidate in &tries.candidates {
            let mut candidate = candidate.clone();
            // The slash says what is looked for, and is no part of the name.
            let directory = match candidate.parts.last_mut() {
                Some(model::Part::Literal(text)) if text.ends_with('/') => {
                    text.pop();
                    true
                }
                _ => false,
            };
            candidates.push((Template::compile(&candidate, self.user, errors), directory));
        }
        TryPlan {
            root: RootPlan::compile(&tries.root, self.user, errors),
            candidates,
            last: match &tries.last {
                model::TryLast::Status(status) => TryLast::Status(*status),
                model::TryLast::To(to) => TryLast::To(Template::compile(to, self.user, errors)),
            },
        }
    }

    fn page(&self, page: &model::ErrorPage, errors: &mut Diagnostics) -> Option<PagePlan> {
        let to = match &page.to {
            PageTarget::File(path) => PageTo::Kept {
                body: self.kept(path, page.at, errors)?.into(),
                content_type: self.type_of(path).into(),
            },
            PageTarget::To(to) => PageTo::To(Template::compile(to, self.user, errors)),
        };
        Some(PagePlan {
            statuses: page.statuses,
            status: page.status,
            to,
        })
    }

    /// The bytes of content that is kept with the plan, and their type.
    pub fn bytes(
        &self,
        bytes: &FixedBytes,
        content_type: Option<&str>,
        errors: &mut Diagnostics,
    ) -> (Vec<u8>, Vec<u8>) {
        match bytes {
            FixedBytes::EmptyGif => (EMPTY_GIF.to_vec(), b"image/gif".to_vec()),
            FixedBytes::File(path, at) => {
                let kind = content_type.map_or_else(|| self.type_of(path), |t| t.into());
                (self.kept(path, *at, errors).unwrap_or_default(), kind)
            }
        }
    }

    fn kept(&self, path: &Path, at: Span, errors: &mut Diagnostics) -> Option<Vec<u8>> {
        let shown = path.display();
        match (self.env.read)(path) {
            Ok(bytes) if bytes.len() <= KEPT_FILE_BYTES_MAX => Some(bytes),
            Ok(bytes) => {
                let size = bytes.len();
                let message = format!(
                    "\"{shown}\" has {size} bytes, and {KEPT_FILE_BYTES_MAX} are kept in memory"
                );
                errors.push(
                    Diagnostic::error("file-too-large", at, message)
                        .help("serve it from a `root`, and lead to it with `to:`"),
                );
                None
            }
            Err(e) => {
                let message = format!("open() \"{shown}\" failed ({e})");
                errors.push(Diagnostic::error("file-open", at, message));
                None
            }
        }
    }

    fn type_of(&self, path: &Path) -> Vec<u8> {
        let extension = path
            .extension()
            .map(|e| e.as_bytes().to_ascii_lowercase())
            .unwrap_or_default();
        let known = self
            .types
            .iter()
            .find(|(e, _)| e.as_bytes() == extension.as_slice());
        known
            .map_or(self.default_type, |(_, t)| t.as_str())
            .as_bytes()
            .to_vec()
    }
}

/// Files that are read with the plan: a change of them is a change of the configuration.
pub fn kept_files(config: &model::Config) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let pages = |policy: &ContentPolicy, files: &mut Vec<std::path::PathBuf>| {
        files.extend(policy.errors.iter().filter_map(|page| match &page.to {
            PageTarget::File(path) => Some(path.clone()),
            PageTarget::To(_) => None,
        }));
    };
    for site in &config.sites {
        pages(&site.content, &mut files);
        files.extend(site.redirects.iter().map(|map| map.path.clone()));
        for route in site.routes.iter().chain(site.fallback.as_deref()) {
            pages(&route.policy.content, &mut files);
            if let model::Content::Bytes {
                bytes: FixedBytes::File(path, _),
                ..
            } = &route.content
            {
                files.push(path.clone());
            }
        }
    }
    files.sort();
    files.dedup();
    files
}
