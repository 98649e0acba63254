//! Loop closure by proximity (Lipson et al. 2024): which old frames are in view again.

use super::config::DpvoConfig;
use super::graph::{Edge, PatchGraph};

/// Share of a frame's patches that must land in front of the camera.
const VISIBLE_SHARE: f64 = 0.75;
/// Least kept frames between the two frames of a closure.
const LEAST_GAP: usize = 30;
/// Most pairs of frames of one search.
const MOST_PAIRS: usize = 1000;

/// Two frames that see the same place.
#[derive(Clone, Copy)]
struct Pair {
    source: usize,
    frame: usize,
    flow: f64,
}

/// Edges from all patches of old frames to recent frames that see them, nearest pairs first.
pub fn closing_edges<F>(graph: &PatchGraph<F>, config: &DpvoConfig) -> Vec<Edge> {
    let (Some(loops), n) = (config.loops, graph.len()) else { return Vec::new() };
    let old = n.saturating_sub(config.removal_window);
    let oldest = old.saturating_sub(loops.oldest);
    let recent = n.saturating_sub(loops.every)..n.saturating_sub(config.keyframe_index);
    let candidates = recent.flat_map(|frame| (oldest..old).map(move |source| (source, frame)));
    let pairs = candidates.filter_map(|(source, frame)| {
        let flow = pair_flow(graph, source, frame)?;
        (flow < loops.longest_flow).then_some(Pair { source, frame, flow })
    });
    chosen(pairs.collect())
        .iter()
        .flat_map(|p| graph.patches_of(p.source).map(|k| graph.edge(k, p.frame)))
        .collect()
}

/// Mean flow of the middles of a frame's patches in another; `None` where too few are in front of it.
fn pair_flow<F>(graph: &PatchGraph<F>, source: usize, frame: usize) -> Option<f64> {
    let motion = graph.motion(source, frame);
    let patches = &graph.patches[graph.patches_of(source)];
    let flows = patches.iter().map(|patch| patch.centre_flow(&graph.camera, &motion));
    let (sum, count) = flows.filter(|(_, visible)| *visible).fold((0.0, 0), |(s, c), (f, _)| (s + f, c + 1));
    (f64::from(count) > VISIBLE_SHARE * patches.len() as f64).then(|| sum / f64::from(count))
}

/// The pairs by rising flow, without neighbours of a pair that was chosen.
fn chosen(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_by(|a, b| a.flow.total_cmp(&b.flow));
    let mut chosen: Vec<Pair> = Vec::new();
    for pair in pairs {
        let beside = |p: &Pair| p.frame == pair.frame && p.source.abs_diff(pair.source) <= 1;
        if chosen.len() < MOST_PAIRS && pair.frame >= pair.source + LEAST_GAP && !chosen.iter().any(beside) {
            chosen.push(pair);
        }
    }
    chosen
}

/// The kept frames between which an edge closes a loop.
pub fn is_closing(edge: &Edge) -> bool {
    edge.frame > edge.source + LEAST_GAP
}
