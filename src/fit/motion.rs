//! The track's belief of posture and velocity: an extended Kalman filter with constant velocity.
//!
//! State: posture `x` on SO(3) x R^3 x R^21 and its velocity `v`, with covariance blocks `P_xx`,
//! `P_xv`, `P_vv`. The prediction enters the fit as a Gaussian; the fit's optimum `x+` and the
//! observation's Gauss-Newton Hessian `H` close the loop (iterated EKF, Bell and Cathey 1993).

use nalgebra::{SMatrix, SVector, Vector3};

use super::activity::Activity;
use super::config::MotionConfig;
use super::parameters::{ANGLES, FIRST_ANGLE, Posture, Step, StepMatrix, TRANSLATION, UNKNOWNS};
use super::residuals::Prediction;

/// Unknown of the wrist's depth.
const DEPTH: usize = TRANSLATION + 2;
/// Variance that keeps covariances invertible, in units of each unknown.
const LEAST_VARIANCE: f64 = 1e-12;
/// Standard deviations of velocity at the start of a track: rotation rad/s, wrist m/s, angles rad/s.
const FIRST_VELOCITY_SIGMA: [f64; 3] = [5.0, 0.8, 8.0];
/// Standard deviations of a posture about which nothing is known: rotation rad, wrist m, angles rad.
const UNKNOWN_SIGMA: [f64; 3] = [2.0, 1.0, 1.0];

/// Information of two postures together.
pub(super) type PairMatrix = SMatrix<f64, { 2 * UNKNOWNS }, { 2 * UNKNOWNS }>;

/// A step of each of two postures.
pub(super) type PairStep = SVector<f64, { 2 * UNKNOWNS }>;

/// Posture and velocity of a track, with their uncertainty.
#[derive(Clone, Debug)]
pub(super) struct MotionFilter {
    pub posture: Posture,
    velocity: Step,
    position_covariance: StepMatrix,
    cross_covariance: StepMatrix,
    velocity_covariance: StepMatrix,
    activity: Activity,
}

impl MotionFilter {
    /// A track that starts at rest at `posture`, as sure of it as `information` says.
    pub fn start(posture: Posture, information: &StepMatrix) -> Self {
        let unknown = diagonal(UNKNOWN_SIGMA.map(|s| 1.0 / (s * s)));
        let covariance =
            invert(&(information + unknown)).unwrap_or_else(|| diagonal(UNKNOWN_SIGMA.map(|s| s * s)));
        Self {
            posture,
            velocity: Step::zeros(),
            position_covariance: covariance,
            cross_covariance: StepMatrix::zeros(),
            velocity_covariance: diagonal(FIRST_VELOCITY_SIGMA.map(|s| s * s)),
            activity: Activity::default(),
        }
    }

    /// The belief `dt` seconds later.
    pub fn predicted(&self, dt: f64, config: &MotionConfig, limits: &[[f64; 2]; ANGLES]) -> Self {
        let mut posture = self.posture.plus(&(self.velocity * dt));
        posture.clamp(limits);
        let keep = (-dt / config.velocity_memory_seconds).exp();
        let (p, c, v) = (&self.position_covariance, &self.cross_covariance, &self.velocity_covariance);
        let ray = posture.wrist.try_normalize(f64::EPSILON).unwrap_or_else(Vector3::z);
        let noise = acceleration_covariance(&ray, config, &self.activity);
        Self {
            posture,
            velocity: self.velocity * keep,
            position_covariance: p + (c + c.transpose()) * dt + v * (dt * dt) + noise * (dt.powi(4) / 4.0),
            cross_covariance: (c + v * dt) * keep + noise * (dt.powi(3) / 2.0),
            velocity_covariance: v * (keep * keep) + noise * (dt * dt),
            activity: self.activity.clone(),
        }
    }

    /// The same where something measured how much deeper the wrist went meanwhile: `change` metres along
    /// the camera's z with standard deviation `sigma`.
    ///
    /// A Kalman update of posture and velocity by the displacement `d = v dt + a dt^2 / 2`, whose
    /// covariances with both follow from the motion model.
    pub fn predicted_with_depth_change(
        &self,
        dt: f64,
        change: f64,
        sigma: f64,
        config: &MotionConfig,
        limits: &[[f64; 2]; ANGLES],
    ) -> Self {
        let mut predicted = self.predicted(dt, config, limits);
        let ray = predicted.posture.wrist.try_normalize(f64::EPSILON).unwrap_or_else(Vector3::z);
        let noise = acceleration_covariance(&ray, config, &self.activity).column(DEPTH).into_owned();
        let keep = (-dt / config.velocity_memory_seconds).exp();
        let (cross, own) =
            (self.cross_covariance.column(DEPTH), self.velocity_covariance.column(DEPTH).into_owned());
        let with_posture = cross * dt + own * (dt * dt) + noise * (dt.powi(4) / 4.0);
        let with_velocity = own * (dt * keep) + noise * (dt.powi(3) / 2.0);
        let variance = own[DEPTH] * (dt * dt) + noise[DEPTH] * (dt.powi(4) / 4.0) + sigma * sigma;
        let surprise = change - self.velocity[DEPTH] * dt;
        predicted.posture = predicted.posture.plus(&(with_posture * (surprise / variance)));
        predicted.posture.clamp(limits);
        predicted.velocity += with_velocity * (surprise / variance);
        predicted.position_covariance -= with_posture * with_posture.transpose() / variance;
        predicted.cross_covariance -= with_posture * with_velocity.transpose() / variance;
        predicted.velocity_covariance -= with_velocity * with_velocity.transpose() / variance;
        predicted
    }

