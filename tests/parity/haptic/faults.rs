//! Faults that a wrong reading of the released modules would make: each must be seen by the comparisons.

use handstream::event::Side;
use handstream::haptic::full::{DecoderForm, HeadRow, Picture};
use handstream::jobs::InOrder;
use handstream::net::{Checkpoint, Isa, LayerNorm, Linear, Probe, Vit, VitConfig, VitMemory, room};

use super::decoder::{ACTIVATIONS, EPSILON_SHOWS, OUTPUTS, decoder, haptic_runs, outputs};
use super::variant::{TOKENS, Variant, off, token_rows};
use crate::tensors::Fixture;

/// How much larger than its tolerance a difference must be to count as seen.
const CLEARLY: f64 = 10.0;

/// The rows of the first case with windows of several frames, and the case.
fn rows(variant: &Variant, weights: &Fixture) -> (Vec<HeadRow>, Fixture) {
    let decoder = decoder(variant, weights, DecoderForm::Absorbed);
    let (_, case, run) = haptic_runs(variant, &decoder).swap_remove(0);
    (run.rows, case)
}

/// Asserts that weights are seen to be faulty, and that the same without the fault are not.
fn assert_seen(fault: &str, faulty: &Fixture) {
    let variant = Variant::own();
    let (right, case) = rows(&variant, &variant.file("haptic_weights"));
    assert!(outputs(&right, &case) < OUTPUTS);
    let off = outputs(&rows(&variant, faulty).0, &case);
    println!("{fault}: {off:.1e}");
    assert!(off > CLEARLY * OUTPUTS, "{fault} goes unseen: {off:.1e}");
}

#[test]
fn two_layers_that_change_places_are_seen() {
    let variant = Variant::own();
    for stack in ["transformer.layers", "cross_view_layers", "global_layers"] {
        let [first, second] = [0, 1].map(|layer| format!("{stack}.{layer}."));
        let swapped = variant.file("haptic_weights").edited(|name, _| {
            let other = if name.contains(&first) { (&first, &second) } else { (&second, &first) };
            Some(name.replace(other.0, other.1))
        });
        assert_seen(&format!("two of {stack} swapped"), &swapped);
    }
}

#[test]
fn frame_codes_that_are_missing_or_one_place_off_are_seen() {
    let variant = Variant::own();
    let coded = |edit: &dyn Fn(&mut Vec<u8>)| {
        variant.file("haptic_weights").edited(|name, data| {
            if name.ends_with("transformer.transformer.pos_enc_f.pos_table") {
                edit(data);
            }
            Some(name.to_owned())
        })
    };
    assert_seen("no frame code", &coded(&|data| data.fill(0)));
    let row = 4 * variant.number("decoder", "dim");
    assert_seen("codes from 1", &coded(&|data| data.rotate_left(row)));
}

#[test]
fn keys_and_values_that_change_places_are_seen() {
    let variant = Variant::own();
    let swapped = variant.file("haptic_weights").edited(|name, data| {
        if name.ends_with("to_kv.weight") {
            let half = data.len() / 2;
            data.rotate_left(half);
        }
        Some(name.to_owned())
    });
    assert_seen("keys for values", &swapped);
}

#[test]
fn rows_read_as_columns_of_a_rotation_are_seen() {
    let variant = Variant::own();
    let (mut rows, case) = rows(&variant, &variant.file("haptic_weights"));
    for [a, b, c, d, e, f] in rows.iter_mut().flat_map(|row| &mut row.rotations) {
        // What `[3, 2]` instead of `[2, 3]` would make of the six numbers.
        let right = [*a, *b, *c, *d, *e, *f];
        [*a, *d, *b, *e, *c, *f] = right;
    }
    let off = outputs(&rows, &case);
    assert!(off > CLEARLY * OUTPUTS, "rows for columns go unseen: {off:.1e}");
}

