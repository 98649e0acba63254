//! One hand's track: observation in, posed hand in metres out.

use std::sync::Arc;

use nalgebra::Vector3;

use super::config::FitConfig;
use super::doubt::Doubt;
use super::kinematics::{Bones, Chain};
use super::motion::MotionFilter;
use super::observation::{Evidence, HandObservation, total_length};
use super::parameters::Posture;
use super::residuals::{Prediction, Problem};
use super::shape::ShapeLearner;
use super::solver::{Solution, minimise};
use super::start::{anywhere, candidates};
use crate::event::{HandPose, KEYPOINTS, Side};
use crate::frame::Timestamp;
use crate::geometry::{CameraModel, CameraPoint};
use crate::hand::HandModel;
use crate::hand::mirror::{mirror_point, mirror_pose};

/// Shortest time between two frames, seconds; a clock that stands still counts as this.
const SHORTEST_STEP: f64 = 1e-3;
/// Time a first frame counts for, seconds.
const FIRST_STEP: f64 = 1.0 / 30.0;

/// A posed hand in metres.
#[derive(Clone, Debug)]
pub struct FittedHand {
    /// Parameters of the hand model, camera space.
    pub pose: HandPose,
    /// The model's joints for `pose`, `openpose21`, metres.
    pub joints_camera: [CameraPoint; KEYPOINTS],
    /// Mean distance of the key points from their projections, pixels; infinite where the
    /// observation could not be used.
    pub reprojection_px: f32,
    /// False where the observation could not be used and the pose is only predicted.
    pub observed: bool,
}

/// Fits one hand over time. Causal: a frame's result depends on it and on earlier frames only.
#[derive(Clone)]
pub struct TrackFitter {
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    side: Side,
    config: FitConfig,
    chain: Chain,
    bones: Bones,
    shape: ShapeLearner,
    filter: Option<MotionFilter>,
    doubt: Doubt,
    last: Option<Timestamp>,
}

impl TrackFitter {
    /// A new track of the `side` hand seen by `camera`.
    pub fn new(model: Arc<HandModel>, camera: Arc<CameraModel>, side: Side, config: FitConfig) -> Self {
        let chain = Chain::new(model.skeleton());
        let shape = ShapeLearner::new(&chain, &config.shape);
        let bones = chain.bones(&shape.betas);
        Self {
            model,
            camera,
            side,
            config,
            chain,
            bones,
            shape,
            filter: None,
            doubt: Doubt::default(),
            last: None,
        }
    }

    /// Takes in the hand's observation of the frame captured at `t`.
    ///
    /// An observation that cannot be a hand (not finite, all points in one place) leaves the track as
    /// it was and returns its prediction.
    pub fn update(&mut self, observation: &HandObservation, t: Timestamp) -> FittedHand {
        let dt = self.last.map(|last| t.since(last).as_secs_f64().max(SHORTEST_STEP));
        if dt.is_some_and(|dt| dt > self.config.motion.longest_gap_seconds) {
            self.filter = None;
        }
        let evidence = Evidence::new(observation, &self.camera, self.side, &self.config.observation);
        let Some(evidence) = evidence else { return self.coast(dt.unwrap_or(FIRST_STEP)) };
        self.last = Some(t);
        let dt = dt.unwrap_or(FIRST_STEP).min(self.config.motion.longest_gap_seconds);

        let prediction = match &mut self.filter {
            Some(filter) => filter.predict(dt, &self.config.motion, &self.chain.limits),
            None => None,
        };
        let posture = match prediction {
            Some(prediction) => self.follow(&evidence, &prediction, dt),
            None => self.begin(&evidence),
        };
        self.learn_shape(&evidence, &posture, dt);
        let reprojection = self.problem(&evidence, None, 1.0).reprojection_px(&posture);
        self.fitted(&posture, reprojection as f32, true)
    }

    /// Fits a frame that stands alone, from several starts, and begins the track there.
    fn begin(&mut self, evidence: &Evidence) -> Posture {
        let best = self.fit_alone(evidence);
        self.restart(evidence, best.posture.clone());
        best.posture
    }

    /// Forgets the motion so far and continues from `posture`, which fits this frame.
    fn restart(&mut self, evidence: &Evidence, posture: Posture) {
        let information = self.problem(evidence, None, 1.0).linearise(&posture).hessian;
        self.filter = Some(MotionFilter::start(posture, &information));
        self.doubt = Doubt::default();
    }

