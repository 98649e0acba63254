//! The decoder's layers as programs of steps, and their launches.

use super::step::{Features, Rows, Step, WARPS};
use super::weights::{Cross, Weights};
use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Precision, Source};
use crate::gpu::matrix::{LoadError, PITCH_STEP};
use crate::gpu::memory::{Buffer, Part, Plan};
use crate::haptic::full::DecoderConfig;
use crate::net::Scope;
use crate::net::vit::TOKENS;

/// Most inputs of a layer, and most rows of a tile, which the heads of a frame are.
const MOST_INPUTS: usize = 1280;
const MOST_HEADS: usize = 16;
/// Columns of features that a block sums at once.
const SUM_COLUMNS: usize = 128;
/// Rows that are staged at once, and what is added to each so that they start in different banks.
const STAGED_ROWS: usize = 16;
const STAGED_PADDING: usize = 8;
/// Most numbers of the heads for a row: 16 rotations in 6D, 10 of shape, 3 of the camera, depth.
const OUTPUTS: usize = 110;
/// Most frames of a window: one per lane.
const MOST_FRAMES: usize = 32;

/// The decoder with its weights.
pub(in crate::gpu) struct DeviceDecoder<B: KernelBackend> {
    config: DecoderConfig,
    weights: Weights<B>,
    function: B::Function,
    /// What blocks wait for each other with, and what they leave with.
    arrived: Buffer<B>,
    processors: usize,
}

/// Numbers of a program's rows, all in one buffer of the device: from which token and whose features a row of a
/// window starts, its place in the window, and where the window is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::gpu) struct DecoderLists {
    /// The slot of each row.
    pub slots: Vec<i32>,
    /// Its place in its window.
    pub places: Vec<i32>,
    /// The first row of its window.
    pub firsts: Vec<i32>,
    /// Rows of its window.
    pub lengths: Vec<i32>,
}

/// Working memory for up to a number of rows.
pub(in crate::gpu) struct DecoderMemory<B: KernelBackend> {
    buffer: Buffer<B>,
    rows: usize,
    x: [Part; 2],
    q: Part,
    wide: Part,
    scores: Part,
    sums: Part,
    mixed: Part,
    qkv: Part,
    hidden: Part,
    numbers: Part,
    lists: [Part; LISTS],
}

/// Lists of row numbers on the device.
#[derive(Clone, Copy)]
enum List {
    Token,
    Crop,
    Whole,
    Place,
    First,
    Length,
    NewCrop,
    NewToken,
}

/// How many lists there are.
const LISTS: usize = List::NewToken as usize + 1;

/// Steps on the device.
pub(in crate::gpu) struct Program<B: KernelBackend> {
    steps: Buffer<B>,
    count: usize,
}

/// What slots hold, on the device.
#[derive(Clone, Copy, Debug)]
pub(in crate::gpu) struct SlotMemory {
    /// `[2 slots, 192, context]`: crop, then whole frame, of each slot.
    pub features: Address,
    /// `[slots, width]`, 32-bit.
    pub tokens: Address,
}

/// A step's rows, whose width is the token's.
fn stream(at: Address, width: usize) -> Rows {
    Rows::packed(at, width)
}

impl DecoderLists {
    /// Windows of slots, oldest frame first, one after the other.
    pub fn new(windows: &[&[usize]]) -> Self {
        let mut lists = Self::default();
        for window in windows {
            let first = lists.slots.len() as i32;
            for (place, &slot) in window.iter().enumerate() {
                lists.slots.push(slot as i32);
                lists.places.push(place as i32);
                lists.firsts.push(first);
                lists.lengths.push(window.len() as i32);
            }
        }
        lists
    }

    /// Rows of all windows.
    pub fn rows(&self) -> usize {
        self.slots.len()
    }
}

