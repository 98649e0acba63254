//! Temporal reasoning: one token gathers those of a hand's window (4DHands, Lin et al. 2024, section 3.3).
//! Hands do not see each other here.

use std::f64::consts::TAU;

use crate::haptic::full::{DecoderConfig, DecoderForm, TokenDecoder, roomy};
use crate::net::{BlockMemory, CheckpointError, Isa, Scope, add, room};

/// The released code's guard against a window of no frames.
const TINY: f64 = 1e-6;
/// Base of the code's wavelengths.
const BASE: f64 = 10_000.0;

/// The decoder with its weights.
pub struct TemporalReasoning {
    width: usize,
    decoder: TokenDecoder,
}

/// Working memory of a [`TemporalReasoning`].
#[derive(Default)]
pub struct TemporalMemory {
    rows: Vec<f32>,
    block: BlockMemory,
}

impl TemporalReasoning {
    /// Reads `temp_decoder`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(
        scope: &Scope,
        config: &DecoderConfig,
        form: DecoderForm,
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let decoder = TokenDecoder::read(scope, config, form, isa)?;
        Ok(Self { width: config.context, decoder })
    }

    /// One token for each window, rows [`room`] apart, from the tokens of its frames, oldest first.
    pub fn apply(&self, windows: &[&[&[f32]]], memory: &mut TemporalMemory, out: &mut Vec<f32>) {
        let TemporalMemory { rows, block } = memory;
        rows.clear();
        for window in windows {
            let first = rows.len();
            for token in *window {
                rows.extend_from_slice(token);
            }
            add(&mut rows[first..], &roomy(&temporal_code(window.len(), self.width), self.width));
        }
        let mut rest = rows.as_slice();
        let lists = windows.iter().map(|window| {
            let (list, after) = rest.split_at(window.len() * room(self.width));
            rest = after;
            list
        });
        let lists: Vec<&[f32]> = lists.collect();
        self.decoder.gather(&lists, block, out);
    }
}

/// The sine code of a window of `length` frames, a row of `width` numbers for each frame: a whole turn over the
/// window, sines and cosines by turns, each pair of a wavelength of its own.
pub fn temporal_code(length: usize, width: usize) -> Vec<f32> {
    let number = |frame: usize, at: usize| {
        let turn = TAU * (frame + 1) as f64 / (length as f64 + TINY);
        let angle = turn / BASE.powf(2.0 * (at / 2) as f64 / width as f64);
        (if at.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    (0..length).flat_map(|frame| (0..width).map(move |at| number(frame, at))).collect()
}
