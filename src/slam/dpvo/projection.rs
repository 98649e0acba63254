//! Patches of one frame seen in another: projection, its derivatives, and how far patches move.
//!
//! Patches, positions and the camera belong to the feature maps, a quarter of the picture's size. A patch is
//! 3 x 3 pixels at one inverse depth; `motion` is always `target_from_source` in camera coordinates.

use nalgebra::{Isometry3, Vector2, Vector3, Vector4, Vector6};

use crate::geometry::CameraModel;
use crate::geometry::se3::adjoint_transposed;

/// Pixels of the picture for one of the feature maps.
pub const STRIDE: usize = 4;
/// Side of a patch, pixels of the feature map.
pub const PATCH_SIDE: usize = 3;
/// Pixels of a patch.
pub const PATCH_PIXELS: usize = PATCH_SIDE * PATCH_SIDE;
/// Depths (in units where the patch's own is 1 over its inverse depth) below this are drawn here.
const NEAREST_DRAWN: f64 = 0.1;
/// From this depth on a projection counts and has a derivative.
pub(super) const NEAREST: f64 = 0.2;
/// Share of the full motion, beside the motion without rotation, in how far a patch moves.
const FULL_MOTION_SHARE: f64 = 0.5;

/// An ideal pinhole at the size of the feature maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatchCamera {
    /// Focal length along x.
    pub fx: f64,
    /// Focal length along y.
    pub fy: f64,
    /// Principal point, column.
    pub cx: f64,
    /// Principal point, row.
    pub cy: f64,
}

/// A patch of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patch {
    /// Its middle.
    pub centre: Vector2<f64>,
    /// One over the depth, common to its pixels.
    pub inverse_depth: f64,
}

/// Where the nine pixels of a patch land, row by row.
pub type PatchView = [Vector2<f64>; PATCH_PIXELS];

/// The middle pixel of a patch in another frame, with derivatives.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// Where it lands; not finite on the plane of the camera.
    pub position: Vector2<f64>,
    /// Depth in units of the patch's own.
    pub depth: f64,
    /// Derivative by a twist on the left of the target frame's pose: rows x and y.
    pub by_target: [Vector6<f64>; 2],
    /// Derivative by a twist on the left of the source frame's pose, with its sign.
    pub by_source: [Vector6<f64>; 2],
    /// Derivative by the inverse depth.
    pub by_inverse_depth: Vector2<f64>,
}

impl PatchCamera {
    /// The pinhole of `camera` at the size of the feature maps; its distortion is not part of it.
    pub fn of(camera: &CameraModel) -> Self {
        let stride = STRIDE as f64;
        Self {
            fx: camera.fx / stride,
            fy: camera.fy / stride,
            cx: camera.cx / stride,
            cy: camera.cy / stride,
        }
    }

    /// The point of a patch's pixel: a ray and the inverse depth, `(x/z, y/z, 1, 1/z)`.
    fn point(&self, pixel: Vector2<f64>, inverse_depth: f64) -> Vector4<f64> {
        Vector4::new((pixel.x - self.cx) / self.fx, (pixel.y - self.cy) / self.fy, 1.0, inverse_depth)
    }

    fn draw(&self, x: f64, y: f64, depth: f64) -> Vector2<f64> {
        Vector2::new(self.fx * x / depth + self.cx, self.fy * y / depth + self.cy)
    }
}

impl Patch {
    /// The patch's point in metres (in the map's unit), camera coordinates of its own frame.
    pub fn point(&self, camera: &PatchCamera) -> Vector3<f64> {
        camera.point(self.centre, self.inverse_depth).xyz() / self.inverse_depth
    }

    /// Where the patch's pixels land in another frame.
    pub fn seen(&self, camera: &PatchCamera, motion: &Isometry3<f64>) -> PatchView {
        std::array::from_fn(|pixel| self.pixel_seen(camera, motion, pixel).0)
    }

    /// How far the patch moves: the mean length over its pixels, half of it counted with the motion's
    /// rotation and half without, which tells a moving camera from a turning one.
    pub fn flow(&self, camera: &PatchCamera, motion: &Isometry3<f64>) -> f64 {
        let sum: f64 = (0..PATCH_PIXELS).map(|pixel| self.pixel_flow(camera, motion, pixel).0).sum();
        sum / PATCH_PIXELS as f64
    }

    /// How far the patch's middle moves, and whether it lands in front of the camera.
    pub fn centre_flow(&self, camera: &PatchCamera, motion: &Isometry3<f64>) -> (f64, bool) {
        self.pixel_flow(camera, motion, PATCH_PIXELS / 2)
    }

    /// How far one pixel moves, and whether it lands in front of the camera.
    pub fn pixel_flow(&self, camera: &PatchCamera, motion: &Isometry3<f64>, pixel: usize) -> (f64, bool) {
        let (start, _) = self.pixel_seen(camera, &Isometry3::identity(), pixel);
        let (full, depth) = self.pixel_seen(camera, motion, pixel);
        let (shifted, _) = self.pixel_seen(camera, &motion.translation.into(), pixel);
        let moved =
            FULL_MOTION_SHARE * (full - start).norm() + (1.0 - FULL_MOTION_SHARE) * (shifted - start).norm();
        (moved, depth > NEAREST)
    }

    fn pixel_seen(&self, camera: &PatchCamera, motion: &Isometry3<f64>, pixel: usize) -> (Vector2<f64>, f64) {
        let (row, column) = (pixel / PATCH_SIDE, pixel % PATCH_SIDE);
        let middle = (PATCH_SIDE / 2) as f64;
        let offset = Vector2::new(column as f64 - middle, row as f64 - middle);
        let seen = moved(motion, &camera.point(self.centre + offset, self.inverse_depth));
        (camera.draw(seen.x, seen.y, seen.z.max(NEAREST_DRAWN)), seen.z)
    }

    /// The middle pixel in another frame with its derivatives, which are zero nearer than 0.2.
    pub fn project(&self, camera: &PatchCamera, motion: &Isometry3<f64>) -> Projection {
        let seen = moved(motion, &camera.point(self.centre, self.inverse_depth));
        let (x, y, z, w) = (seen.x, seen.y, seen.z, seen.w);
        let d = if z >= NEAREST { 1.0 / z } else { 0.0 };
        let (fx, fy) = (camera.fx, camera.fy);
        let by_target = [
            Vector6::new(w * d, 0.0, -x * w * d * d, -x * y * d * d, 1.0 + x * x * d * d, -y * d) * fx,
            Vector6::new(0.0, w * d, -y * w * d * d, -1.0 - y * y * d * d, x * y * d * d, x * d) * fy,
        ];
        let t = motion.translation.vector;
        Projection {
            position: camera.draw(x, y, z),
            depth: z,
            by_target,
            by_source: by_target.map(|row| -adjoint_transposed(motion, &row)),
            by_inverse_depth: Vector2::new(
                fx * (t.x * d - t.z * x * d * d),
                fy * (t.y * d - t.z * y * d * d),
            ),
        }
    }
}

/// A ray with its inverse depth in the other camera's coordinates.
fn moved(motion: &Isometry3<f64>, point: &Vector4<f64>) -> Vector4<f64> {
    let moved = motion.rotation * point.xyz() + motion.translation.vector * point.w;
    Vector4::new(moved.x, moved.y, moved.z, point.w)
}
