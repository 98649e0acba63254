//! The patch graph: kept frames with their patches, and the edges from patches to the frames in which they
//! are looked for.

use std::collections::BTreeMap;
use std::ops::Range;

use nalgebra::{Isometry3, Vector2};

use super::bundle::Observation;
use super::projection::{Patch, PatchCamera, PatchView};

/// A patch that is looked for in a frame; the numbers are those of a bundle adjustment's observation.
pub type Edge = Observation;

/// The edges with the hidden numbers that whoever matches keeps for each.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    /// The edges.
    pub list: Vec<Edge>,
    /// `width` numbers per edge.
    pub hidden: Vec<f32>,
    width: usize,
}

/// Kept frames, oldest first, each with the same number of patches.
#[derive(Debug)]
pub struct PatchGraph<F> {
    /// The camera of all frames, at the size of the feature maps.
    pub camera: PatchCamera,
    /// Patches of each frame.
    pub per_frame: usize,
    /// `camera_from_world` of each kept frame.
    pub poses: Vec<Isometry3<f64>>,
    /// The patches of the kept frames, frame by frame.
    pub patches: Vec<Patch>,
    /// Number of each kept frame among all frames that came in.
    pub inputs: Vec<usize>,
    /// What the matcher keeps of each kept frame.
    pub features: Vec<F>,
    /// Edges that are followed.
    pub edges: Edges,
    /// Edges no longer followed; only loop closure asks for them.
    pub retired: Vec<Edge>,
    /// How many edges were retired, kept or not.
    pub retired_count: usize,
    /// For each frame that was not kept: the number of an earlier frame, and the motion from it.
    dropped: BTreeMap<usize, (usize, Isometry3<f64>)>,
}

impl Edges {
    /// No edges, with room for `width` hidden numbers each.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Appends edges whose hidden numbers are zero.
    pub fn extend(&mut self, edges: impl IntoIterator<Item = Edge>) {
        self.list.extend(edges);
        self.hidden.resize(self.list.len() * self.width, 0.0);
    }

    /// Removes the edges for which `leaves` is true, handing each to `last`.
    fn remove(&mut self, leaves: impl Fn(&Edge) -> bool, mut last: impl FnMut(Edge)) {
        let mut kept = 0;
        for at in 0..self.list.len() {
            if leaves(&self.list[at]) {
                last(self.list[at]);
            } else {
                self.list[kept] = self.list[at];
                self.hidden.copy_within(at * self.width..(at + 1) * self.width, kept * self.width);
                kept += 1;
            }
        }
        self.list.truncate(kept);
        self.hidden.truncate(kept * self.width);
    }
}

impl<F> PatchGraph<F> {
    /// A graph without frames; `hidden` numbers are kept for each edge.
    pub fn new(camera: PatchCamera, per_frame: usize, hidden: usize) -> Self {
        Self {
            camera,
            per_frame,
            poses: Vec::new(),
            patches: Vec::new(),
            inputs: Vec::new(),
            features: Vec::new(),
            edges: Edges::new(hidden),
            retired: Vec::new(),
            retired_count: 0,
            dropped: BTreeMap::new(),
        }
    }

    /// Number of kept frames.
    pub fn len(&self) -> usize {
        self.poses.len()
    }

    /// Whether no frame was kept yet.
    pub fn is_empty(&self) -> bool {
        self.poses.is_empty()
    }

    /// Matches of older patches in the newest frame, each counted by its weight, 0..1.
    pub fn matches_of_newest(&self) -> f64 {
        let Some(newest) = self.len().checked_sub(1) else { return 0.0 };
        let seen = self.edges.list.iter().filter(|edge| edge.frame == newest && edge.source != newest);
        seen.map(|edge| (edge.weight.x + edge.weight.y) / 2.0).sum()
    }

    /// The patches of kept frame `frame`.
    pub fn patches_of(&self, frame: usize) -> Range<usize> {
        frame * self.per_frame..(frame + 1) * self.per_frame
    }

    /// An edge, not matched yet, from `patch` to `frame`.
    pub fn edge(&self, patch: usize, frame: usize) -> Edge {
        let source = patch / self.per_frame;
        Edge { patch, source, frame, target: Vector2::zeros(), weight: Vector2::zeros() }
    }

    /// The motion from kept frame `source` to kept frame `frame`.
    pub fn motion(&self, source: usize, frame: usize) -> Isometry3<f64> {
        self.poses[frame] * self.poses[source].inverse()
    }

    /// Where the patch of an edge lands by the present poses and depths.
    pub fn seen(&self, edge: &Edge) -> PatchView {
        self.patches[edge.patch].seen(&self.camera, &self.motion(edge.source, edge.frame))
    }

