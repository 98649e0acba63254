//! Products of rows with a packed matrix: the kernel under every layer and under attention.
//!
//! Weights are packed once in the order in which the kernel reads them: panels of two registers of outputs,
//! and in each panel the bias, then the weights input by input. With a handful of rows the time goes into
//! reading weights, and a panel meets all rows before the next one is read. With hundreds of rows it goes into
//! products: a panel is read in blocks of [`DEPTH`] inputs, so that block and rows stay in the nearest cache
//! while a tile's sums stay in registers (Goto and van de Geijn 2008).
#![allow(clippy::needless_range_loop, reason = "index loops over constant bounds unroll into registers")]

use std::ops::Range;

use super::memory::Buffer;
use super::simd::{Vector, lanes, per_isa};
use super::{Isa, gelu, room};

/// Inputs of a block.
pub(super) const DEPTH: usize = 256;
/// Inputs between two requests for weights that are needed next.
const AHEAD_STEP: usize = 4;
/// Floats of a cache line.
const LINE: usize = 16;

/// Where the numbers of a matrix lie: number `(row, column)` is at
/// `start + column / DEPTH * block + row * pitch + column % DEPTH`.
#[derive(Clone, Copy)]
pub(super) struct Place<P> {
    pub start: P,
    /// From row to row.
    pub pitch: usize,
    /// From one block of `DEPTH` columns to the next.
    pub block: usize,
}

impl<P> Place<P> {
    /// Whole rows one after the other, `pitch` numbers apart.
    pub fn rows(start: P, pitch: usize) -> Self {
        Self { start, pitch, block: DEPTH }
    }

    fn offset(&self, row: usize, column: usize) -> usize {
        column / DEPTH * self.block + row * self.pitch + column % DEPTH
    }
}

/// What a product does to its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Keep,
    /// The exact GELU.
    Gelu,
}

/// A packed matrix `[outputs, inputs]` and a bias for each output.
pub(super) struct Panels {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    packed: Buffer,
}

impl Panels {
    /// A matrix of zeros.
    ///
    /// # Panics
    /// When the processor lacks `isa`.
    pub fn zeros(inputs: usize, outputs: usize, isa: Isa) -> Self {
        assert!(isa.is_available(), "this processor has no {isa}");
        Self { isa, inputs, outputs, packed: Buffer::zeros((inputs + 1) * room(outputs)) }
    }

    pub fn isa(&self) -> Isa {
        self.isa
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// How many panels there are.
    pub fn count(&self) -> usize {
        room(self.outputs).div_ceil(2 * lanes(self.isa))
    }

    /// Sets bias and weights of one output.
    pub fn set_output(&mut self, output: usize, bias: f32, weights: &[f32]) {
        let panel = 2 * lanes(self.isa);
        let width = panel.min(room(self.outputs) - output / panel * panel);
        let start = output / panel * panel * (self.inputs + 1) + output % panel;
        let column = self.packed[start..].iter_mut().step_by(width);
        for (place, value) in column.zip(std::iter::once(&bias).chain(weights)) {
            *place = *value;
        }
    }

    /// Sets the weights of one input.
    pub fn set_input(&mut self, input: usize, weights: &[f32]) {
        let panel = 2 * lanes(self.isa);
        for (number, weights) in weights.chunks(panel).enumerate() {
            let width = panel.min(room(self.outputs) - number * panel);
            let start = number * panel * (self.inputs + 1) + (input + 1) * width;
            self.packed[start..][..weights.len()].copy_from_slice(weights);
        }
    }

    /// The products of `rows` rows of `input` with the panels `which`, into those columns of `out`.
    /// A row's results do not depend on the rows beside it.
    ///
    /// # Safety
    /// `input` must hold `rows` rows of the matrix's inputs, and `out` `rows` rows of [`room`] for its outputs,
    /// of which nobody else touches the panels' columns.
    pub unsafe fn product(
        &self,
        which: Range<usize>,
        rows: usize,
        input: Place<*const f32>,
        out: Place<*mut f32>,
        then: Then,
    ) {
        debug_assert!(which.end <= self.count());
        // SAFETY: `zeros` found the instruction set; the caller vouches for the rows.
        unsafe { product_on(self.isa, &Job { panels: self, which, rows, input, out, then }) }
    }
}

struct Job<'a> {
    panels: &'a Panels,
    which: Range<usize>,
    rows: usize,
    input: Place<*const f32>,
    out: Place<*mut f32>,
    then: Then,
}

per_isa! { fn product_on(job: &Job) = product }

