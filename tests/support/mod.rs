//! What several test targets share: where test material lies, and how a test says that it skips.
#![allow(dead_code, reason = "each test target uses its own part")]

pub mod omni_release;
pub mod release;
pub mod ring;
pub mod torch_zip;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::home::ModelFiles;

/// A file of the shared test material: below `$HANDSTREAM_SHARED` (default `../shared`).
///
/// Returns `None`, with a printed reason, where the material is absent and the variable is not set.
///
/// # Panics
/// When the variable is set and the file is missing: then the material was promised.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let promised = std::env::var_os("HANDSTREAM_SHARED");
    let root = promised
        .clone()
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(promised.is_none(), "HANDSTREAM_SHARED is set but {} is missing", path.display());
    println!("skipped: no {} (set HANDSTREAM_SHARED to the shared test material)", path.display());
    None
}

/// Bytes of the palm detector and of the landmark network, from the user's data folder.
///
/// Returns `None`, with a printed reason, where they are absent.
pub fn models() -> Option<(Vec<u8>, Vec<u8>)> {
    let read = || {
        let files = ModelFiles::locate().map_err(|error| error.to_string())?;
        let bytes = |path| std::fs::read(path).map_err(|error| error.to_string());
        Ok::<_, String>((bytes(&files.palm)?, bytes(&files.landmark)?))
    };
    read().map_err(|reason| println!("skipped: {reason}")).ok()
}

/// All frames of a video as the ffmpeg program decodes them, colours converted as OpenCV does (BT.601
/// whatever the file says).
///
/// Returns `None`, with a printed reason, where there is no ffmpeg.
///
/// # Panics
/// When ffmpeg cannot decode the video.
pub fn video_frames(path: &Path, size: PictureSize) -> Option<impl Iterator<Item = Frame>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "quiet", "-nostdin", "-i"]).arg(path);
    command.args(["-vf", "scale=in_color_matrix=bt601", "-vsync", "passthrough"]);
    command.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: no ffmpeg program");
        return None;
    };
    let mut stream = child.stdout.take().expect("the pipe was asked for");
    let mut sequence = 0;
    Some(std::iter::from_fn(move || {
        let mut pixels = vec![0; size.rgb_bytes()];
        if stream.read_exact(&mut pixels).is_err() {
            assert!(child.wait().is_ok_and(|status| status.success()), "ffmpeg failed");
            return None;
        }
        let timestamp = Timestamp::from_seconds(sequence as f64 / 30.0);
        sequence += 1;
        Some(Frame { pixels, size, timestamp, sequence: sequence - 1 })
    }))
}
