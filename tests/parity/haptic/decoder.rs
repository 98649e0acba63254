//! The decoder and its heads on the released backbone's features.

use std::collections::BTreeMap;
use std::ops::Range;

use handstream::haptic::full::{
    Decoder, DecoderConfig, DecoderForm, DecoderMemory, FrameFeatures, HeadRow, NetworkKind,
};
use handstream::net::{Checkpoint, Isa, Probe, room};

use super::variant::{Variant, off, token_rows};
use crate::tensors::Fixture;

/// Of inner activations.
pub const ACTIVATIONS: f64 = 1e-5;
/// The sub-layer with the least input: there that tolerance, taken of the bare difference, tells the epsilons
/// of the norms apart.
pub const EPSILON_SHOWS: &str = "layer0.self_attn";
/// Of what leaves the network.
pub const OUTPUTS: f64 = 5e-5;

/// Of one form of the decoder from the other.
pub const FORMS: f64 = 1e-5;

/// The cases of HaPTIC and the frames of each clip in them.
pub const CASES: [(&str, usize); 5] =
    [("haptic_m8", 8), ("haptic_m3", 3), ("haptic_m1_video", 1), ("haptic_m1_image", 1), ("haptic_b2t3", 3)];

/// What a decoder gave: the rows, and the inner activations by name.
pub struct Run {
    /// The rows.
    pub rows: Vec<HeadRow>,
    seen: BTreeMap<String, Vec<f64>>,
}

/// The features of one frame: crop, whole frame.
type Frame = (Vec<f32>, Vec<f32>);

pub fn decoder(variant: &Variant, weights: &Fixture, form: DecoderForm) -> Decoder {
    let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
    let scope = checkpoint.root().part("mano_head");
    let config = DecoderConfig::read(&scope, Some(variant.number("decoder", "heads"))).unwrap();
    Decoder::read(&scope, &config, form, Isa::best()).unwrap()
}

fn features(decoder: &Decoder, case: &Fixture) -> Vec<Frame> {
    let width = decoder.config().context;
    let rows = |name: &str| token_rows(&case.numbers(name), width, room(width));
    let crops = rows("vit.crop.features");
    let wholes = match decoder.config().kind {
        NetworkKind::Haptic => rows("vit.full.features"),
        NetworkKind::Hamer => crops.clone(),
    };
    crops.into_iter().zip(wholes).collect()
}

/// Runs clips of `length` frames.
fn run(decoder: &Decoder, frames: &[&Frame], length: usize) -> Run {
    let mut memory = DecoderMemory::default();
    let crops: Vec<&[f32]> = frames.iter().map(|(crop, _)| crop.as_slice()).collect();
    let mut tokens = Vec::new();
    decoder.start(&crops, &mut memory, &mut tokens);
    let tokens = tokens.chunks_exact(room(decoder.config().width));
    let frames = frames.iter().zip(tokens);
    let frames: Vec<FrameFeatures> =
        frames.map(|((crop, whole), token)| FrameFeatures { token, crop, whole }).collect();
    let windows: Vec<&[FrameFeatures]> = frames.chunks(length).collect();
    let (mut rows, mut seen) = (Vec::new(), BTreeMap::new());
    let mut see = |name: &str, numbers: &[f32]| {
        seen.insert(name.to_owned(), numbers.iter().map(|&v| f64::from(v)).collect());
    };
    decoder.apply(&windows, &mut memory, Probe::on(&mut see), &mut rows);
    Run { rows, seen }
}

impl Run {
    /// The largest difference of the inner activations that both have, and how many there were.
    fn inner(&self, case: &Fixture) -> (f64, usize) {
        let (mut worst, mut count) = (0.0_f64, 0);
        for name in case.names() {
            if let Some(ours) = self.seen.get(&name) {
                let theirs = case.numbers(&name);
                let largest = theirs.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
                let scale = if name.contains(EPSILON_SHOWS) { largest } else { 1.0 };
                let off = scale * off(ours.iter().copied(), &theirs);
                assert!(off < ACTIVATIONS, "{name} differs by {off:.1e}");
                (worst, count) = (worst.max(off), count + 1);
            }
        }
        (worst, count)
    }
}

/// The largest difference of the outputs.
pub fn outputs(rows: &[HeadRow], case: &Fixture) -> f64 {
    let rows = || rows.iter();
    let matrix = |range: Range<usize>| {
        let flat = move |row: &HeadRow| {
            let matrices = row.matrices()[range.clone()].to_vec();
            matrices.into_iter().flat_map(|r| r.matrix().transpose().as_slice().to_vec())
        };
        rows().flat_map(flat).collect::<Vec<f64>>()
    };
    let numbers = |name: &str| case.numbers(&format!("out.{name}"));
    let mut offs = vec![
        off(matrix(0..1), &numbers("pred_mano_params.global_orient")),
        off(matrix(1..16), &numbers("pred_mano_params.hand_pose")),
        off(rows().flat_map(|row| row.betas.map(f64::from)), &numbers("pred_mano_params.betas")),
        off(rows().flat_map(|row| row.camera.map(f64::from)), &numbers("pred_cam")),
    ];
    if case.has("out.pred_depth") {
        offs.push(off(rows().map(|row| f64::from(row.depth)), &numbers("pred_depth")));
    }
    offs.into_iter().fold(0.0, f64::max)
}

