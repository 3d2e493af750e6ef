//! Encoders: gzip, br and zstd, with windows that bound their memory.

use super::chain::{Filter, Then};
use flate2::{Compress, Compression, FlushCompress, Status};
use seawall_http::Coding;
use std::{cell::RefCell, io, io::Write};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

/// 32 KiB, what every decoder of gzip has.
const GZIP_WINDOW_BITS: u8 = 15;
/// 256 KiB: past it pages gain nothing, and memory grows with it.
const BR_WINDOW_BITS: u32 = 18;
/// 256 KiB, as for br.
const ZSTD_WINDOW_BITS: u32 = 18;
/// br's levels above this are an order of magnitude slower.
const BR_LEVEL_MAX: u32 = 6;
/// Output grows by so much at a time.
const STEP_BYTES: usize = 8 * 1024;
/// Encoders of a kind that a thread keeps for the next response.
const SPARE_MAX: usize = 8;

/// The level of a coding where the configuration says none.
pub fn default_level(coding: Coding) -> u8 {
    match coding {
        Coding::Gzip => 5,
        Coding::Br => 4,
        Coding::Zstd => 3,
    }
}

/// An encoder.
pub fn encoder(coding: Coding, level: u8) -> io::Result<Box<dyn Filter>> {
    Ok(match coding {
        Coding::Gzip => Box::new(Gzip::new(level)),
        Coding::Br => Box::new(Br::new(level)),
        Coding::Zstd => Box::new(Zstd::new(level)?),
    })
}

thread_local! {
    static GZIPS: RefCell<Vec<(u8, Compress)>> = const { RefCell::new(Vec::new()) };
    static ZSTDS: RefCell<Vec<(u8, Encoder<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// Takes one of this level from what is kept.
fn take<T>(spare: &RefCell<Vec<(u8, T)>>, level: u8) -> Option<T> {
    let mut spare = spare.borrow_mut();
    let at = spare.iter().position(|(l, _)| *l == level)?;
    Some(spare.swap_remove(at).1)
}

fn give<T>(spare: &RefCell<Vec<(u8, T)>>, level: u8, encoder: T) {
    let mut spare = spare.borrow_mut();
    if spare.len() < SPARE_MAX {
        spare.push((level, encoder));
    }
}

struct Gzip {
    level: u8,
    stream: Option<Compress>,
}

impl Gzip {
    fn new(level: u8) -> Self {
        let kept = GZIPS.with(|spare| take(spare, level));
        let stream = kept.unwrap_or_else(|| {
            Compress::new_gzip(
                Compression::new(u32::from(level.clamp(1, 9))),
                GZIP_WINDOW_BITS,
            )
        });
        Self {
            level,
            stream: Some(stream),
        }
    }
}

impl Drop for Gzip {
    fn drop(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.reset();
            let _ = GZIPS.try_with(|spare| give(spare, self.level, stream));
        }
    }
}

impl Filter for Gzip {
    fn push(&mut self, mut chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(io::Error::other("an encoder that is gone"));
        };
        let flush = match then {
            Then::More => FlushCompress::None,
            Then::Flush => FlushCompress::Sync,
            Then::End => FlushCompress::Finish,
        };
        loop {
            out.reserve(STEP_BYTES);
            let before = stream.total_in();
            let status = stream
                .compress_vec(chunk, out, flush)
                .map_err(io::Error::other)?;
            let read = (stream.total_in() - before) as usize;
            chunk = chunk.get(read..).unwrap_or_default();
            let full = out.len() == out.capacity();
            match status {
                Status::StreamEnd => return Ok(()),
                // Room is left over: everything that was asked for has come out.
                _ if chunk.is_empty() && !full && then != Then::End => return Ok(()),
                _ => {}
            }
        }
    }
}

struct Br {
    /// Gone after the end.
    writer: Option<brotli::CompressorWriter<Vec<u8>>>,
}

impl Br {
    fn new(level: u8) -> Self {
        let level = u32::from(level).min(BR_LEVEL_MAX);
        let writer = brotli::CompressorWriter::new(Vec::new(), STEP_BYTES, level, BR_WINDOW_BITS);
        Self {
            writer: Some(writer),
        }
    }
}

impl Filter for Br {
    fn push(&mut self, chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(mut writer) = self.writer.take() else {
            return Err(io::Error::other("an encoder that is gone"));
        };
        writer.write_all(chunk)?;
        if then == Then::End {
            out.append(&mut writer.into_inner());
            return Ok(());
        }
        if then == Then::Flush {
            writer.flush()?;
        }
        out.append(writer.get_mut());
        self.writer = Some(writer);
        Ok(())
    }
}

