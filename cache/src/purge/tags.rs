//! The tags that an origin labels an answer with: `Surrogate-Key` (separated by spaces), `Cache-Tag` and `CDN-Tag` (by commas).

use crate::options::{TAG_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX};
use seawall_http::{Fields, Name};

/// The fields that carry tags.
pub(crate) const TAG_FIELDS: [Name; 3] = [Name::SurrogateKey, Name::CacheTag, Name::CdnTag];

/// Whether any field with tags is there.
pub(crate) fn has_tags(fields: &Fields<'_>) -> bool {
    TAG_FIELDS.iter().any(|name| fields.has(*name))
}

/// All tags, each followed by a line feed, none twice. `None` if there are too many, or too long ones: an answer that could not be purged by
/// all its tags is not stored.
pub(crate) fn tags_of(fields: &Fields<'_>) -> Option<Box<[u8]>> {
    let mut all: Vec<&[u8]> = Vec::new();
    for (id, _, value) in fields.iter() {
        if TAG_FIELDS.contains(&id) {
            for tag in split(id, value) {
                if tag.len() > TAG_BYTES_MAX || all.len() == TAGS_MAX {
                    return None;
                }
                all.push(tag);
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    let mut bytes = Vec::with_capacity(all.iter().map(|tag| tag.len() + 1).sum());
    for tag in all {
        bytes.extend_from_slice(tag);
        bytes.push(b'\n');
    }
    (bytes.len() <= TAGS_BYTES_MAX).then(|| bytes.into())
}

/// The tags that a request names, to have them purged. `None` if there are none, too many, or too long ones.
pub fn request_tags(fields: &Fields<'_>) -> Option<Vec<Vec<u8>>> {
    let tags = tags_of(fields)?;
    let each = tags
        .split(|&byte| byte == b'\n')
        .filter(|tag| !tag.is_empty());
    let all: Vec<Vec<u8>> = each.map(<[u8]>::to_vec).collect();
    (!all.is_empty()).then_some(all)
}

/// The tags of one field line; a line feed cannot be in one.
pub(crate) fn split(id: Name, value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let by_space = id == Name::SurrogateKey;
    value
        .split(move |&byte| match by_space {
            true => byte == b' ' || byte == b'\t',
            false => byte == b',',
        })
        .map(<[u8]>::trim_ascii)
        .filter(|tag| !tag.is_empty())
}
