//! A request's hold on a server.

use crate::server::Server;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
};

/// A request's hold on a server: counted in flight until dropped. Keeps the server's counts alive, not the pool.
#[derive(Debug)]
pub struct Lease {
    /// The server's index in its pool, for [`Pool::report`](crate::Pool::report) and [`Tried`](crate::Tried).
    pub index: usize,
    server: Arc<Server>,
}

impl Lease {
    /// Takes hold of a server, unless it is at its `max_conns`: of several threads that see the last slot, one gets it.
    pub(crate) fn claim(index: usize, server: &Arc<Server>) -> Option<Self> {
        let in_flight = &server.health.in_flight;
        match server.options.max_conns {
            0 => _ = in_flight.fetch_add(1, Relaxed),
            max => {
                // In one order with the queue's length: see `queue`.
                let below = |count: u32| (count < max).then_some(count + 1);
                in_flight.fetch_update(SeqCst, SeqCst, below).ok()?;
            }
        }
        Some(Self {
            index,
            server: Arc::clone(server),
        })
    }
}

impl Deref for Lease {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match &self.server.queue {
            None => _ = self.server.health.in_flight.fetch_sub(1, Relaxed),
            Some(queue) => {
                self.server.health.in_flight.fetch_sub(1, SeqCst);
                queue.signal();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Pool, PoolOptions, ServerOptions};
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    fn server(max_conns: u32) -> Arc<Server> {
        let server = ServerOptions {
            max_conns,
            ..ServerOptions::new("a")
        };
        let pool = Pool::new(
            PoolOptions::new("leased", Algorithm::RoundRobin, vec![server]),
            None,
        );
        Arc::clone(&pool.servers()[0])
    }

    #[test]
    fn as_many_take_hold_as_may_and_not_one_more() {
        let server = server(3);
        let held: Vec<Lease> = (0..5).filter_map(|_| Lease::claim(0, &server)).collect();
        assert_eq!(held.len(), 3);
        drop(held);
        assert_eq!(server.in_flight(), 0);
        assert!(Lease::claim(0, &server).is_some());
    }

    #[test]
    fn of_many_threads_no_more_take_hold_than_may() {
        let server = server(2);
        let (now, claimed) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let Some(_lease) = Lease::claim(0, &server) else {
                            continue;
                        };
                        assert!(now.fetch_add(1, SeqCst) < 2, "one too many");
                        claimed.fetch_add(1, SeqCst);
                        now.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(claimed.into_inner() > 1000);
        assert_eq!(server.in_flight(), 0);
    }
}
