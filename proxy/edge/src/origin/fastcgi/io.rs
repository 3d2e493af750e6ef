//! A connection to an application that looks like one to an HTTP/1 origin.

use super::job::Job;
use crate::{log::ErrorLog, log_error, shared::Shared};
use prometheus::IntCounter;
use seawall_http::{
    encode,
    fastcgi::{self, CgiFraming, Decoder, Event, Protocol},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at once.
const READ_BYTES: usize = 16 * 1024;
/// Error output of one request that is logged; the rest is dropped.
const STDERR_BYTES: usize = 16 * 1024;
/// A line of it; a longer one is cut into several.
const STDERR_LINE_BYTES: usize = 2 * 1024;

/// Who is told of what goes wrong.
pub struct Told {
    errors: Arc<dyn ErrorLog>,
    bad_responses: IntCounter,
}

impl Told {
    /// The error log and the counter of all threads.
    pub fn of(shared: &Shared) -> Self {
        Self {
            errors: shared.errors.clone(),
            bad_responses: shared.metrics.bad_responses.clone(),
        }
    }
}

/// A connection to an application.
pub struct FastCgiIo<S> {
    inner: S,
    told: Told,
    job: Option<Job>,
    sending: Sending,
    /// Records that are ready and not written yet.
    framed: Vec<u8>,
    framed_at: usize,
    decoder: Decoder,
    input: Vec<u8>,
    /// Output up to the end of its head.
    head: Vec<u8>,
    body: Body,
    /// HTTP that is ready and not read yet.
    ready: Vec<u8>,
    ready_at: usize,
    stderr: Vec<u8>,
    stderr_seen: usize,
}

#[derive(Clone, Copy)]
enum Sending {
    /// Nothing, or everything has been.
    Done,
    /// So many bytes of records are still to come from the writer.
    Records(usize),
    /// So many bytes of the body.
    Body(u64),
}

#[derive(Clone, Copy)]
enum Body {
    /// The head is not whole yet.
    Head,
    /// What comes is dropped.
    None,
    /// So many bytes are still to come. The last byte is held back until the application is done: before that the
    /// connection could not carry another request.
    Length(u64, Option<u8>),
    Chunked,
}

impl<S> FastCgiIo<S> {
    /// Over a connection.
    pub fn new(inner: S, told: Told) -> Self {
        Self {
            inner,
            told,
            job: None,
            sending: Sending::Done,
            framed: Vec::new(),
            framed_at: 0,
            decoder: Decoder::default(),
            input: Vec::new(),
            head: Vec::new(),
            body: Body::Head,
            ready: Vec::new(),
            ready_at: 0,
            stderr: Vec::new(),
            stderr_seen: 0,
        }
    }

    /// What it runs over.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn begin(&mut self, job: Job) {
        self.job = Some(job);
        self.decoder.restart();
        self.head.clear();
        self.body = Body::Head;
        self.ready.clear();
        self.ready_at = 0;
        self.stderr.clear();
        self.stderr_seen = 0;
    }

    /// What follows the records.
    fn after_records(&mut self) {
        self.sending = match self.job {
            Some(Job { body, .. }) if body > 0 => Sending::Body(body),
            _ => Sending::Done,
        };
    }

    /// Takes apart what was read.
    fn digest(&mut self, input: &[u8]) -> io::Result<()> {
        let mut rest = input;
        loop {
            let (taken, event) = self.decoder.decode(rest).map_err(|e| self.invalid(e))?;
            match &event {
                Some(Event::Stdout(range)) => {
                    self.stdout(rest.get(range.clone()).unwrap_or_default())
                }
                Some(Event::Stderr(range)) => {
                    self.stderr(rest.get(range.clone()).unwrap_or_default())
                }
                Some(Event::End { protocol, .. }) => self.end(*protocol)?,
                None => {}
            }
            rest = rest.get(taken..).unwrap_or_default();
            if rest.is_empty() && event.is_none() || taken == 0 && event.is_none() {
                break;
            }
        }
        self.read_head()
    }

    fn stdout(&mut self, data: &[u8]) {
        match &mut self.body {
            Body::Head => self.head.extend_from_slice(data),
            Body::None => {}
            Body::Chunked => {
                encode::chunk_head(&mut self.ready, data.len());
                if !data.is_empty() {
                    self.ready.extend_from_slice(data);
                    self.ready.extend_from_slice(encode::CHUNK_END);
                }
            }
            Body::Length(left, held) => {
                // More than the length said is dropped.
                let most = usize::try_from(*left).map_or(data.len(), |l| l.min(data.len()));
                let mut data = data.get(..most).unwrap_or_default();
                *left -= most as u64;
                if *left == 0
                    && let Some((last, before)) = data.split_last()
                {
                    *held = Some(*last);
                    data = before;
                }
                self.ready.extend_from_slice(data);
            }
        }
    }

    /// Translates the head once it is whole; what stands behind it is the body's beginning.
    fn read_head(&mut self) -> io::Result<()> {
        let (Body::Head, Some(job)) = (self.body, self.job) else {
            return Ok(());
        };
        let found = fastcgi::http_head(&self.head, &job.request, &mut self.ready);
        let Some(found) = found.map_err(|e| self.invalid(e))? else {
            return Ok(());
        };
        self.body = match found.framing {
            CgiFraming::None => Body::None,
            CgiFraming::Length(n) => Body::Length(n, None),
            CgiFraming::Chunked => Body::Chunked,
        };
        let head = std::mem::take(&mut self.head);
        self.stdout(head.get(found.len..).unwrap_or_default());
        Ok(())
    }

    fn end(&mut self, protocol: Protocol) -> io::Result<()> {
        self.read_head()?;
        self.log_stderr();
        match protocol {
            Protocol::Complete => {}
            Protocol::Overloaded => {
                return Err(io::Error::other("the FastCGI application is overloaded"));
            }
            Protocol::CannotMultiplex | Protocol::UnknownRole => {
                return Err(self.invalid("the FastCGI application does not take requests"));
            }
        }
        match self.body {
            Body::Head => Err(self.invalid("the FastCGI application ended without a head")),
            Body::None => Ok(()),
            Body::Chunked => {
                self.ready.extend_from_slice(encode::LAST_CHUNK);
                Ok(())
            }
            Body::Length(0, held) => {
                self.ready.extend(held);
                Ok(())
            }
            Body::Length(..) => Err(self.invalid("the FastCGI application sent less than it said")),
        }
    }

    /// Lines of error output go to the error log, in nginx's words.
    fn stderr(&mut self, data: &[u8]) {
        for &byte in data {
            if byte == b'\n' || self.stderr.len() >= STDERR_LINE_BYTES {
                self.log_stderr();
            }
            if byte != b'\n' {
                self.stderr.push(byte);
            }
        }
    }

    fn log_stderr(&mut self) {
        if self.stderr.is_empty() {
            return;
        }
        let serial = self.job.map_or(0, |j| j.serial);
        let before = self.stderr_seen;
        self.stderr_seen += self.stderr.len();
        if self.stderr_seen <= STDERR_BYTES {
            log_error!(
                self.told,
                Error,
                serial,
                "FastCGI sent in stderr: \"{}\"",
                self.stderr.escape_ascii()
            );
        } else if before <= STDERR_BYTES {
            log_error!(
                self.told,
                Error,
                serial,
                "FastCGI sent more in stderr than is logged"
            );
        }
        self.stderr.clear();
    }

    fn invalid(&self, why: impl ToString) -> io::Error {
        self.told.bad_responses.inc();
        io::Error::new(io::ErrorKind::InvalidData, why.to_string())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FastCgiIo<S> {
    /// Writes the records that wait.
    fn poll_framed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.framed.get(self.framed_at..).filter(|r| !r.is_empty()) {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.framed_at += n;
        }
        self.framed.clear();
        self.framed_at = 0;
        Poll::Ready(Ok(()))
    }

    /// The beginning of a job: its lines are for us, the records go as they are.
    fn poll_begin(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some((job, lines)) = Job::read(buf) else {
            let why = "more than the body that was said, or no request";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, why)));
        };
        let records = buf.get(lines..).unwrap_or_default();
        let records = records.get(..job.records).unwrap_or(records);
        let n = ready!(Pin::new(&mut self.inner).poll_write(cx, records))?;
        self.begin(job);
        self.sending = Sending::Records(job.records - n);
        if n == job.records {
            self.after_records();
        }
        Poll::Ready(Ok(lines + n))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FastCgiIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_framed(cx))?;
        match this.sending {
            _ if buf.is_empty() => Poll::Ready(Ok(0)),
            Sending::Done => this.poll_begin(cx, buf),
            Sending::Records(left) => {
                let part = buf.get(..left).unwrap_or(buf);
                let n = ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
                this.sending = Sending::Records(left - n);
                if n == left {
                    this.after_records();
                }
                Poll::Ready(Ok(n))
            }
            Sending::Body(left) => {
                let most = usize::try_from(left).map_or(buf.len(), |l| l.min(buf.len()));
                let part = buf.get(..most.min(READ_BYTES)).unwrap_or(buf);
                fastcgi::stdin(&mut this.framed, part);
                let left = left - part.len() as u64;
                this.sending = Sending::Body(left);
                if left == 0 {
                    fastcgi::stdin_end(&mut this.framed);
                    this.sending = Sending::Done;
                }
                // What does not fit now goes with the next write, the flush or the read.
                if let Poll::Ready(Err(e)) = this.poll_framed(cx) {
                    return Poll::Ready(Err(e));
                }
                Poll::Ready(Ok(part.len()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_framed(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FastCgiIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some(rest) = this.ready.get(this.ready_at..).filter(|r| !r.is_empty()) {
                let n = rest.len().min(buf.remaining());
                buf.put_slice(rest.get(..n).unwrap_or_default());
                this.ready_at += n;
                return Poll::Ready(Ok(()));
            }
            this.ready.clear();
            this.ready_at = 0;
            // Between two requests nothing may come: whatever does is shown as it is.
            if this.job.is_none() || this.decoder.is_over() {
                return Pin::new(&mut this.inner).poll_read(cx, buf);
            }
            if let Poll::Ready(Err(e)) = this.poll_framed(cx) {
                return Poll::Ready(Err(e));
            }
            let mut input = std::mem::take(&mut this.input);
            input.resize(READ_BYTES, 0);
            let mut read = ReadBuf::new(&mut input);
            let polled = Pin::new(&mut this.inner).poll_read(cx, &mut read);
            let n = read.filled().len();
            let digested = match &polled {
                Poll::Ready(Ok(())) => this.digest(input.get(..n).unwrap_or_default()),
                _ => Ok(()),
            };
            // An idle connection needs no buffer.
            if !this.decoder.is_over() {
                this.input = input;
            }
            ready!(polled)?;
            digested?;
            if n == 0 {
                // The end, before the application's own: whoever reads sees a response that broke off.
                this.log_stderr();
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Stderr;
    use seawall_http::fastcgi::CgiRequest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn told() -> Told {
        Told {
            errors: Arc::new(Stderr),
            bad_responses: IntCounter::new("bad", "bad").unwrap(),
        }
    }

    /// A job whose records are these bytes, with a body of this length.
    fn job(records: &[u8], body: u64, keep: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let request = CgiRequest {
            keep,
            ..CgiRequest::default()
        };
        Job {
            request,
            records: records.len(),
            body,
            serial: 1,
        }
        .write(&mut out);
        out.extend_from_slice(records);
        out
    }

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = (content.len() as u16).to_be_bytes();
        [&[1, kind, 0, 1, high, low, 0, 0][..], content].concat()
    }

    /// Sends a job and its body over a pipe of `room` bytes, and reads what the application is sent.
    async fn sent(room: usize, body: &[u8]) -> Vec<u8> {
        let (near, mut far) = duplex(room);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all
        });
        let mut io = FastCgiIo::new(near, told());
        io.write_all(&job(b"records!", body.len() as u64, false))
            .await
            .unwrap();
        for piece in body.chunks(40_000) {
            io.write_all(piece).await.unwrap();
        }
        io.flush().await.unwrap();
        assert!(
            io.write_all(b"more").await.is_err(),
            "past the length that was said"
        );
        drop(io);
        reader.await.unwrap()
    }

    async fn answered(
        room: usize,
        answer: Vec<u8>,
    ) -> (io::Result<Vec<u8>>, FastCgiIo<DuplexStream>) {
        let (near, mut far) = duplex(room);
        tokio::spawn(async move {
            let _ = far.write_all(&answer).await;
            // The connection stays open: what ends the answer is its last record.
            let mut rest = Vec::new();
            let _ = far.read_to_end(&mut rest).await;
        });
        let mut io = FastCgiIo::new(near, told());
        io.write_all(&job(b"r", 0, true)).await.unwrap();
        let mut all = Vec::new();
        let mut piece = [0; 100];
        loop {
            match io.read(&mut piece).await {
                Ok(n) => all.extend_from_slice(&piece[..n]),
                Err(e) => return (Err(e), io),
            }
            if io.decoder.is_over() && io.ready_at == io.ready.len() {
                return (Ok(all), io);
            }
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(test)
    }

    #[test]
    fn a_body_is_wrapped_whatever_the_pipe_takes_at_once() {
        for room in [1, 7, 1000, 1 << 20] {
            let body: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
            let got = run(sent(room, &body));
            let mut rest = got.strip_prefix(b"records!").unwrap();
            let mut unwrapped = Vec::new();
            loop {
                let length = usize::from(u16::from_be_bytes([rest[4], rest[5]]));
                let padding = usize::from(rest[6]);
                assert_eq!((rest[0], rest[1]), (1, 5));
                if length == 0 {
                    break;
                }
                unwrapped.extend_from_slice(&rest[8..8 + length]);
                rest = &rest[8 + length + padding..];
            }
            assert_eq!(rest.len(), 8, "the empty record is the last");
            assert!(unwrapped == body, "{room}");
        }
    }

    #[test]
    fn an_answer_is_http_whatever_the_pipe_gives_at_once() {
        let over = record(3, &[0; 8]);
        let chunked = [
            record(6, b"A: b\n"),
            record(6, b"\nhel"),
            record(7, b"note"),
            record(6, b"lo"),
            over.clone(),
        ]
        .concat();
        let sized = [
            record(6, b"Content-Length: 5\n\nhello and more"),
            over.clone(),
        ]
        .concat();
        for room in [1, 5, 4096] {
            let (all, io) = run(answered(room, chunked.clone()));
            let text = String::from_utf8(all.unwrap()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(
                head,
                "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked"
            );
            let data: String = body.split("\r\n").skip(1).step_by(2).collect();
            assert_eq!(data, "hello", "{body:?}");
            assert!(body.ends_with("0\r\n\r\n") && io.input.is_empty());
            let (all, _) = run(answered(room, sized.clone()));
            assert_eq!(
                all.unwrap(),
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            );
        }
    }

    #[test]
    fn a_kept_connection_is_silent_and_takes_the_next_request() {
        run(async {
            let over = [record(6, b"A: b\n\nx"), record(3, &[0; 8])].concat();
            let (near, mut far) = duplex(4096);
            let mut io = FastCgiIo::new(near, told());
            for _ in 0..3 {
                io.write_all(&job(b"r", 0, true)).await.unwrap();
                assert_eq!(far.read_u8().await.unwrap(), b'r');
                far.write_all(&over).await.unwrap();
                let mut all = Vec::new();
                while !all.ends_with(b"0\r\n\r\n") {
                    all.push(io.read_u8().await.unwrap());
                }
                let mut byte = [0];
                let mut idle = ReadBuf::new(&mut byte);
                let mut cx = Context::from_waker(std::task::Waker::noop());
                assert!(Pin::new(&mut io).poll_read(&mut cx, &mut idle).is_pending());
            }
        });
    }

    #[test]
    fn faults_are_errors_and_counted() {
        for bytes in [
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            record(3, &[0; 8]),
            [record(6, b"no colon\n\n"), record(3, &[0; 8])].concat(),
            [record(6, b"Content-Length: 9\n\nshort"), record(3, &[0; 8])].concat(),
            vec![1, 9, 0, 1, 0, 0, 0, 0],
        ] {
            let (all, io) = run(answered(4096, bytes));
            assert_eq!(all.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(io.told.bad_responses.get(), 1);
        }
    }
}
