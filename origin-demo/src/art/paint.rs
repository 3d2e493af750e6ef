//! Which picture a product gets.

use super::{
    Scene,
    brush::{Brush, WALLS},
    furniture, garden, lights,
    path::Path,
    wares, wearables,
};

/// A product's picture, by its shelf and the kind in its name. Unknown ones give a clock: there is always a picture.
pub fn paint(category: &str, name: &str, colour: &str, seed: u64) -> Scene {
    let (s, b) = (&mut Scene::new(), &mut Brush::new(colour, seed));
    let is = |kind: &str| name.contains(kind);
    backdrop(s, b);
    if !is("Hanging") {
        table(s, !is("Pendant"));
    }
    match category {
        "lamps" if is("Pendant") => lights::pendant(s, b),
        "lamps" if is("Lantern") => lights::lantern(s, b),
        "lamps" => lights::lamp(s, b),
        "mugs" if is("Teapot") => wares::teapot(s, b),
        "mugs" => wares::mug(s, b, is("Jug"), !is("Tumbler")),
        "bags" if is("Tote") => wearables::tote(s, b),
        "bags" if is("Satchel") => wearables::satchel(s, b),
        "bags" => wearables::pack(s, b, is("Roll-top")),
        "knitwear" => wearables::jumper(s, b, is("Vest"), is("Cardigan")),
        "notebooks" => wares::notebook(s, b),
        "chairs" if is("Bench") => furniture::bench(s, b),
        "chairs" => furniture::chair(s, b, is("Stool"), is("Rocker")),
        "pots" if is("Window Box") => garden::window_box(s, b),
        "pots" => garden::pot(s, b, is("Hanging")),
        _ => furniture::clock(s, b, is("Mantel"), is("Barometer")),
    }
    std::mem::take(s)
}

/// A wall and something behind: a sun, an arch, a horizon, hills.
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
                400.0,
                b.rng.real(105.0, 130.0),
            ),
        ),
        2 => {
            s.shade(b.light, 0.55, Path::rect(0.0, 215.0, 400.0, 185.0, 0.0));
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
}

/// Something to stand on, with a shadow where something stands.
fn table(s: &mut Scene, stands: bool) {
    s.fill(0xe4d9c8, Path::rect(0.0, 325.0, 400.0, 75.0, 0.0));
    s.shade(0xffffff, 0.35, Path::rect(0.0, 325.0, 400.0, 3.0, 0.0));
    if stands {
        s.shade(0x4a3f33, 0.16, Path::ellipse(206.0, 343.0, 118.0, 11.0));
    }
}
