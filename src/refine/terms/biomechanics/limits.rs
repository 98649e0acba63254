//! Between what bounds a hand's bones, palm and bends stay.

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
