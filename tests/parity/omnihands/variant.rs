//! The small networks of the fixtures: released modules with other sizes and random weights.

use std::path::PathBuf;

use handstream::haptic::full::DecoderForm;
use handstream::haptic::omni::{
    OmniHeads, OmniShape, SpatialMemory, SpatialReasoning, TemporalMemory, TemporalReasoning,
};
use handstream::jobs::InOrder;
use handstream::net::{Checkpoint, Isa, Probe, room};

use crate::support::shared;
use crate::tensors::Fixture;

/// One folder of fixtures.
pub struct Variant {
    folder: PathBuf,
    /// Its weights.
    pub weights: Fixture,
}

impl Variant {
    /// Every variant of the shared material.
    pub fn all() -> Vec<Self> {
        let shared = shared("fixtures/omnihands").map(|path| std::fs::read_dir(path).unwrap());
        let folders = shared.into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> = folders.filter(|folder| weights_in(folder).exists()).collect();
        folders.sort();
        folders
            .into_iter()
            .map(|folder| Self { weights: Fixture::open(&weights_in(&folder)), folder })
            .collect()
    }

    /// The variant's name.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// The file `name.safetensors`.
    pub fn file(&self, name: &str) -> Fixture {
        Fixture::open(&self.folder.join(format!("{name}.safetensors")))
    }

    /// The sizes. No tensor tells how many heads there are: of all numbers that fill an attention it is the one
    /// with which the released module's output comes out best.
    pub fn shape(&self) -> OmniShape {
        let (space, time) = (self.file("sir_spatial"), self.file("sir_temporal"));
        let mut heads = OmniHeads { spatial: 1, decoder: 1, temporal: 1 };
        let sizes = self.shape_with(heads);
        let best = |inner: usize, off: &dyn Fn(usize) -> f64| {
            let all = (1..=inner).filter(|heads| inner.is_multiple_of(*heads));
            all.map(|heads| (off(heads), heads)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
        };
        let (between, tokens) = (space.numbers("inter_out"), space.numbers("hand_tokens"));
        let spatial = |heads| self.spatial(&self.shape_with(heads), &space, 1);
        heads.spatial = best(sizes.spatial_inner, &|spatial_heads| {
            let [ours, _] = spatial(OmniHeads { spatial: spatial_heads, ..heads });
            off(&ours, &between[..ours.len()])
        });
        heads.decoder = best(sizes.decoder.inner, &|decoder| {
            let [_, ours] = spatial(OmniHeads { decoder, ..heads });
            off(&ours, &tokens[..ours.len()])
        });
        heads.temporal = best(sizes.temporal.inner, &|temporal| {
            let shape = self.shape_with(OmniHeads { temporal, ..heads });
            off(&self.temporal(&shape, &windows(&time)), &time.numbers("token_out"))
        });
        self.shape_with(heads)
    }

    fn shape_with(&self, heads: OmniHeads) -> OmniShape {
        let checkpoint = Checkpoint::parse(self.weights.bytes()).unwrap();
        OmniShape::read(&checkpoint.root(), Some(heads)).unwrap()
    }

    /// What the first `frames` frames of `case` are between the hands, and the tokens of their hands.
    pub fn spatial(&self, shape: &OmniShape, case: &Fixture, frames: usize) -> [Vec<f64>; 2] {
        let checkpoint = Checkpoint::parse(self.weights.bytes()).unwrap();
        let scope = checkpoint.root().part("mano_head");
        let network = SpatialReasoning::read(&scope, shape, DecoderForm::Absorbed, Isa::best()).unwrap();
        let mut tokens = Vec::new();
        let [right, left] = ["cond_right", "cond_left"].map(|name| case.numbers(name));
        let frame = right.len() / case.shape("cond_right")[0];
        for (right, left) in right.chunks_exact(frame).zip(left.chunks_exact(frame)).take(frames) {
            tokens.extend(rows(right, shape.context));
            tokens.extend(rows(left, shape.context));
        }
        let (mut inner, mut out) = (Vec::new(), Vec::new());
        let mut see = |name: &str, numbers: &[f32]| {
            if name == "inter_out" {
                inner.extend(numbers.iter().map(|&number| f64::from(number)));
            }
        };
        let memory = &mut SpatialMemory::default();
        network.apply(&tokens, memory, &InOrder, Probe::on(&mut see), &mut out);
        [inner, flat(&out, shape.decoder.width)]
    }

    /// The tokens of windows.
    pub fn temporal(&self, shape: &OmniShape, windows: &[Vec<Vec<f32>>]) -> Vec<f64> {
        let checkpoint = Checkpoint::parse(self.weights.bytes()).unwrap();
        let scope = checkpoint.root().part("time_head").part("temp_decoder");
        let network = TemporalReasoning::read(&scope, &shape.temporal, DecoderForm::Absorbed, Isa::best());
        let windows = windows.iter().map(|window| window.iter().map(Vec::as_slice).collect());
        let windows: Vec<Vec<&[f32]>> = windows.collect();
        let windows: Vec<&[&[f32]]> = windows.iter().map(Vec::as_slice).collect();
        let mut out = Vec::new();
        network.unwrap().apply(&windows, &mut TemporalMemory::default(), &mut out);
        flat(&out, shape.temporal.width)
    }
}

fn weights_in(folder: &std::path::Path) -> PathBuf {
    folder.join("weights_narrow.safetensors")
}

/// The windows of the hand tokens `[(clip frame hand), width]`: a clip's right hand, its left hand, the next
/// clip's.
pub fn windows(case: &Fixture) -> Vec<Vec<Vec<f32>>> {
    let sizes = case.shape("pos_emb");
    let (length, width) = (sizes[2], sizes[1]);
    let tokens = rows(&case.numbers("hand_tokens"), width);
    let clips = tokens.chunks_exact(2 * length * room(width));
    let hand = |clip: &[f32], hand: usize| {
        let frames = clip.chunks_exact(room(width)).skip(hand).step_by(2);
        frames.map(<[f32]>::to_vec).collect()
    };
    clips.flat_map(|clip| [hand(clip, 0), hand(clip, 1)]).collect()
}

/// Rows of `width` numbers as the network takes them.
pub fn rows(numbers: &[f64], width: usize) -> Vec<f32> {
    let row = |row: &[f64]| {
        let mut row: Vec<f32> = row.iter().map(|&number| number as f32).collect();
        row.resize(room(width), 0.0);
        row
    };
    numbers.chunks_exact(width).flat_map(row).collect()
}

/// The numbers of the network's rows.
pub fn flat(rows: &[f32], width: usize) -> Vec<f64> {
    rows.chunks_exact(room(width)).flat_map(|row| &row[..width]).map(|&number| f64::from(number)).collect()
}

/// The largest difference of `ours` from `theirs`, relative to their largest number.
pub fn off(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "numbers to compare");
    let largest = theirs.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    // Not `max`, which passes over what is no number.
    let worst = |worst: f64, off: f64| if off <= worst { worst } else { off };
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, worst) / largest
}
