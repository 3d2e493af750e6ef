//! The one who fetches.

use super::{
    reader::FillReader,
    shared::{End, FillHead, Phase, Shared},
};
use crate::{
    cache::Cache,
    head::Head,
    object::{Body, Hit, Meta, Object},
    options::{UNSTORABLE, UNSTORABLE_FAILURE},
    policy::{
        Decision, Failure, Profile, Reason, ResponseMeta, Rules, UseStale, age_s, heeded, judge,
    },
    purge::{Labels, has_tags, tags_of},
    request::Request,
    slices::{
        NotASlice, Part, SLICED_BYTES_MAX, Slice, Sliced, check, gives_parts, has_strong_validator,
        slice_meta,
    },
    vary::Vary,
};
use bytes::Bytes;
use seawall_http::{Fields, Name, etag};
use std::{pin::pin, sync::Arc, time::Duration};

/// Why a body is not kept any more. Pushing goes on to serve those who read along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FillError {
    /// Larger than [`crate::Options::object_bytes_max`], or than the memory left for fills.
    #[error("the body is too large to be stored: raise the cache's memory or its largest object")]
    TooLarge,
    /// The response was not to be stored in the first place, or the fill has ended.
    #[error("the response is not being stored")]
    NotStoring,
}

/// What becomes of the origin's head.
#[derive(Debug)]
pub enum Responded {
    /// Push the body and finish.
    Store(Decision),
    /// Not shared: hand it to the client that asked. Waiters are released to go on their own, and for some seconds nobody waits.
    /// With [`Reason::Unsolicited304`] it is an answer only to a client whose own conditions were sent on.
    Pass(Decision),
    /// The 304 has renewed the stored answer: serve that.
    NotModified(Hit),
    /// Stored with its body in slices ([`Cache::slice`]): serve that. Where the answer is the part that was asked for, the fill takes it as a
    /// slice: push the body into it and finish it. Else the answer is the whole, and may be thrown away.
    Sliced(Decision, Hit, Option<Box<Fill>>),
    /// The origin failed and a stale answer may stand in: serve that.
    StaleIfError(Hit),
}

/// The leader's handle: whoever holds it asks the origin, with GET, without the client's Range and conditions, and with
/// [`Fill::validators`] if there are any. Dropping it unfinished aborts: waiters are told and go on their own.
pub struct Fill {
    cache: Arc<Cache>,
    shared: Arc<Shared>,
    /// The stored answer that is being renewed.
    stale: Option<Arc<Object>>,
    /// Whether it was given to the leader to validate.
    validates: bool,
    /// When nginx lets a stale answer stand in.
    use_stale: UseStale,
    /// Set while the body is awaited.
    storing: Option<Arc<FillHead>>,
    ended: bool,
}

impl Fill {
    pub(crate) fn new(
        cache: Arc<Cache>,
        shared: Arc<Shared>,
        stale: Option<Arc<Object>>,
        rules: &Rules,
    ) -> Fill {
        let has_validator =
            |object: &Arc<Object>| object.etag().is_some() || object.last_modified().is_some();
        // nginx asks for the whole answer unless `proxy_cache_revalidate` is on.
        let asks = rules.profile == Profile::Rfc9111 || rules.revalidate;
        if let Some(object) = &stale {
            let place = object.meta.labels.tagged(Box::default());
            shared.update(|state| state.place = Some(Arc::new(place)));
        }
        let validates = asks && stale.as_ref().is_some_and(has_validator);
        Fill {
            cache,
            shared,
            stale,
            validates,
            use_stale: rules.use_stale,
            storing: None,
            ended: false,
        }
    }

    /// ETag and Last-Modified of the stored answer, for If-None-Match and If-Modified-Since. `None`: an unconditional request.
    #[allow(clippy::type_complexity)]
    pub fn validators(&self) -> Option<(Option<&[u8]>, Option<&[u8]>)> {
        let object = self.stale.as_ref().filter(|_| self.validates)?;
        Some((object.etag(), object.last_modified()))
    }

