//! The One-Euro filter (Casiez et al. 2012), the usual remedy for shaking hands: a peer, not a part.

use super::recording::{Estimate, Joints};

/// Cutoff of a joint at rest, Hz.
const LEAST_CUTOFF: f64 = 1.0;
/// Hz that the cutoff rises with each m/s of the joint.
const SPEED_COEFFICIENT: f64 = 2.0;
/// Cutoff of the speed itself, Hz.
const SPEED_CUTOFF: f64 = 1.0;

/// Filters every joint of a causal sequence; a gap or another track starts afresh.
pub fn one_euro(estimates: &[Option<Estimate>], fps: f64) -> Vec<Option<Estimate>> {
    let mut state: Option<(Estimate, State)> = None;
    let frames = estimates.iter().map(|estimate| {
        let estimate = estimate.as_ref()?;
        let fresh = || State { raw: estimate.joints, speed: [nalgebra::Vector3::zeros(); 21] };
        let (joints, next) = match state.take().filter(|(before, _)| before.track == estimate.track) {
            Some((before, state)) => state.step(&before.joints, &estimate.joints, fps),
            None => (estimate.joints, fresh()),
        };
        let filtered = Estimate { joints, ..*estimate };
        state = Some((filtered, next));
        Some(filtered)
    });
    frames.collect()
}

struct State {
    raw: Joints,
    speed: Joints,
}

impl State {
    fn step(mut self, filtered: &Joints, raw: &Joints, fps: f64) -> (Joints, Self) {
        let share = |cutoff: f64| 1.0 / (1.0 + fps / (std::f64::consts::TAU * cutoff));
        let mut joints = *raw;
        for (k, joint) in joints.iter_mut().enumerate() {
            let speed = (raw[k] - self.raw[k]) * fps;
            self.speed[k] += (speed - self.speed[k]) * share(SPEED_CUTOFF);
            let newer = share(LEAST_CUTOFF + SPEED_COEFFICIENT * self.speed[k].norm());
            *joint = filtered[k] + (raw[k] - filtered[k]) * newer;
        }
        self.raw = *raw;
        (joints, self)
    }
}
