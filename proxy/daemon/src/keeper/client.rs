//! The keeper as the worker sees it.
//!
//! A thread reads what the keeper says and the signals that reach the worker itself. Answers go to the one request under
//! way (requests from several threads wait for each other: there are a handful in a worker's life), events to a
//! channel that a runtime or a plain thread can read.

use super::protocol::{self, Address, Message, OpenMode, ProtocolError, Request};
use crate::{configuration::Source, log::ErrorLog};
use anyhow::Context;
use seawall_conf::model::LogLevel;
use seawall_sys::{
    channel::Channel,
    listen::Endpoint,
    privileges, process,
    signals::{Signal, Signals, wait_readable},
};
use std::{
    fs::File,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Why a request to the keeper was in vain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The keeper says no: the address is in use, the file is not there, the configuration does not name it.
    #[error("{reason}")]
    Refused {
        /// The kernel's error number, where there is one.
        errno: Option<i32>,
        /// For people, in nginx's words where it has some.
        reason: String,
        /// Who has what was asked for, where that can be told.
        holder: Option<String>,
    },
    /// The keeper is gone: drain and exit.
    #[error("the keeper is gone")]
    Gone,
    /// The socketpair failed.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The keeper answered something else: a bug.
    #[error("the keeper gave an answer to another question")]
    Unexpected,
}

/// What the keeper tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeeperEvent {
    /// Read the configuration again.
    Reload,
    /// Open the access logs again (the error log has been exchanged already).
    Reopen,
    /// Stop accepting, finish what is in flight within `process.drain`, exit.
    Quit,
    /// Exit.
    Stop,
    /// Let go of what only one process may have, and say so ([`KeeperClient::released`]).
    Release,
    /// As `Quit`, where a successor accepts already and there is this much time.
    Retire(Duration),
    /// The keeper is dead: as [`Quit`](Self::Quit), and nothing can be asked any more.
    Gone,
}

type Answer = (Message, Vec<OwnedFd>);

/// A way to ask the keeper. Clones ask the same one; every method blocks until it is answered.
#[derive(Clone)]
pub struct KeeperClient {
    shared: Arc<Shared>,
}

struct Shared {
    channel: Channel,
    answers: Mutex<Receiver<Answer>>,
    events: Mutex<Option<UnboundedReceiver<KeeperEvent>>>,
    log: ErrorLog,
    background: bool,
}

/// What a worker starts with.
pub struct Welcomed {
    /// The way to ask.
    pub keeper: KeeperClient,
    /// The configuration to serve.
    pub source: Source,
    /// The error log; the keeper exchanges its file when logs are rotated.
    pub log: ErrorLog,
    /// How many workers there were before.
    pub generation: u64,
    /// An address that somebody else has is waited for.
    pub patient: bool,
}

/// Begins a worker's life: takes the socketpair from standard input, learns what to do, and drops privileges, before any
/// other thread exists.
///
/// # Errors
/// When this was not started by a keeper, or the user cannot be assumed.
pub fn welcome() -> anyhow::Result<Welcomed> {
    // TERM and QUIT are for us; the others of a terminal's or a service manager's are the keeper's to act upon.
    let signals = Signals::watch(&[
        Signal::SIGTERM,
        Signal::SIGQUIT,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGWINCH,
    ])?;
    let channel = Channel::from_fd(process::take_stdin()?);
    let first = protocol::receive::<Message>(&channel)
        .context("`worker` is started by `seawall run` only")?;
    let Some((Message::Welcome(welcome), fds)) = first else {
        anyhow::bail!("`worker` is started by `seawall run` only");
    };
    if let Some(user) = welcome.identity {
        privileges::assume(&user.into()).context("cannot drop privileges")?;
    }
    privileges::no_new_privileges()?;
    process::set_name("seawall-worker")?;
    let log = ErrorLog::queued(fds.into_iter().next().map(File::from), welcome.level.into())?;
    let keeper = KeeperClient::over(channel, Some(signals), log.clone(), welcome.background)?;
    Ok(Welcomed {
        keeper,
        source: welcome.source,
        log,
        generation: welcome.generation,
        patient: welcome.patient,
    })
}

