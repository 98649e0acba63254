//! Draws a live run: the scene of the overlay film, the numbers below it.

use std::sync::Arc;
use std::time::Instant;

use super::feed::{LiveNews, LiveScene};
use super::numbers::LiveNumbers;
use super::numbers_panel;
use super::turns::{Due, Turns};
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
    turns: Turns,
    /// The frame that was shown last.
    shown: Option<u64>,
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
            turns: Turns::default(),
            shown: None,
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
        self.turns.begin_anew();
    }

    /// Says in the numbers that the picture is held, or no longer.
    pub fn set_held(&mut self, held: bool) {
        self.held = held;
        self.turns.begin_anew();
    }

    /// Shows the numbers or leaves their room to the scene.
    pub fn show_numbers(&mut self, shown: bool) {
        self.numbers_shown = shown;
        self.turns.begin_anew();
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
        self.turns.begin_anew();
        self.compose(scene, numbers, &Due::all(), |renderer, scene| renderer.draw(scene))
    }

    /// Draws a scene as [`Self::draw`] does and shows it on `screen`; where the processor itself draws, what is beside the
    /// camera's picture is drawn anew ten times a second only. False when the system wanted no picture.
    ///
    /// # Errors
    /// As [`Self::draw`].
    pub fn show(
        &mut self,
        scene: Option<&LiveScene>,
        numbers: &LiveNumbers,
        screen: &mut Screen,
    ) -> Result<bool, RenderError> {
        let due = self.due(scene);
        let shown = self.compose(scene, numbers, &due, |renderer, scene| renderer.show(scene, screen))?;
        if !shown {
            self.turns.begin_anew();
        }
        Ok(shown)
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
        let due = self.due(scene);
        self.compose(scene, numbers, &due, |renderer, scene| renderer.draw_unread(scene))
    }

    /// What of the window is to be drawn anew.
    fn due(&mut self, scene: Option<&LiveScene>) -> Due {
        let sequence = scene.map(|scene| scene.hands.sequence);
        let before = std::mem::replace(&mut self.shown, sequence);
        let goes_on = before.is_some() && sequence.is_some() && before != sequence;
        if !(goes_on && self.renderer.in_software()) {
            self.turns.begin_anew();
        }
        self.turns.next(Instant::now())
    }

    fn compose<T>(
        &mut self,
        live: Option<&LiveScene>,
        numbers: &LiveNumbers,
        due: &Due,
        draw: impl FnOnce(&mut Renderer, &Scene) -> T,
    ) -> T {
        let meshes = live.map(|LiveScene { hands, .. }| {
            self.advance(hands);
            self.scene.meshes(hands, &due.parts)
        });
        let mut panels = match (live, &meshes) {
            (Some(live), Some(meshes)) => self.scene.panels(&live.frame, &live.hands, meshes, &due.parts),
            _ => Vec::new(),
        };
        let numbers_area = self.scene.layout().numbers.filter(|_| due.numbers);
        if let Some(area) = numbers_area {
            panels.push(numbers_panel::panel(area, numbers, self.held));
        }
        draw(&mut self.renderer, &Scene { panels, over_last: *due != Due::all() })
    }
}
