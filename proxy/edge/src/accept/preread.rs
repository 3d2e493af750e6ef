//! Reading what stands before a connection's own protocol: a PROXY header, a TLS client's name.
//!
//! What belongs to the header is taken off the socket and not a byte more, so that whoever comes next finds the socket
//! as if the header had never been there.

use super::wire::Socket;
use crate::timer::Timer;
use seawall_http::proxy_protocol::{self, Header, ProxyError};
use seawall_tls::{ClientHello, HELLO_BYTES_MAX, client_hello};
use std::{future::poll_fn, io};

/// Bytes looked at in one go.
const LOOK_BYTES: usize = 4 * 1024;

/// Why there is no header.
#[derive(Debug)]
pub enum NoHeader {
    /// The peer closed, or the socket failed.
    Gone,
    /// It did not come in time.
    Late,
    /// It is none.
    Bad(ProxyError),
}

/// Takes a PROXY header off the front. The timer is set.
pub async fn proxy_header(socket: &Socket, timer: &Timer) -> Result<Header, NoHeader> {
    let mut held: Vec<u8> = Vec::new();
    loop {
        let mut look = vec![0; LOOK_BYTES];
        let n = wait(socket, timer, |s| s.try_peek(&mut look)).await?;
        let before = held.len();
        held.extend_from_slice(look.get(..n).unwrap_or_default());
        let parsed = proxy_protocol::parse(&held).map_err(NoHeader::Bad)?;
        let whole = parsed.as_ref().map_or(held.len(), |(_, len)| *len);
        take(socket, whole.saturating_sub(before)).map_err(|_| NoHeader::Gone)?;
        if let Some((header, _)) = parsed {
            return Ok(header);
        }
    }
}

/// Reads until it is known what a TLS client asks for, or that it is none. The bytes are taken: they go to whoever
/// reads next. The timer is set.
pub async fn hello(socket: &Socket, timer: &Timer) -> Result<(ClientHello, Vec<u8>), NoHeader> {
    let mut held = Vec::with_capacity(LOOK_BYTES);
    loop {
        let before = held.len();
        held.resize((before + LOOK_BYTES).min(HELLO_BYTES_MAX + 1), 0);
        let free = held.get_mut(before..).unwrap_or_default();
        let n = wait(socket, timer, |s| s.try_read(free)).await?;
        held.truncate(before + n);
        match client_hello(&held) {
            ClientHello::More => {}
            known => return Ok((known, held)),
        }
    }
}

/// Takes `n` bytes that are known to be there.
fn take(socket: &Socket, n: usize) -> io::Result<()> {
    let mut taken = vec![0; n];
    let mut at = 0;
    while at < n {
        match socket.try_read(taken.get_mut(at..).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => at += more,
        }
    }
    Ok(())
}

/// Does what reads as soon as there is something; the end is [`NoHeader::Gone`].
async fn wait(
    socket: &Socket,
    timer: &Timer,
    mut read: impl FnMut(&Socket) -> io::Result<usize>,
) -> Result<usize, NoHeader> {
    loop {
        let ready = timer.guard(poll_fn(|cx| socket.poll_read_ready(cx))).await;
        match ready {
            Err(_) => return Err(NoHeader::Late),
            Ok(Err(_)) => return Err(NoHeader::Gone),
            Ok(Ok(())) => {}
        }
        match read(socket) {
            Ok(0) => return Err(NoHeader::Gone),
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(NoHeader::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::Timers;
    use std::{rc::Rc, time::Duration};
    use tokio::{
        io::AsyncWriteExt,
        net::UnixStream,
        task::{LocalSet, spawn_local},
    };

    fn pair() -> (Socket, UnixStream, Rc<Timer>) {
        let (near, far) = UnixStream::pair().unwrap();
        let timer = Timers::new().timer();
        timer.set(Duration::from_secs(60));
        (Socket::Unix(near), far, timer)
    }

    #[tokio::test]
    async fn a_header_is_taken_whatever_its_pieces_and_nothing_after_it() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nGET / HTTP/1.1";
        for cut in 1..line.len() {
            let (socket, mut far, timer) = pair();
            let sent = async move {
                far.write_all(&line[..cut]).await.unwrap();
                tokio::task::yield_now().await;
                far.write_all(&line[cut..]).await.unwrap();
                far
            };
            let (header, _far) = tokio::join!(proxy_header(&socket, &timer), sent);
            assert_eq!(header.unwrap().source(), "192.0.2.1:5".parse().ok());
            let mut rest = [0; 64];
            let n = socket.try_peek(&mut rest).unwrap();
            assert_eq!(&rest[..n], b"GET / HTTP/1.1", "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_closes_or_sends_another_thing_gives_no_header() {
        let (socket, far, timer) = pair();
        drop(far);
        let result = proxy_header(&socket, &timer).await;
        assert!(matches!(result, Err(NoHeader::Gone)));
        let (socket, mut far, timer) = pair();
        far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let result = proxy_header(&socket, &timer).await;
        assert!(matches!(result, Err(NoHeader::Bad(ProxyError::Missing))));
    }

    #[tokio::test]
    async fn a_peer_that_says_nothing_is_late() {
        LocalSet::new()
            .run_until(async {
                let timers = Timers::new();
                let (near, _far) = UnixStream::pair().unwrap();
                let timer = timers.timer();
                timer.set(Duration::ZERO);
                spawn_local(async move {
                    loop {
                        timers.sweep();
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                });
                let result = proxy_header(&Socket::Unix(near), &timer).await;
                assert!(matches!(result, Err(NoHeader::Late)));
            })
            .await;
    }
}
