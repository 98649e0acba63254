//! A run while it goes on: the newest scene and the numbers of the last seconds.
//!
//! The run's listener gives every event to a [`LiveFeed`]; whoever shows the run takes the newest scene
//! and the [`LiveNumbers`] from it, at its own pace. [`LiveView`] draws them off-screen or in a window;
//! `LiveWindow` opens one and listens to keys.

mod feed;
#[cfg(feature = "render")]
mod keys;
mod numbers;
#[cfg(feature = "render")]
mod numbers_panel;
#[cfg(feature = "render")]
mod scene_view;
#[cfg(feature = "render")]
mod turns;
#[cfg(feature = "window")]
pub(super) mod window;

pub use feed::{LiveFeed, LiveNews, LiveScene};
#[cfg(feature = "window")]
pub use keys::Request;
pub use numbers::{LiveNumbers, SecondPassNumbers, StageNumbers};
#[cfg(feature = "render")]
pub use scene_view::LiveView;
#[cfg(feature = "window")]
pub use window::{LiveWindow, WindowError, WindowOptions};
