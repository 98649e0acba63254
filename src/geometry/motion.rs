//! Motion of rotations and points over a short time: between two moments, and how fast.

use nalgebra::{UnitQuaternion, Vector3};

use super::rotation::{axis_angle_from_quaternion, quaternion_from_axis_angle};

/// The rotation that lies `part` (0..1) of the way from one axis-angle to another, on the great circle (Shoemake
/// 1985). Halves of a turn have two ways; one of them is taken.
pub fn rotation_between(from: Vector3<f32>, to: Vector3<f32>, part: f64) -> Vector3<f32> {
    rotated(from, turn(from, to) * part)
}

/// The axis-angle that takes the rotation `from` to the rotation `to`, applied from the left, angle 0..=pi.
pub fn turn(from: Vector3<f32>, to: Vector3<f32>) -> Vector3<f64> {
    axis_angle_from_quaternion(&(quaternion(to) * quaternion(from).inverse()))
}

/// The rotation `of`, turned further by an axis-angle from the left.
pub fn rotated(of: Vector3<f32>, by: Vector3<f64>) -> Vector3<f32> {
    axis_angle_from_quaternion(&(quaternion_from_axis_angle(by) * quaternion(of))).cast()
}

fn quaternion(axis_angle: Vector3<f32>) -> UnitQuaternion<f64> {
    quaternion_from_axis_angle(axis_angle.cast())
}

/// How fast a vector changes: the slope of the straight line through samples of it, by least squares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slope {
    count: f64,
    time: f64,
    squared_time: f64,
    value: Vector3<f64>,
    product: Vector3<f64>,
}

impl Slope {
    /// Takes a sample at `time` seconds.
    pub fn add(&mut self, time: f64, value: Vector3<f64>) {
        self.count += 1.0;
        self.time += time;
        self.squared_time += time * time;
        self.value += value;
        self.product += value * time;
    }

    /// The change a second; zero with fewer than two moments.
    pub fn per_second(&self) -> Vector3<f64> {
        let spread = self.count * self.squared_time - self.time * self.time;
        if spread <= f64::EPSILON {
            Vector3::zeros()
        } else {
            (self.product * self.count - self.value * self.time) / spread
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_turn_has_part_of_its_angle_about_the_same_axis() {
        let axis = Vector3::new(0.6, 0.0, 0.8);
        let between = rotation_between(axis * 0.2, axis * 1.0, 0.25);
        assert!((between - axis * 0.4).norm() < 1e-6, "{between}");
        // The short way, across the half turn.
        let across = rotation_between(axis * 3.0, axis * -3.0, 0.5);
        assert!((across.norm() - std::f32::consts::PI).abs() < 1e-5, "{across}");
    }

    #[test]
    fn the_slope_of_a_line_is_found_and_one_sample_has_none() {
        let mut slope = Slope::default();
        slope.add(0.0, Vector3::new(1.0, 2.0, 3.0));
        assert_eq!(slope.per_second(), Vector3::zeros());
        for k in 1..4 {
            let time = -0.03 * f64::from(k);
            slope.add(time, Vector3::new(1.0 + 2.0 * time, 2.0, 3.0 - time));
        }
        assert!((slope.per_second() - Vector3::new(2.0, 0.0, -1.0)).norm() < 1e-9);
    }
}