impl KeeperClient {
    fn over(
        channel: Channel,
        signals: Option<Signals>,
        log: ErrorLog,
        background: bool,
    ) -> std::io::Result<Self> {
        let (answered, answers) = mpsc::channel();
        let (happened, events) = unbounded_channel();
        let events = Mutex::new(Some(events));
        let shared = Arc::new(Shared {
            channel,
            answers: Mutex::new(answers),
            events,
            log,
            background,
        });
        let reader = shared.clone();
        std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || read(&reader, signals.as_ref(), answered, &happened))?;
        Ok(Self { shared })
    }

    /// Sockets that listen on an address, `count` of them (one for each thread); non-blocking and close-on-exec. Also tells
    /// the address that was bound, where port 0 was asked for.
    ///
    /// # Errors
    /// [`Error::Refused`] with the kernel's number, for instance 98 for an address in use.
    pub fn listen(
        &self,
        endpoint: &Endpoint,
        count: usize,
    ) -> Result<(Vec<OwnedFd>, Option<SocketAddr>), Error> {
        let answers = self.lock();
        self.send(&Request::Listen {
            address: Address::from(endpoint),
            count,
        })?;
        let mut sockets = Vec::with_capacity(count);
        loop {
            match next(&answers)? {
                (Message::Sockets { bound, more }, fds) => {
                    sockets.extend(fds);
                    if !more {
                        return Ok((sockets, bound));
                    }
                }
                _ => return Err(Error::Unexpected),
            }
        }
    }

    /// Opens a file that the configuration names: a key only root may read, a log only root may write.
    ///
    /// # Errors
    /// [`Error::Refused`], also where the configuration does not name the file.
    pub fn open(&self, path: &Path, mode: OpenMode) -> Result<File, Error> {
        let answers = self.lock();
        self.send(&Request::Open {
            path: path.to_owned(),
            mode,
        })?;
        match next(&answers)? {
            (Message::File, fds) => fds
                .into_iter()
                .next()
                .map(File::from)
                .ok_or(Error::Unexpected),
            _ => Err(Error::Unexpected),
        }
    }

    /// Says that all sockets are bound and the plan is compiled: the keeper writes the pid file, and a command that waits
    /// in the foreground ends. Worth nothing when said again.
    ///
    /// # Errors
    /// [`Error::Refused`] when the pid file cannot be written.
    pub fn bound(&self) -> Result<(), Error> {
        self.done(&Request::Bound)?;
        if let Some(file) = self.shared.log.file().filter(|_| self.shared.background) {
            // A panic's text then lands in the error log; without it the worker serves as well.
            let _ = process::redirect_stderr(&file);
        }
        Ok(())
    }

    /// Lets the keeper close the sockets on all other addresses; for after a reload, once the old generation has drained.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn retain(&self, endpoints: &[Endpoint]) -> Result<(), Error> {
        self.done(&Request::Retain {
            addresses: endpoints.iter().map(Address::from).collect(),
        })
    }

    /// Says that a newer binary may have what only one process may.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn released(&self) -> Result<(), Error> {
        self.done(&Request::Released)
    }

    /// Says what the daemon is doing, for whoever manages it.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn status(&self, text: &str) -> Result<(), Error> {
        self.done(&Request::Status {
            text: text.to_owned(),
        })
    }

    /// What the keeper tells from now on; `None` when they have been taken already. Use `blocking_recv` outside a runtime.
    pub fn events(&self) -> Option<UnboundedReceiver<KeeperEvent>> {
        self.shared
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn done(&self, request: &Request) -> Result<(), Error> {
        let answers = self.lock();
        self.send(request)?;
        match next(&answers)? {
            (Message::Done, _) => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Receiver<Answer>> {
        self.shared
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: &Request) -> Result<(), Error> {
        match protocol::send(&self.shared.channel, request, &[]) {
            // EPIPE: the reader is about to say so too.
            Err(ProtocolError::Channel(error)) if error.errno() == Some(32) => Err(Error::Gone),
            other => Ok(other?),
        }
    }
}

fn next(answers: &Receiver<Answer>) -> Result<Answer, Error> {
    match answers.recv() {
        Err(_) => Err(Error::Gone),
        Ok((
            Message::Refused {
                errno,
                reason,
                holder,
            },
            _,
        )) => Err(Error::Refused {
            errno,
            reason,
            holder,
        }),
        Ok(answer) => Ok(answer),
    }
}

/// The reader's thread: until the keeper is gone, and then signals alone.
fn read(
    shared: &Shared,
    signals: Option<&Signals>,
    answered: Sender<Answer>,
    events: &UnboundedSender<KeeperEvent>,
) {
    // Nobody may listen to events any more while the worker ends; that changes nothing.
    let tell = |event| {
        let _ = events.send(event);
    };
    let mut answered = Some(answered);
    loop {
        let mut fds: Vec<BorrowedFd<'_>> = Vec::with_capacity(2);
        fds.extend(answered.is_some().then(|| shared.channel.as_fd()));
        fds.extend(signals.map(AsFd::as_fd));
        if fds.is_empty() || wait_readable(&fds, None).is_err() {
            return;
        }
        while let Some(arrived) = signals.and_then(|s| s.next().ok().flatten()) {
            match arrived.signal {
                Signal::SIGTERM => tell(KeeperEvent::Stop),
                Signal::SIGQUIT => tell(KeeperEvent::Quit),
                _ => {}
            }
        }
        if answered.is_some() && spoken(shared) {
            match protocol::receive::<Message>(&shared.channel) {
                Ok(Some((message, fds))) => {
                    on_message(shared, answered.as_ref(), &tell, message, fds)
                }
                Ok(None) => {
                    answered = None;
                    tell(KeeperEvent::Gone);
                }
                Err(error) => {
                    shared.log.line(LogLevel::Alert, 0, format_args!("{error}"));
                    answered = None;
                    tell(KeeperEvent::Gone);
                }
            }
        }
    }
}

/// Whether the keeper has said something, without waiting.
fn spoken(shared: &Shared) -> bool {
    wait_readable(&[shared.channel.as_fd()], Some(std::time::Duration::ZERO))
        .is_ok_and(|ready| ready == [true])
}

fn on_message(
    shared: &Shared,
    answered: Option<&Sender<Answer>>,
    tell: &impl Fn(KeeperEvent),
    message: Message,
    fds: Vec<OwnedFd>,
) {
    match message {
        Message::Reload { level } => {
            shared.log.replace(fds.into_iter().next().map(File::from));
            shared.log.set_level(level.into());
            tell(KeeperEvent::Reload);
        }
        Message::Reopen => {
            shared.log.replace(fds.into_iter().next().map(File::from));
            tell(KeeperEvent::Reopen);
        }
        Message::Quit => tell(KeeperEvent::Quit),
        Message::Stop => tell(KeeperEvent::Stop),
        Message::Release => tell(KeeperEvent::Release),
        Message::Retire { limit } => tell(KeeperEvent::Retire(limit)),
        Message::Welcome(_) => {}
        answer @ (Message::Sockets { .. }
        | Message::File
        | Message::Done
        | Message::Refused { .. }) => {
            // The asker holds the other end as long as the client lives.
            let _ = answered.map(|answered| answered.send((answer, fds)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_sys::channel::FDS_MAX;

    /// A client, and the keeper's end of its channel.
    fn client() -> (KeeperClient, Channel) {
        let (ours, theirs) = Channel::pair().unwrap();
        let log = ErrorLog::direct(None, LogLevel::Emerg);
        (KeeperClient::over(ours, None, log, false).unwrap(), theirs)
    }

    /// Answers one request in a thread.
    fn answer(
        keeper: Channel,
        with: impl FnOnce(&Channel, Request) + Send + 'static,
    ) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let (request, _) = protocol::receive::<Request>(&keeper).unwrap().unwrap();
            with(&keeper, request);
        })
    }

    #[test]
    fn more_sockets_than_a_message_holds_arrive_together() {
        let (client, keeper) = client();
        let endpoint = Endpoint::Tcp("127.0.0.1:80".parse().unwrap());
        let count = FDS_MAX + 1;
        let thread = answer(keeper, move |channel, request| {
            assert!(matches!(request, Request::Listen { count: n, .. } if n == count));
            let file = File::open("/dev/null").unwrap();
            protocol::send_sockets(channel, None, &vec![file.as_fd(); count]).unwrap();
        });
        assert_eq!(client.listen(&endpoint, count).unwrap().0.len(), count);
        thread.join().unwrap();
    }

    #[test]
    fn an_event_between_question_and_answer_disturbs_neither() {
        let (client, keeper) = client();
        let thread = answer(keeper, |channel, _| {
            protocol::send(
                channel,
                &Message::Reload {
                    level: LogLevel::Error.into(),
                },
                &[],
            )
            .unwrap();
            protocol::send(channel, &Message::Done, &[]).unwrap();
        });
        client.retain(&[]).unwrap();
        thread.join().unwrap();
        let mut events = client.events().unwrap();
        assert_eq!(events.blocking_recv(), Some(KeeperEvent::Reload));
        assert_eq!(events.blocking_recv(), Some(KeeperEvent::Gone));
        assert!(client.events().is_none());
    }

    #[test]
    fn a_refusal_carries_the_kernels_number() {
        let (client, keeper) = client();
        let thread = answer(keeper, |channel, _| {
            let refusal = Message::Refused {
                errno: Some(98),
                reason: "taken".into(),
                holder: None,
            };
            protocol::send(channel, &refusal, &[]).unwrap();
        });
        let error = client.open(Path::new("/x"), OpenMode::Read).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Refused {
                    errno: Some(98),
                    ..
                }
            ),
            "{error}"
        );
        thread.join().unwrap();
    }

    #[test]
    fn a_keeper_that_dies_before_it_answers_is_an_error_and_an_event() {
        let (client, keeper) = client();
        let thread = answer(keeper, |_, _| {});
        assert!(matches!(client.bound(), Err(Error::Gone)));
        thread.join().unwrap();
        assert_eq!(
            client.events().unwrap().blocking_recv(),
            Some(KeeperEvent::Gone)
        );
        assert!(matches!(client.bound(), Err(Error::Gone)));
    }
}