    /// The belief as a prediction of the posture; `None` when the covariance has become singular.
    pub fn prediction(&self) -> Option<Prediction> {
        let information = invert(&self.position_covariance)?;
        Some(Prediction { posture: self.posture.clone(), information })
    }

    /// What this belief says of the present posture and of the one `dt` seconds later together: both
    /// means, and the inverse of their joint covariance.
    pub fn with_next(
        &self,
        dt: f64,
        config: &MotionConfig,
        limits: &[[f64; 2]; ANGLES],
    ) -> Option<(Posture, PairMatrix)> {
        let next = self.predicted(dt, config, limits);
        let across = self.position_covariance + self.cross_covariance * dt;
        let mut covariance = PairMatrix::zeros();
        covariance.fixed_view_mut::<UNKNOWNS, UNKNOWNS>(0, 0).copy_from(&self.position_covariance);
        covariance.fixed_view_mut::<UNKNOWNS, UNKNOWNS>(0, UNKNOWNS).copy_from(&across);
        covariance.fixed_view_mut::<UNKNOWNS, UNKNOWNS>(UNKNOWNS, 0).copy_from(&across.transpose());
        let corner = &next.position_covariance;
        covariance.fixed_view_mut::<UNKNOWNS, UNKNOWNS>(UNKNOWNS, UNKNOWNS).copy_from(corner);
        Some((next.posture, covariance.cholesky()?.inverse()))
    }

    /// Inverse covariance of the acceleration here, and the part of a velocity left after `dt` seconds.
    pub fn acceleration(&self, dt: f64, config: &MotionConfig) -> Option<(StepMatrix, f64)> {
        let ray = self.posture.wrist.try_normalize(f64::EPSILON).unwrap_or_else(Vector3::z);
        let information = invert(&acceleration_covariance(&ray, config, &self.activity))?;
        Some((information, (-dt / config.velocity_memory_seconds).exp()))
    }

    /// Takes in the fit's optimum; `observed` is the information that the frame itself added.
    pub fn correct(
        &mut self,
        posture: Posture,
        prediction: &Prediction,
        observed: &StepMatrix,
        dt: f64,
        config: &MotionConfig,
        limits: &[[f64; 2]; ANGLES],
    ) {
        let innovation = posture.minus(&prediction.posture);
        self.posture = posture;
        let Some(corrected) = invert(&(prediction.information + observed)) else { return };
        let gain = self.cross_covariance.transpose() * prediction.information;
        let reduction = self.position_covariance - corrected;
        self.activity.follow(&innovation, &reduction, dt, config);
        self.velocity += gain * innovation;
        self.velocity_covariance -= gain * reduction * gain.transpose();
        self.cross_covariance = corrected * gain.transpose();
        self.position_covariance = corrected;
        symmetrise(&mut self.velocity_covariance);
        symmetrise(&mut self.position_covariance);
        self.stop_at_limits(limits);
    }

    /// An angle at its limit does not move on.
    fn stop_at_limits(&mut self, limits: &[[f64; 2]; ANGLES]) {
        for (i, &[low, high]) in limits.iter().enumerate() {
            let (angle, rate) = (self.posture.angles[i], &mut self.velocity[FIRST_ANGLE + i]);
            if (angle <= low && *rate < 0.0) || (angle >= high && *rate > 0.0) {
                *rate = 0.0;
            }
        }
    }
}

/// Covariance of the acceleration: depth along the wrist's ray differs from the two lateral directions.
fn acceleration_covariance(ray: &Vector3<f64>, config: &MotionConfig, activity: &Activity) -> StepMatrix {
    let lateral = config.lateral_acceleration.powi(2);
    let depth = config.depth_acceleration.powi(2);
    let mut covariance =
        diagonal([config.rotation_acceleration.powi(2), lateral, config.angle_acceleration.powi(2)]);
    let mut wrist = covariance.fixed_view_mut::<3, 3>(TRANSLATION, TRANSLATION);
    wrist += ray * ray.transpose() * (depth - lateral);
    // Each part's block has one factor, so scaling rows scales the blocks.
    for (mut row, &factor) in covariance.row_iter_mut().zip(&activity.factors()) {
        row *= factor;
    }
    covariance
}

/// A diagonal with one value each for rotation, wrist and angles.
fn diagonal([rotation, wrist, angle]: [f64; 3]) -> StepMatrix {
    StepMatrix::from_diagonal(&Step::from_fn(|i, _| match i {
        0..TRANSLATION => rotation,
        TRANSLATION..FIRST_ANGLE => wrist,
        _ => angle,
    }))
}

fn symmetrise(matrix: &mut StepMatrix) {
    *matrix = (*matrix + matrix.transpose()) * 0.5;
    for i in 0..matrix.nrows() {
        matrix[(i, i)] += LEAST_VARIANCE;
    }
}

fn invert(matrix: &StepMatrix) -> Option<StepMatrix> {
    Some(matrix.cholesky()?.inverse())
}
