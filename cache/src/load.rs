//! An object on its way from the disk into memory.

use crate::{
    cache::Cache,
    key::{Key, KeyRef},
    object::Object,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What a request waits for before it is looked up again.
pub struct Load {
    cache: Arc<Cache>,
    key: Key,
    read: oneshot::Receiver<Option<Arc<Object>>>,
    now_ms: u64,
}

impl Load {
    pub(crate) fn new(
        cache: Arc<Cache>,
        key: KeyRef<'_>,
        read: oneshot::Receiver<Option<Arc<Object>>>,
        now_ms: u64,
    ) -> Load {
        Load {
            cache,
            key: key.to_key(),
            read,
            now_ms,
        }
    }

    /// Waits until it is there, or is known not to be: look the request up again then. It is the disk's time, and bounded by nothing else.
    pub async fn ready(self) {
        if let Ok(Some(object)) = self.read.await
            && object.key.as_ref() == self.key.as_ref()
        {
            self.cache.came_up(object, self.now_ms);
        }
    }
}
