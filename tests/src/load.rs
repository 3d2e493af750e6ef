//! Clients that ask one thing over and over on connections of their own, and note what each request came to.

use crate::{Client, eventually};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A request and what it came to.
#[derive(Clone, Debug)]
pub struct Shot {
    /// When it was sent, since the load began.
    pub at: Duration,
    /// Until its answer was there.
    pub latency: Duration,
    /// The status; `None` where the connection broke.
    pub status: Option<u16>,
    /// The answer's body; `refused` where there was no connection to be had.
    pub text: String,
}

impl Shot {
    /// Whether a client would call it an error.
    pub fn is_error(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }
}

/// The running load.
pub struct Load {
    began: Instant,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Shot>>>,
}

impl Load {
    /// So many clients ask `a.test` for `/who`.
    pub fn start(address: SocketAddr, connections: usize) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let began = Instant::now();
        let client = |_| {
            let (stop, done) = (stop.clone(), done.clone());
            thread::spawn(move || ask_on(address, began, &stop, &done))
        };
        Self {
            began,
            clients: (0..connections).map(client).collect(),
            stop,
            done,
        }
    }

    /// Since it began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until so many more requests are answered.
    ///
    /// # Panics
    /// When they are not in time.
    pub fn more(&self, requests: usize) {
        let goal = self.done.load(Ordering::SeqCst) + requests;
        eventually("requests of the load", || {
            (self.done.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// Ends it: every request, by the time it was sent.
    ///
    /// # Panics
    /// When a client did.
    pub fn end(self) -> Vec<Shot> {
        self.stop.store(true, Ordering::SeqCst);
        let clients = self.clients.into_iter();
        let mut shots: Vec<Shot> = clients
            .flat_map(|client| client.join().expect("a client"))
            .collect();
        shots.sort_by_key(|shot| shot.at);
        shots
    }
}

fn ask_on(address: SocketAddr, began: Instant, stop: &AtomicBool, done: &AtomicUsize) -> Vec<Shot> {
    let mut shots = Vec::new();
    let mut kept: Option<Client> = None;
    while !stop.load(Ordering::SeqCst) {
        let at = began.elapsed();
        let answer = kept
            .take()
            .map_or_else(|| Client::try_connect(address), Ok)
            .and_then(|mut client| {
                client.try_send("GET /who HTTP/1.1\r\nHost: a.test\r\n\r\n")?;
                let response = client.try_response()?;
                let closes = response.field("Connection") == Some("close");
                kept = (!closes).then_some(client);
                Ok::<_, io::Error>(response)
            });
        let latency = began.elapsed() - at;
        let (status, text) = match answer {
            Ok(response) => (Some(response.status), response.text()),
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => (None, "refused".to_owned()),
            Err(_) => (None, String::new()),
        };
        shots.push(Shot {
            at,
            latency,
            status,
            text,
        });
        done.fetch_add(1, Ordering::SeqCst);
    }
    shots
}
