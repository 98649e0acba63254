//! The live window: shows what the feed has, listens to keys. It knows no engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use winit::application::ApplicationHandler;
use winit::dpi::{LogicalSize, PhysicalSize};
use winit::error::EventLoopError;
use winit::event::{ElementState, KeyEvent, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

use super::feed::{LiveFeed, LiveScene};
use super::keys::{Action, Request, action};
use super::scene_view::LiveView;
use crate::event::RunInfo;
use crate::files::WriteError;
use crate::frame::PictureSize;
use crate::hand::HandModel;
use crate::render::{RenderError, Renderer, Screen};
use crate::view::save_png;

/// Size of the window at first, and of the largest picture drawn for it; larger windows show it enlarged.
const FIRST_SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
const LARGEST_PICTURE: PictureSize = PictureSize { width: 1920, height: 1200 };
/// The numbers are drawn anew after this time where no frame comes.
const IDLE: Duration = Duration::from_millis(250);

/// Why no window can be shown.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// There is no display, or its libraries are missing.
    #[error(
        "no window can be opened ({reason}): start this in a desktop session, or add --headless for the numbers \
         alone"
    )]
    NoDisplay {
        /// The system's words.
        reason: String,
    },
    /// Drawing failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A still could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// How the window behaves.
#[derive(Clone, Debug, Default)]
pub struct WindowOptions {
    /// Folder for stills.
    pub stills: PathBuf,
    /// Whether the run has a second pass.
    pub second_pass: bool,
    /// Shows the camera's picture as in a mirror at first.
    pub mirrored: bool,
    /// Closes the window when the run is over, instead of showing its last frame.
    pub close_at_end: bool,
}

/// The connection to the display. It must be made and used on the main thread.
pub struct LiveWindow(EventLoop<()>);

impl LiveWindow {
    /// Connects to the display; no window yet.
    ///
    /// # Errors
    /// [`WindowError::NoDisplay`].
    pub fn connect() -> Result<Self, WindowError> {
        connect().map(Self)
    }

    /// What tells the window, from any thread, that its feed has news.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let proxy = self.0.create_proxy();
        // A window that is closed already needs no news.
        move || _ = proxy.send_event(())
    }

    /// Opens the window and shows what `feed` has until the user closes it; `ask` is told what keys ask for.
    ///
    /// # Errors
    /// [`WindowError`] when it cannot be opened or drawing fails.
    pub fn show(
        self,
        run: RunInfo,
        hand_model: Arc<HandModel>,
        feed: Arc<LiveFeed>,
        options: WindowOptions,
        ask: impl FnMut(Request) + 'static,
    ) -> Result<(), WindowError> {
        let mut app = App {
            ask: Box::new(ask),
            mirrored: options.mirrored,
            run,
            hand_model,
            feed,
            options,
            open: None,
            scene: None,
            held: false,
            numbers_shown: true,
            outcome: Ok(()),
        };
        let ended = self.0.run_app(&mut app);
        app.outcome?;
        ended.map_err(|error| WindowError::NoDisplay { reason: error.to_string() })
    }
}

struct App {
    ask: Box<dyn FnMut(Request)>,
    run: RunInfo,
    hand_model: Arc<HandModel>,
    feed: Arc<LiveFeed>,
    options: WindowOptions,
    open: Option<Open>,
    scene: Option<LiveScene>,
    held: bool,
    mirrored: bool,
    numbers_shown: bool,
    outcome: Result<(), WindowError>,
}

/// The window on the display.
struct Open {
    window: Arc<Window>,
    view: LiveView,
    screen: Screen,
}

impl App {
    fn open(&self, events: &ActiveEventLoop) -> Result<Open, WindowError> {
        let size = LogicalSize::new(FIRST_SIZE.width as f64, FIRST_SIZE.height as f64);
        let attributes = Window::default_attributes()
            .with_title(format!("handstream - {}", self.run.source))
            .with_inner_size(size);
        let window = events
            .create_window(attributes)
            .map_err(|error| WindowError::NoDisplay { reason: error.to_string() })?;
        let window = Arc::new(window);
        let physical = pixels(window.inner_size());
        let (renderer, screen) = Renderer::for_window(Arc::clone(&window), physical, picture_size(&window))?;
        let mut view =
            LiveView::drawn_by(renderer, &self.run, Arc::clone(&self.hand_model), self.options.second_pass);
        view.set_mirrored(self.mirrored);
        Ok(Open { window, view, screen })
    }

