//! The keeper's own life: start, the loop over signals and messages, the end.

use super::{
    DISK_PATIENCE,
    background::{self, Readiness, Side},
    grants::Grants,
    handover::Letter,
    life::Life,
    notify::Notifier,
    pid_file::PidFile,
    protocol::{self, Message, Request, Welcome},
    restart::Restart,
    sockets::Sockets,
    upgrade::{START_LIMIT, Upgrade},
    worker_process::{Death, Worker},
};
use crate::{
    configuration::{self, Source, Style},
    log::{ErrorLog, FLUSH_PATIENCE},
    patience::within,
    version,
};
use anyhow::Context;
use seawall_conf::model::{Config, LogLevel, Syntax};
use seawall_sys::{
    files,
    privileges::{self, Identity},
    process,
    signals::{Arrived, Signal, Signals, wait_readable},
};
use std::{
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, ExitCode},
    time::{Duration, Instant},
};

/// Open files asked for: what a connection limit of 65,536 needs with an origin connection each, and some room.
const OPEN_FILES_WANTED: u64 = 2 * 65_536 + 4096;

/// What the keeper reads.
const SIGNALS: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCHLD,
];

/// The keeper.
pub(super) struct Keeper {
    pub(super) source: Source,
    pub(super) log: ErrorLog,
    pub(super) facts: Facts,
    pub(super) grants: Grants,
    pub(super) granted_at: Instant,
    pub(super) sockets: Sockets,
    pub(super) signals: Signals,
    pub(super) life: Life,
    pub(super) pid_file: Option<PidFile>,
    ready: Option<Readiness>,
    pub(super) background: bool,
    /// The worker that serves, or is to serve.
    pub(super) worker: Option<Worker>,
    /// Workers of programs before this one: one that serves until ours does, and those that are leaving.
    pub(super) others: Vec<Worker>,
    restart: Restart,
    restart_at: Option<Instant>,
    pub(super) generation: u64,
    /// Where this program was started from; what is there now may be newer.
    pub(super) binary: PathBuf,
    pub(super) upgrade: Upgrade,
    /// The worker has just let go.
    pub(super) released_by: bool,
    /// Children that were ended and have not died yet: those that a disk holds.
    pub(super) dying: Vec<Child>,
    pub(super) notifier: Notifier,
    /// The worker was killed because it did not end.
    forced: bool,
    /// What the worker says that the daemon is doing.
    pub(super) status: String,
}

/// What of the configuration concerns the keeper itself.
pub(super) struct Facts {
    pub(super) error_log: Option<PathBuf>,
    pub(super) level: LogLevel,
    /// All that the configuration says of the error log.
    pub(super) errors: seawall_conf::model::ErrorLog,
    pub(super) drain: Duration,
    pub(super) pid: Option<PathBuf>,
    pub(super) user: Option<Identity>,
}

impl Facts {
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let process = &config.process;
        let user = match &process.user {
            // nginx ignores `user` when it has no right to change it; so do we, and the log says so.
            Some(user) if privileges::is_root() => {
                let mut names = user.split_whitespace();
                Some(privileges::lookup(
                    names.next().unwrap_or_default(),
                    names.next(),
                )?)
            }
            _ => None,
        };
        Ok(Self {
            error_log: config.log.error.path.clone(),
            level: config.log.error.level,
            errors: config.log.error.clone(),
            drain: process.drain,
            pid: process.pid.clone(),
            user,
        })
    }
}

