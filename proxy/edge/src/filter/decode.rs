//! Decoding gzip for clients that do not take it (ngx_http_gunzip_filter_module).

use super::chain::{Filter, Then};
use flate2::{Decompress, FlushDecompress, Status};
use std::io;

/// Shown at once: the densest gzip makes 4 MiB of it, and no more is ever held.
const SLICE_BYTES: usize = 4 * 1024;
/// Output grows by so much at a time.
const STEP_BYTES: usize = 16 * 1024;

/// Undoes gzip, also several members behind each other (RFC 1952 §2.2).
pub struct Gunzip {
    stream: Decompress,
    /// A member has ended and no other begun.
    between: bool,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self {
            stream: Decompress::new_gzip(15),
            between: true,
        }
    }
}

impl Filter for Gunzip {
    fn push(&mut self, mut chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            if chunk.is_empty() && self.between {
                return Ok(());
            }
            self.between = false;
            out.reserve(STEP_BYTES);
            let (read, written) = (self.stream.total_in(), out.len());
            let status = self
                .stream
                .decompress_vec(chunk, out, FlushDecompress::None)
                .map_err(io::Error::other)?;
            let taken = (self.stream.total_in() - read) as usize;
            chunk = chunk.get(taken..).unwrap_or_default();
            match status {
                Status::StreamEnd => {
                    self.stream = Decompress::new_gzip(15);
                    self.between = true;
                }
                _ if taken == 0 && out.len() == written => {
                    return if then == Then::End {
                        Err(io::ErrorKind::UnexpectedEof.into())
                    } else {
                        Ok(())
                    };
                }
                _ => {}
            }
        }
    }

    fn slice_bytes(&self) -> usize {
        SLICE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_undone_however_they_are_cut() {
        let mut coded = gzip(b"hello ");
        coded.extend(gzip(&vec![b'x'; 100_000]));
        for piece in [1, 10, 4096] {
            let mut filter = Gunzip::default();
            let mut out = Vec::new();
            for chunk in coded.chunks(piece) {
                filter.push(chunk, Then::More, &mut out).unwrap();
            }
            filter.push(b"", Then::End, &mut out).unwrap();
            assert_eq!(out.len(), 100_006);
            assert!(out.starts_with(b"hello xxx"));
        }
    }

    #[test]
    fn what_breaks_off_or_is_no_gzip_is_an_error() {
        let coded = gzip(b"hello");
        let mut out = Vec::new();
        let mut filter = Gunzip::default();
        assert!(
            filter
                .push(&coded[..coded.len() - 3], Then::End, &mut out)
                .is_err()
        );
        assert!(
            Gunzip::default()
                .push(b"plain text", Then::More, &mut out)
                .is_err()
        );
        let mut empty = Gunzip::default();
        assert!(empty.push(b"", Then::End, &mut out).is_ok());
    }
}
