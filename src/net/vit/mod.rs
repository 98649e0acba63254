//! The vision transformer of HaMeR and HaPTIC (ViT-H of ViTPose, Xu et al. 2022; Dosovitskiy et al. 2021).
//!
//! A picture of 256 x 192 becomes 16 x 12 tokens, one per patch of 16 x 16, and every token looks at all
//! tokens of its picture. Tensors are named as in the released checkpoints.

mod block;
mod config;
mod patches;

pub use config::{VitConfig, VitError};

use self::block::read_block;
use self::patches::cut_patches;
#[cfg(test)]
pub(crate) use self::patches::patches_of;
use super::block::add;
use super::token_block::{TokenBlock, TokenMemory, show};
use super::{Isa, LayerNorm, Linear, Probe, Scope, Slabs, Then, room};
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
    isa: Isa,
    config: VitConfig,
    patches: Linear,
    /// Position codes of the tokens, the class position added to each.
    positions: Vec<f32>,
    blocks: Vec<TokenBlock>,
    norm: LayerNorm,
}

/// Working memory of a [`Vit`].
#[derive(Default)]
pub struct VitMemory {
    patches: Slabs,
    tokens: Slabs,
    block: TokenMemory,
    normed: Slabs,
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
        let mut positions = class.split_off(width);
        for position in positions.chunks_exact_mut(width) {
            add(position, &class);
        }
        let blocks = scope.part("blocks");
        Ok(Self {
            isa,
            config: *config,
            patches: Linear::new(&weight, &bias, isa),
            positions,
            blocks: (0..config.depth)
                .map(|i| read_block(&blocks.part(i), config, isa))
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
        jobs: &dyn Jobs,
        mut probe: Probe,
        out: &mut Vec<f32>,
    ) {
        let VitMemory { patches, tokens, block: block_memory, normed } = memory;
        cut_patches(pictures, patches);
        self.patches.apply_slabs(patches, Then::Keep, jobs, tokens);
        show(&mut probe, "patch_embed", tokens);
        for row in 0..tokens.rows() {
            let position = &self.positions[row % TOKENS * self.config.width..][..self.config.width];
            for columns in tokens.stretches() {
                add(tokens.part_mut(row, columns.clone()), &position[columns]);
            }
        }
        show(&mut probe, "tokens_plus_pos", tokens);
        for (i, block) in self.blocks.iter().enumerate() {
            block.apply(tokens, TOKENS, block_memory, jobs, probe.part(format_args!("block{i}")));
        }
        self.norm.apply_slabs(tokens, self.isa, jobs, normed);
        normed.copy_rows(room(self.config.width), out);
        probe.see(format_args!("features"), out);
    }
}
