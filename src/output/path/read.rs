//! Reading a camera path in any of the forms that data sets come in.

use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Matrix3, Quaternion, Translation3, UnitQuaternion, Vector3};

use super::tum::{RATE_MARK, UNKNOWN_UNIT};
use crate::frame::Timestamp;
use crate::geometry::rotation::quaternion_from_matrix;
use crate::geometry::{CameraPath, CameraPose};

/// How far a quaternion's length, or a matrix times its transpose, may be from one.
const UNIT_TOLERANCE: f64 = 1e-2;
/// Nanoseconds in a second.
const NANOSECONDS: i64 = 1_000_000_000;
/// Numbers of a TUM line; of an EuRoC line at least.
const POSE_NUMBERS: usize = 8;

/// Why a file of poses cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PathFileError {
    /// The system refuses the file.
    #[error("cannot read {} ({cause}): check the path", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// There is no pose in it.
    #[error("{} holds no pose: a path has one line for each pose", .0.display())]
    Empty(PathBuf),
    /// A line is not what the form says.
    #[error("{} line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

/// A path as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct PathFile {
    /// Poses in the order of the file.
    poses: Vec<Isometry3<f64>>,
    /// Their times; empty where the file has none.
    times: Vec<Timestamp>,
    /// Frames per second, where the file says.
    pub fps: Option<f64>,
    /// Whether the file says that its unit is not known.
    pub scale_free: bool,
}

impl PathFile {
    /// Whether the file says when each pose was.
    pub fn has_times(&self) -> bool {
        !self.times.is_empty()
    }

    /// The path on the clock of its file. Poses without times follow each other at `fps` frames per
    /// second from zero; `None` where that is needed and not given.
    pub fn placed_in_time(&self, fps: Option<f64>) -> Option<CameraPath> {
        let time = |number: usize| match self.times.get(number) {
            Some(&time) => Some(time),
            None => fps.map(|fps| Timestamp::from_seconds(number as f64 / fps)),
        };
        let pose = |(number, &world_from_camera): (usize, &Isometry3<f64>)| {
            Some(CameraPose { sequence: number as u64, timestamp: time(number)?, world_from_camera })
        };
        let poses = self.poses.iter().enumerate().map(pose).collect::<Option<_>>()?;
        Some(CameraPath { poses, scale_free: self.scale_free })
    }
}

/// Reads a path, `world_from_camera` line by line, in one of three forms:
///
/// - TUM: `timestamp tx ty tz qx qy qz qw`, seconds, between blanks;
/// - EuRoC (Burri et al., IJRR 2016): `timestamp, px, py, pz, qw, qx, qy, qz, …`, nanoseconds, between
///   commas, columns after the eighth left out;
/// - matrices: 12 or 16 numbers, the rows of a 3x4 or 4x4 matrix, without time.
///
/// Empty lines and lines that begin with `#` do not count. Times must increase.
///
/// # Errors
/// [`PathFileError`] with the line and what is wrong with it.
pub fn read_path(file: &Path) -> Result<PathFile, PathFileError> {
    let bytes =
        std::fs::read(file).map_err(|cause| PathFileError::Unreadable { path: file.to_path_buf(), cause })?;
    parse(file, &String::from_utf8_lossy(&bytes))
}

fn parse(file: &Path, text: &str) -> Result<PathFile, PathFileError> {
    let mut read = PathFile { poses: Vec::new(), times: Vec::new(), fps: None, scale_free: false };
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: String| PathFileError::Line { path: file.to_path_buf(), line: number + 1, what };
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let rate = comment.trim().strip_prefix(RATE_MARK).and_then(|rate| rate.trim().parse().ok());
            read.scale_free |= comment.trim().starts_with(UNKNOWN_UNIT);
            read.fps = read.fps.or(rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0));
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let (time, pose) = pose_of(line).map_err(wrong)?;
        if time.is_some() != read.has_times() && !read.poses.is_empty() {
            return Err(wrong("lines with and without time are mixed: bring all to one form".to_owned()));
        }
        if let Some((last, time)) = read.times.last().zip(time).filter(|&(&last, time)| last >= time) {
            let times = format!("{} s is not after {} s", time.seconds(), last.seconds());
            return Err(wrong(format!("{times}: sort the lines by time")));
        }
        read.times.extend(time);
        read.poses.push(pose);
    }
    if read.poses.is_empty() { Err(PathFileError::Empty(file.to_path_buf())) } else { Ok(read) }
}

