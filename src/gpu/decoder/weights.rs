//! The decoder's layers on the device.

use crate::gpu::Precision;
use crate::gpu::backend::{Address, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::matrix::{LoadError, PITCH_STEP, padded, turned};
use crate::gpu::memory::Buffer;
use crate::gpu::vit::Norm;
use crate::haptic::full::{DecoderConfig, HeadWeights, NetworkKind};
use crate::net::{Isa, LAYER_NORM_EPSILON, Linear, Scope, room};

/// One or more layers of equal size, one after the other, rows padded to whole chunks.
pub(in crate::gpu) struct Dense<B: KernelBackend> {
    weight: Buffer<B>,
    bias: Option<Buffer<B>>,
    /// Numbers of a row that goes in, of one that comes out, and from row to row of the weights.
    pub inputs: usize,
    pub outputs: usize,
    pub pitch: usize,
}

/// Attention to a frame's features.
pub(super) struct Cross<B: KernelBackend> {
    pub norm: Norm<B>,
    pub q: Dense<B>,
    /// For each head the transposed key layer, `[context, size]`.
    pub keys: Dense<B>,
    /// For each head the value layer, `[size, context]`.
    pub values: Dense<B>,
    pub out: Dense<B>,
}

/// Attention to the other frames of the window.
pub(super) struct View<B: KernelBackend> {
    pub norm: Norm<B>,
    pub qkv: Dense<B>,
    pub out: Dense<B>,
}

/// A layer of the decoder.
pub(super) struct Layer<B: KernelBackend> {
    pub own_norm: Norm<B>,
    /// What a lone token's attention to itself amounts to.
    pub own: Dense<B>,
    pub near: Cross<B>,
    /// What HaPTIC adds: the window, and the whole frame.
    pub window: Option<(View<B>, Cross<B>)>,
    pub feed_norm: Norm<B>,
    pub first: Dense<B>,
    pub second: Dense<B>,
}

/// All weights.
pub(super) struct Weights<B: KernelBackend> {
    /// The constant first token, 32-bit.
    pub constant: Buffer<B>,
    /// A row for each place in a window, 32-bit.
    pub codes: Buffer<B>,
    pub layers: Vec<Layer<B>>,
    /// All heads as one layer, their means in the bias.
    pub heads: Dense<B>,
}

impl<B: KernelBackend> Dense<B> {
    fn new(
        backend: &B,
        weight: &[f32],
        (inputs, outputs): (usize, usize),
        bias: Option<&[f32]>,
        precision: Precision,
    ) -> Result<Self, GpuError> {
        Ok(Self {
            weight: Buffer::of_elements(backend, &padded(weight, inputs), precision)?,
            bias: bias.map(|bias| Buffer::of_floats(backend, bias)).transpose()?,
            inputs,
            outputs,
            pitch: inputs.next_multiple_of(PITCH_STEP),
        })
    }

    pub fn weight(&self) -> Address {
        self.weight.address()
    }

    pub fn bias(&self) -> Address {
        self.bias.as_ref().map_or(Address::NONE, Buffer::address)
    }
}

/// Reads layers by their released names.
struct Reader<'a, B: KernelBackend> {
    backend: &'a B,
    config: &'a DecoderConfig,
    precision: Precision,
}

