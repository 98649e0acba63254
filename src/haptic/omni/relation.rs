//! Relation maps: what every patch of a hand's crop knows of the other hand's crop (4DHands, Lin et al. 2024,
//! section 3.2).
//!
//! A crop is a grid of 16 x 16 patches, of which the backbone reads the middle 12 columns. Published and
//! released maps are not the same function:
//!
//! | | [`RelationMode::Release`] | [`RelationMode::Paper`] |
//! |---|---|---|
//! | place of a patch | its upper left corner | its centre |
//! | distances | to the other hand's patch and centre, of both hands: 8 numbers | to its patch, of both hands: 4 |
//! | scale of a distance | the crop's width in x and y | width in x, height in y |
//! | overlap | two constants of 0.01 | 1 inside the other's crop, else -1 |
//! | which hand | 0.01 right, -0.01 left | not told |
//! | order of both hands' distances | right first in both maps | the map's own hand first |
//! | joins the tokens | added | concatenated, then one layer |

use nalgebra::Vector2;

use crate::event::Side;
use crate::haptic::full::HandBox;
use crate::net::vit::{GRID, TOKENS};

/// What the release writes where a number says yes or no, and so in both overlap channels.
const MARK: f64 = 0.01;
/// Columns of the square grid left of those that the backbone reads.
const SKIPPED: usize = (GRID[0] - GRID[1]) / 2;

/// Whose relation maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelationMode {
    /// Those of the released code, for the released weights.
    #[default]
    Release,
    /// Those of the paper, for weights that were trained with them.
    Paper,
}

/// The relation maps of two hands, `[2, 16, 12, channels]` in row-major order, the right hand's first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationMaps {
    /// Distances in sizes of the crop, then marks.
    pub raw: Vec<f32>,
    /// What the network reads: distances through a logistic sigmoid, marks as they are.
    pub values: Vec<f32>,
}

impl RelationMode {
    /// Its name for the user.
    pub fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Paper => "paper",
        }
    }

    /// Numbers of a patch.
    pub fn channels(self) -> usize {
        match self {
            Self::Release => 11,
            Self::Paper => 5,
        }
    }

    /// How many of them are distances, which come first.
    fn distances(self) -> usize {
        match self {
            Self::Release => 8,
            Self::Paper => 4,
        }
    }

    /// The maps of crops with these boxes, pixels. The left hand's map is of the mirrored picture, in which the
    /// network sees that hand.
    pub fn maps(self, right: &HandBox, left: &HandBox) -> RelationMaps {
        let mirrored = Vector2::new(2.0 * left.centre.x - right.centre.x, right.centre.y);
        let mirrored = HandBox { centre: mirrored, ..*right };
        let mut maps = RelationMaps::default();
        for (right, own) in [(right, Side::Right), (&mirrored, Side::Left)] {
            for token in 0..TOKENS {
                let (row, column) = (token / GRID[1], token % GRID[1] + SKIPPED);
                let patch = Vector2::new(column as f64, row as f64);
                match self {
                    Self::Release => maps.push(self, &released(right, left, own, patch)),
                    Self::Paper => maps.push(self, &published(right, left, own, patch)),
                }
            }
        }
        maps
    }
}

impl RelationMaps {
    fn push(&mut self, mode: RelationMode, patch: &[f64]) {
        self.raw.extend(patch.iter().map(|&number| number as f32));
        let (distances, marks) = patch.split_at(mode.distances());
        self.values.extend(distances.iter().map(|&distance| logistic(distance) as f32));
        self.values.extend(marks.iter().map(|&mark| mark as f32));
    }
}

