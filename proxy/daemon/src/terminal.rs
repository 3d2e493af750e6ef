//! What is said to whoever called us. `println!` panics where nobody listens any more.

use std::{
    fmt,
    io::{self, Write},
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
