//! A request's body on its way to an HTTP/1 origin, while the answer may come already.
//!
//! An origin that refuses an upload (413, 401) says so before it has read it, and may read no more: the body is polled
//! beside the answer, so that neither waits for the other. What comes from the client stays in the client's buffer until it
//! is written, what was held back comes from its spool piece by piece.

use super::{answer::BODY_READ_BYTES, io::OriginIo};
use crate::{
    client::{Client, ClientError},
    spool::{Later, Spool},
    timer::Timer,
    tx::Tx,
};
use seawall_http::encode;
use smallvec::SmallVec;
use std::{
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::AsyncWrite;

/// A body on its way.
pub(super) struct Upload {
    /// What was held back, and how far it has been sent.
    spool: Option<(Spool, u64)>,
    reading: Option<Later>,
    /// Whether the rest follows as the client sends it.
    follows: bool,
    chunked: bool,
    limit: Option<u64>,
    between_bytes: Duration,
    piece: Piece,
    /// The last piece has been framed.
    ended: bool,
    /// The origin takes no more.
    refused: bool,
    /// What is waited for is the client's.
    pub(super) by_client: bool,
}

/// What is being written: a frame, bytes, the frame's end.
#[derive(Default)]
struct Piece {
    before: SmallVec<[u8; 24]>,
    data: Data,
    after: Vec<u8>,
    written: usize,
}

#[derive(Default)]
enum Data {
    #[default]
    None,
    /// In the client's buffer.
    Client(Range<usize>),
    Own(Vec<u8>),
}

/// Why a body did not go on.
pub(super) enum UploadError {
    Client(ClientError),
    TooLarge,
    /// The origin takes no more of it: its answer tells why, if there is one.
    Refused(io::Error),
    /// What was held back cannot be read.
    Lost(io::Error),
}

impl Upload {
    /// A body held back, whole.
    pub(super) fn held(spool: Spool, between_bytes: Duration) -> Self {
        Self {
            spool: Some((spool, 0)),
            reading: None,
            follows: false,
            chunked: false,
            limit: None,
            between_bytes,
            piece: Piece::default(),
            ended: false,
            refused: false,
            by_client: false,
        }
    }

    /// A body whose rest comes from the client.
    pub(super) fn following(
        spool: Option<Spool>,
        chunked: bool,
        limit: Option<u64>,
        between_bytes: Duration,
    ) -> Self {
        Self {
            spool: spool.map(|spool| (spool, 0)),
            follows: true,
            chunked,
            limit,
            ..Self::held(Spool::new(), between_bytes)
        }
    }

    /// Nothing more is sent.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether the origin takes no more.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Passes on what there is, as the origin takes it. Ready at the end. Deadlines are set where something moves.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut OriginIo,
        client: &mut Client,
        tx: &mut Tx,
        timer: &Timer,
    ) -> Poll<Result<(), UploadError>> {
        if self.refused {
            return Poll::Pending;
        }
        loop {
            ready!(self.piece.poll_write(cx, io, tx)).map_err(UploadError::Refused)?;
            if self.ended {
                let flushed = ready!(Pin::new(io).poll_flush(cx));
                return Poll::Ready(flushed.map_err(UploadError::Refused));
            }
            let more = self.poll_more(cx, client, tx, timer);
            let Poll::Ready(more) = more else {
                // What TLS or records hold back goes out before there is more. An error shows with the next write.
                let _ = Pin::new(io).poll_flush(cx);
                return Poll::Pending;
            };
            more?;
            timer.set(self.between_bytes);
        }
    }

    /// Frames the next piece.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Client,
        tx: &mut Tx,
        timer: &Timer,
    ) -> Poll<Result<(), UploadError>> {
        if let Some((spool, at)) = &mut self.spool {
            if *at < spool.len() {
                let reading = self
                    .reading
                    .get_or_insert_with(|| spool.later(*at, BODY_READ_BYTES));
                let piece = ready!(reading.poll(cx)).map_err(UploadError::Lost)?;
                self.reading = None;
                *at += piece.len() as u64;
                self.frame(piece.len(), Data::Own(piece));
                return Poll::Ready(Ok(()));
            }
            self.spool = None;
        }
        if !self.follows {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        if !std::mem::replace(&mut self.by_client, true) {
            timer.set(client.timeout);
        }
        let range = match client.poll_chunk(tx, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(range) => range.map_err(UploadError::Client)?,
        };
        self.by_client = false;
        match range {
            Some(_) if self.limit.is_some_and(|limit| tx.body_read > limit) => {
                client.keep_alive = false;
                return Poll::Ready(Err(UploadError::TooLarge));
            }
            Some(range) => self.frame(range.len(), Data::Client(range)),
            None => self.end(client.body.trailers()),
        }
        Poll::Ready(Ok(()))
    }

    fn frame(&mut self, length: usize, data: Data) {
        self.piece = Piece {
            data,
            ..Piece::default()
        };
        if self.chunked {
            let mut head = Vec::with_capacity(20);
            encode::chunk_head(&mut head, length);
            self.piece.before = SmallVec::from_slice(&head);
            self.piece.after.extend_from_slice(encode::CHUNK_END);
        }
    }

    /// Ends the body; `trailers` are whole lines.
    fn end(&mut self, trailers: &[u8]) {
        self.ended = true;
        self.piece = Piece::default();
        if self.chunked {
            self.piece.before.extend_from_slice(b"0\r\n");
            self.piece.after = [trailers, b"\r\n"].concat();
        }
    }
}

impl Piece {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut OriginIo,
        tx: &Tx,
    ) -> Poll<io::Result<()>> {
        let data = match &self.data {
            Data::None => &[][..],
            Data::Client(range) => tx.rb.bytes().get(range.clone()).unwrap_or_default(),
            Data::Own(data) => data,
        };
        let parts = [self.before.as_slice(), data, self.after.as_slice()];
        ready!(poll_write_parts(cx, io, parts, &mut self.written))?;
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}

/// Writes parts one after the other, as many as fit with each call; `written` counts.
pub(super) fn poll_write_parts(
    cx: &mut Context<'_>,
    io: &mut OriginIo,
    parts: [&[u8]; 3],
    written: &mut usize,
) -> Poll<io::Result<()>> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    while *written < total {
        let mut skip = *written;
        let rest = parts.map(|part| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            IoSlice::new(part.get(skipped..).unwrap_or_default())
        });
        let first = rest.iter().position(|part| !part.is_empty()).unwrap_or(0);
        let end = rest.iter().rposition(|part| !part.is_empty());
        let rest = rest.get(first..=end.unwrap_or(first)).unwrap_or_default();
        let n = match rest {
            // One part is a plain send, which is cheaper than a vector of one.
            [part] => ready!(Pin::new(&mut *io).poll_write(cx, part)),
            _ => ready!(Pin::new(&mut *io).poll_write_vectored(cx, rest)),
        }?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *written += n;
    }
    Poll::Ready(Ok(()))
}
