//! Where the two angles of a finger bone may be: a convex polygon in the plane of flexion and abduction.

use nalgebra::Vector2;

/// How far outside an edge a point still counts as inside (the released value).
const EDGE_TOLERANCE: f64 = 1e-6;

/// A convex polygon with corners (flexion, abduction) in radians, counter-clockwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hull(Vec<Vector2<f64>>);

impl Hull {
    /// The polygon of these corners, which run counter-clockwise; without corners every point is inside.
    pub fn new(corners: Vec<Vector2<f64>>) -> Self {
        Self(corners)
    }

    /// The corners.
    pub fn corners(&self) -> &[Vector2<f64>] {
        &self.0
    }

    fn edges(&self) -> impl Iterator<Item = (Vector2<f64>, Vector2<f64>)> + '_ {
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).map(|(&from, &to)| (from, to - from))
    }

    /// Whether `angles` lie inside or on an edge.
    pub fn contains(&self, angles: &Vector2<f64>) -> bool {
        self.edges().all(|(from, edge)| {
            let off = angles - from;
            off.x * edge.y - off.y * edge.x < EDGE_TOLERANCE
        })
    }

    /// How far `angles` lie outside, and the gradient of that; `None` inside.
    ///
    /// The distance is Hand-BMC's (Spurr et al., ECCV 2020): the sum of the differences of cosines and of
    /// sines to the nearest point of an edge, of the edge for which that is least.
    pub fn excess(&self, angles: &Vector2<f64>) -> Option<(f64, Vector2<f64>)> {
        if self.contains(angles) {
            return None;
        }
        let distances = self.edges().map(|(from, edge)| distance(angles, from, edge));
        distances.min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// Distance to the nearest point of one edge, and its gradient.
fn distance(angles: &Vector2<f64>, from: Vector2<f64>, edge: Vector2<f64>) -> (f64, Vector2<f64>) {
    let length = edge.norm_squared().max(f64::MIN_POSITIVE);
    let along = (angles - from).dot(&edge) / length;
    let nearest = from + edge * along.clamp(0.0, 1.0);
    let (mut value, mut gradient) = (0.0, Vector2::zeros());
    let mut by_nearest = Vector2::zeros();
    for axis in 0..2 {
        let ((sine, cosine), (sine_there, cosine_there)) = (angles[axis].sin_cos(), nearest[axis].sin_cos());
        let (of_cosine, of_sine) = (cosine - cosine_there, sine - sine_there);
        value += of_cosine.abs() + of_sine.abs();
        let (cosine_sign, sine_sign) = (sign(of_cosine), sign(of_sine));
        gradient[axis] = cosine * sine_sign - sine * cosine_sign;
        by_nearest[axis] = sine_there * cosine_sign - cosine_there * sine_sign;
    }
    if (0.0..=1.0).contains(&along) {
        gradient += edge * (by_nearest.dot(&edge) / length);
    }
    (value, gradient)
}

/// As `signum`, but 0 at 0: where a sum of absolute values has its kink, no direction is better.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Hull {
        Hull::new([(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)].map(|(x, y)| Vector2::new(x, y)).into())
    }

    #[test]
    fn points_inside_and_on_the_edge_are_free() {
        for (flexion, abduction) in [(0.5, 0.25), (0.0, 0.0), (1.0, 0.3), (0.2, 0.5)] {
            assert_eq!(square().excess(&Vector2::new(flexion, abduction)), None);
        }
        assert_eq!(Hull::default().excess(&Vector2::new(3.0, -3.0)), None);
    }

    #[test]
    fn the_gradient_outside_is_the_slope() {
        for (flexion, abduction) in [(1.2, 0.25), (-0.1, -0.3), (0.4, 0.9), (1.3, 0.8)] {
            let at = Vector2::new(flexion, abduction);
            let (value, gradient) = square().excess(&at).unwrap();
            assert!(value > 0.0);
            for axis in 0..2 {
                let step = Vector2::ith(axis, 1e-6);
                let value = |at: Vector2<f64>| square().excess(&at).unwrap().0;
                let slope = (value(at + step) - value(at - step)) / 2e-6;
                assert!((slope - gradient[axis]).abs() < 1e-6, "{at} {slope} {}", gradient[axis]);
            }
        }
    }
}
