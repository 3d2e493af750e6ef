//! The nginx.conf syntax.
//!
//! Text becomes tokens ([`lex`]), a lossless tree with its includes in place ([`tree`]), is checked against the one
//! directive table ([`table`], [`check`]) and lowered level by level, each inheriting from the one around it
//! ([`scope`]). Messages are nginx's own, so that who greps for them finds them; unlike nginx all come in one run.
//!
//! Nested locations are lowered into one flat list: the longest prefix wins wherever it stands. `if` keeps its place
//! in the program and carries the location that it makes when it is true.

mod access;
mod cache;
mod caching;
mod check;
mod computed;
mod content;
mod fastcgi;
mod fragment;
pub(crate) mod glob;
mod gzip;
mod http2;
mod lex;
mod limit;
mod listen;
mod location;
mod log;
mod lower;
mod message;
mod not_yet;
mod origin;
mod passing;
mod proxy;
mod read;
mod rewrite;
mod row;
mod scope;
mod server;
mod stream;
mod syslog;
mod table;
mod tree;
mod upstream;

use crate::load::LoadOptions;
use crate::model::Config;
use seawall_diag::{Diagnostics, FileId, SourceMap};
use std::path::Path;

pub use message::nginx_message;
pub use not_yet::{NOT_YET, OFF_ALREADY};
pub use row::{Arity, Contexts, Row, Status};
pub use table::TABLE;
pub use tree::{BLOCK_DEPTH_MAX, FILES_MAX, INCLUDE_DEPTH_MAX};

/// The prefix where `-p` is not given: Debian's.
const PREFIX: &str = "/usr/share/nginx";

/// Loads an nginx.conf; the sources grow by the included files and the `-g` directives.
pub(crate) fn load(
    mut sources: SourceMap,
    file: FileId,
    options: &LoadOptions,
) -> (Option<Config>, SourceMap, Diagnostics) {
    let mut found = Diagnostics::default();
    let name = sources.name(file).to_path_buf();
    let mut files = vec![name.clone()];
    let directory = crate::yaml::directory(&name);
    let mut items = Vec::new();
    if let Some(directives) = &options.directives {
        let line = sources.add("command line", directives.clone());
        items.extend(tree::parse(line, sources.text(line), &mut found));
    }
    items.extend(tree::parse(file, sources.text(file), &mut found));
    let mut includes = tree::Includes {
        sources: &mut sources,
        found: &mut found,
        files: &mut files,
        directory: &directory,
        options,
    };
    let items = includes.expand(items, 0);
    let items = fragment::wrap(items, file, &mut found);
    check::check(&items, Contexts::MAIN, &mut found);
    fragment::needs_events(&items, &mut found);
    let prefix = options.prefix.as_deref().unwrap_or(Path::new(PREFIX));
    let mut reader = read::Reader {
        found: &mut found,
        prefix,
        conf_prefix: &directory,
    };
    let mut config = lower::lower(&mut reader, &items, options, files);
    config.sources = sources.clone();
    (Some(config), sources, found)
}
