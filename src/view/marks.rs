//! How hands look in every part of an overlay: the colour of a side, bones and joints.

use crate::event::Side;
use crate::geometry::Pixel;
use crate::render::{Colour, Stroke};

const LEFT_HAND: Colour = Colour::rgb(72, 190, 212);
const RIGHT_HAND: Colour = Colour::rgb(255, 146, 92);

/// Bones between the key points (`openpose21`).
const BONES: [[usize; 2]; 20] = {
    let mut bones = [[0; 2]; 20];
    let mut joint = 1;
    while joint <= 20 {
        bones[joint - 1] = [if joint % 4 == 1 { 0 } else { joint - 1 }, joint];
        joint += 1;
    }
    bones
};

/// The colour of one side's hands.
pub(super) fn colour(side: Side) -> Colour {
    match side {
        Side::Left => LEFT_HAND,
        Side::Right => RIGHT_HAND,
    }
}

/// Thin bones and joints between projected key points; unseen ones are left out.
pub(super) fn bones(strokes: &mut Vec<Stroke>, joints: &[Option<Pixel>], radius: f32, colour: Colour) {
    for [from, to] in BONES {
        if let (Some(from), Some(to)) = (joints[from], joints[to]) {
            strokes.push(Stroke::line(from, to, radius, colour));
        }
    }
    strokes.extend(joints.iter().flatten().map(|&joint| Stroke::disc(joint, 2.0 * radius, colour)));
}
