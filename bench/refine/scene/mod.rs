//! Worlds that are known exactly: a head-worn camera on its way, two hands before it, and what tracker,
//! front end and odometry make of them.

mod clip;

pub mod head;
mod provisional;
pub mod random;
mod sightings;
mod smooth;
mod world;

use handstream::event::{HandPose, Side};
use handstream::hand::HandModel;
use nalgebra::Vector3;

pub use clip::{made_up as made_up_clips, recorded as recorded_clips};
pub use provisional::FrontEnd;
pub use sightings::Faults;
pub use world::{Course, Material, SIDES, SceneConfig, Truth, WorldScene, interpenetration};

/// Length of the rest hand from wrist to middle finger tip, metres: its size.
pub fn hand_length(betas: &[f32; 10], model: &HandModel) -> f64 {
    let pose = HandPose {
        global_orient: Vector3::zeros(),
        hand_pose: [Vector3::zeros(); 15],
        betas: *betas,
        translation: Vector3::zeros(),
    };
    let joints = model.posed(&pose, Side::Right).joints;
    f64::from((joints[12].0 - joints[0].0).norm())
}
