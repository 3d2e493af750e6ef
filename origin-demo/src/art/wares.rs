//! Mugs, jugs and pots of tea; notebooks.

use super::{
    Scene,
    brush::{Brush, PAPER},
    path::Path,
};

pub fn mug(s: &mut Scene, b: &mut Brush, jug: bool, handle: bool) {
    let tall = if jug {
        b.rng.real(40.0, 70.0)
    } else {
        b.rng.real(0.0, 30.0)
    };
    let (top, wide) = (195.0 - tall, b.rng.real(66.0, 84.0));
    let (l, r) = (200.0 - wide, 200.0 + wide);
    if handle {
        s.fill(
            b.full,
            Path::ring(r + 2.0, 255.0 - tall * 0.3, 46.0, 46.0, 16.0),
        );
    }
    if jug {
        s.fill(
            b.full,
            Path::poly(&[
                (l + 8.0, top + 4.0),
                (l - 26.0, top - 10.0),
                (l + 4.0, top + 62.0),
            ]),
        );
    }
    let narrow = b.rng.real(0.0, 16.0);
    s.fill(
        b.full,
        Path::taper(l, r, top, l + narrow, r - narrow, 341.0, 18.0),
    );
    glaze(s, b, top, wide, narrow);
    s.shade(
        0xffffff,
        0.2,
        Path::rect(
            l + 16.0 + narrow * 0.4,
            top + 22.0,
            9.0,
            250.0 - top * 0.6,
            4.0,
        ),
    );
    s.fill(b.deep, Path::ellipse(200.0, top + 3.0, wide - 1.0, 13.0));
    s.fill(0x5b3a22, Path::ellipse(200.0, top + 5.0, wide - 9.0, 9.0));
    for n in 0..2 {
        let x = 180.0 + f64::from(n) * 38.0;
        s.shade(
            0xffffff,
            0.55,
            Path::leaf(x, top - 18.0, x + 10.0, top - 78.0, 11.0),
        );
    }
}

/// A dipped foot, stripes, freckles or a little picture.
fn glaze(s: &mut Scene, b: &mut Brush, top: f64, wide: f64, narrow: f64) {
    let (l, r) = (200.0 - wide, 200.0 + wide);
    match b.rng.between(0, 3) {
        0 => s.shade(
            b.deep,
            0.85,
            Path::taper(
                l + narrow * 0.7,
                r - narrow * 0.7,
                292.0,
                l + narrow,
                r - narrow,
                341.0,
                16.0,
            ),
        ),
        1 => {
            for n in 0..3 {
                let y = top + 40.0 + f64::from(n) * 26.0;
                s.shade(
                    b.light,
                    0.75,
                    Path::rect(l + narrow * 0.5, y, 2.0 * wide - narrow, 8.0, 0.0),
                );
            }
        }
        2 => {
            for _ in 0..46 {
                let (x, y) = (
                    b.rng.real(l + 18.0, r - 18.0),
                    b.rng.real(top + 24.0, 328.0),
                );
                s.shade(b.deep, 0.5, Path::circle(x, y, b.rng.real(1.2, 3.4)));
            }
        }
        _ => {
            s.shade(b.light, 0.8, Path::circle(200.0, (top + 350.0) / 2.0, 28.0));
            s.shade(
                b.accent,
                0.8,
                Path::dome(200.0, (top + 350.0) / 2.0 + 12.0, 24.0, 20.0),
            );
        }
    }
}

