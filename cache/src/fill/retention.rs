//! What of a body is kept: all of it while it may be stored, and then what its readers still need.

use super::{pieces::Pieces, shared::State};
use crate::options::LAG_BYTES_MAX;

impl State {
    /// Keeps a chunk, or as much as there is room for.
    pub fn keep(&mut self, chunk: &[u8], bytes_max: u64) {
        let cost = Pieces::cost_of(chunk);
        let fits = self.pieces.end() + chunk.len() as u64 <= bytes_max;
        if self.storable && fits && self.reservation.grow_to(self.pieces.cost() + cost) {
            self.pieces.push(chunk);
            return self.settle();
        }
        self.storable = false;
        let Some((slowest, _)) = self.reader_range() else {
            self.pieces.drop_before(u64::MAX);
            self.pieces.skip(chunk.len());
            return self.settle();
        };
        // From here on only what readers still need is kept. The last stretch is kept without asking for room, so that a body always
        // reaches the reader that keeps up, however full the memory is.
        let uncounted = LAG_BYTES_MAX + cost;
        self.pieces.drop_before(slowest);
        loop {
            let counted = (self.pieces.cost() + cost).saturating_sub(uncounted);
            if counted == 0 || (counted <= bytes_max && self.reservation.grow_to(counted)) {
                self.pieces.push(chunk);
                return self.settle();
            }
            self.pieces.drop_oldest();
            self.settle();
        }
    }

    /// Gives back what the pieces do not need any more.
    fn settle(&mut self) {
        let cost = self.pieces.cost();
        self.reservation.shrink_to(cost);
    }

    /// Whether the leader may go on reading, see [`super::Fill::room`].
    pub fn has_room(&self) -> bool {
        let behind = |(_, fastest): (u64, u64)| self.pieces.end().saturating_sub(fastest);
        self.storable
            || self
                .reader_range()
                .is_none_or(|range| behind(range) <= LAG_BYTES_MAX)
    }
}
