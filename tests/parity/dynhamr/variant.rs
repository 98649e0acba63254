//! The folders of fixtures, and how far numbers are from them.

use std::path::{Path, PathBuf};

use nalgebra::{Matrix3, Vector3};

use crate::support::shared;
use crate::tensors::Fixture;

/// Every fixture called `name`, with its own name: this repository's, and `V/name_V` of the shared material.
///
/// # Panics
/// When the shared material has a folder but not this fixture in it.
pub fn fixtures(name: &str) -> Vec<(String, Fixture)> {
    let own =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/dynhamr/{name}.safetensors"));
    let own = own.exists().then_some(own);
    let shared = folders().into_iter().map(|folder| within(&folder, name));
    own.into_iter().chain(shared).map(opened).collect()
}

/// The fixture called `name` of one variant of the shared material, with its own name.
///
/// # Panics
/// When there is none.
pub fn of_variant(variant: &str, name: &str) -> (String, Fixture) {
    let folder = folders().into_iter().find(|folder| folder.ends_with(variant)).unwrap();
    opened(within(&folder, name))
}

/// Where fixture `name` lies in a variant's folder: the variant's name follows it, but precedes `_io`.
fn within(folder: &Path, name: &str) -> PathBuf {
    let variant = folder.file_name().unwrap().to_string_lossy().into_owned();
    let (before, after) = name.split_once("_io").map_or((name, ""), |(before, _)| (before, "_io"));
    folder.join(format!("{before}_{variant}{after}.safetensors"))
}

fn opened(path: PathBuf) -> (String, Fixture) {
    (path.file_stem().unwrap().to_string_lossy().into_owned(), Fixture::open(&path))
}

/// The folders of the shared material, one for each variant.
pub fn folders() -> Vec<PathBuf> {
    let folders = shared("fixtures/dynhamr").map(|path| std::fs::read_dir(path).unwrap());
    let folders = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// What is compared, with what it may be off.
pub struct Comparison<'a> {
    /// The fixture's name.
    pub name: &'a str,
    /// The fixture.
    pub fixture: &'a Fixture,
}

impl Comparison<'_> {
    /// Holds numbers to those of tensor `name`, within `tolerance` of the largest of them.
    pub fn relative(&self, name: &str, ours: impl IntoIterator<Item = f64>, tolerance: f64) {
        let theirs = self.fixture.numbers(name);
        let largest = theirs.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        self.within(name, off(ours, &theirs) / largest.max(f64::MIN_POSITIVE), tolerance);
    }

    /// Holds numbers to those of tensor `name`, within `tolerance`.
    pub fn absolute(&self, name: &str, ours: impl IntoIterator<Item = f64>, tolerance: f64) {
        self.within(name, off(ours, &self.fixture.numbers(name)), tolerance);
    }

    /// Holds how far numbers are off to what they may be.
    pub fn within(&self, name: &str, off: f64, tolerance: f64) {
        println!("{} {name}: within {off:.1e} of {tolerance:.0e}", self.name);
        assert!(off <= tolerance, "{} {name} differs by {off:.2e} instead of {tolerance:.0e}", self.name);
    }
}

/// The largest difference of two lists.
pub fn off(ours: impl IntoIterator<Item = f64>, theirs: &[f64]) -> f64 {
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len(), "numbers to compare");
    // Not `max`, which passes over what is no number.
    let worst = |worst: f64, off: f64| if off <= worst { worst } else { off };
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, worst)
}

/// The numbers of points, one after the other.
pub fn flat<'a>(points: impl IntoIterator<Item = &'a Vector3<f64>>) -> impl Iterator<Item = f64> {
    points.into_iter().flat_map(|point| [point.x, point.y, point.z])
}

/// A tensor's numbers as a network reads them.
pub fn floats(fixture: &Fixture, name: &str) -> Vec<f32> {
    fixture.numbers(name).into_iter().map(|number| number as f32).collect()
}

/// 32-bit numbers as 64-bit ones.
pub fn wide(numbers: &[f32]) -> impl Iterator<Item = f64> + '_ {
    numbers.iter().map(|&number| f64::from(number))
}

/// Entries of matrices, row by row.
pub fn entries<'a>(matrices: impl IntoIterator<Item = &'a Matrix3<f64>>) -> impl Iterator<Item = f64> {
    matrices.into_iter().flat_map(|matrix| <[f64; 9]>::try_from(matrix.transpose().as_slice()).unwrap())
}
