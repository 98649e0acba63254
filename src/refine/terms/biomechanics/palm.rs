//! The palm: five bones from the wrist, how its surface is curved between them and how far they spread.

use nalgebra::Vector3;

use super::{ARCHES, ROOTS};

/// Least length of a vector that is divided by its length.
const TINY: f64 = 1e-12;
/// Largest cosine whose angle is taken: beyond it the slope of the angle has no bound (the released value).
const LARGEST_COSINE: f64 = 1.0 - 1e-7;

/// One gradient for each bone from the wrist.
pub(super) type ByRoots = [Vector3<f64>; ROOTS];

/// The direction of `v`.
pub(super) fn unit(v: Vector3<f64>) -> Vector3<f64> {
    v / v.norm().max(TINY)
}

/// The gradient by `v` of what has the gradient `by_unit` by `v`'s direction.
pub(super) fn back_through_unit(v: Vector3<f64>, by_unit: Vector3<f64>) -> Vector3<f64> {
    let unit = unit(v);
    (by_unit - unit * unit.dot(&by_unit)) / v.norm().max(TINY)
}

/// The bones from the wrist and the normals they span.
pub(super) struct Palm {
    roots: ByRoots,
    /// Across neighbouring bones, not of unit length: `r_{i+1} x r_i`.
    crosses: [Vector3<f64>; ARCHES],
    /// Sums of neighbouring unit normals, at the three middle bones.
    sums: [Vector3<f64>; ARCHES - 1],
}

impl Palm {
    /// The palm of the bones from the wrist, thumb first.
    pub fn new(roots: ByRoots) -> Self {
        let crosses: [_; ARCHES] = std::array::from_fn(|i| roots[i + 1].cross(&roots[i]));
        let sums = std::array::from_fn(|i| unit(crosses[i + 1]) + unit(crosses[i]));
        Self { roots, crosses, sums }
    }

    /// A bone from the wrist.
    pub fn root(&self, finger: usize) -> Vector3<f64> {
        self.roots[finger]
    }

    /// Unit normal between bones `i` and `i + 1`.
    pub fn between(&self, i: usize) -> Vector3<f64> {
        unit(self.crosses[i])
    }

    /// Unit normal at a bone.
    pub fn at(&self, finger: usize) -> Vector3<f64> {
        match finger {
            0 => self.between(0),
            last if last == ROOTS - 1 => self.between(ARCHES - 1),
            middle => unit(self.sums[middle - 1]),
        }
    }

    /// Adds the gradient by the bones of what has the gradient `by_normal` by [`Self::between`].
    pub fn back_through_between(&self, i: usize, by_normal: Vector3<f64>, by_roots: &mut ByRoots) {
        let by_cross = back_through_unit(self.crosses[i], by_normal);
        by_roots[i + 1] += self.roots[i].cross(&by_cross);
        by_roots[i] += by_cross.cross(&self.roots[i + 1]);
    }

    /// Adds the gradient by the bones of what has the gradient `by_normal` by [`Self::at`].
    pub fn back_through_at(&self, finger: usize, by_normal: Vector3<f64>, by_roots: &mut ByRoots) {
        match finger {
            0 => self.back_through_between(0, by_normal, by_roots),
            last if last == ROOTS - 1 => self.back_through_between(ARCHES - 1, by_normal, by_roots),
            middle => {
                let by_sum = back_through_unit(self.sums[middle - 1], by_normal);
                self.back_through_between(middle, by_sum, by_roots);
                self.back_through_between(middle - 1, by_sum, by_roots);
            }
        }
    }

    /// How much the palm's normal turns from bone `i` to bone `i + 1`, per length.
    pub fn curvature(&self, i: usize) -> f64 {
        let across = self.roots[i + 1] - self.roots[i];
        (self.at(i + 1) - self.at(i)).dot(&across) / across.norm_squared().max(TINY)
    }

    /// Gradient of [`Self::curvature`] by the bones.
    pub fn curvature_gradient(&self, i: usize) -> ByRoots {
        let mut by_roots = ByRoots::default();
        let across = self.roots[i + 1] - self.roots[i];
        let squared = across.norm_squared().max(TINY);
        let turn = self.at(i + 1) - self.at(i);
        self.back_through_at(i + 1, across / squared, &mut by_roots);
        self.back_through_at(i, -across / squared, &mut by_roots);
        let by_across = (turn - across * (2.0 * turn.dot(&across) / squared)) / squared;
        by_roots[i + 1] += by_across;
        by_roots[i] -= by_across;
        by_roots
    }

    /// Angle between bones `i` and `i + 1`, radians.
    pub fn spread(&self, i: usize) -> f64 {
        self.cosine(i).clamp(-LARGEST_COSINE, LARGEST_COSINE).acos()
    }

    /// Gradient of [`Self::spread`] by the bones.
    pub fn spread_gradient(&self, i: usize) -> ByRoots {
        let mut by_roots = ByRoots::default();
        let cosine = self.cosine(i);
        if cosine.abs() < LARGEST_COSINE {
            let slope = -1.0 / (1.0 - cosine * cosine).sqrt();
            let (a, b) = (self.roots[i], self.roots[i + 1]);
            by_roots[i] = back_through_unit(a, unit(b) * slope);
            by_roots[i + 1] = back_through_unit(b, unit(a) * slope);
        }
        by_roots
    }

    fn cosine(&self, i: usize) -> f64 {
        unit(self.roots[i]).dot(&unit(self.roots[i + 1]))
    }
}
