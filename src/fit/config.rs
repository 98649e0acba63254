//! Every number of the fit that is a choice, with its default and where that comes from.

/// How far the 2D tracker is believed.
#[derive(Clone, Debug)]
pub struct ObservationConfig {
    /// Standard deviation of a key point's coordinates, in units of the diagonal of the key points' box.
    pub keypoint_sigma: f64,
    /// Least standard deviation of a key point's coordinates, pixels.
    pub min_keypoint_sigma_px: f64,
    /// Residual, in standard deviations, beyond which a key point counts as an outlier (Cauchy).
    pub keypoint_outlier: f64,
    /// Standard deviation of a landmark bone across the line of sight, metres.
    pub landmark_sigma_lateral: f64,
    /// Standard deviation of a landmark bone along the line of sight, metres.
    pub landmark_sigma_depth: f64,
    /// Residual, in standard deviations, beyond which a landmark bone counts as an outlier (Cauchy).
    pub landmark_outlier: f64,
}

impl Default for ObservationConfig {
    fn default() -> Self {
        Self {
            keypoint_sigma: 0.017,
            min_keypoint_sigma_px: 1.0,
            keypoint_outlier: 3.0,
            landmark_sigma_lateral: 0.1,
            landmark_sigma_depth: 0.05,
            landmark_outlier: 2.0,
        }
    }
}

/// How hands are usually bent.
#[derive(Clone, Debug)]
pub struct AnatomyPrior {
    /// Standard deviation of a flexion about its mean over recorded hand poses, radians.
    pub flexion_sigma: f64,
    /// Standard deviation of an abduction or twist about its mean, radians.
    pub abduction_sigma: f64,
    /// Standard deviation of a last joint about half of the joint before, radians.
    pub coupling_sigma: f64,
    /// Seconds after which the prior counts once more: what it says of successive frames is one
    /// statement, not many.
    pub memory_seconds: f64,
}

impl Default for AnatomyPrior {
    fn default() -> Self {
        Self { flexion_sigma: 0.6, abduction_sigma: 0.2, coupling_sigma: 0.25, memory_seconds: 0.3 }
    }
}

/// How far a network's belief of the posture is trusted, in standard deviations.
#[derive(Clone, Debug)]
pub struct BeliefConfig {
    /// Of the wrist's rotation, radians.
    pub rotation_sigma: f64,
    /// Of a flexion, radians.
    pub flexion_sigma: f64,
    /// Of an abduction or twist, radians.
    pub abduction_sigma: f64,
    /// Of the wrist's depth along the ray, in parts of it.
    pub relative_depth_sigma: f64,
    /// Of the change of depth between two frames, metres.
    pub depth_change_sigma: f64,
    /// Disagreement, in standard deviations, beyond which a belief counts as an outlier (Cauchy).
    pub outlier: f64,
    /// Seconds after which the belief counts once more: its errors in successive frames are alike.
    pub memory_seconds: f64,
}

impl Default for BeliefConfig {
    fn default() -> Self {
        Self {
            rotation_sigma: 0.1,
            flexion_sigma: 0.25,
            abduction_sigma: 0.1,
            relative_depth_sigma: 0.1,
            depth_change_sigma: 0.015,
            outlier: 4.0,
            memory_seconds: 0.05,
        }
    }
}

/// How hands move: white accelerations, standard deviations.
#[derive(Clone, Debug)]
pub struct MotionConfig {
    /// Of the wrist across the line of sight, m/s^2.
    pub lateral_acceleration: f64,
    /// Of the wrist along the line of sight, m/s^2.
    pub depth_acceleration: f64,
    /// Of the wrist's rotation, rad/s^2.
    pub rotation_acceleration: f64,
    /// Of the finger angles, rad/s^2.
    pub angle_acceleration: f64,
    /// Time in which a velocity that nothing confirms dies away, seconds.
    pub velocity_memory_seconds: f64,
    /// Time in which the accelerations above adapt to how lively a part of the hand is, seconds.
    pub activity_seconds: f64,
    /// Least and greatest factor of that adaptation on their variances.
    pub activity_range: [f64; 2],
    /// Gap in the observations after which the track starts afresh, seconds.
    pub longest_gap_seconds: f64,
}

