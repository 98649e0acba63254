//! Bundle adjustment: camera poses and points together, by Levenberg-Marquardt on the Schur complement.
//!
//! Triggs et al., "Bundle adjustment: a modern synthesis" (1999), section 6: points are eliminated one by
//! one, the reduced system of the cameras is dense and small.

use nalgebra::{DMatrix, DVector, Isometry3, Matrix3, Matrix3x6, Matrix6, Vector2, Vector3};

use super::pose::{huber, linearised, reprojection, step};

/// Settings of the adjustment.
#[derive(Clone, Copy, Debug)]
pub(super) struct BundleConfig {
    /// Steps at most.
    pub rounds: usize,
    /// Limit of Huber's loss, pixels.
    pub huber_px: f64,
    /// Ends when a step lowers the cost by less than this share.
    pub converged: f64,
}

impl Default for BundleConfig {
    fn default() -> Self {
        Self { rounds: 8, huber_px: 1.0, converged: 1e-4 }
    }
}

/// One camera seeing one point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// Index of the camera.
    pub camera: usize,
    /// Where, x/z and y/z.
    pub ray: Vector2<f64>,
}

/// A point with all cameras that see it.
#[derive(Clone, Debug)]
pub(super) struct SeenFrom {
    /// Where it is.
    pub position: Vector3<f64>,
    /// Who sees it.
    pub observations: Vec<Observation>,
}

/// Cameras and points to be adjusted. The first `free` cameras move; the others stay and hold the map's
/// place and scale.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// `camera_from_world`.
    pub cameras: Vec<Isometry3<f64>>,
    /// How many of them move.
    pub free: usize,
    /// The points; all move.
    pub points: Vec<SeenFrom>,
    /// Focal length in pixels.
    pub focal: f64,
}

/// Cameras and points after a step.
type Moved = (Vec<Isometry3<f64>>, Vec<Vector3<f64>>);

/// One point's share of the normal equations.
struct PointBlock {
    /// Inverse of the damped point block.
    inverse: Matrix3<f64>,
    /// Right-hand side.
    right: Vector3<f64>,
    /// Coupling with each free camera that sees it.
    cameras: Vec<(usize, Matrix3x6<f64>)>,
}

impl Bundle {
    /// Moves cameras and points to a lower cost; false where nothing could be lowered.
    pub fn adjust(&mut self, config: &BundleConfig) -> bool {
        let limit = config.huber_px / self.focal;
        let mut damping = 1e-4;
        let mut cost = self.cost(limit);
        let mut lowered = false;
        for _ in 0..config.rounds {
            let Some((cameras, points)) = self.stepped(limit, damping) else {
                damping *= 10.0;
                continue;
            };
            let old_cameras = std::mem::replace(&mut self.cameras, cameras);
            let old_points: Vec<_> = self.points.iter().map(|point| point.position).collect();
            self.place(&points);
            let new = self.cost(limit);
            if new < cost {
                let gained = (cost - new) / cost;
                (cost, lowered, damping) = (new, true, (damping * 0.1).max(1e-9));
                if gained < config.converged {
                    break;
                }
            } else {
                self.cameras = old_cameras;
                self.place(&old_points);
                damping *= 10.0;
            }
        }
        lowered
    }

    fn place(&mut self, positions: &[Vector3<f64>]) {
        for (point, position) in self.points.iter_mut().zip(positions) {
            point.position = *position;
        }
    }

    /// Huber's cost; an observation behind its camera costs as much as one far off.
    fn cost(&self, limit: f64) -> f64 {
        const BEHIND: f64 = 1.0;
        let of = |length: f64| if length <= limit { length * length } else { limit * (2.0 * length - limit) };
        let each = self.points.iter().flat_map(|p| p.observations.iter().map(move |o| (p, o)));
        each.map(|(point, seen)| {
            let length =
                self.cameras.get(seen.camera).and_then(|c| reprojection(c, &point.position, &seen.ray));
            of(length.map_or(BEHIND, |r| r.norm()))
        })
        .sum()
    }

    /// Cameras and points after one damped Gauss-Newton step.
    fn stepped(&self, limit: f64, damping: f64) -> Option<Moved> {
        let mut normal = DMatrix::<f64>::zeros(6 * self.free, 6 * self.free);
        let mut right = DVector::<f64>::zeros(6 * self.free);
        let mut diagonal = vec![Matrix6::<f64>::zeros(); self.free];
        let mut blocks = Vec::with_capacity(self.points.len());
        for point in &self.points {
            blocks.push(self.point_block(point, limit, damping, &mut diagonal, &mut right));
        }
        for (camera, block) in diagonal.iter().enumerate() {
            let damped = block + Matrix6::from_diagonal(&block.diagonal().map(|v| v * damping + 1e-12));
            let mut place = normal.fixed_view_mut::<6, 6>(6 * camera, 6 * camera);
            place += damped;
        }
        for block in blocks.iter().flatten() {
            for (a, coupling_a) in &block.cameras {
                let carried = coupling_a.transpose() * block.inverse;
                let mut place = right.fixed_rows_mut::<6>(6 * a);
                place -= carried * block.right;
                // Only the lower half is read by the factorisation.
                for (b, coupling_b) in block.cameras.iter().filter(|(b, _)| b <= a) {
                    let mut place = normal.fixed_view_mut::<6, 6>(6 * a, 6 * b);
                    place -= carried * coupling_b;
                }
            }
        }
        let moved = if self.free > 0 { normal.cholesky()?.solve(&right) } else { right };
        let of_camera = |camera: usize| moved.fixed_rows::<6>(6 * camera).into_owned();
        let mut cameras = self.cameras.clone();
        for (index, camera) in cameras.iter_mut().take(self.free).enumerate() {
            *camera = step(camera, &of_camera(index));
        }
        let positions = self.points.iter().zip(&blocks).map(|(point, block)| {
            let Some(block) = block else { return point.position };
            let carried: Vector3<f64> =
                block.cameras.iter().map(|(c, coupling)| coupling * of_camera(*c)).sum();
            point.position + block.inverse * (block.right - carried)
        });
        let positions = positions.collect();
        moved.iter().all(|v| v.is_finite()).then_some((cameras, positions))
    }

