//! Work that may stand still, on a disk or on somebody else, is done apart and waited for so long.
//!
//! A disk can keep a system call for minutes (a journal beside much `fsync`, a frozen or an unreachable file system), and
//! neither a signal nor a deadline of the caller's ends it. So whoever has to go on does such work by [`within`]: a thread
//! makes the call, and stays with it where the caller stops waiting. Each caller names its patience.
//!
//! Limits: [`AT_ONCE_MAX`] pieces of work, those that stand still among them; what would be more is refused at once.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

/// Pieces of work that a process has under way at once.
pub const AT_ONCE_MAX: usize = 32;

/// Pieces of work under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stuck {
    /// It goes on, and may yet come to its end: look at the disk that it names.
    #[error("{what} stands still: not done within {limit:?}")]
    Still {
        /// What was to be done.
        what: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It was not begun: too much stands still already.
    #[error("{what} is not tried: {AT_ONCE_MAX} things stand still already")]
    TooMany {
        /// What was to be done.
        what: String,
    },
    /// It panicked, or there could be no thread for it.
    #[error("{what} could not be done: {why}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Why.
        why: String,
    },
}

/// Counts a piece of work, also when it panics.
struct UnderWay;

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How much is under way: of a process that waits for nothing, what stands still.
pub fn under_way() -> usize {
    UNDER_WAY.load(Ordering::Acquire)
}

/// Does `work` on a thread of its own and waits for it that long. `what` reads as the subject of a sentence.
///
/// # Errors
/// [`Stuck`]: its result, if there will be one, is dropped where it comes.
pub fn within<T: Send + 'static>(
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stuck> {
    let what = what.to_owned();
    if UNDER_WAY.fetch_add(1, Ordering::AcqRel) >= AT_ONCE_MAX {
        drop(UnderWay);
        return Err(Stuck::TooMany { what });
    }
    let counted = UnderWay;
    let (done, result) = mpsc::channel();
    let spawned = std::thread::Builder::new()
        .name("patience".into())
        .spawn(move || {
            let worked = work();
            // Before anybody hears of it: who has waited finds nothing under way.
            drop(counted);
            let _ = done.send(worked);
        });
    if let Err(error) = spawned {
        let why = error.to_string();
        return Err(Stuck::Failed { what, why });
    }
    result.recv_timeout(limit).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Stuck::Still { what, limit },
        mpsc::RecvTimeoutError::Disconnected => Stuck::Failed {
            what,
            why: "it panicked".to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_its_end_is_had_and_what_does_not_is_named() {
        assert_eq!(within(Duration::from_secs(20), "a sum", || 1 + 1), Ok(2));
        let (go, wait) = mpsc::channel::<()>();
        let stuck = within(Duration::from_millis(10), "the disk", move || wait.recv()).unwrap_err();
        assert_eq!(
            stuck.to_string(),
            "the disk stands still: not done within 10ms"
        );
        assert!(under_way() >= 1);
        // Others are not held up by it.
        assert_eq!(within(Duration::from_secs(20), "a sum", || 2), Ok(2));
        drop(go);
    }

    #[test]
    fn a_panic_is_a_failure_and_no_more() {
        let failed = within(Duration::from_secs(20), "this", || {
            assert!(under_way() == 0, "as it has to be here");
        });
        assert_eq!(
            failed.unwrap_err().to_string(),
            "this could not be done: it panicked"
        );
    }
}
