//! The prior against its trainer's own numbers (`tests/fixtures/motion_prior.safetensors`), and how it behaves.

use nalgebra::{Quaternion, Rotation3, UnitQuaternion, Vector3};

use super::context::{AROUND, CONTEXT};
use super::kriging::Kriging;
use super::{LearnedPrior, STATE, logarithm};
use crate::hand::anatomy::FREE_ANGLES;
use crate::net::Checkpoint;
use crate::refine::{MotionFrame, MotionPrior};

const SAMPLE: &[u8] = include_bytes!("../../../../tests/fixtures/motion_prior.safetensors");
/// Steps from the last seen frame to the next of the sample's gaps.
const LENGTHS: [usize; 5] = [2, 11, 21, 41, 51];
/// The trainer computes in f32.
const TOLERANCE: f64 = 2e-4;

fn numbers(length: usize, name: &str, shape: &[usize]) -> Vec<f64> {
    let file = Checkpoint::parse(SAMPLE).unwrap();
    let values = file.root().part(format!("gap{length}")).tensor(name, shape).unwrap();
    values.into_iter().map(f64::from).collect()
}

fn rotations(wxyz: &[f64]) -> Vec<Rotation3<f64>> {
    let turn = |q: &[f64; 4]| UnitQuaternion::new_normalize(Quaternion::new(q[0], q[1], q[2], q[3]));
    wxyz.as_chunks().0.iter().map(|q| turn(q).to_rotation_matrix()).collect()
}

/// A motion of the sample of which the gap was not seen.
fn sample(length: usize) -> Vec<MotionFrame> {
    let frames = 2 * CONTEXT + length - 1;
    let angles = numbers(length, "in.angles", &[frames, FREE_ANGLES]);
    let root = rotations(&numbers(length, "in.root", &[frames, 4]));
    let frame = |i: usize| MotionFrame {
        seconds: 5.0 + i as f64 / 30.0,
        rotation: root[i],
        wrist: Vector3::new(0.1, 0.01 * i as f64, 0.5),
        angles: std::array::from_fn(|k| angles[i * FREE_ANGLES + k]),
        seen: i < CONTEXT || i + CONTEXT >= frames,
    };
    (0..frames).map(frame).collect()
}

fn turned(motion: &mut [MotionFrame], by: Rotation3<f64>) {
    for frame in motion {
        frame.rotation = by * frame.rotation;
    }
}

/// The angle between two rotations.
fn apart(a: &Rotation3<f64>, b: &Rotation3<f64>) -> f64 {
    logarithm(&(a.inverse() * b)).norm()
}

#[test]
fn weights_and_variances_are_the_trainers() {
    for length in LENGTHS {
        let weights = numbers(length, "act.weights", &[length - 1, AROUND]);
        let variance = numbers(length, "act.variance", &[length - 1]);
        let kriging = Kriging::new(&[true; AROUND], length as f64);
        for step in 1..length {
            let (ours, spread) = kriging.weights(step as f64);
            let theirs = &weights[(step - 1) * AROUND..];
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-5), "gap {length} step {step}");
            assert!((spread - variance[step - 1]).abs() < 1e-5);
        }
    }
}

#[test]
fn gaps_are_filled_with_the_trainers_numbers() {
    let mut prior = LearnedPrior::embedded().unwrap();
    for length in LENGTHS {
        let motion = sample(length);
        let said = prior.expected(&motion);
        let angles = numbers(length, "out.angles", &[length - 1, FREE_ANGLES]);
        let root = rotations(&numbers(length, "out.root", &[length - 1, 4]));
        let sigma = numbers(length, "out.sigma", &[length - 1, STATE]);
        assert!(said[..CONTEXT].iter().chain(&said[CONTEXT + length - 1..]).all(Option::is_none));
        for (i, said) in said[CONTEXT..CONTEXT + length - 1].iter().enumerate() {
            let said = said.as_ref().unwrap();
            for k in 0..FREE_ANGLES {
                assert!((said.frame.angles[k] - angles[i * FREE_ANGLES + k]).abs() < TOLERANCE);
            }
            assert!(apart(&said.frame.rotation, &root[i]) < TOLERANCE, "gap {length} frame {i}");
            for (ours, theirs) in said.sigma.iter().zip(&sigma[i * STATE..]) {
                assert!((ours / theirs - 1.0).abs() < 10.0 * TOLERANCE, "{ours} {theirs}");
            }
        }
    }
}

