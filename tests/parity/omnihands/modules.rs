//! Every module on its own input, and every number of the fixtures.

use handstream::geometry::rotation::{axis_angle_from_matrix, matrix_from_6d};
use handstream::haptic::full::{HandBox, HeadRow, WeakCamera};
use handstream::haptic::omni::{
    EmbeddingMemory, Regression, RelationEmbedding, RelationMaps, RelationMode, temporal_code,
};
use handstream::net::{Checkpoint, Isa};
use nalgebra::{Vector2, Vector3};

use super::variant::{Variant, flat, off, rows, windows};
use crate::tensors::Fixture;

/// Of every number, relative to the largest of its tensor.
const TOLERANCE: f64 = 1e-4;

/// Compares, and prints how far off each tensor is.
fn check(variant: &Variant, fixture: &Fixture, name: &str, ours: &[f64]) {
    let off = off(ours, &fixture.numbers(name));
    println!("{} {name}: {off:.1e}", variant.name());
    assert!(off < TOLERANCE, "{}: {name} differs by {off:.1e}", variant.name());
}

/// The relation maps of each frame of a fixture.
fn maps(fixture: &Fixture) -> Vec<RelationMaps> {
    let boxes = |name: &str| -> Vec<HandBox> {
        let boxes = fixture.numbers(name);
        let corners = boxes.as_chunks::<4>().0.iter().map(|&[x, y, width, height]| {
            HandBox::from_corners(Vector2::new(x, y), Vector2::new(x + width, y + height))
        });
        corners.collect()
    };
    let pairs = boxes("bbox_right").into_iter().zip(boxes("bbox_left"));
    pairs.map(|(right, left)| RelationMode::Release.maps(&right, &left)).collect()
}

/// One hand's part of every frame: of halves, the first or the second.
fn half(frames: &[Vec<f32>], hand: usize) -> Vec<f64> {
    let part = |frame: &Vec<f32>| frame[hand * frame.len() / 2..(hand + 1) * frame.len() / 2].to_vec();
    frames.iter().flat_map(part).map(f64::from).collect()
}

const HANDS: [&str; 2] = ["right", "left"];

#[test]
fn relation_maps_and_their_embedding_equal_the_released_ones() {
    for variant in Variant::all() {
        let (case, shape) = (variant.file("rat_maps"), variant.shape());
        let checkpoint = Checkpoint::parse(variant.weights.bytes()).unwrap();
        let embedding =
            RelationEmbedding::read(&checkpoint.root(), RelationMode::Release, &shape, Isa::best()).unwrap();
        let maps = maps(&case);
        let embedded = maps.iter().map(|map| {
            let mut out = Vec::new();
            embedding.embed(&map.values, &mut EmbeddingMemory::default(), &mut out);
            flat(&out, shape.context).into_iter().map(|number| number as f32).collect()
        });
        let embedded: Vec<Vec<f32>> = embedded.collect();
        let (raw, values): (Vec<_>, Vec<_>) =
            maps.iter().map(|map| (map.raw.clone(), map.values.clone())).unzip();
        for (hand, name) in HANDS.into_iter().enumerate() {
            check(&variant, &case, &format!("map_{name}_raw"), &half(&raw, hand));
            check(&variant, &case, &format!("map_{name}"), &half(&values, hand));
            check(&variant, &case, &format!("emb_{name}"), &half(&embedded, hand));
        }
    }
}

#[test]
fn relation_aware_tokens_and_hand_tokens_equal_the_released_ones() {
    for variant in Variant::all() {
        let (case, shape) = (variant.file("sir_spatial"), variant.shape());
        println!("{}: {shape:?}", variant.name());
        let checkpoint = Checkpoint::parse(variant.weights.bytes()).unwrap();
        let embedding =
            RelationEmbedding::read(&checkpoint.root(), RelationMode::Release, &shape, Isa::best()).unwrap();
        let (mut memory, mut embedded) = (EmbeddingMemory::default(), Vec::new());
        let frames: Vec<f32> = maps(&case).into_iter().flat_map(|map| map.values).collect();
        embedding.embed(&frames, &mut memory, &mut embedded);
        let frame = embedded.len() / case.shape("feat_right")[0];
        for (hand, name) in HANDS.into_iter().enumerate() {
            let mut tokens = rows(&case.numbers(&format!("feat_{name}")), shape.context);
            let own = embedded.chunks_exact(frame).flat_map(|both| &both[hand * frame / 2..][..frame / 2]);
            embedding.join(&own.copied().collect::<Vec<f32>>(), &mut memory, &mut tokens);
            check(&variant, &case, &format!("cond_{name}"), &flat(&tokens, shape.context));
        }
        let [between, tokens] = variant.spatial(&shape, &case, case.shape("cond_right")[0]);
        check(&variant, &case, "inter_out", &between);
        check(&variant, &case, "hand_tokens", &tokens);
        let again = variant.file("sir_temporal");
        check(&variant, &again, "hand_tokens", &tokens);
    }
}

