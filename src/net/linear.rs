//! Fully connected layers, on a handful of rows or on hundreds.

use super::checkpoint::{CheckpointError, Scope};
use super::product::{Panels, Place, Then};
use super::{Isa, Slabs, gelu};
use crate::jobs::{Jobs, share};

/// Rows of outputs have room for a multiple of this many numbers: whole registers of every instruction set.
pub const LANE_STEP: usize = 16;
/// Most panels of a piece of work: so few that rows stay in the second cache from one panel to the next, so
/// many that they are worth fetching.
const PIECE_PANELS: usize = 4;
/// Fewest pieces of work for each of the jobs that share them, so that they end together.
const PIECES_EACH: usize = 4;

/// Numbers from row to row of a list whose rows have `width` numbers each: room for whole registers.
pub const fn room(width: usize) -> usize {
    width.next_multiple_of(LANE_STEP)
}

/// `y = W x + b` for rows `x`.
pub struct Linear(Panels);

impl Linear {
    /// Reads `weight` `[outputs, inputs]` and `bias` `[outputs]`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, inputs: usize, outputs: usize, isa: Isa) -> Result<Self, CheckpointError> {
        let weight = scope.tensor("weight", &[outputs, inputs])?;
        let bias = scope.tensor("bias", &[outputs])?;
        Ok(Self::new(&weight, &bias, isa))
    }

    /// A layer of `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    ///
    /// # Panics
    /// When the processor lacks `isa`, or `weight` has no whole number of rows for each bias.
    pub fn new(weight: &[f32], bias: &[f32], isa: Isa) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        assert_eq!(weight.len(), inputs * outputs, "weights of {outputs} outputs");
        let mut panels = Panels::zeros(inputs, outputs, isa);
        for (output, bias) in bias.iter().enumerate() {
            panels.set_output(output, *bias, &weight[output * inputs..][..inputs]);
        }
        Self(panels)
    }

    /// Numbers of a row that goes in.
    pub fn inputs(&self) -> usize {
        self.0.inputs()
    }

    /// Numbers of a row that comes out.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }

    /// Numbers from row to row of the result: the outputs and room for whole registers.
    pub fn pitch(&self) -> usize {
        room(self.outputs())
    }

    /// The layer's result for each row of `input`, whose rows are `pitch` numbers apart, into `out`.
    /// A row's result does not depend on the rows beside it.
    ///
    /// # Panics
    /// When rows of `input` are shorter than the layer's inputs.
    pub fn apply(&self, input: &[f32], pitch: usize, out: &mut Vec<f32>) {
        assert!(self.inputs() <= pitch && input.len().is_multiple_of(pitch));
        let rows = input.len() / pitch;
        out.clear();
        out.resize(rows * self.pitch(), 0.0);
        let (input, out) = (Place::rows(input.as_ptr(), pitch), Place::rows(out.as_mut_ptr(), self.pitch()));
        // SAFETY: input and output hold `rows` rows, and the output is borrowed by nobody else.
        unsafe { self.0.product(0..self.0.count(), rows, input, out, Then::Keep) }
    }

    /// [`Self::apply`] and GELU after it.
    pub fn apply_gelu(&self, input: &[f32], pitch: usize, out: &mut Vec<f32>) {
        self.apply(input, pitch, out);
        gelu(self.0.isa(), out);
    }

    /// The layer's result for each of hundreds of rows, as many panels at a time as `jobs` can run at once.
    /// The same numbers as [`Self::apply`]'s, whoever computes which.
    ///
    /// # Panics
    /// When rows of `input` do not have the layer's inputs.
    pub fn apply_slabs(&self, input: &Slabs, then: Then, jobs: &dyn Jobs, out: &mut Slabs) {
        assert_eq!(input.width(), self.inputs(), "numbers of a row");
        out.resize(input.rows(), self.outputs());
        let out = out.shared();
        let (count, at_once) = (self.0.count(), jobs.at_once());
        let piece = (count / (at_once * PIECES_EACH)).clamp(1, PIECE_PANELS);
        share(jobs, &mut vec![(); at_once], count.div_ceil(piece), &|(), number| {
            let panels = number * piece..count.min((number + 1) * piece);
            // SAFETY: both have the rows; slabs have room for whole registers; a piece has its own panels.
            unsafe { self.0.product(panels, input.rows(), input.place(), out.place(), then) }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.0 - 1.0).collect()
    }

    #[test]
    fn every_instruction_set_computes_the_plain_sums_for_any_number_of_rows() {
        let (inputs, outputs, pitch) = (37, 45, 40);
        let (weight, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let layer = Linear::new(&weight, &bias, isa);
            for rows in [0, 1, 2, 5, 7, 8, 14, 15, 16, 31] {
                let input = numbers(rows * pitch, rows);
                let mut out = Vec::new();
                layer.apply(&input, pitch, &mut out);
                for (row, out) in out.chunks_exact(layer.pitch()).enumerate() {
                    for (o, value) in out.iter().enumerate() {
                        let plain: f64 = (0..inputs)
                            .filter(|_| o < outputs)
                            .map(|i| f64::from(weight[o * inputs + i]) * f64::from(input[row * pitch + i]))
                            .sum::<f64>()
                            + f64::from(bias.get(o).copied().unwrap_or(0.0));
                        assert!((plain - f64::from(*value)).abs() < 1e-5, "{isa} {rows} {row} {o}");
                    }
                }
            }
        }
    }

    #[test]
    fn hundreds_of_rows_give_the_same_numbers_as_a_handful_with_any_number_of_jobs() {
        struct AtOnce(usize);
        impl Jobs for AtOnce {
            fn run(&self, jobs: Vec<crate::jobs::Job<'_>>) {
                jobs.into_iter().rev().for_each(|job| job());
            }
            fn at_once(&self) -> usize {
                self.0
            }
        }
        let (inputs, outputs, rows) = (Slabs::COLUMNS + 44, Slabs::COLUMNS + 21, 131);
        let (weight, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
        let input = numbers(rows * inputs, 3);
        let mut slabs = Slabs::default();
        slabs.resize(rows, inputs);
        for (row, numbers) in input.chunks_exact(inputs).enumerate() {
            for columns in slabs.stretches() {
                slabs.part_mut(row, columns.clone()).copy_from_slice(&numbers[columns]);
            }
        }
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let layer = Linear::new(&weight, &bias, isa);
            let pitch = layer.pitch();
            let (mut handful, mut many, mut many_rows) = (Vec::new(), Slabs::default(), Vec::new());
            layer.apply_gelu(&input, inputs, &mut handful);
            for at_once in [1, 2, 7] {
                layer.apply_slabs(&slabs, Then::Gelu, &AtOnce(at_once), &mut many);
                many.copy_rows(pitch, &mut many_rows);
                for (handful, many) in handful.chunks(pitch).zip(many_rows.chunks(pitch)) {
                    assert_eq!(handful[..outputs], many[..outputs], "{isa}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        let layer = Linear::new(&numbers(64 * 48, 3), &numbers(48, 4), Isa::best());
        let input = numbers(16 * 64, 5);
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        layer.apply(&input, 64, &mut together);
        for (row, together) in input.chunks_exact(64).zip(together.chunks_exact(48)) {
            layer.apply(row, 64, &mut alone);
            assert_eq!(together, alone);
        }
    }
}
