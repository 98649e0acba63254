//! Crops that follow a hand steadily, frame by frame.
//!
//! HaPTIC smooths the boxes of a whole video before it looks at a frame: it leaves the centres where they are
//! (within 1.3 pixels on our clips, an optimiser of 1000 steps of a thousandth goes no farther) and makes the
//! sizes almost straight lines in time. A live system needs a causal stand-in: a Kalman filter with constant
//! velocity, quick on the centre and slow on the logarithm of the side. `bench/boxes.rs` compares both.

use nalgebra::Vector2;

use super::crop::Square;
use crate::frame::{PictureSize, Timestamp};

/// How steadily crops follow. Lengths are in sides of the crop, which is two to three times as large as the
/// hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SteadyConfig {
    /// Standard deviation of a seen centre. Default 0.0067: 2 % of a hand in HaPTIC's crop.
    pub centre_noise: f64,
    /// Standard deviation of a centre's acceleration, per second squared. Default 3.3. With the noise above
    /// the centre lags 0.15-0.25 frames at 30 frames/s and shakes less than the released one.
    pub centre_acceleration: f64,
    /// Standard deviation of a seen side's logarithm. Default 0.03.
    pub size_noise: f64,
    /// Standard deviation of the acceleration of the side's logarithm, per second squared. Default 2: it lags
    /// 0.8-1 frame, shakes a third as much as the seen one, and is as near to the released one as any.
    pub size_acceleration: f64,
    /// A centre that is farther than this from where it was expected begins a new path. Default 0.5.
    pub jump: f64,
    /// Time without the hand after which its path begins anew, seconds. Default 0.5.
    pub longest_gap_seconds: f64,
}

impl Default for SteadyConfig {
    fn default() -> Self {
        Self {
            centre_noise: 0.0067,
            centre_acceleration: 3.3,
            size_noise: 0.03,
            size_acceleration: 2.0,
            jump: 0.5,
            longest_gap_seconds: 0.5,
        }
    }
}

/// Speed that a path may begin with, standard deviation, sides (or logarithm of the side) per second.
const FIRST_SPEED: f64 = 1.0;

/// The crop of one hand over time.
#[derive(Clone, Debug, Default)]
pub struct SteadySquare {
    path: Option<Path>,
}

#[derive(Clone, Debug)]
struct Path {
    last: Timestamp,
    /// Pixels.
    centre: Vector2<f64>,
    /// Pixels per second.
    velocity: Vector2<f64>,
    log_side: f64,
    growth: f64,
    /// Doubt of the centre in sides, and of the side's logarithm.
    centre_doubt: Doubt,
    size_doubt: Doubt,
}

impl SteadySquare {
    /// Takes in the square that was seen at `timestamp` in a frame of `size` and returns the one to crop.
    pub fn update(
        &mut self,
        seen: Square,
        timestamp: Timestamp,
        size: PictureSize,
        config: &SteadyConfig,
    ) -> Square {
        let path = self.path.take().and_then(|path| path.advanced(seen, timestamp, config));
        let path = path.unwrap_or_else(|| Path::begun(seen, timestamp, config));
        let steady = Square::new(path.centre, path.log_side.exp(), size);
        // A path that left every sensible frame begins anew where the hand was seen.
        self.path = steady.map(|_| path);
        steady.unwrap_or(seen)
    }
}

impl Path {
    fn begun(seen: Square, timestamp: Timestamp, config: &SteadyConfig) -> Self {
        Self {
            last: timestamp,
            centre: seen.centre(),
            velocity: Vector2::zeros(),
            log_side: seen.side().ln(),
            growth: 0.0,
            centre_doubt: Doubt::begun(config.centre_noise),
            size_doubt: Doubt::begun(config.size_noise),
        }
    }

