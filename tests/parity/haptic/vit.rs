//! The backbone: every step on the released pictures.

use std::collections::BTreeMap;

use handstream::jobs::InOrder;
use handstream::net::vit::{PICTURE, TOKENS};
use handstream::net::{Checkpoint, Isa, Probe, Vit, VitConfig, VitError, VitMemory, room};

use super::variant::{Variant, off, token_rows};
use crate::tensors::Fixture;

/// Tells the norms' epsilon apart, for numbers relative to their largest.
const TOLERANCE: f64 = 1e-5;
/// Columns of the square crop on either side that the network does not see.
const LEFT_OUT: usize = 32;
/// Mean and standard deviation of a colour, red, green and blue.
const COLOURS: [(f64, f64); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

fn vit(variant: &Variant, weights: &Fixture) -> Vit {
    let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
    let scope = checkpoint.root().part("backbone");
    let config = VitConfig::read(&scope, Some(variant.number("vit", "num_heads"))).unwrap();
    assert_eq!(config.depth, variant.number("vit", "depth"));
    assert_eq!(config.width, variant.number("vit", "embed_dim"));
    Vit::read(&scope, &config, Isa::best()).unwrap()
}

/// Normalised pictures of the columns that the network sees, from `[N, 3, 256, 256]` bytes.
fn pictures(bytes: &[f64]) -> Vec<f32> {
    let [colours, height, width] = PICTURE;
    let square = width + 2 * LEFT_OUT;
    let rows = bytes.chunks_exact(square).enumerate();
    let normalised = rows.flat_map(|(row, bytes)| {
        let (mean, deviation) = COLOURS[row / height % colours];
        let seen = &bytes[LEFT_OUT..LEFT_OUT + width];
        seen.iter().map(move |byte| ((byte - 255.0 * mean) / (255.0 * deviation)) as f32)
    });
    normalised.collect()
}

/// Runs the backbone and compares all steps that the case knows under `prefix`.
fn compare(variant: &Variant, vit: &Vit, pictures: &[f32], case: &Fixture, prefix: &str) {
    let mut steps = BTreeMap::new();
    let mut see = |name: &str, numbers: &[f32]| {
        steps.insert(name.to_owned(), numbers.to_vec());
    };
    let (mut memory, mut tokens) = (VitMemory::default(), Vec::new());
    vit.apply(pictures, &mut memory, &InOrder, Probe::on(&mut see), &mut tokens);
    let width = vit.config().width;
    let pitch = room(width);
    let close = |name: &str, ours: &[f32], theirs: &[f64]| {
        let ours = ours.chunks_exact(pitch).flat_map(|row| &row[..width]);
        let off = off(ours.map(|&v| f64::from(v)), theirs);
        println!("{} {name}: {off:.1e} off", variant.name());
        assert!(off < TOLERANCE, "{} {name}: {off}", variant.name());
    };
    let mut compared = 0;
    for name in case.names() {
        let Some(step) = name.strip_prefix(prefix).filter(|step| *step != "features") else { continue };
        let theirs = case.numbers(&name);
        let ours = steps.get(step).unwrap_or_else(|| panic!("{name} is not shown"));
        close(&name, &ours[..theirs.len() / width * pitch], &theirs);
        compared += 1;
    }
    assert_eq!(compared, 4 + vit.config().depth, "steps of {prefix}");
    let features = token_rows(&case.numbers(&format!("{prefix}features")), width, width);
    let features: Vec<f64> = features.iter().flatten().map(|&v| f64::from(v)).collect();
    close("features", &tokens, &features);
}

#[test]
fn every_step_of_the_backbone_equals_the_released_one() {
    for variant in Variant::all() {
        let case = variant.file("hamer_forward");
        let vit = self::vit(&variant, &variant.file("hamer_weights"));
        compare(&variant, &vit, &pictures(&case.numbers("in.img_u8")), &case, "vit.crop.");

        let vit = self::vit(&variant, &variant.file("haptic_weights"));
        let (case, inputs) = (variant.file("haptic_m8"), variant.file("haptic_inputs"));
        for (input, prefix) in [("img_u8", "vit.crop."), ("orig_img_u8", "vit.full.")] {
            let all = pictures(&inputs.numbers(input));
            let size = PICTURE.iter().product::<usize>();
            let frames = case.numbers("in.frame_index");
            let frames = frames.iter().flat_map(|&index| &all[index as usize * size..][..size]);
            compare(&variant, &vit, &frames.copied().collect::<Vec<_>>(), &case, prefix);
        }
    }
}

#[test]
fn a_picture_does_not_depend_on_the_pictures_beside_it() {
    for variant in Variant::all() {
        let vit = self::vit(&variant, &variant.file("hamer_weights"));
        let pictures = pictures(&variant.file("hamer_forward").numbers("in.img_u8"));
        let (mut memory, mut together, mut alone) = (VitMemory::default(), Vec::new(), Vec::new());
        vit.apply(&pictures, &mut memory, &InOrder, Probe::off(), &mut together);
        let second = &pictures[PICTURE.iter().product::<usize>()..];
        vit.apply(second, &mut memory, &InOrder, Probe::off(), &mut alone);
        assert_eq!(together[TOKENS * room(vit.config().width)..], alone);
    }
}

#[test]
fn heads_that_do_not_fit_are_told_in_a_sentence() {
    for variant in Variant::all() {
        let weights = variant.file("hamer_weights");
        let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
        let scope = checkpoint.root().part("backbone");
        let width = variant.number("vit", "embed_dim");
        assert_eq!(VitConfig::read(&scope, None), Err(VitError::HeadsUnknown(width)));
        let error = VitConfig::read(&scope, Some(width + 1)).unwrap_err();
        assert_eq!(error, VitError::Heads { width, heads: width + 1 });
    }
}
