//! Memory that the allocator keeps for later.

/// Gives back what this thread has freed, now: after a large structure was taken apart, such as what a zone's file was
/// read into. The allocator would do so bit by bit, with allocations that may not come for hours. Takes milliseconds.
pub fn give_back() {
    // SAFETY: `mi_collect` takes no pointers, may be called at any time and by any thread, and touches only memory that
    // is free. Where another allocator is the global one, mimalloc has nothing to collect.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; 5000]).collect();
        super::give_back();
        assert!(kept.iter().zip(0..).all(|(v, n)| *v == [n; 5000]));
    }
}
