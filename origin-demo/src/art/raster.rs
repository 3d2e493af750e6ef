//! A scene as PNG: even-odd scanlines, four to a pixel, with exact coverage along each.

use super::{
    SIDE, Scene,
    path::{Path, Step},
};

/// Scanlines a pixel.
const LINES: usize = 4;
/// Straight pieces a curve is cut into.
const PIECES: usize = 10;

/// The picture, `size` pixels wide and high (1 to 1024).
pub fn png(scene: &Scene, size: usize) -> Result<Vec<u8>, png::EncodingError> {
    let size = size.clamp(1, 1024);
    let mut canvas = vec![[255.0f32; 3]; size * size];
    let mut coverage = vec![0.0f32; size];
    for shape in &scene.shapes {
        let edges = flatten(&shape.path, size as f64 / SIDE);
        let rgb =
            [shape.rgb >> 16 & 255, shape.rgb >> 8 & 255, shape.rgb & 255].map(|part| part as f32);
        for (y, row) in canvas.chunks_mut(size).enumerate() {
            coverage.fill(0.0);
            for line in 0..LINES {
                cover(
                    &edges,
                    y as f64 + (line as f64 + 0.5) / LINES as f64,
                    &mut coverage,
                );
            }
            for (pixel, covered) in row.iter_mut().zip(&coverage) {
                let alpha = (covered / LINES as f32).min(1.0) * shape.alpha as f32;
                if alpha > 0.0 {
                    for (under, over) in pixel.iter_mut().zip(rgb) {
                        *under += (over - *under) * alpha;
                    }
                }
            }
        }
    }
    let bytes: Vec<u8> = canvas
        .iter()
        .flatten()
        .map(|part| part.round() as u8)
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size as u32, size as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&bytes)?;
    Ok(out)
}

type Edge = ((f64, f64), (f64, f64));

fn flatten(path: &Path, scale: f64) -> Vec<Edge> {
    let mut edges = Vec::new();
    let (mut start, mut at) = ((0.0, 0.0), (0.0, 0.0));
    let mut line = |from: &mut (f64, f64), to: (f64, f64)| {
        if from.1 != to.1 {
            edges.push((*from, to));
        }
        *from = to;
    };
    for step in &path.0 {
        match *step {
            Step::Move(x, y) => {
                line(&mut at, start);
                (start, at) = ((x * scale, y * scale), (x * scale, y * scale));
            }
            Step::Line(x, y) => line(&mut at, (x * scale, y * scale)),
            Step::Curve(ax, ay, bx, by, x, y) => {
                let from = at;
                for piece in 1..=PIECES {
                    let t = piece as f64 / PIECES as f64;
                    let u = 1.0 - t;
                    let mix = |p0: f64, p1: f64, p2: f64, p3: f64| {
                        u * u * u * p0
                            + 3.0 * u * u * t * p1
                            + 3.0 * u * t * t * p2
                            + t * t * t * p3
                    };
                    let to = (
                        mix(from.0, ax * scale, bx * scale, x * scale),
                        mix(from.1, ay * scale, by * scale, y * scale),
                    );
                    line(&mut at, to);
                }
            }
        }
    }
    line(&mut at, start);
    edges
}

fn cover(edges: &[Edge], y: f64, coverage: &mut [f32]) {
    let mut crossings: Vec<f64> = edges
        .iter()
        .filter(|(a, b)| (a.1 <= y) != (b.1 <= y))
        .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
        .collect();
    crossings.sort_by(f64::total_cmp);
    for span in crossings.chunks_exact(2) {
        let (from, to) = (span[0].max(0.0), span[1].min(coverage.len() as f64));
        if from >= to {
            continue;
        }
        let (first, last) = (from as usize, (to.ceil() as usize).min(coverage.len()));
        for (n, covered) in coverage[first..last].iter_mut().enumerate() {
            let left = (first + n) as f64;
            *covered += (to.min(left + 1.0) - from.max(left)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pixel_is_half_covered_and_a_hole_is_none() {
        let mut coverage = [0.0; 4];
        cover(
            &flatten(&Path::rect(0.5, -1.0, 2.0, 9.0, 0.0), 1.0),
            0.5,
            &mut coverage,
        );
        assert_eq!(coverage, [0.5, 1.0, 0.5, 0.0]);
        let mut coverage = [0.0; 4];
        let ring = Path::rect(0.0, 0.0, 4.0, 4.0, 0.0).and(Path::rect(1.0, 0.0, 2.0, 4.0, 0.0));
        cover(&flatten(&ring, 1.0), 2.0, &mut coverage);
        assert_eq!(coverage, [1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_thumbnail_is_a_png_of_the_asked_size_whatever_is_asked() {
        let scene = super::super::paint("lamps", "Wick Brass Pendant", "Rust", 9);
        for size in [0, 1, 96, 5_000] {
            let bytes = png(&scene, size).unwrap();
            let info = png::Decoder::new(std::io::Cursor::new(bytes))
                .read_info()
                .unwrap();
            assert_eq!(info.info().width as usize, size.clamp(1, 1024));
        }
    }
}
