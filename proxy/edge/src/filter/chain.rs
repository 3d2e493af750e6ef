//! The filters of one response, run on the worker thread or on the blocking pool.

use smallvec::SmallVec;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Semaphore;

/// More than this is not filtered on a worker thread: 16 KiB take the slowest encoder about half a millisecond.
pub const INLINE_BYTES: usize = 16 * 1024;
/// What one job on the pool takes.
const JOB_BYTES: usize = 64 * 1024;
/// Output is handed on when there is so much of it.
pub const OUT_BYTES: usize = 64 * 1024;

/// What follows a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More: the filter may hold back what it likes.
    More,
    /// Perhaps nothing for a while: everything so far must come out.
    Flush,
    /// The end of the body.
    End,
}

/// A filter.
pub trait Filter: Send {
    /// Sees a chunk and appends what goes on to `out`. `End` is said once, with the final, possibly empty, chunk.
    fn push(&mut self, chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()>;

    /// The most it may be shown at once, so that what comes out stays within bounds.
    fn slice_bytes(&self) -> usize {
        INLINE_BYTES
    }
}

/// What is common to all threads: how many encoders run, and how many jobs compute.
pub struct Encoders {
    running: Arc<AtomicUsize>,
    jobs: Arc<Semaphore>,
}

impl Default for Encoders {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self {
            running: Arc::default(),
            jobs: Arc::new(Semaphore::new(processors)),
        }
    }
}

impl Encoders {
    /// A place for one more, unless there are `max`.
    pub fn enter(&self, max: usize) -> Option<Place> {
        let before = self.running.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.running.clone());
        (before < max).then_some(place)
    }
}

/// The right to run an encoder; given back when dropped.
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The filters of a response, in the order: gunzip, waf, ssi, sub, addition, charset, cache store, range, encode.
#[derive(Default)]
pub struct Chain(Option<Box<Running>>);

struct Running {
    filters: Filters,
    jobs: Arc<Semaphore>,
    each: bool,
}

/// What moves to the pool and back.
struct Filters {
    all: SmallVec<[Box<dyn Filter>; 2]>,
    _place: Option<Place>,
}

impl Chain {
    /// A chain of one filter; `each` flushes every chunk (`text/event-stream`).
    pub fn of(
        filter: Box<dyn Filter>,
        place: Option<Place>,
        encoders: &Encoders,
        each: bool,
    ) -> Self {
        let mut all = SmallVec::new();
        all.push(filter);
        Self(Some(Box::new(Running {
            filters: Filters { all, _place: place },
            jobs: encoders.jobs.clone(),
            each,
        })))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Filters the front of `input`: how much of it was taken, and what came of that. All of it is taken with the call
    /// whose `taken` reaches its length, and only then `then` has been done.
    pub async fn run(&mut self, input: &[u8], then: Then) -> io::Result<(usize, Vec<u8>)> {
        let Some(running) = &mut self.0 else {
            return Ok((input.len(), input.to_vec()));
        };
        let then = match then {
            Then::More if running.each => Then::Flush,
            then => then,
        };
        if input.len() <= INLINE_BYTES {
            let mut out = Vec::new();
            let taken = running.filters.run(input, then, &mut out)?;
            return Ok((taken, out));
        }
        self.run_on_the_pool(input, then).await
    }

    async fn run_on_the_pool(&mut self, input: &[u8], then: Then) -> io::Result<(usize, Vec<u8>)> {
        let Some(running) = self.0.take() else {
            return Err(io::Error::other("a filter that is gone"));
        };
        let part = input.get(..JOB_BYTES).unwrap_or(input).to_vec();
        let then = if part.len() == input.len() {
            then
        } else {
            Then::More
        };
        let jobs = running.jobs.clone();
        // Closed by nobody: the error has no cause.
        let permit = jobs.acquire_owned().await.map_err(io::Error::other)?;
        let work = tokio::task::spawn_blocking(move || {
            let mut running = running;
            let mut out = Vec::new();
            let taken = running.filters.run(&part, then, &mut out);
            drop(permit);
            (running, taken, out)
        });
        let (running, taken, out) = work.await.map_err(io::Error::other)?;
        self.0 = Some(running);
        Ok((taken?, out))
    }
}

impl Filters {
    /// Runs slices until the input is taken or there is enough output to hand on.
    fn run(&mut self, input: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<usize> {
        let most = self.all.iter().map(|f| f.slice_bytes()).min();
        let most = most.unwrap_or(INLINE_BYTES).max(1);
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let slice = rest.get(..most).unwrap_or(rest);
            taken += slice.len();
            let over = taken == input.len();
            self.pass(slice, if over { then } else { Then::More }, out)?;
            if over || out.len() >= OUT_BYTES {
                return Ok(taken);
            }
        }
    }

    fn pass(&mut self, slice: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let Some((last, before)) = self.all.split_last_mut() else {
            out.extend_from_slice(slice);
            return Ok(());
        };
        let mut held: Option<Vec<u8>> = None;
        for filter in before {
            let mut next = Vec::new();
            filter.push(held.as_deref().unwrap_or(slice), then, &mut next)?;
            held = Some(next);
        }
        last.push(held.as_deref().unwrap_or(slice), then, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says each byte so many times.
    struct Repeat(usize);
    impl Filter for Repeat {
        fn push(&mut self, chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
            for byte in chunk {
                out.extend(std::iter::repeat_n(*byte, self.0));
            }
            if then == Then::End {
                out.push(b'.');
            }
            Ok(())
        }
        fn slice_bytes(&self) -> usize {
            1024
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[test]
    fn filters_run_in_order_and_see_the_end_once() {
        let mut filters = Filters {
            all: SmallVec::new(),
            _place: None,
        };
        filters.all.push(Box::new(Repeat(2)));
        filters.all.push(Box::new(Repeat(1)));
        let mut out = Vec::new();
        assert_eq!(filters.run(b"ab", Then::End, &mut out).unwrap(), 2);
        assert_eq!(out, b"aabb..");
    }

    #[test]
    fn what_grows_is_handed_on_in_pieces_inline_and_on_the_pool() {
        for size in [INLINE_BYTES, INLINE_BYTES + 1, JOB_BYTES * 3] {
            let encoders = Encoders::default();
            let mut chain = Chain::of(Box::new(Repeat(100)), None, &encoders, false);
            let input = vec![b'x'; size];
            let (mut rest, mut whole) = (&input[..], 0);
            runtime().block_on(async {
                while !rest.is_empty() {
                    let (taken, out) = chain.run(rest, Then::End).await.unwrap();
                    assert!(out.len() <= OUT_BYTES + 1024 * 100 + 1);
                    rest = &rest[taken..];
                    whole += out.len();
                }
            });
            assert_eq!(whole, size * 100 + 1, "{size}");
        }
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let encoders = Encoders::default();
        let first = encoders.enter(1);
        assert!(first.is_some() && encoders.enter(1).is_none());
        drop(first);
        assert!(encoders.enter(1).is_some());
    }
}
