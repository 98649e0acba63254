//! Video files of any kind, decoded by an `ffmpeg` process.
//!
//! The process writes raw RGB pictures with their times into a pipe ([`nut`]); [`probe`] asks what the
//! file announces. Every coded frame comes exactly once with the file's own timestamp, so variable
//! frame rates keep their rhythm; rotation marks are applied, and the size announced is that of the
//! pictures after it. ffmpeg's messages go to a nameless temporary file, so that no pipe can fill up
//! and block while the other one is read.

mod nut;
mod probe;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use self::nut::{NutError, NutReader};
use super::{Source, SourceError, SourceInfo, SpareMemory};
use crate::frame::{Frame, PictureSize, Timestamp};

/// Colours as OpenCV decodes them: bicubic chroma and BT.601 for every file. Published hand trackers
/// read their pictures so, and their numbers are compared on the same pixels.
const CONVERSION: &str = "scale=in_color_matrix=bt601:flags=bicubic";

/// Messages of ffmpeg that are read when a file broke; a damaged file can cause megabytes.
const MESSAGE_BYTES: u64 = 4096;

/// No camera has a longer picture side; keeps a damaged header from asking for all memory.
const LONGEST_SIDE: usize = 32_768;

/// A video file as a source.
pub struct VideoSource {
    info: SourceInfo,
    decoder: Decoder,
    /// Read while opening, to know that there is a picture at all.
    first: Option<(Vec<u8>, i64)>,
    frames: u64,
    ended: bool,
    /// Memory for the next pictures.
    spare: SpareMemory,
}

impl VideoSource {
    /// Opens the file and decodes its first picture.
    ///
    /// # Errors
    /// [`SourceError`] where the file is missing, empty, cut off, no video or without a picture, or
    /// ffmpeg is not installed.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|source| SourceError::file(path, source))?;
        if metadata.len() == 0 && metadata.is_file() {
            return Err(SourceError::EmptyFile { path: name });
        }
        let probe = probe::probe(path)?;
        let mut decoder = Decoder::start(path, &probe)?;
        let Some(first) = decoder.next_picture(Vec::new()).ok().flatten() else {
            let reason = probe::first_reason(&decoder.finish().messages);
            return Err(SourceError::NoPictures { path: name, reason });
        };
        let info = SourceInfo {
            name,
            size: decoder.size,
            fps: probe.fps,
            frame_count: probe.frame_count,
            live: false,
            camera: None,
        };
        Ok(Self { info, decoder, first: Some(first), frames: 0, ended: false, spare: SpareMemory::default() })
    }

    /// Tells a whole film from one that broke off.
    fn end(&mut self, error: Option<NutError>) -> Result<Option<Frame>, SourceError> {
        self.ended = true;
        let Ending { status, messages } = self.decoder.finish();
        let fewer = self.info.frame_count.is_some_and(|announced| self.frames < announced);
        let complained = !messages.trim().is_empty();
        // Some good files cause messages, and edit lists hide frames: only both together mean damage.
        let failed = !status.is_some_and(|status| status.success()) || error.is_some();
        let damaged = failed || (fewer && complained);
        if !damaged {
            return Ok(None);
        }
        let reason = match error {
            Some(error) if !complained => error.to_string(),
            _ => probe::first_reason(&messages),
        };
        Err(SourceError::BrokeOff {
            path: self.info.name.clone(),
            frames: self.frames,
            announced: self.info.frame_count,
            reason,
        })
    }
}

impl Source for VideoSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        let picture = match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.decoder.next_picture(self.spare.take()),
        };
        let (pixels, nanoseconds) = match picture {
            Ok(Some(picture)) => picture,
            Ok(None) => return self.end(None),
            Err(error) => return self.end(Some(error)),
        };
        let sequence = self.frames;
        self.frames += 1;
        Ok(Some(Frame { pixels, size: self.info.size, timestamp: Timestamp(nanoseconds), sequence }))
    }

    fn take_back(&mut self, pixels: Vec<u8>) {
        self.spare.keep(pixels);
    }
}

/// A running ffmpeg and the pipe it writes to; stopped when dropped.
struct Decoder {
    child: Child,
    nut: Option<NutReader<BufReader<ChildStdout>>>,
    messages: File,
    size: PictureSize,
}

/// How ffmpeg ended and what it said.
struct Ending {
    status: Option<ExitStatus>,
    messages: String,
}

impl Decoder {
    fn start(path: &Path, probe: &probe::Probe) -> Result<Self, SourceError> {
        let no_temporary_file = |source| SourceError::TemporaryFile { source };
        let messages = tempfile::tempfile().map_err(no_temporary_file)?;
        let for_child = messages.try_clone().map_err(no_temporary_file)?;
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-copyts", "-protocol_whitelist", "file", "-i"])
            .arg(probe::file_argument(path))
            .args(["-map", "0:V:0", "-vf", CONVERSION, "-pix_fmt", "rgb24", "-c:v", "rawvideo"])
            .args([if probe.has_fps_mode { "-fps_mode" } else { "-vsync" }, "passthrough"])
            // Without this the timestamps would be rounded to the nominal frame rate.
            .arg("-enc_time_base")
            .arg(format!("{}/{}", probe.time_base.num, probe.time_base.den))
            .args(["-f", "nut", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(for_child)
            .spawn()
            .map_err(|source| SourceError::program("ffmpeg", source))?;
        let nut = child.stdout.take().and_then(|pipe| NutReader::new(BufReader::new(pipe)).ok());
        let (width, height) = nut.as_ref().map_or((0, 0), NutReader::size);
        Ok(Self { child, nut, messages, size: PictureSize::new(width, height) })
    }

    /// The next picture, in `memory`, and its time.
    fn next_picture(&mut self, memory: Vec<u8>) -> Result<Option<(Vec<u8>, i64)>, NutError> {
        if self.size.width > LONGEST_SIDE || self.size.height > LONGEST_SIDE {
            return Err(NutError::Malformed("its pictures are too large"));
        }
        let bytes = self.size.rgb_bytes();
        self.nut.as_mut().map_or(Ok(None), |nut| nut.next_picture(bytes, memory))
    }

    /// Waits for the process, which has closed its pipe or sees ours closed, and reads what it said.
    fn finish(&mut self) -> Ending {
        self.nut = None;
        let status = self.child.wait().ok();
        let mut said = Vec::new();
        let read = self
            .messages
            .rewind()
            .and_then(|()| self.messages.by_ref().take(MESSAGE_BYTES).read_to_end(&mut said));
        if let Err(error) = read {
            tracing::debug!(%error, "ffmpeg's messages cannot be read");
        }
        Ending { status, messages: String::from_utf8_lossy(&said).into_owned() }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only where the process has already ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