#[test]
fn an_epsilon_of_the_backbones_in_the_decoder_is_seen() {
    let variant = Variant::own();
    let (weights, case) = (variant.file("hamer_weights"), variant.file("hamer_forward"));
    let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
    let layers = checkpoint.root().part("mano_head").part("transformer").part("transformer").part("layers");
    let first = layers.part(0).part(0);
    let width = variant.number("decoder", "dim");
    let inner = variant.number("decoder", "heads") * variant.number("decoder", "dim_head");
    let joint = first.part("fn").tensor("to_qkv.weight", &[3 * inner, width]).unwrap();
    let value = Linear::new(&joint[2 * inner * width..], &vec![0.0; inner], Isa::best());
    let out = Linear::read(&first.part("fn").part("to_out").part(0), inner, width, Isa::best()).unwrap();
    let off = |epsilon: f32| {
        let norm = LayerNorm::read(&first.part("norm"), width, epsilon).unwrap();
        let rows: Vec<f32> =
            case.numbers(&format!("dec.{EPSILON_SHOWS}.in")).iter().map(|&v| v as f32).collect();
        let (mut normed, mut values, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        norm.apply(&rows, &mut normed);
        value.apply(&normed, room(width), &mut values);
        out.apply(&values, room(inner), &mut ours);
        let ours = ours.iter().map(|&v| f64::from(v));
        let theirs = case.numbers(&format!("dec.{EPSILON_SHOWS}.out"));
        ours.zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f64::max)
    };
    let [right, wrong] = [1e-5, 1e-6].map(off);
    println!("{right:.1e} with the right epsilon, {wrong:.1e} with the wrong one");
    assert!(right < ACTIVATIONS && wrong > ACTIVATIONS, "{right:.1e} and {wrong:.1e}");
}

/// The own variant's picture, as its columns or mirrored.
fn own_picture(side: Side) -> Picture {
    let columns = Variant::own().file("haptic_m3").numbers("in.crop_u8");
    let mut square = Vec::with_capacity(3 * 256 * 256);
    for row in columns.chunks_exact(Picture::COLUMNS) {
        let mut row: Vec<u8> = row.iter().map(|&byte| byte as u8).collect();
        if side == Side::Left {
            row.reverse();
        }
        square.extend([&[0; 32][..], &row, &[0; 32]].concat());
    }
    Picture::from_square(&square).unwrap()
}

/// How far the features of a picture are from the first of the own variant's.
fn features_off(weights: &Fixture, picture: &Picture) -> f64 {
    let variant = Variant::own();
    let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
    let scope = checkpoint.root().part("backbone");
    let config = VitConfig::read(&scope, Some(variant.number("vit", "num_heads"))).unwrap();
    let vit = Vit::read(&scope, &config, Isa::best()).unwrap();
    let (mut memory, mut tokens) = (VitMemory::default(), Vec::new());
    vit.apply(picture.values(), &mut memory, &InOrder, Probe::off(), &mut tokens);
    let (width, pitch) = (config.width, room(config.width));
    let theirs = variant.file("haptic_m3").numbers("vit.crop.features");
    let theirs = token_rows(&theirs[..TOKENS * width], width, width).concat();
    let ours = tokens.chunks_exact(pitch).flat_map(|row| &row[..width]).map(|&v| f64::from(v));
    off(ours, &theirs.into_iter().map(f64::from).collect::<Vec<_>>())
}

#[test]
fn the_backbones_features_of_the_own_picture_are_right_and_a_mirrored_picture_or_swapped_blocks_are_seen() {
    let weights = Variant::own().file("haptic_weights");
    let right = features_off(&weights, &own_picture(Side::Right));
    assert!(right < ACTIVATIONS, "{right:.1e}");
    let mirrored = features_off(&weights, &own_picture(Side::Left));
    let swapped = weights.edited(|name, _| {
        let (from, to) = if name.contains("blocks.0.") { ("s.0.", "s.1.") } else { ("s.1.", "s.0.") };
        Some(if name.starts_with("backbone.blocks") { name.replace(from, to) } else { name.to_owned() })
    });
    let swapped = features_off(&swapped, &own_picture(Side::Right));
    println!("{right:.1e}; mirrored {mirrored:.1e}, two blocks swapped {swapped:.1e}");
    assert!(mirrored > CLEARLY * ACTIVATIONS && swapped > CLEARLY * ACTIVATIONS);
}
