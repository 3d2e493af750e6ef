//! Transparent huge pages: a process that idles does without them, one that works has them.
//!
//! The allocator asks for huge pages wherever it may, and under load that is right: the processor looks addresses up less
//! often. But a process that idles has touched a little of many places, and
//! each of them then costs 2 MiB. So a daemon starts with [`forbid`], which its children inherit, and a worker that has
//! something to do calls [`allow`] and has what it touched already gathered by [`gather`].

use crate::Error;
use nix::{
    sys::prctl,
    time::{ClockId, clock_gettime},
};
use std::time::Duration;

/// Bytes of a huge page on the machines we run on; where they are larger less is gathered, and nothing else happens.
const BYTES: usize = 2 << 20;

/// No huge page from now on, in this process and in those it starts.
///
/// # Errors
/// Where the kernel knows nothing of them; there is then nothing to forbid.
pub fn forbid() -> Result<(), Error> {
    prctl::set_thp_disable(true).map_err(Error::errno_of("prctl"))
}

/// Huge pages as the machine is set, from now on.
///
/// # Errors
/// As [`forbid`].
pub fn allow() -> Result<(), Error> {
    prctl::set_thp_disable(false).map_err(Error::errno_of("prctl"))
}

/// Makes huge pages of what is in use already, of memory that its owner wants them for (`madvise`).
///
/// The kernel does the same in the background, but takes minutes for it. Kernels before 6.1 know no such call and leave it
/// at that, as does a machine whose setting is `never`. Copies what is in use, so it is for a thread that may take its time.
pub fn gather() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else {
        return;
    };
    for (start, end) in wanted(&maps) {
        let start = start.next_multiple_of(BYTES);
        let length = (end & !(BYTES - 1)).saturating_sub(start);
        if length == 0 {
            continue;
        }
        // SAFETY: MADV_COLLAPSE changes neither what the range holds nor what may be done with it, only how it is mapped;
        // on a range that is no longer there, or that others use meanwhile, it fails or waits.
        let _ = unsafe {
            libc::madvise(
                std::ptr::without_provenance_mut(start),
                length,
                libc::MADV_COLLAPSE,
            )
        };
    }
}

/// Ranges of `/proc/self/smaps` that carry the flag `hg`.
fn wanted(maps: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut current = None;
    for line in maps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            if flags.split_ascii_whitespace().any(|flag| flag == "hg") {
                ranges.extend(current);
            }
        } else if let Some((start, rest)) = line.split_once('-')
            && let Some((end, _)) = rest.split_once(' ')
        {
            let address = |text| usize::from_str_radix(text, 16).ok();
            current = address(start).zip(address(end));
        }
    }
    ranges
}

/// CPU time that this process has used, of all its threads.
pub fn cpu_time() -> Duration {
    // The clock is always there; a process that cannot tell is one that idles.
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_that_wants_huge_pages_is_gathered() {
        let maps = "20000000000-20040000000 rw-p 00000000 00:00 0 \nSize: 1048576 kB\nVmFlags: rd wr mr mw me ac sd hg \n\
                    7f0000000000-7f0000200000 rw-p 00000000 00:00 0 [stack]\nVmFlags: rd wr mr mw me gd ac\n\
                    7f0000400000-7f0000a00000 r--p 00000000 fe:00 7 /a-b c\nVmFlags: rd mr mw me sd hg\n";
        assert_eq!(
            wanted(maps),
            [
                (0x200_0000_0000, 0x200_4000_0000),
                (0x7f00_0040_0000, 0x7f00_00a0_0000)
            ]
        );
        assert!(wanted("VmFlags: hg\nrubbish-\nx-y z\nVmFlags: hg\n").is_empty());
    }

    #[test]
    fn what_is_in_memory_survives_being_gathered() {
        let before: Vec<u32> = (0..1 << 20).collect();
        gather();
        assert!(before.iter().enumerate().all(|(at, n)| at == *n as usize));
    }

    #[test]
    fn the_time_used_grows() {
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::spin_loop();
        }
    }
}