/// Runs the daemon: returns when it has ended, or, with `daemon on`, in the foreground once it serves.
///
/// # Errors
/// When it cannot start: the configuration has errors (they are reported already; the exit code is then 1), or a log, a
/// socket or the pid file cannot be had.
pub fn run(source: Source) -> anyhow::Result<ExitCode> {
    if let Some(letter) =
        Letter::received().context("what the program before left cannot be read")?
    {
        return Keeper::succeed(source, &letter)?.serve();
    }
    let config = match source.load() {
        Ok((config, warnings)) => {
            configuration::report(&warnings, &config.sources, source.style);
            config
        }
        Err(error) => {
            configuration::report(&error.diagnostics, &error.sources, source.style);
            report_to_named_log(&source, &error);
            return Ok(ExitCode::FAILURE);
        }
    };
    let facts = Facts::of(&config)?;
    let log = ErrorLog::direct(open_log(facts.error_log.as_deref())?, facts.level);
    // Names are the worker's to look up.
    for problem in log.configure(&facts.errors, false) {
        log.line(LogLevel::Warn, 0, format_args!("{problem}"));
    }
    if config.process.user.is_some() && facts.user.is_none() {
        let text = "the \"user\" directive makes sense only if the keeper runs with super-user privileges, ignored";
        log.line(LogLevel::Warn, 0, format_args!("{text}"));
    }
    let ready = match config.process.daemon {
        false => None,
        true => match background::split()? {
            Side::Foreground { up: true } => return Ok(ExitCode::SUCCESS),
            Side::Foreground { up: false } => return Ok(ExitCode::FAILURE),
            Side::Background(ready) => Some(ready),
        },
    };
    prepare(&config, &facts, &log);
    let mut keeper = Keeper::new(source, log, facts)?;
    keeper.grants = Grants::of(&config);
    keeper.background = ready.is_some();
    keeper.ready = ready;
    keeper.run()
}

/// Errors of the configuration also go to the log that `-e` names, as nginx does it.
fn report_to_named_log(source: &Source, error: &seawall_conf::LoadError) {
    let Some(path) = source
        .error_log
        .as_deref()
        .filter(|_| source.style == Style::Nginx)
    else {
        return;
    };
    let path = source
        .prefix
        .as_deref()
        .map_or(path.to_owned(), |prefix| prefix.join(path));
    if let Ok(file) = files::open_append(&path) {
        let log = ErrorLog::direct(Some(file), LogLevel::Warn);
        configuration::report_to_log(&error.diagnostics, &error.sources, &log);
    }
}

/// Opens the error log; `None` is standard error.
pub(super) fn open_log(path: Option<&Path>) -> Result<Option<File>, seawall_sys::Error> {
    path.map(files::open_append).transpose()
}

/// What makes the start better and does not stop it where it fails.
fn prepare(config: &Config, facts: &Facts, log: &ErrorLog) {
    if let Err(error) = process::raise_open_files(OPEN_FILES_WANTED) {
        log.line(
            LogLevel::Warn,
            0,
            format_args!("the limit of open files stays as it is: {error}"),
        );
    }
    // The worker keeps certificates and the internal CA there and cannot make the directory itself once it has dropped.
    // Nothing of what nginx.conf can say is kept.
    if let Some(user) = &facts.user
        && config.syntax == Syntax::Yaml
    {
        let state = &config.process.state;
        if let Err(error) = process::private_directory(state, Some((user.uid, user.gid))) {
            log.line(
                LogLevel::Warn,
                0,
                format_args!("cannot create {}: {error}", state.display()),
            );
        }
    }
}

impl Keeper {
    fn new(source: Source, log: ErrorLog, facts: Facts) -> anyhow::Result<Self> {
        // After the signals are watched: a thread takes none.
        let signals = Signals::watch(&SIGNALS)?;
        let log = log.behind()?;
        Ok(Self {
            grants: Grants::default(),
            granted_at: Instant::now(),
            sockets: Sockets::default(),
            signals,
            life: Life::Starting,
            pid_file: None,
            background: false,
            ready: None,
            worker: None,
            others: Vec::new(),
            restart: Restart::default(),
            restart_at: None,
            generation: 0,
            // Before somebody replaces it: afterwards the kernel's name for it says that it is deleted.
            binary: std::env::current_exe()?,
            upgrade: Upgrade::None,
            released_by: false,
            dying: Vec::new(),
            notifier: Notifier::from_environment(),
            forced: false,
            status: "serving".to_owned(),
            source,
            log,
            facts,
        })
    }

    /// Goes on where the program before this one has stopped: with its sockets and workers, as the same process.
    fn succeed(source: Source, letter: &Letter) -> anyhow::Result<Self> {
        let log = ErrorLog::direct(letter.log_file()?, letter.facts().level);
        let mut keeper = Self::new(source, log, letter.facts())?;
        keeper.sockets = letter.take_sockets()?;
        keeper.others = letter.take_workers()?;
        keeper.generation = letter.generation;
        keeper.background = letter.background;
        keeper.life = Life::Serving;
        if let Some(path) = keeper.facts.pid.as_ref().filter(|_| letter.pid_file) {
            // It holds our number already, and a disk that stands still must not come before the next worker.
            keeper.pid_file = Some(PidFile::inherited(path));
        }
        // Those that were leaving have lost their deadlines with the program that had set them.
        let leaving = Instant::now() + super::upgrade::LEAVE_LIMIT;
        keeper
            .others
            .iter_mut()
            .skip(1)
            .for_each(|w| w.leaving = Some(leaving));
        keeper.note(format_args!(
            "upgrade: nginx/{} (seawall/{}) goes on where {} stopped",
            version::NGINX_VERSION,
            version::VERSION,
            letter.from
        ));
        keeper.refresh();
        Ok(keeper)
    }

