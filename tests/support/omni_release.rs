//! Small random networks in the layout of OmniHands' released checkpoints.

use std::fs::File;
use std::io::{Cursor, Seek, Write};
use std::path::{Path, PathBuf};

use super::release::{Fill, List, Random, ReleaseTensor, backbone, bytes_of, hand};
use super::torch_zip::{Block, Pickler, write_archive};

/// Sizes of a network in the release's layout.
#[derive(Clone, Debug)]
pub struct OmniRelease {
    /// Width, blocks, heads and hidden numbers of the backbone.
    pub vit: [usize; 4],
    /// Hidden numbers of the relation's embedding.
    pub relation: usize,
    /// Blocks between the hands.
    pub between: usize,
    /// Width of a hand's token, layers of both decoders, and heads of the first and of the second.
    pub token: [usize; 4],
    /// Numbers of the regression's layers.
    pub regression: [usize; 2],
    /// The paper's relation: fewer channels, and a layer that joins.
    pub paper: bool,
    /// Start of the random numbers.
    pub seed: u64,
}

/// Numbers of a head of the decoders.
const HEAD: usize = 64;

impl OmniRelease {
    /// The release's layout, small.
    pub fn small() -> Self {
        let (vit, token) = ([160, 2, 2, 192], [96, 2, 1, 2]);
        Self { vit, relation: 24, between: 2, token, regression: [72, 40], paper: false, seed: 5 }
    }

    /// The released sizes.
    pub fn full() -> Self {
        let (vit, token) = ([1280, 32, 16, 5120], [1024, 6, 8, 16]);
        Self { vit, relation: 128, between: 4, token, regression: [1024, 512], paper: false, seed: 5 }
    }

    /// Every tensor.
    pub fn tensors(&self) -> Vec<ReleaseTensor> {
        let mut list = List(Vec::new());
        list.add("initialized", &[], Fill::Flag);
        list.add("init_cam", &[1, 3], Fill::Near(vec![0.9, 0.0, 0.0], 0.0));
        backbone(&mut list, self.vit);
        let context = self.vit[0];
        list.linear("map_head.0", if self.paper { 5 } else { 11 }, self.relation);
        list.norm("map_head.1", self.relation);
        list.linear("map_head.3", self.relation, context);
        if self.paper {
            list.linear("map_join", 2 * context, context);
        }
        for l in 0..self.between {
            let layer = format!("mano_head.inter_attn.layers.{l}");
            list.norm(&format!("{layer}.0.norm"), context);
            list.weight(&format!("{layer}.0.fn.to_qkv"), context, 3 * context);
            list.linear(&format!("{layer}.0.fn.to_out.0"), context, context);
            list.norm(&format!("{layer}.1.norm"), context);
            list.linear(&format!("{layer}.1.fn.net.0"), context, context);
            list.linear(&format!("{layer}.1.fn.net.3"), context, context);
        }
        let [width, _, near, temporal] = self.token;
        self.decoder(&mut list, "mano_head.transformer", near * HEAD, context);
        list.add("time_head.init_cam", &[1, 3], Fill::Near(vec![0.9, 0.0, 0.0], 0.0));
        self.decoder(&mut list, "time_head.temp_decoder", temporal * HEAD, width);
        let [first, second] = self.regression;
        let branch = "time_head.mano_branch";
        list.linear(&format!("{branch}.mano_base_layer.0"), width, first);
        list.linear(&format!("{branch}.mano_base_layer.2"), first, second);
        for (name, inputs, outputs) in [
            ("pose_reg", second, 96),
            ("shape_reg", width, 10),
            ("cam_reg", second, 3),
            ("rel_reg", 2 * second, 3),
        ] {
            list.small_linear(&format!("{branch}.{name}"), inputs, outputs);
        }
        hand(&mut list);
        list.0
    }

    fn decoder(&self, list: &mut List, name: &str, inner: usize, context: usize) {
        let [width, depth, ..] = self.token;
        list.add(&format!("{name}.pos_embedding"), &[1, 1, width], Fill::Random(1.0));
        list.linear(&format!("{name}.to_token_embedding"), 1, width);
        for l in 0..depth {
            let layer = format!("{name}.transformer.layers.{l}");
            list.norm(&format!("{layer}.0.norm"), width);
            list.weight(&format!("{layer}.0.fn.to_qkv"), width, 3 * inner);
            list.linear(&format!("{layer}.0.fn.to_out.0"), inner, width);
            list.norm(&format!("{layer}.1.norm"), width);
            list.weight(&format!("{layer}.1.fn.to_kv"), context, 2 * inner);
            list.weight(&format!("{layer}.1.fn.to_q"), width, inner);
            list.linear(&format!("{layer}.1.fn.to_out.0"), inner, width);
            list.norm(&format!("{layer}.2.norm"), width);
            list.linear(&format!("{layer}.2.fn.net.0"), width, width);
            list.linear(&format!("{layer}.2.fn.net.3"), width, width);
        }
    }

    /// Writes the checkpoint `name` into `folder`; returns its path.
    pub fn install(&self, folder: &Path, name: &str) -> PathBuf {
        std::fs::create_dir_all(folder).expect("a folder in the temporary folder");
        let path = folder.join(name);
        self.write(&mut File::create(&path).expect("a file in the temporary folder"));
        path
    }

    /// The checkpoint's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        self.write(&mut out);
        out.into_inner()
    }

    /// Writes the state dict as `torch.save` does.
    pub fn write(&self, out: &mut (impl Write + Seek)) {
        let tensors = self.tensors();
        let mut pickle = Pickler::new();
        pickle.global("collections", "OrderedDict").raw(b")R(");
        for (key, tensor) in tensors.iter().enumerate() {
            pickle.text(&tensor.name).tensor(tensor.storage().0, key, &tensor.shape);
        }
        pickle.raw(b"u}(").text("_metadata").raw(b"}ub");
        let mut random = Random(self.seed);
        let small = |name: &str, bytes: &[u8]| (format!("archive/{name}"), Block::Bytes(bytes.to_vec()));
        let mut files = vec![("archive/data.pkl".to_owned(), Block::Bytes(pickle.finish()))];
        files.push(small("byteorder", b"little"));
        let data = tensors.iter().enumerate();
        let data = data.map(|(key, tensor)| {
            (format!("archive/data/{key}"), Block::Bytes(bytes_of(tensor, &mut random)))
        });
        files.extend(data);
        files.push(small("version", b"3\n"));
        write_archive(out, files).expect("the checkpoint can be written");
    }
}
