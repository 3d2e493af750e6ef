//! Responses that are sent no faster than they may be (ngx_http_core_module: `limit_rate`).
//!
//! As in nginx, what may have been sent after `n` seconds is `n + 1` times the rate, and what `limit_rate_after` says
//! before that: a client that was away gets no more than that at once. Bytes are counted with the head.

use super::{Client, ClientError};
use crate::tx::Tx;
use std::time::Duration;

/// The share of a second that is waited for at least, so that a slow response is not sent byte by byte.
const STEP_MS: u64 = 100;

/// A bound on the speed of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes a second, at least 1.
    pub rate: u64,
    /// Bytes before the bound begins.
    pub after: u64,
}

impl Pace {
    /// How many bytes more may be sent now.
    fn room(&self, passed_ms: u64, sent: u64) -> u64 {
        let by_time = self.rate.saturating_mul(passed_ms) / 1000;
        let all = self.after.saturating_add(self.rate).saturating_add(by_time);
        all.saturating_sub(sent)
    }

    /// How long to wait until a step's worth may be sent.
    fn wait(&self, passed_ms: u64, sent: u64) -> Duration {
        let step = (self.rate * STEP_MS / 1000).max(1);
        let free = self.after.saturating_add(self.rate);
        let wanted = sent.saturating_add(step).saturating_sub(free);
        let at_ms = wanted.saturating_mul(1000).div_ceil(self.rate);
        Duration::from_millis(at_ms.saturating_sub(passed_ms).max(1))
    }
}

impl Client {
    /// As `put_now`, in pieces, each when its time has come.
    pub(super) async fn put_paced(
        &mut self,
        tx: &mut Tx,
        pace: Pace,
        mut data: &[u8],
        last: bool,
    ) -> Result<(), ClientError> {
        loop {
            let passed_ms = crate::clock::now_ms().saturating_sub(tx.started_ms);
            let room = usize::try_from(pace.room(passed_ms, tx.sent)).unwrap_or(usize::MAX);
            if room == 0 && !data.is_empty() {
                let waited = tokio::time::sleep(pace.wait(passed_ms, tx.sent));
                self.unless_left(tx, waited).await?;
                continue;
            }
            let (piece, rest) = data.split_at(room.min(data.len()));
            data = rest;
            self.put_now(tx, piece, last && rest.is_empty()).await?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_free_and_the_rest_comes_with_time() {
        let pace = Pace {
            rate: 1000,
            after: 500,
        };
        assert_eq!(pace.room(0, 0), 1500);
        assert_eq!(pace.room(0, 1500), 0);
        assert_eq!(pace.room(250, 1500), 250);
        assert_eq!(pace.room(60_000, 1500), 60_000);
        assert_eq!(pace.wait(0, 1500), Duration::from_millis(100));
        assert_eq!(pace.wait(60, 1500), Duration::from_millis(40));
    }

    #[test]
    fn extremes_are_no_panic() {
        let pace = Pace {
            rate: u64::MAX / 1000,
            after: u64::MAX,
        };
        assert!(pace.room(u64::MAX, 0) > 0);
        assert!(pace.wait(u64::MAX, u64::MAX) >= Duration::from_millis(1));
        assert!(Pace { rate: 1, after: 0 }.wait(0, 1) >= Duration::from_millis(1000));
    }
}
