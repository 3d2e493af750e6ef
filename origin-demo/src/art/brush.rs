//! The colours a picture is painted with.

use crate::{catalogue::COLOURS, random::Rng};

/// Three tones of one colour, another colour, and the seed's further choices.
pub struct Brush {
    pub light: u32,
    pub full: u32,
    pub deep: u32,
    pub accent: u32,
    pub rng: Rng,
}

pub const PAPER: u32 = 0xfffaf0;
pub const WOOD: u32 = 0xb98a5a;
pub const WOOD_DEEP: u32 = 0x8a6139;
pub const INK: u32 = 0x2c2a28;
pub const GLOW: u32 = 0xffe9a8;
pub const LEAF: [u32; 3] = [0x5d8a5a, 0x3f6b48, 0x86a96b];
pub const WALLS: [u32; 6] = [0xf4efe6, 0xeef1ee, 0xf3ece7, 0xebeff2, 0xf5f0e0, 0xf0edf2];

impl Brush {
    /// The brush of a colour (an unknown one is slate) and a seed.
    pub fn new(colour: &str, seed: u64) -> Self {
        let mut rng = Rng::of(seed, 11);
        let [light, full, deep] = COLOURS
            .iter()
            .find(|(name, _)| *name == colour)
            .unwrap_or(&COLOURS[1])
            .1;
        let others: Vec<u32> = COLOURS
            .iter()
            .filter(|(name, _)| *name != colour)
            .map(|(_, tones)| tones[1])
            .collect();
        let accent = *rng.pick(&others);
        Self {
            light,
            full,
            deep,
            accent,
            rng,
        }
    }
}
