//! A client that streams along with somebody else's fill.

use super::shared::{End, FillHead, Phase, Shared, State};
use crate::{
    object::{Meta, Object},
    policy::{Profile, Rules},
    request::Request,
};
use bytes::Bytes;
use seawall_http::{Field, Fields, Name};
use std::{pin::pin, sync::Arc};

/// What a fill turned out to be.
#[derive(Debug)]
pub enum FillStart {
    /// The answer; its body is read with [`FillReader::chunk`].
    Head(Arc<FillHead>),
    /// The answer is stored, its body not in memory: in slices ([`crate::Cache::slice`]) or in a file ([`crate::Hit::file`]).
    Elsewhere(Arc<Object>),
    /// It is not for this client: not to be shared, or for other selecting fields. Ask the origin.
    Pass,
    /// The leader gave up. Look the request up again: one of those who waited will lead.
    Aborted,
}

/// The next part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FillChunk {
    /// Bytes, never empty.
    Data(Bytes),
    /// The body is complete.
    End,
    /// The rest will not come: the leader gave up, or this reader fell too far behind a body that is too large to keep.
    Aborted,
}

/// Reads a fill. Dropping it leaves the fill as it is.
pub struct FillReader {
    shared: Arc<Shared>,
    id: u64,
    offset: u64,
    request: Asked,
    /// A stored answer that serves, and its next piece.
    stored: Option<(Arc<Object>, usize)>,
}

/// The fields of a request, kept to be compared with a Vary that is not known yet.
struct Asked {
    fields: Box<[Field]>,
    buf: Box<[u8]>,
    present: u128,
    /// Presence of credentials, where they matter.
    credentials: u128,
}

impl Asked {
    /// A copy of the part of the buffer that the fields lie in.
    fn of(fields: &Fields<'_>, rules: &Rules) -> Asked {
        let end = fields
            .fields
            .iter()
            .map(|field| field.name.end.max(field.value.end))
            .max();
        let used = fields
            .buf
            .get(..end.unwrap_or(0) as usize)
            .unwrap_or(fields.buf);
        let credentials = match rules.profile {
            Profile::Rfc9111 => fields.present & (Name::Cookie.bit() | Name::Authorization.bit()),
            Profile::Nginx => 0,
        };
        Asked {
            fields: fields.fields.into(),
            buf: used.into(),
            present: fields.present,
            credentials,
        }
    }

    /// Whether an answer that another request caused is one to this request too.
    fn may_have(&self, answer: &Meta) -> bool {
        self.credentials & answer.bars == 0 && answer.vary.matches(&self.fields())
    }

    fn fields(&self) -> Fields<'_> {
        Fields {
            fields: &self.fields,
            buf: &self.buf,
            present: self.present,
        }
    }
}

impl FillReader {
    pub(crate) fn new(shared: Arc<Shared>, request: &Request<'_>, rules: &Rules) -> FillReader {
        let request = Asked::of(&request.fields, rules);
        let id = {
            let mut state = shared.state();
            let id = state.next_reader;
            state.next_reader += 1;
            state.readers.insert(id, 0);
            id
        };
        FillReader {
            shared,
            id,
            offset: 0,
            request,
            stored: None,
        }
    }

    /// Waits for the head.
    pub async fn head(&mut self) -> FillStart {
        let known = |state: &mut State| match &state.phase {
            Phase::Waiting => state.end.map(|_| Phase::Waiting),
            phase => Some(phase.clone()),
        };
        match self.when(known).await {
            Phase::Waiting => FillStart::Aborted,
            Phase::Pass => FillStart::Pass,
            Phase::Streaming(head) | Phase::Stored(head, _)
                if !self.request.may_have(&head.meta) =>
            {
                FillStart::Pass
            }
            Phase::Streaming(head) => FillStart::Head(head),
            Phase::Stored(_, object) if object.sliced().is_some() || object.filed().is_some() => {
                FillStart::Elsewhere(object)
            }
            Phase::Stored(head, object) => {
                self.stored = Some((object, 0));
                FillStart::Head(head)
            }
        }
    }

    /// Waits for more of the body. Call it after [`FillReader::head`] gave a head.
    pub async fn chunk(&mut self) -> FillChunk {
        if let Some((object, next)) = &mut self.stored {
            let piece = object.chunks().get(*next).cloned();
            *next += 1;
            return piece.map_or(FillChunk::End, FillChunk::Data);
        }
        let (id, offset) = (self.id, self.offset);
        let chunk = self.when(|state| next_chunk(state, id, offset)).await;
        if let FillChunk::Data(bytes) = &chunk {
            self.offset += bytes.len() as u64;
            self.shared.read.notify_waiters();
        }
        chunk
    }

    /// Waits until the state has what is looked for. The lock is not held while waiting.
    async fn when<R>(&self, mut look: impl FnMut(&mut State) -> Option<R>) -> R {
        loop {
            let mut grown = pin!(self.shared.grown.notified());
            // Before looking, so that no change slips through between the look and the wait.
            grown.as_mut().enable();
            let seen = look(&mut self.shared.state());
            if let Some(seen) = seen {
                return seen;
            }
            grown.await;
        }
    }
}

/// What there is at an offset; takes note that the reader has it.
fn next_chunk(state: &mut State, id: u64, offset: u64) -> Option<FillChunk> {
    if offset < state.pieces.end() {
        let Some(bytes) = state.pieces.at(offset) else {
            return Some(FillChunk::Aborted);
        };
        if let Some(at) = state.readers.get_mut(&id) {
            *at = offset + bytes.len() as u64;
        }
        return Some(FillChunk::Data(bytes));
    }
    match state.end? {
        End::Complete => Some(FillChunk::End),
        End::Aborted => Some(FillChunk::Aborted),
    }
}

impl Drop for FillReader {
    fn drop(&mut self) {
        self.shared.state().readers.remove(&self.id);
        self.shared.read.notify_waiters();
    }
}