    /// Tells what it can be purged by beside its key: the site's name, and `host/path?query` as clients ask for it, the path normalised.
    /// To be told before the request is sent; what nobody told is dropped by keys, tags and purges of everything only.
    pub fn locate(&mut self, site: &Arc<str>, url: &[u8]) {
        let labels = Labels::new(site.clone(), url.into(), Box::default());
        self.shared
            .update(|state| state.place = Some(Arc::new(labels)));
    }

    /// Lets the client that caused the fill read it as the others do, so that the fill can outlive it.
    pub fn reader(&self, request: &Request<'_>, rules: &Rules) -> FillReader {
        FillReader::new(self.shared.clone(), request, rules)
    }

    /// Takes the origin's head.
    pub fn respond(
        &mut self,
        request: &Request<'_>,
        rules: &Rules,
        response: ResponseMeta<'_>,
    ) -> Responded {
        let now_ms = response.response_time_ms;
        if response.status == 304 {
            return self.respond_304(request, rules, &response);
        }
        if let Some(hit) = self.stand_in(Failure::Status(response.status), now_ms) {
            return Responded::StaleIfError(hit);
        }
        let verdict = judge(request, &response, rules);
        let remember = match response.status {
            500.. => Some(UNSTORABLE_FAILURE),
            // One request's fault says nothing of the answers to others: nobody throws out what is stored by asking badly.
            400 | 405 | 406 | 408 | 411..=417 | 421 | 428 | 429 | 431 => None,
            _ => Some(UNSTORABLE),
        };
        let vary = selecting(&heeded(&response, rules).fields, request, rules);
        let Some(vary) = vary else {
            return self.pass(Decision::pass(Reason::Vary), remember, now_ms);
        };
        if !verdict.decision.store {
            return self.pass(verdict.decision, remember, now_ms);
        }
        let Some(labels) = self.labels(&response.fields) else {
            return self.pass(Decision::pass(Reason::Tags), remember, now_ms);
        };
        let head = Head::of_response(
            response.status,
            &response.fields,
            &verdict.withheld,
            rules.profile,
            now_ms,
        );
        let mut meta = Meta::new(
            head,
            verdict.decision.clone(),
            vary,
            labels,
            self.shared.generation,
            now_ms,
        );
        let length = meta.content_length().unwrap_or(0);
        let options = self.cache.options();
        if length > options.whole_bytes_max && is_sliceable(&response, rules, length) {
            meta.sliced = Some(Sliced::new(length, rules.slice_bytes));
            return self.keep_head(meta, now_ms, None);
        }
        if length.saturating_add(meta.head.weight()) > options.object_bytes_max {
            return self.pass(Decision::pass(Reason::TooLarge), remember, now_ms);
        }
        let head = Arc::new(FillHead::new(meta, now_ms));
        self.storing = Some(head.clone());
        self.shared
            .update(|state| state.phase = Phase::Streaming(head));
        Responded::Store(verdict.decision)
    }

    /// Takes the head of an answer to a request for a part: one that the leader asked for by itself, for all clients alike. What is not that part is
    /// not stored, and nobody waits for the whole for a while.
    pub fn respond_part(
        &mut self,
        request: &Request<'_>,
        rules: &Rules,
        response: ResponseMeta<'_>,
        first: u64,
    ) -> Responded {
        let now_ms = response.response_time_ms;
        let slice_bytes = rules.slice_bytes.max(1);
        let part = Part::of(&response.fields).filter(|part| {
            let length = part.complete.saturating_sub(first).min(slice_bytes);
            let said = response.fields.get(Name::ContentLength);
            part.first == first
                && first.is_multiple_of(slice_bytes)
                && part.length() == length
                && part.complete <= SLICED_BYTES_MAX
                && said.is_none_or(|said| said == length.to_string().as_bytes())
        });
        let Some(part) = part.filter(|_| has_strong_validator(&response.fields)) else {
            return self.pass(Decision::pass(Reason::Range), Some(UNSTORABLE), now_ms);
        };
        // It is judged as the whole would have been, which nobody has seen: no field but these two would be another.
        let whole = ResponseMeta {
            status: 200,
            ..response
        };
        let verdict = judge(request, &whole, rules);
        let vary = selecting(&heeded(&whole, rules).fields, request, rules);
        let Some(vary) = vary else {
            return self.pass(Decision::pass(Reason::Vary), Some(UNSTORABLE), now_ms);
        };
        if !verdict.decision.store {
            return self.pass(verdict.decision, Some(UNSTORABLE), now_ms);
        }
        let Some(labels) = self.labels(&response.fields) else {
            return self.pass(Decision::pass(Reason::Tags), Some(UNSTORABLE), now_ms);
        };
        let mut withheld = verdict.withheld;
        withheld.push(Name::ContentRange.as_bytes().into());
        let head = Head::of_response(200, &response.fields, &withheld, rules.profile, now_ms)
            .with_content_length(part.complete);
        let mut meta = Meta::new(
            head,
            verdict.decision,
            vary,
            labels,
            self.shared.generation,
            now_ms,
        );
        meta.sliced = Some(Sliced::new(part.complete, slice_bytes));
        self.keep_head(meta, now_ms, Some((part.first / slice_bytes, response)))
    }

