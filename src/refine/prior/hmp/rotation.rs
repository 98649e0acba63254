//! Rotations as the network writes them: six numbers, the first two *rows* of the matrix, made orthonormal
//! by Gram-Schmidt; and angles between rotations. Both with the way back.

use nalgebra::{Matrix3, Vector3};

/// Least length that is divided by.
const TINY: f64 = 1e-12;
/// Largest cosine whose angle is taken; beyond it the angle has no slope (the released value).
const LARGEST_COSINE: f64 = 1.0 - 1e-7;

/// Six numbers of a rotation.
pub type SixRows = [f64; 6];

/// The rotation matrix.
pub fn matrix_from_rows(six: &SixRows) -> Matrix3<f64> {
    let (first, second) = halves(six);
    let first = unit(first);
    let second = unit(second - first * first.dot(&second));
    Matrix3::from_columns(&[first, second, first.cross(&second)]).transpose()
}

/// The first two rows of a rotation matrix.
pub fn rows_from_matrix(r: &Matrix3<f64>) -> SixRows {
    [r.m11, r.m12, r.m13, r.m21, r.m22, r.m23]
}

/// The gradient by the six numbers, where `by` is that by the matrix's entries.
pub fn rows_reverse(six: &SixRows, by: &Matrix3<f64>) -> SixRows {
    let (a, b) = halves(six);
    let first = unit(a);
    let along = first.dot(&b);
    let across = b - first * along;
    let second = unit(across);
    let [by_first, by_second, by_third] = [0, 1, 2].map(|row| by.row(row).transpose());
    let by_second = by_second + by_third.cross(&first);
    let by_across = unit_reverse(across, by_second);
    let by_b = by_across - first * first.dot(&by_across);
    let by_first = by_first + second.cross(&by_third) - b * first.dot(&by_across) - by_across * along;
    let by_a = unit_reverse(a, by_first);
    [by_a.x, by_a.y, by_a.z, by_b.x, by_b.y, by_b.z]
}

/// The angle between two rotations, and its gradient by the entries of `a`; that by `b`'s is the same with `a`
/// for `b`.
pub fn angle_and_gradient(a: &Matrix3<f64>, b: &Matrix3<f64>) -> (f64, Matrix3<f64>) {
    let cosine = (a.dot(b) - 1.0) / 2.0;
    if cosine.abs() >= LARGEST_COSINE {
        return (cosine.clamp(-LARGEST_COSINE, LARGEST_COSINE).acos(), Matrix3::zeros());
    }
    (cosine.acos(), b * (-0.5 / (1.0 - cosine * cosine).sqrt()))
}

fn halves(&[a, b, c, d, e, f]: &SixRows) -> (Vector3<f64>, Vector3<f64>) {
    (Vector3::new(a, b, c), Vector3::new(d, e, f))
}

fn unit(v: Vector3<f64>) -> Vector3<f64> {
    v / v.norm().max(TINY)
}

fn unit_reverse(v: Vector3<f64>, by: Vector3<f64>) -> Vector3<f64> {
    let unit = unit(v);
    (by - unit * unit.dot(&by)) / v.norm().max(TINY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_slopes() {
        let six = [0.7, -0.2, 0.4, 0.1, 0.9, -0.5];
        let other = matrix_from_rows(&[0.1, 1.0, 0.0, 0.5, 0.1, 0.9]);
        let weights = Matrix3::new(1.0, -0.3, 0.2, 0.5, 0.8, -1.0, 0.4, 0.6, -0.7);
        let cost = |six: &SixRows| {
            let matrix = matrix_from_rows(six);
            matrix.dot(&weights) + angle_and_gradient(&matrix, &other).0
        };
        let by_matrix = weights + angle_and_gradient(&matrix_from_rows(&six), &other).1;
        let gradient = rows_reverse(&six, &by_matrix);
        for i in 0..6 {
            let moved = |by: f64| {
                let mut six = six;
                six[i] += by;
                cost(&six)
            };
            let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((slope - gradient[i]).abs() < 1e-7, "{i}: {slope} {}", gradient[i]);
        }
        assert!((matrix_from_rows(&rows_from_matrix(&other)) - other).norm() < 1e-12);
    }
}
