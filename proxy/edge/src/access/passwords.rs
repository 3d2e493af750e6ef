//! Where passwords are verified: threads of their own behind a bounded queue, and a memory of what was verified lately,
//! so that a page with thirty pictures hashes once.
//!
//! The memory is keyed by an HMAC under a key that this process made for itself: what leaks of it says nothing of a
//! password. Only what was right is remembered, so that guesses can neither fill it nor be answered from it.

use super::htpasswd::Htpasswd;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Passwords waiting to be verified at most; beyond them a request gets 503.
pub const QUEUE: usize = 128;
/// Verified credentials remembered at most.
pub const KNOWN_MAX: usize = 4096;
/// How long they are remembered.
pub const KNOWN_FOR: Duration = Duration::from_secs(60);
/// Threads that hash at most: argon2 takes memory for each.
const THREADS_MAX: usize = 4;

/// A sum over credentials.
type Sum = [u8; 32];

struct Job {
    file: Arc<Htpasswd>,
    name: Vec<u8>,
    password: Vec<u8>,
    reply: oneshot::Sender<bool>,
}

/// The threads and the memory.
pub struct Passwords {
    key: Sum,
    known: Mutex<HashMap<Sum, Instant, ahash::RandomState>>,
    queue: OnceLock<Option<SyncSender<Job>>>,
}

/// Too many passwords wait to be verified.
#[derive(Debug, thiserror::Error)]
#[error("{QUEUE} passwords wait to be verified")]
pub struct Busy;

impl Passwords {
    /// Nothing runs before the first password comes. `None` when the system has no randomness.
    pub fn new() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self {
            key,
            known: Mutex::default(),
            queue: OnceLock::new(),
        })
    }

    /// A sum that means these parts and no others.
    pub fn sum(&self, parts: &[&[u8]]) -> Sum {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            // HMAC takes keys of any length.
            return [0; 32];
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether credentials were verified lately.
    pub fn knows(&self, sum: &Sum, now: Instant) -> bool {
        let known = self.known.lock();
        known.get(sum).is_some_and(|until| *until > now)
    }

    /// Remembers credentials that are right.
    pub fn remember(&self, sum: Sum, now: Instant) {
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, until| *until > now);
        }
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(sum, now + KNOWN_FOR);
    }

    /// Verifies a password on a thread of its own.
    pub async fn verify(
        &self,
        file: Arc<Htpasswd>,
        name: &[u8],
        password: &[u8],
    ) -> Result<bool, Busy> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            file,
            name: name.to_vec(),
            password: password.to_vec(),
            reply,
        };
        let queue = self.queue.get_or_init(start).as_ref().ok_or(Busy)?;
        queue.try_send(job).map_err(|_| Busy)?;
        answer.await.map_err(|_| Busy)
    }
}

/// Starts the threads; `None` when not one can be.
fn start() -> Option<SyncSender<Job>> {
    let (sender, receiver) = sync_channel(QUEUE);
    let receiver = Arc::new(Mutex::new(receiver));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let started = (0..cores.clamp(1, THREADS_MAX))
        .filter(|n| {
            let receiver = receiver.clone();
            let thread = std::thread::Builder::new().name(format!("password-{n}"));
            thread.spawn(move || work(&receiver)).is_ok()
        })
        .count();
    (started > 0).then_some(sender)
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    loop {
        // One thread waits, the others wait for it.
        let job = receiver.lock().recv();
        let Ok(job) = job else { return };
        // Whoever has gone in the meantime asks for nothing any more.
        if job.reply.is_closed() {
            continue;
        }
        let verify = std::panic::AssertUnwindSafe(|| job.file.verify(&job.name, &job.password));
        let right = std::panic::catch_unwind(verify).unwrap_or(false);
        let _ = job.reply.send(right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diag::{Diagnostics, Severity, SourceMap};

    fn users() -> Arc<Htpasswd> {
        Arc::new(Htpasswd::parse(
            std::path::Path::new("users"),
            "a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nslow:$5$rounds=400000$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.\n",
            Severity::Error,
            &mut SourceMap::default(),
            &mut Diagnostics::default(),
        ))
    }

    #[tokio::test]
    async fn passwords_are_verified_elsewhere() {
        let passwords = Passwords::new().unwrap();
        assert!(passwords.verify(users(), b"a", b"secret").await.unwrap());
        assert!(!passwords.verify(users(), b"a", b"wrong").await.unwrap());
        assert!(!passwords.verify(users(), b"b", b"secret").await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_empties_again() {
        let passwords = Passwords::new().unwrap();
        let users = users();
        let mut waiting = Vec::new();
        let mut busy = 0;
        for _ in 0..QUEUE * 2 {
            let mut one = Box::pin(passwords.verify(users.clone(), b"slow", b"x"));
            // Polled once: queued or refused.
            match std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await {
                std::task::Poll::Ready(Err(Busy)) => busy += 1,
                std::task::Poll::Ready(Ok(_)) => {}
                std::task::Poll::Pending => waiting.push(one),
            }
        }
        assert!(busy >= QUEUE - 8, "{busy}");
        // Who goes away is not verified.
        drop(waiting);
        while passwords
            .verify(users.clone(), b"a", b"secret")
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn what_is_known_is_bounded_and_forgotten() {
        let passwords = Passwords::new().unwrap();
        let now = Instant::now();
        let sum = passwords.sum(&[b"file", b"name", b"word"]);
        assert_ne!(sum, passwords.sum(&[b"file", b"namew", b"ord"]));
        passwords.remember(sum, now);
        assert!(passwords.knows(&sum, now));
        assert!(!passwords.knows(&sum, now + KNOWN_FOR));
        for n in 0..KNOWN_MAX * 2 {
            passwords.remember(passwords.sum(&[&n.to_le_bytes()]), now);
            assert!(passwords.known.lock().len() <= KNOWN_MAX);
        }
    }
}
