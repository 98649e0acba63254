//! How hands move in the world: velocities that die away slowly and change by white accelerations.
//!
//! Over three frames `u = v_2 - k v_1` with `v_i = log(x_(i+1) x_i^-1) / dt_i` and `k = exp(-dt / memory)` is
//! noise of standard deviation `sigma_a sqrt(dt dt_0)`, so that `sigma_a` means the same at every frame rate
//! (white acceleration at `dt_0` = 1/30 s). A stretch begins with a velocity of that process's own spread.
//! Wrists move relative to the body, for which the camera's way without its quick motion stands: a hand that is
//! carried along is at rest, and a walking camera's scale is not drawn to zero.
//! Cauchy's robust function on each part (rotation, wrist, every angle) leaves room for sudden motion.

use nalgebra::{Matrix3, Rotation3, SMatrix, Vector3};

use crate::fit::banded::BlockBanded;
use crate::fit::parameters::{ANGLES, FIRST_ANGLE, Posture, Step, TRANSLATION, UNKNOWNS};
use crate::fit::robust::cauchy;
use crate::geometry::rotation::axis_angle_from_matrix;
use crate::geometry::se3::inverse_left_jacobian;
use crate::refine::config::MotionTerms;

/// Frame time for which accelerations are given, seconds.
const REFERENCE_STEP: f64 = 1.0 / 30.0;
/// Frames that one link may couple.
const REACH: usize = 3;

/// The links of one frame to those before it.
#[derive(Clone, Copy, Debug)]
pub(in crate::refine) struct Link {
    /// Seconds from the frame before.
    dt: f64,
    /// Seconds from the frame before that to the frame before, where there is one in the stretch.
    before: Option<f64>,
}

/// The link at one place: residuals with their derivatives.
pub(in crate::refine) struct LinkForm {
    /// The cost.
    pub value: f64,
    /// First node it couples and how many.
    first: usize,
    count: usize,
    /// Weight times residual of the rotation, and its derivatives by the nodes' rotations.
    turn: Vector3<f64>,
    turn_weight: f64,
    turn_by: [Matrix3<f64>; REACH],
    /// Weight times residual, and weight, of wrist and angles; index as in a step.
    pull: Step,
    weight: Step,
    /// Factors of the nodes in the residual of wrist and angles.
    factors: [f64; REACH],
    /// Derivative of the wrist's residual by the logarithm of the scale.
    by_scale: Vector3<f64>,
}

impl Link {
    /// The link of a node `since` seconds after the node before, which came `before` seconds after its own.
    pub fn new(since: f64, before: Option<f64>) -> Self {
        Self { dt: since, before }
    }

    /// Nodes that the link couples, the newest included.
    fn count(&self) -> usize {
        if self.before.is_some() { REACH } else { REACH - 1 }
    }

    /// Cost and derivatives at `postures`, of which node `at` is the newest; `body` has the body's places in
    /// the world at the same nodes.
    pub fn form(
        &self,
        postures: &[Posture],
        body: &[BodyPlace],
        at: usize,
        config: &MotionTerms,
    ) -> LinkForm {
        let keep = (-self.dt / config.velocity_memory_seconds).exp();
        let count = self.count();
        let first = at + 1 - count;
        let newer = Turn::between(&postures[at].rotation, &postures[at - 1].rotation);
        let mut turn = newer.angle / self.dt;
        let mut turn_by = [Matrix3::zeros(); REACH];
        let mut factors = [0.0; REACH];
        turn_by[count - 1] = newer.by_later / self.dt;
        turn_by[count - 2] = -newer.by_earlier / self.dt;
        factors[count - 1] = 1.0 / self.dt;
        factors[count - 2] = -1.0 / self.dt;
        if let Some(before) = self.before {
            let older = Turn::between(&postures[at - 1].rotation, &postures[at - 2].rotation);
            turn -= older.angle * (keep / before);
            turn_by[1] -= older.by_later * (keep / before);
            turn_by[0] += older.by_earlier * (keep / before);
            factors[1] -= keep / before;
            factors[0] += keep / before;
        }
        // A first velocity has the spread in which the process settles.
        let spread = if self.before.is_some() { 1.0 } else { 1.0 / (1.0 - keep * keep).sqrt() };
        let inverse = |acceleration: f64| {
            let sigma = acceleration * spread * (self.dt * REFERENCE_STEP).sqrt();
            if sigma > 0.0 { 1.0 / (sigma * sigma) } else { 0.0 }
        };
        let mut form = LinkForm {
            value: 0.0,
            first,
            count,
            turn,
            turn_weight: 0.0,
            turn_by,
            pull: Step::zeros(),
            weight: Step::zeros(),
            factors,
            by_scale: -combined(&factors, &body[first..=at], |place| place.by_scale),
        };
        let information = inverse(config.rotation_acceleration);
        let (rho, robust) = cauchy(turn.norm_squared() * information, config.outlier);
        form.value += 0.5 * rho;
        form.turn_weight = information * robust;
        form.turn *= form.turn_weight;

        let wrist = combined(&factors, &postures[first..=at], |posture| posture.wrist)
            - combined(&factors, &body[first..=at], |place| place.place);
        let information = inverse(config.wrist_acceleration);
        let (rho, robust) = cauchy(wrist.norm_squared() * information, config.outlier);
        form.value += 0.5 * rho;
        for axis in 0..3 {
            form.weight[TRANSLATION + axis] = information * robust;
            form.pull[TRANSLATION + axis] = information * robust * wrist[axis];
        }
        let information = inverse(config.angle_acceleration);
        for i in 0..ANGLES {
            let change: f64 = factors.iter().zip(&postures[first..=at]).map(|(f, p)| f * p.angles[i]).sum();
            let (rho, robust) = cauchy(change * change * information, config.outlier);
            form.value += 0.5 * rho;
            form.weight[FIRST_ANGLE + i] = information * robust;
            form.pull[FIRST_ANGLE + i] = information * robust * change;
        }
        form
    }
}

