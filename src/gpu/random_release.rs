//! Random weights in the layout of the released checkpoints: for comparisons that need no trained ones.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::WriteError;
use crate::haptic::full::{DecoderConfig, NetworkKind};
use crate::net::vit::{PICTURE, TOKENS};
use crate::net::{Dtype, PlannedTensor, VitConfig, write_safetensors};
use crate::random::Random;

/// Side of a patch.
const PATCH: usize = 16;
/// Sizes of the heads.
const HEADS: [(&str, &str, usize); 4] = [
    ("decpose", "init_hand_pose", 96),
    ("decshape", "init_betas", 10),
    ("deccam", "init_cam", 3),
    ("decaux", "init_aux", 1),
];

/// ViT-H with HaPTIC's decoder, as released.
pub const FULL_SIZE: (VitConfig, DecoderConfig) = (
    VitConfig { width: 1280, depth: 32, heads: 16, hidden: 5120 },
    DecoderConfig {
        kind: NetworkKind::Haptic,
        width: 1024,
        depth: 6,
        heads: 8,
        inner: 512,
        hidden: 1024,
        context: 1280,
        longest_window: 30,
    },
);

/// How a tensor is filled.
#[derive(Clone, Copy, Debug)]
enum Fill {
    /// Numbers of this deviation about 0.
    About(f64),
    /// Numbers near 1.
    NearOne,
    /// Sines and cosines of places.
    Codes,
}

/// A tensor of the release.
#[derive(Clone, Debug)]
pub struct RandomTensor {
    name: String,
    shape: Vec<usize>,
    fill: Fill,
}

/// The tensors of a network of these sizes.
pub fn random_release(vit: &VitConfig, decoder: &DecoderConfig) -> Vec<RandomTensor> {
    let mut all = Tensors::default();
    let &VitConfig { width, depth, hidden, .. } = vit;
    let [colours, ..] = PICTURE;
    all.add("backbone.pos_embed", &[1, TOKENS + 1, width], Fill::About(0.2));
    all.layer("backbone.patch_embed.proj", &[width, colours, PATCH, PATCH], true);
    for block in 0..depth {
        let name = |part: &str| format!("backbone.blocks.{block}.{part}");
        all.norm(&name("norm1"), width);
        all.layer(&name("attn.qkv"), &[3 * width, width], true);
        all.layer(&name("attn.proj"), &[width, width], true);
        all.norm(&name("norm2"), width);
        all.layer(&name("mlp.fc1"), &[hidden, width], true);
        all.layer(&name("mlp.fc2"), &[width, hidden], true);
    }
    all.norm("backbone.last_norm", width);
    all.decoder(decoder);
    all.0
}

/// Writes the network as a safetensors file of 16-bit numbers that a checkpoint reader takes.
///
/// # Errors
/// [`WriteError`].
pub fn write_random_release(
    path: &Path,
    (vit, decoder): &(VitConfig, DecoderConfig),
    seed: u64,
) -> Result<u64, WriteError> {
    let tensors = random_release(vit, decoder);
    let planned: Vec<PlannedTensor> = tensors
        .iter()
        .map(|tensor| PlannedTensor {
            name: tensor.name.clone(),
            dtype: Dtype::BF16,
            shape: tensor.shape.clone(),
        })
        .collect();
    let mut next = tensors.iter().enumerate();
    write_safetensors(path, &BTreeMap::new(), &planned, |_| {
        // Both lists have the same tensors in the same order.
        let numbers = next.next().map_or_else(Vec::new, |(at, tensor)| tensor.numbers(seed, at));
        Ok(numbers.iter().flat_map(|&number| half::bf16::from_f32(number).to_le_bytes()).collect())
    })
}

