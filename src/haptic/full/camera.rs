//! From the weak camera of a crop to metres in camera space.
//!
//! The head sees its crop through a weak camera `(s, tx, ty)`: the crop is `2 / s` metres wide at the hand,
//! and the hand is moved by `(tx, ty)` metres. Where the crop lies in the picture and how wide it is as an
//! angle turns that into a full translation, with the camera's true intrinsics. The released systems do the
//! same with an assumed focal length and the principal point in the middle (HaMeR's `cam_crop_to_full`,
//! HaPTIC's Weak2Full).
//!
//! All of it is in right-hand space; this is where left hands get there ([`CropView::new`]) and back
//! ([`crate::hand::mirror`]).

use nalgebra::{Vector2, Vector3};

use super::crop::Square;
use crate::event::Side;
use crate::geometry::{CameraModel, Pixel};
use crate::hand::mirror::mirror_ray;

/// Focal length of the camera that HaMeR gives every crop, crop pixels.
const CROP_FOCAL: f64 = 5000.0;
/// Side of a crop, crop pixels.
const CROP_SIDE: f64 = 256.0;
/// HaMeR adds this to keep the division finite.
const TINY: f64 = 1e-9;
/// Least scale of a weak camera: a hand that fills a hundredth of its crop.
const LEAST_SCALE: f64 = 0.02;
/// The crop's angle is measured between points this part of its side from the centre: where the hand is, and
/// where the lens model still holds.
const MEASURED: f64 = 0.25;

/// The weak camera of a crop, right-hand space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeakCamera {
    /// `s`: half the crop's width is `1 / s` metres at the hand.
    pub scale: f64,
    /// `(tx, ty)`: the hand's origin from the crop's centre, metres.
    pub shift: Vector2<f64>,
}

impl WeakCamera {
    /// The camera of a head's three numbers.
    pub fn new([scale, tx, ty]: [f32; 3]) -> Self {
        Self { scale: f64::from(scale), shift: Vector2::new(f64::from(tx), f64::from(ty)) }
    }

    /// The translation before the camera that HaMeR gives every crop (focal length 5000, 256 pixels), metres.
    pub fn crop_translation(&self) -> Vector3<f64> {
        self.shift.push(2.0 * CROP_FOCAL / (CROP_SIDE * self.scale + TINY))
    }
}

/// A crop seen from the camera, right-hand space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CropView {
    /// Undistorted ray (x/z, y/z) through the crop's centre.
    pub ray: Vector2<f64>,
    /// The crop's side as a tangent: metres at one metre's distance.
    pub side: f64,
}

impl CropView {
    /// The view of `square` through `camera`; mirrored for a left hand. `None` where the lens model gives the
    /// crop no angle.
    pub fn new(square: &Square, side: Side, camera: &CameraModel) -> Option<Self> {
        let centre = square.centre();
        let ray = |offset: Vector2<f64>| {
            let at = centre + offset;
            camera.ray(Pixel::new(at.x as f32, at.y as f32))
        };
        let reach = MEASURED * square.side();
        let width = ray(Vector2::new(reach, 0.0)).x - ray(Vector2::new(-reach, 0.0)).x;
        let height = ray(Vector2::new(0.0, reach)).y - ray(Vector2::new(0.0, -reach)).y;
        let middle = ray(Vector2::zeros());
        let angle = (width * height).sqrt() / (2.0 * MEASURED);
        let usable = width > 0.0 && height > 0.0 && angle.is_finite() && middle.iter().all(|v| v.is_finite());
        usable
            .then(|| Self { ray: if side == Side::Left { mirror_ray(middle) } else { middle }, side: angle })
    }

    /// Depth of the hand's origin by scale and crop alone, metres: HaPTIC's Weak2Full. The scale of a hand
    /// that would be lost in its crop is taken as the least sensible one.
    pub fn weak_depth(&self, camera: &WeakCamera) -> f64 {
        2.0 / (self.side * camera.scale.max(LEAST_SCALE))
    }

    /// The translation of the hand's origin at `depth`, metres.
    pub fn translation(&self, camera: &WeakCamera, depth: f64) -> Vector3<f64> {
        (camera.shift + self.ray * depth).push(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PictureSize;
    use crate::geometry::CameraPoint;

    fn camera() -> CameraModel {
        CameraModel {
            fx: 920.0,
            fy: 900.0,
            cx: 650.0,
            cy: 350.0,
            distortion: [-0.1, 0.05, 0.001, -0.002, 0.0],
            size: PictureSize::new(1280, 720),
            guessed: false,
        }
    }

    fn square(x: f64, y: f64) -> Square {
        Square::new(Vector2::new(x, y), 240.0, camera().size).unwrap()
    }

    #[test]
    fn a_hand_in_the_middle_of_its_crop_is_on_the_crops_ray_through_any_lens() {
        let weak = WeakCamera { scale: 0.9, shift: Vector2::zeros() };
        for (x, y) in [(640.0, 360.0), (200.0, 600.0), (1150.0, 80.0)] {
            let view = CropView::new(&square(x, y), Side::Right, &camera()).unwrap();
            let place = view.translation(&weak, view.weak_depth(&weak));
            let pixel = camera().project(CameraPoint(place.cast())).unwrap();
            assert!((f64::from(pixel.x) - x).abs() < 0.05 && (f64::from(pixel.y) - y).abs() < 0.05);
            // What is as wide as the weak camera says fills its part of the crop.
            let edge = place + Vector3::new(0.5 / weak.scale, 0.0, 0.0);
            let edge = camera().project(CameraPoint(edge.cast())).unwrap();
            assert!((f64::from(edge.x) - x - 60.0).abs() < 2.0, "{edge:?} from {x}");
        }
    }

    #[test]
    fn a_left_hand_is_the_mirror_image_of_the_right_hand_in_the_mirrored_picture() {
        let straight = CameraModel { distortion: [0.0; 5], ..camera() };
        let mirrored = CameraModel { cx: 1279.0 - straight.cx, ..straight.clone() };
        let left = CropView::new(&square(300.0, 200.0), Side::Left, &straight).unwrap();
        let right = CropView::new(&square(979.0, 200.0), Side::Right, &mirrored).unwrap();
        assert!((left.ray - right.ray).norm() < 1e-6 && (left.side - right.side).abs() < 1e-6);
    }

    #[test]
    fn a_scale_that_makes_no_sense_gives_a_depth_that_is_far_but_finite() {
        let view = CropView::new(&square(640.0, 360.0), Side::Right, &camera()).unwrap();
        for scale in [0.0, -3.0, 1e-12] {
            let depth = view.weak_depth(&WeakCamera { scale, shift: Vector2::zeros() });
            assert!(depth.is_finite() && depth > 100.0);
        }
    }
}
