//! DPVO's network as the matcher of the schedule.

use super::graph::{Edge, PatchGraph};
use super::net::{
    CORRELATIONS, EdgeSight, Encoder, FEATURES, FeatureMaps, Map, Neighbours, Norm, UpdateOperator, WIDTH,
};
use super::projection::{PATCH_PIXELS, PATCH_SIDE, Patch, PatchView, STRIDE};
use super::schedule::{Correction, Matcher};
use crate::geometry::Pixel;
use crate::net::{Checkpoint, CheckpointError, Isa, Probe};
use crate::slam::PixelBox;

/// A prefix that training on several GPUs leaves before every name.
const TRAINING_PREFIX: &str = "module";
/// Middle pixel of a patch.
const MIDDLE: usize = PATCH_PIXELS / 2;

/// The network.
pub struct DpvoNetwork {
    isa: Isa,
    features: Encoder,
    context: Encoder,
    update: UpdateOperator,
}

/// What the network keeps of a frame.
#[derive(Clone, Debug, Default)]
pub struct FrameFeatures {
    /// To find patches in.
    pub maps: FeatureMaps,
    /// For each patch the numbers of its nine pixels.
    pub patches: Vec<f32>,
    /// For each patch its context.
    pub context: Vec<f32>,
    /// Where patches that are found do not count, pixels of the picture.
    pub hidden: Vec<PixelBox>,
}

impl DpvoNetwork {
    /// Reads the network from a checkpoint, released or trained on several GPUs.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(checkpoint: &Checkpoint, isa: Isa) -> Result<Self, CheckpointError> {
        let root = checkpoint.root();
        let trained = root.part(TRAINING_PREFIX);
        let root = if trained.has("update.d.1.weight") { trained } else { root };
        let encoders = root.part("patchify");
        Ok(Self {
            isa,
            features: Encoder::read(&encoders.part("fnet"), FEATURES, Norm::Instance, isa)?,
            context: Encoder::read(&encoders.part("inet"), WIDTH, Norm::None, isa)?,
            update: UpdateOperator::read(&root.part("update"), isa)?,
        })
    }

    /// The features of a picture (blue, green, red, -0.5..1.5) and of patches in it. Shows the stages of both
    /// encoders as `fnet.…` and `inet.…`.
    pub fn encode(
        &self,
        picture: &Map,
        patches: &[Patch],
        hidden: &[PixelBox],
        mut probe: Probe,
    ) -> FrameFeatures {
        let map = self.features.apply(picture, probe.part("fnet"));
        let context = self.context.apply(picture, probe.part("inet"));
        let of = |map: &Map, radius: usize| {
            patches.iter().flat_map(|patch| map.patch(patch.centre.x, patch.centre.y, radius)).collect()
        };
        FrameFeatures {
            patches: of(&map, PATCH_SIDE / 2),
            context: of(&context, 0),
            maps: FeatureMaps::new(map),
            hidden: hidden.to_vec(),
        }
    }

    /// The update operator.
    pub fn update(&self) -> &UpdateOperator {
        &self.update
    }

    /// Where the network sees the patches of `edges`; shows the operator's steps and `corr`.
    ///
    /// # Panics
    /// When an edge names a patch or a frame whose features were given up.
    pub fn correct(
        &self,
        graph: &PatchGraph<FrameFeatures>,
        edges: &[Edge],
        views: &[PatchView],
        hidden: &mut [f32],
        mut probe: Probe,
    ) -> Vec<Correction> {
        let sight = GraphSight { graph, edges, views, isa: self.isa };
        if probe.is_on() {
            let mut all = vec![0.0; edges.len() * CORRELATIONS];
            for (edge, row) in all.chunks_exact_mut(CORRELATIONS).enumerate() {
                sight.correlations(edge, row);
            }
            probe.see(format_args!("corr"), &all);
        }
        let mut corrections = self.update.apply(&sight, &Neighbours::of(edges), hidden, probe);
        for ((edge, view), correction) in edges.iter().zip(views).zip(&mut corrections) {
            let found = (view[MIDDLE] + correction.delta) * STRIDE as f64;
            let pixel = Pixel::new(found.x as f32, found.y as f32);
            if graph.features[edge.frame].hidden.iter().any(|hand| hand.contains(pixel)) {
                correction.weight.fill(0.0);
            }
        }
        corrections
    }
}

impl Matcher for DpvoNetwork {
    type Features = FrameFeatures;

    fn hidden(&self) -> usize {
        WIDTH
    }

    fn correct(
        &mut self,
        graph: &PatchGraph<FrameFeatures>,
        edges: &[Edge],
        views: &[PatchView],
        hidden: &mut [f32],
    ) -> Vec<Correction> {
        DpvoNetwork::correct(self, graph, edges, views, hidden, Probe::off())
    }

    fn forget(&self, features: &mut FrameFeatures, patches: bool, map: bool) {
        if patches {
            features.patches = Vec::new();
            features.context = Vec::new();
        }
        if map {
            features.maps = FeatureMaps::default();
            features.hidden = Vec::new();
        }
    }
}

/// What the edges of a graph see.
struct GraphSight<'a> {
    graph: &'a PatchGraph<FrameFeatures>,
    edges: &'a [Edge],
    views: &'a [PatchView],
    isa: Isa,
}

impl EdgeSight for GraphSight<'_> {
    fn context(&self, edge: usize) -> &[f32] {
        let edge = &self.edges[edge];
        let place = edge.patch % self.graph.per_frame;
        &self.graph.features[edge.source].context[place * WIDTH..(place + 1) * WIDTH]
    }

    fn correlations(&self, edge: usize, out: &mut [f32]) {
        let (view, edge) = (&self.views[edge], &self.edges[edge]);
        let numbers = PATCH_PIXELS * FEATURES;
        let place = edge.patch % self.graph.per_frame;
        let patch = &self.graph.features[edge.source].patches[place * numbers..(place + 1) * numbers];
        self.graph.features[edge.frame].maps.correlate(patch, view, self.isa, out);
    }
}
