//! The backbone on the device: patches to features, as [`crate::net::Vit`] computes them.

use super::backend::{Address, Into, KernelBackend, Product};
use super::error::GpuError;
use super::kernel::Precision;
use super::matrix::{Layer, LoadError};
use super::memory::{Buffer, Part, Plan};
use super::ops::{AttentionOp, GeluOp, LayerNormOp, NormTarget, NormWeights, PATCH_NUMBERS};
use crate::net::vit::TOKENS;
use crate::net::{Scope, VitConfig};

/// Added to the variance by the norms of this network.
const EPSILON: f32 = 1e-6;

/// The backbone with its weights.
pub(super) struct DeviceVit<B: KernelBackend> {
    config: VitConfig,
    precision: Precision,
    patches: Layer<B>,
    /// Position codes, the class position added to each: `[192, width]`, 32-bit.
    positions: Buffer<B>,
    blocks: Vec<Block<B>>,
    norm: Norm<B>,
    norm_op: LayerNormOp<B>,
    attention: AttentionOp<B>,
    gelu: GeluOp<B>,
}

struct Block<B: KernelBackend> {
    norm_attention: Norm<B>,
    qkv: Layer<B>,
    proj: Layer<B>,
    norm_feed: Norm<B>,
    first: Layer<B>,
    second: Layer<B>,
}

/// Weights of a norm.
pub(super) struct Norm<B: KernelBackend> {
    weight: Buffer<B>,
    bias: Buffer<B>,
    epsilon: f32,
}

/// Working memory for a number of pictures.
pub(super) struct VitMemory<B: KernelBackend> {
    buffer: Buffer<B>,
    pictures: usize,
    patches: Part,
    stream: Part,
    normed: Part,
    qkv: Part,
    mixed: Part,
    hidden: Part,
}

/// Where the features of each picture go: as which group of 192 rows of `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct FeatureTarget {
    pub to: Address,
    pub places: Address,
}

impl<B: KernelBackend> Norm<B> {
    /// Reads `weight` and `bias`.
    pub fn read(backend: &B, scope: &Scope, width: usize, epsilon: f32) -> Result<Self, LoadError> {
        let [weight, bias] = ["weight", "bias"].map(|name| scope.tensor(name, &[width]));
        let floats = |numbers: Vec<f32>| Buffer::of_floats(backend, &numbers);
        Ok(Self { weight: floats(weight?)?, bias: floats(bias?)?, epsilon })
    }

    /// Where they are.
    pub fn weights(&self) -> NormWeights {
        NormWeights { weight: self.weight.address(), bias: self.bias.address(), epsilon: self.epsilon }
    }
}

impl<B: KernelBackend> VitMemory<B> {
    /// Memory for up to `pictures` pictures.
    pub fn new(
        backend: &B,
        config: &VitConfig,
        precision: Precision,
        pictures: usize,
    ) -> Result<Self, GpuError> {
        let rows = pictures * TOKENS;
        let mut plan = Plan::default();
        let mut elements = |width: usize| plan.part(rows * width * precision.bytes());
        let [patches, normed, qkv, mixed, hidden] =
            [PATCH_NUMBERS, config.width, 3 * config.width, config.width, config.hidden].map(&mut elements);
        let stream = plan.part(rows * config.width * size_of::<f32>());
        let buffer = Buffer::zeros(backend, plan.bytes())?;
        Ok(Self { buffer, pictures, patches, stream, normed, qkv, mixed, hidden })
    }

    /// Most pictures.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Where the patches of the pictures are expected.
    pub fn patches(&self) -> Address {
        self.at(self.patches)
    }

    fn at(&self, part: Part) -> Address {
        part.within(self.buffer.address())
    }
}

