//! The lite window transformer itself: tokens of a window in, one row of numbers per frame out.

use nalgebra::{Rotation3, Vector2};

use super::tokens::{CONTEXT, FrameToken, HandBox, Moment, TOKEN};
use crate::geometry::rotation::matrix_from_6d;
use crate::hand::SHAPES;
use crate::hand::joints::MANO_JOINTS;
use crate::haptic::WINDOW;
use crate::net::{
    Across, Attention, BlockMemory, Checkpoint, CheckpointError, CodePlace, FeedForward, Group, Isa,
    LAYER_NORM_EPSILON, LayerNorm, Linear, Probe, Scope, Sight, Sublayer, Surroundings, WindowBlock, add,
};

/// The trained network; `weights/README.md` says where it comes from.
pub(super) const WEIGHTS: &[u8] = include_bytes!("../../../weights/lite_haptic.safetensors");

/// Sizes of the blocks.
pub(super) const BLOCK: BlockConfig = BlockConfig { width: 128, heads: 4, hidden: 384 };

/// Sizes of a block.
pub(super) struct BlockConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Heads of both attentions.
    pub heads: usize,
    /// Hidden numbers of the feed-forward layers.
    pub hidden: usize,
}
pub(super) const BLOCKS: usize = 4;

/// Places of a row's numbers: 16 rotations, shape, scale, offset, depth change.
const ROTATIONS: usize = 6 * MANO_JOINTS;
const SCALE: usize = ROTATIONS + SHAPES;
const OFFSET: usize = SCALE + 1;
const DEPTH: usize = OFFSET + 2;
pub(super) const OUTPUTS: usize = DEPTH + 1;

/// Depth of a hand whose box has side 1 and whose scale is 0, metres.
const REFERENCE_DEPTH: f64 = 0.14;
/// Exponent of the scale.
const SCALE_EXPONENT: f64 = 0.5;
/// Sides of the box in one unit of the offset.
const OFFSET_UNIT: f64 = 0.2;
/// Metres in one unit of the depth change.
const DEPTH_UNIT: f64 = 0.1;

/// The network with its weights.
pub struct LiteNetwork {
    embed: FeedForward,
    embed_norm: LayerNorm,
    embed_residual: FeedForward,
    context: FeedForward,
    context_code: Vec<f32>,
    frame_code: Vec<f32>,
    blocks: Vec<WindowBlock>,
    norm: LayerNorm,
    head: FeedForward,
}

/// Windows for one pass of the network.
#[derive(Default)]
pub struct Batch {
    tokens: Vec<f32>,
    context: Vec<f32>,
    boxes: Vec<HandBox>,
    /// Rows of each window.
    windows: Vec<Group>,
}

/// Working memory of a pass.
#[derive(Default)]
pub struct NetworkMemory {
    x: Vec<f32>,
    context: Vec<f32>,
    code: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    out: Vec<f32>,
    block: BlockMemory,
}

/// What the network says of one window; rows are frames, the last is the newest.
#[derive(Clone, Copy, Debug)]
pub struct WindowEstimate<'a> {
    rows: &'a [f32],
    pitch: usize,
    boxes: &'a [HandBox],
}

