//! Small random networks in the layout of the released checkpoints, for tests without trained weights.

use std::fs::File;
use std::io::{Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use super::torch_zip::{Block, Pickler, write_archive};

/// Sizes of a network in a release's layout.
#[derive(Clone, Debug)]
pub struct Release {
    /// HaPTIC's layers are there.
    pub haptic: bool,
    /// Width, blocks, heads and hidden numbers of the backbone.
    pub vit: [usize; 4],
    /// Width, layers, heads, numbers of a head and hidden numbers of the decoder.
    pub decoder: [usize; 5],
    /// Width of the discriminator's joint layers.
    pub discriminator: usize,
    /// The optimiser's states are in the file, as holes of this many times the weights.
    pub optimiser: usize,
    /// The weights are holes, too: only names and shapes can be read.
    pub hollow: bool,
    /// In place of the first number of the patch embedding.
    pub outlier: Option<f32>,
    /// The second backbone has numbers of its own.
    pub second_backbone: bool,
    /// Start of the random numbers.
    pub seed: u64,
}

/// What a tensor is filled with.
pub enum Fill {
    Random(f32),
    Near(Vec<f32>, f32),
    Table,
    Flag,
    Index,
}

/// A tensor of a release.
pub struct ReleaseTensor {
    pub name: String,
    pub shape: Vec<usize>,
    fill: Fill,
}

impl ReleaseTensor {
    /// Torch's name of the number type.
    pub fn type_name(&self) -> &'static str {
        match self.fill {
            Fill::Flag => "bool",
            Fill::Index => "int64",
            _ => "float32",
        }
    }

    /// Torch's name of its numbers' storage, and bytes of a number.
    pub fn storage(&self) -> (&'static str, usize) {
        match self.fill {
            Fill::Flag => ("BoolStorage", 1),
            Fill::Index => ("LongStorage", 8),
            _ => ("FloatStorage", 4),
        }
    }

    fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Release {
    /// HaPTIC's layout, small; no two sizes are alike, so that none can be taken for another.
    pub fn small() -> Self {
        Self {
            haptic: true,
            vit: [48, 3, 3, 112],
            decoder: [40, 2, 2, 12, 56],
            discriminator: 24,
            optimiser: 0,
            hollow: false,
            outlier: None,
            second_backbone: false,
            seed: 1,
        }
    }

    /// HaMeR's layout, small.
    pub fn small_hamer() -> Self {
        Self { haptic: false, ..Self::small() }
    }

    /// The released sizes, without numbers.
    pub fn full(haptic: bool) -> Self {
        let (vit, decoder) = ([1280, 32, 16, 5120], [1024, 6, 8, 64, 1024]);
        Self { haptic, vit, decoder, discriminator: 1024, hollow: true, ..Self::small() }
    }

    /// Every tensor but `backbone_bg`, which is `backbone` under a second name.
    pub fn tensors(&self) -> Vec<ReleaseTensor> {
        let mut list = List(Vec::new());
        list.add("initialized", &[], Fill::Flag);
        backbone(&mut list, self.vit);
        self.head(&mut list);
        self.discriminator(&mut list);
        hand(&mut list);
        list.0
    }

    fn head(&self, list: &mut List) {
        let [width, depth, heads, head, hidden] = self.decoder;
        let (inner, context) = (heads * head, self.vit[0]);
        // The mean pose: every joint unturned, in the middle of the crop at scale 0.9.
        let pose = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0].repeat(16);
        list.add("mano_head.init_hand_pose", &[1, 96], Fill::Near(pose, 0.1));
        list.add("mano_head.init_betas", &[1, 10], Fill::Near(vec![0.0; 10], 0.1));
        list.add("mano_head.init_cam", &[1, 3], Fill::Near(vec![0.9, 0.0, 0.0], 0.01));
        let transformer = "mano_head.transformer";
        let layers = format!("{transformer}.transformer");
        list.add(&format!("{transformer}.pos_embedding"), &[1, 1, width], Fill::Random(1.0));
        list.linear(&format!("{transformer}.to_token_embedding"), 1, width);
        let self_attention = |list: &mut List, name: &str| {
            list.norm(&format!("{name}.norm"), width);
            list.weight(&format!("{name}.fn.to_qkv"), width, 3 * inner);
            list.linear(&format!("{name}.fn.to_out.0"), inner, width);
        };
        let cross_attention = |list: &mut List, name: &str| {
            list.norm(&format!("{name}.norm"), width);
            list.weight(&format!("{name}.fn.to_kv"), context, 2 * inner);
            list.weight(&format!("{name}.fn.to_q"), width, inner);
            list.linear(&format!("{name}.fn.to_out.0"), inner, width);
        };
        for l in 0..depth {
            self_attention(list, &format!("{layers}.layers.{l}.0"));
            cross_attention(list, &format!("{layers}.layers.{l}.1"));
            list.norm(&format!("{layers}.layers.{l}.2.norm"), width);
            list.linear(&format!("{layers}.layers.{l}.2.fn.net.0"), width, hidden);
            list.linear(&format!("{layers}.layers.{l}.2.fn.net.3"), hidden, width);
        }
        for (name, numbers) in [("decpose", 96), ("decshape", 10), ("deccam", 3)] {
            list.small_linear(&format!("mano_head.{name}"), width, numbers);
        }
        if self.haptic {
            for l in 0..depth {
                self_attention(list, &format!("{layers}.cross_view_layers.{l}.0"));
                cross_attention(list, &format!("{layers}.global_layers.{l}.0"));
            }
            list.add(&format!("{transformer}.pos_enc_f.pos_table"), &[1, 30, 64], Fill::Table);
            list.add(&format!("{layers}.pos_enc_f.pos_table"), &[1, 30, width], Fill::Table);
            list.add("mano_head.init_aux", &[1, 1], Fill::Near(vec![0.0], 0.0));
            list.small_linear("mano_head.decaux", width, 1);
        }
    }

    fn discriminator(&self, list: &mut List) {
        let joints = self.discriminator;
        for (name, inputs) in [("D_conv1", 9), ("D_conv2", 32)] {
            list.add(&format!("discriminator.{name}.weight"), &[32, inputs, 1, 1], Fill::Random(0.1));
            list.add(&format!("discriminator.{name}.bias"), &[32], Fill::Random(0.1));
        }
        for joint in 0..15 {
            list.linear(&format!("discriminator.pose_out.{joint}"), 32, 1);
        }
        for (name, inputs, outputs) in [
            ("betas_fc1", 10, 10),
            ("betas_fc2", 10, 5),
            ("betas_out", 5, 1),
            ("D_alljoints_fc1", 480, joints),
            ("D_alljoints_fc2", joints, joints),
            ("D_alljoints_out", joints, 1),
        ] {
            list.linear(&format!("discriminator.{name}"), inputs, outputs);
        }
    }

    /// The configuration that lies beside the checkpoint. The number of the backbone's heads, which the
    /// release fixes in its source, is added.
    pub fn yaml(&self) -> String {
        let [_, depth, heads, head, hidden] = self.decoder;
        let [context, _, vit_heads, _] = self.vit;
        let (kind, haptic, windows) = if self.haptic {
            ("trans_vid", "    AUX_DIM: 1\n", "  NUM_FRAMES: 8\n  SHARE_BACKBONE: true\n  TARGET: HAPTIC\n")
        } else {
            ("transformer_decoder", "", "")
        };
        format!(
            "EXTRA:\n  FOCAL_LENGTH: 5000\nMODEL:\n  BACKBONE:\n    TYPE: vit\n    NUM_HEADS: {vit_heads}\n  \
             IMAGE_MEAN:\n  - 0.485\n  - 0.456\n  - 0.406\n  IMAGE_SIZE: 256\n  MANO_HEAD:\n{haptic}    \
             TRANSFORMER_DECODER:\n      context_dim: {context}\n      depth: {depth}\n      dim_head: {head}\n      \
             heads: {heads}\n      mlp_dim: {hidden}\n      norm: layer\n    TYPE: {kind}\n{windows}"
        )
    }

    /// Writes the folders as the release's README leaves them on a disk below `folder`; returns the
    /// checkpoint's path.
    pub fn install(&self, folder: &Path) -> PathBuf {
        let (home, checkpoint, yaml) = if self.haptic {
            ("output/release/mix_all", "last.ckpt", "config.yaml")
        } else {
            ("_DATA/hamer_ckpts", "hamer.ckpt", "model_config.yaml")
        };
        let home = folder.join(home);
        std::fs::create_dir_all(home.join("checkpoints")).expect("a folder in the temporary folder");
        std::fs::write(home.join(yaml), self.yaml()).expect("a file in the temporary folder");
        let path = home.join("checkpoints").join(checkpoint);
        self.write(&mut File::create(&path).expect("a file in the temporary folder"));
        path
    }

    /// The checkpoint's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        self.write(&mut out);
        out.into_inner()
    }

    /// Writes the checkpoint.
    pub fn write(&self, out: &mut (impl Write + Seek)) {
        let tensors = self.tensors();
        let mut pickle = Pickler::new();
        pickle.raw(b"}(").text("epoch").int(49).text("global_step").int(1_000_000);
        pickle.text("pytorch-lightning_version").text("1.8.1");
        self.pickle_state_dict(&mut pickle, &tensors);
        // What else Lightning keeps, among it an object of a class of its own.
        pickle.text("loops").raw(b"N").text("hyper_parameters").raw(b"}(").text("cfg");
        pickle.global("yacs.config", "CfgNode").raw(b")\x81(").text("LR").float(1e-5).raw(b"u}(");
        pickle.text("__immutable__").raw(b"\x88ubu");
        if self.optimiser > 0 {
            self.pickle_optimiser(&mut pickle, &tensors);
        }
        pickle.raw(b"u");

        let mut random = Random(self.seed);
        let weights = tensors.iter().map(|tensor| self.block(tensor, &mut random));
        let weights: Vec<Block> = weights.collect();
        let states = self.optimiser * tensors.len();
        let state = |at: usize| Block::Hole(4 * tensors[at % tensors.len()].count() as u64);
        let second = self.second_backbone.then(|| Block::Bytes(vec![0; 4 * 193 * self.vit[0]]));
        let data = weights.into_iter().chain((0..states).map(state)).chain(second).enumerate();
        let small = |name: &str, bytes: &[u8]| (format!("last/{name}"), Block::Bytes(bytes.to_vec()));
        let mut files = vec![("last/data.pkl".to_owned(), Block::Bytes(pickle.finish()))];
        files.push(small("byteorder", b"little"));
        files.extend(data.map(|(key, block)| (format!("last/data/{key}"), block)));
        files.push(small("version", b"3\n"));
        write_archive(out, files).expect("the checkpoint can be written");
    }

    fn pickle_state_dict(&self, pickle: &mut Pickler, tensors: &[ReleaseTensor]) {
        pickle.text("state_dict").global("collections", "OrderedDict").raw(b")R(");
        for (key, tensor) in tensors.iter().enumerate() {
            pickle.text(&tensor.name).tensor(tensor.storage().0, key, &tensor.shape);
        }
        if self.haptic {
            for (key, tensor) in tensors.iter().enumerate() {
                let own = self.second_backbone && tensor.name == "backbone.pos_embed";
                let key = if own { tensors.len() * (1 + self.optimiser) } else { key };
                if let Some(name) = tensor.name.strip_prefix("backbone.") {
                    pickle.text(&format!("backbone_bg.{name}"));
                    pickle.tensor(tensor.storage().0, key, &tensor.shape);
                }
            }
        }
        pickle.raw(b"u}(").text("_metadata").raw(b"}ub");
    }

    fn pickle_optimiser(&self, pickle: &mut Pickler, tensors: &[ReleaseTensor]) {
        pickle.text("optimizer_states").raw(b"](}(").text("state").raw(b"}(");
        for (at, tensor) in tensors.iter().enumerate() {
            pickle.int(at).raw(b"}(");
            for state in 0..self.optimiser {
                let key = tensors.len() * (1 + state) + at;
                pickle.text(["exp_avg", "exp_avg_sq"][state % 2]).tensor("FloatStorage", key, &tensor.shape);
            }
            pickle.raw(b"u");
        }
        pickle.raw(b"u").text("param_groups").raw(b"](}(").text("lr").float(1e-5).raw(b"ueue");
    }

    fn block(&self, tensor: &ReleaseTensor, random: &mut Random) -> Block {
        let (count, (_, size)) = (tensor.count(), tensor.storage());
        if self.hollow {
            return Block::Hole((count * size) as u64);
        }
        let mut bytes = bytes_of(tensor, random);
        if let Some(outlier) = self.outlier.filter(|_| tensor.name == "backbone.patch_embed.proj.weight") {
            bytes[..4].copy_from_slice(&outlier.to_le_bytes());
        }
        Block::Bytes(bytes)
    }
}

