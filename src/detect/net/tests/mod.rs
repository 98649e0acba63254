//! What must hold for every file, good or bad, and every instruction set.

mod sample;
mod writer;

use super::{Isa, ModelError, Network};
use sample::sample;

fn fill(input: &mut [f32]) {
    for (index, value) in input.iter_mut().enumerate() {
        *value = (index * 97 % 256) as f32 / 255.0;
    }
}

/// All outputs for a fixed picture.
fn outputs(network: &mut Network) -> Vec<Vec<f32>> {
    fill(network.input_mut());
    network.run();
    (0..network.outputs()).map(|index| network.output(index).to_vec()).collect()
}

/// Loads a file of unknown quality and runs it where it loads.
fn try_file(file: &[u8]) -> Result<(), ModelError> {
    Network::from_bytes(file).map(|mut network| network.run())
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn all_instruction_sets_give_the_same_numbers() {
    let file = sample();
    let mut reference = Network::with_isa(&file, Isa::Portable).unwrap();
    assert_eq!(reference.input_shape(), [1, 26, 26, 3]);
    let expected = outputs(&mut reference);
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [1280, 5, 5, 7 * 7 * 70]);
    assert!(expected[0].iter().any(|value| value.abs() > 0.1), "the sample should not be all zeros");
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let found = outputs(&mut Network::with_isa(&file, isa).unwrap());
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{isa}: {found} {expected}");
        }
    }
}

#[test]
fn a_second_run_gives_the_same_result() {
    let mut network = Network::from_bytes(&sample()).unwrap();
    assert_eq!(outputs(&mut network), outputs(&mut network));
}

#[test]
fn a_run_in_pieces_gives_the_same_result() {
    let mut network = Network::from_bytes(&sample()).unwrap();
    let expected = outputs(&mut network);
    network.begin();
    let mut pieces = 1;
    while !network.advance(0.3, &|| true) {
        pieces += 1;
    }
    assert_eq!(pieces, 4);
    let found: Vec<Vec<f32>> = (0..network.outputs()).map(|index| network.output(index).to_vec()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_missing_instruction_set_is_an_error() {
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        assert_eq!(Network::with_isa(&sample(), isa).err(), Some(ModelError::IsaUnavailable(isa)));
    }
}

#[test]
fn a_file_of_another_kind_is_named_so() {
    assert_eq!(try_file(b"PK\x03\x04 a zip archive"), Err(ModelError::NotTflite));
    assert_eq!(try_file(b""), Err(ModelError::NotTflite));
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let file = sample();
    for length in 0..file.len() {
        assert!(try_file(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
}

#[test]
fn flipped_bits_give_an_error_or_a_network_that_runs() {
    let file = sample();
    let mut random = Random(7);
    let (mut good, mut bad) = (0, 0);
    for round in 0..6000 {
        let mut file = file.clone();
        for _ in 0..1 + round % 3 {
            let at = random.below(file.len());
            file[at] ^= 1 << random.below(8);
        }
        match try_file(&file) {
            Ok(()) => good += 1,
            Err(_) => bad += 1,
        }
    }
    assert!(good > 500 && bad > 500, "{good} ran, {bad} did not");
}

#[test]
fn words_of_any_value_give_an_error_or_a_network_that_runs() {
    let file = sample();
    let mut random = Random(11);
    for _ in 0..3000 {
        let mut file = file.clone();
        let at = random.below(file.len() - 4);
        let word = [0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX, random.below(1 << 16) as u32][random.below(6)];
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let _ = try_file(&file);
    }
}