/// A patch of the released maps.
fn released(right: &HandBox, left: &HandBox, own: Side, patch: Vector2<f64>) -> [f64; 11] {
    let place = |of: &HandBox| inside(of, patch / GRID[0] as f64);
    let (width_right, width_left) = (right.size.x, left.size.x);
    let to_left = (place(right) - place(left)) / width_right;
    let to_right = (place(left) - place(right)) / width_left;
    let from_centre = (place(right) - left.centre) / width_right;
    let to_centre = (place(left) - right.centre) / width_left;
    let side = if own == Side::Right { MARK } else { -MARK };
    [
        to_left.x,
        to_left.y,
        to_right.x,
        to_right.y,
        from_centre.x,
        from_centre.y,
        to_centre.x,
        to_centre.y,
        MARK,
        MARK,
        side,
    ]
}

/// A patch of the paper's maps: equations (1) to (4) with a steepness of 1.
fn published(right: &HandBox, left: &HandBox, own: Side, patch: Vector2<f64>) -> [f64; 5] {
    let (own, other) = if own == Side::Right { (right, left) } else { (left, right) };
    let place = |of: &HandBox| inside(of, patch.add_scalar(0.5) / GRID[0] as f64);
    let away = place(own) - place(other);
    let (to_other, to_own) = (away.component_div(&own.size), -away.component_div(&other.size));
    let from_centre = (place(own) - other.centre).abs();
    let overlaps = from_centre.x <= other.size.x / 2.0 && from_centre.y <= other.size.y / 2.0;
    [to_other.x, to_other.y, to_own.x, to_own.y, if overlaps { 1.0 } else { -1.0 }]
}

/// The place in a box that is `part` of its size from its upper left corner.
fn inside(of: &HandBox, part: Vector2<f64>) -> Vector2<f64> {
    of.centre + of.size.component_mul(&part.add_scalar(-0.5))
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f64, y: f64, side: f64) -> HandBox {
        HandBox { centre: Vector2::new(x, y), size: Vector2::new(side, side) }
    }

    /// The numbers of the patch at `row`, `column` of the hand `own`.
    fn patch(mode: RelationMode, maps: &RelationMaps, own: usize, row: usize, column: usize) -> Vec<f32> {
        let at = ((own * GRID[0] + row) * GRID[1] + column) * mode.channels();
        maps.raw[at..at + mode.channels()].to_vec()
    }

    #[test]
    fn in_the_papers_maps_patches_inside_the_other_crop_are_marked() {
        // The left crop covers the right half of the right one.
        let maps = RelationMode::Paper.maps(&square(100.0, 100.0, 160.0), &square(180.0, 100.0, 160.0));
        for (column, mark) in [(0, -1.0), (5, -1.0), (6, 1.0), (11, 1.0)] {
            assert_eq!(patch(RelationMode::Paper, &maps, 0, 7, column)[4], mark, "column {column}");
        }
        assert_eq!(patch(RelationMode::Paper, &maps, 0, 0, 0)[..4], [-0.5, 0.0, 0.5, 0.0]);
    }

    #[test]
    fn the_papers_maps_of_a_mirrored_scene_are_those_with_the_hands_exchanged() {
        let (right, left) = (square(300.0, 120.0, 100.0), square(180.0, 90.0, 140.0));
        let mirrored = |of: HandBox| square(1000.0 - of.centre.x, of.centre.y, of.size.x);
        let maps = RelationMode::Paper.maps(&right, &left);
        let exchanged = RelationMode::Paper.maps(&mirrored(left), &mirrored(right));
        let half = maps.values.len() / 2;
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&maps.values[..half], &exchanged.values[half..]));
        assert!(close(&maps.values[half..], &exchanged.values[..half]));
    }

    #[test]
    fn far_away_every_distance_is_all_or_nothing() {
        for mode in [RelationMode::Release, RelationMode::Paper] {
            let maps = mode.maps(&square(100.0, 100.0, 50.0), &square(1e6, 1e6, 50.0));
            for patch in maps.values.chunks_exact(mode.channels()) {
                let distances = &patch[..mode.distances()];
                assert!(distances.iter().all(|&value| value == 0.0 || value == 1.0), "{patch:?}");
            }
        }
    }
}
