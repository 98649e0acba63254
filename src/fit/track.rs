//! One hand's track: observation in, posed hand in metres out.

use std::sync::Arc;

use nalgebra::Vector3;

use super::belief::{BelievedPosture, PoseBelief};
use super::config::FitConfig;
use super::doubt::Doubt;
use super::kinematics::{Bones, Chain};
use super::lag::{Kept, LagWindow};
use super::motion::MotionFilter;
use super::observation::{Evidence, HandObservation};
use super::parameters::Posture;
use super::residuals::{Prediction, Problem, Weights};
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
    /// The points of the posed hand that the 2D tracker sees, metres: not quite the joints.
    pub keypoints_camera: [CameraPoint; KEYPOINTS],
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
    lag: LagWindow,
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
            lag: LagWindow::default(),
            last: None,
        }
    }

    /// Takes in the hand's observation of the frame captured at `t`, and what a network says of it.
    ///
    /// An observation that cannot be a hand (not finite, all points in one place, nothing a hand can be
    /// bent into) leaves the track as it was and returns its prediction.
    pub fn update(
        &mut self,
        observation: &HandObservation,
        belief: Option<&PoseBelief>,
        t: Timestamp,
    ) -> FittedHand {
        let dt = self.last.map(|last| t.since(last).as_secs_f64().max(SHORTEST_STEP));
        let seen = self.evidence(observation, belief).and_then(|evidence| self.see(evidence, dt, t));
        match seen {
            Some((posture, reprojection)) => {
                self.last = Some(t);
                self.fitted(&posture, reprojection as f32, true)
            }
            None => self.fitted(&self.coast(dt), f32::INFINITY, false),
        }
    }

    /// Brings the shapes of a person's two hands together: a hand's size cannot be seen well, but both are alike, and
    /// two hands of different size would be at different distances. To be called before the next frame of either.
    pub fn agree_on_shape(&mut self, other: &mut Self) {
        if self.shape.agree(&mut other.shape, &self.chain, &self.config.shape) {
            for fitter in [self, other] {
                fitter.bones = fitter.chain.bones(&fitter.shape.betas);
            }
        }
    }

    /// The frames before the newest as they look now, oldest first: each was published when it was the
    /// newest, and what came after corrects it. Empty without [`FitConfig::lag_frames`].
    pub fn corrected(&self) -> Vec<(Timestamp, FittedHand)> {
        let frames: Vec<_> = self.lag.frames().collect();
        let before = frames.split_last().map_or(&[] as &[_], |(_, before)| before);
        let corrected = before.iter().map(|frame| {
            let alone = self.problem(&frame.evidence, None, Weights::ALONE);
            let reprojection = alone.reprojection_px(&frame.posture);
            (frame.time, self.fitted(&frame.posture, reprojection as f32, true))
        });
        corrected.collect()
    }

    /// The frame's observation and belief as the fit takes them.
    fn evidence(&self, observation: &HandObservation, belief: Option<&PoseBelief>) -> Option<Evidence> {
        let config = &self.config;
        let mut evidence = Evidence::new(observation, &self.camera, self.side, &config.observation)?;
        let anatomy = &self.model.skeleton().anatomy;
        evidence.belief = belief
            .and_then(|belief| BelievedPosture::new(belief, anatomy, &self.chain.limits, &config.belief));
        Some(evidence)
    }

    /// Fits a frame `dt` seconds after the last; posture and reprojection error in pixels.
    fn see(&mut self, evidence: Evidence, dt: Option<f64>, t: Timestamp) -> Option<(Posture, f64)> {
        let evidence = &evidence;
        let dt = dt.filter(|&dt| dt <= self.config.motion.longest_gap_seconds);
        let predicted = match (&self.filter, dt) {
            (Some(filter), Some(dt)) => Some(self.predict(filter, evidence, dt)),
            _ => None,
        };
        let dt = dt.unwrap_or(FIRST_STEP);
        let posture = match predicted.and_then(|filter| filter.prediction().map(|p| (filter, p))) {
            Some((filter, prediction)) => self.follow(evidence, filter, &prediction, dt)?,
            None => self.begin(evidence)?,
        };
        let alone = self.problem(evidence, None, Weights::ALONE);
        let normal = alone.observe_shape(&posture);
        let hessian = alone.linearise(&posture).hessian;
        self.shape.learn(&self.chain, &normal, &hessian, dt, &self.config.shape);
        self.bones = self.chain.bones(&self.shape.betas);
        let reprojection = self.problem(evidence, None, Weights::ALONE).reprojection_px(&posture);
        let smoothed = self.look_back(evidence, &posture, dt, t);
        Some((smoothed.unwrap_or(posture), reprojection))
    }

    /// Fits the newest frames again together with the present one, found at `posture`.
    fn look_back(
        &mut self,
        evidence: &Evidence,
        posture: &Posture,
        dt: f64,
        t: Timestamp,
    ) -> Option<Posture> {
        let lag = self.config.lag_frames;
        if lag == 0 {
            return None;
        }
        let filter = self.filter.clone()?;
        let kept = Kept { time: t, dt, evidence: evidence.clone(), filter, posture: posture.clone() };
        self.lag.push(kept, lag);
        self.lag.smooth(&self.chain, &self.bones, &self.config)
    }

    /// What the frames before and the network say of the motion up to this frame.
    fn predict(&self, filter: &MotionFilter, evidence: &Evidence, dt: f64) -> MotionFilter {
        let (motion, limits) = (&self.config.motion, &self.chain.limits);
        let change = evidence.belief.as_ref().and_then(|belief| belief.depth_change);
        match change {
            Some(change) => {
                let sigma = self.config.belief.depth_change_sigma;
                filter.predicted_with_depth_change(dt, change, sigma, motion, limits)
            }
            None => filter.predicted(dt, motion, limits),
        }
    }

    /// Fits a frame that stands alone and begins the track there.
    fn begin(&mut self, evidence: &Evidence) -> Option<Posture> {
        let best = self.fit_alone(evidence)?;
        self.restart(evidence, best.posture.clone());
        Some(best.posture)
    }

    /// Fits a frame that continues the track, whose motion was predicted as `filter`.
    fn follow(
        &mut self,
        evidence: &Evidence,
        mut filter: MotionFilter,
        prediction: &Prediction,
        dt: f64,
    ) -> Option<Posture> {
        let weights = Weights::lasting(dt, &self.config);
        let from = |start: &Posture| {
            let problem = self.problem(evidence, Some(prediction), weights);
            minimise(&problem, start.clone(), self.config.tracking_iterations)
        };
        let mut followed = from(&prediction.posture);
        let mut cost = self.problem(evidence, None, Weights::ALONE).cost(&followed.posture);
        if self.config.doubt.is_absurd(cost) {
            return self.begin(evidence);
        }
        let asked =
            self.doubt.due(cost, &self.config.doubt).and_then(|start| self.fresh_fit(evidence, start));
        if let Some(fresh) = asked {
            // The fresh fit may show a better valley of the same problem.
            let other = from(&fresh.posture);
            if other.cost < followed.cost {
                cost = self.problem(evidence, None, Weights::ALONE).cost(&other.posture);
                followed = other;
            }
            if self.doubt.weigh(cost, fresh.cost, &self.config.doubt) {
                self.restart(evidence, fresh.posture.clone());
                return Some(fresh.posture);
            }
        }
        self.doubt.count();
        let observed = self.problem(evidence, None, weights).linearise(&followed.posture).hessian;
        let (motion, limits) = (&self.config.motion, &self.chain.limits);
        filter.correct(followed.posture.clone(), prediction, &observed, dt, motion, limits);
        self.filter = Some(filter);
        Some(followed.posture)
    }

    /// Forgets the motion so far and continues from `posture`, which fits this frame.
    fn restart(&mut self, evidence: &Evidence, posture: Posture) {
        let information = self.problem(evidence, None, Weights::ALONE).linearise(&posture).hessian;
        self.filter = Some(MotionFilter::start(posture, &information));
        self.lag.clear();
        self.doubt = Doubt::default();
        self.doubt.count();
    }

    /// The best fit of one frame from all starts; `None` where even that is no hand.
    fn fit_alone(&self, evidence: &Evidence) -> Option<Solution> {
        let problem = self.problem(evidence, None, Weights::ALONE);
        candidates(&self.chain, &self.bones, evidence)
            .into_iter()
            .map(|start| minimise(&problem, start, self.config.start_iterations))
            .min_by(|a, b| a.cost.total_cmp(&b.cost))
            .filter(|best| !self.config.doubt.is_absurd(best.cost))
    }

    /// A quick fit of one frame from one of the starts.
    fn fresh_fit(&self, evidence: &Evidence, start: usize) -> Option<Solution> {
        let starts = candidates(&self.chain, &self.bones, evidence);
        let start = starts.get(start % starts.len().max(1))?.clone();
        Some(minimise(&self.problem(evidence, None, Weights::ALONE), start, self.config.doubt.iterations))
    }

    /// The posture `dt` seconds after the last frame, as far as motion can be trusted that long.
    fn coast(&self, dt: Option<f64>) -> Posture {
        let motion = &self.config.motion;
        let dt = dt.unwrap_or(FIRST_STEP).min(motion.velocity_memory_seconds);
        match &self.filter {
            Some(filter) => filter.predicted(dt, motion, &self.chain.limits).posture,
            None => anywhere(&self.chain),
        }
    }

    fn problem<'a>(
        &'a self,
        evidence: &'a Evidence,
        prediction: Option<&'a Prediction>,
        weights: Weights,
    ) -> Problem<'a> {
        Problem::new(&self.chain, &self.bones, evidence, &self.config, weights, prediction)
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
        let place = |point: Vector3<f64>| {
            let point: Vector3<f32> = (posture.wrist + point).cast();
            CameraPoint(if self.side == Side::Left { mirror_point(point) } else { point })
        };
        FittedHand {
            pose: if self.side == Side::Left { mirror_pose(&pose) } else { pose },
            joints_camera: bent.joints.map(place),
            keypoints_camera: bent.keypoints.map(place),
            reprojection_px,
            observed,
        }
    }
}
