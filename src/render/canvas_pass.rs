//! Puts a picture together: for each panel its background, strokes, the layer of meshes, more strokes.

use bytemuck::{Pod, Zeroable};

use super::device::{Gpu, RenderError, extent};
use super::mesh_pass::Smoothing;
use super::pipeline::{Bindings, GrowingBuffer};
use super::scene::{Area, Background, PixelRange, Scene, Stroke};
use super::stretch::Stretch;
use super::texture::FORMAT;
use crate::frame::PictureSize;

/// Inputs of `stroke` in canvas.wgsl, the same at all four corners. Corners of their own instead of instances: where
/// the processor draws, an instance costs as much as a mesh.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct StrokeVertex {
    ends: [f32; 4],
    radius: f32,
    colour: [u8; 4],
}

const STROKE_PARTS: [wgpu::VertexAttribute; 3] =
    wgpu::vertex_attr_array![0 => Float32x4, 1 => Float32, 2 => Unorm8x4];

/// A quad is a strip of four vertices, or two triangles of them.
const QUAD: std::ops::Range<u32> = 0..4;
const TRIANGLES: [u32; 6] = [0, 1, 2, 2, 1, 3];

pub(super) struct CanvasPass {
    ground: wgpu::RenderPipeline,
    layer: wgpu::RenderPipeline,
    stroke: wgpu::RenderPipeline,
    strokes: GrowingBuffer,
    corners: GrowingBuffer,
    /// Strokes that `corners` is for.
    strokes_known: u32,
    stretch: Stretch,
    /// Where the panels of the last scene lay.
    areas: Vec<Area>,
}

/// What the canvas is made of besides the scene.
pub(super) struct CanvasInputs<'a> {
    pub panels: &'a wgpu::BindGroup,
    /// The layer of meshes.
    pub layer: &'a wgpu::BindGroup,
    pub texture: &'a wgpu::Texture,
    pub target: &'a wgpu::TextureView,
    /// Where the meshes of each panel lie.
    pub parts: &'a [Vec<PixelRange>],
    pub size: PictureSize,
}