    /// Adds a point's observations to the cameras' equations and keeps its own. `None` for a point that its
    /// cameras do not fix.
    fn point_block(
        &self,
        point: &SeenFrom,
        limit: f64,
        damping: f64,
        diagonal: &mut [Matrix6<f64>],
        right: &mut DVector<f64>,
    ) -> Option<PointBlock> {
        let (mut own, mut own_right) = (Matrix3::zeros(), Vector3::zeros());
        let mut seen = Vec::with_capacity(point.observations.len());
        for observation in &point.observations {
            let camera = self.cameras.get(observation.camera)?;
            let Some((residual, by_camera, by_point)) = linearised(camera, &point.position, &observation.ray)
            else {
                continue;
            };
            let weighted = by_point.transpose() * huber(residual.norm(), limit);
            own += weighted * by_point;
            own_right -= weighted * residual;
            if observation.camera < self.free {
                seen.push((observation.camera, residual, by_camera, weighted * by_camera));
            }
        }
        own += Matrix3::from_diagonal(&own.diagonal().map(|v| v * damping + 1e-12));
        let inverse = own.cholesky()?.inverse();
        let mut cameras = Vec::with_capacity(seen.len());
        for (camera, residual, by_camera, coupling) in seen {
            let weighted = by_camera.transpose() * huber(residual.norm(), limit);
            diagonal[camera] += weighted * by_camera;
            let mut place = right.fixed_rows_mut::<6>(6 * camera);
            place -= weighted * residual;
            cameras.push((camera, coupling));
        }
        Some(PointBlock { inverse, right: own_right, cameras })
    }
}

/// Mean squared step that would follow; used by tests to see that a minimum is one.
#[cfg(test)]
fn restlessness(bundle: &Bundle) -> f64 {
    let (cameras, _) = bundle.stepped(1.0, 1e-9).unwrap();
    cameras
        .iter()
        .zip(&bundle.cameras)
        .map(|(a, b)| (a.translation.vector - b.translation.vector).norm())
        .sum()
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector6;

    use super::*;
    use crate::random::Random;

    /// Six cameras in a row, two of them held; `wrong` moves everything that is free.
    fn bundle(wrong: f64) -> (Bundle, Bundle) {
        let cameras: Vec<_> = [2, 3, 4, 5, 0, 1]
            .into_iter()
            .map(|k| {
                Isometry3::new(
                    Vector3::new(-0.2 * f64::from(k), 0.0, 0.0),
                    Vector3::y() * 0.02 * f64::from(k),
                )
            })
            .collect();
        let mut random = Random::new(2);
        let points = (0..100).map(|_| {
            let position = Vector3::new(random.signed() + 0.5, random.signed(), 4.0 + random.signed());
            let see = |(camera, pose): (usize, &Isometry3<f64>)| {
                Some(Observation { camera, ray: reprojection(pose, &position, &Vector2::zeros())? })
            };
            SeenFrom { position, observations: cameras.iter().enumerate().filter_map(see).collect() }
        });
        let right = Bundle { points: points.collect(), cameras, free: 4, focal: 500.0 };
        let mut moved = right.clone();
        let mut by = || random.signed() * wrong;
        moved.cameras[..4].iter_mut().for_each(|c| *c = step(c, &Vector6::from_fn(|_, _| by())));
        moved.points.iter_mut().for_each(|p| p.position += Vector3::from_fn(|_, _| by()));
        (right, moved)
    }

    #[test]
    fn cameras_and_points_go_back_where_they_belong() {
        let (right, mut moved) = bundle(0.05);
        assert!(moved.adjust(&BundleConfig { rounds: 20, converged: 0.0, ..BundleConfig::default() }));
        for (a, b) in right.cameras.iter().zip(&moved.cameras) {
            assert!((a.translation.vector - b.translation.vector).norm() < 1e-5);
            assert!(a.rotation.angle_to(&b.rotation) < 1e-5);
        }
        assert!(right.points.iter().zip(&moved.points).all(|(a, b)| (a.position - b.position).norm() < 1e-4));
        assert!(restlessness(&moved) < 1e-5);
    }

    #[test]
    fn one_wild_observation_in_fifty_hardly_moves_the_cameras() {
        let (right, mut moved) = bundle(0.02);
        moved.points.iter_mut().step_by(10).for_each(|p| p.observations[1].ray.x += 0.2);
        assert!(moved.adjust(&BundleConfig { rounds: 30, converged: 0.0, ..BundleConfig::default() }));
        for (a, b) in right.cameras.iter().zip(&moved.cameras) {
            assert!((a.translation.vector - b.translation.vector).norm() < 5e-3);
        }
    }

    #[test]
    fn a_bundle_without_free_cameras_or_points_is_left_alone() {
        let (right, _) = bundle(0.0);
        let mut empty = Bundle { points: Vec::new(), free: 0, ..right };
        assert!(!empty.adjust(&BundleConfig::default()));
    }
}