impl<B: KernelBackend> DecoderMemory<B> {
    /// Memory for up to `rows` rows.
    pub fn new(backend: &B, config: &DecoderConfig, rows: usize) -> Result<Self, GpuError> {
        let &DecoderConfig { width, heads, inner, hidden, context, .. } = config;
        let mut plan = Plan::default();
        let mut floats = |count: usize| plan.part(rows * count * size_of::<f32>());
        let x = [floats(width), floats(width)];
        let [q, wide, scores, sums] =
            [inner, heads * context, heads * TOKENS, heads * context].map(&mut floats);
        let [mixed, qkv, hidden, numbers] = [inner, 3 * inner, hidden, OUTPUTS].map(&mut floats);
        let lists = std::array::from_fn(|_| floats(1));
        let buffer = Buffer::zeros(backend, plan.bytes())?;
        Ok(Self { buffer, rows, x, q, wide, scores, sums, mixed, qkv, hidden, numbers, lists })
    }

    /// Most rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Says which rows the next program works on.
    pub fn set_windows(&self, backend: &B, lists: &DecoderLists) -> Result<(), GpuError> {
        let crops: Vec<i32> = lists.slots.iter().map(|slot| 2 * slot).collect();
        let wholes: Vec<i32> = crops.iter().map(|crop| crop + 1).collect();
        let all = [
            (List::Token, &lists.slots),
            (List::Crop, &crops),
            (List::Whole, &wholes),
            (List::Place, &lists.places),
            (List::First, &lists.firsts),
            (List::Length, &lists.lengths),
        ];
        all.into_iter().try_for_each(|(list, numbers)| self.set(backend, list, numbers))
    }

    /// Says into which slots the next program puts the first tokens of new frames.
    pub fn set_new(&self, backend: &B, slots: &[i32]) -> Result<(), GpuError> {
        let crops: Vec<i32> = slots.iter().map(|slot| 2 * slot).collect();
        self.set(backend, List::NewCrop, &crops)?;
        self.set(backend, List::NewToken, slots)
    }