impl Batch {
    /// Removes all windows.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.context.clear();
        self.boxes.clear();
        self.windows.clear();
    }

    /// Appends a window of 1 to [`WINDOW`] frames with their ages in seconds, oldest first; of more
    /// frames the newest count.
    pub fn push<'a>(&mut self, frames: impl ExactSizeIterator<Item = (&'a FrameToken, f64)>) {
        let length = frames.len().min(WINDOW);
        let first = self.boxes.len();
        let mut before: Option<f64> = None;
        let skipped = frames.len() - length;
        for (frame, age) in frames.skip(skipped) {
            let gap = before.map_or(0.0, |before| before - age);
            let moment = Moment { age, gap, filled: length as f64 / WINDOW as f64 };
            frame.write(moment, &mut self.tokens, &mut self.context);
            self.boxes.push(frame.hand_box);
            before = Some(age);
        }
        self.close_window(first);
    }

    /// Makes the rows from `first` on a window.
    fn close_window(&mut self, first: usize) {
        self.windows.push(Group::among(first..self.boxes.len()));
    }

    /// Token and context input of each window.
    #[cfg(feature = "candle")]
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        self.windows.iter().map(|window| {
            let rows = &window.queries;
            let tokens = &self.tokens[rows.start * TOKEN..rows.end * TOKEN];
            (tokens, &self.context[rows.start * CONTEXT..rows.end * CONTEXT])
        })
    }

    /// Appends a window by its numbers.
    #[cfg(test)]
    pub(super) fn push_numbers(&mut self, tokens: &[f32], context: &[f32], boxes: &[HandBox]) {
        let first = self.boxes.len();
        self.tokens.extend_from_slice(tokens);
        self.context.extend_from_slice(context);
        self.boxes.extend_from_slice(boxes);
        self.close_window(first);
    }
}

impl LiteNetwork {
    /// Reads the network from the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file is damaged or holds another network.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::with_isa(bytes, Isa::best())
    }

    /// The same for a certain instruction set.
    ///
    /// # Errors
    /// As [`Self::from_bytes`].
    ///
    /// # Panics
    /// When the processor lacks `isa`.
    pub fn with_isa(bytes: &[u8], isa: Isa) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::parse(bytes)?;
        let root = checkpoint.root();
        let BlockConfig { width, hidden, .. } = BLOCK;
        let feed = |name, sizes| FeedForward::read(&root.part(name), sizes, isa);
        let blocks = (0..BLOCKS).map(|l| read_block(&root.part("blocks").part(l), isa));
        Ok(Self {
            embed: feed("embed", [TOKEN, hidden, width])?,
            embed_norm: LayerNorm::read(
                &root.part("embed_residual").part("norm"),
                width,
                LAYER_NORM_EPSILON,
            )?,
            embed_residual: feed("embed_residual", [width, hidden, width])?,
            context: feed("context", [CONTEXT, width, width])?,
            context_code: root.tensor("context_code", &[WINDOW, width])?,
            frame_code: root.tensor("frame_code", &[WINDOW, width])?,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: LayerNorm::read(&root.part("norm"), width, LAYER_NORM_EPSILON)?,
            head: feed("head", [width, hidden, OUTPUTS])?,
        })
    }

    /// The estimates of all windows of `batch`, in order. A window's estimate does not depend on the
    /// windows beside it, to the bit.
    pub fn run<'a>(
        &self,
        batch: &'a Batch,
        memory: &'a mut NetworkMemory,
    ) -> impl Iterator<Item = WindowEstimate<'a>> {
        self.embed(batch, memory);
        self.decode(batch, memory)
    }

    /// The first half of [`Self::run`]: each frame's token by itself.
    pub fn embed(&self, batch: &Batch, memory: &mut NetworkMemory) {
        let NetworkMemory { x, normed, hidden, out, .. } = memory;
        self.embed.apply(&batch.tokens, TOKEN, hidden, x);
        self.embed_norm.apply(x, normed);
        self.embed_residual.apply(normed, BLOCK.width, hidden, out);
        add(x, out);
    }

    /// The second half of [`Self::run`]: the embedded tokens through the blocks.
    pub fn decode<'a>(
        &self,
        batch: &'a Batch,
        memory: &'a mut NetworkMemory,
    ) -> impl Iterator<Item = WindowEstimate<'a>> {
        let NetworkMemory { x, context, code, normed, hidden, out, block } = memory;
        let width = BLOCK.width;
        self.context.apply(&batch.context, CONTEXT, hidden, context);
        code.clear();
        for window in &batch.windows {
            // The newest frame has the last code, whatever the window's length.
            let first = (WINDOW - window.queries.len()) * width;
            code.extend_from_slice(&self.frame_code[first..]);
            let rows = window.queries.start * width..window.queries.end * width;
            add(&mut context[rows], &self.context_code[first..]);
        }
        let windows = &batch.windows;
        let far = Sight::Groups(context, windows);
        let around = Surroundings { code, views: windows, far, ..Surroundings::default() };
        for layer in &self.blocks {
            layer.apply(x, &around, block, Probe::off());
        }
        self.norm.apply(x, normed);
        self.head.apply(normed, width, hidden, out);

        let pitch = self.head.pitch();
        let out: &'a [f32] = out;
        batch.windows.iter().map(move |window| {
            let rows = window.queries.clone();
            WindowEstimate {
                rows: &out[rows.start * pitch..rows.end * pitch],
                pitch,
                boxes: &batch.boxes[rows],
            }
        })
    }
}

