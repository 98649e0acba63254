//! From a scene to a picture.

use super::canvas_pass::{CanvasInputs, CanvasPass};
use super::device::{Gpu, RenderError, extent};
use super::mesh_pass::{MeshInputs, MeshPass, Smoothing};
use super::pipeline::{Bindings, Edge, GrowingBuffer, PanelUniform};
use super::readback::{PendingPicture, Readback};
use super::scene::Scene;
use super::screen::Screen;
use super::texture::{FORMAT, Mips, Picture, TextureId};
use crate::frame::PictureSize;

/// The picture being drawn.
struct Canvas {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    /// The canvas as a picture for the screen.
    shown: wgpu::BindGroup,
}

impl Canvas {
    fn new(gpu: &Gpu, bindings: &Bindings, size: PictureSize) -> Self {
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas"),
            size: extent(size),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::COPY_DST
                | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let shown = bindings.picture(gpu, &view, Edge::Clamp);
        Self { texture, view, shown }
    }
}

/// Draws scenes to RGB pictures of one size, off-screen or on the screen of a window.
///
/// Drawing the same scene twice on one device gives the same bytes.
pub struct Renderer {
    gpu: Gpu,
    size: PictureSize,
    bindings: Bindings,
    panels: GrowingBuffer,
    mesh_pass: MeshPass,
    canvas_pass: CanvasPass,
    layer: wgpu::BindGroup,
    blank: wgpu::BindGroup,
    textures: Vec<wgpu::BindGroup>,
    canvas: Canvas,
    readback: Readback,
}

impl Renderer {
    /// Opens the fastest graphics device for pictures of `size`. The variable `WGPU_BACKEND`
    /// (`vulkan`, `metal`, `dx12`) narrows the choice.
    ///
    /// # Errors
    /// [`RenderError`] when no driver is installed, it refuses to work, or the size does not fit it.
    pub fn new(size: PictureSize) -> Result<Self, RenderError> {
        Self::on(Gpu::open()?, size, Smoothing::Samples)
    }

