//! Body filters: sans-io, in one declared order, a chunk at a time.
//!
//! A filter sees each chunk of a response body once and says what goes on in its place. One that changes nothing
//! costs nothing: the chunk itself goes on, no byte is copied. Framing (chunks, lengths) is the client's business and
//! comes after the last filter.

/// What becomes of a chunk.
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the chain is in its place; the first filter comes with compression"
    )
)]
pub enum Flow {
    /// It goes on as it is.
    Pass,
    /// What the filter put into `out` goes on.
    Replaced,
}

/// A filter.
pub trait Filter {
    /// Sees a chunk; `last` is true once, with the final, possibly empty, chunk.
    fn push(&mut self, chunk: &[u8], last: bool, out: &mut Vec<u8>) -> Flow;
}

/// The filters of a response, in the order: gunzip, waf, ssi, sub, addition, charset, cache store, range, encode.
#[derive(Default)]
pub struct Chain {
    filters: smallvec::SmallVec<[Box<dyn Filter>; 4]>,
}

impl Chain {
    /// Adds the next filter.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the first filter comes with compression")
    )]
    pub fn add(&mut self, filter: Box<dyn Filter>) {
        self.filters.push(filter);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Runs a chunk through. `None`: the chunk itself goes on.
    pub fn run(&mut self, chunk: &[u8], last: bool) -> Option<Vec<u8>> {
        let mut held: Option<Vec<u8>> = None;
        for filter in &mut self.filters {
            let mut out = Vec::new();
            if let Flow::Replaced = filter.push(held.as_deref().unwrap_or(chunk), last, &mut out) {
                held = Some(out);
            }
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Upper;
    impl Filter for Upper {
        fn push(&mut self, chunk: &[u8], last: bool, out: &mut Vec<u8>) -> Flow {
            out.extend(chunk.iter().map(u8::to_ascii_uppercase));
            if last {
                out.push(b'.');
            }
            Flow::Replaced
        }
    }
    struct Count(std::rc::Rc<std::cell::Cell<usize>>);
    impl Filter for Count {
        fn push(&mut self, chunk: &[u8], _: bool, _: &mut Vec<u8>) -> Flow {
            self.0.set(self.0.get() + chunk.len());
            Flow::Pass
        }
    }

    #[test]
    fn chunks_run_through_in_order_and_untouched_ones_are_not_copied() {
        let seen = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut chain = Chain::default();
        chain.add(Box::new(Count(seen.clone())));
        assert!(chain.run(b"abc", false).is_none());
        chain.add(Box::new(Upper));
        chain.add(Box::new(Count(seen.clone())));
        assert_eq!(chain.run(b"abc", true).unwrap(), b"ABC.");
        assert_eq!(seen.get(), 3 + 3 + 4);
    }
}
