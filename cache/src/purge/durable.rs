//! Whether a purge would survive the machine.

use tokio::sync::oneshot;

/// A purge that holds already, on its way to the disk. Whoever acknowledges it waits first; a cache without a disk has nothing to wait for.
#[must_use = "a purge is acknowledged once it is on the disk"]
#[derive(Debug, Default)]
pub struct Durable(Option<oneshot::Receiver<bool>>);

impl Durable {
    pub(crate) fn awaiting(written: oneshot::Receiver<bool>) -> Durable {
        Durable(Some(written))
    }

    /// False if it could not be written: it holds until the daemon ends.
    pub async fn wait(self) -> bool {
        match self.0 {
            None => true,
            Some(written) => written.await.unwrap_or(false),
        }
    }

    /// The same, for threads that may block.
    pub fn wait_blocking(self) -> bool {
        match self.0 {
            None => true,
            Some(written) => written.blocking_recv().unwrap_or(false),
        }
    }
}
