//! What is fitted: the camera's way and the hands of a chunk, and where the search begins.

mod camera;
mod contact;
mod hand;
mod outliers;
mod provisional;
mod scale;
mod start;
mod tracks;

pub(super) use camera::{CameraWay, View};
pub(super) use contact::{Attached, ContactFinder, HeldContacts, to_world};
pub(super) use hand::{HandChain, Node, Sight};
pub(super) use outliers::remove_outliers;
pub(super) use scale::{HandScale, hand_scale};
pub(super) use start::{camera_postures, world_postures};
pub(super) use tracks::{Sorted, sort_tracks};