    /// Stores a head whose body is kept in slices. Who brought one of them leads its fill, before anybody else can.
    fn keep_head(
        &mut self,
        meta: Meta,
        now_ms: u64,
        brought: Option<(u64, ResponseMeta<'_>)>,
    ) -> Responded {
        let decision = meta.decision.clone();
        let object = Arc::new(Object::new(self.shared.key.clone(), meta, Body::none()));
        let slice = brought.and_then(|(n, response)| match self.cache.slice(&object, n, now_ms) {
            Some(Slice::Lead(mut fill)) => {
                fill.respond_slice(&object, n, &response).ok()?;
                Some(Box::new(fill))
            }
            _ => None,
        });
        let stale = self.stale.clone();
        self.cache.commit(&self.shared, &object, stale.as_ref(), 0);
        Responded::Sliced(decision, self.serve(object, now_ms), slice)
    }

    /// Takes the head of a slice of `of` ([`Cache::slice`]): if it is that, push its body and finish.
    pub fn respond_slice(
        &mut self,
        of: &Object,
        n: u64,
        response: &ResponseMeta<'_>,
    ) -> Result<(), NotASlice> {
        let length = check(of, n, response)?;
        let meta = slice_meta(&of.meta, length, self.shared.generation);
        let head = Arc::new(FillHead::new(meta, response.response_time_ms));
        self.storing = Some(head.clone());
        self.shared
            .update(|state| state.phase = Phase::Streaming(head));
        Ok(())
    }

    /// RFC 9111 §4.3.3 and §4.3.4.
    fn respond_304(
        &mut self,
        request: &Request<'_>,
        rules: &Rules,
        response: &ResponseMeta<'_>,
    ) -> Responded {
        let now_ms = response.response_time_ms;
        let Some(stale) = self.stale.clone().filter(|_| self.validates) else {
            return self.pass(Decision::pass(Reason::Unsolicited304), None, now_ms);
        };
        let tags = (stale.etag(), response.fields.get(Name::ETag));
        if matches!(tags, (Some(stored), Some(confirmed)) if !etag::weak_eq(stored, confirmed)) {
            // It confirms what we named and describes something else: good for the one who asked, and not a day longer.
            self.pass(
                Decision::pass(Reason::Unmatched304),
                Some(UNSTORABLE),
                now_ms,
            );
            return Responded::NotModified(Hit::new(stale, now_ms));
        }
        let mut head = stale
            .meta
            .head
            .merged(&response.fields, rules.profile, now_ms);
        let verdict = judge(request, &renewed(&head, response), rules);
        if !verdict.withheld.is_empty() {
            head = Head::of_response(
                head.status(),
                &head.fields(),
                &verdict.withheld,
                rules.profile,
                now_ms,
            );
        }
        // Without a word on tags it has those that it had (RFC 9111 §3.2).
        let labels = match has_tags(&response.fields) {
            true => self.labels(&response.fields),
            false => Some(stale.meta.labels.clone()),
        };
        let asked = heeded(&renewed(&head, response), rules);
        let vary = selecting(&asked.fields, request, rules);
        match vary.zip(labels).filter(|_| verdict.decision.store) {
            Some((vary, labels)) => {
                let meta = Meta::new(
                    head,
                    verdict.decision,
                    vary,
                    labels,
                    self.shared.generation,
                    now_ms,
                )
                .over(&stale.meta);
                let object = Arc::new(stale.renewed(meta));
                self.cache.commit(&self.shared, &object, Some(&stale), 0);
                Responded::NotModified(self.serve(object, now_ms))
            }
            None => {
                // Valid for the one who asked, and for nobody after.
                let meta = Meta {
                    head,
                    ..stale.meta.clone()
                };
                let object = Arc::new(stale.renewed(meta));
                self.pass(verdict.decision, Some(UNSTORABLE), now_ms);
                Responded::NotModified(Hit::new(object, now_ms))
            }
        }
    }

    /// Where it was asked for, with the tags of the answer; `None` if they are past a limit.
    fn labels(&self, answer: &Fields<'_>) -> Option<Arc<Labels>> {
        let place = self.shared.state().place.clone().unwrap_or_default();
        if !has_tags(answer) {
            return Some(place);
        }
        Some(Arc::new(place.tagged(tags_of(answer)?)))
    }

    /// Ends the fill with a stored answer.
    fn serve(&mut self, object: Arc<Object>, now_ms: u64) -> Hit {
        let head = Arc::new(FillHead::new(object.meta.clone(), now_ms));
        let hit = Hit::new(object.clone(), now_ms);
        self.ended = true;
        self.shared.update(|state| {
            state.phase = Phase::Stored(head, object);
            state.end = Some(End::Complete);
        });
        hit
    }

    /// Whether a stale answer may stand in for a failure (RFC 5861 §4, RFC 9111 §4.2.4, nginx's `proxy_cache_use_stale`).
    fn may_stand_in(&self, stale: &Object, failure: Failure, now_ms: u64) -> bool {
        let decision = &stale.meta.decision;
        match failure {
            failure if self.use_stale.covers(failure) => true,
            Failure::Status(status) => {
                matches!(status, 500 | 502 | 503 | 504) && now_ms < decision.sie_until_ms
            }
            Failure::Invalid => now_ms < decision.sie_until_ms,
            Failure::Unreached | Failure::TimedOut => {
                now_ms < decision.sie_until_ms.max(decision.disconnected_until_ms)
            }
        }
    }

    /// The stale answer, if it may stand in.
    fn stand_in(&mut self, failure: Failure, now_ms: u64) -> Option<Hit> {
        let stale = self
            .stale
            .clone()
            .filter(|stale| self.may_stand_in(stale, failure, now_ms))?;
        if !self.cache.leave(&self.shared) {
            // Purged in the meantime: nobody wants to see it again.
            return None;
        }
        self.cache
            .note_standing(&self.shared, now_ms, UNSTORABLE_FAILURE);
        Some(self.serve(stale, now_ms))
    }

    /// Ends the fill without anything to share, and remembers that for a while.
    fn pass(&mut self, decision: Decision, remember: Option<Duration>, now_ms: u64) -> Responded {
        // What the leader's own credentials forbade says nothing on requests without any.
        let was_personal = matches!(decision.reason, Reason::Cookie | Reason::Authorization);
        if let Some(duration) = remember.filter(|_| !was_personal || !self.shared.class.is_plain())
        {
            self.cache.note_unstorable(&self.shared, now_ms, duration);
        }
        self.cache.leave(&self.shared);
        // A newer answer that may not be kept supersedes the one that was; a failure does not.
        let is_newer = remember == Some(UNSTORABLE) && !was_personal;
        if let Some(stale) = self.stale.as_ref().filter(|_| is_newer) {
            self.cache.discard(stale);
        }
        self.ended = true;
        self.shared.update(|state| {
            state.phase = Phase::Pass;
            state.end = Some(End::Complete);
        });
        Responded::Pass(decision)
    }

    /// Takes a part of the body; empty ones are ignored. An error says that it will not be stored: readers get it nevertheless, and a
    /// leader without a use of its own for the body may stop when [`Fill::has_readers`] is false.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), FillError> {
        if self.storing.is_none() || self.ended {
            return Err(FillError::NotStoring);
        }
        if chunk.is_empty() {
            return Ok(());
        }
        let bytes_max = self.cache.options().object_bytes_max;
        let (was_storable, is_storable) = self.shared.update(|state| {
            let was_storable = state.storable;
            state.keep(&chunk, bytes_max);
            (was_storable, state.storable)
        });
        if is_storable {
            return Ok(());
        }
        if was_storable {
            self.cache.leave(&self.shared);
        }
        Err(FillError::TooLarge)
    }

