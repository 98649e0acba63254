//! Each network against LiteRT on the same input, and against damage to its file.

use handstream::detect::net::{Isa, ModelError, Network};
use handstream::home::ModelFiles;

use crate::tensors::Fixture;

/// Largest difference accepted for values in pixels, metres and logits, and for probabilities.
const TOLERANCE: f64 = 5e-4;
const PROBABILITY_TOLERANCE: f64 = 1e-5;

/// The bytes of the palm and the landmark network, or `None` with a printed reason.
fn files() -> Option<[Vec<u8>; 2]> {
    match ModelFiles::locate() {
        Ok(files) => Some([files.palm, files.landmark].map(|path| std::fs::read(path).unwrap())),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// The formula of `bench/reference/litert_outputs.py`: triangle waves of different lengths, 0..255.
fn pattern(size: usize) -> Vec<f64> {
    let value = |index: usize| {
        let (y, x, c) = (index / 3 / size, index / 3 % size, index % 3);
        let wave = (x * (3 + c) + y * (5 - c) + x * y / 16 + 40 * c) % 510;
        wave.min(510 - wave) as f64
    };
    (0..size * size * 3).map(value).collect()
}

fn compare(file: &[u8], name: &str, probabilities: &[usize]) {
    let fixture = Fixture::own("mediapipe_networks.safetensors");
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let mut network = Network::with_isa(file, isa).unwrap();
        let size = network.input_shape()[1];
        let hand = fixture.numbers(&format!("{name}.hand.picture"));
        for (title, picture) in [("pattern", pattern(size)), ("hand", hand)] {
            assert_eq!(picture.len(), network.input_len());
            for (input, byte) in network.input_mut().iter_mut().zip(picture) {
                *input = byte as f32 / 255.0;
            }
            network.run();
            for index in 0..network.outputs() {
                let expected = fixture.numbers(&format!("{name}.{title}.output{index}"));
                let found = network.output(index);
                assert_eq!(found.len(), expected.len());
                let differences = found.iter().zip(&expected).map(|(found, e)| (f64::from(*found) - e).abs());
                let largest = differences.fold(0.0, f64::max);
                let limit = if probabilities.contains(&index) { PROBABILITY_TOLERANCE } else { TOLERANCE };
                println!("{name} {title} output {index} with {isa}: largest difference {largest:.2e}");
                assert!(largest <= limit, "{name} {title} output {index} with {isa}: {largest}");
            }
        }
    }
}

#[test]
fn the_palm_network_gives_litert_numbers() {
    if let Some([palm, _]) = files() {
        compare(&palm, "palm", &[]);
    }
}

#[test]
fn the_landmark_network_gives_litert_numbers() {
    if let Some([_, landmark]) = files() {
        compare(&landmark, "landmark", &[1, 2]);
    }
}

#[test]
fn a_cut_off_network_file_is_an_error() {
    // The last kilobytes are names and notes, without which the network may still be whole.
    const NOTES: usize = 4096;
    for file in files().into_iter().flatten() {
        for length in (0..file.len() - NOTES).step_by(16_381) {
            assert!(Network::from_bytes(&file[..length]).is_err(), "{length} of {} bytes", file.len());
        }
        for length in (file.len() - NOTES..file.len()).step_by(61) {
            let _ = Network::from_bytes(&file[..length]).map(|mut network| network.run());
        }
    }
}

#[test]
fn flipped_bits_in_a_network_file_give_an_error_or_a_network_that_runs() {
    const TABLES: usize = 1 << 16;
    let mut seed = 5u64;
    let mut random = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    for mut file in files().into_iter().flatten() {
        let mut errors: Vec<ModelError> = Vec::new();
        for round in 0..500 {
            // The tables lie at the end of the file, after the weights, where most flips change numbers only.
            let region = if round % 8 == 0 { file.len() } else { TABLES };
            let at = file.len() - 1 - random(region);
            let bit = 1 << random(8);
            file[at] ^= bit;
            match Network::from_bytes(&file) {
                Ok(mut network) if round % 16 == 0 => network.run(),
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
            file[at] ^= bit;
        }
        assert!(errors.len() > 20, "more flips should matter than {}", errors.len());
    }
}
