//! What ffprobe says about a video before a picture is decoded.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::nut::TimeBase;
use crate::source::SourceError;

/// Frame rate assumed where a file states none.
const USUAL_FPS: f64 = 30.0;

/// Formats that ffmpeg turns into pictures although nobody means them as a video: text and text art.
const TEXT_FORMATS: [&str; 7] = ["tty", "bin", "xbin", "adf", "idf", "sbg", "aqtitle"];

/// Facts of a file's first video stream.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Nominal frame rate, frames per second.
    pub fps: f64,
    /// Frames the file announces: exact where it counts them, else from its duration.
    pub frame_count: Option<u64>,
    /// Unit of the file's own timestamps.
    pub time_base: TimeBase,
    /// Whether this ffmpeg (5.1 and later) calls the option `-fps_mode` instead of `-vsync`.
    pub has_fps_mode: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    program_version: Program,
}

#[derive(Deserialize)]
struct Stream {
    time_base: Option<String>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    nb_frames: Option<String>,
    duration: Option<String>,
}

#[derive(Default, Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    duration: Option<String>,
}

#[derive(Default, Deserialize)]
struct Program {
    #[serde(default)]
    version: String,
}

/// The file's name as ffmpeg takes it: the prefix keeps `a:b.mp4` and `-x.mp4` from being read as a
/// protocol or an option.
pub fn file_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("file:");
    argument.push(path);
    argument
}

/// Asks ffprobe about `path`.
///
/// # Errors
/// [`SourceError`] where ffprobe is missing or the file is no video, says why.
pub fn probe(path: &Path) -> Result<Probe, SourceError> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", "V:0"])
        .args(["-show_program_version", "-show_streams", "-show_format", "-of", "json"])
        .arg(file_argument(path))
        .stdin(Stdio::null())
        .output()
        .map_err(|source| SourceError::program("ffprobe", source))?;
    let name = path.display().to_string();
    if !output.status.success() {
        return Err(not_a_video(path, &String::from_utf8_lossy(&output.stderr)));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|error| SourceError::NotAVideo { path: name.clone(), reason: error.to_string() })?;
    if answer.format.format_name.split(',').any(|format| TEXT_FORMATS.contains(&format)) {
        return Err(SourceError::NotAVideo { path: name, reason: "it is text".to_owned() });
    }
    let stream = answer.streams.first().ok_or(SourceError::NoVideoStream { path: name })?;
    Ok(facts(stream, &answer))
}

fn not_a_video(path: &Path, said: &str) -> SourceError {
    let name = path.display().to_string();
    // Anything named .mp4 lacks an index; only what begins like an mp4 has lost it.
    if said.contains("moov atom not found") && begins_like_mp4(path) {
        return SourceError::CutOff { path: name };
    }
    SourceError::NotAVideo { path: name, reason: first_reason(said) }
}

/// Whether the first box of the file is one that mp4 and mov files begin with.
fn begins_like_mp4(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && [b"ftyp", b"mdat", b"wide", b"free"].iter().any(|name| start.ends_with(*name))
}

/// The first line ffmpeg printed, without the address of the part that printed it.
pub fn first_reason(said: &str) -> String {
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("ffmpeg gave no reason").trim();
    let text = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, text)| text);
    // "file:/path: Invalid data found": the path is in our own sentence already.
    let text =
        text.strip_prefix("file:").and_then(|rest| rest.rsplit_once(": ")).map_or(text, |(_, end)| end);
    text.to_owned()
}

fn facts(stream: &Stream, answer: &Answer) -> Probe {
    let fps = [&stream.avg_frame_rate, &stream.r_frame_rate]
        .into_iter()
        .filter_map(|text| ratio(text.as_deref()?))
        .map(|(num, den)| num as f64 / den as f64)
        .find(|fps| *fps > 0.0)
        .unwrap_or(USUAL_FPS);
    let seconds = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    let from_duration = seconds(&stream.duration)
        .or_else(|| seconds(&answer.format.duration))
        .map(|seconds| (seconds * fps).round().max(0.0) as u64);
    let counted = stream.nb_frames.as_deref().and_then(|text| text.parse::<u64>().ok());
    // A film cut without re-encoding holds hidden frames before its start, which only the count includes.
    let frame_count = counted.into_iter().chain(from_duration).min();
    let time_base = stream.time_base.as_deref().and_then(ratio).filter(|(num, _)| *num > 0);
    let (num, den) = time_base.unwrap_or((1, 1_000_000));
    Probe {
        fps,
        frame_count,
        time_base: TimeBase { num, den },
        has_fps_mode: has_fps_mode(&answer.program_version.version),
    }
}

/// `"30000/1001"` as two numbers; `None` where the second is zero.
fn ratio(text: &str) -> Option<(u64, u64)> {
    let (num, den) = text.split_once('/')?;
    let (num, den) = (num.parse().ok()?, den.parse().ok()?);
    (den > 0).then_some((num, den))
}

/// Versions read "5.1.9-0+deb12u1", "n7.0" or, for builds between releases, "N-12345-g0123abc".
fn has_fps_mode(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('n')
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) >= (5, 1),
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_since_5_1_and_unreleased_builds_know_fps_mode() {
        for (version, expected) in [
            ("4.4.2-0ubuntu0.22.04.1", false),
            ("5.0.1", false),
            ("5.1.9-0+deb12u1", true),
            ("n7.0", true),
            ("N-118048-g0123abc", true),
            ("", true),
        ] {
            assert_eq!(has_fps_mode(version), expected, "{version}");
        }
    }

    #[test]
    fn a_reason_is_one_line_without_addresses_and_paths() {
        let said = "[mov,mp4 @ 0x55d0] moov atom not found\nfile:/a/b.mp4: Invalid data found\n";
        assert_eq!(first_reason(said), "moov atom not found");
        assert_eq!(first_reason("file:/a/b.mp4: Invalid data found\n"), "Invalid data found");
        assert_eq!(first_reason(""), "ffmpeg gave no reason");
    }
}