    /// Waits until reading more of the body makes sense: at once while it is stored or nobody reads along; else until the fastest
    /// reader has kept up. A reader that falls further behind than there is room is cut off, and holds up nobody.
    pub async fn room(&mut self) {
        loop {
            let mut read = pin!(self.shared.read.notified());
            read.as_mut().enable();
            if self.shared.state().has_room() {
                return;
            }
            read.await;
        }
    }

    /// Whether anybody reads along.
    pub fn has_readers(&self) -> bool {
        !self.shared.state().readers.is_empty()
    }

    /// The body is complete: stores it. `None` if it was too large, was purged meanwhile, or has not the length that the head promised.
    pub fn finish(mut self) -> Option<Arc<Object>> {
        let head = self.storing.take().filter(|_| !self.ended)?;
        let received = self.shared.state().pieces.end();
        if head
            .content_length()
            .is_some_and(|promised| promised != received)
        {
            return None;
        }
        self.ended = true;
        let object = self.shared.update(|state| {
            state.end = Some(End::Complete);
            if !state.storable {
                return None;
            }
            let mut meta = head.meta.clone();
            if head.content_length().is_none() && head.status() != 204 {
                meta.head = meta.head.with_content_length(received);
            }
            let object = Object::new(self.shared.key.clone(), meta, Body::of(state.pieces.all()));
            Some((Arc::new(object), state.reservation.hand_over()))
        });
        let Some((object, reserved)) = object else {
            self.cache.leave(&self.shared);
            return None;
        };
        let is_stored = self
            .cache
            .commit(&self.shared, &object, self.stale.as_ref(), reserved);
        is_stored.then_some(object)
    }

