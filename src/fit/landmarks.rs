//! Where the 2D tracker's key points lie on our hand: they are not exactly our joints.

use crate::event::KEYPOINTS;

/// Offset of each key point from the model's joint in the rest frame of the bone that ends there, metres.
pub(super) const LANDMARK_OFFSETS: [[f64; 3]; KEYPOINTS] = [[0.0; 3]; KEYPOINTS];
