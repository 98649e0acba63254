//! From a scene to a picture.

use super::canvas_pass::{CanvasInputs, CanvasPass};
use super::device::{Gpu, RenderError, extent};
use super::mesh_pass::MeshPass;
use super::pipeline::{Bindings, Edge, GrowingBuffer, PanelUniform};
use super::readback::{PendingPicture, Readback};
use super::scene::Scene;
use super::texture::{FORMAT, Mips, Picture, TextureId};
use crate::frame::PictureSize;

/// Draws scenes to RGB pictures of one size, off-screen.
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
    target: wgpu::Texture,
    target_view: wgpu::TextureView,
    readback: Readback,
}

impl Renderer {
    /// Opens the fastest graphics device for pictures of `size`. The variable `WGPU_BACKEND`
    /// (`vulkan`, `metal`, `dx12`) narrows the choice.
    ///
    /// # Errors
    /// [`RenderError`] when no driver is installed, it refuses to work, or the size does not fit it.
    pub fn new(size: PictureSize) -> Result<Self, RenderError> {
        let gpu = Gpu::open()?;
        gpu.check_size(size)?;
        let bindings = Bindings::new(&gpu);
        let mesh_pass = MeshPass::new(&gpu, &bindings, size);
        let blank = Picture::new(&gpu, PictureSize::new(1, 1), Mips::None)?;
        let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas"),
            size: extent(size),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let renderer = Self {
            canvas_pass: CanvasPass::new(&gpu, &bindings),
            layer: bindings.picture(&gpu, &mesh_pass.layer, Edge::Clamp),
            blank: bindings.picture(&gpu, &blank.view, Edge::Clamp),
            panels: GrowingBuffer::new(&gpu, wgpu::BufferUsages::UNIFORM),
            textures: Vec::new(),
            target_view: target.create_view(&wgpu::TextureViewDescriptor::default()),
            target,
            readback: Readback::new(size),
            size,
            bindings,
            mesh_pass,
            gpu,
        };
        renderer.gpu.check_fault()?;
        Ok(renderer)
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
            CanvasInputs { panels: &panels, layer: &self.layer, target: &self.target_view, size: self.size };
        self.canvas_pass.record(&self.gpu, &self.bindings, &mut commands, scene, &inputs)?;
        Ok(self.readback.submit(&self.gpu, commands, &self.target))
    }

    /// Draws a scene: `height * width * 3` bytes, R G B, rows top to bottom.
    ///
    /// # Errors
    /// As [`Self::submit`] and [`PendingPicture::wait`].
    pub fn draw(&mut self, scene: &Scene) -> Result<Vec<u8>, RenderError> {
        self.submit(scene)?.wait()
    }
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
        let picture = renderer.draw(&Scene { panels: vec![panel(camera.clone(), vec![&mesh])] }).unwrap();
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
    fn the_nearer_of_two_surfaces_is_seen() {
        let Some(mut renderer) = renderer() else { return };
        let wall = |z: f32, colour| {
            let corners = [[-1.0, -1.0, z], [1.0, -1.0, z], [0.0, 2.0, z]].map(Vector3::from);
            Mesh::smooth(corners.to_vec(), Arc::from([[0, 1, 2]]), Paint::Plain(colour))
        };
        let (near, far) = (wall(0.5, Colour::rgb(0, 255, 0)), wall(0.9, Colour::rgb(255, 0, 0)));
        let scene = Scene { panels: vec![panel(CameraModel::from_fov(60.0, SIZE), vec![&near, &far])] };
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
        let picture = renderer.draw(&Scene { panels: vec![right, left] }).unwrap();
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
        let scene = Scene { panels: vec![panel(lens(), vec![&mesh])] };
        assert!(matches!(renderer.draw(&scene), Err(RenderError::Mesh { .. })));
    }
}