struct Zstd {
    level: u8,
    stream: Option<Encoder<'static>>,
}

impl Zstd {
    fn new(level: u8) -> io::Result<Self> {
        let stream = match ZSTDS.with(|spare| take(spare, level)) {
            Some(kept) => kept,
            None => {
                let mut made = Encoder::new(i32::from(level))?;
                made.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_BITS))?;
                made
            }
        };
        Ok(Self {
            level,
            stream: Some(stream),
        })
    }
}

impl Drop for Zstd {
    fn drop(&mut self) {
        if let Some(mut stream) = self.stream.take()
            && stream.reinit().is_ok()
        {
            let _ = ZSTDS.try_with(|spare| give(spare, self.level, stream));
        }
    }
}

impl Filter for Zstd {
    fn push(&mut self, chunk: &[u8], then: Then, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(io::Error::other("an encoder that is gone"));
        };
        let mut input = InBuffer::around(chunk);
        let mut room = vec![0; STEP_BYTES];
        loop {
            let mut output = OutBuffer::around(&mut room[..]);
            let read_all = input.pos() == chunk.len();
            let left = match (read_all, then) {
                (false, _) => stream.run(&mut input, &mut output)?,
                (true, Then::More) => 0,
                (true, Then::Flush) => stream.flush(&mut output)?,
                (true, Then::End) => stream.finish(&mut output, true)?,
            };
            out.extend_from_slice(output.as_slice());
            if read_all && left == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
            Coding::Br => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
            Coding::Zstd => zstd::Decoder::new(bytes).unwrap().read_to_end(&mut out),
        }
        .unwrap();
        out
    }

    /// Text with some noise in it, so that output is neither nothing nor everything.
    fn text(len: usize) -> Vec<u8> {
        let mut state = 7u32;
        (0..len)
            .map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if i % 3 == 0 {
                    b"abcdefgh"[(state >> 29) as usize]
                } else {
                    b'a' + (i / 97 % 26) as u8
                }
            })
            .collect()
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_bytes_however_it_was_cut() {
        for coding in [Coding::Gzip, Coding::Br, Coding::Zstd] {
            for (len, piece) in [
                (0, 1),
                (1, 1),
                (1000, 7),
                (100_000, 16 * 1024),
                (300_000, 999),
            ] {
                let body = text(len);
                let mut encoder = encoder(coding, 5).unwrap();
                let mut out = Vec::new();
                for (n, chunk) in body.chunks(piece).enumerate() {
                    let then = if n % 5 == 0 { Then::Flush } else { Then::More };
                    encoder.push(chunk, then, &mut out).unwrap();
                }
                encoder.push(b"", Then::End, &mut out).unwrap();
                assert_eq!(decode(coding, &out), body, "{coding:?} {len}");
                assert!(!out.is_empty(), "even nothing has a frame");
            }
        }
    }

    #[test]
    fn what_is_flushed_can_be_read_before_the_end() {
        let mut encoder = encoder(Coding::Gzip, 5).unwrap();
        let mut out = Vec::new();
        encoder.push(b"data: 1\n\n", Then::Flush, &mut out).unwrap();
        let mut decoder = flate2::Decompress::new_gzip(15);
        let mut read = Vec::with_capacity(100);
        decoder
            .decompress_vec(&out, &mut read, flate2::FlushDecompress::Sync)
            .unwrap();
        assert_eq!(read, b"data: 1\n\n");
        for coding in [Coding::Br, Coding::Zstd] {
            let mut encoder = super::encoder(coding, 4).unwrap();
            let mut out = Vec::new();
            encoder.push(b"data: 1\n\n", Then::Flush, &mut out).unwrap();
            let mut first = [0; 9];
            match coding {
                Coding::Br => brotli::Decompressor::new(&out[..], 64).read_exact(&mut first),
                _ => zstd::Decoder::new(&out[..]).unwrap().read_exact(&mut first),
            }
            .unwrap();
            assert_eq!(&first, b"data: 1\n\n", "{coding:?}");
        }
    }

    #[test]
    fn an_encoder_that_broke_off_is_clean_for_the_next_response() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let mut broken = encoder(coding, 2).unwrap();
            broken
                .push(&text(50_000), Then::More, &mut Vec::new())
                .unwrap();
            drop(broken);
            let mut next = encoder(coding, 2).unwrap();
            let mut out = Vec::new();
            next.push(b"whole", Then::End, &mut out).unwrap();
            assert_eq!(decode(coding, &out), b"whole");
        }
    }
}