/// Time and pose of one line.
fn pose_of(line: &str) -> Result<(Option<Timestamp>, Isometry3<f64>), String> {
    if line.contains(',') {
        return euroc(line);
    }
    let numbers = line.split_whitespace().map(number).collect::<Result<Vec<_>, _>>()?;
    match numbers[..] {
        [_, x, y, z, qx, qy, qz, qw] => {
            let time = line.split_whitespace().next().and_then(decimal_seconds);
            let time = time.ok_or("the time is not written in plain decimals")?;
            Ok((Some(time), isometry([x, y, z], Quaternion::new(qw, qx, qy, qz))?))
        }
        [ref rows @ .., 0.0, 0.0, 0.0, 1.0] if rows.len() == 12 => Ok((None, from_rows(rows)?)),
        ref rows if rows.len() == 12 => Ok((None, from_rows(rows)?)),
        _ => Err(format!(
            "{} numbers are no pose: a line has 8 (TUM), or 12 or 16 (matrix with 0 0 0 1 below)",
            numbers.len()
        )),
    }
}

/// Seconds to the nanosecond: since 1970 they have more digits than a floating-point number. Digits after
/// the ninth are left out. `None` for anything but decimals and, of small numbers, exponents.
fn decimal_seconds(word: &str) -> Option<Timestamp> {
    let seconds: f64 = word.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    if word.contains(['e', 'E']) {
        return Some(Timestamp::from_seconds(seconds));
    }
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: i64 = if whole.is_empty() { 0 } else { whole.trim_start_matches('+').parse().ok()? };
    let part: i64 = format!("{:0<9}", part.get(..part.len().min(9))?).parse().ok()?;
    Some(Timestamp(sign * whole.checked_mul(NANOSECONDS)?.checked_add(part)?))
}

fn euroc(line: &str) -> Result<(Option<Timestamp>, Isometry3<f64>), String> {
    let words: Vec<&str> = line.split(',').map(str::trim).collect();
    let [time, pose @ ..] = words.get(..POSE_NUMBERS).unwrap_or_default() else {
        return Err(format!("{} columns are no pose: EuRoC has at least {POSE_NUMBERS}", words.len()));
    };
    // Nanoseconds since 1970 do not fit into a floating-point number.
    let nanoseconds = time.parse().map_err(|_| format!("{time} is no time in nanoseconds"))?;
    let numbers = pose.iter().copied().map(number).collect::<Result<Vec<_>, _>>()?;
    let [x, y, z, qw, qx, qy, qz] = numbers[..] else {
        return Err("a pose has seven numbers".to_owned());
    };
    Ok((Some(Timestamp(nanoseconds)), isometry([x, y, z], Quaternion::new(qw, qx, qy, qz))?))
}

fn number(word: &str) -> Result<f64, String> {
    let number: f64 = word.parse().map_err(|_| format!("{word} is no number"))?;
    if number.is_finite() { Ok(number) } else { Err(format!("{word} is not finite")) }
}

fn isometry(position: [f64; 3], quaternion: Quaternion<f64>) -> Result<Isometry3<f64>, String> {
    let length = quaternion.norm();
    if (length - 1.0).abs() > UNIT_TOLERANCE {
        return Err(format!("the quaternion has length {length}: a rotation's has 1"));
    }
    Ok(Isometry3::from_parts(Translation3::from(position), UnitQuaternion::from_quaternion(quaternion)))
}

