//! The lite window transformer on candle: the same numbers the slow way, one window at a time.

use candle_core::{Device, Result, Tensor};
use candle_nn::{LayerNorm, Module};

use super::network::{BLOCK, BLOCKS, Batch, BlockConfig, OUTPUTS};
use super::tokens::{CONTEXT, TOKEN};
use crate::haptic::WINDOW;
use crate::net::Checkpoint;
use crate::net::candle::{FeedForward, WindowBlock, layer_norm, tensor};

/// The network with its weights.
pub struct ReferenceNetwork {
    embed: FeedForward,
    embed_norm: LayerNorm,
    embed_residual: FeedForward,
    context: FeedForward,
    context_code: Tensor,
    frame_code: Tensor,
    blocks: Vec<WindowBlock>,
    norm: LayerNorm,
    head: FeedForward,
}

impl ReferenceNetwork {
    /// Reads the network from the bytes of a safetensors file.
    ///
    /// # Errors
    /// Where the file is damaged or holds another network.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let checkpoint = Checkpoint::parse(bytes).map_err(candle_core::Error::wrap)?;
        let root = checkpoint.root();
        let BlockConfig { width, heads, hidden } = BLOCK;
        let feed = |name, sizes| FeedForward::read(&root.part(name), sizes);
        let blocks =
            (0..BLOCKS).map(|l| WindowBlock::read(&root.part("blocks").part(l), width, heads, hidden));
        Ok(Self {
            embed: feed("embed", [TOKEN, hidden, width])?,
            embed_norm: layer_norm(&root.part("embed_residual").part("norm"), width)?,
            embed_residual: feed("embed_residual", [width, hidden, width])?,
            context: feed("context", [CONTEXT, width, width])?,
            context_code: tensor(&root, "context_code", &[WINDOW, width])?,
            frame_code: tensor(&root, "frame_code", &[WINDOW, width])?,
            blocks: blocks.collect::<Result<_>>()?,
            norm: layer_norm(&root.part("norm"), width)?,
            head: feed("head", [width, hidden, OUTPUTS])?,
        })
    }

    /// The raw numbers of every frame of every window, as [`super::WindowEstimate::raw`] has them.
    ///
    /// # Errors
    /// What candle says.
    pub fn run(&self, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let mut rows = Vec::new();
        for (tokens, context) in batch.numbers() {
            let length = tokens.len() / TOKEN;
            let tokens = Tensor::from_slice(tokens, (1, length, TOKEN), &Device::Cpu)?;
            let context = Tensor::from_slice(context, (1, length, CONTEXT), &Device::Cpu)?;
            rows.extend(self.window(&tokens, &context, length)?.squeeze(0)?.to_vec2()?);
        }
        Ok(rows)
    }

    fn window(&self, tokens: &Tensor, context: &Tensor, length: usize) -> Result<Tensor> {
        let newest = |code: &Tensor| code.narrow(0, WINDOW - length, length);
        let x = self.embed.forward(tokens)?;
        let mut x = (&x + self.embed_residual.forward(&self.embed_norm.forward(&x)?)?)?;
        let context = self.context.forward(context)?.broadcast_add(&newest(&self.context_code)?)?;
        let code = newest(&self.frame_code)?;
        for block in &self.blocks {
            x = block.forward(&x, &code, &context)?;
        }
        self.head.forward(&self.norm.forward(&x)?)
    }
}
