//! Pots and what grows in them.

use super::{
    Scene,
    brush::{Brush, LEAF, WOOD_DEEP},
    path::Path,
};

pub fn pot(s: &mut Scene, b: &mut Brush, hangs: bool) {
    let top = b.rng.real(222.0, 250.0);
    plant(s, b, top);
    let wide = b.rng.real(68.0, 88.0);
    if hangs {
        ropes(s, b, top, wide);
    }
    s.fill(
        b.full,
        Path::taper(
            200.0 - wide,
            200.0 + wide,
            top,
            200.0 - wide * 0.68,
            200.0 + wide * 0.68,
            342.0,
            10.0,
        ),
    );
    glaze(s, b, top, wide);
    s.shade(
        0xffffff,
        0.18,
        Path::taper(
            212.0 - wide,
            222.0 - wide,
            top + 22.0,
            222.0 - wide * 0.74,
            230.0 - wide * 0.74,
            326.0,
            3.0,
        ),
    );
}

/// A fan of blades, a fern or a cactus, out of a pot whose rim is at `top`.
fn plant(s: &mut Scene, b: &mut Brush, top: f64) {
    match b.rng.between(0, 2) {
        0 => {
            for n in 0..9 {
                let spread = f64::from(n - 4);
                let (x, y) = (
                    200.0 + spread * 26.0 + b.rng.real(-6.0, 6.0),
                    86.0 + spread * spread * 7.0,
                );
                s.fill(
                    *b.rng.pick(&LEAF),
                    Path::leaf(200.0 + spread * 6.0, top + 6.0, x, y, 16.0),
                );
            }
        }
        1 => {
            s.fill(LEAF[1], Path::bar(200.0, top, 200.0, 128.0, 6.0));
            for n in 0..6 {
                let y = 128.0 + f64::from(n) * 20.0;
                let reach = 46.0 + f64::from(n) * 6.0;
                s.fill(
                    *b.rng.pick(&LEAF),
                    Path::leaf(200.0, y + 14.0, 200.0 + reach, y - 14.0, 17.0),
                );
                s.fill(
                    *b.rng.pick(&LEAF),
                    Path::leaf(200.0, y + 18.0, 200.0 - reach, y - 10.0, 17.0),
                );
            }
            s.fill(LEAF[2], Path::leaf(200.0, 138.0, 200.0, 82.0, 16.0));
        }
        _ => {
            s.fill(LEAF[0], Path::rect(172.0, 112.0, 56.0, top - 104.0, 28.0));
            s.fill(LEAF[0], Path::rect(222.0, 168.0, 42.0, 20.0, 10.0));
            s.fill(LEAF[0], Path::rect(244.0, 138.0, 20.0, 50.0, 10.0));
            s.shade(
                LEAF[1],
                0.8,
                Path::rect(184.0, 122.0, 5.0, top - 122.0, 2.0),
            );
            s.shade(
                LEAF[1],
                0.8,
                Path::rect(198.0, 118.0, 5.0, top - 118.0, 2.0),
            );
            s.shade(
                LEAF[1],
                0.8,
                Path::rect(212.0, 122.0, 5.0, top - 122.0, 2.0),
            );
            for (x, y) in [(186.0, 108.0), (214.0, 108.0), (255.0, 136.0)] {
                s.fill(0xd98f86, Path::circle(x, y, 9.0));
            }
        }
    }
}

/// What it hangs by, and leaves that hang from it.
fn ropes(s: &mut Scene, b: &mut Brush, top: f64, wide: f64) {
    for side in [-1.0, 1.0] {
        s.fill(
            WOOD_DEEP,
            Path::bar(
                200.0 + side * 6.0,
                0.0,
                200.0 + side * (wide - 4.0),
                top + 6.0,
                3.0,
            ),
        );
        for n in 0..3 {
            let out = wide * (0.55 + 0.2 * f64::from(n));
            let fall = top + 60.0 + 22.0 * f64::from(n);
            s.fill(
                *b.rng.pick(&LEAF),
                Path::leaf(
                    200.0 + side * out * 0.7,
                    top,
                    200.0 + side * (out + 34.0),
                    fall,
                    11.0,
                ),
            );
        }
    }
}

/// A rim, stripes, or a dipped foot.
fn glaze(s: &mut Scene, b: &mut Brush, top: f64, wide: f64) {
    match b.rng.between(0, 2) {
        0 => s.fill(
            b.deep,
            Path::rect(200.0 - wide - 6.0, top - 6.0, 2.0 * wide + 12.0, 24.0, 6.0),
        ),
        1 => {
            for n in 0..4 {
                let y = top + 22.0 + f64::from(n) * 18.0;
                let half = wide * (1.0 - 0.32 * (y - top) / (342.0 - top)) - 1.0;
                s.shade(
                    b.light,
                    0.6,
                    Path::rect(200.0 - half, y, 2.0 * half, 6.0, 0.0),
                );
            }
        }
        _ => {
            s.shade(
                b.deep,
                0.8,
                Path::taper(
                    200.0 - wide * 0.84,
                    200.0 + wide * 0.84,
                    292.0,
                    200.0 - wide * 0.68,
                    200.0 + wide * 0.68,
                    342.0,
                    8.0,
                ),
            );
            s.fill(b.deep, Path::ellipse(200.0, top + 2.0, wide, 7.0));
        }
    }
}

pub fn window_box(s: &mut Scene, b: &mut Brush) {
    for n in 0..6 {
        let x = 92.0 + f64::from(n) * 43.0;
        let top = b.rng.real(140.0, 190.0);
        if b.rng.chance(55) {
            s.fill(LEAF[1], Path::bar(x, 262.0, x, top, 4.0));
            for side in [-1.0, 1.0] {
                s.fill(
                    *b.rng.pick(&LEAF),
                    Path::leaf(x, 252.0, x + side * 24.0, 214.0, 10.0),
                );
            }
            for turn in 0..6 {
                let angle = f64::from(turn) * std::f64::consts::TAU / 6.0;
                s.fill(
                    b.accent,
                    Path::circle(x + angle.cos() * 11.0, top + angle.sin() * 11.0, 7.5),
                );
            }
            s.fill(0xf2d58a, Path::circle(x, top, 6.5));
        } else {
            for side in -2..=2 {
                let lean = f64::from(side);
                s.fill(
                    *b.rng.pick(&LEAF),
                    Path::leaf(
                        x + lean * 3.0,
                        266.0,
                        x + lean * 17.0,
                        top + lean * lean * 12.0,
                        9.0,
                    ),
                );
            }
        }
    }
    s.fill(
        b.full,
        Path::taper(62.0, 338.0, 256.0, 74.0, 326.0, 342.0, 8.0),
    );
    s.fill(b.deep, Path::rect(56.0, 250.0, 288.0, 20.0, 6.0));
    s.shade(b.light, 0.55, Path::rect(84.0, 298.0, 232.0, 6.0, 3.0));
    s.shade(0xffffff, 0.16, Path::rect(78.0, 278.0, 8.0, 54.0, 4.0));
}