/// Every case of HaPTIC: its name, the fixture, and what the decoder gives for its frames.
pub fn haptic_runs(variant: &Variant, decoder: &Decoder) -> Vec<(&'static str, Fixture, Run)> {
    let longest = ["haptic_m8", "haptic_m3"].into_iter().find(|name| variant.has(name)).unwrap();
    let frames = features(decoder, &variant.file(longest));
    let cases = CASES.iter().filter(|(name, _)| variant.has(name));
    let run = |&(name, length): &(&'static str, usize)| {
        let case = variant.file(name);
        // Features of the frames after the eighth are in no file: those cases run through the backbone too.
        let index = case.numbers("in.frame_index").into_iter().map(|i| frames.get(i as usize));
        let run = run(decoder, &index.collect::<Option<Vec<&Frame>>>()?, length);
        Some((name, case, run))
    };
    cases.filter_map(run).collect()
}

#[test]
fn haptics_decoder_equals_the_released_one_in_every_sublayer_for_every_window() {
    for variant in Variant::all_and_own() {
        let decoder = decoder(&variant, &variant.file("haptic_weights"), DecoderForm::Plain);
        for (name, case, run) in haptic_runs(&variant, &decoder) {
            let ((inner, count), outputs) = (run.inner(&case), outputs(&run.rows, &case));
            println!(
                "{} {name}: {count} activations within {inner:.1e}, outputs within {outputs:.1e}",
                variant.name()
            );
            assert_eq!(count, 10 * decoder.config().depth + 5);
            assert!(outputs < OUTPUTS, "{name}: outputs differ by {outputs:.1e}");
        }
    }
}

#[test]
fn hamers_decoder_equals_the_released_one_in_every_sublayer_in_both_forms() {
    for variant in Variant::all_and_own() {
        let (case, weights) = (variant.file("hamer_forward"), variant.file("hamer_weights"));
        for (form, hidden) in [(DecoderForm::Plain, 0), (DecoderForm::Absorbed, 4)] {
            let decoder = decoder(&variant, &weights, form);
            assert_eq!(decoder.config().kind, NetworkKind::Hamer);
            let frames = features(&decoder, &case);
            let run = run(&decoder, &frames.iter().collect::<Vec<_>>(), 1);
            let ((inner, count), outputs) = (run.inner(&case), outputs(&run.rows, &case));
            println!(
                "{} {form:?}: {count} activations within {inner:.1e}, outputs within {outputs:.1e}",
                variant.name()
            );
            assert_eq!(count, 6 * decoder.config().depth + 4 - hidden);
            assert!(outputs < OUTPUTS, "outputs differ by {outputs:.1e}");
        }
    }
}

/// The numbers of a row in order.
pub fn flat(row: &HeadRow) -> impl Iterator<Item = f64> {
    let numbers = row.rotations.into_iter().flatten().chain(row.betas).chain(row.camera).chain([row.depth]);
    numbers.map(f64::from)
}

#[test]
fn the_absorbed_form_gives_the_numbers_of_the_plain_one() {
    for variant in Variant::all_and_own() {
        let weights = variant.file("haptic_weights");
        let [plain, absorbed] =
            [DecoderForm::Plain, DecoderForm::Absorbed].map(|form| decoder(&variant, &weights, form));
        // Without what the first layer does before the tokens meet.
        let activations = 10 * absorbed.config().depth + 5 - 4;
        let runs = haptic_runs(&variant, &plain).into_iter().zip(haptic_runs(&variant, &absorbed));
        for ((name, case, plain), (_, _, absorbed)) in runs {
            let theirs: Vec<f64> = plain.rows.iter().flat_map(flat).collect();
            let forms = off(absorbed.rows.iter().flat_map(flat), &theirs);
            let ((inner, count), outputs) = (absorbed.inner(&case), outputs(&absorbed.rows, &case));
            println!(
                "{} {name}: forms differ by {forms:.1e}; {count} activations within {inner:.1e}, outputs within \
                 {outputs:.1e}",
                variant.name()
            );
            assert!(forms < FORMS, "{name}: the forms differ by {forms:.1e}");
            assert_eq!(count, activations);
            assert!(outputs < OUTPUTS, "{name}: outputs differ by {outputs:.1e}");
        }
    }
}