    /// Starts a worker beside the one that serves, then goes on as any keeper.
    fn serve(mut self) -> anyhow::Result<ExitCode> {
        if let Err(error) = self.start_worker() {
            self.log
                .line(LogLevel::Alert, 0, format_args!("upgrade: {error:#}"));
            self.take_back();
        }
        self.watch()
    }

    fn run(mut self) -> anyhow::Result<ExitCode> {
        self.note(format_args!(
            "nginx/{} (seawall/{})",
            version::NGINX_VERSION,
            version::VERSION
        ));
        self.note(format_args!("start worker processes"));
        self.start_worker()?;
        self.watch()
    }

    /// Until the end, whose last words are written.
    fn watch(mut self) -> anyhow::Result<ExitCode> {
        let ended = self.go_on();
        if let Some(file) = self.pid_file.take() {
            // What stands still stays: whoever reads it finds that nobody has this number.
            let _ = within(DISK_PATIENCE, "removing the pid file", move || drop(file));
        }
        self.log.flush_within(FLUSH_PATIENCE);
        ended
    }

    /// The loop over signals, messages and deadlines.
    fn go_on(&mut self) -> anyhow::Result<ExitCode> {
        loop {
            let (signalled, speakers) = self.wait()?;
            if signalled {
                while let Some(arrived) = self.signals.next()? {
                    self.on_signal(arrived);
                }
            }
            for pid in speakers {
                self.on_message(pid);
            }
            if std::mem::take(&mut self.released_by) {
                self.released();
            }
            self.bury_others();
            if let Some(death) = self.worker.as_mut().and_then(Worker::reap) {
                self.worker = None;
                if let Some(code) = self.on_death(&death) {
                    return Ok(code);
                }
            }
            if self.life.is_ending() && self.worker.is_none() && self.others.is_empty() {
                self.note(format_args!("exit"));
                return Ok(ExitCode::SUCCESS);
            }
            self.on_time(Instant::now());
        }
    }

    /// Workers of programs before this one that have died.
    fn bury_others(&mut self) {
        self.dying
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let mut deaths = Vec::new();
        self.others.retain_mut(|worker| match worker.reap() {
            Some(death) => {
                deaths.push(death);
                false
            }
            None => true,
        });
        for death in deaths {
            let level = if death.is_exit() {
                LogLevel::Notice
            } else {
                LogLevel::Alert
            };
            self.log
                .line(level, 0, format_args!("{}", death.describe()));
        }
    }

    pub(super) fn note(&self, text: std::fmt::Arguments<'_>) {
        self.log.line(LogLevel::Notice, 0, text);
    }

    fn start_worker(&mut self) -> anyhow::Result<()> {
        let welcome = Welcome {
            source: self.source.clone(),
            identity: self.facts.user.clone().map(Into::into),
            generation: self.generation,
            level: self.facts.level.into(),
            background: self.background,
            patient: self.notifier.is_managed(),
        };
        let worker =
            Worker::start(welcome, self.log.file().as_deref()).context("cannot start a worker")?;
        self.note(format_args!("start worker process {}", worker.pid()));
        self.generation += 1;
        self.worker = Some(worker);
        Ok(())
    }

    /// Waits for a signal, a message or a deadline.
    fn wait(&self) -> anyhow::Result<(bool, Vec<u32>)> {
        let now = Instant::now();
        let leaving = self.others.iter().filter_map(|w| w.leaving);
        let next = [
            self.life.deadline(),
            self.restart_at,
            self.upgrade.deadline(),
            self.notifier.next_beat(),
            self.start_deadline(),
        ];
        let next = next.into_iter().flatten().chain(leaving).min();
        let limit = next.map(|at| at.saturating_duration_since(now));
        let mut fds = vec![self.signals.as_fd()];
        let mut speakers = Vec::new();
        for worker in self.worker.iter().chain(&self.others) {
            if let Some(channel) = &worker.channel {
                fds.push(channel.as_fd());
                speakers.push(worker.pid());
            }
        }
        let ready = wait_readable(&fds, limit)?;
        let spoken = speakers
            .into_iter()
            .zip(ready.iter().skip(1))
            .filter_map(|(pid, ready)| ready.then_some(pid));
        Ok((ready.first() == Some(&true), spoken.collect()))
    }

