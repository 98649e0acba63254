//! Tokens and network against the trainer's own (`tests/fixtures/lite_sample.safetensors`).

use nalgebra::{Vector2, Vector3};

use super::network::{Batch, LiteNetwork, NetworkMemory, OUTPUTS, WEIGHTS, WindowEstimate};
use super::tokens::{CONTEXT, FrameToken, HandBox, Moment, SeenHand, TOKEN};
use crate::event::KEYPOINTS;
use crate::net::{Checkpoint, Isa};

const SAMPLE: &[u8] = include_bytes!("../../../tests/fixtures/lite_sample.safetensors");
const LENGTHS: [usize; 3] = [1, 5, 8];
const TOLERANCE: f64 = 1e-4;

/// One window of the sample.
struct Sample<'a> {
    file: &'a Checkpoint<'a>,
    length: usize,
}

impl Sample<'_> {
    fn numbers(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.file.root().part(format!("window{}", self.length)).tensor(name, shape).unwrap()
    }

    fn rows(&self, name: &str, shape: &[usize]) -> Vec<f32> {
        self.numbers(name, &[&[self.length], shape].concat())
    }

    fn boxes(&self) -> Vec<HandBox> {
        let centres = self.rows("box_centre", &[2]);
        let boxes = centres.as_chunks::<2>().0.iter().zip(self.rows("box_side", &[]));
        boxes
            .map(|(&[x, y], side)| HandBox { centre: Vector2::new(x, y).cast(), side: side.into() })
            .collect()
    }

    /// The window's frames with their ages; without the other hand, whose box in the sample is random.
    fn frames(&self) -> Vec<(FrameToken, f64)> {
        let rays = self.rows("in.rays", &[KEYPOINTS, 2]);
        let confidence = self.rows("in.conf", &[KEYPOINTS]);
        let landmarks = self.rows("in.landmarks", &[KEYPOINTS, 3]);
        let has_landmarks = self.rows("in.has_landmarks", &[]);
        let half_fov = Vector2::from_column_slice(&self.numbers("in.half_fov", &[2])).cast();
        let frame = |(row, age): (usize, f32)| {
            let (rays, landmarks) = (&rays[row * 42..], &landmarks[row * 63..]);
            let seen = SeenHand {
                rays: std::array::from_fn(|k| Vector2::new(rays[2 * k], rays[2 * k + 1]).cast()),
                confidence: std::array::from_fn(|k| confidence[row * KEYPOINTS + k]),
                landmarks: (has_landmarks[row] > 0.0).then(|| {
                    std::array::from_fn(|k| Vector3::from_column_slice(&landmarks[3 * k..3 * k + 3]).cast())
                }),
            };
            (FrameToken::new(&seen, None, half_fov).unwrap(), age.into())
        };
        self.rows("in.age", &[]).into_iter().enumerate().map(frame).collect()
    }
}

