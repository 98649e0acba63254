//! The folders of fixtures, and numbers as the engine's types.

use std::path::{Path, PathBuf};

use handstream::slam::dpvo::projection::{Patch, PatchCamera};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector2, Vector3};

use crate::support::shared;
use crate::tensors::Fixture;

/// Every fixture called `name`, with the name of its folder: this repository's own, and those of the shared
/// material.
///
/// # Panics
/// When the shared material has a folder but not this fixture in it.
pub fn fixtures(name: &str) -> Vec<(String, Fixture)> {
    let file = format!("{name}.safetensors");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dpvo").join(&file);
    let own = own.exists().then_some(own);
    let shared = shared("fixtures/dpvo").map(|path| std::fs::read_dir(path).unwrap());
    let folders = shared.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    let paths = own.into_iter().chain(folders.into_iter().map(|folder| folder.join(&file)));
    let named = |path: PathBuf| {
        let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        (format!("{folder}/{name}"), Fixture::open(&path))
    };
    paths.map(named).collect()
}

/// Poses of rows `tx ty tz qx qy qz qw`.
pub fn poses(numbers: &[f64]) -> Vec<Isometry3<f64>> {
    numbers.as_chunks::<7>().0.iter().map(pose).collect()
}

fn pose(&[x, y, z, i, j, k, w]: &[f64; 7]) -> Isometry3<f64> {
    let rotation = UnitQuaternion::from_quaternion(Quaternion::new(w, i, j, k));
    Isometry3::from_parts(Translation3::new(x, y, z), rotation)
}

/// Patches `[N, 3, 3, 3]` of planes x, y, inverse depth.
pub fn patches(numbers: &[f64]) -> Vec<Patch> {
    let patch = |planes: &[f64]| Patch {
        centre: Vector2::new(planes[4], planes[9 + 4]),
        inverse_depth: planes[18 + 4],
    };
    numbers.chunks_exact(27).map(patch).collect()
}

/// The camera of the first row of `intrinsics`, divided by `scale`.
pub fn camera(intrinsics: &[f64], scale: f64) -> PatchCamera {
    let [fx, fy, cx, cy] = *intrinsics.first_chunk::<4>().unwrap();
    PatchCamera { fx: fx / scale, fy: fy / scale, cx: cx / scale, cy: cy / scale }
}

/// The tensor `name` as indices.
pub fn indices(fixture: &Fixture, name: &str) -> Vec<usize> {
    fixture.numbers(name).into_iter().map(|number| number as usize).collect()
}

/// The largest difference of two lists.
pub fn off(ours: impl IntoIterator<Item = f64>, theirs: &[f64]) -> f64 {
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len(), "numbers to compare");
    // Not `max`, which passes over what is no number.
    let worst = |worst: f64, off: f64| if off <= worst { worst } else { off };
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, worst)
}

/// The largest difference of poses from rows `tx ty tz qx qy qz qw`, whichever sign their quaternions have.
pub fn off_poses(ours: &[Isometry3<f64>], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len() * 7, theirs.len(), "poses to compare");
    let pairs = ours.iter().zip(theirs.as_chunks::<7>().0);
    let off = pairs.map(|(ours, theirs)| {
        let translation = Vector3::new(theirs[0], theirs[1], theirs[2]) - ours.translation.vector;
        let q = ours.rotation.coords;
        let difference = |sign: f64| (0..4).map(|i| (sign * q[i] - theirs[3 + i]).abs()).fold(0.0, f64::max);
        translation.amax().max(difference(1.0).min(difference(-1.0)))
    });
    off.fold(0.0, |worst, off| if off <= worst { worst } else { off })
}
