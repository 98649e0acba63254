//! From key points to the squares that the released systems crop.

use nalgebra::Vector2;

use super::crop::Square;
use crate::frame::PictureSize;
use crate::geometry::Pixel;

/// HaMeR's demo enlarges its box by this.
const HAMER_RESCALE: f64 = 2.0;
/// HaMeR's boxes are this many times as high as they are wide: 256 to 192.
const HAMER_ASPECT: f64 = 256.0 / 192.0;
/// HaPTIC's square in longer sides of the key points' box.
const HAPTIC_RESCALE: f64 = 3.0;

/// The upright box of a hand's key points, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HandBox {
    /// Its middle.
    pub centre: Vector2<f64>,
    /// Its width and height.
    pub size: Vector2<f64>,
}

/// Which released system's crop is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CropRule {
    /// Twice the box widened to 192 : 256; blurred before it is made much smaller.
    Hamer,
    /// Three times the longer side of the box; never blurred.
    Haptic,
}

impl CropRule {
    /// The square that is cut for `hand` in a frame of `size`; `None` where it is no place in such a frame.
    pub fn square(self, hand: &HandBox, size: PictureSize) -> Option<Square> {
        let (width, height) = (hand.size.x, hand.size.y);
        let side = match self {
            Self::Hamer => HAMER_RESCALE * height.max(HAMER_ASPECT * width),
            Self::Haptic => HAPTIC_RESCALE * width.max(height),
        };
        Square::new(hand.centre, side, size)
    }

    /// Whether large crops are blurred before they are made small.
    pub fn blurs(self) -> bool {
        self == Self::Hamer
    }
}

impl HandBox {
    /// The box with these corners (least, largest).
    pub fn from_corners(low: Vector2<f64>, high: Vector2<f64>) -> Self {
        Self { centre: (low + high) / 2.0, size: high - low }
    }

    /// The smallest box around `points`; `None` where they are not finite or all in one place.
    pub fn around(points: &[Pixel]) -> Option<Self> {
        let points = || points.iter().map(|p| Vector2::new(f64::from(p.x), f64::from(p.y)));
        if !points().all(|p| p.iter().all(|v| v.is_finite())) {
            return None;
        }
        let found =
            Self::from_corners(points().reduce(|a, b| a.inf(&b))?, points().reduce(|a, b| a.sup(&b))?);
        (found.size.max() > 0.0).then_some(found)
    }
}
