//! One frame's way through DPVO: pose guess, motion probe, edges, update, keyframes.
//!
//! What recognises patches is behind [`Matcher`]: the update operator, or in tests a stand-in that knows the
//! answers. Everything here happens in order, so the same frames give the same poses.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Vector2};

use super::bundle::{Bundle, StepRule};
use super::config::DpvoConfig;
use super::graph::{Edge, PatchGraph};
use super::loops::{closing_edges, is_closing};
use super::projection::{PATCH_PIXELS, Patch, PatchCamera, PatchView};
use crate::geometry::se3;
use crate::random::Random;

/// Kept frames at which the first poses are found.
const FIRST_FRAMES: usize = 8;
/// Updates at the start and at the end.
const THOROUGH_UPDATES: usize = 12;
/// Steps of bundle adjustment of an update.
const BUNDLE_STEPS: usize = 2;
/// Before the start a frame is kept when patches move at least this far, pixels of the feature map.
const LEAST_FIRST_MOTION: f64 = 2.0;
/// Frames whose patches' depths a new patch starts from.
const DEPTH_FRAMES: usize = 3;
/// Middle pixel of a patch.
const MIDDLE: usize = PATCH_PIXELS / 2;

/// What the matcher says of an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// From where the patch's middle was expected to where it is, pixels of the feature map.
    pub delta: Vector2<f64>,
    /// How sure that is, along x and along y: 0..1.
    pub weight: Vector2<f64>,
}

/// Finds patches of one frame in another.
pub trait Matcher {
    /// What is kept of a frame.
    type Features;

    /// Hidden numbers of an edge.
    fn hidden(&self) -> usize;

    /// Where the patches of `edges` are found in their frames, near where `views` expects them, in order.
    /// `hidden` has [`Self::hidden`] numbers for each edge.
    fn correct(
        &mut self,
        graph: &PatchGraph<Self::Features>,
        edges: &[Edge],
        views: &[PatchView],
        hidden: &mut [f32],
    ) -> Vec<Correction>;

    /// Gives up what is kept of a frame whose patches are no longer followed (`patches`), and in which no
    /// patch is looked for any more (`map`).
    fn forget(&self, features: &mut Self::Features, patches: bool, map: bool);
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Before the start: median motion of the patches since the last kept frame.
    pub first_motion: Option<f64>,
    /// Half the flow past the frame that was judged as a keyframe.
    pub keyframe_motion: Option<f64>,
    /// Whether everything was adjusted together.
    pub global: bool,
}

/// Patch odometry.
pub struct Schedule<M: Matcher> {
    config: DpvoConfig,
    matcher: M,
    graph: PatchGraph<M::Features>,
    /// Times of all frames that came in, seconds; only the last three are kept.
    times: Vec<f64>,
    /// Frames that came in.
    count: usize,
    started: bool,
    last_search: Option<usize>,
    /// By number of kept frames: whether a global adjustment was made.
    global_done: BTreeMap<usize, bool>,
}

impl<M: Matcher> Schedule<M> {
    /// Odometry of frames with this camera.
    pub fn new(config: DpvoConfig, camera: PatchCamera, matcher: M) -> Self {
        let graph = PatchGraph::new(camera, config.patches_per_frame, matcher.hidden());
        Self {
            config,
            matcher,
            graph,
            times: Vec::new(),
            count: 0,
            started: false,
            last_search: None,
            global_done: BTreeMap::new(),
        }
    }

    /// The kept frames and edges.
    pub fn graph(&self) -> &PatchGraph<M::Features> {
        &self.graph
    }

    /// What recognises patches.
    pub fn matcher(&mut self) -> &mut M {
        &mut self.matcher
    }

    /// Whether poses were found yet.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Takes the next frame: its time in seconds, its patches, and what the matcher keeps of it. Depths of
    /// the patches are taken as they are until the start, and from the last frames afterwards.
    pub fn add(&mut self, seconds: f64, mut patches: Vec<Patch>, features: M::Features) -> Outcome {
        let mut outcome = Outcome { first_motion: None, keyframe_motion: None, global: false };
        self.times.push(seconds);
        let pose = self.expected_pose();
        self.times.drain(..self.times.len().saturating_sub(3));
        if self.started {
            let depth = self.usual_depth();
            for patch in &mut patches {
                patch.inverse_depth = depth;
            }
        }
        self.graph.push(self.count, pose, &patches, features);
        self.count += 1;
        if self.graph.len() > 1 && !self.started {
            let motion = self.probe();
            outcome.first_motion = Some(motion);
            if motion < LEAST_FIRST_MOTION {
                self.graph.drop_newest();
                return outcome;
            }
        }
        self.search_loops();
        self.connect();
        if self.graph.len() == FIRST_FRAMES && !self.started {
            self.started = true;
            outcome.global = self.start();
        } else if self.started {
            outcome.global = self.update();
            outcome.keyframe_motion = self.judge_keyframe();
        }
        self.forget();
        outcome
    }

