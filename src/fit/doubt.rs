//! A second opinion on a track that may have settled in the wrong valley of the cost.
//!
//! From time to time a frame is also fitted afresh from the landmarks. Where that explains the frame
//! better than the track does, doubt grows by the difference in cost (a log likelihood ratio, summed as
//! in Page's cumulative-sum test, 1954); enough doubt restarts the track at the fresh fit.

use super::config::DoubtConfig;

/// Accumulated evidence against a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    sum: f64,
    frames: usize,
    asked: usize,
}

impl Doubt {
    /// Counts a frame that the track explains at `cost`; returns the number of the start to try when it
    /// is time for a second opinion.
    pub fn ask(&mut self, cost: f64, config: &DoubtConfig) -> Option<usize> {
        self.frames += 1;
        if cost < config.suspicious && !self.frames.is_multiple_of(config.every_frames.max(1)) {
            return None;
        }
        self.asked += 1;
        // The first start is the best guess: every second question goes to it.
        Some(if self.asked % 2 == 1 { 0 } else { self.asked / 2 })
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
