//! What hands do: recorded motion put one clip after another, or motion that is made up.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use handstream::hand::anatomy::FREE_ANGLES;
use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use safetensors::SafeTensors;

use super::random::Random;
use super::smooth;

/// Recordings that neither the lite network nor any limit was made from (`weights/recipes/lite/README.md`).
const HELD_OUT: [&str; 5] = ["HandSplay", "flapping", "grab", "rollAndPitch", "three-claps"];
/// Frames that lead from one clip to the next.
const BRIDGE: usize = 18;
/// Standard deviation of the bell that takes the recording's own noise away, frames.
const SMOOTHING: f64 = 1.2;
/// Frames of a made-up clip.
const MADE_UP_FRAMES: usize = 120;
/// A recording's axes (x right, y up, z to the body) in a body's (x right, y down, z ahead).
const BODY_FROM_RECORDING: Matrix3<f64> = Matrix3::new(1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0);
/// A right hand before the body, palm down, fingers ahead: columns are the model's axes.
const FINGERS_AHEAD: Matrix3<f64> = Matrix3::new(0.0, 0.0, -1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 0.0);

/// A right hand over time in a body's axes, 30 frames a second.
#[derive(Clone, Default)]
pub struct Clip {
    /// Free angles, radians.
    pub angles: Vec<[f64; FREE_ANGLES]>,
    /// `body_from_hand`.
    pub rotations: Vec<UnitQuaternion<f64>>,
    /// The wrist about its mean, metres.
    pub wrists: Vec<Vector3<f64>>,
}

/// Reads the held-out recordings of `leap_recordings.safetensors`.
///
/// # Errors
/// Where the file is missing or of another form.
pub fn recorded(path: &Path) -> Result<Vec<Clip>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let names = header.metadata().clone().context("the recordings have no names")?;
    let mut chosen: Vec<&String> = names
        .iter()
        .filter(|(_, name)| HELD_OUT.iter().any(|held| name.starts_with(held)))
        .map(|(key, _)| key)
        .collect();
    chosen.sort();
    ensure!(!chosen.is_empty(), "{} holds none of {}", path.display(), HELD_OUT.join(", "));
    let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(BODY_FROM_RECORDING));
    let clip = |key: &String| -> Result<Clip> {
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let tensor = file.tensor(&format!("{key}.{name}"))?;
            Ok(tensor.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect())
        };
        let (angles, rotations, places) = (numbers("dof")?, numbers("rotations")?, numbers("root_position")?);
        let wrists: Vec<Vector3<f64>> =
            places.as_chunks::<3>().0.iter().map(|&place| turn * Vector3::from(place)).collect();
        let mean = wrists.iter().sum::<Vector3<f64>>() / wrists.len() as f64;
        let roots = rotations.chunks_exact(16 * 9).map(|joints| {
            let root = Rotation3::from_matrix(&Matrix3::from_row_slice(&joints[..9]));
            turn * UnitQuaternion::from_rotation_matrix(&root)
        });
        Ok(Clip {
            angles: angles.as_chunks().0.to_vec(),
            rotations: roots.collect(),
            wrists: wrists.into_iter().map(|wrist| wrist - mean).collect(),
        })
    };
    chosen.into_iter().map(clip).collect()
}

/// Clips that are made up: fingers that open and close at their own pace, a wrist that turns and sways.
pub fn made_up(seed: u64, limits: &[[f64; 2]; FREE_ANGLES]) -> Vec<Clip> {
    let ahead = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(FINGERS_AHEAD));
    let clip = |number: u64| {
        let mut random = Random::of(seed, 100 + number);
        let mut waves = |count: usize| -> Vec<[f64; 2]> {
            (0..count).map(|_| [random.between(0.3, 1.2), random.between(0.0, TAU)]).collect()
        };
        let (fingers, turns, places) = (waves(FREE_ANGLES), waves(3), waves(3));
        let wave = |of: &[[f64; 2]], k: usize, frame: usize| {
            let [hertz, phase] = of[k];
            (TAU * hertz * frame as f64 / super::head::FPS + phase).sin()
        };
        let frames = 0..MADE_UP_FRAMES;
        Clip {
            angles: frames
                .clone()
                .map(|frame| {
                    std::array::from_fn(|k| {
                        let [low, high] = limits[k];
                        0.5 * (low + high) + 0.3 * (high - low) * wave(&fingers, k, frame)
                    })
                })
                .collect(),
            rotations: frames
                .clone()
                .map(|frame| {
                    let turn = Vector3::from_fn(|k, _| 0.3 * wave(&turns, k, frame));
                    UnitQuaternion::from_scaled_axis(turn) * ahead
                })
                .collect(),
            wrists: frames.map(|frame| Vector3::from_fn(|k, _| 0.02 * wave(&places, k, frame))).collect(),
        }
    };
    (0..4).map(clip).collect()
}

/// `frames` frames of motion: clips in random order from a random frame on, joined smoothly.
pub fn joined(clips: &[Clip], frames: usize, random: &mut Random) -> Clip {
    let mut motion = Clip::default();
    while motion.angles.len() < frames {
        let clip = &clips[random.below(clips.len())];
        // Only the first clip is entered on its way; later ones are long enough to be played whole.
        let from = if motion.angles.is_empty() { random.below(clip.angles.len() / 2) } else { 0 };
        if let (Some(&angles), Some(&rotation), Some(&wrist)) =
            (motion.angles.last(), motion.rotations.last(), motion.wrists.last())
        {
            for step in 1..BRIDGE {
                let part = step as f64 / BRIDGE as f64;
                let part = part * part * (3.0 - 2.0 * part);
                let next = &clip.angles[from];
                motion.angles.push(std::array::from_fn(|k| angles[k] + part * (next[k] - angles[k])));
                motion.rotations.push(rotation.slerp(&clip.rotations[from], part));
                motion.wrists.push(wrist.lerp(&clip.wrists[from], part));
            }
        }
        motion.angles.extend(&clip.angles[from..]);
        motion.rotations.extend(&clip.rotations[from..]);
        motion.wrists.extend(&clip.wrists[from..]);
    }
    motion.angles.truncate(frames);
    motion.rotations.truncate(frames);
    motion.wrists.truncate(frames);
    Clip {
        angles: smooth::rows(&motion.angles, SMOOTHING),
        rotations: smooth::rotations(&motion.rotations, SMOOTHING),
        wrists: smooth::vectors(&motion.wrists, SMOOTHING),
    }
}
