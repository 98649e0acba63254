//! Films through an `ffmpeg` process: raw pictures in at one end, a compressed file out at the other.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::files::{WriteError, part_path};
use crate::frame::PictureSize;

/// Frame rate of a film whose source states none.
const DEFAULT_FPS: f64 = 30.0;

/// Longest part of ffmpeg's own words repeated in a message.
const LONGEST_MESSAGE: usize = 300;

/// Why a film could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// There is no `ffmpeg`.
    #[error(
        "films are written by ffmpeg, which is not installed: install it (Debian, Ubuntu: `apt install \
         ffmpeg`; macOS: `brew install ffmpeg`)"
    )]
    NoFfmpeg,
    /// `ffmpeg` is there and cannot be started.
    #[error("cannot start ffmpeg, which writes films: {0}")]
    Start(io::Error),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// `ffmpeg` gave up.
    #[error("ffmpeg could not write the film {path}: {message}")]
    Encoder {
        /// The film's final name.
        path: PathBuf,
        /// What ffmpeg said.
        message: String,
    },
    /// A picture does not have the film's size.
    #[error("a picture of {bytes} bytes does not fit a film of {size} pixels")]
    PictureBytes {
        /// Size of the film.
        size: PictureSize,
        /// Bytes of the picture.
        bytes: usize,
    },
}

/// A film in the making. It gets its name when it is [finished](Film::finish); dropped before, it
/// leaves nothing behind.
pub struct Film {
    path: PathBuf,
    part: PathBuf,
    size: PictureSize,
    encoder: Option<Child>,
}

impl Film {
    /// Starts a film of `size` pictures at a constant rate; the ending of `path` (`.mp4`) says the
    /// format. Its folder is made when missing. H.264 where this ffmpeg has it, else MPEG-4.
    ///
    /// # Errors
    /// [`FilmError`] without ffmpeg, or when the folder cannot be written to.
    pub fn create(path: &Path, size: PictureSize, fps: f64) -> Result<Self, FilmError> {
        let codec = best_codec()?;
        let part = part_path(path);
        let writable = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            File::create(&part)
        };
        writable().map_err(|cause| WriteError::new(path, cause))?;
        let fps = if fps.is_finite() && fps > 0.0 { fps } else { DEFAULT_FPS };
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-nostats", "-loglevel", "error", "-y", "-f", "rawvideo"])
            .args(["-pixel_format", "rgb24", "-video_size", &size.to_string()])
            .args(["-framerate", &format!("{fps:.6}"), "-i", "pipe:0", "-an"])
            // Half the colour samples in both directions need even sides.
            .args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"])
            .args(codec)
            .args(["-movflags", "+faststart"])
            .arg(file_argument(&part))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut film = Self { path: path.to_path_buf(), part, size, encoder: None };
        film.encoder = Some(command.spawn().map_err(FilmError::Start)?);
        Ok(film)
    }

    /// Appends a picture: `height * width * 3` bytes, R G B, rows top to bottom.
    ///
    /// # Errors
    /// [`FilmError`] when ffmpeg gave up (a full disk) or the picture has another size.
    pub fn write(&mut self, rgb: &[u8]) -> Result<(), FilmError> {
        if rgb.len() != self.size.rgb_bytes() {
            return Err(FilmError::PictureBytes { size: self.size, bytes: rgb.len() });
        }
        let pipe = self.encoder.as_mut().and_then(|encoder| encoder.stdin.as_mut());
        match pipe.map(|pipe| pipe.write_all(rgb)) {
            Some(Ok(())) => Ok(()),
            // A closed pipe only says that ffmpeg has ended; its own words say why.
            Some(Err(broken)) => Err(self.encoder_error(&broken.to_string())),
            None => Err(self.encoder_error("it has already ended")),
        }
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// [`FilmError`]; an older film of the same name is then still there.
    pub fn finish(mut self) -> Result<(), FilmError> {
        if !self.end_encoder() {
            return Err(self.encoder_error("it failed without a word"));
        }
        self.encoder = None;
        fs::rename(&self.part, &self.path).map_err(|cause| WriteError::new(&self.path, cause).into())
    }

    /// Closes the pipe and waits for ffmpeg to end; true when it ended well.
    fn end_encoder(&mut self) -> bool {
        let Some(encoder) = &mut self.encoder else { return false };
        drop(encoder.stdin.take());
        encoder.wait().is_ok_and(|status| status.success())
    }

    /// What ffmpeg said before it gave up, or `otherwise` where it said nothing.
    fn encoder_error(&mut self, otherwise: &str) -> FilmError {
        self.end_encoder();
        let mut words = String::new();
        if let Some(pipe) = self.encoder.as_mut().and_then(|encoder| encoder.stderr.as_mut()) {
            // What cannot be read is not repeated.
            let _ = pipe.take(1 << 16).read_to_string(&mut words);
        }
        // The first line is the cause, the others its consequences.
        let said = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(otherwise);
        let message = said.chars().take(LONGEST_MESSAGE).collect();
        FilmError::Encoder { path: self.path.clone(), message }
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        if let Some(mut encoder) = self.encoder.take() {
            // It may have ended by itself; either way it must not outlive the film.
            let _ = encoder.kill();
            let _ = encoder.wait();
        }
        // Gone already when the film was finished.
        let _ = fs::remove_file(&self.part);
    }
}

