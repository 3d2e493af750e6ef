//! Calls of the admin API by its socket, as a program makes them that must know whether it was heard.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

/// One call: the status and the body. A whole answer is an acknowledgement; anything less is an error.
///
/// # Errors
/// When nobody listens, or the other side went away before all of its answer was there.
pub fn call(
    socket: &Path,
    method: &str,
    target: &str,
    kind: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(crate::PATIENCE))?;
    let length = body.len();
    stream.write_all(
        format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = length.is_none_or(|length| body.len() >= length);
    whole.then(|| (status, body.to_owned()))
}