    /// The heads' numbers of `rows` rows.
    pub fn numbers(&self, backend: &B, count: usize) -> Result<Vec<f32>, GpuError> {
        let mut numbers = vec![0.0_f32; count];
        self.buffer.read(backend, self.numbers.offset(), bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    fn set(&self, backend: &B, list: List, numbers: &[i32]) -> Result<(), GpuError> {
        self.buffer.write(backend, self.lists[list as usize].offset(), bytemuck::cast_slice(numbers))
    }

    fn at(&self, part: Part) -> Address {
        part.within(self.buffer.address())
    }

    fn list(&self, list: List) -> Address {
        self.at(self.lists[list as usize])
    }
}

impl<B: KernelBackend> DeviceDecoder<B> {
    /// The kernel for `heads` heads.
    pub fn kernel(heads: usize, precision: Precision) -> Kernel {
        let parts = WARPS * heads * SUM_COLUMNS * size_of::<f32>();
        let staged = STAGED_ROWS * (MOST_INPUTS + STAGED_PADDING) * precision.bytes();
        let shares = TOKENS * heads * size_of::<f32>();
        Kernel {
            sizes: vec![("HEADS", heads)],
            precision,
            shared_bytes: (parts + staged.max(shares)) as u32,
            cooperative: true,
            ..Kernel::new(Source::Decoder, "decode", (WARPS * 32) as u32)
        }
    }

    /// Reads the decoder from the part `mano_head` of a checkpoint.
    pub fn read(
        backend: &B,
        scope: &Scope,
        config: &DecoderConfig,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        check(config)?;
        let decoder = Self {
            config: *config,
            weights: Weights::read(backend, scope, config, precision)?,
            function: backend.load(&Self::kernel(config.heads, precision))?,
            arrived: Buffer::zeros(backend, 2 * size_of::<u32>())?,
            processors: backend.processors(),
        };
        decoder.begin(backend)?;
        Ok(decoder)
    }

    /// Numbers that the heads give for a row.
    pub fn outputs(&self) -> usize {
        self.weights.heads.outputs
    }

    /// Takes the constant token through what no frame can change.
    fn begin(&self, backend: &B) -> Result<(), GpuError> {
        let Some(first) = self.weights.layers.first() else { return Ok(()) };
        let width = self.config.width;
        let constant = self.weights.constant.address();
        let memory = DecoderMemory::new(backend, &self.config, 1)?;
        let [x, moved] = memory.x.map(|part| memory.at(part));
        let none = [Address::NONE; 2];
        let own = Step::dense(&first.own, (1, 1), stream(x, width), stream(moved, width), self.processors);
        let steps = [
            Step::copy((1, width), none, stream(constant, width), stream(x, width)),
            own.normed(first.own_norm.weights()).beside(x),
            Step::copy((1, width), none, stream(moved, width), stream(constant, width)),
        ];
        let program = Program::new(backend, &steps)?;
        // SAFETY: the program's memory lives until the reading below has waited for it.
        unsafe { self.run(backend, &program)? };
        self.weights.constant.floats(backend, width).map(drop)
    }

    /// The program that makes the first tokens of `hands` new frames, and then takes `rows` rows of windows to the heads'
    /// numbers; either may be none.
    pub fn program(
        &self,
        backend: &B,
        memory: &DecoderMemory<B>,
        slots: SlotMemory,
        (hands, rows): (usize, usize),
    ) -> Result<Program<B>, GpuError> {
        let mut steps = Vec::new();
        if hands > 0 {
            self.start(memory, slots, hands, &mut steps);
        }
        if rows > 0 {
            self.windows(memory, slots, rows, &mut steps);
        }
        Program::new(backend, &steps)
    }

    /// Appends what makes the first tokens of `hands` new frames from the features of their crops.
    fn start(&self, memory: &DecoderMemory<B>, slots: SlotMemory, hands: usize, steps: &mut Vec<Step>) {
        let width = self.config.width;
        let constant = Rows { at: self.weights.constant.address(), pitch: 0, batch: 0 };
        let x = memory.at(memory.x[0]);
        steps.push(Step::copy((hands, width), [Address::NONE; 2], constant, stream(x, width)));
        if let Some(layer) = self.weights.layers.first() {
            let features = self.features(slots, memory.list(List::NewCrop));
            self.look(&layer.near, memory, (features, hands), x, steps);
        }
        let tokens = [Address::NONE, memory.list(List::NewToken)];
        steps.push(Step::copy((hands, width), tokens, stream(x, width), stream(slots.tokens, width)));
    }

    /// Appends what takes `rows` rows of windows from their first tokens to the heads' numbers.
    fn windows(&self, memory: &DecoderMemory<B>, slots: SlotMemory, rows: usize, steps: &mut Vec<Step>) {
        let &DecoderConfig { width, inner, hidden, heads, .. } = &self.config;
        let [mut x, mut other] = memory.x.map(|part| memory.at(part));
        let tokens = [memory.list(List::Token), Address::NONE];
        steps.push(Step::copy((rows, width), tokens, stream(slots.tokens, width), stream(x, width)));
        for (number, layer) in self.weights.layers.iter().enumerate() {
            if number > 0 {
                // Blocks still read the rows that this changes, so that it goes from one list to another.
                let own = Step::dense(
                    &layer.own,
                    (rows, 1),
                    stream(x, width),
                    stream(other, width),
                    self.processors,
                );
                steps.push(own.normed(layer.own_norm.weights()).beside(x));
                (x, other) = (other, x);
                let features = self.features(slots, memory.list(List::Crop));
                self.look(&layer.near, memory, (features, rows), x, steps);
            }
            if let Some((view, far)) = &layer.window {
                let [qkv, mixed] = [memory.qkv, memory.mixed].map(|part| memory.at(part));
                let scale = 1.0 / ((inner / heads) as f32).sqrt();
                let joint = Step::dense(
                    &view.qkv,
                    (rows, 1),
                    stream(x, width),
                    Rows::packed(qkv, 3 * inner),
                    self.processors,
                );
                let codes = self.weights.codes.address();
                steps.push(joint.normed(view.norm.weights()).coded(codes, memory.list(List::Place)));
                steps.push(Step::mix(
                    (rows, inner),
                    [memory.list(List::First), memory.list(List::Length)],
                    Rows::packed(qkv, 3 * inner),
                    Rows::packed(mixed, inner),
                    scale,
                ));
                let out = Step::dense(
                    &view.out,
                    (rows, 1),
                    Rows::packed(mixed, inner),
                    stream(x, width),
                    self.processors,
                );
                steps.push(out.beside(x));
                let features = self.features(slots, memory.list(List::Whole));
                self.look(far, memory, (features, rows), x, steps);
            }
            let between = Rows::packed(memory.at(memory.hidden), hidden);
            let first = Step::dense(&layer.first, (rows, 1), stream(x, width), between, self.processors);
            steps.push(first.normed(layer.feed_norm.weights()).activated());
            let second = Step::dense(&layer.second, (rows, 1), between, stream(x, width), self.processors);
            steps.push(second.beside(x));
        }
        let numbers = Rows::packed(memory.at(memory.numbers), self.outputs());
        steps.push(Step::dense(&self.weights.heads, (rows, 1), stream(x, width), numbers, self.processors));
    }

    /// Attention of rows `x` to the features of their frames, added to them: queries through the key layers, scores,
    /// sums of features, value layers, output layer.
    fn look(
        &self,
        layer: &Cross<B>,
        memory: &DecoderMemory<B>,
        (features, rows): (Features, usize),
        x: Address,
        steps: &mut Vec<Step>,
    ) {
        let &DecoderConfig { width, inner, context, heads, .. } = &self.config;
        let size = inner / heads;
        let [q, wide, scores, sums, mixed] =
            [memory.q, memory.wide, memory.scores, memory.sums, memory.mixed].map(|part| memory.at(part));
        let processors = self.processors;
        // By head, a row's part of it; by row, its heads one after the other.
        let heads_of = |at, size| Rows { at, pitch: heads * size, batch: size };
        let rows_of = |at, size| Rows { at, pitch: size, batch: heads * size };
        let queries = Step::dense(&layer.q, (rows, 1), stream(x, width), Rows::packed(q, inner), processors);
        steps.push(queries.normed(layer.norm.weights()));
        let (by_head, by_row) = ((rows, heads), (heads, rows));
        steps.push(Step::dense(&layer.keys, by_head, heads_of(q, size), heads_of(wide, context), processors));
        let scale = 1.0 / (size as f32).sqrt();
        let (wide, scores) = (rows_of(wide, context), rows_of(scores, features.tokens));
        steps.push(Step::scores(features, by_row, wide, scores, (scale, processors)));
        steps.push(Step::sum(features, by_row, scores, rows_of(sums, context)));
        steps.push(Step::dense(
            &layer.values,
            by_head,
            heads_of(sums, context),
            heads_of(mixed, size),
            processors,
        ));
        let out =
            Step::dense(&layer.out, (rows, 1), Rows::packed(mixed, inner), stream(x, width), processors);
        steps.push(out.beside(x));
    }

    fn features(&self, slots: SlotMemory, frames: Address) -> Features {
        Features { at: slots.features, tokens: TOKENS, width: self.config.context, frames }
    }

    /// Runs a program.
    ///
    /// # Safety
    /// The memory for which it was made lives, and its lists name rows, frames and slots that are there.
    pub unsafe fn run(&self, backend: &B, program: &Program<B>) -> Result<(), GpuError> {
        let mut arguments =
            Arguments::new().with(program.steps.address()).int(program.count).with(self.arrived.address());
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.function, [self.processors, 1, 1], &mut arguments) }
    }
}

