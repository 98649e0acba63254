//! Draws a live run: the scene of the overlay film, the numbers below it.

use std::sync::Arc;

use super::feed::{LiveNews, LiveScene};
use super::numbers::LiveNumbers;
use super::numbers_panel;
use crate::event::{FrameHands, RunInfo};
use crate::frame::PictureSize;
use crate::hand::HandModel;
use crate::render::{RenderError, Renderer, Scene, Screen};
use crate::view::hand_scene::HandScene;
use crate::view::layout::Layout;

/// Draws a live run off-screen or on the screen of a window, both from one scene.
pub struct LiveView {
    renderer: Renderer,
    scene: HandScene,
    frame: PictureSize,
    second_pass: bool,
    numbers_shown: bool,
    held: bool,
    /// The last frame whose hands the side view has taken.
    advanced: Option<u64>,
}

impl LiveView {
    /// Pictures of `size` of one run, with or without a second pass.
    ///
    /// # Errors
    /// [`RenderError`] where this machine cannot draw.
    pub fn new(
        run: &RunInfo,
        hand_model: Arc<HandModel>,
        size: PictureSize,
        second_pass: bool,
    ) -> Result<Self, RenderError> {
        Ok(Self::drawn_by(Renderer::quick(size)?, run, hand_model, second_pass))
    }

    /// Pictures by an open renderer, of its size.
    pub fn drawn_by(
        renderer: Renderer,
        run: &RunInfo,
        hand_model: Arc<HandModel>,
        second_pass: bool,
    ) -> Self {
        let layout = Layout::window(renderer.size(), run.size, true, second_pass);
        Self {
            scene: HandScene::new(run, hand_model, layout),
            frame: run.size,
            renderer,
            second_pass,
            numbers_shown: true,
            held: false,
            advanced: None,
        }
    }

    /// Name of the device that draws.
    pub fn adapter(&self) -> &str {
        self.renderer.adapter()
    }

    /// Size of the pictures.
    pub fn size(&self) -> PictureSize {
        self.renderer.size()
    }

    /// Shows the camera's picture as in a mirror, or as it is.
    pub fn set_mirrored(&mut self, mirrored: bool) {
        self.scene.mirrored = mirrored;
    }

    /// Says in the numbers that the picture is held, or no longer.
    pub fn set_held(&mut self, held: bool) {
        self.held = held;
    }

    /// Shows the numbers or leaves their room to the scene.
    pub fn show_numbers(&mut self, shown: bool) {
        self.numbers_shown = shown;
        self.scene.arrange(Layout::window(self.size(), self.frame, shown, self.second_pass));
    }

    /// Draws pictures of another size from now on.
    ///
    /// # Errors
    /// [`RenderError::Size`] when the size does not fit the device; the old one then stays.
    pub fn resize(&mut self, size: PictureSize) -> Result<(), RenderError> {
        self.renderer.resize(size)?;
        self.show_numbers(self.numbers_shown);
        Ok(())
    }

    /// Fits `screen` to a window that is now `size` pixels large.
    pub fn fit(&self, screen: &mut Screen, size: PictureSize) {
        self.renderer.fit(screen, size);
    }

    /// Takes what happened since the last picture.
    pub fn follow(&mut self, news: &LiveNews) {
        news.refined.iter().for_each(|refinement| self.scene.refined(refinement));
        news.hands.iter().for_each(|hands| self.advance(hands));
    }

    /// Takes the hands of a frame, once.
    fn advance(&mut self, hands: &FrameHands) {
        if self.advanced.is_none_or(|newest| hands.sequence > newest) {
            self.advanced = Some(hands.sequence);
            self.scene.advance(hands);
        }
    }

    /// The picture of a scene, or of the numbers alone while there is none: RGB bytes of [`Self::size`].
    /// Scenes come in the order of their time; one may come again.
    ///
    /// # Errors
    /// [`RenderError`] when the frame does not fit its size or the driver fails.
    pub fn draw(&mut self, scene: Option<&LiveScene>, numbers: &LiveNumbers) -> Result<Vec<u8>, RenderError> {
        self.compose(scene, numbers, |renderer, scene| renderer.draw(scene))
    }

    /// Draws the same picture as [`Self::draw`] and shows it on `screen`. False when the system wanted none.
    ///
    /// # Errors
    /// As [`Self::draw`].
    pub fn show(
        &mut self,
        scene: Option<&LiveScene>,
        numbers: &LiveNumbers,
        screen: &mut Screen,
    ) -> Result<bool, RenderError> {
        self.compose(scene, numbers, |renderer, scene| renderer.show(scene, screen))
    }

    /// Draws what [`Self::show`] would show next, for nobody, and waits until it is drawn.
    ///
    /// # Errors
    /// As [`Self::draw`].
    pub fn draw_unread(
        &mut self,
        scene: Option<&LiveScene>,
        numbers: &LiveNumbers,
    ) -> Result<(), RenderError> {
        self.compose(scene, numbers, |renderer, scene| renderer.draw_unread(scene))
    }

    fn compose<T>(
        &mut self,
        live: Option<&LiveScene>,
        numbers: &LiveNumbers,
        draw: impl FnOnce(&mut Renderer, &Scene) -> T,
    ) -> T {
        let meshes = live.map(|LiveScene { hands, .. }| {
            self.advance(hands);
            self.scene.meshes(hands)
        });
        let mut panels = match (live, &meshes) {
            (Some(live), Some(meshes)) => self.scene.panels(&live.frame, &live.hands, meshes),
            _ => Vec::new(),
        };
        if let Some(area) = self.scene.layout().numbers {
            panels.push(numbers_panel::panel(area, numbers, self.held));
        }
        draw(&mut self.renderer, &Scene::of(panels))
    }
}
