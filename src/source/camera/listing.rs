//! What cameras there are and what they offer, for people.

use std::collections::BTreeMap;
use std::fmt;

use super::choice::choose;
use super::{CameraMode, CameraName, CameraRequest, CameraSystem, camera_error};
use crate::frame::PictureSize;
use crate::source::SourceError;

/// Every camera of a machine with its modes.
#[derive(Debug)]
pub struct CameraListing(Vec<ListedCamera>);

#[derive(Debug)]
struct ListedCamera {
    name: CameraName,
    /// Its modes, or why they cannot be had.
    modes: Result<Vec<CameraMode>, SourceError>,
}

impl CameraListing {
    /// Asks `system` for its cameras and each of them for its modes. A camera that does not answer, for
    /// example because another program has it, is listed with the reason.
    ///
    /// # Errors
    /// [`SourceError::Cameras`] where the system gives no list.
    pub fn of(system: &dyn CameraSystem) -> Result<Self, SourceError> {
        let cameras = system.list().map_err(|reason| SourceError::Cameras { reason })?;
        let listed = cameras.into_iter().map(|name| {
            let modes = system.open(name.index).and_then(|mut device| device.modes());
            ListedCamera { modes: modes.map_err(|reason| camera_error(name.index, reason)), name }
        });
        Ok(Self(listed.collect()))
    }
}

impl fmt::Display for CameraListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(
                f,
                "no camera was found: plug one in, or hand it through to this virtual machine or container"
            );
        }
        for ListedCamera { name, modes } in &self.0 {
            writeln!(f, "camera {}: {}", name.index, name.name)?;
            match modes {
                Err(error) => writeln!(f, "  {error}")?,
                Ok(modes) => write_modes(f, modes)?,
            }
        }
        Ok(())
    }
}

/// A line for each size, the largest first, and the mode that is taken without a request.
fn write_modes(f: &mut fmt::Formatter<'_>, modes: &[CameraMode]) -> fmt::Result {
    let mut sizes: BTreeMap<_, Vec<&CameraMode>> = BTreeMap::new();
    for mode in modes {
        let PictureSize { width, height } = mode.size;
        sizes.entry(std::cmp::Reverse((width * height, width))).or_default().push(mode);
    }
    for modes in sizes.values_mut() {
        modes.sort_by_key(|mode| (mode.format, std::cmp::Reverse(mode.fps)));
        let mut line = format!("  {:<10}", modes[0].size.to_string());
        for group in modes.chunk_by(|a, b| a.format == b.format) {
            let mut rates: Vec<_> = group.iter().map(|mode| mode.fps.to_string()).collect();
            rates.dedup();
            line += &format!("  {:<5} {} fps", group[0].format.name(), rates.join(", "));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    match choose(modes, &CameraRequest::default()).first() {
        Some(mode) => writeln!(f, "  taken where nothing is asked for: {mode}"),
        None => writeln!(f, "  it offers no mode that can be decoded"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::{StandIn, webcam};
    use super::*;

    #[test]
    fn each_camera_is_listed_with_its_sizes_and_the_mode_that_would_be_taken() {
        let listing = CameraListing::of(&StandIn::default()).unwrap().to_string();
        let lines: Vec<_> = listing.lines().collect();
        assert_eq!(lines[0], "camera 2: Desk camera");
        assert_eq!(lines[1], "  1280x720    yuyv  10 fps  mjpeg 120, 30 fps");
        assert_eq!(lines[2], "  640x480     yuyv  30 fps  mjpeg 30 fps");
        assert_eq!(lines[3], "  taken where nothing is asked for: 1280x720 30 fps mjpeg");
        assert_eq!(lines.len(), 2 + sizes(&webcam()));
    }

    fn sizes(modes: &[CameraMode]) -> usize {
        let sizes: std::collections::HashSet<_> = modes.iter().map(|mode| mode.size).collect();
        sizes.len()
    }

    #[test]
    fn a_machine_without_cameras_gets_one_sentence() {
        let listing = CameraListing::of(&StandIn::without_cameras()).unwrap().to_string();
        assert!(listing.starts_with("no camera was found") && listing.lines().count() == 1, "{listing}");
    }

    #[test]
    fn a_camera_that_does_not_open_is_listed_with_the_reason() {
        let listing = CameraListing::of(&StandIn::refusing("Device or resource busy (os error 16)"));
        let listing = listing.unwrap().to_string();
        assert!(listing.contains("Desk camera") && listing.contains("another program"), "{listing}");
    }
}
