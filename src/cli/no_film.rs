//! Stands for the overlay film in builds that cannot draw.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use handstream::event::{FrameHands, Refinement, RunInfo};
use handstream::frame::Frame;
use handstream::hand::HandModel;

/// A film that cannot be made.
pub enum OverlayFilm {}

impl OverlayFilm {
    /// Says that this build cannot draw.
    ///
    /// # Errors
    /// Always.
    pub fn create(
        _path: &Path,
        _run: &RunInfo,
        _hand_model: Arc<HandModel>,
        _second_pass: bool,
    ) -> Result<Self> {
        bail!("this build cannot draw overlays: build with the feature `render`, or leave out --overlay")
    }

    /// Never called: no such film exists.
    ///
    /// # Errors
    /// None.
    pub fn frame(&mut self, _frame: &Frame, _hands: &FrameHands) -> Result<()> {
        match *self {}
    }

    /// Never called: no such film exists.
    pub fn refined(&mut self, _refinement: &Refinement) {
        match *self {}
    }

    /// Never called: no such film exists.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<()> {
        match self {}
    }
}
