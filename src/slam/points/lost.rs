//! What happens once the map is not recognised any more, and until it is seen again.

use nalgebra::Isometry3;

use super::front::{Phase, PointOdometry};
use super::pyramid::Pyramid;
use super::rest::Rest;
use crate::slam::{OdometryState, PixelBox};

/// A lost section counts as seen again where so many times the least points agree.
const CERTAIN: usize = 2;

/// A lost section is looked for in every so manieth frame: before there is a new map, and after.
const LOOK_WITHOUT_MAP: u64 = 3;
const LOOK_WITH_MAP: u64 = 15;

impl PointOdometry {
    /// A frame in which the map is not recognised; after some of them a new section is begun.
    pub(super) fn lose(&mut self, picture: &Pyramid, hidden: &[PixelBox]) -> OdometryState {
        let frames = match self.phase {
            Phase::Lost(frames) => frames + 1,
            _ => 1,
        };
        self.phase = Phase::Lost(frames);
        self.tracks.clear();
        self.velocity = Isometry3::identity();
        if frames > self.config.patience {
            self.map.begin_section(true);
            self.begin(picture, hidden);
        }
        OdometryState::Lost
    }

    /// Looks for the section lost last. Where it is seen it is gone on with; a map made since becomes the lost one.
    pub(super) fn look_for_lost(&mut self, picture: &Pyramid, hidden: &[PixelBox], sequence: u64) {
        let every = match self.phase {
            Phase::Starting => LOOK_WITHOUT_MAP,
            Phase::Tracking => LOOK_WITH_MAP,
            Phase::Lost(_) => return,
        };
        if !self.map.has_lost() || !sequence.is_multiple_of(every) {
            return;
        }
        let tracks = std::mem::take(&mut self.tracks);
        self.map.swap_lost();
        self.find_by_descriptor(picture, hidden);
        let least = CERTAIN * self.config.least_inliers;
        let Some((pose, count)) = self.solve(&[]).filter(|(_, count)| *count >= least) else {
            self.map.swap_lost();
            self.tracks = tracks;
            return;
        };
        if self.phase == Phase::Starting {
            self.map.forget_lost();
        }
        self.phase = Phase::Tracking;
        self.rest = Rest::default();
        self.pose = pose;
        self.velocity = Isometry3::identity();
        self.keyframe = self.map.last_keyframe().unwrap_or(self.keyframe);
        self.keyframe_sequence = sequence;
        self.keyframe_points = count;
    }
}