/// A tensor's numbers as they lie in a file.
pub fn bytes_of(tensor: &ReleaseTensor, random: &mut Random) -> Vec<u8> {
    let (count, (_, size)) = (tensor.count(), tensor.storage());
    let floats = |numbers: Vec<f32>| numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    match &tensor.fill {
        Fill::Flag => vec![1],
        Fill::Index => vec![0; count * size],
        Fill::Random(scale) => floats((0..count).map(|_| scale * random.next()).collect()),
        Fill::Near(middle, scale) => {
            floats((0..count).map(|at| middle[at % middle.len()] + scale * random.next()).collect())
        }
        Fill::Table => floats(frame_code(&tensor.shape)),
    }
}

/// The released table of frame codes: sines, then cosines.
fn frame_code(shape: &[usize]) -> Vec<f32> {
    let half = shape[2] / 2;
    let angle = |t: usize, k: usize| t as f64 * 10_000_f64.powf(-(k as f64) / half as f64);
    let row =
        |t: usize| (0..half).map(move |k| angle(t, k).sin()).chain((0..half).map(move |k| angle(t, k).cos()));
    (0..shape[1]).flat_map(row).map(|value| value as f32).collect()
}

/// The backbone's tensors: width, blocks, heads and hidden numbers.
pub fn backbone(list: &mut List, [width, depth, _, hidden]: [usize; 4]) {
    list.add("backbone.pos_embed", &[1, 193, width], Fill::Random(0.02));
    list.add("backbone.patch_embed.proj.weight", &[width, 3, 16, 16], Fill::Random(0.03));
    list.add("backbone.patch_embed.proj.bias", &[width], Fill::Random(0.02));
    for i in 0..depth {
        let block = format!("backbone.blocks.{i}");
        list.norm(&format!("{block}.norm1"), width);
        list.linear(&format!("{block}.attn.qkv"), width, 3 * width);
        list.linear(&format!("{block}.attn.proj"), width, width);
        list.norm(&format!("{block}.norm2"), width);
        list.linear(&format!("{block}.mlp.fc1"), width, hidden);
        list.linear(&format!("{block}.mlp.fc2"), hidden, width);
    }
    list.norm("backbone.last_norm", width);
}