impl<B: KernelBackend> DeviceVit<B> {
    /// Reads the network from the part `backbone` of a checkpoint.
    pub fn read(
        backend: &B,
        scope: &Scope,
        config: &VitConfig,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let VitConfig { width, heads, hidden, depth } = *config;
        let layer =
            |scope: &Scope, sizes, to_stream| Layer::read(backend, scope, sizes, (precision, to_stream));
        let norm = |scope: &Scope| Norm::read(backend, scope, width, EPSILON);
        let proj = scope.part("patch_embed").part("proj");
        let weight = proj.tensor("weight", &[width, 3, 16, 16])?;
        let bias = proj.tensor("bias", &[width])?;
        let mut class = scope.tensor("pos_embed", &[1, 1 + TOKENS, width])?;
        let mut positions = class.split_off(width.min(class.len()));
        positions.chunks_exact_mut(width).flatten().zip(class.iter().cycle()).for_each(|(p, c)| *p += c);
        let blocks = scope.part("blocks");
        let block = |i: usize| {
            let scope = blocks.part(i);
            let (attn, mlp) = (scope.part("attn"), scope.part("mlp"));
            Ok(Block {
                norm_attention: norm(&scope.part("norm1"))?,
                qkv: layer(&attn.part("qkv"), [width, 3 * width], false)?,
                proj: layer(&attn.part("proj"), [width, width], true)?,
                norm_feed: norm(&scope.part("norm2"))?,
                first: layer(&mlp.part("fc1"), [width, hidden], false)?,
                second: layer(&mlp.part("fc2"), [hidden, width], true)?,
            })
        };
        Ok(Self {
            config: *config,
            precision,
            patches: Layer::new(backend, &weight, &bias, (precision, true))?,
            positions: Buffer::of_floats(backend, &positions)?,
            blocks: (0..depth).map(block).collect::<Result<_, LoadError>>()?,
            norm: norm(&scope.part("last_norm"))?,
            norm_op: LayerNormOp::load(backend, width, precision)?,
            attention: AttentionOp::load(backend, heads, width / heads.max(1), precision)?,
            gelu: GeluOp::load(backend, precision)?,
        })
    }

    /// Features of `pictures` pictures whose patches lie in the memory.
    ///
    /// # Safety
    /// The memory is for as many pictures, and the target has room for every place that is named.
    pub unsafe fn launch(
        &self,
        backend: &B,
        memory: &VitMemory<B>,
        pictures: usize,
        target: &FeatureTarget,
    ) -> Result<(), GpuError> {
        let rows = pictures * TOKENS;
        let [patches, stream, normed, qkv, mixed, hidden] =
            [memory.patches, memory.stream, memory.normed, memory.qkv, memory.mixed, memory.hidden]
                .map(|part| memory.at(part));
        let product = |layer: &Layer<B>, x: Address, y: Address, into: Into| {
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let (weight, bias, precision) = (layer.weight(), layer.bias(), self.precision);
            // SAFETY: the memory has the rows, and its parts the layers' widths.
            unsafe {
                backend.product(&Product { rows, inputs, outputs, x, weight, bias, y, precision, into })
            }
        };
        let norm = |weights: &Norm<B>, added: Address, target: &NormTarget| {
            // SAFETY: as above; the caller vouches for the target.
            unsafe {
                self.norm_op.launch(backend, (stream, rows), (added, TOKENS), &weights.weights(), target)
            }
        };
        let to_normed = NormTarget::rows(normed);
        product(&self.patches, patches, stream, Into::Stream)?;
        // The first norm finds the patches without their positions, and adds them.
        let mut added = self.positions.address();
        for block in &self.blocks {
            norm(&block.norm_attention, std::mem::take(&mut added), &to_normed)?;
            product(&block.qkv, normed, qkv, Into::Elements)?;
            // SAFETY: as above.
            unsafe { self.attention.launch(backend, qkv, pictures, mixed)? };
            product(&block.proj, mixed, stream, Into::AddedToStream)?;
            norm(&block.norm_feed, Address::NONE, &to_normed)?;
            match self.precision {
                Precision::Bf16 | Precision::F16 => product(&block.first, normed, hidden, Into::Gelu)?,
                Precision::F32 => {
                    product(&block.first, normed, hidden, Into::Elements)?;
                    // SAFETY: as above.
                    unsafe { self.gelu.launch(backend, hidden, rows * self.config.hidden)? };
                }
            }
            product(&block.second, hidden, stream, Into::AddedToStream)?;
        }
        let last = NormTarget { to: target.to, places: target.places, group: TOKENS };
        norm(&self.norm, added, &last)
    }
}
