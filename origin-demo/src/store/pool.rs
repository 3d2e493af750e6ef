//! Threads for a blocking repository: one writer, some readers.

use super::{Error, Repository, Result};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tokio::sync::oneshot;

type Task = Box<dyn FnOnce(&mut dyn Repository) + Send>;

/// Hands questions to the threads that own the connections. Dropping it ends them once they are idle.
#[derive(Clone)]
pub struct Pool {
    writer: Sender<Task>,
    readers: Sender<Task>,
}

impl Pool {
    /// A pool of one writer and `readers` readers, each with a repository from `open`.
    pub fn new<R: Repository + 'static>(
        readers: usize,
        open: impl Fn() -> Result<R>,
    ) -> Result<Self> {
        let (writer, writes) = channel();
        let (reader, reads) = channel();
        serve(open()?, Arc::new(Mutex::new(writes)));
        let reads = Arc::new(Mutex::new(reads));
        for _ in 0..readers {
            serve(open()?, reads.clone());
        }
        Ok(Self {
            writer,
            readers: reader,
        })
    }

    /// Ask something that changes nothing.
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        crate::metrics::DB_QUERIES.inc();
        submit(&self.readers, ask).await
    }

    /// Change something, one at a time.
    pub async fn write<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Repository) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        crate::metrics::DB_WRITES.inc();
        submit(&self.writer, ask).await
    }
}

async fn submit<T: Send + 'static>(
    to: &Sender<Task>,
    ask: impl FnOnce(&mut dyn Repository) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    let task: Task = Box::new(move |repository| {
        let _ = answer.send(ask(repository));
    });
    to.send(task).map_err(|_| Error::Closed)?;
    answered.await.map_err(|_| Error::Closed)?
}

fn serve(mut repository: impl Repository + 'static, tasks: Arc<Mutex<Receiver<Task>>>) {
    thread::spawn(move || {
        loop {
            // The lock is held while waiting and let go before working, so the readers take turns.
            let next = match tasks.lock() {
                Ok(tasks) => tasks.recv(),
                Err(_) => return,
            };
            match next {
                Ok(task) => task(&mut repository),
                Err(_) => return,
            }
        }
    });
}
