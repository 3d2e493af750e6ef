//! Runs a case against a server that stands before a [`Recorder`].

use super::{Case, Outcome};
use crate::conformance::{Recorded, Recorder};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// Follows every whole message: what must come out as a request of its own, or not at all.
const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
/// A server that says nothing for so long has not decided.
const SILENCE: Duration = Duration::from_secs(3);

/// What came of a case.
#[derive(Debug)]
pub struct Seen {
    /// Statuses of the answers, 1xx left out.
    pub statuses: Vec<u16>,
    /// Whether the server closed the connection.
    pub closed: bool,
    /// Whole requests at the origin, the sentinel left out.
    pub requests: Vec<Recorded>,
    /// What the origin could have read in two ways.
    pub oddities: Vec<String>,
    /// Whether the sentinel reached the origin as it was sent.
    pub sentinel: bool,
}

/// Sends a case to `server`, which stands before `recorder`.
///
/// # Errors
/// When the server cannot be connected to.
pub fn run(case: &Case, server: SocketAddr, recorder: &Recorder) -> io::Result<Seen> {
    recorder.take();
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.set_nodelay(true)?;
    // A server may refuse and close before all is sent.
    let _ = socket.write_all(&case.bytes());
    if case.whole {
        let _ = socket.write_all(SENTINEL);
    } else {
        let _ = socket.shutdown(Shutdown::Write);
    }
    let (answers, closed) = everything(&mut socket);
    let (mut requests, oddities) = recorder.take();
    let before = requests.len();
    requests.retain(|r| r.target != "/sentinel");
    Ok(Seen {
        statuses: statuses(&answers),
        closed,
        sentinel: requests.len() + 1 == before,
        requests,
        oddities,
    })
}

fn everything(socket: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut answers = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match socket.read(&mut piece) {
            Ok(0) => return (answers, true),
            Ok(n) => answers.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return (answers, true),
            Err(_) => return (answers, false),
        }
    }
}

/// Status lines begin lines; nothing in the bodies used here looks like one.
fn statuses(answers: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    for at in 0..answers.len() {
        let Some(code) = answers[at..].strip_prefix(b"HTTP/1.") else {
            continue;
        };
        let digits = code.get(2..5).and_then(|d| std::str::from_utf8(d).ok());
        if let Some(status) = digits.and_then(|d| d.parse().ok())
            && status >= 200
        {
            found.push(status);
        }
    }
    found
}

impl Seen {
    /// What it amounts to; `Err` says what must never be.
    ///
    /// # Errors
    /// The origin got something ambiguous, or the server kept silent.
    pub fn outcome(&self, case: &Case) -> Result<Outcome, String> {
        if let Some(odd) = self.oddities.first() {
            return Err(format!("the origin read {odd}"));
        }
        let passed = self.requests.len();
        let extra = usize::from(self.sentinel);
        let good = self.statuses.iter().filter(|s| **s < 400).count();
        let refusal = self.statuses.iter().copied().find(|s| *s >= 400);
        match (passed, refusal) {
            (0, Some(status)) if !self.sentinel => Ok(Outcome::Refused(status)),
            (n, Some(status)) if !self.sentinel => Ok(Outcome::Then(n, status)),
            // Answers from the server itself, with the connection still in step.
            (0, Some(status)) => Ok(Outcome::Refused(status)),
            (_, Some(status)) => Err(format!(
                "{passed} passed and {status}, and the connection went on"
            )),
            (0, None) if good > extra => Ok(Outcome::Answered(good - extra)),
            (0, None) if self.closed => Ok(Outcome::Closed),
            (0, None) => Err("silence".into()),
            (n, None) if case.whole && !self.sentinel && !self.closed => {
                Err(format!("{n} passed, then silence"))
            }
            (n, None) => Ok(Outcome::Passed(n)),
        }
    }
}