/// Codes `[frames, width]` as the fixtures have them, `[width, frames]`.
fn columns(code: &[f32], width: usize) -> Vec<f64> {
    let column = |at: usize| code.iter().skip(at).step_by(width).map(|&number| f64::from(number));
    (0..width).flat_map(column).collect()
}

#[test]
fn windows_and_the_temporal_code_equal_the_released_ones() {
    for variant in Variant::all() {
        let (case, shape) = (variant.file("sir_temporal"), variant.shape());
        let (code, full) = (case.shape("pos_emb"), variant.file("temporal_pos_full"));
        let own = columns(&temporal_code(code[2], code[1]), code[1]);
        check(&variant, &case, "pos_emb", &own.repeat(code[0]));
        for name in full.names() {
            let sizes = full.shape(&name);
            check(
                &variant,
                &full,
                &name,
                &columns(&temporal_code(sizes[2], sizes[1]), sizes[1]).repeat(sizes[0]),
            );
        }
        let windows = windows(&case);
        check(&variant, &case, "token_out", &variant.temporal(&shape, &windows));
        // The paper's way for one picture: its token in every place of the window.
        let repeated = windows.iter().map(|window| vec![window[window.len() / 2].clone(); window.len()]);
        check(
            &variant,
            &case,
            "token_out_repeated",
            &variant.temporal(&shape, &repeated.collect::<Vec<_>>()),
        );
    }
}

/// The numbers of rows that `number` names.
fn all<const N: usize>(rows: &[&HeadRow], numbers: impl Fn(&HeadRow) -> [f32; N]) -> Vec<f64> {
    rows.iter().flat_map(|row| numbers(row)).map(f64::from).collect()
}

#[test]
fn poses_shapes_cameras_and_the_relative_root_equal_the_released_ones() {
    for variant in Variant::all() {
        let (case, shape) = (variant.file("sir_temporal"), variant.shape());
        let checkpoint = Checkpoint::parse(variant.weights.bytes()).unwrap();
        let scope = checkpoint.root().part("time_head");
        let regression = Regression::read(&scope, &shape, Isa::best()).unwrap();
        let regressed = regression.hands(&rows(&case.numbers("token_out"), shape.temporal.width));
        for (hand, name) in HANDS.into_iter().enumerate() {
            let rows: Vec<&HeadRow> = regressed.iter().skip(hand).step_by(2).map(|hand| &hand.row).collect();
            let six = rows.iter().flat_map(|row| row.rotations).flatten().map(f64::from);
            check(&variant, &case, &format!("mano_pose6d_{name}"), &six.collect::<Vec<_>>());
            let turns = rows.iter().flat_map(|row| row.matrices());
            let turns = turns.flat_map(|turn| axis_angle_from_matrix(turn.matrix()).data.0[0]);
            check(&variant, &case, &format!("mano_pose_{name}"), &turns.collect::<Vec<_>>());
            check(&variant, &case, &format!("mano_shape_{name}"), &all(&rows, |row| row.betas));
            let first = regression.first_camera();
            let camera = |row: &HeadRow| std::array::from_fn::<f32, 3, _>(|at| row.camera[at] - first[at]);
            check(&variant, &case, &format!("cam_{name}"), &all(&rows, camera));
            let places = rows.iter().map(|row| WeakCamera::new(row.camera).crop_translation());
            let places: Vec<f64> = places.flat_map(|place: Vector3<f64>| place.data.0[0]).collect();
            check(&variant, &case, &format!("cam_t_{name}"), &places);
        }
        let relative = regressed.as_chunks::<2>().0.iter();
        let relative = relative.flat_map(|[right, left]| regression.relative(right, left)).map(f64::from);
        check(&variant, &case, "root_rel", &relative.collect::<Vec<_>>());

        let turns = variant.file("rotations");
        let matrices =
            turns.numbers("x6").as_chunks::<6>().0.iter().map(|&six| matrix_from_6d(six)).collect::<Vec<_>>();
        let flat: Vec<f64> =
            matrices.iter().flat_map(|matrix| matrix.transpose().as_slice().to_vec()).collect();
        check(&variant, &turns, "R", &flat);
        let axes: Vec<f64> =
            matrices.iter().flat_map(|matrix| axis_angle_from_matrix(matrix).data.0[0]).collect();
        check(&variant, &turns, "aa", &axes);
    }
}
