//! Where a frame's patches are chosen.

use nalgebra::Vector2;

use super::config::PatchChoice;
use super::net::Map;
use super::projection::{Patch, STRIDE};
use crate::geometry::Pixel;
use crate::random::Random;
use crate::slam::PixelBox;

/// Places that are drawn for each that is kept by its gradient.
const DRAWN_PER_KEPT: usize = 3;
/// Draws for a place outside the hidden boxes before a hidden one is taken.
const DRAWS: usize = 50;
/// Grey levels between the darkest and the brightest value of a picture, which are 2 apart.
const LEVELS: f32 = 127.5;

/// `count` patches of a picture, their depths random in 0..1. Places lie at least one pixel of the feature
/// map from its border, and outside the `hidden` boxes (pixels of the picture) where there is room.
pub(super) fn choose(
    picture: &Map,
    count: usize,
    choice: PatchChoice,
    hidden: &[PixelBox],
    random: &mut Random,
) -> Vec<Patch> {
    let (width, height) = (picture.width / STRIDE, picture.height / STRIDE);
    let mut draw = || {
        let mut place = (0, 0);
        for _ in 0..DRAWS {
            place = (1 + random.below(width.saturating_sub(2)), 1 + random.below(height.saturating_sub(2)));
            let pixel = Pixel::new((place.0 * STRIDE) as f32, (place.1 * STRIDE) as f32);
            if !hidden.iter().any(|hand| hand.contains(pixel)) {
                break;
            }
        }
        place
    };
    let places: Vec<(usize, usize)> = match choice {
        PatchChoice::Random => (0..count).map(|_| draw()).collect(),
        PatchChoice::GradientBiased => {
            let scored = (0..DRAWN_PER_KEPT * count).map(|_| draw());
            let mut scored: Vec<_> = scored.map(|(x, y)| (gradient(picture, x, y), (x, y))).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            scored.into_iter().take(count).map(|(_, place)| place).collect()
        }
    };
    let patch = |(x, y): (usize, usize)| Patch {
        centre: Vector2::new(x as f64, y as f64),
        inverse_depth: random.fraction(),
    };
    places.into_iter().map(patch).collect()
}

/// Mean length of the gradient of the summed colours over the square of pixels that a pixel of the feature
/// map stands for; zero where the square reaches the last row or column, which have no neighbour.
fn gradient(picture: &Map, x: usize, y: usize) -> f32 {
    let (left, top) = (x * STRIDE, y * STRIDE);
    if left + STRIDE >= picture.width || top + STRIDE >= picture.height {
        return 0.0;
    }
    let grey = |x: usize, y: usize| {
        let first = (y * picture.width + x) * picture.channels;
        picture.data[first..first + picture.channels].iter().map(|value| (value + 0.5) * LEVELS).sum::<f32>()
    };
    let length = |x: usize, y: usize| {
        let here = grey(x, y);
        (grey(x + 1, y) - here).hypot(grey(x, y + 1) - here)
    };
    let square = (top..top + STRIDE).flat_map(|y| (left..left + STRIDE).map(move |x| (x, y)));
    square.map(|(x, y)| length(x, y)).sum::<f32>() / (STRIDE * STRIDE) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_bright() -> Map {
        let mut picture = Map::zeros(64, 64, 3);
        for (at, value) in picture.data.iter_mut().enumerate() {
            *value = if at / 3 % 64 < 31 { -0.5 } else { 1.5 };
        }
        picture
    }

    #[test]
    fn patches_lie_inside_the_picture_and_outside_hands() {
        let hand = PixelBox { left: 0.0, top: 0.0, right: 63.0, bottom: 31.0 };
        let mut random = Random::new(1);
        for choice in [PatchChoice::Random, PatchChoice::GradientBiased] {
            let patches = choose(&half_bright(), 40, choice, &[hand], &mut random);
            assert_eq!(patches.len(), 40);
            assert!(patches.iter().all(|p| (1.0..=14.0).contains(&p.centre.x) && p.centre.y > 7.0));
            assert!(patches.iter().all(|p| (0.0..1.0).contains(&p.inverse_depth)));
        }
    }

    #[test]
    fn the_gradient_draws_patches_to_edges() {
        let near = |choice| {
            let patches = choose(&half_bright(), 40, choice, &[], &mut Random::new(2));
            patches.iter().filter(|patch| patch.centre.x == 7.0).count()
        };
        assert!(near(PatchChoice::GradientBiased) > 2 * near(PatchChoice::Random));
    }
}
