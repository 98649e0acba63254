//! The table of measures that `handstream eval` and the benches print.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::{
    MatchedHand, MetricError, PointSets, acceleration_error, acceleration_norm_error,
    acceleration_norm_over_joints, aligned_per_frame, area_under_pck, f_score, fa_mpjpe, g_mpjpe, ga_mpjpe,
    jerk, mpjpe, mrrpe, pa_mpjpe, ra_mpjpe, root_depth_error, root_depth_error_percent, root_relative,
    root_trajectory_error, scaled_ra_mpjpe,
};

/// Largest error on the curve under which [`area_under_pck`] measures, mm.
const PCK_LIMIT_MM: f64 = 50.0;
/// Frames in a row that an acceleration takes.
const ACCELERATION_FRAMES: usize = 3;
/// Frames in a row that a jerk takes.
const JERK_FRAMES: usize = 4;

/// One line of the table: what is measured of a hand.
pub struct Measure {
    /// Name in JSON.
    pub key: &'static str,
    /// Name that papers print.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    of: fn(&MatchedHand) -> Result<f64, MetricError>,
}

impl Measure {
    /// The value for one hand.
    ///
    /// # Errors
    /// [`MetricError`] where there is too little to measure.
    pub fn of(&self, hand: &MatchedHand) -> Result<f64, MetricError> {
        (self.of)(hand)
    }
}

/// All measures of one hand, in the order of the table. Joints that either side does not know are left
/// out; accelerations and jerks take stretches without gap only.
pub const MEASURES: [Measure; 24] = [
    measure("mpjpe", "MPJPE", "mm", |hand| joints(hand, mpjpe)),
    measure("ra_mpjpe", "RA-MPJPE", "mm", |hand| rooted(hand, ra_mpjpe)),
    measure("scaled_ra_mpjpe", "RA-MPJPE scaled", "mm", |hand| rooted(hand, scaled_ra_mpjpe)),
    measure("pa_mpjpe", "PA-MPJPE", "mm", |hand| joints(hand, pa_mpjpe)),
    measure("g_mpjpe", "G-MPJPE", "mm", |hand| joints(hand, g_mpjpe)),
    measure("ga_mpjpe", "GA-MPJPE", "mm", |hand| joints(hand, ga_mpjpe)),
    measure("fa_mpjpe", "FA-MPJPE", "mm", |hand| joints(hand, fa_mpjpe)),
    measure("auc", "AUC 0-50 mm", "", |hand| {
        rooted(hand, |e, t| area_under_pck(&root_relative(e), &root_relative(t), PCK_LIMIT_MM))
    }),
    measure("root_depth", "root depth", "mm", |hand| rooted(hand, root_depth_error)),
    measure("root_depth_percent", "root depth", "%", |hand| rooted(hand, root_depth_error_percent)),
    measure("rte", "RTE", "%", |hand| {
        let (estimate, truth): (Vec<_>, Vec<_>) = hand.roots().map(|(_, e, t)| (e, t)).unzip();
        root_trajectory_error(&estimate, &truth)
    }),
    measure("acc", "ACC", "mm/f^2", acceleration),
    measure("acc_root", "ACC root-relative", "mm/f^2", |hand| acceleration(&hand.root_relative())),
    measure("acc_procrustes", "ACC Procrustes", "mm/f^2", |hand| acceleration(&hand.procrustes())),
    measure("acc_norm", "ACC-NORM per joint", "mm/f^2", |hand| {
        hand.mean_over_runs(ACCELERATION_FRAMES, acceleration_norm_error)
    }),
    measure("acc_norm_slahmr", "ACC-NORM SLAHMR", "mm/f^2", |hand| {
        hand.mean_over_whole_runs(ACCELERATION_FRAMES, acceleration_norm_over_joints)
    }),
    measure("jerk", "jerk", "10 m/s^3", |hand| {
        hand.mean_over_runs(JERK_FRAMES, |estimate, _| jerk(estimate, hand.fps()))
    }),
    measure("jerk_truth", "jerk of the truth", "10 m/s^3", |hand| {
        hand.mean_over_runs(JERK_FRAMES, |_, truth| jerk(truth, hand.fps()))
    }),
    measure("mpvpe", "MPVPE root-relative", "mm", |hand| {
        let (estimate, truth) = hand.rooted_vertices();
        mpjpe(&estimate, &truth)
    }),
    measure("pa_mpvpe", "PA-MPVPE", "mm", |hand| vertices(hand, pa_mpjpe)),
    measure("f5", "F@5 root-relative", "", |hand| rooted_vertices(hand, 5.0)),
    measure("f15", "F@15 root-relative", "", |hand| rooted_vertices(hand, 15.0)),
    measure("pa_f5", "F@5 Procrustes", "", |hand| aligned_vertices(hand, 5.0)),
    measure("pa_f15", "F@15 Procrustes", "", |hand| aligned_vertices(hand, 15.0)),
];

/// MRRPE of two hands over the frames that know the roots of both, mm, and how many these are.
///
/// # Errors
/// [`MetricError`] where no frame has both.
pub fn relative_root_error(left: &MatchedHand, right: &MatchedHand) -> Result<(f64, usize), MetricError> {
    let right: BTreeMap<u64, _> = right.roots().map(|(frame, e, t)| (frame, (e, t))).collect();
    let both = left.roots().filter_map(|(frame, e, t)| {
        let &(right_e, right_t) = right.get(&frame)?;
        Some(((e, right_e), (t, right_t)))
    });
    let (estimate, truth): (Vec<_>, Vec<_>) = both.unzip();
    let (left_e, right_e): (Vec<_>, Vec<_>) = estimate.into_iter().unzip();
    let (left_t, right_t): (Vec<_>, Vec<_>) = truth.into_iter().unzip();
    Ok((mrrpe((&left_e, &right_e), (&left_t, &right_t))?, left_e.len()))
}

type Compare = fn(&[Vec<Vector3<f64>>], &[Vec<Vector3<f64>>]) -> Result<f64, MetricError>;

const fn measure(
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    of: fn(&MatchedHand) -> Result<f64, MetricError>,
) -> Measure {
    Measure { key, name, unit, of }
}

fn on((estimate, truth): (PointSets, PointSets), compare: Compare) -> Result<f64, MetricError> {
    compare(&estimate, &truth)
}

fn joints(hand: &MatchedHand, compare: Compare) -> Result<f64, MetricError> {
    on(hand.points(), compare)
}

fn rooted(hand: &MatchedHand, compare: Compare) -> Result<f64, MetricError> {
    on(hand.rooted_points(), compare)
}

fn vertices(hand: &MatchedHand, compare: Compare) -> Result<f64, MetricError> {
    on(hand.vertices(), compare)
}

fn rooted_vertices(hand: &MatchedHand, limit_mm: f64) -> Result<f64, MetricError> {
    let (estimate, truth) = hand.rooted_vertices();
    f_score(&estimate, &truth, limit_mm)
}

fn aligned_vertices(hand: &MatchedHand, limit_mm: f64) -> Result<f64, MetricError> {
    let (estimate, truth) = hand.vertices();
    f_score(&aligned_per_frame(&estimate, &truth)?, &truth, limit_mm)
}

fn acceleration(hand: &MatchedHand) -> Result<f64, MetricError> {
    hand.mean_over_runs(ACCELERATION_FRAMES, |e, t| acceleration_error(e, t, None))
}
