//! Pictures of things that do not exist, drawn from a seed.
//!
//! A picture is a [`Scene`]: filled paths, nothing else. Two writers share it, so the big picture and its thumbnail
//! cannot disagree: SVG for pages ([`svg`]), and a small scanline rasteriser for the worker's PNGs ([`raster`]).

mod brush;
mod furniture;
mod garden;
mod lights;
mod paint;
mod path;
mod raster;
mod svg;
mod wares;
mod wearables;

pub use paint::paint;
pub use raster::png;
pub use svg::svg;

use path::Path;

/// The side of every picture, in its own units.
pub const SIDE: f64 = 400.0;

/// Filled paths, the first at the back.
#[derive(Default)]
pub struct Scene {
    shapes: Vec<Shape>,
}

struct Shape {
    path: Path,
    rgb: u32,
    alpha: f64,
}

impl Scene {
    fn new() -> Self {
        Self::default()
    }

    fn fill(&mut self, rgb: u32, path: Path) {
        self.shapes.push(Shape {
            path,
            rgb,
            alpha: 1.0,
        });
    }

    fn shade(&mut self, rgb: u32, alpha: f64, path: Path) {
        self.shapes.push(Shape { path, rgb, alpha });
    }
}
