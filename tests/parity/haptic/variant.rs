//! The small networks of the fixtures: released modules with other sizes and random weights.

use std::path::{Path, PathBuf};

use crate::support::shared;
use crate::tensors::Fixture;

/// Tokens of a picture.
pub const TOKENS: usize = 192;

/// One folder of fixtures.
pub struct Variant {
    folder: PathBuf,
    config: serde_json::Value,
}

impl Variant {
    /// The variant that is cut down to a few files of this repository: no pictures but one, features instead.
    pub fn own() -> Self {
        Self::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/haptic"))
    }

    /// The whole variants of the shared material, and the own one.
    pub fn all_and_own() -> Vec<Self> {
        let mut all = Self::all();
        all.push(Self::own());
        all
    }

    /// The whole variants of the shared material.
    pub fn all() -> Vec<Self> {
        let shared = shared("fixtures/haptic").map(|path| std::fs::read_dir(path).unwrap());
        let folders = shared.into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut folders: Vec<PathBuf> =
            folders.filter(|folder| folder.join("config.json").exists()).collect();
        folders.sort();
        folders.into_iter().map(Self::open).collect()
    }

    fn open(folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
        Self { config: serde_json::from_str(&text).unwrap(), folder }
    }

    /// The variant's name.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Whether the variant has the file `name.safetensors`.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The file `name.safetensors`.
    pub fn file(&self, name: &str) -> Fixture {
        Fixture::open(&self.path(name))
    }

    /// Where the file `name.safetensors` lies.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(format!("{name}.safetensors"))
    }

    /// A number of `config.json`.
    pub fn number(&self, part: &str, name: &str) -> usize {
        usize::try_from(self.config[part][name].as_u64().unwrap()).unwrap()
    }
}

/// Backbone features `[N, C, 16, 12]` as token rows, one list per picture, rows `pitch` numbers apart.
pub fn token_rows(features: &[f64], width: usize, pitch: usize) -> Vec<Vec<f32>> {
    let pictures = features.chunks_exact(width * TOKENS);
    let rows = |picture: &[f64]| {
        let mut rows = vec![0.0; TOKENS * pitch];
        for (column, plane) in picture.chunks_exact(TOKENS).enumerate() {
            for (token, &value) in plane.iter().enumerate() {
                rows[token * pitch + column] = value as f32;
            }
        }
        rows
    };
    pictures.map(rows).collect()
}

/// The largest difference of `ours` from `theirs`, relative to the larger of 1 and their largest value.
pub fn off(ours: impl IntoIterator<Item = f64>, theirs: &[f64]) -> f64 {
    let ours: Vec<f64> = ours.into_iter().collect();
    assert_eq!(ours.len(), theirs.len(), "numbers to compare");
    let largest = theirs.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
    // Not `max`, which passes over what is no number.
    let worst = |worst: f64, off: f64| if off <= worst { worst } else { off };
    ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, worst) / largest
}
