//! Intrinsics of the camera: from a calibration file, from a number, or a stated guess.
//!
//! Files may be OpenCV's YAML (`camera_matrix` or `K`, `distortion_coefficients` or `dist`), a ROS
//! `camera_info`, one line `fx fy cx cy [k1 k2 p1 p2 [k3]]`, or a bare 3x3 matrix. A calibration of another picture size
//! is an error: scaling it silently would be wrong for a cropped mode of the same camera.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::frame::PictureSize;
use crate::geometry::CameraModel;
use crate::yaml::{self, Document, Entry};

/// Where the intrinsics come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum IntrinsicsChoice {
    /// Nothing is known: [`CameraModel::guess`].
    #[default]
    Guess,
    /// A calibration file.
    File(PathBuf),
    /// A focal length in pixels.
    Focal(f64),
    /// A horizontal field of view in degrees.
    FieldOfView(f64),
}

/// Focal lengths that make sense, in units of the longer picture side: wider than any lens without
/// fisheye distortion, longer than any telescope in front of a hand.
const FOCAL_RANGE: RangeInclusive<f64> = 0.1..=100.0;
/// How far outside the picture a principal point may lie, in picture sides: croppings of a larger sensor.
const PRINCIPAL_MARGIN: f64 = 1.0;
/// Skew above this part of the focal length is not noise of the calibration.
const SKEW_TOLERANCE: f64 = 1e-3;
/// Calibration files are a few kilobytes.
const LONGEST_FILE: u64 = 1 << 20;

const MATRIX_KEYS: [&str; 5] = ["camera_matrix", "K", "k", "intrinsic_matrix", "cameraMatrix"];
const DISTORTION_KEYS: [&str; 6] = ["distortion_coefficients", "dist", "D", "d", "dist_coeffs", "distCoeffs"];
const WIDTH_KEYS: [&str; 2] = ["image_width", "width"];
const HEIGHT_KEYS: [&str; 2] = ["image_height", "height"];
/// Names of the five-parameter model used here.
const MODEL_NAMES: [&str; 5] = ["plumb_bob", "radtan", "brown_conrady", "opencv", "none"];

/// The camera model of pictures of `size`.
///
/// # Errors
/// [`IntrinsicsError`] with one sentence saying what is wrong, where, and what to do.
pub fn intrinsics_for(choice: &IntrinsicsChoice, size: PictureSize) -> Result<CameraModel, IntrinsicsError> {
    match choice {
        IntrinsicsChoice::Guess => Ok(CameraModel::guess(size)),
        IntrinsicsChoice::File(path) => from_file(path, size),
        IntrinsicsChoice::Focal(focal) => {
            let model = CameraModel::pinhole(*focal, size);
            if makes_sense(&model) { Ok(model) } else { Err(IntrinsicsError::Focal { focal: *focal, size }) }
        }
        IntrinsicsChoice::FieldOfView(degrees) => {
            let model = CameraModel::from_fov(*degrees, size);
            let possible = *degrees > 0.0 && *degrees < 180.0 && makes_sense(&model);
            if possible { Ok(model) } else { Err(IntrinsicsError::FieldOfView { degrees: *degrees }) }
        }
    }
}

