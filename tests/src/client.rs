//! A client that sends exactly the bytes it is given and says exactly what came back.

use crate::{PATIENCE, Response, response::Buffered};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

/// What bytes are sent over: plain TCP or TLS.
pub trait Stream: Read + Write + Send {
    /// The socket underneath.
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// A connection to a server.
pub struct Client {
    buffered: Buffered,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    /// Connects, or says why not.
    ///
    /// # Errors
    /// The socket's.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self::over(Box::new(socket)))
    }

    /// Over a stream that is there already.
    pub fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            buffered: Buffered::new(stream),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the other side has closed.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).expect("the connection takes bytes");
        self
    }

    /// Sends bytes as they are, or says why not.
    ///
    /// # Errors
    /// The socket's.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.buffered.stream.write_all(bytes.as_ref())?;
        self.buffered.stream.flush()
    }

    /// Sends a request without a body.
    pub fn ask(&mut self, host: &str, target: &str) -> &mut Self {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Asks and reads the answer.
    pub fn get(&mut self, host: &str, target: &str) -> Response {
        self.ask(host, target).response()
    }

    /// The next response, whole.
    ///
    /// # Panics
    /// When it is not whole or not HTTP.
    pub fn response(&mut self) -> Response {
        self.try_response().expect("a whole response")
    }

    /// The next response, or why there is none.
    ///
    /// # Errors
    /// As [`Response::read`].
    pub fn try_response(&mut self) -> io::Result<Response> {
        Response::read(&mut self.buffered, false)
    }

    /// The response to HEAD.
    ///
    /// # Panics
    /// When it is not HTTP.
    pub fn response_to_head(&mut self) -> Response {
        Response::read(&mut self.buffered, true).expect("a response")
    }

    /// A response's head; its body is left on the connection.
    ///
    /// # Panics
    /// When it is not HTTP.
    pub fn head(&mut self) -> Response {
        let mut response = Response::default();
        response
            .read_head(&mut self.buffered)
            .expect("a response head");
        response
    }

    /// The next chunk of a chunked body, empty for the last.
    ///
    /// # Panics
    /// When there is none.
    pub fn chunk(&mut self) -> Vec<u8> {
        let mut response = Response::default();
        response.read_chunk(&mut self.buffered).expect("a chunk");
        response.body
    }

    /// So many bytes of the body.
    ///
    /// # Panics
    /// When they do not come.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.buffered.read_exact(&mut bytes).expect("bytes");
        bytes
    }

    /// Reads what should be the end: 0, and of TLS an error where it comes without close_notify.
    ///
    /// # Errors
    /// The stream's.
    pub fn end(&mut self) -> io::Result<usize> {
        self.buffered.read(&mut [0])
    }

    /// Everything until the server closes; a reset ends it too.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.buffered.read_to_end(&mut rest);
        rest
    }

    /// Waits for the server to close, and whether it did so without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.buffered.read(&mut [0]) {
            Ok(n) => n == 0,
            Err(e) => !matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        let _ = self.buffered.stream.socket().shutdown(Shutdown::Write);
    }
}