fn furthest(ours: impl IntoIterator<Item = f64>, theirs: &[f32]) -> f64 {
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(theirs).map(|(ours, &theirs)| (ours - f64::from(theirs)).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn tokens_and_context_equal_the_trainers() {
    let file = Checkpoint::parse(SAMPLE).unwrap();
    for length in LENGTHS {
        let sample = Sample { file: &file, length };
        let (mut tokens, mut context, mut before) = (Vec::new(), Vec::new(), None);
        for ((frame, age), theirs) in sample.frames().into_iter().zip(sample.boxes()) {
            let gap = before.map_or(0.0, |before: f64| before - age);
            frame.write(Moment { age, gap, filled: length as f64 / 8.0 }, &mut tokens, &mut context);
            assert!((frame.hand_box.centre - theirs.centre).norm() < 1e-6);
            assert!((frame.hand_box.side - theirs.side).abs() < 1e-6);
            before = Some(age);
        }
        let worst = furthest(tokens.iter().map(|&v| v.into()), &sample.rows("tokens", &[TOKEN]));
        assert!(worst < 1e-5, "tokens of {length} frames differ by {worst}");
        // All but the other hand's five numbers.
        let own = |context: &[f32]| {
            let rows = context.as_chunks::<CONTEXT>().0.iter();
            rows.flat_map(|row| [&row[..4], &row[9..]].concat()).collect::<Vec<f32>>()
        };
        let theirs = own(&sample.rows("context", &[CONTEXT]));
        let worst = furthest(own(&context).into_iter().map(f64::from), &theirs);
        assert!(worst < 1e-5, "context of {length} frames differs by {worst}");
    }
}

#[test]
fn the_network_equals_its_trainer_on_every_instruction_set() {
    let file = Checkpoint::parse(SAMPLE).unwrap();
    let samples = LENGTHS.map(|length| Sample { file: &file, length });
    let mut batch = Batch::default();
    for sample in &samples {
        let (tokens, context) = (sample.rows("tokens", &[TOKEN]), sample.rows("context", &[CONTEXT]));
        batch.push_numbers(&tokens, &context, &sample.boxes());
    }
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let network = LiteNetwork::with_isa(WEIGHTS, isa).unwrap();
        let mut memory = NetworkMemory::default();
        for (sample, estimate) in samples.iter().zip(network.run(&batch, &mut memory)) {
            let worst = sample.compare(&estimate);
            println!("{isa}, window of {}: largest difference {worst:.1e}", sample.length);
            assert!(worst < TOLERANCE, "{isa}, window of {}: {worst}", sample.length);
        }
    }
}

#[cfg(feature = "candle")]
#[test]
fn the_packed_network_equals_the_one_on_candle_for_every_window_length() {
    let file = Checkpoint::parse(SAMPLE).unwrap();
    let sample = Sample { file: &file, length: 8 };
    let (tokens, context) = (sample.rows("tokens", &[TOKEN]), sample.rows("context", &[CONTEXT]));
    let mut batch = Batch::default();
    for first in 0..8 {
        let boxes = &sample.boxes()[first..];
        batch.push_numbers(&tokens[first * TOKEN..], &context[first * CONTEXT..], boxes);
    }
    let mut memory = NetworkMemory::default();
    let network = LiteNetwork::from_bytes(WEIGHTS).unwrap();
    let packed = network.run(&batch, &mut memory);
    let packed = packed.flat_map(|window| (0..window.len()).map(move |row| window.raw(row).to_vec()));
    let reference = super::ReferenceNetwork::from_bytes(WEIGHTS).unwrap().run(&batch).unwrap();
    let mut worst = 0.0_f64;
    for (ours, theirs) in packed.zip(&reference) {
        // Rotations in 6D come out unnormalised, up to 17: there single precision is no finer.
        let largest = theirs.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
        worst = worst.max(furthest(ours.into_iter().map(f64::from), theirs) / f64::from(largest));
    }
    println!("largest difference {worst:.1e}");
    assert!(reference.len() == 36 && worst < 1e-5, "{worst}");
}

impl Sample<'_> {
    fn compare(&self, estimate: &WindowEstimate) -> f64 {
        let rows = || 0..estimate.len();
        let raw = rows().flat_map(|row| estimate.raw(row).iter().map(|&v| v.into()));
        let rotations = rows().flat_map(|row| estimate.rotations(row));
        let rotations = rotations.flat_map(|r| r.matrix().transpose().as_slice().to_vec());
        let rays = rows().flat_map(|row| <[f64; 2]>::from(estimate.root_ray(row)));
        [
            furthest(raw, &self.rows("out.raw", &[OUTPUTS])),
            furthest(rotations, &self.rows("out.rotations", &[16, 3, 3])),
            furthest(estimate.betas(), &self.numbers("out.betas", &[10])),
            furthest(rays, &self.rows("out.root_ray", &[2])),
            furthest(rows().map(|row| estimate.weak_depth(row)), &self.rows("out.weak_depth", &[])),
            furthest(rows().map(|row| estimate.depth_change(row)), &self.rows("out.depth_change", &[])),
        ]
        .into_iter()
        .fold(0.0, f64::max)
    }
}