#[test]
fn beliefs_are_what_is_filled_in_and_only_where_nothing_was_seen() {
    let mut prior = LearnedPrior::embedded().unwrap();
    let motion = sample(21);
    let beliefs = prior.believe(&motion);
    let mut filled = motion.clone();
    prior.fill(&mut filled);
    for ((before, after), belief) in motion.iter().zip(&filled).zip(beliefs) {
        assert_eq!(belief.is_none(), before.seen);
        assert_eq!(before.seconds, after.seconds);
        if let Some(belief) = belief {
            assert_eq!(belief.angles, after.angles);
            assert!(belief.angle_information.iter().all(|information| *information > 0.0));
        }
    }
}

#[test]
fn it_does_not_matter_how_the_world_lies() {
    let mut prior = LearnedPrior::embedded().unwrap();
    let by = Rotation3::new(Vector3::new(0.7, -2.0, 1.1));
    let (mut here, mut there) = (sample(41), sample(41));
    turned(&mut there, by);
    prior.fill(&mut here);
    prior.fill(&mut there);
    turned(&mut here, by);
    for (here, there) in here.iter().zip(&there) {
        assert!(apart(&here.rotation, &there.rotation) < 1e-4);
        assert!(here.angles.iter().zip(&there.angles).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}

#[test]
fn any_motion_gets_finite_numbers_and_the_same_twice() {
    let mut prior = LearnedPrior::embedded().unwrap();
    for length in (1..=20).chain([127, 128, 129]) {
        for pattern in 0..6_usize {
            let frame = |i: usize| {
                let wild =
                    if pattern == 4 && i.is_multiple_of(5) { f64::NAN } else { 1e3 * (i * pattern) as f64 };
                MotionFrame {
                    seconds: if pattern == 5 { -(i as f64) } else { i as f64 / 25.0 },
                    rotation: Rotation3::new(Vector3::new(i as f64, 0.3, -2.0 * i as f64)),
                    wrist: Vector3::repeat(0.1),
                    angles: [wild; FREE_ANGLES],
                    seen: [
                        false,
                        true,
                        i % 3 == 1,
                        i == length / 2,
                        i < 2 || i + 1 == length,
                        i.is_multiple_of(7),
                    ][pattern],
                }
            };
            let motion: Vec<MotionFrame> = (0..length).map(frame).collect();
            let beliefs = prior.believe(&motion);
            assert_eq!(beliefs.len(), length);
            for belief in beliefs.iter().flatten() {
                let (rotation, information) = belief.rotation.unwrap();
                let numbers = belief.angles.iter().chain(&belief.angle_information);
                assert!(numbers.chain(rotation.matrix().iter()).all(|v| v.is_finite()));
                assert!(information.is_finite());
            }
            let again = prior.believe(&motion);
            assert!(beliefs.iter().flatten().zip(again.iter().flatten()).all(|(a, b)| a.angles == b.angles));
        }
    }
}

#[test]
fn a_film_of_twice_the_rate_is_filled_alike() {
    let mut prior = LearnedPrior::embedded().unwrap();
    let slow = |i: usize, rate: f64| {
        let t = i as f64 / rate;
        MotionFrame {
            seconds: t,
            rotation: Rotation3::new(Vector3::new(t.sin(), 0.4, 0.0)),
            wrist: Vector3::new(0.1 * t, 0.0, 0.5),
            angles: [0.5 + 0.3 * (3.0 * t).sin(); FREE_ANGLES],
            seen: !(1.0..1.6).contains(&(t + 1e-9)),
        }
    };
    let mut thirty: Vec<_> = (0..90).map(|i| slow(i, 30.0)).collect();
    let mut sixty: Vec<_> = (0..180).map(|i| slow(i, 60.0)).collect();
    prior.fill(&mut thirty);
    prior.fill(&mut sixty);
    for (i, frame) in thirty.iter().enumerate() {
        let other = &sixty[2 * i];
        assert!(apart(&frame.rotation, &other.rotation) < 0.02, "frame {i}");
        assert!(frame.angles.iter().zip(&other.angles).all(|(a, b)| (a - b).abs() < 0.02), "frame {i}");
    }
}