pub fn teapot(s: &mut Scene, b: &mut Brush) {
    let round = b.rng.real(78.0, 92.0);
    let y = 341.0 - round;
    s.fill(
        b.deep,
        Path::ring(200.0, y - round * 0.55, round * 0.8, round * 0.95, 9.0),
    );
    s.fill(
        b.full,
        Path::poly(&[
            (204.0 + round * 0.7, y + 30.0),
            (252.0 + round, y - 52.0),
            (276.0 + round * 0.9, y - 44.0),
            (214.0 + round * 0.8, y + 52.0),
        ]),
    );
    s.fill(b.full, Path::ellipse(200.0, y, round * 1.12, round));
    s.fill(b.deep, Path::rect(150.0, 332.0, 100.0, 10.0, 5.0));
    if b.rng.chance(50) {
        s.shade(
            b.light,
            0.75,
            Path::ellipse(200.0, y + 6.0, round * 1.1, 9.0),
        );
        s.shade(
            b.light,
            0.5,
            Path::ellipse(200.0, y + 30.0, round * 1.04, 5.0),
        );
    } else {
        for _ in 0..34 {
            let (x, dy) = (b.rng.real(-0.8, 0.8) * round, b.rng.real(-0.5, 0.7) * round);
            s.shade(
                b.light,
                0.7,
                Path::circle(200.0 + x, y + dy, b.rng.real(1.4, 3.2)),
            );
        }
    }
    s.shade(
        0xffffff,
        0.18,
        Path::ellipse(200.0 - round * 0.55, y - round * 0.3, 15.0, 26.0),
    );
    s.fill(b.deep, Path::dome(200.0, y - round * 0.8, 46.0, 24.0));
    s.fill(b.accent, Path::circle(200.0, y - round * 0.8 - 28.0, 9.0));
}

pub fn notebook(s: &mut Scene, b: &mut Brush) {
    let stacked = b.rng.chance(45);
    if stacked {
        s.fill(b.accent, Path::rect(96.0, 306.0, 208.0, 36.0, 5.0));
        s.fill(PAPER, Path::rect(112.0, 312.0, 192.0, 24.0, 2.0));
        s.shade(b.light, 0.5, Path::rect(112.0, 318.0, 192.0, 2.0, 0.0));
        s.shade(b.light, 0.5, Path::rect(112.0, 327.0, 192.0, 2.0, 0.0));
    }
    let bottom = if stacked { 306.0 } else { 341.0 };
    let top = bottom - 232.0;
    s.fill(PAPER, Path::rect(128.0, top + 8.0, 158.0, 220.0, 4.0));
    s.fill(b.full, Path::rect(118.0, top, 162.0, 232.0, 8.0));
    s.fill(b.deep, Path::rect(118.0, top, 24.0, 232.0, 6.0));
    match b.rng.between(0, 3) {
        0 => s.fill(PAPER, Path::rect(164.0, top + 44.0, 94.0, 52.0, 3.0)),
        1 => {
            for n in 0..4 {
                let y = top + 92.0 + f64::from(n) * 24.0;
                s.shade(b.light, 0.85, Path::leaf(152.0, y, 272.0, y + 6.0, 12.0));
            }
            s.shade(b.light, 0.95, Path::circle(236.0, top + 58.0, 20.0));
        }
        2 => {
            for n in 0..3 {
                let r = 44.0 - f64::from(n) * 14.0;
                s.shade(b.light, 0.9, Path::ring(211.0, top + 104.0, r, r, 5.0));
            }
        }
        _ => {
            for row in 0..7 {
                for n in 0..5 {
                    let (x, y) = (
                        162.0 + f64::from(n) * 24.0,
                        top + 40.0 + f64::from(row) * 26.0,
                    );
                    s.shade(b.light, 0.9, Path::circle(x, y, 3.6));
                }
            }
        }
    }
    s.shade(
        0xffffff,
        0.12,
        Path::rect(146.0, top + 4.0, 10.0, 224.0, 3.0),
    );
    s.fill(b.accent, Path::rect(256.0, top, 8.0, 232.0, 0.0));
    s.fill(
        b.accent,
        Path::poly(&[
            (186.0, bottom),
            (196.0, bottom),
            (196.0, bottom + 22.0),
            (191.0, bottom + 15.0),
            (186.0, bottom + 22.0),
        ]),
    );
}
