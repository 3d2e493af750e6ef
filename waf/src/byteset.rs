//! Sets of byte values: which bytes a value has, which bytes a pattern or a transformation needs.

/// A set of byte values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

/// For each byte the set of it alone.
static SINGLE: [[u64; 4]; 256] = {
    let mut sets = [[0u64; 4]; 256];
    let mut b = 0;
    while b < 256 {
        sets[b][b >> 6] = 1 << (b & 63);
        b += 1;
    }
    sets
};

impl ByteSet {
    /// Every byte.
    pub(crate) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    /// The bytes that occur in `text`.
    pub(crate) fn of(text: &[u8]) -> Self {
        // One load of a ready-made set a byte: no shifts, and no dependency between bytes but the union.
        let mut all = [0u64; 4];
        for &b in text {
            let one = &SINGLE[b as usize];
            all = [
                all[0] | one[0],
                all[1] | one[1],
                all[2] | one[2],
                all[3] | one[3],
            ];
        }
        Self(all)
    }

    /// The bytes from `first` to `last`, both included.
    pub(crate) fn range(first: u8, last: u8) -> Self {
        let mut set = Self::default();
        for b in first..=last {
            set.insert(b);
        }
        set
    }

    /// Adds a byte.
    pub(crate) fn insert(&mut self, b: u8) {
        self.0[(b >> 6) as usize] |= 1 << (b & 63);
    }

    /// Whether it has the byte.
    pub(crate) fn contains(&self, b: u8) -> bool {
        self.0[(b >> 6) as usize] & (1 << (b & 63)) != 0
    }

    /// Both together.
    pub(crate) fn union(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    /// Whether they share a byte.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        (a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]) != 0
    }

    /// Whether every byte of it is in `other`.
    pub(crate) fn within(&self, other: &Self) -> bool {
        self.union(*other) == *other
    }

    /// With the lower case of its ASCII letters (and the upper case still in it).
    pub(crate) fn with_lower_case(self) -> Self {
        // Letters are in the second word; cases are 32 apart.
        const UPPER: u64 = ((1 << 26) - 1) << 1;
        let [a, b, c, d] = self.0;
        Self([a, b | (b & UPPER) << 32, c, d])
    }

    /// With the upper case of its ASCII letters (and the lower case still in it).
    pub(crate) fn with_upper_case(self) -> Self {
        const LOWER: u64 = ((1 << 26) - 1) << 33;
        let [a, b, c, d] = self.0;
        Self([a, b | (b & LOWER) >> 32, c, d])
    }

    /// The bytes that are not in it.
    pub(crate) fn complement(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// With this byte.
    pub(crate) fn with(mut self, b: u8) -> Self {
        self.insert(b);
        self
    }

    /// Its bytes in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255u8).filter(|b| self.contains(*b))
    }
}

impl FromIterator<u8> for ByteSet {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut set = Self::default();
        for b in bytes {
            set.insert(b);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let set = ByteSet::of(b"a\xff\x00?");
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, b'?', b'a', 0xff]);
        assert!(set.meets(&ByteSet::of(b"xyza")) && !set.meets(&ByteSet::of(b"xyz")));
        assert!(ByteSet::of(b"a").within(&set) && !ByteSet::of(b"ab").within(&set));
        assert_eq!(ByteSet::range(0, 255), ByteSet::ALL);
        assert_eq!(
            ByteSet::of(b"AZ[@a").with_lower_case(),
            ByteSet::of(b"AZ[@az")
        );
        assert_eq!(
            ByteSet::of(b"az{`A").with_upper_case(),
            ByteSet::of(b"az{`AZ")
        );
    }
}
