//! A second opinion on a track that may have settled in the wrong valley of the cost.
//!
//! From time to time a frame is also fitted afresh from the landmarks; the track takes over the valley
//! so found where it suits the prediction as well. Where the fresh fit still explains the frame better
//! than the track does, doubt grows by the difference in cost (a log likelihood ratio, summed as
//! in Page's cumulative-sum test, 1954); enough doubt restarts the track at the fresh fit.

use super::config::DoubtConfig;

/// Accumulated evidence against a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    sum: f64,
    frames: usize,
}

impl Doubt {
    /// The number of the start to try when it is time for a second opinion on a frame that the track
    /// explains at `cost`.
    pub fn due(&self, cost: f64, config: &DoubtConfig) -> Option<usize> {
        if cost < config.suspicious && !self.frames.is_multiple_of(config.every_frames.max(1)) {
            return None;
        }
        // The first start is the best guess: every second question goes to it.
        let asked = self.frames / config.every_frames.max(1);
        Some(if asked.is_multiple_of(2) { 0 } else { asked / 2 + 1 })
    }

    /// Counts a frame.
    pub fn count(&mut self) {
        self.frames += 1;
    }

    /// Weighs the costs of the track's posture and of the fresh fit; true when the track should restart.
    pub fn weigh(&mut self, tracked: f64, fresh: f64, config: &DoubtConfig) -> bool {
        let allowed = config.allowance + config.relative_allowance * fresh;
        self.sum = (self.sum + tracked - fresh - allowed).max(0.0);
        self.sum > config.restart_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_better_fit_does_not_restart_a_track_but_several_do() {
        let config = DoubtConfig::default();
        let mut doubt = Doubt::default();
        assert!(!doubt.weigh(80.0, 40.0, &config));
        let restarted = (0..5).any(|_| doubt.weigh(80.0, 40.0, &config));
        assert!(restarted);
    }

    #[test]
    fn agreement_removes_doubt() {
        let config = DoubtConfig::default();
        let mut doubt = Doubt::default();
        for _ in 0..100 {
            assert!(!doubt.weigh(80.0, 40.0, &config));
            assert!(!doubt.weigh(40.0, 40.0, &config));
            assert!(!doubt.weigh(40.0, 40.0, &config));
        }
    }
}
