//! What the hands wear: skin in its shades, nails, and sleeves that hide the open wrist.

use std::f32::consts::TAU;
use std::sync::Arc;

use nalgebra::Vector3;

use crate::event::{HandPose, Side};
use crate::geometry::CameraPoint;
use crate::geometry::rotation::matrix_from_axis_angle;
use crate::hand::HandModel;
use crate::hand::joints::DISTAL_JOINTS;
use crate::hand::mirror::mirror_point;
use crate::render::{Colour, Mesh, Paint};

const BACK_OF_HAND: [f32; 3] = [205.0, 152.0, 122.0];
const PALM: [f32; 3] = [224.0, 170.0, 145.0];
const REDDER: [f32; 3] = [205.0, 122.0, 100.0];
const NAIL: [f32; 3] = [236.0, 190.0, 174.0];

/// How far around tips and joints the skin is redder, metres.
const TIP_REACH: f32 = 0.016;
const KNUCKLE_REACH: f32 = 0.009;

/// A sleeve is a tube of rings along a curve from the wrist to the elbow.
const RINGS: usize = 14;
const CORNERS: usize = 28;

/// Half thickness (palm to back) and half width of the wrist in the hand's frame, metres, with the
/// cloth around it; and the radius at the elbow.
const CUFF: [f32; 2] = [0.0275, 0.0315];
const ELBOW_RADIUS: f32 = 0.052;

/// From the wrist joint to the edge of the cuff along the forearm, metres; the hand ends at 0.030.
const CUFF_START: f32 = 0.022;

/// The colours of a hand's skin, one a vertex; the same on both sides.
pub(super) fn skin(model: &HandModel) -> Arc<[Colour]> {
    let rest = HandPose {
        global_orient: Vector3::zeros(),
        hand_pose: [Vector3::zeros(); 15],
        betas: [0.0; 10],
        translation: Vector3::zeros(),
    };
    let hand = model.posed(&rest, Side::Right);
    let vertices: Vec<Vector3<f32>> = hand.vertices.iter().map(|vertex| vertex.0).collect();
    let surface =
        Mesh::smooth(vertices, Arc::from(model.faces(Side::Right)), Paint::Plain(Colour::rgb(0, 0, 0)));
    let shade = |(vertex, normal): (&Vector3<f32>, &Vector3<f32>)| {
        let near = |joints: &mut dyn Iterator<Item = usize>, reach: f32| {
            joints.map(|joint| 1.0 - (vertex - hand.joints[joint].0).norm() / reach).fold(0.0, f32::max)
        };
        let palm = ((0.25 - normal.y) * 2.0).clamp(0.0, 1.0);
        let mut colour = blend(BACK_OF_HAND, PALM, palm);
        let tips = near(&mut (1..=5).map(|finger| 4 * finger), TIP_REACH);
        let knuckles = near(&mut (1..=20).filter(|joint| joint % 4 != 0), 2.0 * KNUCKLE_REACH);
        colour = blend(colour, REDDER, (0.6 * tips + 0.35 * knuckles).min(0.6));
        colour = blend(colour, NAIL, nail(model, &hand.joints, *vertex, *normal));
        let [red, green, blue] = colour.map(|channel| channel.round() as u8);
        Colour::rgb(red, green, blue)
    };
    surface.positions.iter().zip(&surface.normals).map(shade).collect()
}

/// 1 on a finger's nail, 0 elsewhere: on the back, on the last third of the last bone.
fn nail(model: &HandModel, joints: &[CameraPoint; 21], vertex: Vector3<f32>, normal: Vector3<f32>) -> f32 {
    let on_finger = |finger: usize| {
        let (last, tip) = (joints[4 * finger + 3].0, joints[4 * finger + 4].0);
        let anatomy = &model.skeleton().anatomy.joints[DISTAL_JOINTS[finger] - 1];
        let back = -anatomy.axes[0].cross(&anatomy.axes[2]).cast::<f32>();
        let bone = tip - last;
        let along = (vertex - last).dot(&bone) / bone.norm_squared();
        let away = (vertex - last - bone * along).norm();
        away < 0.014 && (0.55..1.0).contains(&along) && normal.dot(&back) > 0.72
    };
    f32::from(u8::from((0..5).any(on_finger)))
}

fn blend(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    std::array::from_fn(|channel| from[channel] + (to[channel] - from[channel]) * part)
}

/// A sleeve from the wrist of a posed hand to `elbow` (same frame as the pose).
pub(super) fn sleeve(
    model: &HandModel,
    pose: &HandPose,
    side: Side,
    elbow: Vector3<f32>,
    cloth: Colour,
) -> Mesh {
    let wrist = model.posed(pose, side).joints[0].0;
    let turn = matrix_from_axis_angle(pose.global_orient);
    // The hand's axes: along the forearm, toward the back of the hand, toward the thumb.
    let axis =
        |direction: Vector3<f32>| turn * if side == Side::Left { mirror_point(direction) } else { direction };
    let (along, back, thumb) = (axis(Vector3::x()), axis(Vector3::y()), axis(Vector3::z()));
    let start = wrist + along * CUFF_START;
    let bend = wrist + along * (0.4 * (elbow - wrist).norm());
    let mut positions = Vec::with_capacity((RINGS + 1) * CORNERS);
    for ring in 0..=RINGS {
        // The first ring turns the edge of the cuff inward.
        let part = ring.saturating_sub(1) as f32 / (RINGS - 1) as f32;
        let (a, b) = (1.0 - part, part);
        let centre = start * (a * a) + bend * (2.0 * a * b) + elbow * (b * b);
        let forward = ((bend - start) * a + (elbow - bend) * b).normalize();
        let up = (back - forward * back.dot(&forward)).normalize();
        let across = forward.cross(&up) * forward.cross(&up).dot(&thumb).signum();
        let inset = if ring == 0 { 0.86 } else { 1.0 };
        let fold = 1.0 + 0.035 * (part * 40.0).sin() * (1.0 - part);
        let radii = CUFF.map(|radius| (radius + (ELBOW_RADIUS - radius) * part.powf(0.8)) * inset * fold);
        for corner in 0..CORNERS {
            let (sin, cos) = (TAU * corner as f32 / CORNERS as f32).sin_cos();
            positions.push(centre + up * (radii[0] * cos) + across * (radii[1] * sin));
        }
    }
    let mut faces = Vec::with_capacity(RINGS * CORNERS * 2);
    for ring in 0..RINGS {
        for corner in 0..CORNERS {
            let number = |ring: usize, corner: usize| (ring * CORNERS + corner % CORNERS) as u32;
            let [a, b] = [number(ring, corner), number(ring, corner + 1)];
            let [c, d] = [number(ring + 1, corner), number(ring + 1, corner + 1)];
            faces.extend(if side == Side::Right { [[a, b, d], [a, d, c]] } else { [[a, d, b], [a, c, d]] });
        }
    }
    Mesh::smooth(positions, faces.into(), Paint::Plain(cloth))
}
