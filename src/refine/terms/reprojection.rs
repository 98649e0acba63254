//! Key points against their projections (Dyn-HaMR eq. 7): `w conf^2 rho(du)`, each coordinate by itself, with
//! Geman-McClure's `rho(r) = s^2 r^2 / (s^2 + r^2)`.

use nalgebra::{Matrix2x3, Vector2, Vector3};

use super::PointForm;

/// Nearest depth of a key point, metres: nothing closer is a hand in a picture.
const NEAREST: f64 = 0.02;

/// Geman-McClure's `rho(r)` and the weight `w = rho'(r) / r` of iterated least squares.
pub fn geman_mcclure(residual: f64, scale: f64) -> (f64, f64) {
    let (squared, scale) = (residual * residual, scale * scale);
    let part = scale / (scale + squared);
    (squared * part, 2.0 * part * part)
}

/// The cost of a camera-space `point` (metres) that was seen on `ray` (x/z, y/z).
///
/// `scale` holds residual units in a unit of the ray for x and y, `weight` the term's weight with the squared
/// confidence, and `outlier` Geman-McClure's scale in residual units.
pub fn keypoint(
    point: &Vector3<f64>,
    ray: &Vector2<f64>,
    scale: &Vector2<f64>,
    weight: f64,
    outlier: f64,
) -> PointForm {
    let z = point.z.max(NEAREST);
    let projected = point.xy() / z;
    let residual = (projected - ray).component_mul(scale);
    // Closer than the nearest depth the projection does not depend on z any more.
    let along = if point.z > NEAREST { 1.0 } else { 0.0 };
    let by_point = Matrix2x3::new(
        scale.x / z,
        0.0,
        -scale.x / z * projected.x * along,
        0.0,
        scale.y / z,
        -scale.y / z * projected.y * along,
    );
    let (rho_x, weight_x) = geman_mcclure(residual.x, outlier);
    let (rho_y, weight_y) = geman_mcclure(residual.y, outlier);
    let weights = Vector2::new(weight_x, weight_y) * weight;
    let weighted = Matrix2x3::from_rows(&[by_point.row(0) * weights.x, by_point.row(1) * weights.y]);
    PointForm {
        value: weight * (rho_x + rho_y),
        gradient: weighted.tr_mul(&residual),
        information: weighted.tr_mul(&by_point),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_cost() {
        let (ray, scale) = (Vector2::new(0.11, -0.2), Vector2::new(500.0, 480.0));
        let point = Vector3::new(0.05, -0.12, 0.55);
        let at = |p: &Vector3<f64>| keypoint(p, &ray, &scale, 0.7, 10.0);
        for axis in 0..3 {
            let step = Vector3::ith(axis, 1e-6);
            let slope = (at(&(point + step)).value - at(&(point - step)).value) / 2e-6;
            let gradient = at(&point).gradient;
            assert!((slope - gradient[axis]).abs() < 1e-5 * gradient.norm(), "{axis}: {slope} {gradient}");
        }
    }
}