impl CanvasPass {
    pub fn new(gpu: &Gpu, bindings: &Bindings, smoothing: Smoothing) -> Self {
        let source = concat!(include_str!("panel.wgsl"), include_str!("canvas.wgsl"));
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("canvas"),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let stroke_buffer = wgpu::VertexBufferLayout {
            array_stride: size_of::<StrokeVertex>() as u64,
            step_mode: wgpu::VertexStepMode::Vertex,
            attributes: &STROKE_PARTS,
        };
        let layer = match smoothing {
            Smoothing::Samples => "layer",
            Smoothing::Edges => "smoothed_layer",
        };
        let over = Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING);
        let (strip, list) = (wgpu::PrimitiveTopology::TriangleStrip, wgpu::PrimitiveTopology::TriangleList);
        let build = |shaders, topology, buffers, blend| {
            pipeline(gpu, bindings, &module, shaders, topology, buffers, blend)
        };
        Self {
            ground: build(["fill", "ground"], strip, &[], None),
            layer: build(["fill", layer], strip, &[], over),
            stroke: build(["stroke", "capsule"], list, &[Some(stroke_buffer)], over),
            strokes: GrowingBuffer::new(gpu, wgpu::BufferUsages::VERTEX),
            corners: GrowingBuffer::new(gpu, wgpu::BufferUsages::INDEX),
            strokes_known: 0,
            stretch: Stretch::default(),
            areas: Vec::new(),
        }
    }

    /// Draws pictures of another size from now on.
    pub fn resize(&mut self) {
        self.areas.clear();
    }

    pub fn record(
        &mut self,
        gpu: &Gpu,
        bindings: &Bindings,
        commands: &mut wgpu::CommandEncoder,
        scene: &Scene,
        inputs: &CanvasInputs,
    ) -> Result<(), RenderError> {
        self.place(gpu, scene, inputs);
        self.lay_pictures(gpu, scene, inputs)?;
        self.upload(gpu, scene);
        let mut pass = begin(commands, inputs.target, wgpu::LoadOp::Load);
        pass.set_vertex_buffer(0, self.strokes.buffer.slice(..));
        pass.set_index_buffer(self.corners.buffer.slice(..), wgpu::IndexFormat::Uint32);
        pass.set_bind_group(1, inputs.layer, &[]);
        let mut first = 0;
        for (index, (panel, parts)) in scene.panels.iter().zip(inputs.parts).enumerate() {
            let corners = TRIANGLES.len() as u32;
            let under = first..first + panel.under.len() as u32 * corners;
            let over = under.end..under.end + panel.over.len() as u32 * corners;
            first = over.end;
            let Some([x, y, width, height]) = panel.area.within(inputs.size) else { continue };
            pass.set_scissor_rect(x, y, width, height);
            pass.set_bind_group(0, inputs.panels, &[bindings.panel_offset(index)]);
            if matches!(panel.background, Background::Plain(_)) {
                pass.set_pipeline(&self.ground);
                pass.draw(QUAD, 0..1);
            }
            pass.set_pipeline(&self.stroke);
            pass.draw_indexed(under, 0, 0..1);
            if !panel.meshes.is_empty() {
                pass.set_pipeline(&self.layer);
                for PixelRange { low, high } in parts {
                    pass.set_scissor_rect(low[0], low[1], high[0] - low[0], high[1] - low[1]);
                    pass.draw(QUAD, 0..1);
                }
                pass.set_pipeline(&self.stroke);
                pass.set_scissor_rect(x, y, width, height);
            }
            pass.draw_indexed(over, 0, 0..1);
        }
        Ok(())
    }

    /// Makes the canvas black where panels lie elsewhere than before, unless the scene lies over the last one.
    fn place(&mut self, gpu: &Gpu, scene: &Scene, inputs: &CanvasInputs) {
        let areas = scene.panels.iter().map(|panel| panel.area);
        if scene.over_last || areas.clone().eq(self.areas.iter().copied()) {
            return;
        }
        self.areas = areas.collect();
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        drop(begin(&mut commands, inputs.target, wgpu::LoadOp::Clear(wgpu::Color::BLACK)));
        // Before the pictures, which are laid on the canvas ahead of the commands of the scene.
        gpu.queue.submit([commands.finish()]);
    }

    /// Lays pictures on the canvas where they are the background of a panel.
    fn lay_pictures(&mut self, gpu: &Gpu, scene: &Scene, inputs: &CanvasInputs) -> Result<(), RenderError> {
        for panel in &scene.panels {
            let Background::Picture { rgb, size } = panel.background else { continue };
            if rgb.len() != size.rgb_bytes() {
                return Err(RenderError::PictureBytes { size, bytes: rgb.len() });
            }
            gpu.check_size(size)?;
            let Some([x, y, width, height]) = panel.area.within(inputs.size) else { continue };
            let rgba = self.stretch.picture(rgb, size, panel.area.size, panel.view.mirrored);
            let target = wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d { x, y, z: 0 },
                ..inputs.texture.as_image_copy()
            };
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(4 * panel.area.size.width as u32),
                rows_per_image: None,
            };
            gpu.queue.write_texture(
                target,
                rgba,
                layout,
                extent(PictureSize::new(width as usize, height as usize)),
            );
        }
        Ok(())
    }

    /// Puts all strokes into the common buffers.
    fn upload(&mut self, gpu: &Gpu, scene: &Scene) {
        let strokes = scene.panels.iter().flat_map(|panel| panel.under.iter().chain(&panel.over));
        let vertices: Vec<[StrokeVertex; 4]> = strokes.map(|stroke| [vertex(stroke); 4]).collect();
        self.strokes.write(gpu, bytemuck::cast_slice(&vertices));
        let count = vertices.len() as u32;
        if count > self.strokes_known {
            self.strokes_known = count.next_power_of_two();
            let corners: Vec<[u32; 6]> =
                (0..self.strokes_known).map(|stroke| TRIANGLES.map(|corner| 4 * stroke + corner)).collect();
            self.corners.write(gpu, bytemuck::cast_slice(&corners));
        }
    }
}

fn begin<'a>(
    commands: &'a mut wgpu::CommandEncoder,
    target: &wgpu::TextureView,
    load: wgpu::LoadOp<wgpu::Color>,
) -> wgpu::RenderPass<'a> {
    commands.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("canvas"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: target,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
        })],
        ..wgpu::RenderPassDescriptor::default()
    })
}

fn vertex(stroke: &Stroke) -> StrokeVertex {
    StrokeVertex {
        ends: [stroke.from.x, stroke.from.y, stroke.to.x, stroke.to.y],
        radius: stroke.radius,
        colour: stroke.colour.0,
    }
}

fn pipeline(
    gpu: &Gpu,
    bindings: &Bindings,
    module: &wgpu::ShaderModule,
    [vertex, fragment]: [&str; 2],
    topology: wgpu::PrimitiveTopology,
    buffers: &[Option<wgpu::VertexBufferLayout>],
    blend: Option<wgpu::BlendState>,
) -> wgpu::RenderPipeline {
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(fragment),
        layout: Some(&bindings.layout),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some(vertex),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers,
        },
        primitive: wgpu::PrimitiveState { topology, ..wgpu::PrimitiveState::default() },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(fragment),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(wgpu::ColorTargetState {
                format: FORMAT,
                blend,
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}
