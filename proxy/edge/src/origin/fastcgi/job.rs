//! A request as [`FastCgiIo`](super::FastCgiIo) takes it: a few lines about it, an empty line, the records up to the end of
//! the parameters. The lines name conditions and ranges as an HTTP head would, for those who look whether a 304 or a 206
//! was asked for.

use seawall_http::fastcgi::CgiRequest;

const MARK: &[u8] = b"FASTCGI ";

/// A request to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What decides about its response.
    pub request: CgiRequest,
    /// Bytes of the records behind the lines.
    pub records: usize,
    /// Bytes of the body that will follow.
    pub body: u64,
    /// The client's connection, for the log.
    pub serial: u64,
}

/// Whether these bytes begin a job.
pub fn is_job(out: &[u8]) -> bool {
    out.starts_with(MARK)
}

impl Job {
    /// Writes the lines.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Job {
            request,
            records,
            body,
            serial,
        } = self;
        let flag = u8::from;
        out.extend_from_slice(MARK);
        out.extend_from_slice(
            format!(
                "{records} {body} {serial} {} {}\n",
                flag(request.head),
                flag(request.keep)
            )
            .as_bytes(),
        );
        if request.conditional {
            out.extend_from_slice(b"if-\n");
        }
        if request.range {
            out.extend_from_slice(b"range:\n");
        }
        out.push(b'\n');
    }

    /// Reads the lines, and says how long they are.
    pub fn read(out: &[u8]) -> Option<(Job, usize)> {
        let rest = out.strip_prefix(MARK)?;
        let end = memchr::memmem::find(rest, b"\n\n")?;
        let text = std::str::from_utf8(rest.get(..end)?).ok()?;
        let mut lines = text.lines();
        let mut numbers = lines.next()?.split(' ').map(|n| n.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        let (records, body, serial, head, keep) = (next()?, next()?, next()?, next()?, next()?);
        let mut request = CgiRequest {
            head: head == 1,
            keep: keep == 1,
            ..CgiRequest::default()
        };
        for line in lines {
            request.conditional |= line == "if-";
            request.range |= line == "range:";
        }
        let job = Job {
            request,
            records: usize::try_from(records).ok()?,
            body,
            serial,
        };
        Some((job, MARK.len() + end + 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (conditional, range) in [(false, false), (true, false), (false, true), (true, true)] {
            let job = Job {
                request: CgiRequest {
                    head: true,
                    conditional,
                    range,
                    keep: false,
                },
                records: 7,
                body: u64::MAX,
                serial: 3,
            };
            let mut out = Vec::new();
            job.write(&mut out);
            let length = out.len();
            out.extend_from_slice(b"records\n\n");
            assert!(is_job(&out));
            assert_eq!(Job::read(&out), Some((job, length)));
        }
        assert_eq!(Job::read(b"FASTCGI 1 2\n\n"), None);
        assert!(!is_job(b"GET / HTTP/1.1\r\n"));
    }
}
