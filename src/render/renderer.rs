//! From a scene to a picture.

use super::canvas_pass::{CanvasInputs, CanvasPass};
use super::device::{Gpu, RenderError, extent};
use super::mesh_pass::{MeshPass, Smoothing};
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
        self.mesh_pass.record(
            &self.gpu,
            &self.bindings,
            &mut commands,
            scene,
            &panels,
            &self.textures,
            &self.blank,
            self.size,
        )?;
        let inputs =
            CanvasInputs { panels: &panels, layer: &self.layer, target: &self.canvas.view, size: self.size };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nalgebra::{Isometry3, Vector3};

    use super::super::*;
    use super::*;
    use crate::geometry::{CameraModel, CameraPoint, Pixel};

    const SIZE: PictureSize = PictureSize { width: 96, height: 64 };

    /// A renderer, or `None` with a printed reason where this machine cannot draw.
    fn renderer() -> Option<Renderer> {
        match Renderer::new(SIZE) {
            Ok(renderer) => Some(renderer),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    fn panel<'a>(camera: CameraModel, meshes: Vec<&'a Mesh>) -> Panel<'a> {
        Panel {
            area: Area::whole(SIZE),
            background: Background::Plain(Colour::rgb(0, 0, 200)),
            under: Vec::new(),
            view: View {
                projection: Projection::Camera(camera),
                viewer_from_scene: Isometry3::identity(),
                mirrored: false,
                light: Light::default(),
            },
            meshes,
            over: Vec::new(),
        }
    }

    fn at(picture: &[u8], x: usize, y: usize) -> [u8; 3] {
        let start = (y * SIZE.width + x) * 3;
        [picture[start], picture[start + 1], picture[start + 2]]
    }

    fn lens() -> CameraModel {
        CameraModel { distortion: [0.1, -0.05, 0.01, -0.02, 0.0], ..CameraModel::from_fov(70.0, SIZE) }
    }

    #[test]
    fn a_triangle_lands_where_the_camera_model_projects_it() {
        let Some(mut renderer) = renderer() else { return };
        let camera = lens();
        let corners = [[-0.25, -0.1, 0.6], [0.3, -0.05, 0.8], [-0.05, 0.12, 0.5]].map(Vector3::from);
        let paint = Paint::Plain(Colour::rgb(250, 40, 40));
        let mesh = Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), paint);
        let picture = renderer.draw(&Scene::of(vec![panel(camera.clone(), vec![&mesh])])).unwrap();
        let centre = corners.iter().sum::<Vector3<f32>>() / 3.0;
        for corner in corners {
            let pixel = |point: Vector3<f32>| {
                let pixel = camera.project(CameraPoint(point)).unwrap();
                at(&picture, pixel.x.round() as usize, pixel.y.round() as usize)
            };
            let inside = pixel(corner + (centre - corner) * 0.2);
            let outside = pixel(corner - (centre - corner) * 0.2);
            assert!(inside[0] > inside[2], "inside is {inside:?}");
            assert_eq!(outside, [0, 0, 200]);
        }
    }

    #[test]
    fn a_mirrored_panel_is_the_mirror_image_with_background_and_meshes() {
        let Some(mut renderer) = renderer() else { return };
        let corners = [[0.1, -0.1, 0.6], [0.3, -0.05, 0.8], [0.2, 0.12, 0.5]].map(Vector3::from);
        let mesh =
            Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(250, 40, 40)));
        let rgb: Vec<u8> = [[10, 20, 30], [200, 210, 220]].concat();
        let mut plain = panel(lens(), vec![&mesh]);
        plain.background = Background::Picture { rgb: &rgb, size: PictureSize::new(2, 1) };
        let mut mirrored = plain.clone();
        mirrored.view.mirrored = true;
        let point = corners.iter().sum::<Vector3<f32>>() / 3.0;
        let at_sides = [plain.view.project(point, SIZE), mirrored.view.project(point, SIZE)];
        let [left, right] = at_sides.map(|pixel| pixel.unwrap().x);
        assert!((left + right - (SIZE.width as f32 - 1.0)).abs() < 1e-3);
        let plain = renderer.draw(&Scene::of(vec![plain])).unwrap();
        let mirrored = renderer.draw(&Scene::of(vec![mirrored])).unwrap();
        let all = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y)));
        let differ = |&(x, y): &(usize, usize)| {
            let (a, b) = (at(&plain, x, y), at(&mirrored, SIZE.width - 1 - x, y));
            (0..3).any(|k| a[k].abs_diff(b[k]) > 3)
        };
        // Edges of triangles may fall to the other pixel.
        let differing = all.filter(differ).count();
        assert!(differing < SIZE.width * SIZE.height / 25, "{differing} pixels differ");
    }

    #[test]
    fn a_resized_renderer_draws_pictures_of_the_new_size() {
        let Some(mut renderer) = renderer() else { return };
        renderer.resize(PictureSize::new(70, 50)).unwrap();
        let picture = renderer.draw(&Scene::of(vec![panel(lens(), Vec::new())])).unwrap();
        assert_eq!((renderer.size(), picture.len()), (PictureSize::new(70, 50), 70 * 50 * 3));
        assert_eq!(picture[..3], [0, 0, 200]);
        assert!(renderer.resize(PictureSize::new(0, 50)).is_err());
    }

    #[test]
    fn the_nearer_of_two_surfaces_is_seen() {
        let Some(mut renderer) = renderer() else { return };
        let wall = |z: f32, colour| {
            let corners = [[-1.0, -1.0, z], [1.0, -1.0, z], [0.0, 2.0, z]].map(Vector3::from);
            Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(colour))
        };
        let (near, far) = (wall(0.5, Colour::rgb(0, 255, 0)), wall(0.9, Colour::rgb(255, 0, 0)));
        let scene = Scene::of(vec![panel(CameraModel::from_fov(60.0, SIZE), vec![&near, &far])]);
        let [red, green, _] = at(&renderer.draw(&scene).unwrap(), 48, 32);
        assert!(green > red);
    }

    #[test]
    fn strokes_and_backgrounds_stay_in_their_panel() {
        let Some(mut renderer) = renderer() else { return };
        let rgb: Vec<u8> = [[10, 20, 30], [200, 210, 220]].concat();
        let mut left = panel(CameraModel::from_fov(60.0, SIZE), Vec::new());
        left.area = Area { x: 0, y: 0, size: PictureSize::new(48, 64) };
        left.background = Background::Picture { rgb: &rgb, size: PictureSize::new(1, 2) };
        left.over =
            vec![Stroke::line(Pixel::new(10.0, 32.0), Pixel::new(90.0, 32.0), 3.0, Colour::rgb(255, 0, 0))];
        let mut right = panel(CameraModel::from_fov(60.0, SIZE), Vec::new());
        right.area = Area { x: 48, ..left.area };
        let picture = renderer.draw(&Scene::of(vec![right, left])).unwrap();
        assert_eq!(at(&picture, 2, 0), [10, 20, 30]);
        assert_eq!(at(&picture, 30, 32), [255, 0, 0]);
        assert_eq!(at(&picture, 47, 32), [255, 0, 0]);
        assert_eq!(at(&picture, 48, 32), [0, 0, 200]);
    }

    #[test]
    fn a_mesh_with_a_missing_vertex_is_refused() {
        let Some(mut renderer) = renderer() else { return };
        let mut mesh =
            Mesh::smooth(vec![Vector3::z(); 3], Arc::from([[0, 1, 2]]), Paint::Plain(Colour::rgb(1, 1, 1)));
        mesh.faces = Arc::from([[0, 1, 3]]);
        let scene = Scene::of(vec![panel(lens(), vec![&mesh])]);
        assert!(matches!(renderer.draw(&scene), Err(RenderError::Mesh { .. })));
    }
}
