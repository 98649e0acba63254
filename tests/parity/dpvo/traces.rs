//! The whole schedule, driven by a matcher that knows where every patch is.

use handstream::geometry::alignment::align_similarity;
use handstream::slam::dpvo::graph::{Edge, PatchGraph};
use handstream::slam::dpvo::projection::{Patch, PatchView};
use handstream::slam::dpvo::schedule::{Correction, Matcher, Schedule};
use handstream::slam::dpvo::{DpvoConfig, LoopClosure};
use nalgebra::{Isometry3, Vector2, Vector3};

use super::variant::{camera, fixtures, indices, off_poses, poses};
use crate::tensors::Fixture;

/// Distance of the path from the released one, in path lengths, after a similarity and without.
const PATH: f64 = 1e-2;
/// Flows and probes, pixels.
const FLOW: f64 = 0.05;

/// Updates after the last frame.
const LAST_UPDATES: usize = 12;

/// Knows where every patch is.
pub struct Oracle {
    /// `camera_from_world` of every input frame.
    pub poses: Vec<Isometry3<f64>>,
    /// Of every patch of every input frame.
    pub inverse_depths: Vec<Vec<f64>>,
}

impl Matcher for Oracle {
    /// Number of the frame in the input.
    type Features = usize;

    fn hidden(&self) -> usize {
        0
    }

    fn correct(
        &mut self,
        graph: &PatchGraph<usize>,
        edges: &[Edge],
        views: &[PatchView],
        _: &mut [f32],
    ) -> Vec<Correction> {
        let correct = |(edge, view): (&Edge, &PatchView)| {
            let (source, frame) = (graph.features[edge.source], graph.features[edge.frame]);
            let inverse_depth = self.inverse_depths[source][edge.patch % graph.per_frame];
            let patch = Patch { inverse_depth, ..graph.patches[edge.patch] };
            let motion = self.poses[frame] * self.poses[source].inverse();
            let truth = patch.seen(&graph.camera, &motion)[4];
            Correction { delta: truth - view[4], weight: Vector2::new(0.8, 0.6) }
        };
        edges.iter().zip(views).map(correct).collect()
    }

    fn forget(&self, _: &mut usize, _: bool, _: bool) {}
}

/// The settings that the trace was made with.
fn config(fixture: &Fixture) -> DpvoConfig {
    let text: serde_json::Value = serde_json::from_str(&fixture.metadata("config")).unwrap();
    let number = |key: &str| usize::try_from(text[key].as_u64().unwrap()).unwrap();
    let loops = text["LOOP_CLOSURE"].as_bool().unwrap().then(|| LoopClosure {
        every: number("GLOBAL_OPT_FREQ"),
        longest_flow: text["BACKEND_THRESH"].as_f64().unwrap(),
        oldest: number("MAX_EDGE_AGE"),
    });
    DpvoConfig {
        patches_per_frame: number("PATCHES_PER_FRAME"),
        removal_window: number("REMOVAL_WINDOW"),
        optimisation_window: number("OPTIMIZATION_WINDOW"),
        patch_lifetime: number("PATCH_LIFETIME"),
        keyframe_threshold: text["KEYFRAME_THRESH"].as_f64().unwrap(),
        keyframe_index: number("KEYFRAME_INDEX"),
        motion_damping: text["MOTION_DAMPING"].as_f64().unwrap(),
        loops,
        ..DpvoConfig::default()
    }
}

/// A trace and the schedule that goes through it.
struct Trace {
    fixture: Fixture,
    config: DpvoConfig,
    centres: Vec<[f64; 2]>,
    first_depths: Vec<f64>,
    schedule: Schedule<Oracle>,
}

impl Trace {
    fn new(fixture: Fixture) -> Self {
        let config = config(&fixture);
        let numbers = |name: &str| fixture.numbers(name);
        let depths = numbers("inv_depth_gt");
        let oracle = Oracle {
            poses: poses(&numbers("gt_world_to_cam")),
            inverse_depths: depths.chunks(config.patches_per_frame).map(<[f64]>::to_vec).collect(),
        };
        let camera = camera(&numbers("intrinsics_full"), 4.0);
        Self {
            config,
            centres: numbers("centres").as_chunks().0.to_vec(),
            first_depths: numbers("inv_depth_random_init"),
            schedule: Schedule::new(config, camera, oracle),
            fixture,
        }
    }

    fn patches(&self, input: usize) -> Vec<Patch> {
        let range = input * self.config.patches_per_frame..(input + 1) * self.config.patches_per_frame;
        let centres = self.centres[range.clone()].iter().zip(&self.first_depths[range]);
        centres.map(|(&[x, y], &inverse_depth)| Patch { centre: Vector2::new(x, y), inverse_depth }).collect()
    }

