//! Smooth motion between key values, as people move: minimum jerk, with short rests.

/// One key of a motion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key<const N: usize> {
    /// When the values are reached, seconds.
    pub time: f64,
    /// How long they are held, seconds.
    pub hold: f64,
    /// The values.
    pub values: [f64; N],
}

/// `N` values over time. Before the first key and after the last they stand still.
#[derive(Clone, Debug)]
pub(super) struct Keyframes<const N: usize> {
    keys: Vec<Key<N>>,
}

impl<const N: usize> Keyframes<N> {
    /// Keys in the order of their time; none may start before the hold of the one before has ended.
    pub fn new(keys: Vec<Key<N>>) -> Self {
        Self { keys }
    }

    /// The values at `time` seconds.
    pub fn at(&self, time: f64) -> [f64; N] {
        let next = self.keys.partition_point(|key| key.time <= time);
        let Some(from) = next.checked_sub(1).and_then(|i| self.keys.get(i)) else {
            return self.keys.first().map_or([0.0; N], |key| key.values);
        };
        let Some(to) = self.keys.get(next) else { return from.values };
        let start = from.time + from.hold;
        let part = ((time - start) / (to.time - start)).clamp(0.0, 1.0);
        let blend = minimum_jerk(part);
        std::array::from_fn(|i| from.values[i] + (to.values[i] - from.values[i]) * blend)
    }
}

/// The path of a hand that reaches from 0 to 1 in unit time (Flash and Hogan 1985).
fn minimum_jerk(part: f64) -> f64 {
    part.powi(3) * (10.0 - 15.0 * part + 6.0 * part * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach() -> Keyframes<1> {
        let key = |time, hold, value| Key { time, hold, values: [value] };
        Keyframes::new(vec![key(0.0, 0.5, 1.0), key(1.5, 0.0, 3.0)])
    }

    #[test]
    fn a_motion_rests_then_starts_and_stops_gently() {
        let motion = reach();
        assert_eq!([motion.at(-1.0), motion.at(0.5), motion.at(9.0)], [[1.0], [1.0], [3.0]]);
        assert!((motion.at(1.0)[0] - 2.0).abs() < 1e-12);
        let speed = |t: f64| (motion.at(t + 1e-4)[0] - motion.at(t)[0]) / 1e-4;
        assert!(speed(0.5) < 1e-3 && speed(1.4998) < 1e-3 && speed(1.0) > 3.0);
    }
}
