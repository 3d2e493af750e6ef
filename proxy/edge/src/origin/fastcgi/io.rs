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
