//! Windows: the released demo's over a whole film.

use handstream::haptic::full::{
    CropView, DecoderForm, DemoDepth, Slot, WeakCamera, demo_places, demo_windows,
};
use nalgebra::{Vector2, Vector3};

use super::decoder::OUTPUTS;
use super::network::{decode, filled};
use super::variant::{Variant, off};
use crate::tensors::Fixture;

/// What the released demo knows of its film.
struct Film {
    centres: Vec<Vector2<f64>>,
    sides: Vec<f64>,
    focal: f64,
    principal: Vector2<f64>,
    width: f64,
}

impl Film {
    fn read(inputs: &Fixture) -> Self {
        let (intrinsics, size) = (inputs.numbers("intr"), inputs.numbers("img_size_wh"));
        let centres = inputs.numbers("box_center").as_chunks::<2>().0.iter().map(|&c| c.into()).collect();
        Self {
            centres,
            sides: inputs.numbers("box_size"),
            focal: intrinsics[0],
            principal: Vector2::new(intrinsics[2], intrinsics[5]),
            width: size[0],
        }
    }

    /// The crop of a frame as the demo sees it: all crops of a window have the mean side.
    fn view(&self, frame: usize, side: f64, mirrored: bool) -> CropView {
        let mut centre = self.centres[frame];
        if mirrored {
            centre.x = self.width - centre.x;
        }
        CropView { ray: (centre - self.principal) / self.focal, side: side / self.focal }
    }
}

fn points(points: &[Vector3<f64>]) -> Vec<f64> {
    points.iter().flat_map(|point| [point.x, point.y, point.z]).collect()
}

#[test]
fn the_released_demos_windows_and_depths_are_reproduced() {
    for variant in Variant::all() {
        let expected = variant.file("haptic_stream");
        let mut network = filled(&variant, DecoderForm::Absorbed);
        let film = Film::read(&variant.file("haptic_inputs"));
        let frames = film.sides.len();
        let mut chain = DemoDepth::default();
        let mut kept = vec![Vector3::zeros(); frames];
        for (number, window) in demo_windows(frames).into_iter().enumerate() {
            let theirs = |name: &str| expected.numbers(&format!("w{number}.{name}"));
            assert_eq!(window.map(|frame| frame as f64).to_vec(), theirs("index"));
            let rows = decode(&mut network, &[&window.map(Slot)]);
            let cameras: Vec<WeakCamera> = rows.iter().map(|row| WeakCamera::new(row.camera)).collect();
            let side = window.iter().map(|&frame| film.sides[frame]).sum::<f64>() / window.len() as f64;
            let view = |place: usize, mirrored| film.view(window[place], side, mirrored);
            let weak: Vec<f64> = (0..8).map(|at| view(at, false).weak_depth(&cameras[at])).collect();
            let depths = chain.window(weak[0], std::array::from_fn(|at| f64::from(rows[at].depth)));
            let place =
                |at: usize, depth: &[f64], mirrored| view(at, mirrored).translation(&cameras[at], depth[at]);
            let all = |depths: &[f64], mirrored| {
                let places: Vec<_> = (0..8).map(|at| place(at, depths, mirrored)).collect();
                points(&places)
            };
            for (name, ours) in [
                ("pred_cam", rows.iter().flat_map(|row| row.camera.map(f64::from)).collect()),
                ("pred_depth_net", rows.iter().map(|row| f64::from(row.depth)).collect()),
                ("pred_depth_abs", depths.to_vec()),
                ("depth0", vec![depths[0]]),
                ("cam_full", all(&depths, false)),
                ("cam_full_if_left", all(&depths, true)),
                ("cam_full_weak2full", all(&weak, false)),
            ] {
                let off = off(ours, &theirs(name));
                assert!(off < OUTPUTS, "window {number}, {name}: {off:.1e}");
            }
            for at in demo_places(number) {
                kept[window[at]] = place(at, &depths, false);
            }
        }
        let off = off(points(&kept), &expected.numbers("final.cam_full"));
        println!("{}: the film is within {off:.1e}", variant.name());
        assert!(off < OUTPUTS, "{off:.1e}");
    }
}