/// Reads attention over the window (`view`), attention to the context (`global`) and `feed`, with the norms
/// before them.
fn read_block(scope: &Scope, isa: Isa) -> Result<WindowBlock, CheckpointError> {
    let BlockConfig { width, heads, hidden } = BLOCK;
    let norm = |name| LayerNorm::read(&scope.part(name), width, LAYER_NORM_EPSILON);
    let attention = |name| {
        let scope = scope.part(name);
        let linear = |name, outputs| Linear::read(&scope.part(name), width, outputs, isa);
        Ok(Attention::new(linear("q", width)?, linear("kv", 2 * width)?, linear("out", width)?, heads))
    };
    let feed = FeedForward::read(&scope.part("feed"), [width, hidden, width], isa)?;
    Ok(WindowBlock::new(vec![
        (norm("norm_view")?, Sublayer::View(attention("view")?, CodePlace::AfterNorm)),
        (norm("norm_global")?, Sublayer::Far(Across::Plain(attention("global")?))),
        (norm("norm_feed")?, Sublayer::Feed(feed)),
    ]))
}

impl WindowEstimate<'_> {
    /// Frames of the window.
    pub fn len(&self) -> usize {
        self.boxes.len()
    }

    /// True for a window without frames.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// The raw numbers of a frame: 16 rotations in 6D, 10 shape coefficients, scale, offset, depth change.
    ///
    /// # Panics
    /// When the window has no frame `row`, as in all that follow.
    pub fn raw(&self, row: usize) -> &[f32] {
        &self.rows[row * self.pitch..][..OUTPUTS]
    }

    /// Rotations of wrist (camera axes) and finger joints, MANO order.
    pub fn rotations(&self, row: usize) -> [Rotation3<f64>; MANO_JOINTS] {
        let numbers = self.raw(row)[..ROTATIONS].as_chunks::<6>().0;
        std::array::from_fn(|j| Rotation3::from_matrix_unchecked(matrix_from_6d(numbers[j].map(f64::from))))
    }

    /// Shape, the mean over the window.
    pub fn betas(&self) -> [f64; SHAPES] {
        let mean = |k| (0..self.len()).map(|row| f64::from(self.raw(row)[ROTATIONS + k])).sum::<f64>();
        std::array::from_fn(|k| mean(k) / self.len() as f64)
    }

    /// Normalised camera coordinates of the wrist.
    pub fn root_ray(&self, row: usize) -> Vector2<f64> {
        let [x, y] = [0, 1].map(|axis| f64::from(self.raw(row)[OFFSET + axis]));
        self.boxes[row].centre + Vector2::new(x, y) * (OFFSET_UNIT * self.boxes[row].side)
    }

    /// Depth of the wrist by the box's size alone (Weak2Full), metres.
    pub fn weak_depth(&self, row: usize) -> f64 {
        let scale = f64::from(self.raw(row)[SCALE]);
        REFERENCE_DEPTH / (self.boxes[row].side * (SCALE_EXPONENT * scale).exp())
    }

    /// Change of the wrist's depth since the window's first frame, metres.
    pub fn depth_change(&self, row: usize) -> f64 {
        DEPTH_UNIT * f64::from(self.raw(row)[DEPTH] - self.raw(0)[DEPTH])
    }

    /// True where every number is one.
    pub fn is_finite(&self) -> bool {
        self.rows.iter().all(|number| number.is_finite())
    }
}
