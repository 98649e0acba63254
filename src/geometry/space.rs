//! Points that know their space, so that a pixel and a metre cannot be mixed by mistake.

use nalgebra::{Isometry3, Point3, Vector3};

/// A point of the full picture in pixels; integer = centre of a pixel, x right, y down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pixel {
    /// Column.
    pub x: f32,
    /// Row.
    pub y: f32,
}

impl Pixel {
    /// The pixel at column `x`, row `y`.
    pub fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// Distance in pixels.
    pub fn distance(self, other: Pixel) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

/// A point in metres in the camera's frame: x right, y down, z forward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraPoint(pub Vector3<f32>);

impl Default for CameraPoint {
    fn default() -> Self {
        Self(Vector3::zeros())
    }
}

impl CameraPoint {
    /// The point (`x`, `y`, `z`) in metres.
    pub fn new(x: f32, y: f32, z: f32) -> Self {
        Self(Vector3::new(x, y, z))
    }
}

/// A point in metres in the world, the first camera of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorldPoint(pub Vector3<f64>);

impl WorldPoint {
    /// Where a camera's point lies in the world.
    pub fn of_camera(point: CameraPoint, world_from_camera: &Isometry3<f64>) -> Self {
        Self((world_from_camera * Point3::from(point.0.cast::<f64>())).coords)
    }
}
