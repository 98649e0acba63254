//! What a person looks at: overlay films and pictures. Reads events, knows no engine.
//!
//! [`Film`] writes any pictures as a film; [`Overlay`] draws the hands of a frame over it, beside a
//! side view in metres and, in runs with a second pass, the world from above; [`OverlayFilm`] does both for a
//! whole run. [`live`] shows a run while it goes on. `FlashWindow` is what a camera looks at when delays are measured.

mod film;
#[cfg(feature = "window")]
mod flash;
#[cfg(feature = "render")]
mod hand_scene;
#[cfg(feature = "render")]
mod layout;
pub mod live;
#[cfg(feature = "render")]
mod marks;
#[cfg(feature = "render")]
mod overlay;
#[cfg(feature = "render")]
mod overlay_film;
#[cfg(feature = "render")]
mod picture;
#[cfg(feature = "render")]
mod side;
#[cfg(feature = "render")]
mod text;
#[cfg(feature = "render")]
mod world;

pub use film::{Film, FilmError};
#[cfg(feature = "window")]
pub use flash::{Flash, FlashWindow};
#[cfg(feature = "render")]
pub use overlay::{Overlay, ViewError, save_png};
#[cfg(feature = "render")]
pub use overlay_film::OverlayFilm;
