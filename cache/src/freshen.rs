//! What an answer to HEAD says of a stored answer to GET (RFC 9111 §4.3.5).

use crate::{
    cache::Cache,
    fill::{renewed, selecting},
    key::KeyRef,
    object::{Meta, Object},
    policy::{ResponseMeta, Rules, judge},
    request::Request,
};
use seawall_http::{Name, etag};
use std::sync::Arc;

impl Cache {
    /// Updates the stored answer that the request selects, or drops it where it is another one now. Purges wait for the same lock.
    pub fn freshen(
        &self,
        key: KeyRef<'_>,
        request: &Request<'_>,
        rules: &Rules,
        response: &ResponseMeta<'_>,
    ) {
        let place = self.fills.lock(key);
        let Some(stored) = self.store.find(key, &request.fields) else {
            return;
        };
        match response.status {
            200 if stored.status() == 200 && is_same(&stored, response) => {}
            // It is another one, or is no more.
            200 | 404 | 410 => return self.store.discard(&stored),
            // A failure says nothing of what is stored.
            _ => return,
        }
        let now_ms = response.response_time_ms;
        let head = stored
            .meta
            .head
            .merged(&response.fields, rules.profile, now_ms);
        let verdict = judge(request, &renewed(&head, response), rules);
        let vary = selecting(&head.fields(), request, rules);
        let keeps = verdict.decision.store && verdict.withheld.is_empty();
        match vary.filter(|_| keeps) {
            Some(vary) => {
                let generation = stored.meta.generation;
                let labels = stored.meta.labels.clone();
                let meta = Meta::new(head, verdict.decision, vary, labels, generation, now_ms)
                    .over(&stored.meta);
                let object = Arc::new(stored.renewed(meta));
                self.store.insert(object, Some(&stored), 0);
            }
            None => self.store.discard(&stored),
        }
        drop(place);
    }
}

/// Whether all that both say of the representation agrees: a difference in one means that it is another.
fn is_same(stored: &Object, response: &ResponseMeta<'_>) -> bool {
    let agrees = |mine: Option<&[u8]>, theirs: Option<&[u8]>| match (mine, theirs) {
        (Some(mine), Some(theirs)) => mine == theirs,
        _ => true,
    };
    let tags = match (stored.etag(), response.fields.get(Name::ETag)) {
        (Some(mine), Some(theirs)) => etag::weak_eq(mine, theirs),
        _ => true,
    };
    let said = response.fields.get(Name::ContentLength);
    let length = said.is_none_or(|said| stored.content_length().to_string().as_bytes() == said);
    tags && length
        && agrees(
            stored.last_modified(),
            response.fields.get(Name::LastModified),
        )
}
