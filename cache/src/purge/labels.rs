//! By what an object can be purged, beside its key.

use std::sync::Arc;

/// Site, URL and tags of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    pub site: Arc<str>,
    /// `host/path?query` as clients ask for it, the path normalised. Empty where nobody told.
    pub url: Box<[u8]>,
    /// Tags, each followed by a line feed.
    tags: Box<[u8]>,
}

impl Default for Labels {
    fn default() -> Labels {
        Labels {
            site: "".into(),
            url: Box::default(),
            tags: Box::default(),
        }
    }
}

impl Labels {
    /// `tags` as [`super::tags_of`] gives them.
    pub fn new(site: Arc<str>, url: Box<[u8]>, tags: Box<[u8]>) -> Labels {
        Labels { site, url, tags }
    }

    /// The same place with other tags.
    pub fn tagged(&self, tags: Box<[u8]>) -> Labels {
        Labels {
            tags,
            ..self.clone()
        }
    }

    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
        let tags = self.tags.strip_suffix(b"\n").unwrap_or(&self.tags);
        tags.split(|&byte| byte == b'\n')
            .filter(|tag| !tag.is_empty())
    }

    /// The tags as they are kept.
    pub fn tag_bytes(&self) -> &[u8] {
        &self.tags
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> u64 {
        (self.url.len() + self.tags.len()) as u64
    }
}
