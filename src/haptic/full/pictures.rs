//! All pictures of one frame, cut side by side.

use super::crop::{Cropper, Cut, Square};
use super::picture::Picture;
use super::taps::Sampling;
use crate::event::Side;
use crate::frame::Frame;
use crate::jobs::{Job, Jobs};

/// Cuts the pictures that a network wants of a frame; keeps their memory from frame to frame.
pub(in crate::haptic) struct Pictures {
    sampling: Sampling,
    easels: Vec<Easel>,
    /// Hands of the last frame.
    crops: usize,
    /// Sides of the whole frames of the last frame, which come after the crops.
    wholes: Vec<Side>,
}

/// A picture and what is needed to cut it.
struct Easel {
    cropper: Cropper,
    picture: Picture,
}

impl Pictures {
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, easels: Vec::new(), crops: 0, wholes: Vec::new() }
    }

    /// Cuts the crop of each hand and, where `whole`, the whole frame for each side among them.
    pub fn cut(&mut self, frame: &Frame, hands: &[Cut], whole: bool, jobs: &dyn Jobs) {
        let mut cuts = hands.to_vec();
        self.crops = hands.len();
        self.wholes.clear();
        if let Some(square) = Square::whole(frame.size).filter(|_| whole) {
            let has = |side: &Side| hands.iter().any(|hand| hand.side == *side);
            self.wholes.extend([Side::Right, Side::Left].into_iter().filter(has));
            cuts.extend(self.wholes.iter().map(|&side| Cut { square, side, blurred: false }));
        }
        while self.easels.len() < cuts.len() {
            self.easels.push(Easel { cropper: Cropper::new(self.sampling), picture: Picture::new() });
        }
        let work = self.easels.iter_mut().zip(&cuts);
        let work = work.map(|(easel, cut)| -> Job<'_> {
            Box::new(move || easel.cropper.cut(frame, cut, &mut easel.picture))
        });
        jobs.run(work.collect());
    }

    /// The crops of the last frame's hands, in order.
    pub fn crops(&self) -> impl Iterator<Item = &Picture> {
        self.easels.iter().take(self.crops).map(|easel| &easel.picture)
    }

    /// The last frame as a whole for hands of `side`, where it was cut.
    pub fn whole(&self, side: Side) -> Option<&Picture> {
        let at = self.wholes.iter().position(|&cut| cut == side)?;
        self.easels.get(self.crops + at).map(|easel| &easel.picture)
    }
}
