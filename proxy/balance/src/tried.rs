//! The servers a request has tried.

use smallvec::SmallVec;

/// Indexes of the servers a request has tried; the first eight need no allocation.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    indexes: SmallVec<[u32; 8]>,
}

impl Tried {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a server.
    pub fn insert(&mut self, index: usize) {
        if !self.contains(index)
            && let Ok(index) = u32::try_from(index)
        {
            self.indexes.push(index);
        }
    }

    /// Whether the server was tried.
    pub fn contains(&self, index: usize) -> bool {
        self.indexes.iter().any(|&tried| tried as usize == index)
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.indexes.len()
    }

    /// Whether none was tried yet.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }
}
