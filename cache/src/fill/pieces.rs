//! The body of a fill as it grows: append-only, read by offset, so that pieces can be joined under the readers.

use crate::options::{CHUNK_OVERHEAD_BYTES, PIECE_BYTES};
use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pieces {
    list: VecDeque<Piece>,
    /// Bytes received.
    end: u64,
    /// Bytes kept.
    kept: u64,
    /// How many pieces at the back are small and may still be joined, and their bytes.
    run: usize,
    run_bytes: usize,
}

impl Pieces {
    /// Bytes received, kept or not.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// What the pieces count for in the budget.
    pub fn cost(&self) -> u64 {
        self.kept + self.list.len() as u64 * CHUNK_OVERHEAD_BYTES
    }

    /// What a chunk will cost at most.
    pub fn cost_of(chunk: &[u8]) -> u64 {
        chunk.len() as u64 + CHUNK_OVERHEAD_BYTES
    }

    /// Counts bytes that are not kept.
    pub fn skip(&mut self, length: usize) {
        self.join();
        self.end += length as u64;
    }

    /// Appends a copy: the chunk may be a slice of a much larger read buffer, and the budget counts what is kept alive.
    pub fn push(&mut self, chunk: &[u8]) {
        let is_large = chunk.len() >= PIECE_BYTES;
        if is_large {
            self.join();
        }
        self.append(Bytes::copy_from_slice(chunk));
        if is_large {
            return;
        }
        self.run += 1;
        self.run_bytes += chunk.len();
        if self.run_bytes >= PIECE_BYTES {
            self.join();
        }
    }

    fn append(&mut self, bytes: Bytes) {
        let start = self.end;
        self.end += bytes.len() as u64;
        self.kept += bytes.len() as u64;
        self.list.push_back(Piece { start, bytes });
    }

    /// Makes one piece of the small ones at the back.
    pub fn join(&mut self) {
        let (run, run_bytes) = (
            std::mem::take(&mut self.run),
            std::mem::take(&mut self.run_bytes),
        );
        if run < 2 {
            return;
        }
        let mut joined = Vec::with_capacity(run_bytes);
        let first = self.list.len().saturating_sub(run);
        let start = self.list.get(first).map_or(self.end, |piece| piece.start);
        self.list
            .drain(first..)
            .for_each(|piece| joined.extend_from_slice(&piece.bytes));
        self.list.push_back(Piece {
            start,
            bytes: joined.into(),
        });
    }

    /// What is at `offset` and after it in the same piece. `None`: not there yet, or not any more.
    pub fn at(&self, offset: u64) -> Option<Bytes> {
        let after = self.list.partition_point(|piece| piece.end() <= offset);
        let piece = self.list.get(after)?;
        let from = usize::try_from(offset.checked_sub(piece.start)?).ok()?;
        (from < piece.bytes.len()).then(|| piece.bytes.slice(from..))
    }

    /// Drops whole pieces before `offset`.
    pub fn drop_before(&mut self, offset: u64) {
        self.join();
        while self.list.front().is_some_and(|piece| piece.end() <= offset) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest piece; false if there is none.
    pub fn drop_oldest(&mut self) -> bool {
        self.join();
        let dropped = self.list.pop_front();
        self.kept -= dropped.as_ref().map_or(0, |piece| piece.bytes.len() as u64);
        dropped.is_some()
    }

    /// All pieces, for an object.
    pub fn all(&mut self) -> Box<[Bytes]> {
        self.join();
        self.list.iter().map(|piece| piece.bytes.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &Pieces) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = pieces.at(all.len() as u64) {
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[test]
    fn joining_is_not_seen_by_readers() {
        let mut pieces = Pieces::default();
        let body: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        let sizes = [1, 7, 4096, 70_000, 3, 60_000, 60_000, 12];
        let (mut sent, mut turn) = (0, 0);
        while sent < body.len() {
            let end = (sent + sizes[turn % sizes.len()]).min(body.len());
            pieces.push(&body[sent..end]);
            (sent, turn) = (end, turn + 1);
            assert_eq!(
                pieces.at(sent as u64 - 1).unwrap().as_ref(),
                &body[sent - 1..sent]
            );
        }
        assert_eq!(read(&pieces), body);
        assert_eq!(pieces.all().concat(), body);
        assert_eq!(pieces.at(body.len() as u64), None);
    }

    #[test]
    fn tiny_chunks_cost_little_more_than_their_bytes() {
        let mut pieces = Pieces::default();
        (0..PIECE_BYTES * 4).for_each(|_| pieces.push(b"x"));
        assert_eq!(
            pieces.cost(),
            (PIECE_BYTES * 4) as u64 + 4 * CHUNK_OVERHEAD_BYTES
        );
    }

    #[test]
    fn what_was_dropped_is_gone_and_the_rest_stays() {
        let mut pieces = Pieces::default();
        pieces.push(&[1; PIECE_BYTES]);
        pieces.push(&[2; PIECE_BYTES]);
        pieces.drop_before(PIECE_BYTES as u64 + 1);
        assert_eq!(pieces.at(0), None);
        assert_eq!(pieces.at(PIECE_BYTES as u64).unwrap().len(), PIECE_BYTES);
        assert!(pieces.drop_oldest());
        assert!(!pieces.drop_oldest());
        assert_eq!(pieces.cost(), 0);
        assert_eq!(pieces.end(), 2 * PIECE_BYTES as u64);
    }
}
