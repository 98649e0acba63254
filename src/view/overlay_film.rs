//! A whole run as a film.

use std::path::Path;
use std::sync::Arc;

use super::film::Film;
use super::overlay::{Overlay, ViewError};
use crate::event::{FrameHands, Refinement, RunInfo};
use crate::frame::Frame;
use crate::hand::HandModel;
use crate::render::PendingPicture;

/// Listens to a run and writes its overlay film. Dropped before [`OverlayFilm::finish`], it leaves no
/// file.
pub struct OverlayFilm {
    overlay: Overlay,
    film: Film,
    /// The frame before the newest: it is drawn while the newest is prepared.
    pending: Option<PendingPicture>,
}

impl OverlayFilm {
    /// Starts the film `path` at the run's frame rate, of a run with or without a second pass.
    ///
    /// # Errors
    /// [`ViewError`] where this machine cannot draw, has no ffmpeg, or the folder cannot be written to.
    pub fn create(
        path: &Path,
        run: &RunInfo,
        hand_model: Arc<HandModel>,
        second_pass: bool,
    ) -> Result<Self, ViewError> {
        let overlay = Overlay::new(run, hand_model, second_pass)?;
        let film = Film::create(path, overlay.size(), run.fps)?;
        Ok(Self { overlay, film, pending: None })
    }

    /// Appends a frame with its hands, in the order of time.
    ///
    /// # Errors
    /// [`ViewError`] when drawing or writing fails.
    pub fn frame(&mut self, frame: &Frame, hands: &FrameHands) -> Result<(), ViewError> {
        let newest = self.overlay.submit(frame, hands)?;
        self.write_pending()?;
        self.pending = Some(newest);
        Ok(())
    }

    /// Takes frames that the second pass is through with.
    pub fn refined(&mut self, refinement: &Refinement) {
        self.overlay.refined(refinement);
    }

    /// Completes the film and gives it its name.
    ///
    /// # Errors
    /// [`ViewError`] when drawing or writing fails; an older film of the same name is then still there.
    pub fn finish(mut self) -> Result<(), ViewError> {
        self.write_pending()?;
        Ok(self.film.finish()?)
    }

    fn write_pending(&mut self) -> Result<(), ViewError> {
        if let Some(pending) = self.pending.take() {
            self.film.write(&pending.wait()?)?;
        }
        Ok(())
    }
}