    /// When a new program's worker has had its time to be bound.
    fn start_deadline(&self) -> Option<Instant> {
        self.predecessor()?;
        self.worker.as_ref()?.started().checked_add(START_LIMIT)
    }

    fn worker_mut(&mut self, pid: u32) -> Option<&mut Worker> {
        self.worker
            .iter_mut()
            .chain(&mut self.others)
            .find(|w| w.pid() == pid)
    }

    fn on_signal(&mut self, arrived: Arrived) {
        let Arrived { signal, from } = arrived;
        let meaning = match signal {
            Signal::SIGHUP => ", reconfiguring",
            Signal::SIGUSR1 => ", reopening logs",
            Signal::SIGQUIT => ", shutting down",
            Signal::SIGTERM | Signal::SIGINT => ", exiting",
            Signal::SIGUSR2 => ", upgrading",
            _ => "",
        };
        self.note(format_args!(
            "signal {} ({signal}) received from {from}{meaning}",
            signal as i32
        ));
        match signal {
            Signal::SIGHUP => self.reload(),
            Signal::SIGUSR1 => self.reopen(),
            Signal::SIGQUIT => self.end(
                self.life.quit(Instant::now(), self.facts.drain),
                Message::Quit,
            ),
            Signal::SIGTERM | Signal::SIGINT => {
                self.end(self.life.stop(Instant::now()), Message::Stop)
            }
            Signal::SIGUSR2 => self.upgrade(),
            Signal::SIGWINCH => {
                let text = format_args!("not-yet: {signal} does nothing so far");
                self.log.line(LogLevel::Warn, 0, text);
            }
            _ => {}
        }
    }

    fn reload(&mut self) {
        self.note(format_args!("reconfiguring"));
        // A broken configuration is reported by the worker, which knows more of what can be wrong with it.
        self.refresh();
        self.tell(&Message::Reload {
            level: self.facts.level.into(),
        });
    }

    fn reopen(&mut self) {
        self.note(format_args!("reopening logs"));
        self.replace_log();
        self.tell(&Message::Reopen);
        let file = self.log.file();
        for worker in &self.others {
            // One that does not listen is leaving anyway.
            let _ = worker.send(&Message::Reopen, file.as_deref());
        }
    }

    fn end(&mut self, life: Life, message: Message) {
        if life == self.life {
            return;
        }
        self.life = life;
        // Without our copies a new connection is refused as soon as the worker has closed its own.
        let files = self.sockets.close();
        self.restart_at = None;
        self.upgrade = Upgrade::None;
        self.notifier.stopping();
        self.tell(&message);
        for worker in &mut self.others {
            worker.leaving = self.life.deadline();
            let _ = worker.send(&message, None);
        }
        let removed = within(DISK_PATIENCE, "removing unix sockets", move || {
            files.remove();
        });
        if let Err(stuck) = removed {
            self.log.line(LogLevel::Alert, 0, format_args!("{stuck}"));
        }
    }

    /// Tells the worker; one that does not listen is of no use any more.
    pub(super) fn tell(&mut self, message: &Message) {
        let file = self
            .log
            .file()
            .filter(|_| matches!(message, Message::Reload { .. } | Message::Reopen));
        let Some(worker) = &mut self.worker else {
            return;
        };
        if let Err(error) = worker.send(message, file.as_deref()) {
            self.log.line(
                LogLevel::Alert,
                0,
                format_args!("worker process {} does not listen: {error}", worker.pid()),
            );
            worker.kill();
        }
    }

