//! The whole network: pictures in, the heads' numbers out, with features kept in slots.

use handstream::haptic::full::{
    CpuNetwork, DecoderConfig, DecoderForm, HandPictures, HeadRow, NetworkError, Picture, Slot, WindowNetwork,
};
use handstream::jobs::InOrder;
use handstream::net::{Checkpoint, VitConfig};

use super::decoder::{CASES, FORMS, OUTPUTS, flat, outputs};
use super::variant::{Variant, off};
use crate::tensors::Fixture;

/// The network in a file of weights of `variant`.
pub fn network(variant: &Variant, weights: &Fixture, form: DecoderForm) -> CpuNetwork {
    let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
    let root = checkpoint.root();
    let heads =
        [("vit", "num_heads"), ("decoder", "heads")].map(|(part, name)| Some(variant.number(part, name)));
    let vit = VitConfig::read(&root.part("backbone"), heads[0]).unwrap();
    let decoder = DecoderConfig::read(&root.part("mano_head"), heads[1]).unwrap();
    CpuNetwork::read(&root, &vit, &decoder, form).unwrap()
}

/// The pictures `[N, 3, 256, 256]` of a fixture.
pub fn pictures(fixture: &Fixture, name: &str) -> Vec<Picture> {
    let bytes: Vec<u8> = fixture.numbers(name).into_iter().map(|byte| byte as u8).collect();
    bytes.chunks_exact(3 * 256 * 256).map(|square| Picture::from_square(square).unwrap()).collect()
}

/// HaPTIC with all frames of the fixture in its slots, numbered as the frames.
pub fn filled(variant: &Variant, form: DecoderForm) -> CpuNetwork {
    let mut network = network(variant, &variant.file("haptic_weights"), form);
    let inputs = variant.file("haptic_inputs");
    let (crops, frames) = (pictures(&inputs, "img_u8"), pictures(&inputs, "orig_img_u8"));
    let hands = crops.iter().zip(&frames).enumerate();
    let hands = hands.map(|(slot, (crop, frame))| (Slot(slot), HandPictures { crop, frame: Some(frame) }));
    network.encode(&hands.collect::<Vec<_>>(), &InOrder).unwrap();
    network
}

/// The rows of windows of slots.
pub fn decode(network: &mut CpuNetwork, windows: &[&[Slot]]) -> Vec<HeadRow> {
    let mut rows = Vec::new();
    network.decode(windows, &InOrder, &mut rows).unwrap();
    rows
}

#[test]
fn haptics_numbers_from_pictures_equal_the_released_ones_in_both_forms() {
    for variant in Variant::all() {
        let [mut plain, mut absorbed] =
            [DecoderForm::Plain, DecoderForm::Absorbed].map(|form| filled(&variant, form));
        for (name, length) in CASES {
            let case = variant.file(name);
            let slots: Vec<Slot> =
                case.numbers("in.frame_index").into_iter().map(|index| Slot(index as usize)).collect();
            let windows: Vec<&[Slot]> = slots.chunks(length).collect();
            let rows = [&mut plain, &mut absorbed].map(|network| decode(network, &windows));
            let [plain, absorbed] = rows.each_ref().map(|rows| outputs(rows, &case));
            let numbers = |rows: &[HeadRow]| rows.iter().flat_map(flat).collect::<Vec<f64>>();
            let forms = off(numbers(&rows[1]), &numbers(&rows[0]));
            println!("{} {name}: {plain:.1e} plain, {absorbed:.1e} absorbed", variant.name());
            assert!(plain < OUTPUTS && absorbed < OUTPUTS, "{name}: {plain:.1e} and {absorbed:.1e}");
            assert!(forms < FORMS, "{name}: the forms differ by {forms:.1e}");
        }
    }
}

#[test]
fn hamers_numbers_from_pictures_equal_the_released_ones() {
    for variant in Variant::all() {
        let case = variant.file("hamer_forward");
        let mut network = network(&variant, &variant.file("hamer_weights"), DecoderForm::Absorbed);
        let crops = pictures(&case, "in.img_u8");
        let hands = crops.iter().enumerate();
        let hands = hands.map(|(slot, crop)| (Slot(slot), HandPictures { crop, frame: None }));
        let hands: Vec<_> = hands.collect();
        network.encode(&hands, &InOrder).unwrap();
        let windows: Vec<[Slot; 1]> = hands.iter().map(|(slot, _)| [*slot]).collect();
        let rows = decode(&mut network, &windows.iter().map(|w| w.as_slice()).collect::<Vec<_>>());
        let off = outputs(&rows, &case);
        println!("{}: {off:.1e}", variant.name());
        assert!(off < OUTPUTS, "{off:.1e}");
    }
}

#[test]
fn with_haptics_new_layers_silent_its_numbers_are_hamers() {
    // The start of HaPTIC's training: what the new layers add is zero.
    for variant in Variant::all() {
        let silent = variant.file("haptic_weights").edited(|name, data| {
            let new = name.contains("cross_view_layers") || name.contains("global_layers");
            if new && name.contains("to_out") {
                data.fill(0);
            }
            Some(name.to_owned())
        });
        let hamer = variant.file("haptic_weights").edited(|name, _| {
            let new = ["cross_view_layers", "global_layers", "pos_enc_f", "decaux", "init_aux"];
            (!new.iter().any(|new| name.contains(new))).then(|| name.to_owned())
        });
        let inputs = variant.file("haptic_inputs");
        let (crops, frames) = (pictures(&inputs, "img_u8"), pictures(&inputs, "orig_img_u8"));
        let hand = HandPictures { crop: &crops[0], frame: Some(&frames[0]) };
        let mut rows = [silent, hamer].map(|weights| {
            let mut network = network(&variant, &weights, DecoderForm::Absorbed);
            network.encode(&[(Slot(0), hand)], &InOrder).unwrap();
            decode(&mut network, &[&[Slot(0)]])[0]
        });
        rows[0].depth = 0.0;
        assert_eq!(rows[0], rows[1]);
    }
}

#[test]
fn what_cannot_be_answered_is_told_in_a_sentence() {
    for variant in Variant::all() {
        let mut network = filled(&variant, DecoderForm::Absorbed);
        let longest = network.shape().longest_window;
        let mut refusal =
            |windows: &[&[Slot]]| network.decode(windows, &InOrder, &mut Vec::new()).unwrap_err();
        assert_eq!(refusal(&[&[]]), NetworkError::Window { length: 0, longest });
        let long = vec![Slot(0); longest + 1];
        assert_eq!(refusal(&[&long]), NetworkError::Window { length: longest + 1, longest });
        let sentence = refusal(&[&[Slot(0), Slot(99)]]).to_string();
        assert_eq!(sentence, "slot 99 holds no features; encode its pictures before a window names it");
        let picture = Picture::new();
        let hand = HandPictures { crop: &picture, frame: None };
        assert_eq!(network.encode(&[(Slot(0), hand)], &InOrder), Err(NetworkError::FrameMissing));

        let weights = variant.file("haptic_weights");
        let checkpoint = Checkpoint::parse(weights.bytes()).unwrap();
        let head = checkpoint.root().part("mano_head");
        let width = variant.number("decoder", "dim");
        assert_eq!(DecoderConfig::read(&head, None), Err(NetworkError::HeadsUnknown { width }));
        let error = DecoderConfig::read(&head, Some(width * 7)).unwrap_err();
        assert!(matches!(error, NetworkError::Heads { .. }), "{error}");
    }
}