    /// Gives up: what was received is not stored, waiters are told.
    pub fn abort(self) {}

    /// The origin failed before a head: a stale answer if it may stand in, for the waiters too; otherwise gives up.
    pub fn failed(mut self, failure: Failure, now_ms: u64) -> Option<Hit> {
        if self.ended || self.storing.is_some() {
            return None;
        }
        self.stand_in(failure, now_ms)
    }

    /// Leaves an answer unstored for a reason of the caller's. `lasting`: as if the policy had forbidden it; else it says nothing of
    /// what others would get, and what is stored stays.
    pub fn refuse(&mut self, reason: Reason, now_ms: u64, lasting: bool) -> Responded {
        let remember = lasting.then_some(UNSTORABLE);
        self.pass(Decision::pass(reason), remember, now_ms)
    }

    /// Whether it renews a stored answer.
    pub fn renews(&self) -> bool {
        self.stale.is_some()
    }
}

impl std::fmt::Debug for Fill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fill").finish_non_exhaustive()
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.cache.leave(&self.shared);
        self.shared.update(|state| state.end = Some(End::Aborted));
    }
}

/// Whether what is so large can be kept in slices.
fn is_sliceable(response: &ResponseMeta<'_>, rules: &Rules, length: u64) -> bool {
    let fields = &response.fields;
    rules.slice_bytes > 0
        && response.status == 200
        && length <= SLICED_BYTES_MAX
        && gives_parts(fields)
        && has_strong_validator(fields)
}

/// What an answer was selected by.
pub(crate) fn selecting(
    response: &Fields<'_>,
    request: &Request<'_>,
    rules: &Rules,
) -> Option<Vary> {
    Vary::of(response, &request.fields, rules.languages_by_preference)
}

/// What a 304 makes of a stored head, to be judged as if it had just come whole. Stored heads have no Age: the 304's own counts, as time
/// that the response was under way, which adds up to the same (RFC 9111 §4.2.3).
pub(crate) fn renewed<'a>(head: &'a Head, response: &ResponseMeta<'_>) -> ResponseMeta<'a> {
    ResponseMeta {
        status: head.status(),
        fields: head.fields(),
        request_time_ms: response
            .request_time_ms
            .saturating_sub(age_s(&response.fields) * 1000),
        response_time_ms: response.response_time_ms,
    }
}