/// From the three rows of a matrix, four numbers each.
fn from_rows(rows: &[f64]) -> Result<Isometry3<f64>, String> {
    let [a, b, c, x, d, e, f, y, g, h, i, z] = rows[..] else {
        return Err("a pose has three rows of four numbers".to_owned());
    };
    let rotation = Matrix3::new(a, b, c, d, e, f, g, h, i);
    let off = (rotation * rotation.transpose() - Matrix3::identity()).amax();
    if off > UNIT_TOLERANCE || rotation.determinant() < 0.0 {
        return Err("the first three columns are no rotation".to_owned());
    }
    Ok(Isometry3::from_parts(Vector3::new(x, y, z).into(), quaternion_from_matrix(&rotation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PathFile, PathFileError> {
        parse(Path::new("path.txt"), text)
    }

    #[test]
    fn all_forms_give_one_pose() {
        let tum = "# timestamp tx ty tz qx qy qz qw\n\n1.5 1 2 3 0 0 0.70710678 0.70710678\n";
        let euroc = "#timestamp [ns],p_RS_R_x [m],…\n1500000000, 1,2,3, 0.70710678,0,0,0.70710678, 9,9,9\n";
        let matrix = "0 -1 0 1 1 0 0 2 0 0 1 3 0 0 0 1\n";
        let kitti = "0 -1 0 1 1 0 0 2 0 0 1 3";
        let expected = Isometry3::new(Vector3::new(1.0, 2.0, 3.0), Vector3::z() * 90_f64.to_radians());
        for text in [tum, euroc, matrix, kitti] {
            let path = read(text).unwrap().placed_in_time(Some(10.0)).unwrap();
            let [pose] = path.poses[..] else { panic!("{} poses in {text}", path.poses.len()) };
            assert!((pose.world_from_camera.to_homogeneous() - expected.to_homogeneous()).norm() < 1e-7);
            let seconds = if text.contains("1.5") || text.contains("15000") { 1.5 } else { 0.0 };
            assert_eq!(pose.timestamp, Timestamp::from_seconds(seconds), "{text}");
        }
        assert_eq!(read(kitti).unwrap().placed_in_time(None), None);
    }

    #[test]
    fn times_are_read_to_the_nanosecond() {
        for (word, nanoseconds) in [
            ("1403636579.763555584", Some(1_403_636_579_763_555_584)),
            ("1403636579.76355558412", Some(1_403_636_579_763_555_584)),
            ("1.403636e+09", Some(1_403_636_000_000_000_000)),
            ("-.5", Some(-500_000_000)),
            ("7", Some(7_000_000_000)),
            ("99999999999", None),
            ("inf", None),
        ] {
            assert_eq!(decimal_seconds(word), nanoseconds.map(Timestamp), "{word}");
        }
    }

    #[test]
    fn what_is_no_pose_is_refused_with_its_line() {
        for (text, words) in [
            ("1 2 3", ["line 1", "3 numbers"]),
            ("\n1 0 0 0 0 0 0 nan", ["line 2", "not finite"]),
            ("1 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1", ["line 2", "not after"]),
            ("1 0 0 0 0 0 0 0", ["line 1", "length 0"]),
            ("1 0 0 0 0 0 0 1\n1 0 0 0 0 1 0 0 0 0 1 0", ["line 2", "mixed"]),
            ("2 0 0 0 0 2 0 0 0 0 2 0", ["line 1", "no rotation"]),
            ("-1 0 0 0 0 1 0 0 0 0 1 0", ["line 1", "no rotation"]),
            ("1.5,0,0,0,1,0,0,0", ["line 1", "nanoseconds"]),
            ("1,0,0", ["line 1", "3 columns"]),
            ("99999999999 0 0 0 0 0 0 1", ["line 1", "the time"]),
            ("{\"format\": 1}", ["line 1", "no number"]),
            ("# nothing\n", ["path.txt", "no pose"]),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
    }
}
