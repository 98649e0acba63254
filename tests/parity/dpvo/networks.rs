//! Encoders, correlation, update operator, and both together in whole updates.

use std::collections::BTreeMap;

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::net::{Checkpoint, Isa, Probe};
use handstream::slam::dpvo::bundle::StepRule;
use handstream::slam::dpvo::graph::{Edge, PatchGraph};
use handstream::slam::dpvo::net::{CORRELATIONS, EdgeSight, FEATURES, FeatureMaps, Map, Neighbours, WIDTH};
use handstream::slam::dpvo::projection::{Patch, PatchView};
use handstream::slam::dpvo::schedule::{Correction, adjust_window, match_edges};
use handstream::slam::dpvo::{DpvoNetwork, picture};
use nalgebra::Vector2;

use super::variant::{camera, fixtures, indices, off, off_poses, poses};
use crate::tensors::Fixture;

/// Of features and hidden numbers.
const CLOSE: f64 = 1e-4;
/// Of correlations, whose values reach 60, and in whole updates 160.
const CORRELATION: f64 = 1e-4;
const STEP_CORRELATION: f64 = 5e-3;
/// Of whole updates: places in pixels, poses, depths.
const STEP: f64 = 1e-3;

fn network(weights: &Fixture) -> DpvoNetwork {
    DpvoNetwork::read(&Checkpoint::parse(weights.bytes()).unwrap(), Isa::best()).unwrap()
}

/// The fixtures `name` with the networks of their folders.
fn with_networks(name: &str) -> Vec<(String, Fixture, DpvoNetwork)> {
    let weights = fixtures("weights").into_iter().map(|(folder, weights)| (folder, network(&weights)));
    let weights: BTreeMap<String, DpvoNetwork> =
        weights.map(|(name, network)| (name.split('/').next().unwrap().to_owned(), network)).collect();
    let mut weights = weights;
    let fixtures = fixtures(name).into_iter();
    fixtures
        .filter_map(|(name, fixture)| {
            let network = weights.remove(name.split('/').next().unwrap())?;
            Some((name, fixture, network))
        })
        .collect()
}

/// Pictures `[.., channels, height, width]`, one after the other, channels last.
fn maps(numbers: &[f64], [channels, height, width]: [usize; 3]) -> Vec<Map> {
    let map = |planes: &[f64]| {
        let mut map = Map::zeros(width, height, channels);
        for (channel, plane) in planes.chunks_exact(width * height).enumerate() {
            for (pixel, &value) in plane.iter().enumerate() {
                map.data[pixel * channels + channel] = value as f32;
            }
        }
        map
    };
    numbers.chunks_exact(channels * height * width).map(map).collect()
}

/// The last three sizes of a tensor.
fn sizes(fixture: &Fixture, name: &str) -> [usize; 3] {
    *fixture.shape(name).last_chunk().unwrap()
}

fn floats(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture.numbers(name).into_iter().map(|value| value as f32).collect()
}

fn wide(numbers: &[f32]) -> impl Iterator<Item = f64> {
    numbers.iter().map(|&value| f64::from(value))
}

fn check(name: &str, part: &str, off: f64, limit: f64) {
    println!("{name} {part}: within {off:.1e}");
    assert!(off < limit, "{name} {part} differs by {off:.1e}");
}

/// `[patch, channel, 3, 3]` as rows of pixels, channels last.
fn patch_rows(numbers: &[f64]) -> Vec<f32> {
    maps(numbers, [FEATURES, 3, 3]).into_iter().flat_map(|map| map.data).collect()
}

fn patch(&[x, y]: &[f64; 2], inverse_depth: f64) -> Patch {
    Patch { centre: Vector2::new(x, y), inverse_depth }
}

