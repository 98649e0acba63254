//! Puts a picture together: for each panel its background, strokes, the layer of meshes, more strokes.

use bytemuck::{Pod, Zeroable};

use super::device::{Gpu, RenderError};
use super::mesh_pass::Smoothing;
use super::pipeline::{Bindings, Edge, GrowingBuffer};
use super::scene::{Background, Colour, PixelRange, Scene, Stroke};
use super::texture::{FORMAT, Mips, Picture};
use crate::frame::PictureSize;

/// Inputs of `stroke` in canvas.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct StrokeInstance {
    ends: [f32; 4],
    radius: f32,
    colour: [u8; 4],
}

const STROKE_PARTS: [wgpu::VertexAttribute; 3] =
    wgpu::vertex_attr_array![0 => Float32x4, 1 => Float32, 2 => Unorm8x4];

/// A quad is a strip of four vertices.
const QUAD: std::ops::Range<u32> = 0..4;

pub(super) struct CanvasPass {
    background: wgpu::RenderPipeline,
    layer: wgpu::RenderPipeline,
    stroke: wgpu::RenderPipeline,
    strokes: GrowingBuffer,
    /// Backgrounds of the panels, kept while their size stays.
    backgrounds: Vec<(Picture, wgpu::BindGroup)>,
}

/// What the canvas is made of besides the scene.
pub(super) struct CanvasInputs<'a> {
    pub panels: &'a wgpu::BindGroup,
    /// The layer of meshes.
    pub layer: &'a wgpu::BindGroup,
    pub target: &'a wgpu::TextureView,
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
            array_stride: size_of::<StrokeInstance>() as u64,
            step_mode: wgpu::VertexStepMode::Instance,
            attributes: &STROKE_PARTS,
        };
        let layer = match smoothing {
            Smoothing::Samples => "layer",
            Smoothing::Edges => "smoothed_layer",
        };
        let over = Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING);
        let build = |vertex, fragment, buffers, blend| {
            pipeline(gpu, bindings, &module, [vertex, fragment], buffers, blend)
        };
        Self {
            background: build("fill", "background", &[], None),
            layer: build("fill", layer, &[], over),
            stroke: build("stroke", "capsule", &[Some(stroke_buffer)], over),
            strokes: GrowingBuffer::new(gpu, wgpu::BufferUsages::VERTEX),
            backgrounds: Vec::new(),
        }
    }

    pub fn record(
        &mut self,
        gpu: &Gpu,
        bindings: &Bindings,
        commands: &mut wgpu::CommandEncoder,
        scene: &Scene,
        inputs: &CanvasInputs,
    ) -> Result<(), RenderError> {
        self.fill_backgrounds(gpu, bindings, scene)?;
        let instances: Vec<StrokeInstance> =
            scene.panels.iter().flat_map(|p| p.under.iter().chain(&p.over)).map(instance).collect();
        self.strokes.write(gpu, bytemuck::cast_slice(&instances));
        let mut pass = commands.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("canvas"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: inputs.target,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..wgpu::RenderPassDescriptor::default()
        });
        pass.set_vertex_buffer(0, self.strokes.buffer.slice(..));
        let mut first = 0;
        for (index, (panel, (_, background))) in scene.panels.iter().zip(&self.backgrounds).enumerate() {
            let under = first..first + panel.under.len() as u32;
            let over = under.end..under.end + panel.over.len() as u32;
            first = over.end;
            let Some([x, y, width, height]) = panel.area.within(inputs.size) else { continue };
            pass.set_scissor_rect(x, y, width, height);
            pass.set_bind_group(0, inputs.panels, &[bindings.panel_offset(index)]);
            pass.set_bind_group(1, background, &[]);
            pass.set_pipeline(&self.background);
            pass.draw(QUAD, 0..1);
            pass.set_pipeline(&self.stroke);
            pass.draw(QUAD, under);
            if !panel.meshes.is_empty() {
                pass.set_bind_group(1, inputs.layer, &[]);
                pass.set_pipeline(&self.layer);
                for PixelRange { low, high } in panel.mesh_parts(inputs.size) {
                    pass.set_scissor_rect(low[0], low[1], high[0] - low[0], high[1] - low[1]);
                    pass.draw(QUAD, 0..1);
                }
                pass.set_pipeline(&self.stroke);
                pass.set_scissor_rect(x, y, width, height);
            }
            pass.draw(QUAD, over);
        }
        Ok(())
    }

    /// Uploads the backgrounds; a plain colour is a picture of one pixel.
    fn fill_backgrounds(&mut self, gpu: &Gpu, bindings: &Bindings, scene: &Scene) -> Result<(), RenderError> {
        self.backgrounds.truncate(scene.panels.len());
        for (index, panel) in scene.panels.iter().enumerate() {
            let (rgb, size) = match &panel.background {
                Background::Plain(Colour(rgba)) => (&rgba[..3], PictureSize::new(1, 1)),
                Background::Picture { rgb, size } => (*rgb, *size),
            };
            if self.backgrounds.get(index).is_none_or(|(picture, _)| picture.size != size) {
                let picture = Picture::new(gpu, size, Mips::None)?;
                let group = bindings.picture(gpu, &picture.view, Edge::Clamp);
                self.backgrounds.splice(index..self.backgrounds.len().min(index + 1), [(picture, group)]);
            }
            self.backgrounds[index].0.fill(gpu, rgb)?;
        }
        Ok(())
    }
}

fn instance(stroke: &Stroke) -> StrokeInstance {
    StrokeInstance {
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
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..wgpu::PrimitiveState::default()
        },
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
