//! A scene as SVG.

use super::{SIDE, Scene, path::Step};
use std::fmt::Write;

/// The picture, with `title` for those who do not see it.
pub fn svg(scene: &Scene, title: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\"><title>{}</title>",
        escape(title)
    );
    for shape in &scene.shapes {
        let _ = write!(out, "<path fill=\"#{:06x}\"", shape.rgb & 0xff_ffff);
        if shape.alpha < 1.0 {
            let _ = write!(out, " fill-opacity=\"{:.2}\"", shape.alpha);
        }
        out.push_str(" fill-rule=\"evenodd\" d=\"");
        let mut open = false;
        for step in &shape.path.0 {
            let _ = match *step {
                Step::Move(x, y) => {
                    let close = if open { "Z" } else { "" };
                    open = true;
                    write!(out, "{close}M{x:.1} {y:.1}")
                }
                Step::Line(x, y) => write!(out, "L{x:.1} {y:.1}"),
                Step::Curve(a, b, c, d, x, y) => {
                    write!(out, "C{a:.1} {b:.1} {c:.1} {d:.1} {x:.1} {y:.1}")
                }
            };
        }
        out.push_str("Z\"/>");
    }
    out.push_str("</svg>");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
