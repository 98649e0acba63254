//! The same parts on candle tensors: the reference that the packed ones are held against, and the ground
//! for networks too large for them.
//!
//! Tensors are `[batch, rows, width]` on the CPU. Only with the `candle` feature.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{LayerNorm, Linear, Module, ops::softmax_last_dim};

use super::CheckpointError;
use super::checkpoint::Scope;
use super::norm::EPSILON;

/// The tensor `name` of `scope`.
///
/// # Errors
/// [`CheckpointError`], and what candle says.
pub fn tensor(scope: &Scope, name: &str, shape: &[usize]) -> Result<Tensor> {
    let numbers =
        scope.tensor(name, shape).map_err(|error: CheckpointError| candle_core::Error::wrap(error))?;
    Tensor::from_vec(numbers, shape, &Device::Cpu)
}

/// `y = W x + b`.
///
/// # Errors
/// As [`tensor`].
pub fn linear(scope: &Scope, inputs: usize, outputs: usize) -> Result<Linear> {
    let bias = tensor(scope, "bias", &[outputs])?;
    Ok(Linear::new(tensor(scope, "weight", &[outputs, inputs])?, Some(bias)))
}

/// Layer normalisation of rows of `width` numbers.
///
/// # Errors
/// As [`tensor`].
pub fn layer_norm(scope: &Scope, width: usize) -> Result<LayerNorm> {
    let bias = tensor(scope, "bias", &[width])?;
    Ok(LayerNorm::new(tensor(scope, "weight", &[width])?, bias, EPSILON.into()))
}

/// Linear, GELU, Linear.
pub struct FeedForward(Linear, Linear);

impl FeedForward {
    /// Reads `0` and `2` of `scope`.
    ///
    /// # Errors
    /// As [`tensor`].
    pub fn read(scope: &Scope, [inputs, hidden, outputs]: [usize; 3]) -> Result<Self> {
        Ok(Self(linear(&scope.part(0), inputs, hidden)?, linear(&scope.part(2), hidden, outputs)?))
    }
}

impl Module for FeedForward {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.1.forward(&self.0.forward(x)?.gelu_erf()?)
    }
}

/// Multi-head attention with separate queries and joint keys and values.
pub struct Attention {
    q: Linear,
    kv: Linear,
    out: Linear,
    heads: usize,
}

impl Attention {
    /// Reads `q`, `kv` and `out` of `scope`.
    ///
    /// # Errors
    /// As [`tensor`].
    pub fn read(scope: &Scope, width: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            q: linear(&scope.part("q"), width, width)?,
            kv: linear(&scope.part("kv"), width, 2 * width)?,
            out: linear(&scope.part("out"), width, width)?,
            heads,
        })
    }

    /// What the rows of `x` gather from the rows of `source`.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn forward(&self, x: &Tensor, source: &Tensor) -> Result<Tensor> {
        let queries = self.split(&self.q.forward(x)?)?;
        let keys_values = self.kv.forward(source)?.chunk(2, D::Minus1)?;
        let [keys, values] = [self.split(&keys_values[0])?, self.split(&keys_values[1])?];
        let scale = 1.0 / (queries.dim(D::Minus1)? as f64).sqrt();
        let scores = (queries.matmul(&keys.t()?)? * scale)?;
        let mixed = softmax_last_dim(&scores)?.matmul(&values)?;
        self.out.forward(&mixed.transpose(1, 2)?.flatten_from(2)?)
    }

    /// `[batch, rows, width]` to `[batch, heads, rows, width / heads]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, rows, width) = x.dims3()?;
        x.reshape((batch, rows, self.heads, width / self.heads))?.transpose(1, 2)?.contiguous()
    }
}

/// One block of the lite window decoder.
pub struct WindowBlock {
    norm_view: LayerNorm,
    view: Attention,
    norm_global: LayerNorm,
    global: Attention,
    norm_feed: LayerNorm,
    feed: FeedForward,
}

impl WindowBlock {
    /// Reads `norm_view`, `view`, `norm_global`, `global`, `norm_feed` and `feed`.
    ///
    /// # Errors
    /// As [`tensor`].
    pub fn read(scope: &Scope, width: usize, heads: usize, hidden: usize) -> Result<Self> {
        Ok(Self {
            norm_view: layer_norm(&scope.part("norm_view"), width)?,
            view: Attention::read(&scope.part("view"), width, heads)?,
            norm_global: layer_norm(&scope.part("norm_global"), width)?,
            global: Attention::read(&scope.part("global"), width, heads)?,
            norm_feed: layer_norm(&scope.part("norm_feed"), width)?,
            feed: FeedForward::read(&scope.part("feed"), [width, hidden, width])?,
        })
    }

    /// The tokens `x` after the block, for the frame codes `code` and the tokens of the context.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn forward(&self, x: &Tensor, code: &Tensor, context: &Tensor) -> Result<Tensor> {
        let y = self.norm_view.forward(x)?.broadcast_add(code)?;
        let x = (x + self.view.forward(&y, &y)?)?;
        let x = (&x + self.global.forward(&self.norm_global.forward(&x)?, context)?)?;
        &x + self.feed.forward(&self.norm_feed.forward(&x)?)?
    }
}
