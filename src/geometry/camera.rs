//! The pinhole camera with OpenCV's five-parameter distortion.

use nalgebra::{Vector2, Vector3};

use super::{CameraPoint, Pixel};
use crate::frame::PictureSize;

/// Rounds of the fixed-point inversion of the distortion; converges to 1e-6 for ordinary lenses.
const UNDISTORT_ROUNDS: usize = 20;

/// Focal length assumed when nothing is known, in units of the longer picture side (about 60 degrees
/// across, a common webcam).
const GUESSED_FOCAL: f64 = 0.87;

/// Intrinsics of a camera for pictures of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraModel {
    /// Focal length along x in pixels.
    pub fx: f64,
    /// Focal length along y in pixels.
    pub fy: f64,
    /// Principal point, column in pixels.
    pub cx: f64,
    /// Principal point, row in pixels.
    pub cy: f64,
    /// OpenCV's k1 k2 p1 p2 k3; all zero for an ideal lens.
    pub distortion: [f64; 5],
    /// Size of the pictures these numbers belong to.
    pub size: PictureSize,
    /// True where the numbers are an assumption rather than a calibration.
    pub guessed: bool,
}

impl CameraModel {
    /// An ideal pinhole with focal length `focal` pixels and the principal point in the middle.
    pub fn pinhole(focal: f64, size: PictureSize) -> Self {
        Self {
            fx: focal,
            fy: focal,
            cx: (size.width as f64 - 1.0) / 2.0,
            cy: (size.height as f64 - 1.0) / 2.0,
            distortion: [0.0; 5],
            size,
            guessed: false,
        }
    }

    /// A pinhole with a horizontal field of view of `degrees`.
    pub fn from_fov(degrees: f64, size: PictureSize) -> Self {
        Self::pinhole(size.width as f64 / 2.0 / (degrees.to_radians() / 2.0).tan(), size)
    }

    /// The stated guess for a camera of which nothing is known.
    pub fn guess(size: PictureSize) -> Self {
        let longer = size.width.max(size.height) as f64;
        Self { guessed: true, ..Self::pinhole(GUESSED_FOCAL * longer, size) }
    }

    /// Geometric mean of the two focal lengths, pixels.
    pub fn focal(&self) -> f64 {
        (self.fx * self.fy).sqrt()
    }

    /// Projects a point in metres to the (distorted) picture; `None` on or behind the camera plane.
    pub fn project(&self, point: CameraPoint) -> Option<Pixel> {
        let p: Vector3<f64> = point.0.cast();
        if p.z <= 1e-6 {
            return None;
        }
        let ray = self.distort(Vector2::new(p.x / p.z, p.y / p.z));
        Some(Pixel::new((self.fx * ray.x + self.cx) as f32, (self.fy * ray.y + self.cy) as f32))
    }

    /// The undistorted ray (x/z, y/z) through a pixel of the picture.
    pub fn ray(&self, pixel: Pixel) -> Vector2<f64> {
        let distorted =
            Vector2::new((pixel.x as f64 - self.cx) / self.fx, (pixel.y as f64 - self.cy) / self.fy);
        if self.distortion == [0.0; 5] {
            return distorted;
        }
        let mut ray = distorted;
        for _ in 0..UNDISTORT_ROUNDS {
            let (radial, tangential) = self.distortion_at(ray);
            ray = (distorted - tangential) / radial;
        }
        // Far outside the calibrated field the polynomial folds back and has no inverse.
        if ray.iter().all(|v| v.is_finite()) { ray } else { distorted }
    }

    fn distort(&self, ray: Vector2<f64>) -> Vector2<f64> {
        let (radial, tangential) = self.distortion_at(ray);
        ray * radial + tangential
    }

    /// OpenCV's model: radial factor 1 + k1 r^2 + k2 r^4 + k3 r^6 and the tangential shift.
    fn distortion_at(&self, ray: Vector2<f64>) -> (f64, Vector2<f64>) {
        let [k1, k2, p1, p2, k3] = self.distortion;
        let (x, y) = (ray.x, ray.y);
        let r2 = ray.norm_squared();
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        let tangential = Vector2::new(
            2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
            p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        );
        (radial, tangential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distorted() -> CameraModel {
        CameraModel {
            fx: 926.0,
            fy: 925.0,
            cx: 356.0,
            cy: 355.0,
            distortion: [-0.014, 1.419, -0.0035, -0.0036, -6.39],
            size: PictureSize::new(720, 720),
            guessed: false,
        }
    }

    #[test]
    fn a_ray_goes_back_through_the_pixel_it_came_from() {
        let camera = distorted();
        for (x, y) in [(-0.2, -0.1), (0.0, 0.0), (0.15, 0.2), (0.1, -0.25)] {
            let pixel = camera.project(CameraPoint::new(x * 0.7, y * 0.7, 0.7)).unwrap();
            let ray = camera.ray(pixel);
            assert!((ray - Vector2::new(x as f64, y as f64)).norm() < 1e-6, "{ray} from {x} {y}");
        }
    }

    #[test]
    fn a_point_behind_the_camera_has_no_pixel() {
        assert_eq!(distorted().project(CameraPoint::new(0.0, 0.0, -1.0)), None);
    }

    #[test]
    fn field_of_view_reaches_the_edges() {
        let camera = CameraModel::from_fov(90.0, PictureSize::new(100, 60));
        assert!((camera.fx - 50.0).abs() < 1e-9);
    }
}