    /// The same for pictures that somebody waits for: where the processor itself draws, edges are smoothed with less
    /// work.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn quick(size: PictureSize) -> Result<Self, RenderError> {
        let gpu = Gpu::open()?;
        let smoothing = quickest(&gpu);
        Self::on(gpu, size, smoothing)
    }

    /// A [quick](Self::quick) renderer for pictures of `size` and the screen of `window` that shows them; the window is
    /// `window_size` pixels large.
    ///
    /// # Errors
    /// As [`Self::new`], or when no driver can show pictures in this window.
    pub fn for_window(
        window: impl Into<wgpu::SurfaceTarget<'static>>,
        window_size: PictureSize,
        size: PictureSize,
    ) -> Result<(Self, Screen), RenderError> {
        let (gpu, surface, config) = Gpu::open_window(window.into(), window_size)?;
        let smoothing = quickest(&gpu);
        let renderer = Self::on(gpu, size, smoothing)?;
        let screen = Screen::new(&renderer.gpu, &renderer.bindings, surface, config);
        renderer.gpu.check_fault()?;
        Ok((renderer, screen))
    }

    fn on(gpu: Gpu, size: PictureSize, smoothing: Smoothing) -> Result<Self, RenderError> {
        gpu.check_size(size)?;
        let bindings = Bindings::new(&gpu);
        let mesh_pass = MeshPass::new(&gpu, &bindings, size, smoothing);
        let blank = Picture::new(&gpu, PictureSize::new(1, 1), Mips::None)?;
        let renderer = Self {
            canvas_pass: CanvasPass::new(&gpu, &bindings, smoothing),
            layer: bindings.picture(&gpu, mesh_pass.layer(), Edge::Clamp),
            blank: bindings.picture(&gpu, &blank.view, Edge::Clamp),
            panels: GrowingBuffer::new(&gpu, wgpu::BufferUsages::UNIFORM),
            textures: Vec::new(),
            canvas: Canvas::new(&gpu, &bindings, size),
            readback: Readback::new(size),
            size,
            bindings,
            mesh_pass,
            gpu,
        };
        renderer.gpu.check_fault()?;
        Ok(renderer)
    }

    /// Draws pictures of another size from now on.
    ///
    /// # Errors
    /// [`RenderError::Size`] when the size does not fit the device; the old one then stays.
    pub fn resize(&mut self, size: PictureSize) -> Result<(), RenderError> {
        self.gpu.check_size(size)?;
        self.mesh_pass.resize(&self.gpu, size);
        self.layer = self.bindings.picture(&self.gpu, self.mesh_pass.layer(), Edge::Clamp);
        self.canvas = Canvas::new(&self.gpu, &self.bindings, size);
        self.canvas_pass.resize();
        self.readback = Readback::new(size);
        self.size = size;
        Ok(())
    }

    /// Whether the processor itself draws.
    pub fn in_software(&self) -> bool {
        self.gpu.software
    }

    /// Name of the device that draws.
    pub fn adapter(&self) -> &str {
        &self.gpu.adapter
    }

    /// Size of the pictures.
    pub fn size(&self) -> PictureSize {
        self.size
    }

    /// Keeps a picture (8-bit RGB rows without padding) for meshes to wear.
    ///
    /// # Errors
    /// [`RenderError`] when the bytes do not fit the size or the size does not fit the device.
    pub fn add_texture(&mut self, rgb: &[u8], size: PictureSize) -> Result<TextureId, RenderError> {
        let mut picture = Picture::new(&self.gpu, size, Mips::Full)?;
        picture.fill(&self.gpu, rgb)?;
        self.textures.push(self.bindings.picture(&self.gpu, &picture.view, Edge::Repeat));
        Ok(TextureId(self.textures.len() - 1))
    }

    /// Starts drawing a scene; the picture is read later, with [`PendingPicture::wait`].
    ///
    /// # Errors
    /// [`RenderError`] when a mesh or a background picture does not fit together.
    pub fn submit(&mut self, scene: &Scene) -> Result<PendingPicture, RenderError> {
        let commands = self.record(scene)?;
        Ok(self.readback.submit(&self.gpu, commands, &self.canvas.texture))
    }

    /// Draws a scene and shows it on `screen`, fitted into the window. False when the system wanted no
    /// picture just now, for example of a hidden window; nothing is lost, the next one may come.
    ///
    /// # Errors
    /// As [`Self::submit`], or when the driver fails.
    pub fn show(&mut self, scene: &Scene, screen: &mut Screen) -> Result<bool, RenderError> {
        let Some(picture) = screen.next_picture(&self.gpu) else {
            self.gpu.check_fault()?;
            return Ok(false);
        };
        let mut commands = self.record(scene)?;
        screen.record(&mut commands, &picture, &self.canvas.shown, self.size);
        self.gpu.queue.submit([commands.finish()]);
        self.gpu.queue.present(picture);
        self.gpu.check_fault()?;
        Ok(true)
    }

    /// Draws a scene and waits until it is drawn; nobody sees it.
    ///
    /// # Errors
    /// As [`Self::submit`], or when the driver fails.
    pub fn draw_unread(&mut self, scene: &Scene) -> Result<(), RenderError> {
        let commands = self.record(scene)?;
        let submission = self.gpu.queue.submit([commands.finish()]);
        self.gpu.wait(submission)
    }

    /// Fits `screen` to a window that is now `size` pixels large.
    pub fn fit(&self, screen: &mut Screen, size: PictureSize) {
        screen.resize(&self.gpu, size);
    }

    /// The commands that draw a scene on the canvas.
    fn record(&mut self, scene: &Scene) -> Result<wgpu::CommandEncoder, RenderError> {
        let uniforms: Vec<PanelUniform> =
            scene.panels.iter().map(|panel| PanelUniform::new(panel, self.size)).collect();
        let panels = self.bindings.panels(&self.gpu, &mut self.panels, &uniforms);
        let mut commands = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let parts: Vec<_> = scene.panels.iter().map(|panel| panel.mesh_parts(self.size)).collect();
        let inputs = MeshInputs {
            panels: &panels,
            textures: &self.textures,
            blank: &self.blank,
            parts: &parts,
            size: self.size,
        };
        self.mesh_pass.record(&self.gpu, &self.bindings, &mut commands, scene, &inputs)?;
        // The meshes are drawn while the rest is still put together.
        self.gpu.queue.submit([commands.finish()]);
        let mut commands = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let inputs = CanvasInputs {
            panels: &panels,
            layer: &self.layer,
            texture: &self.canvas.texture,
            target: &self.canvas.view,
            parts: &parts,
            size: self.size,
        };
        self.canvas_pass.record(&self.gpu, &self.bindings, &mut commands, scene, &inputs)?;
        Ok(commands)
    }

    /// Draws a scene: `height * width * 3` bytes, R G B, rows top to bottom.
    ///
    /// # Errors
    /// As [`Self::submit`] and [`PendingPicture::wait`].
    pub fn draw(&mut self, scene: &Scene) -> Result<Vec<u8>, RenderError> {
        self.submit(scene)?.wait()
    }
}

fn quickest(gpu: &Gpu) -> Smoothing {
    if gpu.software { Smoothing::Edges } else { Smoothing::Samples }
}
