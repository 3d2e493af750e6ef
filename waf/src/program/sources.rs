//! Sets of sources.

use crate::variable::Source;

/// A set of sources: what a program has no use for is not kept of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourceSet(u128);

// One bit each.
const _: () = assert!(Source::COUNT <= 128);

impl SourceSet {
    pub(crate) fn insert(&mut self, source: Source) {
        self.0 |= 1 << source as u32;
    }

    pub(crate) fn contains(&self, source: Source) -> bool {
        self.0 & (1 << source as u32) != 0
    }
}