    /// Finds the first poses; says whether everything was adjusted together.
    fn start(&mut self) -> bool {
        let mut global = false;
        for _ in 0..THOROUGH_UPDATES {
            global |= self.update();
        }
        if self.try_other_starts() {
            for _ in 0..THOROUGH_UPDATES {
                global |= self.update();
            }
        }
        global
    }

    /// Adjusts again from other random depths, with the patches where they were found last, and keeps the
    /// best; says whether that is another one.
    fn try_other_starts(&mut self) -> bool {
        let mut random = Random::new(self.config.seed);
        let graph = &mut self.graph;
        let mut best = window(graph, 1).cost();
        let mut better = false;
        for _ in 0..self.config.start_attempts {
            let (poses, patches) = (graph.poses.clone(), graph.patches.clone());
            graph.poses.fill(Isometry3::identity());
            for patch in &mut graph.patches {
                patch.inverse_depth = random.fraction();
            }
            let mut bundle = window(graph, 1);
            bundle.adjust(BUNDLE_STEPS * THOROUGH_UPDATES, self.config.steps);
            let cost = bundle.cost();
            if cost < best {
                (best, better) = (cost, true);
            } else {
                (graph.poses, graph.patches) = (poses, patches);
            }
        }
        better
    }

    /// Ends the run: closes loops and updates everything a last time.
    pub fn finish(&mut self) {
        if self.graph.is_empty() {
            return;
        }
        if self.config.loops.is_some() {
            let edges = closing_edges(&self.graph, &self.config);
            self.graph.edges.extend(edges);
        }
        for _ in 0..THOROUGH_UPDATES {
            self.global_done.insert(self.graph.len(), false);
            self.update();
        }
    }

    /// Where the motion of the last two kept frames leads, damped and scaled with the time that passed.
    fn expected_pose(&self) -> Isometry3<f64> {
        let [.., before, last] = self.graph.poses[..] else { return Isometry3::identity() };
        let factor = match self.times[..] {
            [.., a, b, c] if b > a && c > b => (c - b) / (b - a),
            _ => 1.0,
        };
        let twist = se3::log(&(last * before.inverse())) * (self.config.motion_damping * factor);
        se3::exp(&twist) * last
    }

    /// The lower median of the inverse depths of the last frames.
    fn usual_depth(&self) -> f64 {
        let first = self.graph.len().saturating_sub(DEPTH_FRAMES) * self.graph.per_frame;
        let mut depths: Vec<f64> = self.graph.patches[first..].iter().map(|p| p.inverse_depth).collect();
        let middle = depths.len().saturating_sub(1) / 2;
        if depths.is_empty() {
            return 1.0;
        }
        *depths.select_nth_unstable_by(middle, f64::total_cmp).1
    }

    /// Median motion of the patches of the frame before the newest into it.
    fn probe(&mut self) -> f64 {
        let newest = self.graph.len() - 1;
        let edges: Vec<Edge> =
            self.graph.patches_of(newest - 1).map(|patch| self.graph.edge(patch, newest)).collect();
        let views: Vec<PatchView> = edges.iter().map(|edge| self.graph.seen(edge)).collect();
        let mut hidden = vec![0.0; edges.len() * self.matcher.hidden()];
        let corrections = self.matcher.correct(&self.graph, &edges, &views, &mut hidden);
        median(corrections.iter().map(|correction| correction.delta.norm()).collect())
    }

    fn search_loops(&mut self) {
        let Some(loops) = self.config.loops else { return };
        let n = self.graph.len();
        if self.last_search.is_none_or(|last| n >= last + loops.every) {
            let edges = closing_edges(&self.graph, &self.config);
            if !edges.is_empty() {
                self.last_search = Some(n);
                self.graph.edges.extend(edges);
            }
        }
    }

    /// Looks for patches of the last frames in the newest, and for its patches in them and in itself.
    fn connect(&mut self) {
        let n = self.graph.len();
        let newest = n - 1;
        let first = n.saturating_sub(self.config.patch_lifetime);
        let graph = &self.graph;
        let forward =
            (graph.patches_of(first).start..graph.patches_of(newest).start).map(|k| graph.edge(k, newest));
        let backward = graph.patches_of(newest).flat_map(|k| (first..n).map(move |j| graph.edge(k, j)));
        let edges: Vec<Edge> = forward.chain(backward).collect();
        self.graph.edges.extend(edges);
    }

