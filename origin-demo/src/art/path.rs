//! Outlines: lines and cubic curves, filled by the even-odd rule.

/// A step of an outline.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Begin anew.
    Move(f64, f64),
    /// Straight to.
    Line(f64, f64),
    /// Along two handles to.
    Curve(f64, f64, f64, f64, f64, f64),
}

/// Outlines that are filled together; each closes by itself.
#[derive(Clone, Debug, Default)]
pub struct Path(pub Vec<Step>);

/// The handle length that makes four cubics a circle.
const ROUND: f64 = 0.552_285;

impl Path {
    /// A polygon.
    pub fn poly(points: &[(f64, f64)]) -> Self {
        let step = |(n, &(x, y)): (usize, &(f64, f64))| {
            if n == 0 {
                Step::Move(x, y)
            } else {
                Step::Line(x, y)
            }
        };
        Self(points.iter().enumerate().map(step).collect())
    }

    /// An ellipse.
    pub fn ellipse(cx: f64, cy: f64, rx: f64, ry: f64) -> Self {
        let (kx, ky) = (rx * ROUND, ry * ROUND);
        Self(vec![
            Step::Move(cx + rx, cy),
            Step::Curve(cx + rx, cy + ky, cx + kx, cy + ry, cx, cy + ry),
            Step::Curve(cx - kx, cy + ry, cx - rx, cy + ky, cx - rx, cy),
            Step::Curve(cx - rx, cy - ky, cx - kx, cy - ry, cx, cy - ry),
            Step::Curve(cx + kx, cy - ry, cx + rx, cy - ky, cx + rx, cy),
        ])
    }

    /// A circle.
    pub fn circle(cx: f64, cy: f64, r: f64) -> Self {
        Self::ellipse(cx, cy, r, r)
    }

    /// What is between two ellipses.
    pub fn ring(cx: f64, cy: f64, rx: f64, ry: f64, width: f64) -> Self {
        Self::ellipse(cx, cy, rx, ry).and(Self::ellipse(cx, cy, rx - width, ry - width))
    }

    /// A rectangle with round corners.
    pub fn rect(x: f64, y: f64, w: f64, h: f64, r: f64) -> Self {
        Self::taper(x, x + w, y, x, x + w, y + h, r)
    }

    /// A trapezoid from the top edge `l..r` at `top` to the bottom edge `bl..br` at `bottom`, with round corners.
    pub fn taper(l: f64, r: f64, top: f64, bl: f64, br: f64, bottom: f64, round: f64) -> Self {
        if round <= 0.0 {
            return Self::poly(&[(l, top), (r, top), (br, bottom), (bl, bottom)]);
        }
        let corners = [(l, top), (r, top), (br, bottom), (bl, bottom)];
        let toward = |(x, y): (f64, f64), (tx, ty): (f64, f64)| {
            let length = ((tx - x).powi(2) + (ty - y).powi(2)).sqrt().max(1e-9);
            let part = (round / length).min(0.5);
            (x + (tx - x) * part, y + (ty - y) * part)
        };
        let mut steps = Vec::new();
        for (n, &corner) in corners.iter().enumerate() {
            let (before, after) = (corners[(n + 3) % 4], corners[(n + 1) % 4]);
            let (ax, ay) = toward(corner, before);
            let (bx, by) = toward(corner, after);
            steps.push(if n == 0 {
                Step::Move(ax, ay)
            } else {
                Step::Line(ax, ay)
            });
            let handle = |x: f64, y: f64| (x + (corner.0 - x) * ROUND, y + (corner.1 - y) * ROUND);
            let ((h1x, h1y), (h2x, h2y)) = (handle(ax, ay), handle(bx, by));
            steps.push(Step::Curve(h1x, h1y, h2x, h2y, bx, by));
        }
        Self(steps)
    }

    /// A straight bar of some width, with square ends.
    pub fn bar(x1: f64, y1: f64, x2: f64, y2: f64, width: f64) -> Self {
        let (dx, dy) = (x2 - x1, y2 - y1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-9);
        let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
        Self::poly(&[
            (x1 + nx, y1 + ny),
            (x2 + nx, y2 + ny),
            (x2 - nx, y2 - ny),
            (x1 - nx, y1 - ny),
        ])
    }

    /// A leaf from its stem to its tip, `width` wide.
    pub fn leaf(x1: f64, y1: f64, x2: f64, y2: f64, width: f64) -> Self {
        let (dx, dy) = (x2 - x1, y2 - y1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-9);
        let (nx, ny) = (-dy / length * width, dx / length * width);
        let at = |part: f64, side: f64| (x1 + dx * part + nx * side, y1 + dy * part + ny * side);
        let ((ax, ay), (bx, by)) = (at(0.25, 0.75), at(0.75, 0.6));
        let ((cx, cy), (ex, ey)) = (at(0.75, -0.6), at(0.25, -0.75));
        Self(vec![
            Step::Move(x1, y1),
            Step::Curve(ax, ay, bx, by, x2, y2),
            Step::Curve(cx, cy, ex, ey, x1, y1),
        ])
    }

    /// The upper half of an ellipse.
    pub fn dome(cx: f64, base: f64, rx: f64, ry: f64) -> Self {
        let (kx, ky) = (rx * ROUND, ry * ROUND);
        Self(vec![
            Step::Move(cx - rx, base),
            Step::Curve(cx - rx, base - ky, cx - kx, base - ry, cx, base - ry),
            Step::Curve(cx + kx, base - ry, cx + rx, base - ky, cx + rx, base),
        ])
    }

    /// A crescent like a rocker's runner: `width` thick in the middle, pointed at both ends.
    pub fn bottom_arc(cx: f64, top: f64, rx: f64, ry: f64, width: f64) -> Self {
        let curve = |ry: f64, side: f64| {
            Step::Curve(
                cx - side * rx * 0.5,
                top + ry,
                cx + side * rx * 0.5,
                top + ry,
                cx + side * rx,
                top,
            )
        };
        Self(vec![
            Step::Move(cx - rx, top),
            curve(ry, 1.0),
            curve(ry - width * 1.4, -1.0),
        ])
    }

    /// A window: straight sides and a round top.
    pub fn arch(cx: f64, top: f64, bottom: f64, half: f64) -> Self {
        let mut steps = Self::dome(cx, top + half, half, half).0;
        steps.push(Step::Line(cx + half, bottom));
        steps.push(Step::Line(cx - half, bottom));
        Self(steps)
    }

    /// Both outlines; where they overlap is a hole.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}
