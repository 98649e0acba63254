//! The vision transformer of HaMeR and HaPTIC (ViT-H of ViTPose, Xu et al. 2022; Dosovitskiy et al. 2021).
//!
//! A picture of 256 x 192 becomes 16 x 12 tokens, one per patch of 16 x 16, and every token looks at all
//! tokens of its picture. Tensors are named as in the released checkpoints.

mod config;

pub use config::{VitConfig, VitError};

use super::block::add;
use super::{CheckpointError, Isa, LayerNorm, Linear, Probe, Scope, room};
use crate::jobs::Jobs;

/// Sizes of a picture: colours, rows, columns.
pub const PICTURE: [usize; 3] = [3, 256, 192];
/// Rows and columns of tokens.
pub const GRID: [usize; 2] = [16, 12];
/// Tokens of a picture.
pub const TOKENS: usize = GRID[0] * GRID[1];
/// Rows and columns of a patch.
const PATCH: usize = 16;
/// Zeros around the picture, so that patches lie 2 pixels further up and left.
const PADDING: usize = 2;
/// Numbers of a patch.
const PATCH_NUMBERS: usize = PICTURE[0] * PATCH * PATCH;
/// Added to the variance by the norms of this network.
const EPSILON: f32 = 1e-6;

/// The backbone: pictures to tokens.
pub struct Vit {
    config: VitConfig,
    patches: Linear,
    /// Position codes of the tokens, the class position added to each.
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// Working memory of a [`Vit`].
#[derive(Default)]
pub struct VitMemory {
    patches: Vec<f32>,
    tokens: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    hidden: Vec<f32>,
    change: Vec<f32>,
}

impl Vit {
    /// Reads the network of sizes `config` from the tensors of `scope` (`patch_embed.proj`, `pos_embed`,
    /// `blocks.0` and so on, `last_norm`).
    ///
    /// # Errors
    /// [`VitError`].
    pub fn read(scope: &Scope, config: &VitConfig, isa: Isa) -> Result<Self, VitError> {
        config.check()?;
        let width = config.width;
        let proj = scope.part("patch_embed").part("proj");
        let weight = proj.tensor("weight", &[width, PICTURE[0], PATCH, PATCH])?;
        let bias = proj.tensor("bias", &[width])?;
        let mut class = scope.tensor("pos_embed", &[1, 1 + TOKENS, width])?;
        let tokens = class.split_off(width);
        let mut positions = vec![0.0; TOKENS * room(width)];
        for (position, row) in positions.chunks_exact_mut(room(width).max(1)).zip(tokens.chunks_exact(width))
        {
            for ((position, own), class) in position.iter_mut().zip(row).zip(&class) {
                *position = own + class;
            }
        }
        let blocks = scope.part("blocks");
        Ok(Self {
            config: *config,
            patches: Linear::new(&weight, &bias, isa),
            positions,
            blocks: (0..config.depth)
                .map(|i| Block::read(&blocks.part(i), config, isa))
                .collect::<Result<_, _>>()?,
            norm: LayerNorm::read(&scope.part("last_norm"), width, EPSILON)?,
        })
    }

