//! Videos and pictures of every kind, good and bad, made on the spot by ffmpeg and the image crate.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use handstream::frame::{Frame, PictureSize};
use handstream::source::{OpenOptions, Source, SourceError, VideoSource, open};

/// Runs ffmpeg with `arguments` and the file `name` in a folder; `None`, with a printed reason, where it
/// is not installed.
fn made(folder: &tempfile::TempDir, name: &str, arguments: &str) -> Option<PathBuf> {
    let path = folder.path().join(name);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-loglevel", "error"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    match status {
        Ok(status) => assert!(status.success(), "ffmpeg {arguments}"),
        Err(error) => {
            println!("skipped: ffmpeg cannot be started ({error})");
            return None;
        }
    }
    Some(path)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open_default(path: &Path) -> Result<Box<dyn Source>, SourceError> {
    open(&path.display().to_string(), &OpenOptions::default())
}

fn all_frames(source: &mut dyn Source) -> Vec<Frame> {
    std::iter::from_fn(|| source.next_frame().expect("a good frame")).collect()
}

fn sentence(result: Result<Box<dyn Source>, SourceError>) -> String {
    result.err().expect("it must not open").to_string()
}

/// Timestamps of a file's frames as ffprobe prints them, seconds.
fn ffprobe_times(path: &Path) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "frame=best_effort_timestamp_time"])
        .arg(path)
        .output()
        .expect("ffprobe");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect()
}

#[test]
fn every_coded_frame_of_a_variable_rate_video_comes_once_with_its_own_time() {
    let folder = folder();
    // 30 frames of which every third is taken out and the rest slows down.
    let Some(path) = made(
        &folder,
        "variable.mp4",
        "-f lavfi -i testsrc2=size=320x240:rate=30:duration=1 -vf select='mod(n\\,3)',setpts=PTS*(1+N/20) \
         -vsync vfr -pix_fmt yuv420p -c:v libx264",
    ) else {
        return;
    };
    let frames = all_frames(open_default(&path).unwrap().as_mut());
    let expected = ffprobe_times(&path);
    assert_eq!(frames.len(), 20);
    assert_eq!(frames.len(), expected.len());
    for (frame, expected) in frames.iter().zip(expected) {
        assert!((frame.timestamp.seconds() - expected).abs() < 2e-6, "{} {expected}", frame.sequence);
    }
}
