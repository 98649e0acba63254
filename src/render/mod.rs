//! wgpu: hand meshes and scenes to pictures.
//!
//! A [`Scene`] says what to draw and knows nothing of files; a [`Renderer`] turns it into RGB bytes, or
//! shows it on the [`Screen`] of a window.
//! Meshes are drawn with four samples a pixel, or with smoothed edges, into a layer of their own, which is then laid over the
//! background between the strokes below and the strokes above it ([`canvas_pass`]). It runs on any
//! Vulkan, Metal or DirectX 12 driver, Mesa's CPU driver included, and needs no display.

mod canvas_pass;
mod device;
mod mesh_pass;
mod pipeline;
mod readback;
mod renderer;
mod scene;
mod screen;
mod stretch;
#[cfg(test)]
mod tests;
mod texture;

pub use device::RenderError;
pub use readback::PendingPicture;
pub use renderer::Renderer;
pub use scene::{Area, Background, Colour, Light, Mesh, Paint, Panel, Projection, Scene, Stroke, View};
pub use screen::Screen;
pub use texture::TextureId;
