//! A full-screen window that is all white or all black: what a camera looks at to measure the way from the
//! screen to the picture.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nalgebra::Isometry3;
use winit::application::ApplicationHandler;
use winit::event::{ElementState, KeyEvent, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Fullscreen, Window, WindowId};

use super::live::WindowError;
use super::live::window::{connect, pixels};
use crate::geometry::Pixel;
use crate::render::{Area, Background, Colour, Light, Panel, Projection, Renderer, Scene, Screen, View};

/// Time between two attempts to show a colour that the system did not take.
const AGAIN: Duration = Duration::from_millis(2);

/// One change of colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flash {
    /// When, after the window has opened.
    pub at: Duration,
    /// White, else black.
    pub white: bool,
}

/// The connection to the display. It must be made and used on the main thread.
pub struct FlashWindow(EventLoop<()>);

impl FlashWindow {
    /// Connects to the display; no window yet.
    ///
    /// # Errors
    /// [`WindowError::NoDisplay`].
    pub fn connect() -> Result<Self, WindowError> {
        connect().map(Self)
    }

    /// Opens the window, black, and changes its colour as `flashes` say, in their order; `shown` is told of each when
    /// its picture is on its way to the screen. True when all were shown, false when the user closed the window.
    ///
    /// # Errors
    /// [`WindowError`] when it cannot be opened or drawing fails.
    pub fn show(self, flashes: &[Flash], shown: &mut dyn FnMut(Instant, bool)) -> Result<bool, WindowError> {
        let mut app = App { flashes, shown, next: 0, opened: None, open: None, outcome: Ok(()) };
        let ended = self.0.run_app(&mut app);
        let complete = app.next == flashes.len();
        app.outcome?;
        ended.map_err(|error| WindowError::NoDisplay { reason: error.to_string() })?;
        Ok(complete)
    }
}

struct App<'a> {
    flashes: &'a [Flash],
    shown: &'a mut dyn FnMut(Instant, bool),
    next: usize,
    opened: Option<Instant>,
    open: Option<Open>,
    outcome: Result<(), WindowError>,
}

/// The window on the display.
struct Open {
    window: Arc<Window>,
    renderer: Renderer,
    screen: Screen,
}

impl Open {
    fn new(events: &ActiveEventLoop) -> Result<Self, WindowError> {
        let attributes = Window::default_attributes()
            .with_title("handstream")
            .with_fullscreen(Some(Fullscreen::Borderless(None)));
        let window = events
            .create_window(attributes)
            .map_err(|error| WindowError::NoDisplay { reason: error.to_string() })?;
        window.set_cursor_visible(false);
        let window = Arc::new(window);
        let size = pixels(window.inner_size());
        let (renderer, screen) = Renderer::for_window(Arc::clone(&window), size, size)?;
        Ok(Self { window, renderer, screen })
    }

    /// Fills the window; false when the system takes no picture just now.
    fn fill(&mut self, white: bool) -> Result<bool, WindowError> {
        let colour = if white { Colour::rgb(255, 255, 255) } else { Colour::rgb(0, 0, 0) };
        let view = View {
            projection: Projection::Orthographic { pixels_per_metre: 1.0, centre: Pixel::default() },
            viewer_from_scene: Isometry3::identity(),
            mirrored: false,
            light: Light::default(),
        };
        let panel = Panel {
            area: Area::whole(self.renderer.size()),
            background: Background::Plain(colour),
            under: Vec::new(),
            view,
            meshes: Vec::new(),
            over: Vec::new(),
        };
        Ok(self.renderer.show(&Scene::of(vec![panel]), &mut self.screen)?)
    }
}

impl App<'_> {
    /// Shows the colour whose time has come; then, when to look again.
    fn step(&mut self) -> Result<Option<Instant>, WindowError> {
        let (Some(open), Some(opened)) = (&mut self.open, self.opened) else { return Ok(None) };
        let Some(flash) = self.flashes.get(self.next) else { return Ok(None) };
        let due = opened + flash.at;
        let now = Instant::now();
        if now < due {
            return Ok(Some(due));
        }
        if !open.fill(flash.white)? {
            return Ok(Some(now + AGAIN));
        }
        (self.shown)(Instant::now(), flash.white);
        self.next += 1;
        Ok(self.flashes.get(self.next).map(|next| opened + next.at))
    }

    fn follow(&mut self, events: &ActiveEventLoop) {
        match self.step() {
            Ok(Some(next)) => events.set_control_flow(ControlFlow::WaitUntil(next)),
            Ok(None) => events.exit(),
            Err(error) => {
                self.outcome = Err(error);
                events.exit();
            }
        }
    }
}

impl ApplicationHandler for App<'_> {
    fn new_events(&mut self, events: &ActiveEventLoop, cause: StartCause) {
        if let StartCause::ResumeTimeReached { .. } = cause {
            self.follow(events);
        }
    }

    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.open.is_some() {
            return;
        }
        match Open::new(events).and_then(|mut open| open.fill(false).map(|_| open)) {
            Ok(open) => {
                (self.open, self.opened) = (Some(open), Some(Instant::now()));
                self.follow(events);
            }
            Err(error) => {
                self.outcome = Err(error);
                events.exit();
            }
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::Resized(size) => {
                if let Some(open) = &mut self.open {
                    let size = pixels(size);
                    open.renderer.fit(&mut open.screen, size);
                    if let Err(error) = open.renderer.resize(size) {
                        self.outcome = Err(error.into());
                        events.exit();
                    }
                    open.window.request_redraw();
                }
            }
            WindowEvent::CloseRequested
            | WindowEvent::KeyboardInput {
                event:
                    KeyEvent { state: ElementState::Pressed, logical_key: Key::Named(NamedKey::Escape), .. },
                ..
            } => events.exit(),
            _ => {}
        }
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        // The surface must go before the display does.
        self.open = None;
    }
}
