//! Pictures as a source: a folder in the order of its numbers, or one file.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader};

use super::{Source, SourceError, SourceInfo};
use crate::frame::{Frame, PictureSize, Timestamp};

/// Endings of the pictures read here; ffmpeg reads the others.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// A folder of pictures, or one picture, at a constant rate.
///
/// Pictures may be grey, with alpha (dropped) or 16-bit; the turn a camera noted in them (EXIF) is
/// applied. All must have one size.
#[derive(Debug)]
pub struct ImagesSource {
    info: SourceInfo,
    files: Vec<PathBuf>,
    next: usize,
    /// Decoded while opening, to know the size.
    first: Option<Vec<u8>>,
}

impl ImagesSource {
    /// Whether `path` ends like a picture that is read here.
    pub fn reads(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
    }

    /// Opens a folder of pictures, or one picture; `fps` frames per second place them in time.
    ///
    /// # Errors
    /// [`SourceError`] where nothing is there, or the first picture cannot be decoded.
    pub fn open(path: &Path, fps: f64) -> Result<Self, SourceError> {
        if !(fps.is_finite() && fps > 0.0) {
            return Err(SourceError::FrameRate { fps });
        }
        let metadata = std::fs::metadata(path).map_err(|source| SourceError::file(path, source))?;
        let files = if metadata.is_dir() { pictures_in(path)? } else { vec![path.to_owned()] };
        let name = path.display().to_string();
        let first = files.first().ok_or_else(|| SourceError::EmptyFolder { path: name.clone() })?;
        let (size, pixels) = decode(first)?;
        let frame_count = Some(files.len() as u64);
        let info = SourceInfo { name, size, fps, frame_count, live: false, camera: None };
        Ok(Self { info, files, next: 0, first: Some(pixels) })
    }
}

impl Source for ImagesSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let Some(file) = self.files.get(self.next) else { return Ok(None) };
        let sequence = self.next as u64;
        self.next += 1;
        let expected = self.info.size;
        let (found, pixels) = match self.first.take() {
            Some(pixels) => (expected, pixels),
            None => decode(file)?,
        };
        if found != expected {
            return Err(SourceError::OddSize { path: file.display().to_string(), found, expected });
        }
        let timestamp = Timestamp::from_seconds(sequence as f64 / self.info.fps);
        Ok(Some(Frame { pixels, size: expected, timestamp, sequence }))
    }
}

fn decode(file: &Path) -> Result<(PictureSize, Vec<u8>), SourceError> {
    let reader = ImageReader::open(file)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|source| SourceError::file(file, source))?;
    let upright = || {
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture.into_rgb8())
    };
    let picture = upright().map_err(|error: image::ImageError| SourceError::DamagedPicture {
        path: file.display().to_string(),
        reason: error.to_string(),
    })?;
    let size = PictureSize::new(picture.width() as usize, picture.height() as usize);
    Ok((size, picture.into_raw()))
}

/// The pictures of a folder, hidden files left out, in natural order of their names.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let unreadable = |source| SourceError::file(folder, source);
    let mut named = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ImagesSource::reads(&path) && !name.starts_with('.') {
            named.push((name, path));
        }
    }
    named.sort_by(|(a, _), (b, _)| natural_order(a, b));
    Ok(named.into_iter().map(|(_, path)| path).collect())
}

/// Orders names so that digits count as numbers: 9 before 10.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (Some(first_a), Some(first_b)) = (rest_a.chars().next(), rest_b.chars().next()) else {
            // Names that differ only in leading zeros still need one order.
            return rest_a.len().cmp(&rest_b.len()).then_with(|| a.cmp(b));
        };
        let numeric = first_a.is_ascii_digit() && first_b.is_ascii_digit();
        let (part_a, after_a) = if numeric { digits(rest_a) } else { rest_a.split_at(first_a.len_utf8()) };
        let (part_b, after_b) = if numeric { digits(rest_b) } else { rest_b.split_at(first_b.len_utf8()) };
        // Without leading zeros the longer number is the larger one.
        let order = if numeric {
            part_a.len().cmp(&part_b.len()).then_with(|| part_a.cmp(part_b))
        } else {
            part_a.cmp(part_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (rest_a, rest_b) = (after_a, after_b);
    }
}

/// The digits `text` begins with, leading zeros left out, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names =
            ["f10.png", "f9.png", "f010.png", "f.png", "e11.png", "f1b.png", "f1a20.png", "f1a3.png"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["e11.png", "f.png", "f1a3.png", "f1a20.png", "f1b.png", "f9.png", "f010.png", "f10.png"]
        );
    }

    #[test]
    fn a_frame_rate_of_zero_is_refused() {
        for fps in [0.0, -1.0, f64::NAN] {
            let error = ImagesSource::open(Path::new("."), fps).unwrap_err();
            assert!(matches!(error, SourceError::FrameRate { .. }));
        }
    }
}