/// The hand model's buffers; random numbers stand for MANO's.
pub fn hand(list: &mut List) {
    for (name, shape) in [
        ("shapedirs", &[778, 3, 10][..]),
        ("v_template", &[778, 3]),
        ("J_regressor", &[16, 778]),
        ("posedirs", &[135, 2334]),
        ("lbs_weights", &[778, 16]),
        ("hand_components", &[6, 45]),
        ("hand_mean", &[45]),
        ("pose_mean", &[48]),
    ] {
        list.add(&format!("mano.{name}"), shape, Fill::Random(0.01));
    }
    for (name, shape) in [
        ("faces_tensor", &[1538, 3][..]),
        ("parents", &[16]),
        ("extra_joints_idxs", &[5]),
        ("joint_map", &[21]),
        ("vertex_joint_selector.extra_joints_idxs", &[5]),
    ] {
        list.add(&format!("mano.{name}"), shape, Fill::Index);
    }
}

/// Tensors being listed.
pub struct List(pub Vec<ReleaseTensor>);

impl List {
    pub fn add(&mut self, name: &str, shape: &[usize], fill: Fill) {
        self.0.push(ReleaseTensor { name: name.to_owned(), shape: shape.to_vec(), fill });
    }

    pub fn norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width], Fill::Near(vec![1.0], 0.1));
        self.add(&format!("{name}.bias"), &[width], Fill::Random(0.1));
    }

    pub fn weight(&mut self, name: &str, inputs: usize, outputs: usize) {
        // Uniform numbers of this range keep the variance of what passes.
        let scale = (3.0 / inputs as f32).sqrt();
        self.add(&format!("{name}.weight"), &[outputs, inputs], Fill::Random(scale));
    }

    pub fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.weight(name, inputs, outputs);
        self.add(&format!("{name}.bias"), &[outputs], Fill::Random(0.02));
    }

    /// A head: its numbers stay near the mean that is added to them.
    pub fn small_linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        let scale = 0.1 / (inputs as f32).sqrt();
        self.add(&format!("{name}.weight"), &[outputs, inputs], Fill::Random(scale));
        self.add(&format!("{name}.bias"), &[outputs], Fill::Random(0.01));
    }
}

/// Uniform numbers between -1 and 1 (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}
