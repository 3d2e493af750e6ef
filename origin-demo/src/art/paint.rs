//! What each shelf's things look like.

use super::{Scene, path::Path};
use crate::{catalogue::COLOURS, random::Rng};

/// Three tones of one colour, and the seed's further choices.
struct Brush {
    light: u32,
    full: u32,
    deep: u32,
    accent: u32,
    rng: Rng,
}

const PAPER: u32 = 0xfffaf0;
const WOOD: u32 = 0xb98a5a;
const WOOD_DEEP: u32 = 0x8a6139;
const INK: u32 = 0x2c2a28;
const LEAF: [u32; 3] = [0x5d8a5a, 0x3f6b48, 0x86a96b];
const WALLS: [u32; 6] = [0xf4efe6, 0xeef1ee, 0xf3ece7, 0xebeff2, 0xf5f0e0, 0xf0edf2];

/// A product's picture. An unknown shelf or colour still gives one.
pub fn paint(category: &str, name: &str, colour: &str, seed: u64) -> Scene {
    let mut rng = Rng::of(seed, 11);
    let tones = |name: &str| {
        COLOURS
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(COLOURS[1].1, |(_, tones)| *tones)
    };
    let [light, full, deep] = tones(colour);
    let accent = rng.pick(&COLOURS).1[1];
    let mut brush = Brush {
        light,
        full,
        deep,
        accent,
        rng,
    };
    let mut scene = Scene::new();
    backdrop(&mut scene, &mut brush);
    match category {
        "lamps" => lamp(&mut scene, &mut brush),
        "mugs" => mug(&mut scene, &mut brush),
        "bags" => bag(&mut scene, &mut brush),
        "knitwear" => jumper(&mut scene, &mut brush),
        "notebooks" => notebook(&mut scene, &mut brush),
        "chairs" => chair(&mut scene, &mut brush),
        "pots" => pot(&mut scene, &mut brush),
        _ => clock(&mut scene, &mut brush),
    }
    scene
}

/// A wall, something behind (sun, arch, horizon), a table and a shadow.
fn backdrop(s: &mut Scene, b: &mut Brush) {
    let wall = *b.rng.pick(&WALLS);
    s.fill(wall, Path::rect(0.0, 0.0, 400.0, 400.0, 0.0));
    match b.rng.between(0, 3) {
        0 => s.shade(
            b.light,
            0.9,
            Path::circle(
                b.rng.real(150.0, 250.0),
                b.rng.real(140.0, 190.0),
                b.rng.real(105.0, 135.0),
            ),
        ),
        1 => s.shade(
            b.light,
            0.9,
            Path::arch(
                b.rng.real(180.0, 220.0),
                50.0,
                330.0,
                b.rng.real(105.0, 130.0),
            ),
        ),
        2 => {
            s.shade(b.light, 0.55, Path::rect(0.0, 215.0, 400.0, 120.0, 0.0));
            s.shade(
                b.light,
                0.95,
                Path::circle(b.rng.real(90.0, 310.0), 150.0, 62.0),
            );
        }
        _ => {
            for n in 0..3 {
                let y = 190.0 + f64::from(n) * 45.0;
                s.shade(
                    b.light,
                    0.5,
                    Path::ellipse(b.rng.real(60.0, 340.0), y + 70.0, 230.0, 85.0),
                );
            }
        }
    }
    s.fill(0xe4d9c8, Path::rect(0.0, 325.0, 400.0, 75.0, 0.0));
    s.shade(0xffffff, 0.35, Path::rect(0.0, 325.0, 400.0, 3.0, 0.0));
    s.shade(0x4a3f33, 0.16, Path::ellipse(206.0, 343.0, 118.0, 11.0));
}

