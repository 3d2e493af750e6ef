//! Questions as `dig` asks them, over UDP and TCP.

use crate::PATIENCE;
use hickory_proto::op::{Message, ResponseCode};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
};

/// Record types.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum Type {
    A = 1,
    Ns = 2,
    Cname = 5,
    Soa = 6,
    Mx = 15,
    Txt = 16,
    Aaaa = 28,
}

/// An answer.
pub struct Answer {
    /// The message.
    pub message: Message,
}

impl Answer {
    /// The data of the answer section's records, as a zone file writes them.
    pub fn data(&self) -> Vec<String> {
        self.message
            .answers
            .iter()
            .map(|r| r.data.to_string())
            .collect()
    }

    /// `NoError`, `NXDomain`, ...
    pub fn code(&self) -> ResponseCode {
        self.message.metadata.response_code
    }

    /// Whether it was cut to fit.
    pub fn is_truncated(&self) -> bool {
        self.message.metadata.truncation
    }

    /// Whether the server speaks for the zone.
    pub fn is_authoritative(&self) -> bool {
        self.message.metadata.authoritative
    }
}

/// How often a question is asked: a full socket drops datagrams, and resolvers ask again.
const TRIES: u32 = 10;

/// Asks over UDP, as `dig +noedns`: at most 512 bytes come back.
///
/// # Panics
/// When there is no answer.
pub fn ask(server: SocketAddr, name: &str, kind: Type) -> Answer {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(PATIENCE / TRIES))
        .expect("a timeout");
    let mut buffer = [0; 4096];
    for _ in 0..TRIES {
        socket
            .send_to(&question(name, kind), server)
            .expect("the question is sent");
        if let Ok(length) = socket.recv(&mut buffer) {
            return parse(&buffer[..length]);
        }
    }
    panic!("no answer for {name}");
}

/// Asks once over UDP; `None` if no answer comes in time.
///
/// # Panics
/// When there is no socket.
pub fn ask_once(server: SocketAddr, name: &str, kind: Type) -> Option<Answer> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(PATIENCE / TRIES))
        .expect("a timeout");
    let mut buffer = [0; 4096];
    socket
        .send_to(&question(name, kind), server)
        .expect("the question is sent");
    let length = socket.recv(&mut buffer).ok()?;
    Some(parse(&buffer[..length]))
}

/// Asks over TCP.
///
/// # Errors
/// The connection's.
pub fn ask_tcp(server: SocketAddr, name: &str, kind: Type) -> io::Result<Answer> {
    ask_behind(b"", server, name, kind)
}

/// Asks over TCP behind what a proxy sends first.
///
/// # Errors
/// The connection's.
pub fn ask_behind(header: &[u8], server: SocketAddr, name: &str, kind: Type) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(header)?;
    let question = question(name, kind);
    let mut framed = (question.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&question);
    stream.write_all(&framed)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(parse(&answer))
}

pub(crate) fn question(name: &str, kind: Type) -> Vec<u8> {
    // ID 0x5ea1, no recursion, one question (RFC 1035 §4.1).
    let mut message = vec![0x5e, 0xa1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name
        .trim_end_matches('.')
        .split('.')
        .filter(|l| !l.is_empty())
    {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, kind as u8, 0, 1]);
    message
}

pub(crate) fn parse(bytes: &[u8]) -> Answer {
    let message = Message::from_vec(bytes).expect("a DNS message");
    assert_eq!(message.metadata.id, 0x5ea1, "an answer to another question");
    Answer { message }
}
