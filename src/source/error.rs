//! Why a source could not be opened or read, in sentences for people.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::frame::PictureSize;

/// Why a source could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing at the path.
    #[error("there is no file or folder {path}: check the path")]
    NotFound {
        /// As the user gave it.
        path: String,
    },
    /// The system refuses to read it.
    #[error("{path} cannot be read ({source}): check its permissions")]
    Unreadable {
        /// As the user gave it.
        path: String,
        /// The system's reason.
        source: Error,
    },
    /// The file has no content.
    #[error("{path} is empty (0 bytes): copy or record it again")]
    EmptyFile {
        /// As the user gave it.
        path: String,
    },
    /// A program that reads videos is not installed.
    #[error("the program {program} was not found: install ffmpeg (apt, dnf or brew install ffmpeg)")]
    ProgramMissing {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
    },
    /// A program that reads videos could not be started.
    #[error("the program {program} cannot be started ({source}): reinstall ffmpeg")]
    Program {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
        /// The system's reason.
        source: Error,
    },
    /// No file for ffmpeg's messages.
    #[error("no temporary file can be made ({source}): free some space or set TMPDIR")]
    TemporaryFile {
        /// The system's reason.
        source: Error,
    },
    /// ffmpeg knows no such format.
    #[error(
        "{path} is no video ({reason}): give a video, a picture, a folder of pictures or a camera number"
    )]
    NotAVideo {
        /// As the user gave it.
        path: String,
        /// What ffmpeg said.
        reason: String,
    },
    /// The index at the end of an mp4 or mov file is missing.
    #[error("{path} is cut off (the index at its end is missing): copy or record it again")]
    CutOff {
        /// As the user gave it.
        path: String,
    },
    /// A sound file, perhaps with a cover picture.
    #[error("{path} has no moving pictures, only sound or other data: give a file with a video")]
    NoVideoStream {
        /// As the user gave it.
        path: String,
    },
    /// A video of which no picture can be decoded.
    #[error("{path} holds no picture that can be decoded ({reason}): copy or record it again")]
    NoPictures {
        /// As the user gave it.
        path: String,
        /// What ffmpeg said.
        reason: String,
    },
    /// The video ended early; the frames before it are good.
    #[error(
        "{path} broke off after {} ({reason}): the frames so far stand, copy or record it again for the rest",
        counted(*frames, *announced)
    )]
    BrokeOff {
        /// As the user gave it.
        path: String,
        /// Frames read.
        frames: u64,
        /// Frames the file announces.
        announced: Option<u64>,
        /// What ffmpeg said.
        reason: String,
    },
    /// A folder without png or jpeg files.
    #[error("the folder {path} holds no pictures: put png or jpg files there, numbered in their order")]
    EmptyFolder {
        /// As the user gave it.
        path: String,
    },
    /// A picture that cannot be decoded; the next one may be read.
    #[error("the picture {path} is damaged or no picture ({reason}): replace or remove it")]
    DamagedPicture {
        /// The file.
        path: String,
        /// What the decoder said.
        reason: String,
    },
    /// A picture of another size than the first one of its folder; the next one may be read.
    #[error("the picture {path} is {found} but the first one is {expected}: bring all to one size")]
    OddSize {
        /// The file.
        path: String,
        /// Its size.
        found: PictureSize,
        /// Size of the first picture.
        expected: PictureSize,
    },
    /// A frame rate that is no rate.
    #[error("{fps} is no frame rate: give frames per second above zero")]
    FrameRate {
        /// As the user gave it.
        fps: f64,
    },
    /// The system gives no list of cameras.
    #[error(
        "the system does not say which cameras there are ({reason}): try again, or restart its camera service"
    )]
    Cameras {
        /// The system's words.
        reason: String,
    },
    /// No camera with that number.
    #[error("there is no camera {index} ({present}): plug it in or give another number")]
    CameraAbsent {
        /// As the user gave it.
        index: u32,
        /// Those that are there.
        present: String,
    },
    /// Another program has the camera.
    #[error("camera {index} is in use by another program: close it and try again")]
    CameraBusy {
        /// As the user gave it.
        index: u32,
    },
    /// The system lets this user have no camera.
    #[error(
        "camera {index} may not be opened: on Linux add yourself to the group video, elsewhere allow it in the \
         privacy settings"
    )]
    CameraForbidden {
        /// As the user gave it.
        index: u32,
    },
    /// The camera has no mode as asked for.
    #[error("camera {index} has no such mode ({offered}): ask for one of these")]
    CameraMode {
        /// As the user gave it.
        index: u32,
        /// Its modes.
        offered: String,
    },
    /// The camera fails in another way.
    #[error("camera {index} cannot be used ({reason}): plug it in again or try another mode")]
    Camera {
        /// As the user gave it.
        index: u32,
        /// The system's words.
        reason: String,
    },
    /// One picture of a running camera is lost; the next one may be read.
    #[error("camera {index} gave no good picture ({reason}): check its cable if this goes on")]
    CameraPicture {
        /// As the user gave it.
        index: u32,
        /// The system's or decoder's words.
        reason: String,
    },
    /// A running camera was unplugged or has stopped; it is looked for until it is back.
    #[error("camera {index} is gone ({reason}): plug it in again, it is taken up as soon as it is back")]
    CameraGone {
        /// As the user gave it.
        index: u32,
        /// The system's words.
        reason: String,
    },
    /// A camera delivers fewer pictures than its mode promises.
    #[error(
        "camera {index} delivers {measured:.0} pictures a second instead of {promised:.0}: give it more light, or \
         switch off its automatic exposure"
    )]
    CameraRate {
        /// As the user gave it.
        index: u32,
        /// Pictures a second.
        measured: f64,
        /// What its mode says.
        promised: f64,
    },
    /// A camera's pictures are black.
    #[error("camera {index} gives black pictures: open its cover or switch on a light")]
    CameraDark {
        /// As the user gave it.
        index: u32,
    },
    /// A recording is cut or damaged; the frames before are good.
    #[error("{what}")]
    Recording {
        /// What is wrong and what is left.
        what: String,
    },
    /// The pictures of a recording are not to be had.
    #[error(transparent)]
    RecordedPictures(#[from] crate::recording::RecordingError),
    /// This program was built without cameras.
    #[error("this build reads no cameras: build it with the feature `camera` (needs libclang)")]
    NoCameraSupport,
    /// The built-in scene cannot be drawn.
    #[cfg(feature = "render")]
    #[error(transparent)]
    Render(#[from] crate::render::RenderError),
}

fn counted(frames: u64, announced: Option<u64>) -> String {
    announced.map_or_else(|| format!("{frames} frames"), |whole| format!("{frames} of {whole} frames"))
}

impl SourceError {
    /// Whether reading on may help without anybody starting anew: running cameras look for what they miss
    /// by themselves, and say the same again while they miss it.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::CameraAbsent { .. }
                | Self::CameraBusy { .. }
                | Self::CameraDark { .. }
                | Self::CameraGone { .. }
                | Self::CameraPicture { .. }
                | Self::CameraRate { .. }
        )
    }

    /// The error of a file that the system does not give.
    pub(super) fn file(path: &Path, source: Error) -> Self {
        let path = path.display().to_string();
        match source.kind() {
            ErrorKind::NotFound => Self::NotFound { path },
            _ => Self::Unreadable { path, source },
        }
    }

    /// The error of a program that does not start.
    pub(super) fn program(program: &'static str, source: Error) -> Self {
        match source.kind() {
            ErrorKind::NotFound => Self::ProgramMissing { program },
            _ => Self::Program { program, source },
        }
    }
}