/// A path that ffmpeg cannot mistake for an option or a protocol.
fn file_argument(path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from("file:");
    argument.push(path);
    argument
}

/// Options of the best codec this ffmpeg has.
fn best_codec() -> Result<&'static [&'static str], FilmError> {
    let list = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).stdin(Stdio::null()).output();
    let list = list.map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => FilmError::NoFfmpeg,
        _ => FilmError::Start(cause),
    })?;
    let has_h264 = String::from_utf8_lossy(&list.stdout).contains(" libx264 ");
    Ok(if has_h264 {
        &["-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
    } else {
        &["-c:v", "mpeg4", "-q:v", "3"]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 65, height: 48 };

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("handstream-film-{}-{name}", std::process::id()))
    }

    /// A film in a fresh folder, or `None` with a printed reason where there is no ffmpeg.
    fn film(folder: &Path) -> Option<(Film, PathBuf)> {
        let path = folder.join("film.mp4");
        match Film::create(&path, SIZE, 25.0) {
            Err(error @ FilmError::NoFfmpeg) => {
                println!("skipped: {error}");
                None
            }
            result => Some((result.unwrap(), path)),
        }
    }

    #[test]
    fn a_film_has_its_name_only_when_finished() {
        let folder = scratch("whole");
        let Some((mut film, path)) = film(&folder) else { return };
        for shade in 0..5 {
            film.write(&vec![shade * 40; SIZE.rgb_bytes()]).unwrap();
        }
        assert!(!path.exists());
        film.finish().unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 500);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_abandoned_film_leaves_nothing() {
        let folder = scratch("abandoned");
        let Some((mut film, _)) = film(&folder) else { return };
        film.write(&vec![9; SIZE.rgb_bytes()]).unwrap();
        drop(film);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let folder = scratch("size");
        let Some((mut film, _)) = film(&folder) else { return };
        assert!(matches!(film.write(&[0; 10]), Err(FilmError::PictureBytes { bytes: 10, .. })));
        drop(film);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_a_file_is_one_clear_sentence() {
        let blocker = scratch("blocker");
        fs::write(&blocker, b"").unwrap();
        match Film::create(&blocker.join("film.mp4"), SIZE, 25.0).map(|_| ()) {
            Err(error @ FilmError::NoFfmpeg) => println!("skipped: {error}"),
            result => assert!(result.unwrap_err().to_string().starts_with("cannot write ")),
        }
        fs::remove_file(blocker).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_leaves_nothing() {
        if !Path::new("/dev/full").exists() {
            println!("skipped: this system has no /dev/full");
            return;
        }
        let folder = scratch("full");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/dev/full", part_path(&folder.join("film.mp4"))).unwrap();
        let Some((mut film, path)) = film(&folder) else { return };
        let noise = |n: usize| (n * n / 7 % 251) as u8;
        let mut written = Ok(());
        for frame in 0..200 {
            let picture: Vec<u8> = (0..SIZE.rgb_bytes()).map(|i| noise(i + 31 * frame)).collect();
            written = written.and_then(|()| film.write(&picture));
        }
        let message = written.and_then(|()| film.finish()).unwrap_err().to_string();
        assert!(message.contains("No space left"), "{message}");
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
