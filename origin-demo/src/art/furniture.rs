//! Chairs, benches, clocks.

use super::{
    Scene,
    brush::{Brush, INK, PAPER, WOOD, WOOD_DEEP},
    path::Path,
};

pub fn chair(s: &mut Scene, b: &mut Brush, stool: bool, rocker: bool) {
    let frame = if b.rng.chance(55) { WOOD } else { b.full };
    let dark = if frame == WOOD { WOOD_DEEP } else { b.deep };
    let kind = if stool { 0 } else { b.rng.between(1, 2) };
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
    if rocker {
        s.fill(dark, Path::bottom_arc(200.0, 318.0, 118.0, 34.0, 10.0));
    }
}

pub fn bench(s: &mut Scene, b: &mut Brush) {
    let back = b.rng.chance(60);
    let (frame, dark) = if b.rng.chance(60) {
        (WOOD, WOOD_DEEP)
    } else {
        (b.full, b.deep)
    };
    for x in [98.0, 292.0] {
        s.fill(dark, Path::rect(x, 236.0, 10.0, 98.0, 2.0));
    }
    if back {
        for x in [84.0, 304.0] {
            s.fill(frame, Path::rect(x, 140.0, 12.0, 110.0, 4.0));
        }
        for n in 0..3 {
            s.fill(
                frame,
                Path::rect(80.0, 146.0 + f64::from(n) * 28.0, 240.0, 15.0, 6.0),
            );
        }
    }
    for x in [76.0, 312.0] {
        s.fill(frame, Path::rect(x, 244.0, 12.0, 98.0, 3.0));
    }
    s.fill(
        frame,
        Path::taper(74.0, 326.0, 232.0, 64.0, 336.0, 256.0, 8.0),
    );
    s.shade(dark, 0.75, Path::rect(66.0, 250.0, 268.0, 8.0, 4.0));
    s.shade(0xffffff, 0.2, Path::rect(84.0, 236.0, 232.0, 4.0, 2.0));
    let x = b.rng.real(90.0, 230.0);
    s.fill(
        b.full,
        Path::taper(x + 6.0, x + 64.0, 184.0, x, x + 70.0, 236.0, 14.0),
    );
    s.shade(b.accent, 0.85, Path::rect(x + 6.0, 206.0, 60.0, 8.0, 0.0));
}

pub fn clock(s: &mut Scene, b: &mut Brush, mantel: bool, barometer: bool) {
    let (cx, cy) = (200.0, 205.0);
    let case = if b.rng.chance(40) { WOOD_DEEP } else { b.deep };
    if mantel {
        s.fill(case, Path::arch(cx, 84.0, 342.0, 116.0));
        s.shade(0xffffff, 0.1, Path::arch(cx, 94.0, 332.0, 106.0));
    } else {
        s.fill(case, Path::circle(cx, cy, 128.0));
        s.shade(0xffffff, 0.16, Path::ring(cx, cy, 122.0, 122.0, 5.0));
        s.fill(case, Path::ring(200.0, 72.0, 13.0, 13.0, 5.0));
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
    if barometer {
        s.shade(
            b.accent,
            0.85,
            Path::dome(cx, cy - 6.0, 46.0, 46.0).and(Path::dome(cx, cy - 6.0, 34.0, 34.0)),
        );
        s.shade(b.full, 0.7, Path::circle(cx, cy + 42.0, 13.0));
        let ((x0, y0), (x1, y1)) = (at(minute * 0.6 + 0.2, 22.0), at(minute * 0.6 - 0.3, 72.0));
        s.fill(INK, Path::bar(x0, y0, x1, y1, 4.0));
        s.fill(INK, Path::circle(cx, cy, 9.0));
        return;
    }
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
