//! Worlds that are known exactly: a head-worn camera on its way, two hands before it, and what tracker,
//! front end and odometry make of them.

mod clip;

pub mod head;
mod provisional;
pub mod random;
mod sightings;
mod smooth;
mod world;

pub use clip::{made_up as made_up_clips, recorded as recorded_clips};
pub use provisional::FrontEnd;
pub use sightings::Faults;
pub use world::{Course, Material, SIDES, SceneConfig, Truth, WorldScene, interpenetration};
