//! Lamps and lanterns.

use super::{
    Scene,
    brush::{Brush, GLOW, INK, WOOD, WOOD_DEEP},
    path::Path,
};

pub fn lamp(s: &mut Scene, b: &mut Brush) {
    let shade = b.rng.between(0, 2);
    let lean = b.rng.real(-6.0, 6.0);
    s.shade(GLOW, 0.38, Path::circle(200.0 + lean, 165.0, 128.0));
    s.shade(GLOW, 0.45, Path::circle(200.0 + lean, 165.0, 88.0));
    let foot = if b.rng.chance(50) { WOOD_DEEP } else { b.deep };
    s.fill(foot, Path::bar(200.0, 325.0, 200.0 + lean, 190.0, 9.0));
    if b.rng.chance(50) {
        s.fill(
            foot,
            Path::taper(170.0, 230.0, 322.0, 152.0, 248.0, 340.0, 6.0),
        );
    } else {
        s.fill(foot, Path::circle(200.0, 298.0, 34.0));
        s.shade(0xffffff, 0.18, Path::ellipse(188.0, 288.0, 10.0, 14.0));
        s.fill(foot, Path::rect(160.0, 326.0, 80.0, 14.0, 5.0));
    }
    s.fill(0xfff3c4, Path::ellipse(200.0 + lean, 212.0, 26.0, 12.0));
    let x = 200.0 + lean;
    match shade {
        0 => {
            s.fill(
                b.full,
                Path::taper(x - 48.0, x + 48.0, 100.0, x - 92.0, x + 92.0, 208.0, 8.0),
            );
            s.shade(
                0xffffff,
                0.16,
                Path::taper(x - 40.0, x - 8.0, 100.0, x - 78.0, x - 22.0, 208.0, 4.0),
            );
            s.shade(
                b.deep,
                0.55,
                Path::taper(x - 90.0, x + 90.0, 199.0, x - 92.0, x + 92.0, 208.0, 3.0),
            );
        }
        1 => {
            s.fill(b.full, Path::dome(x, 205.0, 98.0, 102.0));
            s.shade(0xffffff, 0.18, Path::dome(x - 30.0, 196.0, 40.0, 78.0));
            s.fill(b.deep, Path::rect(x - 7.0, 92.0, 14.0, 14.0, 5.0));
        }
        _ => {
            s.fill(b.full, Path::circle(x, 150.0, 74.0));
            for n in -2..=2 {
                s.shade(
                    b.deep,
                    0.22,
                    Path::ring(x, 150.0, 12.0 + f64::from(n * n) * 15.0, 74.0, 3.0),
                );
            }
            s.shade(0xfff3c4, 0.5, Path::circle(x, 150.0, 34.0));
            s.fill(b.deep, Path::rect(x - 26.0, 72.0, 52.0, 9.0, 4.0));
            s.fill(b.deep, Path::rect(x - 26.0, 218.0, 52.0, 9.0, 4.0));
        }
    }
}

pub fn pendant(s: &mut Scene, b: &mut Brush) {
    let y = b.rng.real(140.0, 175.0);
    s.shade(GLOW, 0.34, Path::circle(200.0, y + 40.0, 138.0));
    s.shade(GLOW, 0.4, Path::circle(200.0, y + 40.0, 92.0));
    s.fill(INK, Path::bar(200.0, 0.0, 200.0, y - 40.0, 3.0));
    s.shade(
        GLOW,
        0.22,
        Path::taper(150.0, 250.0, y + 40.0, 84.0, 316.0, 325.0, 0.0),
    );
    s.fill(0xfff3c4, Path::circle(200.0, y + 42.0, 22.0));
    match b.rng.between(0, 2) {
        0 => {
            s.fill(b.full, Path::dome(200.0, y + 46.0, 102.0, 92.0));
            s.shade(0xffffff, 0.16, Path::dome(166.0, y + 40.0, 36.0, 70.0));
            s.shade(b.deep, 0.7, Path::rect(98.0, y + 40.0, 204.0, 8.0, 3.0));
        }
        1 => {
            s.fill(
                b.full,
                Path::taper(172.0, 228.0, y - 42.0, 96.0, 304.0, y + 48.0, 7.0),
            );
            s.shade(
                0xffffff,
                0.16,
                Path::taper(178.0, 192.0, y - 42.0, 112.0, 158.0, y + 48.0, 3.0),
            );
            s.shade(
                b.deep,
                0.7,
                Path::taper(99.0, 301.0, y + 40.0, 96.0, 304.0, y + 48.0, 3.0),
            );
        }
        _ => {
            for n in 0..4 {
                let (half, top) = (58.0 + f64::from(n) * 16.0, y - 40.0 + f64::from(n) * 23.0);
                let tone = if n % 2 == 0 { b.full } else { b.deep };
                s.fill(
                    tone,
                    Path::taper(
                        200.0 - half * 0.72,
                        200.0 + half * 0.72,
                        top,
                        200.0 - half,
                        200.0 + half,
                        top + 24.0,
                        5.0,
                    ),
                );
            }
        }
    }
    s.fill(b.deep, Path::rect(188.0, y - 58.0, 24.0, 22.0, 5.0));
}

pub fn lantern(s: &mut Scene, b: &mut Brush) {
    let wood = b.rng.chance(30);
    let (frame, cap) = if wood {
        (WOOD, WOOD_DEEP)
    } else {
        (b.full, b.deep)
    };
    s.shade(GLOW, 0.35, Path::circle(200.0, 230.0, 132.0));
    s.shade(GLOW, 0.45, Path::circle(200.0, 230.0, 86.0));
    s.fill(cap, Path::ring(200.0, 110.0, 46.0, 52.0, 6.0));
    s.fill(0xfdf3d6, Path::rect(140.0, 166.0, 120.0, 152.0, 14.0));
    s.fill(PAPER_FLAME, Path::leaf(200.0, 288.0, 200.0, 214.0, 22.0));
    s.fill(0xfff6d8, Path::leaf(200.0, 288.0, 200.0, 244.0, 12.0));
    s.fill(0xe9dfc9, Path::rect(180.0, 284.0, 40.0, 34.0, 5.0));
    for x in [140.0, 250.0] {
        s.fill(frame, Path::rect(x, 160.0, 10.0, 162.0, 2.0));
    }
    s.fill(
        frame,
        Path::taper(164.0, 236.0, 116.0, 124.0, 276.0, 170.0, 9.0),
    );
    s.fill(cap, Path::rect(168.0, 104.0, 64.0, 18.0, 6.0));
    s.fill(cap, Path::rect(124.0, 162.0, 152.0, 12.0, 5.0));
    s.fill(
        frame,
        Path::taper(132.0, 268.0, 314.0, 122.0, 278.0, 342.0, 6.0),
    );
    s.shade(
        0xffffff,
        0.2,
        Path::taper(172.0, 184.0, 122.0, 142.0, 158.0, 158.0, 3.0),
    );
}

const PAPER_FLAME: u32 = 0xf2b84b;