    /// The network's sizes.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The tokens of each picture into `out`, `[N * TOKENS, width]`, row after row of the picture;
    /// rows are [`room`] numbers apart.
    ///
    /// `pictures` is `[N, 3, 256, 192]`: red, green and blue, normalised. All pictures are one batch.
    ///
    /// # Panics
    /// When `pictures` holds no whole number of pictures.
    pub fn apply(
        &self,
        pictures: &[f32],
        memory: &mut VitMemory,
        _jobs: &dyn Jobs,
        mut probe: Probe,
        out: &mut Vec<f32>,
    ) {
        cut_patches(pictures, &mut memory.patches);
        self.patches.apply(&memory.patches, PATCH_NUMBERS, &mut memory.tokens);
        probe.see(format_args!("patch_embed"), &memory.tokens);
        for picture in memory.tokens.chunks_exact_mut(self.positions.len().max(1)) {
            add(picture, &self.positions);
        }
        probe.see(format_args!("tokens_plus_pos"), &memory.tokens);
        for (i, block) in self.blocks.iter().enumerate() {
            block.apply(memory, probe.part(format_args!("block{i}")));
        }
        self.norm.apply(&memory.tokens, out);
        probe.see(format_args!("features"), out);
    }
}

/// Writes each patch as a row: colour by colour, row by row.
fn cut_patches(pictures: &[f32], patches: &mut Vec<f32>) {
    let [colours, height, width] = PICTURE;
    assert!(pictures.len().is_multiple_of(colours * height * width), "whole pictures");
    patches.clear();
    for picture in pictures.chunks_exact(colours * height * width) {
        for token in 0..TOKENS {
            let [top, left] = [token / GRID[1] * PATCH, token % GRID[1] * PATCH];
            for plane in picture.chunks_exact(height * width) {
                for y in top..top + PATCH {
                    let start = patches.len();
                    patches.resize(start + PATCH, 0.0);
                    // Padding comes first, so row and column of the picture are `PADDING` less.
                    let Some(y) = y.checked_sub(PADDING).filter(|&y| y < height) else { continue };
                    let skipped = PADDING.saturating_sub(left);
                    let first = left + skipped - PADDING;
                    let count = (PATCH - skipped).min(width - first);
                    patches[start + skipped..][..count].copy_from_slice(&plane[y * width + first..][..count]);
                }
            }
        }
    }
}

/// One block: every token looks at all, then the feed-forward layers, each behind a norm and beside a
/// residual connection.
struct Block {
    norm_attention: LayerNorm,
    qkv: Linear,
    proj: Linear,
    heads: usize,
    norm_feed: LayerNorm,
    first: Linear,
    second: Linear,
}

impl Block {
    fn read(scope: &Scope, config: &VitConfig, isa: Isa) -> Result<Self, CheckpointError> {
        let VitConfig { width, heads, hidden, .. } = *config;
        let (attn, mlp) = (scope.part("attn"), scope.part("mlp"));
        Ok(Self {
            norm_attention: LayerNorm::read(&scope.part("norm1"), width, EPSILON)?,
            qkv: Linear::read(&attn.part("qkv"), width, 3 * width, isa)?,
            proj: Linear::read(&attn.part("proj"), width, width, isa)?,
            heads,
            norm_feed: LayerNorm::read(&scope.part("norm2"), width, EPSILON)?,
            first: Linear::read(&mlp.part("fc1"), width, hidden, isa)?,
            second: Linear::read(&mlp.part("fc2"), hidden, width, isa)?,
        })
    }

    fn apply(&self, memory: &mut VitMemory, mut probe: Probe) {
        let VitMemory { tokens, normed, qkv, mixed, hidden, change, .. } = memory;
        self.norm_attention.apply(tokens, normed);
        self.qkv.apply(normed, self.proj.pitch(), qkv);
        self.mix(qkv, mixed);
        self.proj.apply(mixed, self.proj.pitch(), change);
        probe.see(format_args!("attn_out"), change);
        add(tokens, change);
        self.norm_feed.apply(tokens, normed);
        self.first.apply_gelu(normed, self.proj.pitch(), hidden);
        self.second.apply(hidden, self.first.pitch(), change);
        probe.see(format_args!("mlp_out"), change);
        add(tokens, change);
        probe.see(format_args!("out"), tokens);
    }

    fn mix(&self, qkv: &[f32], mixed: &mut Vec<f32>) {
        let (pitch, width, room) = (self.qkv.pitch(), self.proj.outputs(), self.proj.pitch());
        let size = width / self.heads;
        let scale = 1.0 / (size as f32).sqrt();
        mixed.clear();
        mixed.resize(qkv.len() / pitch * room, 0.0);
        let mut scores = [0.0; TOKENS];
        for (picture, mixed) in qkv.chunks_exact(TOKENS * pitch).zip(mixed.chunks_exact_mut(TOKENS * room)) {
            for head in 0..self.heads {
                let part = |row: usize, of: usize| &picture[row * pitch + of * width + head * size..][..size];
                for row in 0..TOKENS {
                    for (k, score) in scores.iter_mut().enumerate() {
                        *score = part(row, 0).iter().zip(part(k, 1)).map(|(a, b)| a * b).sum::<f32>() * scale;
                    }
                    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
                    let sum: f32 = scores.iter().sum();
                    for (k, score) in scores.iter().enumerate() {
                        let mixed = &mut mixed[row * room + head * size..][..size];
                        for (mixed, value) in mixed.iter_mut().zip(part(k, 2)) {
                            *mixed += score / sum * value;
                        }
                    }
                }
            }
        }
    }
}
