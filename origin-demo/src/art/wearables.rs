//! Bags and knitwear.

use super::{
    Scene,
    brush::{Brush, INK, PAPER, WOOD_DEEP},
    path::Path,
};

pub fn tote(s: &mut Scene, b: &mut Brush) {
    let strap = if b.rng.chance(50) { WOOD_DEEP } else { b.deep };
    s.fill(strap, Path::ring(200.0, 168.0, 56.0, 88.0, 10.0));
    s.fill(
        b.full,
        Path::taper(108.0, 292.0, 160.0, 122.0, 278.0, 342.0, 10.0),
    );
    s.shade(
        b.deep,
        0.5,
        Path::taper(119.0, 281.0, 296.0, 122.0, 278.0, 342.0, 8.0),
    );
    s.fill(b.light, Path::rect(168.0, 206.0, 64.0, 44.0, 4.0));
    s.fill(b.accent, Path::dome(200.0, 240.0, 20.0, 20.0));
}

/// A day pack; with `rolled`, its top is rolled down instead of zipped.
pub fn pack(s: &mut Scene, b: &mut Brush, rolled: bool) {
    let strap = if b.rng.chance(50) { WOOD_DEEP } else { b.deep };
    if rolled {
        s.fill(
            b.full,
            Path::taper(126.0, 274.0, 104.0, 118.0, 282.0, 342.0, 20.0),
        );
        s.fill(b.deep, Path::rect(116.0, 84.0, 168.0, 34.0, 15.0));
        s.shade(0xffffff, 0.16, Path::rect(126.0, 90.0, 148.0, 7.0, 3.0));
        s.fill(strap, Path::rect(193.0, 84.0, 14.0, 92.0, 3.0));
        s.fill(0xd9b25c, Path::rect(188.0, 158.0, 24.0, 16.0, 3.0));
        s.fill(b.deep, Path::rect(142.0, 226.0, 116.0, 98.0, 14.0));
        s.shade(0xffffff, 0.14, Path::rect(152.0, 238.0, 96.0, 5.0, 2.0));
        s.fill(b.accent, Path::rect(262.0, 196.0, 22.0, 15.0, 2.0));
        return;
    }
    s.fill(strap, Path::ring(200.0, 112.0, 26.0, 30.0, 9.0));
    s.fill(b.full, Path::rect(120.0, 112.0, 160.0, 230.0, 56.0));
    s.shade(0xffffff, 0.12, Path::rect(132.0, 140.0, 18.0, 150.0, 9.0));
    s.fill(b.deep, Path::rect(140.0, 232.0, 120.0, 92.0, 18.0));
    s.fill(b.full, Path::rect(140.0, 232.0, 120.0, 30.0, 14.0));
    s.fill(strap, Path::rect(193.0, 252.0, 14.0, 28.0, 4.0));
    s.fill(strap, Path::rect(120.0, 186.0, 160.0, 8.0, 0.0));
    s.fill(b.accent, Path::rect(262.0, 206.0, 22.0, 15.0, 2.0));
}

pub fn satchel(s: &mut Scene, b: &mut Brush) {
    let strap = if b.rng.chance(50) { WOOD_DEEP } else { b.deep };
    s.fill(strap, Path::ring(200.0, 200.0, 108.0, 118.0, 9.0));
    s.fill(b.full, Path::rect(98.0, 196.0, 204.0, 146.0, 14.0));
    s.fill(
        b.deep,
        Path::taper(98.0, 302.0, 190.0, 110.0, 290.0, 276.0, 26.0),
    );
    s.shade(
        0xffffff,
        0.14,
        Path::taper(106.0, 294.0, 194.0, 109.0, 291.0, 212.0, 6.0),
    );
    for x in [146.0, 242.0] {
        s.fill(strap, Path::rect(x, 232.0, 12.0, 68.0, 3.0));
        s.fill(
            0xd9b25c,
            Path::rect(x - 4.0, 266.0, 20.0, 16.0, 3.0).and(Path::rect(
                x + 1.0,
                271.0,
                10.0,
                6.0,
                1.0,
            )),
        );
    }
}

pub fn jumper(s: &mut Scene, b: &mut Brush, vest: bool, buttons: bool) {
    if !vest {
        sleeves(s, b);
    }
    s.fill(
        b.full,
        Path::taper(140.0, 260.0, 112.0, 130.0, 270.0, 340.0, 14.0),
    );
    pattern(s, b);
    s.fill(b.deep, Path::rect(130.0, 322.0, 140.0, 19.0, 6.0));
    if buttons {
        s.fill(b.deep, Path::bar(200.0, 128.0, 200.0, 324.0, 5.0));
        for n in 0..5 {
            s.fill(PAPER, Path::circle(208.0, 160.0 + f64::from(n) * 38.0, 4.5));
        }
    }
    s.fill(b.deep, Path::rect(166.0, 98.0, 68.0, 26.0, 11.0));
    s.shade(INK, 0.45, Path::ellipse(200.0, 104.0, 27.0, 7.0));
}

fn sleeves(s: &mut Scene, b: &Brush) {
    s.fill(
        b.deep,
        Path::poly(&[
            (142.0, 118.0),
            (108.0, 142.0),
            (64.0, 312.0),
            (106.0, 326.0),
            (146.0, 190.0),
        ]),
    );
    s.fill(
        b.deep,
        Path::poly(&[
            (258.0, 118.0),
            (292.0, 142.0),
            (336.0, 312.0),
            (294.0, 326.0),
            (254.0, 190.0),
        ]),
    );
    s.shade(
        b.full,
        0.75,
        Path::poly(&[
            (142.0, 118.0),
            (108.0, 142.0),
            (68.0, 296.0),
            (110.0, 308.0),
            (146.0, 190.0),
        ]),
    );
    s.shade(
        b.full,
        0.75,
        Path::poly(&[
            (258.0, 118.0),
            (292.0, 142.0),
            (332.0, 296.0),
            (290.0, 308.0),
            (254.0, 190.0),
        ]),
    );
}

/// Stripes, a yoke of diamonds, cables or flecks.
fn pattern(s: &mut Scene, b: &mut Brush) {
    match b.rng.between(0, 3) {
        0 => {
            for n in 0..5 {
                let y = 168.0 + f64::from(n) * 30.0;
                s.fill(
                    b.light,
                    Path::rect(
                        136.0 - f64::from(n),
                        y,
                        128.0 + 2.0 * f64::from(n),
                        11.0,
                        0.0,
                    ),
                );
            }
        }
        1 => {
            for row in 0..3 {
                for n in 0..7 {
                    let (x, y) = (146.0 + f64::from(n) * 18.0, 152.0 + f64::from(row) * 20.0);
                    let colour = if row == 1 { b.accent } else { b.light };
                    s.fill(
                        colour,
                        Path::poly(&[(x, y - 8.0), (x + 7.0, y), (x, y + 8.0), (x - 7.0, y)]),
                    );
                }
            }
        }
        2 => {
            for x in [164.0, 200.0, 236.0] {
                for n in 0..9 {
                    let y = 150.0 + f64::from(n) * 19.0;
                    s.shade(b.deep, 0.55, Path::ring(x, y, 9.0, 11.0, 3.0));
                }
            }
        }
        _ => {
            for _ in 0..90 {
                let (x, y) = (b.rng.real(142.0, 258.0), b.rng.real(140.0, 312.0));
                let colour = if b.rng.chance(50) { b.light } else { b.accent };
                s.shade(colour, 0.8, Path::circle(x, y, b.rng.real(1.2, 2.6)));
            }
        }
    }
}
