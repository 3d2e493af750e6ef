//! What is said to whoever called us. `println!` panics where nobody listens any more.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

/// Writes to standard output. A reader that has heard enough (`seawall status | head -1`) is no failure.
///
/// # Errors
/// Any other one: a full disk, for instance, has not got what was asked for.
pub fn out(text: fmt::Arguments<'_>) -> io::Result<()> {
    forgiving(write(io::stdout().lock(), text))
}

/// Writes to standard error. Where that fails there is nobody left to tell.
pub fn err(text: fmt::Arguments<'_>) {
    let _ = write(io::stderr().lock(), text);
}

fn write(mut to: impl Write, text: fmt::Arguments<'_>) -> io::Result<()> {
    // In one piece: standard error has no buffer of its own.
    to.write_all(text.to_string().as_bytes())?;
    to.flush()
}

fn forgiving(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// After how long something is worth a line where nobody watches a terminal.
const LONG: Duration = Duration::from_secs(2);

/// What takes long, as it goes on, on standard error: one line that is written over on a terminal, and elsewhere (a log, a
/// pipe) a line of its own, but not more often than every two seconds.
pub struct Progress {
    terminal: bool,
    said: Instant,
    open: bool,
}

impl Progress {
    /// Nothing is said yet.
    pub fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            said: Instant::now(),
            open: false,
        }
    }

    /// What is done now.
    pub fn say(&mut self, what: fmt::Arguments<'_>) {
        let what: String = what
            .to_string()
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        if self.terminal {
            err(format_args!("\r\x1b[K{what} ..."));
            self.open = true;
        } else if self.said.elapsed() >= LONG {
            err(format_args!("{what} ...\n"));
            self.said = Instant::now();
        }
    }

    /// Takes the line back: what comes next has one of its own.
    pub fn done(&mut self) {
        if std::mem::take(&mut self.open) {
            err(format_args!("\r\x1b[K"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