fn lamp(s: &mut Scene, b: &mut Brush) {
    let shade = b.rng.between(0, 2);
    let lean = b.rng.real(-6.0, 6.0);
    s.shade(0xffe9a8, 0.38, Path::circle(200.0 + lean, 165.0, 128.0));
    s.shade(0xffe9a8, 0.45, Path::circle(200.0 + lean, 165.0, 88.0));
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

fn mug(s: &mut Scene, b: &mut Brush) {
    let tall = b.rng.real(0.0, 45.0);
    let (top, wide) = (195.0 - tall, b.rng.real(66.0, 84.0));
    let (l, r) = (200.0 - wide, 200.0 + wide);
    s.fill(
        b.full,
        Path::ring(r + 2.0, 255.0 - tall * 0.3, 46.0, 46.0, 16.0),
    );
    let spout = b.rng.chance(35);
    if spout {
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

fn bag(s: &mut Scene, b: &mut Brush) {
    let strap = if b.rng.chance(50) { WOOD_DEEP } else { b.deep };
    match b.rng.between(0, 2) {
        0 => {
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
        1 => {
            s.fill(strap, Path::ring(200.0, 112.0, 26.0, 30.0, 9.0));
            s.fill(b.full, Path::rect(120.0, 112.0, 160.0, 230.0, 56.0));
            s.shade(0xffffff, 0.12, Path::rect(132.0, 140.0, 18.0, 150.0, 9.0));
            s.fill(b.deep, Path::rect(140.0, 232.0, 120.0, 92.0, 18.0));
            s.fill(b.full, Path::rect(140.0, 232.0, 120.0, 30.0, 14.0));
            s.fill(strap, Path::rect(193.0, 252.0, 14.0, 28.0, 4.0));
            s.fill(strap, Path::rect(120.0, 186.0, 160.0, 8.0, 0.0));
            s.fill(b.accent, Path::rect(262.0, 206.0, 22.0, 15.0, 2.0));
        }
        _ => {
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
    }
}

fn jumper(s: &mut Scene, b: &mut Brush) {
    let vest = b.rng.chance(22);
    if !vest {
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
    s.fill(
        b.full,
        Path::taper(140.0, 260.0, 112.0, 130.0, 270.0, 340.0, 14.0),
    );
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
    s.fill(b.deep, Path::rect(130.0, 322.0, 140.0, 19.0, 6.0));
    if b.rng.chance(30) {
        s.fill(b.deep, Path::bar(200.0, 128.0, 200.0, 324.0, 5.0));
        for n in 0..5 {
            s.fill(PAPER, Path::circle(208.0, 160.0 + f64::from(n) * 38.0, 4.5));
        }
    }
    s.fill(b.deep, Path::rect(166.0, 98.0, 68.0, 26.0, 11.0));
    s.shade(INK, 0.45, Path::ellipse(200.0, 104.0, 27.0, 7.0));
}

fn notebook(s: &mut Scene, b: &mut Brush) {
    if b.rng.chance(45) {
        s.fill(b.accent, Path::rect(96.0, 306.0, 208.0, 36.0, 5.0));
        s.fill(PAPER, Path::rect(112.0, 312.0, 192.0, 24.0, 2.0));
        s.shade(b.light, 0.5, Path::rect(112.0, 318.0, 192.0, 2.0, 0.0));
        s.shade(b.light, 0.5, Path::rect(112.0, 327.0, 192.0, 2.0, 0.0));
    }
    let bottom = if s.shapes.len() > 9 { 306.0 } else { 341.0 };
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

fn chair(s: &mut Scene, b: &mut Brush) {
    let frame = if b.rng.chance(55) { WOOD } else { b.full };
    let dark = if frame == WOOD { WOOD_DEEP } else { b.deep };
    let kind = b.rng.between(0, 2);
    let seat = if kind == 0 { 214.0 } else { 236.0 };
    s.fill(dark, Path::bar(158.0, seat, 148.0, 334.0, 9.0));
    s.fill(dark, Path::bar(244.0, seat, 256.0, 334.0, 9.0));
    if kind > 0 {
        s.fill(frame, Path::bar(138.0, seat, 148.0, 92.0, 10.0));
        s.fill(frame, Path::bar(262.0, seat, 252.0, 92.0, 10.0));
        if kind == 1 {
            for n in 0..3 {
                let y = 104.0 + f64::from(n) * 36.0;
                s.fill(frame, Path::rect(144.0, y, 112.0, 16.0, 7.0));
            }
        } else {
            s.fill(frame, Path::rect(140.0, 84.0, 120.0, 20.0, 9.0));
            for n in 0..5 {
                let x = 162.0 + f64::from(n) * 19.0;
                s.fill(frame, Path::bar(x, 100.0, x, seat, 5.0));
            }
        }
    } else {
        s.fill(dark, Path::bar(152.0, 286.0, 248.0, 286.0, 7.0));
    }
    s.fill(frame, Path::bar(146.0, seat, 126.0, 342.0, 11.0));
    s.fill(frame, Path::bar(254.0, seat, 274.0, 342.0, 11.0));
    s.fill(
        b.full,
        Path::taper(140.0, 260.0, seat - 12.0, 126.0, 274.0, seat + 14.0, 9.0),
    );
    s.shade(b.deep, 0.7, Path::rect(127.0, seat + 7.0, 146.0, 8.0, 4.0));
    s.shade(
        0xffffff,
        0.2,
        Path::taper(150.0, 250.0, seat - 9.0, 146.0, 254.0, seat - 3.0, 2.0),
    );
    if b.rng.chance(35) {
        s.fill(b.accent, Path::rect(148.0, seat - 26.0, 104.0, 18.0, 9.0));
        s.shade(
            0xffffff,
            0.25,
            Path::rect(156.0, seat - 23.0, 86.0, 4.0, 2.0),
        );
    }
    if b.rng.chance(25) && kind > 0 {
        s.fill(
            dark,
            Path::ring(200.0, 250.0, 128.0, 96.0, 9.0)
                .and(Path::rect(60.0, 140.0, 280.0, 186.0, 0.0)),
        );
    }
}

fn pot(s: &mut Scene, b: &mut Brush) {
    let top = b.rng.real(222.0, 250.0);
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
            s.fill(
                LEAF[0],
                Path::rect(228.0, 168.0, 34.0, 20.0, 10.0)
                    .and(Path::rect(244.0, 138.0, 20.0, 42.0, 10.0)),
            );
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
    let wide = b.rng.real(68.0, 88.0);
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

fn clock(s: &mut Scene, b: &mut Brush) {
    let (cx, cy) = (200.0, 205.0);
    let case = if b.rng.chance(40) { WOOD_DEEP } else { b.deep };
    if b.rng.chance(45) {
        s.fill(case, Path::arch(cx, 84.0, 342.0, 116.0));
        s.shade(0xffffff, 0.1, Path::arch(cx, 94.0, 332.0, 106.0));
    } else {
        s.fill(case, Path::circle(cx, cy, 128.0));
        s.shade(0xffffff, 0.16, Path::ring(cx, cy, 122.0, 122.0, 5.0));
        s.fill(
            case,
            Path::taper(150.0, 250.0, 318.0, 136.0, 264.0, 342.0, 6.0),
        );
    }
    s.fill(PAPER, Path::circle(cx, cy, 94.0));
    s.shade(
        b.light,
        0.65,
        Path::circle(cx, cy, 94.0).and(Path::circle(cx, cy, 66.0)),
    );
    let at = |turn: f64, r: f64| {
        let angle = (turn - 0.25) * std::f64::consts::TAU;
        (cx + angle.cos() * r, cy + angle.sin() * r)
    };
    for n in 0..12 {
        let turn = f64::from(n) / 12.0;
        let ((x1, y1), (x2, y2)) = (
            at(turn, if n % 3 == 0 { 70.0 } else { 78.0 }),
            at(turn, 88.0),
        );
        s.fill(
            b.deep,
            Path::bar(x1, y1, x2, y2, if n % 3 == 0 { 6.0 } else { 3.0 }),
        );
    }
    let (hour, minute) = (b.rng.real(0.0, 1.0), b.rng.real(0.0, 1.0));
    let ((x0, y0), (x1, y1)) = (at(hour + 0.5, 14.0), at(hour, 44.0));
    s.fill(INK, Path::bar(x0, y0, x1, y1, 7.0));
    let ((x0, y0), (x1, y1)) = (at(minute + 0.5, 18.0), at(minute, 70.0));
    s.fill(INK, Path::bar(x0, y0, x1, y1, 4.5));
    if b.rng.chance(60) {
        let ((x0, y0), (x1, y1)) = (at(minute + 0.83, 20.0), at(minute + 0.33, 76.0));
        s.fill(b.accent, Path::bar(x0, y0, x1, y1, 2.2));
    }
    s.fill(b.accent, Path::circle(cx, cy, 7.0));
}
