//! The hand: a skinned mesh with MANO's sixteen joints, its shape and its anatomy.
//!
//! Everything is stored for the right hand; the left is its mirror image ([`mirror`]).

pub mod anatomy;
mod arrays;
pub mod joints;
mod keypoints;
mod lbs;
mod mano;
pub mod mirror;
mod model;
mod npz;
mod open;
mod parameters;
mod seal;
mod skeleton;
mod tips;

pub use anatomy::Anatomy;
pub(crate) use arrays::NamedArrays;
pub use keypoints::{KeypointGradient, KeypointSkin, Rotations, SkinnedKeypoints};
pub use model::{HandModel, HandModelError, HandTables, PosedHand};
pub(crate) use npz::read_arrays;
pub use skeleton::{JointTransform, SHAPES, Skeleton, forward_kinematics};
pub use tips::TipVertices;