    /// Matches all edges and adjusts poses and depths; says whether everything was adjusted together.
    fn update(&mut self) -> bool {
        let Self { config, matcher, graph, .. } = self;
        let n = graph.len();
        match_edges(graph, matcher);
        let far = graph.edges.list.iter().any(|edge| edge.source + config.removal_window + 1 < n);
        let global = far && !self.global_done.get(&n).copied().unwrap_or(false);
        if global {
            self.adjust_all();
        } else {
            let window = if self.started { n.saturating_sub(config.optimisation_window) } else { 1 };
            adjust_window(graph, window.max(1), config.steps);
        }
        global
    }

    /// Adjusts everything that was ever seen.
    fn adjust_all(&mut self) {
        let Self { config, graph, .. } = self;
        graph.normalise();
        let observations: Vec<Edge> = graph.retired.iter().chain(&graph.edges.list).copied().collect();
        let first_free = graph.edges.list.iter().map(|edge| edge.source).min().unwrap_or(0);
        let mut bundle = Bundle {
            camera: graph.camera,
            poses: &mut graph.poses,
            patches: &mut graph.patches,
            observations: &observations,
            first_free,
        };
        bundle.adjust(BUNDLE_STEPS, config.steps);
        self.global_done.insert(self.graph.len(), true);
    }

    /// Removes the frame that is judged if patches hardly move past it, and edges that are too old. Gives
    /// half the flow past the frame.
    fn judge_keyframe(&mut self) -> Option<f64> {
        let n = self.graph.len();
        let motion = n.checked_sub(self.config.keyframe_index + 1).and_then(|before| {
            let after = before + 2;
            let there = self.graph.mean_flow(before, after)?;
            Some((there + self.graph.mean_flow(after, before)?) / 2.0)
        });
        if motion.is_some_and(|motion| motion < self.config.keyframe_threshold) {
            self.graph.remove_frame(n - self.config.keyframe_index);
        }
        let n = self.graph.len();
        let DpvoConfig { removal_window, optimisation_window, loops, .. } = self.config;
        let too_old = |edge: &Edge| edge.source + removal_window < n;
        let closes =
            |edge: &Edge| loops.is_some() && is_closing(edge) && edge.frame + optimisation_window > n;
        self.graph.retire(|edge| too_old(edge) && !closes(edge), loops.is_some());
        motion
    }

    /// Lets the matcher free what no edge will ask for again.
    fn forget(&mut self) {
        let DpvoConfig { removal_window, patch_lifetime, loops, .. } = self.config;
        let n = self.graph.len();
        let patches =
            n.saturating_sub(removal_window + 1 + loops.map_or(0, |loops| loops.oldest + loops.every));
        let maps = n.saturating_sub(removal_window + patch_lifetime + 1);
        for (frame, features) in self.graph.features.iter_mut().enumerate().take(maps.max(patches)) {
            self.matcher.forget(features, frame < patches, frame < maps);
        }
    }
}

/// Matches all edges: sets what was found and how much it counts.
pub fn match_edges<M: Matcher>(graph: &mut PatchGraph<M::Features>, matcher: &mut M) {
    let views: Vec<PatchView> = graph.edges.list.iter().map(|edge| graph.seen(edge)).collect();
    let mut edges = std::mem::take(&mut graph.edges);
    let corrections = matcher.correct(graph, &edges.list, &views, &mut edges.hidden);
    for ((edge, view), correction) in edges.list.iter_mut().zip(&views).zip(corrections) {
        edge.target = view[MIDDLE] + correction.delta;
        edge.weight = correction.weight;
    }
    graph.edges = edges;
}

/// Adjusts the poses from frame `first_free` on, and the depths of all patches that are followed.
pub fn adjust_window<F>(graph: &mut PatchGraph<F>, first_free: usize, rule: StepRule) {
    window(graph, first_free).adjust(BUNDLE_STEPS, rule);
}

fn window<F>(graph: &mut PatchGraph<F>, first_free: usize) -> Bundle<'_> {
    Bundle {
        camera: graph.camera,
        poses: &mut graph.poses,
        patches: &mut graph.patches,
        observations: &graph.edges.list,
        first_free,
    }
}

/// The middle number, or the mean of the two middle ones; zero of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or(0.0);
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    (upper + lower) / 2.0
}