    /// Mean flow of the edges from `source` to `frame`; `None` where there is none.
    pub fn mean_flow(&self, source: usize, frame: usize) -> Option<f64> {
        let motion = self.motion(source, frame);
        let edges = self.edges.list.iter().filter(|e| e.source == source && e.frame == frame);
        let flows = edges.map(|e| self.patches[e.patch].flow(&self.camera, &motion));
        let (sum, count) = flows.fold((0.0, 0_usize), |(sum, count), flow| (sum + flow, count + 1));
        (count > 0).then(|| sum / count as f64)
    }

    /// Appends a frame. Its patches must be `per_frame`.
    pub fn push(&mut self, input: usize, pose: Isometry3<f64>, patches: &[Patch], features: F) {
        debug_assert_eq!(patches.len(), self.per_frame);
        self.inputs.push(input);
        self.poses.push(pose);
        self.patches.extend_from_slice(patches);
        self.features.push(features);
    }

    /// Takes the newest frame back, which has no edges yet, and says that it stood where the frame before
    /// it in the input stood.
    pub fn drop_newest(&mut self) {
        if let Some(input) = self.inputs.pop() {
            self.poses.pop();
            self.patches.truncate(self.poses.len() * self.per_frame);
            self.features.pop();
            self.dropped.insert(input, (input.saturating_sub(1), Isometry3::identity()));
        }
    }

    /// Removes kept frame `frame`, not the first, with its patches and all edges from and to it; its pose
    /// stays known relative to the frame before it.
    pub fn remove_frame(&mut self, frame: usize) {
        let motion = self.motion(frame - 1, frame);
        self.dropped.insert(self.inputs[frame], (self.inputs[frame - 1], motion));
        self.edges.remove(|e| e.source == frame || e.frame == frame, |_| ());
        for edge in &mut self.edges.list {
            if edge.source > frame {
                edge.source -= 1;
                edge.patch -= self.per_frame;
            }
            if edge.frame > frame {
                edge.frame -= 1;
            }
        }
        self.patches.drain(self.patches_of(frame));
        self.poses.remove(frame);
        self.inputs.remove(frame);
        self.features.remove(frame);
    }

    /// Follows the edges for which `leaves` is true no longer; keeps them when `keep`.
    pub fn retire(&mut self, leaves: impl Fn(&Edge) -> bool, keep: bool) {
        let Self { edges, retired, retired_count, .. } = self;
        edges.remove(leaves, |edge| {
            *retired_count += 1;
            if keep {
                retired.push(edge);
            }
        });
    }

    /// Scales the map to a mean inverse depth of 1 and puts the first kept frame at the origin.
    pub fn normalise(&mut self) {
        let mean = self.patches.iter().map(|p| p.inverse_depth).sum::<f64>() / self.patches.len() as f64;
        for patch in &mut self.patches {
            patch.inverse_depth /= mean;
        }
        let motions = self.dropped.values_mut().map(|(_, motion)| motion);
        for pose in self.poses.iter_mut().chain(motions) {
            pose.translation.vector *= mean;
        }
        if let Some(world_from_first) = self.poses.first().map(Isometry3::inverse) {
            for pose in &mut self.poses {
                *pose *= world_from_first;
            }
        }
    }

    /// `camera_from_world` of every frame that came in, by its number: of kept frames as they stand, of
    /// others by their motion from one before.
    pub fn all_poses(&self) -> BTreeMap<usize, Isometry3<f64>> {
        let mut poses: BTreeMap<usize, Isometry3<f64>> =
            self.inputs.iter().copied().zip(self.poses.iter().copied()).collect();
        // In order of the input: a frame hangs on an earlier one.
        for (&input, (from, motion)) in &self.dropped {
            if let Some(&start) = poses.get(from) {
                poses.insert(input, motion * start);
            }
        }
        poses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_of_the_newest_frame_count_by_their_weight_and_its_own_patches_do_not() {
        let camera = PatchCamera { fx: 100.0, fy: 100.0, cx: 40.0, cy: 30.0 };
        let mut graph = PatchGraph::new(camera, 2, 0);
        assert_eq!(graph.matches_of_newest(), 0.0);
        let patch = Patch { centre: Vector2::new(20.0, 20.0), inverse_depth: 0.5 };
        for input in 0..3 {
            graph.push(input, Isometry3::identity(), &[patch; 2], ());
        }
        let edges = [(0, 2, 0.9), (2, 2, 0.5), (4, 2, 1.0), (0, 1, 1.0)];
        let edges = edges.map(|(patch, frame, weight)| {
            let weight = Vector2::new(weight, weight - 0.2);
            Edge { weight, ..graph.edge(patch, frame) }
        });
        graph.edges.extend(edges);
        assert!((graph.matches_of_newest() - 1.2).abs() < 1e-12);
    }
}
