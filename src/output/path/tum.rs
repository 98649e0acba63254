//! Paths in the form of the TUM RGB-D benchmark (Sturm et al., IROS 2012).

use std::fmt::Write;
use std::path::Path;

use crate::files::{PartFile, WriteError};
use crate::geometry::CameraPath;

/// What stands before the frame rate in the head of a path.
pub(super) const RATE_MARK: &str = "frames per second:";

/// What stands in the head of a path whose unit is not known.
pub(super) const UNKNOWN_UNIT: &str = "unit: unknown";

/// Writes one line `timestamp tx ty tz qx qy qz qw` for each pose, `world_from_camera`, seconds and the
/// path's unit, under a head of lines that begin with `#`. Numbers are as long as it takes to read the
/// same ones back; times have all their nanoseconds.
///
/// # Errors
/// [`WriteError`].
pub fn write_tum(file: &Path, path: &CameraPath, fps: f64) -> Result<(), WriteError> {
    let unit = match path.scale_free {
        true => format!("{UNKNOWN_UNIT} (one factor on all translations)"),
        false => "unit: metres".to_owned(),
    };
    let mut text = format!(
        "# camera path, world_from_camera: timestamp tx ty tz qx qy qz qw\n# {RATE_MARK} {fps}\n# {unit}\n"
    );
    for pose in &path.poses {
        let (t, q) = (pose.world_from_camera.translation.vector, pose.world_from_camera.rotation.coords);
        // A string takes everything.
        let _ = writeln!(
            text,
            "{} {} {} {} {} {} {} {}",
            seconds(pose.timestamp.0),
            t.x,
            t.y,
            t.z,
            q.x,
            q.y,
            q.z,
            q.w
        );
    }
    let mut out = PartFile::create(file)?;
    out.write(text.as_bytes())?;
    out.commit()
}

/// Nanoseconds as seconds without rounding.
fn seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let whole = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", whole / 1_000_000_000, whole % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use nalgebra::{Isometry3, Vector3};

    use super::super::read_path;
    use super::*;
    use crate::frame::Timestamp;
    use crate::geometry::CameraPose;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("path.tum");
        let pose = |k: u32| CameraPose {
            sequence: u64::from(k),
            timestamp: Timestamp(1_403_636_579_763_555_584 + i64::from(k) * 33_333_333),
            world_from_camera: Isometry3::new(
                Vector3::new(0.1, -1e-9, 3e5) * f64::from(k),
                Vector3::y() * 0.3,
            ),
        };
        let path = CameraPath { poses: (0..4).map(pose).collect(), scale_free: true };
        write_tum(&file, &path, 29.97).unwrap();
        let read = read_path(&file).unwrap();
        assert_eq!(read.fps, Some(29.97));
        let read = read.placed_in_time(None).unwrap();
        for (read, written) in read.poses.iter().zip(&path.poses) {
            assert_eq!(read.timestamp, written.timestamp);
            assert_eq!(read.world_from_camera.translation, written.world_from_camera.translation);
            assert!(read.world_from_camera.rotation.angle_to(&written.world_from_camera.rotation) < 1e-12);
        }
        assert_eq!(read.poses.len(), 4);
    }

    #[test]
    fn times_before_zero_keep_their_sign() {
        assert_eq!(seconds(-5), "-0.000000005");
    }
}
