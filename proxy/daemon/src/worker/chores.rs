//! What the keeper asks of a worker while it serves, in its order: on a thread of its own, so that one chore that waits for a
//! disk does not keep the worker from hearing that it is to leave.

use super::life::Worker;
use crate::keeper::{KeeperClient, KeeperEvent};
use std::{io, sync::Arc, sync::mpsc};

/// Starts the thread; it ends once nobody can tell it anything, or with the process.
///
/// # Errors
/// When there can be none.
pub fn start(worker: &Arc<Worker>, keeper: KeeperClient) -> io::Result<mpsc::Sender<KeeperEvent>> {
    let (sender, chores) = mpsc::channel();
    let worker = worker.clone();
    std::thread::Builder::new()
        .name("chores".into())
        .spawn(move || chores.iter().for_each(|chore| one(&worker, &keeper, chore)))?;
    Ok(sender)
}

fn one(worker: &Arc<Worker>, keeper: &KeeperClient, chore: KeeperEvent) {
    match chore {
        // What is wrong is in the log; the old plan serves on.
        KeeperEvent::Reload => drop(worker.reload("signal")),
        KeeperEvent::Reopen => worker.edge.reopen_logs(),
        KeeperEvent::Release => {
            worker.release();
            // A keeper that is gone needs no answer.
            let _ = keeper.released();
        }
        // These end the worker: they never come here.
        KeeperEvent::Quit | KeeperEvent::Stop | KeeperEvent::Gone | KeeperEvent::Retire(_) => {}
    }
}
