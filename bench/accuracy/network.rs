//! The lite window transformer in the ways it is compared.

use handstream::frame::Timestamp;
use handstream::haptic::{
    HapticError, LiteConfig, LiteHand, LiteHaptic, PlacementMode, SeenHand, SeenInput, StreamConfig,
};
use handstream::jobs::InOrder;
use nalgebra::Vector2;

use super::recording::{Recording, SeenHand2d};

/// How the network is asked.
#[derive(Clone, Copy, PartialEq)]
pub enum Reading {
    /// One frame at a time, depth by box and scale (HaMeR's "Weak2Full").
    Image,
    /// Windows, still each frame's own depth.
    Video,
    /// Windows, depth changes added up as the HaPTIC paper does.
    Chained,
    /// Windows, depth changes with the window's anchor: the default.
    Anchored,
}

/// The network with the windows of a recording's tracks.
pub struct Network(LiteHaptic);

impl Network {
    /// With empty windows.
    ///
    /// # Errors
    /// Where the embedded weights cannot be used.
    pub fn start(reading: Reading) -> Result<Self, HapticError> {
        let stream = match reading {
            // No frame is near enough in time to share a window.
            Reading::Image => StreamConfig { longest_gap_seconds: 0.0, ..StreamConfig::default() },
            _ => StreamConfig::default(),
        };
        let placement = match reading {
            Reading::Image | Reading::Video => PlacementMode::WeakToFull,
            Reading::Chained => PlacementMode::Chained,
            Reading::Anchored => PlacementMode::default(),
        };
        Ok(Self(LiteHaptic::new(LiteConfig { stream, placement })?))
    }

    /// What it says of each hand of the frame, in right-hand space.
    pub fn read(
        &mut self,
        frame: &[SeenHand2d],
        recording: &Recording,
        time: Timestamp,
    ) -> Vec<Option<LiteHand>> {
        let camera = &recording.camera;
        let half_fov = Vector2::new(
            camera.size.width as f64 / 2.0 / camera.fx,
            camera.size.height as f64 / 2.0 / camera.fy,
        );
        let seen = |hand: &SeenHand2d| SeenInput {
            track: hand.track,
            side: hand.observation.side,
            seen: SeenHand::new(&hand.observation, camera).map(|seen| match hand.confidence {
                Some(confidence) => SeenHand { confidence, ..seen },
                None => seen,
            }),
        };
        self.0.update_seen(&frame.iter().map(seen).collect::<Vec<_>>(), half_fov, time, &InOrder)
    }
}
