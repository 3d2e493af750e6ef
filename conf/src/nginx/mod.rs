//! nginx.conf.
pub(crate) mod glob;
use crate::{load::LoadOptions, model::Config};
use seawall_diag::{Diagnostics, FileId, SourceMap};

/// How deep `include` may nest.
pub const INCLUDE_DEPTH_MAX: usize = 16;

pub(crate) fn load(
    sources: SourceMap,
    _file: FileId,
    _options: &LoadOptions,
) -> (Option<Config>, SourceMap, Diagnostics) {
    let mut found = Diagnostics::default();
    found.error("not-yet", None, "nginx.conf is not built yet");
    (None, sources, found)
}