    /// Compares the track with a fresh fit now and then; the fresh posture when it should take over.
    fn second_opinion(&mut self, evidence: &Evidence, tracked: &Posture) -> Option<Posture> {
        let asked = self.doubt.ask(&self.config.doubt)?;
        let problem = self.problem(evidence, None, 1.0);
        let mut starts = candidates(&self.chain, &self.bones, evidence);
        let start = starts.swap_remove(asked % starts.len());
        let fresh = minimise(&problem, start, self.config.doubt.iterations);
        let tracked = problem.cost(tracked);
        self.doubt.weigh(tracked, fresh.cost, &self.config.doubt).then_some(fresh.posture)
    }

    /// The best fit of one frame from all starts.
    fn fit_alone(&self, evidence: &Evidence) -> Solution {
        let problem = self.problem(evidence, None, 1.0);
        candidates(&self.chain, &self.bones, evidence)
            .into_iter()
            .map(|start| minimise(&problem, start, self.config.start_iterations))
            .min_by(|a, b| a.cost.total_cmp(&b.cost))
            .unwrap_or_else(|| Solution { posture: anywhere(&self.chain), cost: f64::INFINITY })
    }

    /// Fits a frame that continues the track.
    fn follow(&mut self, evidence: &Evidence, prediction: &Prediction, dt: f64) -> Posture {
        let weight = (dt / self.config.anatomy.memory_seconds).min(1.0);
        let problem = self.problem(evidence, Some(prediction), weight);
        let solution = minimise(&problem, prediction.posture.clone(), self.config.tracking_iterations);
        let alone = Problem { prediction: None, ..problem };
        let observed = alone.linearise(&solution.posture).hessian;
        if let Some(filter) = &mut self.filter {
            filter.correct(solution.posture.clone(), prediction, &observed, &self.chain.limits);
        }
        match self.second_opinion(evidence, &solution.posture) {
            Some(fresh) => {
                self.restart(evidence, fresh.clone());
                fresh
            }
            None => solution.posture,
        }
    }

    fn learn_shape(&mut self, evidence: &Evidence, posture: &Posture, dt: f64) {
        let problem = self.problem(evidence, None, 1.0);
        let normal = problem.observe_shape(posture);
        let hessian = problem.linearise(posture).hessian;
        self.shape.learn(&self.chain, &normal, &hessian, dt, &self.config.shape);
        self.bones = self.chain.bones(&self.shape.betas);
    }

    /// The prediction `dt` seconds after the last frame, without moving the track on.
    fn coast(&self, dt: f64) -> FittedHand {
        let posture = match self.filter.clone() {
            Some(mut filter) => {
                filter.predict(dt, &self.config.motion, &self.chain.limits);
                filter.posture
            }
            None => anywhere(&self.chain),
        };
        self.fitted(&posture, f32::INFINITY, false)
    }

    fn problem<'a>(
        &'a self,
        evidence: &'a Evidence,
        prediction: Option<&'a Prediction>,
        anatomy_weight: f64,
    ) -> Problem<'a> {
        Problem {
            chain: &self.chain,
            bones: &self.bones,
            evidence,
            config: &self.config,
            anatomy_weight,
            landmark_scale: evidence
                .landmarks
                .as_ref()
                .map_or(1.0, |l| self.bones.total_length() / total_length(l)),
            prediction,
        }
    }

    /// The posture as it leaves the fit: model parameters and joints, on the track's side.
    fn fitted(&self, posture: &Posture, reprojection_px: f32, observed: bool) -> FittedHand {
        let bent = self.chain.bend(&self.bones, posture);
        let betas = self.shape.betas;
        let pose = HandPose {
            global_orient: posture.rotation.scaled_axis().cast(),
            hand_pose: self.model.skeleton().anatomy.hand_pose(&posture.angles),
            betas: std::array::from_fn(|i| betas[i] as f32),
            translation: (posture.wrist - self.chain.rest_wrist(&betas)).cast(),
        };
        let joints = bent.joints.map(|joint| -> Vector3<f32> { (posture.wrist + joint).cast() });
        match self.side {
            Side::Right => {
                FittedHand { pose, joints_camera: joints.map(CameraPoint), reprojection_px, observed }
            }
            Side::Left => FittedHand {
                pose: mirror_pose(&pose),
                joints_camera: joints.map(|joint| CameraPoint(mirror_point(joint))),
                reprojection_px,
                observed,
            },
        }
    }
}