/// Where the body that carries the hands is, in the world.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::refine) struct BodyPlace {
    pub place: Vector3<f64>,
    /// How it changes with the logarithm of the scale.
    pub by_scale: Vector3<f64>,
}

fn combined<T>(factors: &[f64], of: &[T], place: impl Fn(&T) -> Vector3<f64>) -> Vector3<f64> {
    factors.iter().zip(of).map(|(factor, of)| place(of) * *factor).sum()
}

impl LinkForm {
    /// What the link says of the scale: derivatives by it and each wrist for nodes from `first` on, gradient,
    /// and information.
    pub fn by_scale(&self) -> (usize, Vec<Vector3<f64>>, f64, f64) {
        let wrist = |of: &Step| of.fixed_rows::<3>(TRANSLATION).into_owned();
        let weighted = self.by_scale.component_mul(&wrist(&self.weight));
        let mixed = self.factors[..self.count].iter().map(|factor| weighted * *factor).collect();
        (self.first, mixed, self.by_scale.dot(&wrist(&self.pull)), self.by_scale.dot(&weighted))
    }

    /// Adds gradient and Gauss-Newton blocks.
    pub fn add(&self, system: &mut BlockBanded<UNKNOWNS, REACH>, gradient: &mut [Step]) {
        for i in 0..self.count {
            let left = self.turn_by[i].transpose();
            let mut pull = self.pull * self.factors[i];
            pull.fixed_rows_mut::<3>(0).copy_from(&(left * self.turn));
            gradient[self.first + i] += pull;
            for j in 0..=i {
                let factor = self.factors[i] * self.factors[j];
                let mut block = SMatrix::from_diagonal(&(self.weight * factor));
                let turn = left * self.turn_by[j] * self.turn_weight;
                block.fixed_view_mut::<3, 3>(0, 0).copy_from(&turn);
                system.add(self.first + i, self.first + j, &block);
            }
        }
    }
}

/// The rotation between two postures, with derivatives by left tangents of both.
struct Turn {
    angle: Vector3<f64>,
    by_later: Matrix3<f64>,
    /// Its negative is the derivative.
    by_earlier: Matrix3<f64>,
}

impl Turn {
    fn between(later: &Rotation3<f64>, earlier: &Rotation3<f64>) -> Self {
        let angle = axis_angle_from_matrix((later * earlier.inverse()).matrix());
        let by_later = inverse_left_jacobian(&angle);
        Self { angle, by_later, by_earlier: by_later.transpose() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refine::RefineConfig;

    const EPSILON: f64 = 1e-6;

    fn postures() -> Vec<Posture> {
        let base = Posture {
            rotation: Rotation3::new(Vector3::new(0.4, -1.2, 0.9)),
            wrist: Vector3::new(0.05, -0.08, 0.6),
            angles: [0.2; ANGLES],
        };
        (0..3)
            .map(|t| base.plus(&Step::from_fn(|i, _| ((t * 31 + i * 17) % 23) as f64 / 60.0 - 0.2)))
            .collect()
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_cost_for_first_and_later_links() {
        let config = RefineConfig::ours().motion;
        for link in [Link::new(0.03, Some(0.05)), Link::new(0.04, None)] {
            let postures = postures();
            let mut gradient = vec![Step::zeros(); 3];
            let mut system = BlockBanded::zeros(3);
            link.form(&postures, &[BodyPlace::default(); 3], 2, &config).add(&mut system, &mut gradient);
            let size = gradient.iter().map(|g| g.norm()).fold(0.0, f64::max);
            for (t, i) in (0..3).flat_map(|t| (0..UNKNOWNS).map(move |i| (t, i))) {
                let at = |sign: f64| {
                    let mut moved = postures.clone();
                    moved[t] = moved[t].plus(&(Step::ith(i, sign * EPSILON)));
                    link.form(&moved, &[BodyPlace::default(); 3], 2, &config).value
                };
                let slope = (at(1.0) - at(-1.0)) / (2.0 * EPSILON);
                assert!((slope - gradient[t][i]).abs() < 1e-6 * size, "{t} {i}: {slope} {}", gradient[t][i]);
            }
        }
    }
}