    /// Compares the edges and the poses after input frame `input`, where the trace shows them. (Its numbers of
    /// the kept frames are those of the run's end.)
    fn check_snapshot(&self, name: &str, input: usize) {
        if !self.fixture.names().contains(&format!("t{input}_ii")) {
            return;
        }
        let graph = self.schedule.graph();
        let theirs = |part: &str| indices(&self.fixture, &format!("t{input}_{part}"));
        let ours = |f: fn(&Edge) -> usize| graph.edges.list.iter().map(f).collect::<Vec<_>>();
        assert_eq!(ours(|e| e.source), theirs("ii"), "{name} {input}");
        assert_eq!(ours(|e| e.frame), theirs("jj"), "{name} {input}");
        assert_eq!(ours(|e| e.patch), theirs("kk"), "{name} {input}");
        let off = off_poses(&graph.poses, &self.fixture.numbers(&format!("t{input}_poses")));
        println!("{name}: {} edges after frame {input}, poses within {off:.1e}", graph.edges.list.len());
        assert!(
            off < PATH * self.fixture.metadata("gt_path_length").parse::<f64>().unwrap(),
            "{name} {input}"
        );
    }
}

#[test]
fn the_schedule_takes_every_decision_of_the_released_one_and_ends_on_its_path() {
    for case in ["trace_default", "trace_fast", "trace_default_loop"] {
        for (name, fixture) in fixtures(case) {
            // The list counts the frames that had come in; the updates at the end are in it too.
            let mut global: Vec<usize> = serde_json::from_str(&fixture.metadata("global_ba_at")).unwrap();
            global.truncate(global.len().saturating_sub(LAST_UPDATES));
            let mut trace = Trace::new(fixture);
            let log = trace.fixture.numbers("log");
            let mut worst_flow = 0.0_f64;
            for (input, row) in log.as_chunks::<8>().0.iter().enumerate() {
                let before = trace.schedule.graph().len();
                let patches = trace.patches(input);
                let outcome = trace.schedule.add(input as f64, patches, input);
                let graph = trace.schedule.graph();
                let counts = [
                    input,
                    before,
                    graph.len(),
                    usize::from(trace.schedule.is_started()),
                    graph.edges.list.len(),
                    graph.retired_count,
                ];
                assert_eq!(counts.map(|count| count as f64), row[..6], "{name}: frame {input}");
                for (ours, theirs) in [(outcome.keyframe_motion, row[6]), (outcome.first_motion, row[7])] {
                    let off = (ours.unwrap_or(-1.0) - theirs).abs();
                    assert!(off < FLOW * theirs.abs().max(1.0), "{name}: frame {input} {ours:?} {theirs}");
                    worst_flow = worst_flow.max(off);
                }
                assert_eq!(outcome.global, global.contains(&(input + 1)), "{name}: frame {input}");
                trace.check_snapshot(&name, input);
            }
            trace.schedule.finish();
            let graph = trace.schedule.graph();
            assert_eq!(graph.inputs, indices(&trace.fixture, "final_tstamps"));
            let path: Vec<_> = graph.all_poses().values().map(Isometry3::inverse).collect();
            let theirs = trace.fixture.numbers("final_cam_to_world");
            let length: f64 = trace.fixture.metadata("gt_path_length").parse().unwrap();
            let off = off_poses(&path, &theirs) / length;
            let error = path_error(&path, &poses(&trace.fixture.numbers("gt_world_to_cam"))) / length;
            println!(
                "{name}: {} of {} frames kept, flows within {worst_flow:.1e} px, path {off:.1e} from theirs \
                 and {error:.1e} from the truth",
                graph.len(),
                path.len()
            );
            assert!(off < PATH && error < PATH, "{name}");
        }
    }
}

/// Root mean square distance from the truth after a similarity.
pub fn path_error(path: &[Isometry3<f64>], camera_from_world: &[Isometry3<f64>]) -> f64 {
    let ours: Vec<Vector3<f64>> = path.iter().map(|pose| pose.translation.vector).collect();
    let truth: Vec<Vector3<f64>> =
        camera_from_world.iter().map(|pose| pose.inverse().translation.vector).collect();
    let similarity = align_similarity(&ours, &truth).unwrap();
    let squares = ours.iter().zip(&truth).map(|(&p, t)| (similarity.apply(p) - t).norm_squared());
    (squares.sum::<f64>() / ours.len() as f64).sqrt()
}
