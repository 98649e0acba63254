//! Between what bounds a hand's bones, palm and bends stay.

use nalgebra::Vector2;
use serde::Deserialize;

use super::hull::Hull;
use super::{ARCHES, BENDS, BONES};

/// Least and greatest value of each measure of a right hand.
///
/// Lengths are in the unit of the joints that are judged: wrist to middle knuckle where
/// [`super::Convention::Canonical`] is used.
#[derive(Clone, Debug, PartialEq)]
pub struct BiomechanicalLimits {
    /// Length of the bone that ends in joint `1 + i`.
    pub bone_lengths: [[f64; 2]; BONES],
    /// Curvature of the palm from thumb to little finger, per length.
    pub curvatures: [[f64; 2]; ARCHES],
    /// Angle between neighbouring bones from the wrist, radians.
    pub spreads: [[f64; 2]; ARCHES],
    /// Flexion and abduction: first bones of thumb to little finger, then second, then third.
    pub hulls: [Hull; BENDS],
}

/// Our own limits; `weights/README.md` says what they were measured on.
const OWN: &str = include_str!("../../../../weights/hand_limits.json");

/// The file's layout.
#[derive(Deserialize)]
struct Written {
    bone_lengths: [[f64; 2]; BONES],
    curvatures: [[f64; 2]; ARCHES],
    spreads: [[f64; 2]; ARCHES],
    hulls: [Vec<[f64; 2]>; BENDS],
}

impl BiomechanicalLimits {
    /// Limits measured on the open hand in recorded poses, for [`super::Convention::Canonical`].
    pub fn own() -> Self {
        let Written { bone_lengths, curvatures, spreads, hulls } = serde_json::from_str(OWN)
            .expect("a test reads the embedded limits, which are fixed at build time");
        let hulls = hulls.map(|corners| Hull::new(corners.into_iter().map(Vector2::from).collect()));
        Self { bone_lengths, curvatures, spreads, hulls }
    }
}