    fn on_message(&mut self, pid: u32) {
        let Some(worker) = self.worker_mut(pid) else {
            return;
        };
        let Some(channel) = worker.channel.take() else {
            return;
        };
        let answered = match protocol::receive::<Request>(&channel) {
            // Its end is closed: its death follows, and is what we act upon.
            Ok(None) => return,
            Ok(Some((request, _))) if self.worker.as_ref().is_some_and(|w| w.pid() == pid) => {
                self.answer(&channel, request)
            }
            Ok(Some((request, _))) => self.answer_other(&channel, request),
            Err(error) => Err(error),
        };
        let log = self.log.clone();
        let Some(worker) = self.worker_mut(pid) else {
            return;
        };
        match answered {
            Ok(()) => worker.channel = Some(channel),
            Err(error) => {
                let text = format_args!("worker process {pid} is ended: {error}");
                log.line(LogLevel::Alert, 0, text);
                worker.kill();
            }
        }
    }

    /// The first worker serves: now the daemon is up.
    pub(super) fn up(&mut self) -> std::io::Result<()> {
        if self.predecessor().is_some() {
            self.note(format_args!("upgrade: seawall/{} serves", version::VERSION));
            self.retire_predecessors();
            self.notifier.ready(&self.status);
        }
        if self.life != Life::Starting {
            return Ok(());
        }
        if let Some(path) = &self.facts.pid {
            self.pid_file = Some(self.write_pid(path)?);
        }
        self.life = Life::Serving;
        self.notifier.ready(&self.status);
        if let Some(ready) = self.ready.take() {
            if let Some(file) = self.log.file() {
                // Without it panics would go nowhere; the daemon serves all the same.
                let _ = process::redirect_stderr(&file);
            }
            ready.up();
        }
        Ok(())
    }

    /// What becomes of the daemon when its worker dies; an exit code if it ends.
    fn on_death(&mut self, death: &Death) -> Option<ExitCode> {
        let level = if death.is_exit() {
            LogLevel::Notice
        } else {
            LogLevel::Alert
        };
        self.log
            .line(level, 0, format_args!("{}", death.describe()));
        match self.life {
            // It has said why, on standard error and in the log.
            Life::Starting => Some(ExitCode::FAILURE),
            Life::Serving if self.predecessor().is_some() => {
                self.take_back();
                None
            }
            Life::Serving => {
                let pause = self.restart.pause_after(death.lived);
                self.restart_at = Instant::now().checked_add(pause);
                None
            }
            Life::Draining { .. } | Life::Stopping { .. } => None,
        }
    }

    fn on_time(&mut self, now: Instant) {
        self.notifier.beat(now);
        self.drive_upgrade(now);
        if self.start_deadline().is_some_and(|until| now >= until)
            && let Some(mut worker) = self.worker.take()
        {
            let text = format_args!(
                "upgrade: worker process {} was not bound within {START_LIMIT:?} and is killed",
                worker.pid()
            );
            self.log.line(LogLevel::Alert, 0, text);
            worker.kill();
            // One that a disk holds dies when the disk lets it; what serves does not wait for that.
            worker.leaving = now.checked_add(super::life::STOP_LIMIT);
            self.others.push(worker);
            self.take_back();
        }
        for worker in &mut self.others {
            if worker.leaving.is_some_and(|until| now >= until) {
                worker.kill();
                // It dies at once; a second time would be in vain.
                worker.leaving = now.checked_add(super::life::STOP_LIMIT);
            }
        }
        if self.life.deadline().is_some_and(|until| now >= until) {
            self.end_by_force(now);
        }
        if self.restart_at.is_some_and(|at| now >= at) {
            self.restart_at = None;
            if let Err(error) = self.start_worker() {
                self.log.line(LogLevel::Alert, 0, format_args!("{error:#}"));
                let pause = self.restart.pause_after(Duration::ZERO);
                self.restart_at = now.checked_add(pause);
            }
        }
    }

    /// The daemon is to have ended by now: the worker is killed, and one that does not even die of that is left behind.
    fn end_by_force(&mut self, now: Instant) {
        if std::mem::replace(&mut self.forced, true) {
            let left = self.worker.take().into_iter().chain(self.others.drain(..));
            let pids: Vec<String> = left.map(|worker| worker.pid().to_string()).collect();
            let text = format_args!(
                "worker processes {} do not die, something holds them in the kernel: left behind",
                pids.join(", ")
            );
            return self.log.line(LogLevel::Alert, 0, text);
        }
        self.life = Life::Serving.stop(now);
        if let Some(worker) = &mut self.worker {
            let text = format_args!(
                "worker process {} did not end in time and is killed",
                worker.pid()
            );
            self.log.line(LogLevel::Warn, 0, text);
            worker.kill();
        }
    }
}
