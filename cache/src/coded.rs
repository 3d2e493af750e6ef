//! Coded forms of a stored body: made for the first client who takes one, and kept beside the body for the others.
//!
//! They belong to the body: an answer that is renewed keeps them, and they go with it. Their bytes count in the budget; where there is no
//! room each client's is made anew.

use crate::{cache::Cache, object::Object};
use bytes::Bytes;
use seawall_http::Coding;
use std::sync::{Arc, OnceLock, Weak};

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct CodedForms(OnceLock<Arc<Forms>>);

#[derive(Debug, Default)]
struct Forms {
    gzip: OnceLock<Form>,
    br: OnceLock<Form>,
    zstd: OnceLock<Form>,
}

#[derive(Debug)]
struct Form {
    bytes: Bytes,
    /// Whose budget they count in; gone where the cache is.
    cache: Weak<Cache>,
}

impl Forms {
    fn of(&self, coding: Coding) -> &OnceLock<Form> {
        match coding {
            Coding::Gzip => &self.gzip,
            Coding::Br => &self.br,
            Coding::Zstd => &self.zstd,
        }
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        if let Some(cache) = self.cache.upgrade() {
            cache.store.release(self.bytes.len() as u64);
        }
    }
}

impl Object {
    /// The body in a coding, if it was made already.
    pub fn coded(&self, coding: Coding) -> Option<&Bytes> {
        let form = self.coded.0.get()?.of(coding).get()?;
        Some(&form.bytes)
    }

    /// Keeps the body in a coding for the next who takes it. False if it was there, or there is no room.
    pub fn keep_coded(&self, cache: &Arc<Cache>, coding: Coding, bytes: Bytes) -> bool {
        let place = self.coded.0.get_or_init(Arc::default).of(coding);
        if place.get().is_some() || !cache.store.reserve(bytes.len() as u64) {
            return false;
        }
        // If another was quicker, this one gives its bytes back as it is dropped.
        let cache = Arc::downgrade(cache);
        place.set(Form { bytes, cache }).is_ok()
    }
}
