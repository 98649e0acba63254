//! Projection and the way from a crop's weak camera to metres, against the released functions.

use handstream::event::Side;
use handstream::frame::PictureSize;
use handstream::geometry::{CameraModel, CameraPoint};
use handstream::hand::mirror::mirror_point;
use handstream::haptic::full::{CropView, Square, WeakCamera};
use nalgebra::{Vector2, Vector3};

use crate::support::shared;
use crate::tensors::Fixture;

/// Relative to the size of the number.
const TOLERANCE: f64 = 2e-6;

fn assert_close(ours: Vector3<f64>, theirs: Vector3<f64>, what: &str) {
    let off = (ours - theirs).norm() / theirs.norm();
    assert!(off < TOLERANCE, "{what}: {ours} instead of {theirs}");
}

/// The release puts the principal point in the middle of the picture.
fn centred(focal: f64, size: PictureSize) -> CameraModel {
    let (cx, cy) = (size.width as f64 / 2.0, size.height as f64 / 2.0);
    CameraModel { cx, cy, ..CameraModel::pinhole(focal, size) }
}

#[test]
fn weak_cameras_become_the_released_translations() {
    let Some(path) = shared("fixtures/haptic/common/cameras.safetensors") else { return };
    let fixture = Fixture::open(&path);
    let numbers = |name: &str| fixture.numbers(name);
    let (sizes, right, focal) = (numbers("img_wh"), numbers("right"), numbers("hamer.scaled_focal"));
    let (centres, sides, depths) = (numbers("box_center"), numbers("box_size"), numbers("haptic.depth"));
    let weak = fixture.points("pred_cam");
    let intrinsics = fixture.matrices("haptic.K");
    for (i, weak) in weak.iter().enumerate() {
        let size = PictureSize::new(sizes[2 * i] as usize, sizes[2 * i + 1] as usize);
        let side = if right[i] == 0.0 { Side::Left } else { Side::Right };
        let square = Square::new(Vector2::new(centres[2 * i], centres[2 * i + 1]), sides[i], size);
        let square = square.expect("a square of this picture");
        let weak = WeakCamera { scale: weak.x, shift: weak.yz() };
        let expected = |name: &str| fixture.points(name)[i];

        // HaMeR mirrors a left hand back before it is translated, HaPTIC after.
        let view = CropView::new(&square, side, &centred(focal[i], size)).expect("an angle");
        let ours = view.translation(&weak, view.weak_depth(&weak));
        let ours = if side == Side::Left { mirror_point(ours) } else { ours };
        assert_close(ours, expected("hamer.cam_full"), "hamer.cam_full");

        // HaPTIC mirrors the box of a left hand but not the principal point; a mirrored picture has both.
        let column = intrinsics[i].m13;
        let camera = CameraModel {
            fx: intrinsics[i].m11,
            fy: intrinsics[i].m22,
            cx: if side == Side::Left { size.width as f64 - column } else { column },
            cy: intrinsics[i].m23,
            ..CameraModel::pinhole(1.0, size)
        };
        let view = CropView::new(&square, side, &camera).expect("an angle");
        let by_scale = view.translation(&weak, view.weak_depth(&weak));
        assert_close(by_scale, expected("haptic.cam_full_weak2full"), "haptic.cam_full_weak2full");
        let by_depth = view.translation(&weak, depths[i]);
        assert_close(by_depth, expected("haptic.cam_full_depth"), "haptic.cam_full_depth");
        assert_close(weak.crop_translation(), expected("hamer.pred_cam_t_crop"), "hamer.pred_cam_t_crop");
    }
}

#[test]
fn points_are_projected_as_the_release_projects_them() {
    let Some(path) = shared("fixtures/haptic/common/projection.safetensors") else { return };
    let fixture = Fixture::open(&path);
    let (focal, centre) = (fixture.numbers("focal"), fixture.numbers("center"));
    let (basic, full) = (fixture.numbers("out_basic"), fixture.numbers("out_full"));
    let (rotation, translation) = (fixture.matrices("rotation"), fixture.points("translation"));
    for (at, point) in fixture.points("points").into_iter().enumerate() {
        let case = at / 21;
        let camera = |centre: [f64; 2]| CameraModel {
            fx: focal[2 * case],
            fy: focal[2 * case + 1],
            cx: centre[0],
            cy: centre[1],
            ..CameraModel::pinhole(1.0, PictureSize::new(1, 1))
        };
        let moved = point + translation[case];
        let turned = rotation[case] * point + translation[case];
        let cases = [(moved, [0.0; 2], &basic), (turned, [centre[2 * case], centre[2 * case + 1]], &full)];
        for (point, centre, expected) in cases {
            let ours = camera(centre).project(CameraPoint(point.cast())).expect("in front of the camera");
            let off = (f64::from(ours.x) - expected[2 * at]).hypot(f64::from(ours.y) - expected[2 * at + 1]);
            assert!(off < 1e-5, "point {at}: {ours:?}, {off} off");
        }
    }
}
