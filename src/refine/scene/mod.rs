//! What is fitted: the camera's way and the hands of a chunk, and where the search begins.

mod camera;
mod hand;
mod meshes;
mod noise;
mod outliers;
mod parting;
mod provisional;
mod scale;
mod start;
mod tracks;

pub(super) use camera::{CameraWay, View};
pub(super) use hand::{HandChain, Node, Sight};
pub(super) use meshes::Meshes;
pub(super) use noise::learn_noise;
pub(super) use outliers::remove_outliers;
pub(super) use parting::{HeldDepth, HeldDepths, part};
pub(super) use scale::{HandScale, hand_scale};
pub(super) use start::{camera_postures, world_postures};
pub(super) use tracks::{Sorted, sort_tracks};