    /// Draws the newest scene, or the held one.
    fn draw(&mut self) -> Result<(), WindowError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if !self.held || self.scene.is_none() {
            let news = self.feed.take();
            open.view.follow(&news);
            self.scene = news.scene.or_else(|| self.scene.take());
        }
        open.view.show(self.scene.as_ref(), &self.feed.numbers(), &mut open.screen)?;
        Ok(())
    }

    fn resize(&mut self, size: PhysicalSize<u32>) -> Result<(), WindowError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if size.width > 0 && size.height > 0 {
            open.view.fit(&mut open.screen, pixels(size));
            open.view.resize(picture_size(&open.window))?;
        }
        Ok(())
    }

    fn key(&mut self, key: &Key, events: &ActiveEventLoop) -> Result<(), WindowError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        match action(&name(key)) {
            None => return Ok(()),
            Some(Action::Quit) => events.exit(),
            Some(Action::Hold) => {
                self.held = !self.held;
                open.view.set_held(self.held);
            }
            Some(Action::Mirror) => {
                self.mirrored = !self.mirrored;
                open.view.set_mirrored(self.mirrored);
            }
            Some(Action::Numbers) => {
                self.numbers_shown = !self.numbers_shown;
                open.view.show_numbers(self.numbers_shown);
            }
            Some(Action::Still) => self.save_still()?,
            Some(Action::Ask(request)) => (self.ask)(request),
        }
        self.redraw();
        Ok(())
    }

    fn save_still(&mut self) -> Result<(), WindowError> {
        let (Some(open), Some(scene)) = (&mut self.open, &self.scene) else { return Ok(()) };
        let rgb = open.view.draw(Some(scene), &self.feed.numbers())?;
        let path = self.options.stills.join(format!("still-{:06}.png", scene.hands.sequence));
        save_png(&path, &rgb, open.view.size())?;
        println!("still: {}", path.display());
        Ok(())
    }

    fn redraw(&self) {
        if let Some(open) = &self.open {
            open.window.request_redraw();
        }
    }

    /// Ends with what went wrong.
    fn done(&mut self, outcome: Result<(), WindowError>, events: &ActiveEventLoop) {
        if outcome.is_err() {
            self.outcome = outcome;
            events.exit();
        }
    }
}

impl ApplicationHandler for App {
    fn new_events(&mut self, events: &ActiveEventLoop, cause: StartCause) {
        if let StartCause::ResumeTimeReached { .. } = cause {
            self.redraw();
        }
        events.set_control_flow(ControlFlow::WaitUntil(Instant::now() + IDLE));
    }

    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.open.is_none() {
            match self.open(events) {
                Ok(open) => self.open = Some(open),
                Err(error) => self.done(Err(error), events),
            }
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, (): ()) {
        if self.options.close_at_end && self.feed.ended() {
            events.exit();
        }
        self.redraw();
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let outcome = match event {
            WindowEvent::CloseRequested => {
                events.exit();
                Ok(())
            }
            WindowEvent::Resized(size) => self.resize(size),
            WindowEvent::RedrawRequested => self.draw(),
            WindowEvent::KeyboardInput {
                event: KeyEvent { state: ElementState::Pressed, repeat: false, logical_key, .. },
                ..
            } => self.key(&logical_key, events),
            _ => Ok(()),
        };
        self.done(outcome, events);
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        // The surface must go before the display does.
        self.open = None;
    }
}

/// A key's name in the table of keys.
fn name(key: &Key) -> String {
    match key {
        Key::Named(NamedKey::Escape) => "q".to_owned(),
        Key::Named(NamedKey::Space) => "space".to_owned(),
        Key::Character(letter) if letter == " " => "space".to_owned(),
        Key::Character(letter) => letter.to_lowercase(),
        _ => String::new(),
    }
}

/// Connects to the display.
pub(in crate::view) fn connect() -> Result<EventLoop<()>, WindowError> {
    // Where a library of the desktop is missing, winit panics.
    let connected = quietly(EventLoop::new)
        .map_err(|()| WindowError::NoDisplay { reason: "a library of the desktop is missing".into() })?;
    let no_display = |error: EventLoopError| WindowError::NoDisplay { reason: words(&error.to_string()) };
    connected.map_err(no_display)
}

/// A window's size in pixels, at least one.
pub(in crate::view) fn pixels(size: PhysicalSize<u32>) -> PictureSize {
    PictureSize::new((size.width as usize).max(1), (size.height as usize).max(1))
}

/// Size of the picture drawn for a window: its own in the desktop's units, so that letters keep theirs on
/// fine screens, within limits.
fn picture_size(window: &Window) -> PictureSize {
    let size: LogicalSize<f64> = window.inner_size().to_logical(window.scale_factor());
    let limit = |side: f64, largest: usize| side / largest as f64;
    let over = limit(size.width, LARGEST_PICTURE.width).max(limit(size.height, LARGEST_PICTURE.height));
    let side = |pixels: f64| ((pixels / over.max(1.0)).round() as usize).max(1);
    PictureSize::new(side(size.width), side(size.height))
}

/// The system's words without winit's own source file, which it names first: `os error at FILE.rs:1: …`.
fn words(error: &str) -> String {
    let own = error.split_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map(|(_, words)| words);
    own.unwrap_or(error).trim_end_matches('.').to_owned()
}

/// What `work` returns; an error, without a word on the terminal, where it panics.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, ()> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    outcome.map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_come_without_source_files() {
        let error = "os error at /some/winit-0.30/src/linux/mod.rs:765: neither A nor DISPLAY is set.";
        assert_eq!(words(error), "neither A nor DISPLAY is set");
        assert_eq!(words("not supported"), "not supported");
    }

    #[test]
    fn keys_mean_the_same_with_and_without_shift_and_escape_closes() {
        let [r, shifted] = ["r", "R"].map(|letter| action(&name(&Key::Character(letter.into()))));
        assert_eq!((r, shifted), (Some(Action::Ask(Request::Record)), r));
        assert_eq!(action(&name(&Key::Named(NamedKey::Escape))), Some(Action::Quit));
        assert_eq!(action(&name(&Key::Named(NamedKey::Space))), Some(Action::Hold));
        assert_eq!(action(&name(&Key::Named(NamedKey::F1))), None);
    }

    #[test]
    fn work_that_panics_is_an_error() {
        assert_eq!(quietly(|| 3), Ok(3));
        assert_eq!(quietly(|| -> u8 { panic!("as a missing library would") }), Err(()));
    }
}