#[inline(always)]
unsafe fn product<V: Vector>(job: &Job) {
    let Job { panels, rows, input, out, .. } = job;
    let (inputs, columns) = (panels.inputs, room(panels.outputs));
    // Tiles of equal height: a tile of one row left over would load a register for each product.
    let height = rows.div_ceil(rows.div_ceil(V::TILE_ROWS).max(1)).max(1);
    // A few rows stay near anyway.
    let few = *rows <= 2 * V::TILE_ROWS && input.block == DEPTH;
    let depth = if few { inputs.max(1) } else { DEPTH };
    for first in (0..inputs.max(1)).step_by(depth) {
        let depth = depth.min(inputs - first);
        for panel in job.which.clone() {
            let column = panel * 2 * V::LANES;
            let width = (2 * V::LANES).min(columns - column);
            // SAFETY: panel, rows and columns lie within the packed weights, the input and the output.
            unsafe {
                let packed = panels.packed.as_ptr().add(column * (inputs + 1));
                let weights = packed.add((first + 1) * width);
                let mut tile = Tile {
                    bias: if first == 0 { packed } else { std::ptr::null() },
                    weights,
                    depth,
                    // The same block of the next panel; past the end it is any address.
                    ahead: weights.wrapping_add(width * (inputs + 1)),
                    input: input.start.add(input.offset(0, first)),
                    pitch: input.pitch,
                    out: out.start.add(out.offset(0, column)),
                    out_pitch: out.pitch,
                    gelu: job.then == Then::Gelu && first + depth == inputs,
                };
                for top in (0..*rows).step_by(height) {
                    let rows = height.min(rows - top);
                    if width == 2 * V::LANES {
                        tile_of::<V, 2>(rows, &tile);
                    } else {
                        tile_of::<V, 1>(rows, &tile);
                    }
                    tile.input = tile.input.wrapping_add(rows * input.pitch);
                    tile.out = tile.out.wrapping_add(rows * out.pitch);
                    tile.ahead = tile.ahead.wrapping_add(depth / AHEAD_STEP * LINE);
                }
            }
        }
    }
}

/// Some rows times one block of one panel.
struct Tile {
    /// Where the sums start; null: from what `out` holds.
    bias: *const f32,
    weights: *const f32,
    depth: usize,
    /// Weights that will be needed next.
    ahead: *const f32,
    input: *const f32,
    pitch: usize,
    out: *mut f32,
    out_pitch: usize,
    gelu: bool,
}

#[inline(always)]
unsafe fn tile_of<V: Vector, const W: usize>(rows: usize, tile: &Tile) {
    macro_rules! by_rows {
        ($($count:literal)*) => {
            match rows {
                // SAFETY: the caller's conditions, handed on.
                $($count if $count <= V::TILE_ROWS => unsafe {
                    if tile.pitch == DEPTH {
                        run::<V, W, $count, DEPTH>(tile)
                    } else {
                        run::<V, W, $count, 0>(tile)
                    }
                },)*
                _ => unreachable!("tiles have at most TILE_ROWS rows"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// `R` rows times a block `W` registers wide. `PITCH`, where it is not 0, is the input's: known when the
/// kernel is built, it spares a pointer for each row.
#[inline(always)]
unsafe fn run<V: Vector, const W: usize, const R: usize, const PITCH: usize>(tile: &Tile) {
    let pitch = if PITCH == 0 { tile.pitch } else { PITCH };
    // SAFETY: the caller's conditions: `depth` rows of weights, `R` rows of inputs and outputs.
    unsafe {
        let (start, from_row_to_row) =
            if tile.bias.is_null() { (tile.out.cast_const(), tile.out_pitch) } else { (tile.bias, 0) };
        let mut sums = [[V::splat(0.0); W]; R];
        for r in 0..R {
            for w in 0..W {
                sums[r][w] = V::load(start.add(r * from_row_to_row + w * V::LANES));
            }
        }
        let (mut weights, mut input, mut ahead) = (tile.weights, tile.input, tile.ahead);
        macro_rules! steps {
            ($count:expr) => {
                for i in 0..$count {
                    let row: [V; W] = std::array::from_fn(|w| V::load(weights.add((i * W + w) * V::LANES)));
                    for r in 0..R {
                        let value = V::splat(*input.add(r * pitch + i));
                        for w in 0..W {
                            sums[r][w] = sums[r][w].add_product(value, row[w]);
                        }
                    }
                }
                weights = weights.add($count * W * V::LANES);
                input = input.add($count);
            };
        }
        for _ in 0..tile.depth / AHEAD_STEP {
            V::prefetch_far(ahead);
            ahead = ahead.wrapping_add(LINE);
            steps!(AHEAD_STEP);
        }
        for _ in 0..tile.depth % AHEAD_STEP {
            steps!(1);
        }
        for r in 0..R {
            for w in 0..W {
                sums[r][w].store(tile.out.add(r * tile.out_pitch + w * V::LANES));
            }
        }
        if tile.gelu {
            // A loop of its own: sums that it could index would not stay in registers.
            for place in (0..R * W).map(|i| tile.out.add(i / W * tile.out_pitch + i % W * V::LANES)) {
                gelu::gelu_of(V::load(place)).store(place);
            }
        }
    }
}
