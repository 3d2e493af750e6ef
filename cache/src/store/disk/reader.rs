//! The threads that read. Requests for one place share one reading.

use super::{Inner, Place, READS_MAX};
use crate::object::Object;
use hashbrown::{HashMap, hash_map::Entry};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Option<Arc<Object>>>;
type Asker = (Box<[u8]>, Answer);

#[derive(Default)]
struct Waiting {
    order: VecDeque<Place>,
    /// Who waits for what is being read or will be, with the key that they mean.
    places: HashMap<Place, Vec<Asker>>,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Readers {
    pub fn start(inner: &Arc<Inner>, threads: usize) -> io::Result<Readers> {
        let mut readers = Readers {
            queue: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let (queue, inner) = (readers.queue.clone(), inner.clone());
            let thread = std::thread::Builder::new()
                .name("cache-reader".into())
                .spawn(move || run(&queue, &inner))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    pub fn read(&self, place: Place, key: &[u8]) -> Option<oneshot::Receiver<Option<Arc<Object>>>> {
        let (answer, read) = oneshot::channel();
        let mut waiting = self.queue.waiting.lock();
        if waiting.order.len() >= READS_MAX {
            return None;
        }
        match waiting.places.entry(place) {
            Entry::Occupied(mut others) => others.get_mut().push((key.into(), answer)),
            Entry::Vacant(entry) => {
                entry.insert(vec![(key.into(), answer)]);
                waiting.order.push_back(place);
                self.queue.more.notify_one();
            }
        }
        Some(read)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.waiting.lock().closed = true;
        self.queue.more.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(queue: &Queue, inner: &Inner) {
    loop {
        let place = {
            let mut waiting = queue.waiting.lock();
            loop {
                if waiting.closed {
                    return;
                }
                match waiting.order.pop_front() {
                    Some(place) => break place,
                    None => queue.more.wait(&mut waiting),
                }
            }
        };
        let object = read(inner, place);
        let askers = queue.waiting.lock().places.remove(&place);
        for (key, answer) in askers.unwrap_or_default() {
            // Two keys may have one hash: the one that is not there gets nothing.
            let own = object
                .as_ref()
                .filter(|object| object.key.as_ref().bytes == &*key);
            let _ = answer.send(own.cloned());
        }
    }
}

/// Reads a record; what is not whole is forgotten.
fn read(inner: &Inner, place: Place) -> Option<Arc<Object>> {
    let segment = inner.segments.read().get(&place.location.segment).cloned();
    let is_checked = inner.index.is_checked(place.hash, place.location);
    let object = match segment.map(|segment| segment.read(place.location.at, is_checked)) {
        Some(Ok(Some(object))) => object,
        Some(Ok(None)) => {
            inner.torn.fetch_add(1, Relaxed);
            inner.index.forget_at(place.hash, place.location);
            return None;
        }
        Some(Err(e)) => {
            inner.read_failed(&e);
            inner.index.forget_at(place.hash, place.location);
            return None;
        }
        // Its segment made room meanwhile.
        None => {
            inner.index.forget_at(place.hash, place.location);
            return None;
        }
    };
    inner.reads.fetch_add(1, Relaxed);
    if !is_checked {
        inner.index.set_checked(place.hash, place.location);
    }
    object.set_offered(true);
    Some(Arc::new(object))
}