impl RandomTensor {
    /// Its name.
    #[cfg(test)]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sizes.
    #[cfg(test)]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its numbers; `at` is its place in the list.
    pub fn numbers(&self, seed: u64, at: usize) -> Vec<f32> {
        let mut random = Random::new(seed.wrapping_mul(1 << 20).wrapping_add(at as u64) << 20);
        let count: usize = self.shape.iter().product();
        let width = self.shape.last().copied().unwrap_or(1);
        // Evenly spread numbers of the same deviation as a bell's.
        let mut spread = |deviation: f64| random.signed() * deviation * 3.0_f64.sqrt();
        match self.fill {
            Fill::About(deviation) => (0..count).map(|_| spread(deviation) as f32).collect(),
            Fill::NearOne => (0..count).map(|_| (1.0 + spread(0.1)) as f32).collect(),
            Fill::Codes => (0..count).map(|at| code(at / width, at % width, width)).collect(),
        }
    }
}

/// HaPTIC's code of a place in a window: sines, then cosines.
fn code(place: usize, column: usize, width: usize) -> f32 {
    let half = width / 2;
    let angle = place as f64 * 10_000_f64.powf(-((column % half) as f64) / half as f64);
    (if column < half { angle.sin() } else { angle.cos() }) as f32
}

#[derive(Default)]
struct Tensors(Vec<RandomTensor>);

impl Tensors {
    fn add(&mut self, name: &str, shape: &[usize], fill: Fill) {
        self.0.push(RandomTensor { name: name.to_owned(), shape: shape.to_vec(), fill });
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width], Fill::NearOne);
        self.add(&format!("{name}.bias"), &[width], Fill::About(0.1));
    }

    fn layer(&mut self, name: &str, shape: &[usize], biased: bool) {
        let inputs: usize = shape.iter().skip(1).product();
        self.add(&format!("{name}.weight"), shape, Fill::About(1.0 / (inputs as f64).sqrt()));
        if biased {
            self.add(&format!("{name}.bias"), &shape[..1], Fill::About(0.1));
        }
    }

    fn attention(&mut self, name: &str, config: &DecoderConfig, across: bool) {
        let &DecoderConfig { width, inner, context, .. } = config;
        self.norm(&format!("{name}.norm"), width);
        if across {
            self.layer(&format!("{name}.fn.to_q"), &[inner, width], false);
            self.layer(&format!("{name}.fn.to_kv"), &[2 * inner, context], false);
        } else {
            self.layer(&format!("{name}.fn.to_qkv"), &[3 * inner, width], false);
        }
        self.layer(&format!("{name}.fn.to_out.0"), &[width, inner], true);
    }

    fn decoder(&mut self, config: &DecoderConfig) {
        let &DecoderConfig { kind, width, depth, hidden, longest_window, .. } = config;
        let windowed = kind == NetworkKind::Haptic;
        let outer = "mano_head.transformer";
        self.add(&format!("{outer}.pos_embedding"), &[1, 1, width], Fill::About(0.5));
        self.layer(&format!("{outer}.to_token_embedding"), &[width, 1], true);
        let inner = format!("{outer}.transformer");
        if windowed {
            self.add(&format!("{inner}.pos_enc_f.pos_table"), &[1, longest_window, width], Fill::Codes);
        }
        for layer in 0..depth {
            let own = format!("{inner}.layers.{layer}");
            self.attention(&format!("{own}.0"), config, false);
            self.attention(&format!("{own}.1"), config, true);
            self.norm(&format!("{own}.2.norm"), width);
            self.layer(&format!("{own}.2.fn.net.0"), &[hidden, width], true);
            self.layer(&format!("{own}.2.fn.net.3"), &[width, hidden], true);
            if windowed {
                self.attention(&format!("{inner}.cross_view_layers.{layer}.0"), config, false);
                self.attention(&format!("{inner}.global_layers.{layer}.0"), config, true);
            }
        }
        for (layer, mean, outputs) in HEADS.into_iter().take(if windowed { 4 } else { 3 }) {
            self.layer(&format!("mano_head.{layer}"), &[outputs, width], true);
            self.add(&format!("mano_head.{mean}"), &[1, outputs], Fill::About(0.5));
        }
    }
}
