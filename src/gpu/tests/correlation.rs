//! DPVO's correlation.

use nalgebra::Vector2;

use super::{numbers, on_each_backend};
use crate::gpu::Buffer;
use crate::gpu::backend::KernelBackend;
use crate::gpu::ops::{CorrelationEdges, CorrelationMaps, CorrelationOp};
use crate::net::Isa;
use crate::slam::dpvo::net::{CORRELATIONS, FEATURES, FeatureMaps, Map};
use crate::slam::dpvo::projection::PatchView;

on_each_backend!(patches_meet_the_places_that_they_meet_on_the_processor);

const FRAMES: usize = 2;
const SIZE: [usize; 2] = [26, 18];

fn patches_meet_the_places_that_they_meet_on_the_processor<B: KernelBackend>(backend: &B) {
    let [width, height] = SIZE;
    let map = |frame: usize| Map {
        width,
        height,
        channels: FEATURES,
        data: numbers(width * height * FEATURES, frame as u64),
    };
    let full: Vec<Map> = (0..FRAMES).map(map).collect();
    let small: Vec<Map> = full.iter().map(|map| map.averaged(4)).collect();
    let patches = numbers(2 * 9 * FEATURES, 9);
    let view = |x: f64, y: f64| -> PatchView {
        std::array::from_fn(|pixel| Vector2::new(x + (pixel % 3) as f64 * 1.3, y + (pixel / 3) as f64 * 0.9))
    };
    // Inside, over the border, far outside, nowhere.
    let places = [view(11.3, 8.6), view(-1.2, 16.9), view(24.9, 0.0), view(4e9, -7.0), view(f64::NAN, 3.0)];
    let (patch_of, frame_of) = ([0, 1, 0, 1, 0], [0, 1, 1, 0, 1]);

    let data = |maps: &[Map]| maps.iter().flat_map(|map| map.data.clone()).collect::<Vec<f32>>();
    let floats = |numbers: &[f32]| Buffer::of_floats(backend, numbers).unwrap();
    let (full_data, small_data) = (floats(&data(&full)), floats(&data(&small)));
    let on_device = floats(&patches);
    let flat: Vec<f32> = places.iter().flatten().flat_map(|place| [place.x as f32, place.y as f32]).collect();
    let flat = floats(&flat);
    let [patch_list, frame_list] = [patch_of, frame_of].map(|list| Buffer::of_ints(backend, &list).unwrap());
    let out = floats(&vec![f32::NAN; places.len() * CORRELATIONS]);
    let maps = CorrelationMaps {
        full: full_data.address(),
        small: small_data.address(),
        width: width as i32,
        height: height as i32,
        small_width: small[0].width as i32,
        small_height: small[0].height as i32,
    };
    let edges = CorrelationEdges {
        count: places.len(),
        patches: on_device.address(),
        patch_of: patch_list.address(),
        frame_of: frame_list.address(),
        places: flat.address(),
    };
    let op = CorrelationOp::load(backend).unwrap();
    // SAFETY: maps, patches and edges are as the sizes say.
    unsafe { op.launch(backend, &maps, &edges, out.address()) }.unwrap();
    let ours = out.floats(backend, places.len() * CORRELATIONS).unwrap();

    let full: Vec<FeatureMaps> = full.into_iter().map(FeatureMaps::new).collect();
    for (edge, ours) in ours.chunks_exact(CORRELATIONS).enumerate() {
        let patch = &patches[patch_of[edge] as usize * 9 * FEATURES..][..9 * FEATURES];
        let mut truth = vec![0.0; CORRELATIONS];
        full[frame_of[edge] as usize].correlate(patch, &places[edge], Isa::best(), &mut truth);
        let error = ours
            .iter()
            .zip(&truth)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0_f32, |most, error| if error.is_nan() { f32::INFINITY } else { most.max(error) });
        assert!(error < 2e-3, "edge {edge}: {error}");
    }
}