impl<B: KernelBackend> Program<B> {
    /// Brings steps onto the device.
    fn new(backend: &B, steps: &[Step]) -> Result<Self, GpuError> {
        Ok(Self { steps: Buffer::of_bytes(backend, bytemuck::cast_slice(steps))?, count: steps.len() })
    }
}

/// Whether the kernel can take the decoder's sizes.
fn check(config: &DecoderConfig) -> Result<(), GpuError> {
    let &DecoderConfig { width, heads, inner, hidden, context, longest_window, .. } = config;
    let largest = [width, inner, hidden, context].into_iter().max().unwrap_or(0);
    let fault = if largest > MOST_INPUTS {
        format!("layers of {largest} inputs, and the kernel takes {MOST_INPUTS}")
    } else if !context.is_multiple_of(PITCH_STEP) {
        format!("features of {context} numbers, which is no multiple of {PITCH_STEP}")
    } else if heads > MOST_HEADS {
        format!("{heads} heads, and the kernel takes {MOST_HEADS}")
    } else if longest_window > MOST_FRAMES {
        format!("windows of {longest_window} frames, and the kernel takes {MOST_FRAMES}")
    } else {
        return Ok(());
    };
    Err(GpuError::Unfit(format!("this network's decoder has {fault}: use --device cpu")))
}
