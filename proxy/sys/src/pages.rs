//! Memory whose pages a pipe can be lent: the kernel sends them as they lie, without a copy.
//!
//! A page that was lent stays in a socket's queue until the peer has it, long after the call. So memory that is lent is never written again,
//! and given back to the kernel, not to an allocator, when it is not needed any more: a page that is still in a queue keeps its bytes until it has
//! left it, and who maps memory next gets others.
//!
//! Limits: [`BYTES_MIN`] and [`BYTES_MAX`] a piece; [`LIVE_MAX`] at a time, as each may be a mapping of its own, of which the kernel allows
//! 65,530 a process.

use std::{
    fmt,
    io::{self, IoSlice},
    os::fd::AsRawFd,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Below this a copy is cheaper.
pub const BYTES_MIN: usize = 32 << 10;
/// The largest piece: a copy of it takes well below a millisecond.
pub const BYTES_MAX: usize = 1 << 20;
/// Pieces at a time in a process.
pub const LIVE_MAX: usize = 16_384;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Bytes in pages of their own, which do not change any more.
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to this value alone, and nothing writes to it once it was made.
unsafe impl Send for Pages {}
// SAFETY: as above; all access is by shared reads.
unsafe impl Sync for Pages {}

impl Pages {
    /// A copy of parts, one after the other. `None` where it would be outside the limits, or the kernel has no memory.
    pub fn of<'a>(parts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Pages> {
        let length = parts.clone().map(<[u8]>::len).sum();
        if !(BYTES_MIN..=BYTES_MAX).contains(&length) {
            return None;
        }
        if LIVE.fetch_add(1, Relaxed) >= LIVE_MAX {
            LIVE.fetch_sub(1, Relaxed);
            return None;
        }
        // Counted out by `drop` from here on.
        let Some(start) = map(length) else {
            LIVE.fetch_sub(1, Relaxed);
            return None;
        };
        let pages = Pages { start, length };
        let mut at = 0;
        for part in parts {
            let room = length - at;
            let count = part.len().min(room);
            // SAFETY: `count` bytes from `at` lie within the mapping, which was just made, is writable and known to nobody else; a source
            // that is borrowed cannot overlap with it.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), start.as_ptr().add(at), count);
            }
            at += count;
        }
        Some(pages)
    }

    /// What it takes: whole pages.
    pub fn held_bytes(&self) -> u64 {
        self.length.next_multiple_of(4096) as u64
    }

    /// Lends at most `most` bytes from an offset to an empty pipe; how many it took.
    pub(crate) fn lend(&self, pipe: &impl AsRawFd, from: usize, most: usize) -> io::Result<usize> {
        let rest = self.as_ref().get(from..).unwrap_or_default();
        let part = [IoSlice::new(rest.get(..most).unwrap_or(rest))];
        // SAFETY: an `IoSlice` is an `iovec`, and describes memory of `self`. The kernel reads it, now and while the pages are in a queue:
        // they are never written, and `drop` unmaps them, which leaves the queue's own references as they are.
        let n = unsafe {
            libc::vmsplice(
                pipe.as_raw_fd(),
                part.as_ptr().cast(),
                1,
                libc::SPLICE_F_NONBLOCK,
            )
        };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }
}

/// Fresh memory, all of it there at once.
fn map(length: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping at an address of the kernel's choice touches no memory that is in use.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(start.cast())
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` are mapped as long as `self` lives, were zeroed by the kernel, and are not written any more.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody can have a reference into it now.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.length);
        }
        LIVE.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::splice::Pipe;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        os::fd::AsFd,
    };

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, server)
    }

    #[test]
    fn what_is_too_small_or_too_large_is_not_taken() {
        let small = vec![0; BYTES_MIN - 1];
        assert!(Pages::of(std::iter::once(&small[..])).is_none());
        let large = vec![0; BYTES_MAX / 2 + 1];
        assert!(Pages::of([&large[..], &large[..]].into_iter()).is_none());
    }

    #[test]
    fn parts_lie_one_behind_the_other() {
        let (a, b) = (vec![1; 30_000], vec![2; 10_001]);
        let pages = Pages::of([&a[..], &b[..]].into_iter()).unwrap();
        assert!(pages.as_ref() == [a, b].concat());
        assert_eq!(pages.held_bytes(), 40_960);
    }

    #[test]
    fn what_was_lent_arrives_though_its_memory_is_gone_and_used_again() {
        let (mut client, server) = pair();
        let mut pipe = Pipe::new().unwrap();
        let sent: Vec<u8> = (0..64 * 1024u32).map(|n| (n % 251) as u8).collect();
        let pages = Pages::of(std::iter::once(&sent[..])).unwrap();
        let mut at = 0;
        while at < sent.len() {
            at += pipe.lend(&pages, at).unwrap();
            while pipe.held() > 0 {
                match pipe.pour(server.as_fd()) {
                    Ok(_) => {}
                    Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
        drop(pages);
        // Whoever maps the same place now writes to other pages.
        let mut others: Vec<Pages> = Vec::new();
        let noise = vec![0xee; 64 * 1024];
        for _ in 0..64 {
            others.extend(Pages::of(std::iter::once(&noise[..])));
        }
        let mut got = vec![0; sent.len()];
        client.read_exact(&mut got).unwrap();
        assert!(got == sent);
        (&server).write_all(b"on").unwrap();
        let mut after = [0; 2];
        client.read_exact(&mut after).unwrap();
        assert_eq!(&after, b"on");
    }
}