fn from_file(path: &Path, size: PictureSize) -> Result<CameraModel, IntrinsicsError> {
    let unreadable = |source| IntrinsicsError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > LONGEST_FILE {
        return Err(IntrinsicsError::Unknown { path: path.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let file = CalibrationFile { path, size };
    file.model(&String::from_utf8_lossy(&bytes))
}

/// A calibration file and the size of the pictures it is wanted for.
struct CalibrationFile<'a> {
    path: &'a Path,
    size: PictureSize,
}

impl CalibrationFile<'_> {
    fn model(&self, text: &str) -> Result<CameraModel, IntrinsicsError> {
        if let Some((line, [fx, fy, cx, cy, distortion @ ..])) =
            single_row(text).as_ref().map(|(line, row)| (*line, &row[..]))
        {
            return self.checked([*fx, *fy, *cx, *cy], distortion, line, line);
        }
        if let Some(entry) = plain_matrix(text) {
            return self.checked(self.matrix(&entry)?, &[], entry.line, entry.line);
        }
        let document = Document::read(text);
        let matrix = document
            .find(&MATRIX_KEYS)
            .ok_or_else(|| IntrinsicsError::Unknown { path: self.path.to_owned() })?;
        self.same_size(&document)?;
        self.known_model(&document)?;
        let focal_and_centre = self.matrix(matrix)?;
        let distortion = document.find(&DISTORTION_KEYS);
        let coefficients = distortion.map_or(Ok(Vec::new()), |entry| self.numbers(entry))?;
        self.checked(focal_and_centre, &coefficients, matrix.line, distortion.map_or(0, |entry| entry.line))
    }

    /// fx fy cx cy of a 3x3 camera matrix, row by row.
    fn matrix(&self, entry: &Entry) -> Result<[f64; 4], IntrinsicsError> {
        let numbers = self.numbers(entry)?;
        let [fx, skew, cx, below, fy, cy, zero, zero_too, one] = numbers[..] else {
            return Err(
                self.nonsense(entry.line, format!("a camera matrix has 9 numbers, not {}", numbers.len()))
            );
        };
        if [below, zero, zero_too] != [0.0; 3] || one != 1.0 {
            return Err(
                self.nonsense(entry.line, "the camera matrix is not fx 0 cx, 0 fy cy, 0 0 1".to_owned())
            );
        }
        if skew.abs() > SKEW_TOLERANCE * fx.abs() {
            return Err(self.nonsense(entry.line, format!("a skew of {skew} is not modelled")));
        }
        Ok([fx, fy, cx, cy])
    }

    fn checked(
        &self,
        [fx, fy, cx, cy]: [f64; 4],
        coefficients: &[f64],
        line: usize,
        distortion_line: usize,
    ) -> Result<CameraModel, IntrinsicsError> {
        let mut distortion = [0.0; 5];
        let (used, more) = coefficients.split_at(coefficients.len().min(distortion.len()));
        if more.iter().any(|coefficient| *coefficient != 0.0) {
            let reason = "only the five coefficients k1 k2 p1 p2 k3 are modelled".to_owned();
            return Err(self.nonsense(distortion_line, reason));
        }
        if !matches!(used.len(), 0 | 4 | 5) {
            let reason = format!("distortion has 4 or 5 coefficients, not {}", used.len());
            return Err(self.nonsense(distortion_line, reason));
        }
        distortion[..used.len()].copy_from_slice(used);
        let model = CameraModel { fx, fy, cx, cy, distortion, size: self.size, guessed: false };
        if !makes_sense(&model) {
            let reason =
                format!("fx {fx} fy {fy} cx {cx} cy {cy} is no camera with pictures of {}", self.size);
            return Err(self.nonsense(line, reason));
        }
        Ok(model)
    }

    fn same_size(&self, document: &Document) -> Result<(), IntrinsicsError> {
        for (keys, is) in [(WIDTH_KEYS, self.size.width), (HEIGHT_KEYS, self.size.height)] {
            let Some(entry) = document.find(&keys) else { continue };
            if self.numbers(entry)?[..] != [is as f64] {
                return Err(IntrinsicsError::OtherSize {
                    path: self.path.to_owned(),
                    line: entry.line,
                    key: entry.key.clone(),
                    calibrated: entry.value.clone(),
                    size: self.size,
                });
            }
        }
        Ok(())
    }

    fn known_model(&self, document: &Document) -> Result<(), IntrinsicsError> {
        let Some(entry) = document.find(&["distortion_model"]) else { return Ok(()) };
        let name = entry.value.trim_matches(['"', '\'']).to_ascii_lowercase();
        if name.is_empty() || MODEL_NAMES.contains(&name.as_str()) {
            return Ok(());
        }
        Err(self.nonsense(entry.line, format!("the lens model {name} is not known here, only plumb_bob")))
    }

    fn numbers(&self, entry: &Entry) -> Result<Vec<f64>, IntrinsicsError> {
        entry.numbers().map_err(|word| self.nonsense(entry.line, format!("{word} is no number")))
    }

    fn nonsense(&self, line: usize, reason: String) -> IntrinsicsError {
        IntrinsicsError::Nonsense { path: self.path.to_owned(), line, reason }
    }
}

/// The numbers and line of a text with one line of four or more numbers, comments aside.
fn single_row(text: &str) -> Option<(usize, Vec<f64>)> {
    let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let mut lines = text.lines().enumerate().filter(|(_, line)| content(line));
    let (number, line) = lines.next()?;
    let row = yaml::numbers(line).ok().filter(|row| row.len() >= 4)?;
    lines.next().is_none().then_some((number + 1, row))
}

/// A text of nothing but nine numbers, as numpy writes a 3x3 matrix.
fn plain_matrix(text: &str) -> Option<Entry> {
    let nine = yaml::numbers(text).is_ok_and(|numbers| numbers.len() == 9);
    nine.then(|| Entry::plain(text))
}

fn makes_sense(model: &CameraModel) -> bool {
    let CameraModel { fx, fy, cx, cy, size, .. } = *model;
    let (width, height) = (size.width as f64, size.height as f64);
    let near = |centre: f64, side: f64| {
        (-PRINCIPAL_MARGIN * side..=(1.0 + PRINCIPAL_MARGIN) * side).contains(&centre)
    };
    let longer = width.max(height);
    FOCAL_RANGE.contains(&(fx / longer))
        && FOCAL_RANGE.contains(&(fy / longer))
        && near(cx, width)
        && near(cy, height)
}

/// Why intrinsics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IntrinsicsError {
    /// The file is missing or the system refuses it.
    #[error("the calibration {} cannot be read ({source}): check the path", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is none of the known kinds.
    #[error(
        "{} is no calibration known here: give OpenCV or ROS YAML with a camera_matrix, or one line \
         fx fy cx cy [k1 k2 p1 p2 [k3]]",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to pictures of another size.
    #[error(
        "{} line {line} says {key} {calibrated} but the pictures are {size}: calibrate at this size, or record \
         at the calibrated one",
        path.display()
    )]
    OtherSize {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// The key that disagrees.
        key: String,
        /// What the file says.
        calibrated: String,
        /// Size of the pictures.
        size: PictureSize,
    },
    /// The numbers describe no camera.
    #[error("{} line {line}: {reason}; correct the file or calibrate again (units are pixels)", path.display())]
    Nonsense {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A focal length that no camera has.
    #[error("a focal length of {focal} pixels is impossible for pictures of {size}: give it in pixels")]
    Focal {
        /// As the user gave it.
        focal: f64,
        /// Size of the pictures.
        size: PictureSize,
    },
    /// A field of view that no camera has.
    #[error("a field of view of {degrees} degrees is impossible: give the horizontal one, between 1 and 157")]
    FieldOfView {
        /// As the user gave it.
        degrees: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 640, height: 480 };
    const OPENCV: &str = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\n\
        camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   data: [ 6.5e+02, 0., 3.2e+02, 0.,\n       \
        6.4e+02, 2.4e+02, 0., 0., 1. ]\ndistortion_coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   dt: d\n   \
        data: [ -0.4, 0.1, 0.001, -0.002, 0.3 ]\n";
    const ROS: &str = "image_width: 640\nimage_height: 480\ncamera_name: head\ncamera_matrix:\n  rows: 3\n  cols: 3\n  \
        data: [650, 0, 320, 0, 640, 240, 0, 0, 1]\ndistortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  \
        cols: 5\n  data: [-0.4, 0.1, 0.001, -0.002, 0.3]\nprojection_matrix:\n  rows: 3\n  cols: 4\n  \
        data: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]\n";

    fn read(text: &str) -> Result<CameraModel, IntrinsicsError> {
        CalibrationFile { path: Path::new("cam.yaml"), size: SIZE }.model(text)
    }

    fn said(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn all_ways_of_writing_give_one_camera() {
        let expected = CameraModel {
            fx: 650.0,
            fy: 640.0,
            cx: 320.0,
            cy: 240.0,
            distortion: [-0.4, 0.1, 0.001, -0.002, 0.3],
            size: SIZE,
            guessed: false,
        };
        let message = "height: 480\nwidth: 640\nd:\n- -0.4\n- 0.1\n- 0.001\n- -0.002\n- 0.3\nk:\n- 650.0\n- 0.0\n\
                       - 320.0\n- 0.0\n- 640.0\n- 240.0\n- 0.0\n- 0.0\n- 1.0\n";
        let line = "# fx fy cx cy k1 k2 p1 p2 k3\n650 640 320 240 -0.4 0.1 0.001 -0.002 0.3\n";
        for text in [OPENCV, ROS, message, line] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        let ideal = CameraModel { distortion: [0.0; 5], ..expected };
        assert_eq!(read("650 0 320\n0 640 240\n0 0 1\n").unwrap(), ideal);
        assert_eq!(read("650 640 320 240").unwrap().distortion, [0.0; 5]);
    }

    #[test]
    fn a_calibration_of_another_size_is_refused_and_not_rescaled() {
        let text = said(&OPENCV.replace("image_width: 640", "image_width: 1280"));
        assert!(text.contains("line 3") && text.contains("1280") && text.contains("640x480"), "{text}");
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for (text, line) in [
            (OPENCV.replace("6.5e+02", "-6.5e+02"), "line 9"),
            (OPENCV.replace("6.5e+02", ".nan"), "line 9"),
            (OPENCV.replace("6.5e+02", "35"), "line 9"),
            (OPENCV.replace("3.2e+02", "3.2e+05"), "line 9"),
            (OPENCV.replace(", 1. ]", "]"), "line 9"),
            (OPENCV.replace("-0.4, 0.1,", "-0.4,, 0.1 0.7 0.7 0.7,"), "line 15"),
            (ROS.replace("plumb_bob", "equidistant"), "line 8"),
            ("\n650 640 320 240 0.1\n".to_owned(), "line 2"),
        ] {
            let said = said(&text);
            assert!(said.contains(line), "{said}");
        }
        for text in ["", "hello", "<?xml version=\"1.0\"?>", "1 2 3", "a: 1"] {
            assert!(matches!(read(text), Err(IntrinsicsError::Unknown { .. })), "{text}");
        }
    }

    #[test]
    fn flags_that_describe_no_camera_are_refused() {
        let refused = |choice| intrinsics_for(&choice, SIZE).is_err();
        assert!(intrinsics_for(&IntrinsicsChoice::Focal(600.0), SIZE).is_ok());
        assert!(intrinsics_for(&IntrinsicsChoice::Guess, SIZE).unwrap().guessed);
        for focal in [0.0, -600.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(refused(IntrinsicsChoice::Focal(focal)), "{focal}");
        }
        for degrees in [0.0, 180.0, -60.0, 400.0, f64::NAN] {
            assert!(refused(IntrinsicsChoice::FieldOfView(degrees)), "{degrees}");
        }
        assert!(refused(IntrinsicsChoice::File("/nowhere/cam.yaml".into())));
    }
}
