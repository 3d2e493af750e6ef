//! Runs a case against a server that stands before a [`Recorder`].

use super::{Case, Outcome};
use crate::{
    conformance::Recorder,
    http2::{Connection, Said, frame},
};
use std::{net::SocketAddr, time::Duration};

/// A server that says nothing for so long has not decided.
const SILENCE: Duration = Duration::from_secs(3);

/// Plays a case against `server`, which stands before `recorder`, and says what came of it.
///
/// # Errors
/// What must never be: the origin read something in two ways, or got a whole request that the client was told is none; or
/// the server kept silent.
pub fn run(case: &Case, server: SocketAddr, recorder: &Recorder) -> Result<Outcome, String> {
    recorder.take();
    let mut connection = Connection::silent(server);
    connection.wait_at_most(SILENCE);
    if !case.silent {
        connection.begin();
    }
    (case.play)(&mut connection);
    let may_be_ignored = case.allowed.contains(&Outcome::Ignored);
    if !case.silent {
        connection.send(frame::frame(frame::PING, 0, 0, b"the-end!"));
    }
    let outcome = loop {
        match connection.try_said().ok_or("silence")? {
            Said::Status(status) if (400..600).contains(&status) => {
                break Outcome::Refused(status);
            }
            Said::Status(status) if status >= 200 => break Outcome::Passed,
            Said::Status(_) => {}
            Said::Reset(code) => break Outcome::Reset(code),
            Said::GoAway(code) => break Outcome::GoAway(code),
            Said::Closed => break Outcome::Closed,
            Said::Pong if may_be_ignored => break Outcome::Ignored,
            Said::Pong => {}
        }
    };
    // What is passed on of a request that breaks off later ends with the connection to the origin, not as a request.
    drop(connection);
    let (requests, oddities) = recorder.take();
    if let Some(odd) = oddities.first() {
        return Err(format!("the origin read {odd}"));
    }
    let passed = requests.iter().filter(|r| r.target == "/case").count();
    if passed > 0 && !matches!(outcome, Outcome::Passed | Outcome::Ignored) {
        return Err(format!("{outcome:?}, but {passed} reached the origin"));
    }
    Ok(outcome)
}
