//! Clients that ask one thing over and over on connections of their own, and note what each request came to.

use crate::{Client, eventually};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The text of a [`Shot`] for which there was no connection to be had.
pub const REFUSED: &str = "refused";

/// A request and what it came to.
#[derive(Clone, Debug)]
pub struct Shot {
    /// When it was sent, since the load began.
    pub at: Duration,
    /// Until its answer was there.
    pub latency: Duration,
    /// The status; `None` where the connection broke.
    pub status: Option<u16>,
    /// The answer's body; [`REFUSED`] where there was no connection to be had, the error where it broke.
    pub text: String,
}

impl Shot {
    /// Whether a client would call it an error.
    pub fn is_error(&self) -> bool {
        self.status.is_none_or(|status| status >= 500)
    }
}

/// What each client does.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// The target it asks for, of `a.test`.
    pub target: &'static str,
    /// Whether it makes a connection for each request, and then not more than [`FRESH_A_SECOND`].
    pub fresh: bool,
}

/// New connections of a client a second: the ports of one address are not endless.
pub const FRESH_A_SECOND: u64 = 200;

/// What clients share.
#[derive(Clone)]
struct Shared {
    began: Instant,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

/// The running load.
pub struct Load {
    shared: Shared,
    clients: Vec<JoinHandle<Vec<Shot>>>,
}

impl Load {
    /// So many clients ask `a.test` for `/who`, each on a connection that it keeps.
    pub fn start(address: SocketAddr, connections: usize) -> Self {
        let habit = Habit {
            target: "/who",
            fresh: false,
        };
        Self::with(address, &vec![habit; connections])
    }

    /// A client for each of these habits.
    pub fn with(address: SocketAddr, habits: &[Habit]) -> Self {
        let shared = Shared {
            began: Instant::now(),
            stop: Arc::default(),
            done: Arc::default(),
            last: Arc::default(),
        };
        let client = |habit: &Habit| {
            let (shared, habit) = (shared.clone(), *habit);
            thread::spawn(move || ask_on(address, habit, &shared))
        };
        Self {
            clients: habits.iter().map(client).collect(),
            shared,
        }
    }

    /// Since it began.
    pub fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Waits until so many more requests are answered.
    ///
    /// # Panics
    /// When they are not in time.
    pub fn more(&self, requests: usize) {
        let goal = self.shared.done.load(Ordering::SeqCst) + requests;
        eventually("requests of the load", || {
            (self.shared.done.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// Waits until a request is answered with this text.
    ///
    /// # Panics
    /// When none is in time.
    pub fn until(&self, text: &str) {
        eventually(&format!("an answer {text:?} to the load"), || {
            let last = self.shared.last.lock();
            (*last.unwrap_or_else(PoisonError::into_inner) == text).then_some(())
        });
    }

    /// Ends it: every request, by the time it was sent.
    ///
    /// # Panics
    /// When a client did.
    pub fn end(self) -> Vec<Shot> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let clients = self.clients.into_iter();
        let mut shots: Vec<Shot> = clients
            .flat_map(|client| client.join().expect("a client"))
            .collect();
        shots.sort_by_key(|shot| shot.at);
        shots
    }
}

fn ask_on(address: SocketAddr, habit: Habit, shared: &Shared) -> Vec<Shot> {
    let request = format!("GET {} HTTP/1.1\r\nHost: a.test\r\n\r\n", habit.target);
    let mut shots = Vec::new();
    let mut kept: Option<Client> = None;
    while !shared.stop.load(Ordering::SeqCst) {
        let at = shared.began.elapsed();
        let answer = kept
            .take()
            .map_or_else(|| Client::try_connect(address), Ok)
            .and_then(|mut client| {
                client.try_send(&request)?;
                let response = client.try_response()?;
                let closes = habit.fresh || response.field("Connection") == Some("close");
                kept = (!closes).then_some(client);
                Ok::<_, io::Error>(response)
            });
        let latency = shared.began.elapsed() - at;
        let (status, text) = match answer {
            Ok(response) => (Some(response.status), response.text()),
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => (None, REFUSED.to_owned()),
            Err(e) => (None, e.to_string()),
        };
        // An origin's pages may be large; who waits for one does so for a word.
        if text.len() <= 64 {
            let mut last = shared.last.lock().unwrap_or_else(PoisonError::into_inner);
            text.clone_into(&mut last);
        }
        let is_refused = text == REFUSED;
        shots.push(Shot {
            at,
            latency,
            status,
            text,
        });
        shared.done.fetch_add(1, Ordering::SeqCst);
        if habit.fresh || is_refused {
            thread::sleep(Duration::from_millis(1000 / FRESH_A_SECOND));
        }
    }
    shots
}