#[test]
fn every_stage_of_both_encoders_equals_the_released_one() {
    for (name, fixture, network) in with_networks("patchify") {
        let numbers = |name: &str| fixture.numbers(name);
        let pictures = maps(&numbers("image_norm"), sizes(&fixture, "image_norm"));
        let bytes = maps(&numbers("image_u8_bgr"), sizes(&fixture, "image_u8_bgr"));
        let coordinates = numbers("coords");
        let coordinates = coordinates.as_chunks::<2>().0;
        let per_frame = coordinates.len() / pictures.len();
        let mut ours: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for ((normalised, bytes), centres) in pictures.iter().zip(&bytes).zip(coordinates.chunks(per_frame)) {
            let of_frame = picture(&rgb_frame(bytes));
            check(
                &name,
                "image_norm",
                off(wide(&of_frame.data), &wide(&normalised.data).collect::<Vec<_>>()),
                CLOSE,
            );
            let patches: Vec<Patch> = centres.iter().map(|centre| patch(centre, 1.0)).collect();
            let mut see = |name: &str, values: &[f32]| {
                ours.entry(name.replace('.', "_")).or_default().extend_from_slice(values);
            };
            let features = network.encode(&of_frame, &patches, &[], Probe::on(&mut see));
            ours.entry("gmap".to_owned()).or_default().extend(features.patches);
            ours.entry("imap".to_owned()).or_default().extend(features.context);
        }
        for (part, values) in &ours {
            let theirs: Vec<f32> =
                maps(&numbers(part), sizes(&fixture, part)).into_iter().flat_map(|map| map.data).collect();
            check(&name, part, off(wide(values), &wide(&theirs).collect::<Vec<_>>()), CLOSE);
        }
        assert_eq!(ours.len(), 10);
    }
}

/// A picture of bytes, blue first, as a frame.
fn rgb_frame(bytes: &Map) -> Frame {
    let mut pixels: Vec<u8> = bytes.data.iter().map(|&value| value as u8).collect();
    pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
    Frame {
        pixels,
        size: PictureSize::new(bytes.width, bytes.height),
        timestamp: Timestamp::default(),
        sequence: 0,
    }
}

#[test]
fn patches_between_pixels_and_over_the_border_equal_the_released_ones() {
    for (name, fixture) in fixtures("patchify_bilinear") {
        let map = maps(&fixture.numbers("net"), sizes(&fixture, "net")).remove(0);
        let coordinates = fixture.numbers("coords");
        for radius in [0, 1] {
            let part = format!("r{radius}");
            let side = 2 * radius + 1;
            let theirs = maps(&fixture.numbers(&part), [map.channels, side, side]);
            let theirs: Vec<f64> = theirs.iter().flat_map(|map| wide(&map.data)).collect();
            let places = coordinates.as_chunks::<2>().0.iter();
            let ours: Vec<f32> = places.flat_map(|&[x, y]| map.patch(x, y, radius)).collect();
            check(&name, &part, off(wide(&ours), &theirs), 1e-6);
        }
    }
}

/// Nine places per edge of `[edge, 2, 3, 3]`.
fn views(numbers: &[f64]) -> Vec<PatchView> {
    let view = |xy: &[f64; 18]| std::array::from_fn(|at| Vector2::new(xy[at], xy[9 + at]));
    numbers.as_chunks().0.iter().map(view).collect()
}

#[test]
fn correlations_on_both_levels_equal_the_released_ones_wherever_the_patch_is_expected() {
    for (name, fixture) in fixtures("corr") {
        let maps = maps(&fixture.numbers("fmap"), sizes(&fixture, "fmap"));
        let maps: Vec<FeatureMaps> = maps.into_iter().map(FeatureMaps::new).collect();
        let patches = patch_rows(&fixture.numbers("gmap"));
        let (jj, kk) = (indices(&fixture, "jj"), indices(&fixture, "kk"));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut ours = vec![0.0; kk.len() * CORRELATIONS];
            let rows = ours.chunks_exact_mut(CORRELATIONS);
            for (((row, view), &j), &k) in rows.zip(views(&fixture.numbers("coords"))).zip(&jj).zip(&kk) {
                maps[j].correlate(&patches[k * 9 * FEATURES..], &view, isa, row);
            }
            let off = off(wide(&ours), &fixture.numbers("corr"));
            check(&name, &format!("by {isa}"), off, CORRELATION);
        }
    }
}

fn edges(fixture: &Fixture) -> Vec<Edge> {
    let [ii, jj, kk] = ["ii", "jj", "kk"].map(|name| indices(fixture, name));
    let edge = |((source, frame), patch)| Edge {
        patch,
        source,
        frame,
        target: Vector2::zeros(),
        weight: Vector2::zeros(),
    };
    ii.into_iter().zip(jj).zip(kk).map(edge).collect()
}

/// Rows of a fixture.
struct Given {
    context: Vec<f32>,
    correlations: Vec<f32>,
}

impl EdgeSight for Given {
    fn context(&self, edge: usize) -> &[f32] {
        &self.context[edge * WIDTH..(edge + 1) * WIDTH]
    }

    fn correlations(&self, edge: usize, out: &mut [f32]) {
        out[..CORRELATIONS]
            .copy_from_slice(&self.correlations[edge * CORRELATIONS..(edge + 1) * CORRELATIONS]);
    }
}

