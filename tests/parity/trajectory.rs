//! Errors of camera paths against the `evo` package on the same paths.

use handstream::frame::Timestamp;
use handstream::geometry::{CameraPath, CameraPose};
use handstream::metrics::{Alignment, MatchedPath, Step};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};

use crate::tensors::Fixture;

/// Columns of a path: time, position, quaternion x y z w.
const COLUMNS: usize = 8;

fn path(fixture: &Fixture, name: &str) -> CameraPath {
    let numbers = fixture.numbers(name);
    let rows = numbers.as_chunks::<COLUMNS>().0.iter().enumerate();
    let pose = |(row, &[t, x, y, z, qx, qy, qz, qw]): (usize, &[f64; COLUMNS])| CameraPose {
        sequence: row as u64,
        timestamp: Timestamp::from_seconds(t),
        world_from_camera: Isometry3::from_parts(
            Translation3::new(x, y, z),
            UnitQuaternion::from_quaternion(Quaternion::new(qw, qx, qy, qz)),
        ),
    };
    CameraPath { poses: rows.map(pose).collect(), scale_free: false }
}

#[test]
fn errors_of_a_camera_path_are_those_of_evo() {
    let fixture = Fixture::own("trajectory.safetensors");
    let matched = MatchedPath::new(&path(&fixture, "estimate"), &path(&fixture, "truth"));
    let mut values = vec![
        ("matched".to_owned(), matched.poses() as f64),
        ("truth_length".to_owned(), matched.truth_length()),
    ];
    for (name, by) in [("sim3", Alignment::Similarity), ("se3", Alignment::Rigid)] {
        let absolute = matched.absolute_error(by).unwrap();
        values.push((format!("{name}.scale"), matched.alignment(by).unwrap().scale));
        values.push((format!("{name}.ate"), absolute.rmse));
        values.push((format!("{name}.ate_degrees"), absolute.rotation_rmse));
        for (step_name, step) in
            [("1_pose", Step::Poses(1)), ("5_poses", Step::Poses(5)), ("1_metre", Step::Metres(1.0))]
        {
            let relative = matched.relative_error(step, by).unwrap();
            values.push((format!("{name}.rpe.{step_name}"), relative.rmse));
            values.push((format!("{name}.rpe_degrees.{step_name}"), relative.rotation_rmse));
        }
    }
    for (name, value) in values {
        let published = fixture.number(&name);
        assert!((value - published).abs() < 1e-7 * published.abs(), "{name}: {value} instead of {published}");
    }
    let scales = fixture.numbers("stretch_scales");
    for (scale, published) in matched.scale_over_time(scales.len()).unwrap().into_iter().zip(scales) {
        assert!((scale.unwrap() - published).abs() < 1e-9, "{scale:?} instead of {published}");
    }
}
