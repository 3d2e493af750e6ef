//! The keeper's own life: start, the loop over signals and messages, the end.

use super::{
    background::{self, Readiness, Side},
    grants::Grants,
    life::Life,
    pid_file::PidFile,
    protocol::{self, Message, Request, Welcome},
    restart::Restart,
    sockets::Sockets,
    worker_process::{Death, Worker},
};
use crate::{
    configuration::{self, Source, Style},
    log::ErrorLog,
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
    process::ExitCode,
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
    background: bool,
    worker: Option<Worker>,
    restart: Restart,
    restart_at: Option<Instant>,
    generation: u64,
}

/// What of the configuration concerns the keeper itself.
pub(super) struct Facts {
    pub(super) error_log: Option<PathBuf>,
    pub(super) level: LogLevel,
    pub(super) drain: Duration,
    pub(super) pid: Option<PathBuf>,
    user: Option<Identity>,
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
    let keeper = Keeper {
        grants: Grants::of(&config),
        granted_at: Instant::now(),
        sockets: Sockets::default(),
        signals: Signals::watch(&SIGNALS)?,
        life: Life::Starting,
        pid_file: None,
        background: ready.is_some(),
        ready,
        worker: None,
        restart: Restart::default(),
        restart_at: None,
        generation: 0,
        source,
        log,
        facts,
    };
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
    fn run(mut self) -> anyhow::Result<ExitCode> {
        self.note(format_args!(
            "nginx/{} (seawall/{})",
            version::NGINX_VERSION,
            version::VERSION
        ));
        self.note(format_args!("start worker processes"));
        self.start_worker()?;
        loop {
            let (signalled, spoken) = self.wait()?;
            if signalled {
                while let Some(arrived) = self.signals.next()? {
                    self.on_signal(arrived);
                }
            }
            if spoken {
                self.on_message();
            }
            if let Some(death) = self.worker.as_mut().and_then(Worker::reap) {
                self.worker = None;
                if let Some(code) = self.on_death(&death) {
                    return Ok(code);
                }
            }
            if self.life.is_ending() && self.worker.is_none() {
                self.note(format_args!("exit"));
                return Ok(ExitCode::SUCCESS);
            }
            self.on_time(Instant::now());
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
        };
        let worker =
            Worker::start(welcome, self.log.file().as_deref()).context("cannot start a worker")?;
        self.note(format_args!("start worker process {}", worker.pid()));
        self.generation += 1;
        self.worker = Some(worker);
        Ok(())
    }

    /// Waits for a signal, a message or a deadline.
    fn wait(&self) -> anyhow::Result<(bool, bool)> {
        let now = Instant::now();
        let next = [self.life.deadline(), self.restart_at]
            .into_iter()
            .flatten()
            .min();
        let limit = next.map(|at| at.saturating_duration_since(now));
        let mut fds = vec![self.signals.as_fd()];
        fds.extend(
            self.worker
                .as_ref()
                .and_then(|w| w.channel.as_ref())
                .map(AsFd::as_fd),
        );
        let ready = wait_readable(&fds, limit)?;
        Ok((ready.first() == Some(&true), ready.get(1) == Some(&true)))
    }

    fn on_signal(&mut self, arrived: Arrived) {
        let Arrived { signal, from } = arrived;
        let meaning = match signal {
            Signal::SIGHUP => ", reconfiguring",
            Signal::SIGUSR1 => ", reopening logs",
            Signal::SIGQUIT => ", shutting down",
            Signal::SIGTERM | Signal::SIGINT => ", exiting",
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
            Signal::SIGUSR2 | Signal::SIGWINCH => {
                let text = format_args!(
                    "not-yet: {signal} (upgrading the binary in place) does nothing so far"
                );
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
    }

    fn end(&mut self, life: Life, message: Message) {
        if life == self.life {
            return;
        }
        self.life = life;
        // Without our copies a new connection is refused as soon as the worker has closed its own.
        self.sockets.close();
        self.restart_at = None;
        self.tell(&message);
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

    fn on_message(&mut self) {
        let Some(worker) = &mut self.worker else {
            return;
        };
        let Some(channel) = worker.channel.take() else {
            return;
        };
        let answered = match protocol::receive::<Request>(&channel) {
            // Its end is closed: its death follows, and is what we act upon.
            Ok(None) => return,
            Ok(Some((request, _))) => self.answer(&channel, request),
            Err(error) => Err(error),
        };
        let Some(worker) = &mut self.worker else {
            return;
        };
        match answered {
            Ok(()) => worker.channel = Some(channel),
            Err(error) => {
                let pid = worker.pid();
                self.log.line(
                    LogLevel::Alert,
                    0,
                    format_args!("worker process {pid} is ended: {error}"),
                );
                worker.kill();
            }
        }
    }

    /// The first worker serves: now the daemon is up.
    pub(super) fn up(&mut self) -> std::io::Result<()> {
        if self.life != Life::Starting {
            return Ok(());
        }
        if let Some(path) = &self.facts.pid {
            self.pid_file = Some(PidFile::write(path)?);
        }
        self.life = Life::Serving;
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
            Life::Serving => {
                let pause = self.restart.pause_after(death.lived);
                self.restart_at = Instant::now().checked_add(pause);
                None
            }
            Life::Draining { .. } | Life::Stopping { .. } => None,
        }
    }

    fn on_time(&mut self, now: Instant) {
        if self.life.deadline().is_some_and(|until| now >= until)
            && let Some(worker) = &mut self.worker
        {
            let text = format_args!(
                "worker process {} did not end in time and is killed",
                worker.pid()
            );
            self.log.line(LogLevel::Warn, 0, text);
            worker.kill();
            self.life = Life::Serving.stop(now);
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
}