#[test]
fn every_step_of_the_update_operator_equals_the_released_one() {
    for (name, fixture, network) in with_networks("update") {
        let edges = edges(&fixture);
        let neighbours = Neighbours::of(&edges);
        let place =
            |near: &[Option<usize>]| near.iter().map(|n| n.map_or(-1.0, |n| n as f64)).collect::<Vec<_>>();
        assert_eq!(place(&neighbours.before), fixture.numbers("prev"), "{name}");
        assert_eq!(place(&neighbours.after), fixture.numbers("next"), "{name}");
        let given = Given { context: floats(&fixture, "inp"), correlations: floats(&fixture, "corr") };
        let mut hidden = floats(&fixture, "net");
        let mut seen = BTreeMap::new();
        let mut see = |name: &str, values: &[f32]| {
            seen.insert(name.to_owned(), values.to_vec());
        };
        let corrections = network.update().apply(&given, &neighbours, &mut hidden, Probe::on(&mut see));
        seen.insert("net_out".to_owned(), hidden);
        for (part, values) in &seen {
            check(&name, part, off(wide(values), &fixture.numbers(part)), CLOSE);
        }
        assert_eq!(seen.len(), 7);
        let flat = |f: fn(&Correction) -> Vector2<f64>| {
            corrections.iter().flat_map(move |c| <[f64; 2]>::from(f(c))).collect::<Vec<_>>()
        };
        check(&name, "delta", off(flat(|c| c.delta), &fixture.numbers("delta")), CLOSE);
        check(&name, "weight", off(flat(|c| c.weight), &fixture.numbers("weight")), CLOSE);
    }
}

#[test]
fn whole_updates_from_pictures_to_poses_equal_the_released_ones() {
    for (name, fixture, mut network) in with_networks("system_step") {
        let numbers = |name: &str| fixture.numbers(name);
        let pictures = maps(&numbers("images_u8_bgr"), sizes(&fixture, "images_u8_bgr"));
        let (centres, depths) = (numbers("coords0"), numbers("inv_depth0"));
        let per_frame = depths.len() / pictures.len();
        let camera = camera(&numbers("intrinsics_full"), 4.0);
        let mut graph = PatchGraph::new(camera, per_frame, WIDTH);
        let patches =
            centres.as_chunks::<2>().0.iter().zip(&depths).map(|(centre, &depth)| patch(centre, depth));
        let patches: Vec<Patch> = patches.collect();
        let frames = poses(&numbers("poses0")).into_iter().zip(patches.chunks(per_frame)).zip(&pictures);
        for (input, ((pose, patches), bytes)) in frames.enumerate() {
            let picture = picture(&rgb_frame(bytes));
            graph.push(input, pose, patches, network.encode(&picture, patches, &[], Probe::off()));
        }
        graph.edges.extend(edges(&fixture));
        for step in 1..=2 {
            let theirs = |part: &str| numbers(&format!("it{step}_{part}"));
            let views: Vec<PatchView> = graph.edges.list.iter().map(|edge| graph.seen(edge)).collect();
            let flat = |view: &PatchView| [view.map(|p| p.x), view.map(|p| p.y)].concat();
            check(&name, "coords", off(views.iter().flat_map(flat), &theirs("coords")), STEP);
            let mut see = |part: &str, values: &[f32]| {
                if part == "corr" {
                    check(&name, part, off(wide(values), &theirs(part)), STEP_CORRELATION);
                }
            };
            let mut hidden = graph.edges.hidden.clone();
            network.correct(&graph, &graph.edges.list, &views, &mut hidden, Probe::on(&mut see));

            match_edges(&mut graph, &mut network);
            check(&name, "net", off(wide(&graph.edges.hidden), &theirs("net")), STEP);
            let edges = || graph.edges.list.iter().zip(&views);
            let delta = edges().flat_map(|(edge, view)| <[f64; 2]>::from(edge.target - view[4]));
            check(&name, "delta", off(delta, &theirs("delta")), STEP);
            let weight = edges().flat_map(|(edge, _)| <[f64; 2]>::from(edge.weight));
            check(&name, "weight", off(weight, &theirs("weight")), STEP);

            adjust_window(&mut graph, 1, StepRule::Always);
            check(&name, "poses", off_poses(&graph.poses, &theirs("poses")), STEP);
            let depths = graph.patches.iter().map(|patch| patch.inverse_depth);
            check(&name, "inv_depth", off(depths, &theirs("inv_depth")), STEP);
        }
    }
}