    /// The path one observation on; `None` after a gap, a jump, or where the clock does not advance.
    fn advanced(mut self, seen: Square, timestamp: Timestamp, config: &SteadyConfig) -> Option<Self> {
        let step = timestamp.since(self.last).as_secs_f64();
        let expected = self.centre + self.velocity * step;
        let away = seen.centre() - expected;
        let jumped = away.norm() > config.jump * seen.side();
        if step <= 0.0 || step > config.longest_gap_seconds || jumped {
            return None;
        }
        self.last = timestamp;
        let [place, speed] = self.centre_doubt.step(step, config.centre_acceleration, config.centre_noise);
        self.centre = expected + away * place;
        self.velocity += away * speed;
        let expected = self.log_side + self.growth * step;
        let away = seen.side().ln() - expected;
        let [place, speed] = self.size_doubt.step(step, config.size_acceleration, config.size_noise);
        self.log_side = expected + away * place;
        self.growth += away * speed;
        Some(self)
    }
}

/// Covariance of a number and its speed.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    place: f64,
    both: f64,
    speed: f64,
}

impl Doubt {
    fn begun(noise: f64) -> Self {
        Self { place: noise * noise, both: 0.0, speed: FIRST_SPEED * FIRST_SPEED }
    }

    /// Predicts over `step` seconds and takes in one observation; the gains of number and speed.
    fn step(&mut self, step: f64, acceleration: f64, noise: f64) -> [f64; 2] {
        let push = acceleration * step;
        let place = self.place + step * (2.0 * self.both + step * self.speed) + (push * step).powi(2) / 4.0;
        let both = self.both + step * self.speed + push * push * step / 2.0;
        let speed = self.speed + push * push;
        let gains = [place, both].map(|doubt| doubt / (place + noise * noise));
        *self = Self {
            place: place * (1.0 - gains[0]),
            both: both * (1.0 - gains[0]),
            speed: speed - gains[1] * both,
        };
        gains
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 1280, height: 720 };

    fn square(x: f64, side: f64) -> Square {
        Square::new(Vector2::new(x, 300.0), side, SIZE).unwrap()
    }

    /// What is cropped when `seen` come at 30 frames/s.
    fn follow(seen: impl IntoIterator<Item = Square>) -> Vec<Square> {
        let mut steady = SteadySquare::default();
        let update = |(frame, square)| {
            let at = Timestamp::from_seconds(frame as f64 / 30.0);
            steady.update(square, at, SIZE, &SteadyConfig::default())
        };
        seen.into_iter().enumerate().map(update).collect()
    }

    /// Errs to either side by turns.
    fn shake(frame: usize) -> f64 {
        if frame.is_multiple_of(2) { 1.0 } else { -1.0 }
    }

    #[test]
    fn a_resting_hands_crop_shakes_less_than_what_is_seen() {
        let crops = follow((0..90).map(|t| square(500.0 + 3.0 * shake(t), 400.0 + 12.0 * shake(t))));
        for crop in &crops[30..] {
            assert!((crop.centre().x - 500.0).abs() < 1.5 && (crop.side() - 400.0).abs() < 3.0, "{crop:?}");
        }
    }

    #[test]
    fn a_hand_that_moves_steadily_is_followed_without_lag() {
        let crops = follow((0..60).map(|t| square(100.0 + 15.0 * t as f64, 300.0 * 1.01_f64.powi(t))));
        let last = crops[59];
        assert!((last.centre().x - 985.0).abs() < 1.0, "{last:?}");
        assert!((last.side() / (300.0 * 1.01_f64.powi(59)) - 1.0).abs() < 0.01, "{last:?}");
    }

    #[test]
    fn a_jump_or_a_pause_begins_a_new_path() {
        let same = |a: Square, b: Square| {
            (a.centre() - b.centre()).norm() < 1e-9 && (a.side() - b.side()).abs() < 1e-9
        };
        let crops = follow([square(100.0, 300.0), square(105.0, 300.0), square(900.0, 250.0)]);
        assert!(same(crops[2], square(900.0, 250.0)));
        let mut steady = SteadySquare::default();
        for (seconds, x) in [(0.0, 100.0), (0.03, 110.0), (1.0, 160.0), (0.9, 170.0)] {
            let at = Timestamp::from_seconds(seconds);
            let crop = steady.update(square(x, 300.0), at, SIZE, &SteadyConfig::default());
            assert_eq!(same(crop, square(x, 300.0)), x != 110.0, "{crop:?}");
        }
    }
}