impl<B: KernelBackend> Reader<'_, B> {
    fn norm(&self, scope: &Scope) -> Result<Norm<B>, LoadError> {
        Norm::read(self.backend, &scope.part("norm"), self.config.width, LAYER_NORM_EPSILON)
    }

    fn dense(
        &self,
        weight: &[f32],
        sizes: (usize, usize),
        bias: Option<&[f32]>,
    ) -> Result<Dense<B>, LoadError> {
        Ok(Dense::new(self.backend, weight, sizes, bias, self.precision)?)
    }

    fn biased(&self, scope: &Scope, (inputs, outputs): (usize, usize)) -> Result<Dense<B>, LoadError> {
        let weight = scope.tensor("weight", &[outputs, inputs])?;
        self.dense(&weight, (inputs, outputs), Some(&scope.tensor("bias", &[outputs])?))
    }

    fn out(&self, scope: &Scope) -> Result<Dense<B>, LoadError> {
        self.biased(&scope.part("to_out").part(0), (self.config.inner, self.config.width))
    }

    /// Output times value of a lone token's attention to itself.
    fn own(&self, scope: &Scope) -> Result<Dense<B>, LoadError> {
        let &DecoderConfig { width, inner, .. } = self.config;
        let joint = scope.tensor("to_qkv.weight", &[3 * inner, width])?;
        let out = scope.part("to_out").part(0);
        let (weight, bias) = (out.tensor("weight", &[width, inner])?, out.tensor("bias", &[width])?);
        // Each row of the product is a row of the output layer through the transposed value layer.
        let value = turned(&joint[2 * inner * width..], width);
        let mut product = Vec::new();
        Linear::new(&value, &vec![0.0; width], Isa::best()).apply(&weight, inner, &mut product);
        let rows = product.chunks_exact(room(width)).flat_map(|row| &row[..width]);
        self.dense(&rows.copied().collect::<Vec<f32>>(), (width, width), Some(&bias))
    }

    fn cross(&self, scope: &Scope) -> Result<Cross<B>, LoadError> {
        let &DecoderConfig { width, inner, context, heads, .. } = self.config;
        let size = inner / heads;
        let inside = scope.part("fn");
        let kv = inside.tensor("to_kv.weight", &[2 * inner, context])?;
        let (k, v) = kv.split_at(inner * context);
        let keys: Vec<f32> = k.chunks_exact(size * context).flat_map(|head| turned(head, context)).collect();
        Ok(Cross {
            norm: self.norm(scope)?,
            q: self.dense(&inside.tensor("to_q.weight", &[inner, width])?, (width, inner), None)?,
            keys: self.dense(&keys, (size, context), None)?,
            values: self.dense(v, (context, size), None)?,
            out: self.out(&inside)?,
        })
    }

    fn view(&self, scope: &Scope) -> Result<View<B>, LoadError> {
        let &DecoderConfig { width, inner, .. } = self.config;
        let inside = scope.part("fn");
        let qkv = inside.tensor("to_qkv.weight", &[3 * inner, width])?;
        Ok(View {
            norm: self.norm(scope)?,
            qkv: self.dense(&qkv, (width, 3 * inner), None)?,
            out: self.out(&inside)?,
        })
    }

    fn layer(&self, stacks: &Scope, number: usize) -> Result<Layer<B>, LoadError> {
        let &DecoderConfig { width, hidden, kind, .. } = self.config;
        let scope = stacks.part("layers").part(number);
        let (own, near, feed) = (scope.part(0), scope.part(1), scope.part(2));
        let net = feed.part("fn").part("net");
        let window = match kind {
            NetworkKind::Hamer => None,
            NetworkKind::Haptic => {
                let of = |stack| stacks.part(stack).part(number).part(0);
                Some((self.view(&of("cross_view_layers"))?, self.cross(&of("global_layers"))?))
            }
        };
        Ok(Layer {
            own_norm: self.norm(&own)?,
            own: self.own(&own.part("fn"))?,
            near: self.cross(&near)?,
            window,
            feed_norm: self.norm(&feed)?,
            first: self.biased(&net.part(0), (width, hidden))?,
            second: self.biased(&net.part(3), (hidden, width))?,
        })
    }
}

impl<B: KernelBackend> Weights<B> {
    /// Reads them from the part `mano_head` of a checkpoint.
    pub fn read(
        backend: &B,
        scope: &Scope,
        config: &DecoderConfig,
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let width = config.width;
        let transformer = scope.part("transformer");
        // The token that goes in is zero, so its embedding is the layer's bias.
        let embedding = transformer.part("to_token_embedding").tensor("bias", &[width])?;
        let place = transformer.tensor("pos_embedding", &[1, 1, width])?;
        let constant: Vec<f32> = embedding.iter().zip(place).map(|(a, b)| a + b).collect();
        let stacks = transformer.part("transformer");
        let codes = match config.kind {
            NetworkKind::Hamer => Vec::new(),
            NetworkKind::Haptic => {
                stacks.part("pos_enc_f").tensor("pos_table", &[1, config.longest_window, width])?
            }
        };
        let reader = Reader { backend, config, precision };
        let HeadWeights { weight, bias, means } = HeadWeights::read(scope, config)?;
        let bias: Vec<f32> = bias.iter().zip(&means).map(|(bias, mean)| bias + mean).collect();
        Ok(Self {
            constant: Buffer::of_floats(backend, &constant)?,
            codes: Buffer::of_floats(backend, &codes)?,
            layers: (0..config.depth)
                .map(|number| reader.layer(&stacks, number))
                .collect::<Result<_, _>>()?,
            heads: reader.dense(&weight, (width, bias.len()), Some(&bias))?,
        })
    }
}