impl Default for MotionConfig {
    fn default() -> Self {
        Self {
            lateral_acceleration: 6.0,
            depth_acceleration: 3.0,
            rotation_acceleration: 40.0,
            angle_acceleration: 50.0,
            velocity_memory_seconds: 0.3,
            activity_seconds: 0.3,
            activity_range: [0.05, 16.0],
            longest_gap_seconds: 0.5,
        }
    }
}

/// How shape and size are learned.
#[derive(Clone, Debug)]
pub struct ShapeConfig {
    /// Length from the wrist to the tip of the straight middle finger where the user knows it,
    /// millimetres. One camera cannot see size: unless told, hands stay near the population's mean.
    pub hand_length_mm: Option<f64>,
    /// Standard deviation of the length about the population's mean that the track may learn,
    /// millimetres.
    pub length_sigma_mm: f64,
    /// Standard deviation of a told length, millimetres.
    pub told_length_sigma_mm: f64,
    /// Seconds of observation that count as one independent look at the shape.
    pub independence_seconds: f64,
    /// Seconds of observation after which the shape stays as it is.
    pub learning_seconds: f64,
    /// Greatest magnitude of a shape coefficient.
    pub limit: f64,
    /// Whether a person's two hands have one shape.
    pub shared: bool,
}

impl Default for ShapeConfig {
    fn default() -> Self {
        Self {
            hand_length_mm: None,
            length_sigma_mm: 4.0,
            told_length_sigma_mm: 1.0,
            independence_seconds: 0.5,
            learning_seconds: 1.0,
            limit: 3.0,
            shared: true,
        }
    }
}

/// When a track is compared with a fresh fit, and when it gives way to it. Costs are half sums of
/// squared standard deviations.
#[derive(Clone, Debug)]
pub struct DoubtConfig {
    /// Frames between two second opinions.
    pub every_frames: usize,
    /// Most steps of the solver for a second opinion.
    pub iterations: usize,
    /// Cost by which a track may lag behind a fresh fit: the price of its smoothness.
    pub allowance: f64,
    /// The same in parts of the fresh fit's cost.
    pub relative_allowance: f64,
    /// Summed excess of cost at which the track restarts.
    pub restart_at: f64,
    /// Cost at which a second opinion is asked at once.
    pub suspicious: f64,
    /// Cost beyond which a frame shows no hand, whatever the posture.
    pub absurd: f64,
}

impl DoubtConfig {
    /// True where no hand explains a frame of this cost.
    pub(super) fn is_absurd(&self, cost: f64) -> bool {
        cost.is_nan() || cost > self.absurd
    }
}

impl Default for DoubtConfig {
    fn default() -> Self {
        Self {
            every_frames: 3,
            iterations: 15,
            allowance: 8.0,
            relative_allowance: 0.25,
            restart_at: 45.0,
            suspicious: 70.0,
            absurd: 200.0,
        }
    }
}

/// Everything the fit can be told.
#[derive(Clone, Debug)]
pub struct FitConfig {
    /// Trust in the 2D tracker.
    pub observation: ObservationConfig,
    /// Usual bends.
    pub anatomy: AnatomyPrior,
    /// Trust in a network.
    pub belief: BeliefConfig,
    /// Usual motion.
    pub motion: MotionConfig,
    /// Shape and size.
    pub shape: ShapeConfig,
    /// Second opinions.
    pub doubt: DoubtConfig,
    /// Most steps of the solver on a frame that continues a track.
    pub tracking_iterations: usize,
    /// Frames before the newest that are fitted again together with it, so that
    /// [`super::TrackFitter::corrected`] has them; 0 leaves the filter alone. The newest frame itself gains
    /// a per cent or two at four times the cost.
    pub lag_frames: usize,
    /// Most steps of the solver over those frames.
    pub lag_iterations: usize,
    /// Most steps of the solver for each start of a new track.
    pub start_iterations: usize,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            observation: ObservationConfig::default(),
            anatomy: AnatomyPrior::default(),
            belief: BeliefConfig::default(),
            motion: MotionConfig::default(),
            shape: ShapeConfig::default(),
            doubt: DoubtConfig::default(),
            tracking_iterations: 15,
            lag_frames: 0,
            lag_iterations: 2,
            start_iterations: 40,
        }
    }
}
