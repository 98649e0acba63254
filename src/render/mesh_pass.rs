//! Draws all meshes of a scene into one layer: colour times opacity, opacity.

use bytemuck::{Pod, Zeroable};

use super::device::{Gpu, RenderError, extent};
use super::pipeline::{Bindings, GrowingBuffer};
use super::scene::{Mesh, Paint, PixelRange, Scene};
use super::texture::{FORMAT, TextureId};
use crate::frame::PictureSize;

/// How the edges of meshes become smooth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Smoothing {
    /// Four samples a pixel.
    Samples,
    /// One sample a pixel; edges are mixed with their neighbours when the layer is laid over the background, and light
    /// is that of the vertices: for pictures that the processor draws while somebody waits.
    Edges,
}

impl Smoothing {
    fn samples(self) -> u32 {
        match self {
            Self::Samples => 4,
            Self::Edges => 1,
        }
    }
}

const DEPTH_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;

/// The struct `Vertex` of mesh.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Vertex {
    position: [f32; 3],
    normal: [f32; 3],
    coordinate: [f32; 2],
    colour: [u8; 4],
}

const VERTEX_PARTS: [wgpu::VertexAttribute; 4] =
    wgpu::vertex_attr_array![0 => Float32x3, 1 => Float32x3, 2 => Float32x2, 3 => Unorm8x4];

/// One mesh of one panel within the common buffers.
struct Draw {
    panel: usize,
    first_index: u32,
    indices: u32,
    first_vertex: i32,
    texture: Option<TextureId>,
}

/// What the layer is made of besides the scene.
pub(super) struct MeshInputs<'a> {
    pub panels: &'a wgpu::BindGroup,
    /// Pictures by [`TextureId`].
    pub textures: &'a [wgpu::BindGroup],
    /// Stands in for the picture that untextured meshes do not have.
    pub blank: &'a wgpu::BindGroup,
    /// Where the meshes of each panel lie: nothing else of the layer is looked at.
    pub parts: &'a [Vec<PixelRange>],
    pub size: PictureSize,
}

pub(super) struct MeshPass {
    soft: wgpu::RenderPipeline,
    matt: wgpu::RenderPipeline,
    /// Empties a part of the layer: cheaper than all of it where the processor draws.
    wipe: wgpu::RenderPipeline,
    smoothing: Smoothing,
    targets: Targets,
    vertices: GrowingBuffer,
    indices: GrowingBuffer,
}

/// What the pass draws on.
struct Targets {
    /// The layer with several samples a pixel, where there are.
    samples: Option<wgpu::TextureView>,
    depth: wgpu::TextureView,
    layer: wgpu::TextureView,
}

impl Targets {
    fn new(gpu: &Gpu, size: PictureSize, smoothing: Smoothing) -> Self {
        let count = smoothing.samples();
        let target = |format, sample_count, usage| {
            let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("mesh layer"),
                size: extent(size),
                mip_level_count: 1,
                sample_count,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | usage,
                view_formats: &[],
            });
            texture.create_view(&wgpu::TextureViewDescriptor::default())
        };
        Self {
            samples: (count > 1).then(|| target(FORMAT, count, wgpu::TextureUsages::empty())),
            depth: target(DEPTH_FORMAT, count, wgpu::TextureUsages::empty()),
            layer: target(FORMAT, 1, wgpu::TextureUsages::TEXTURE_BINDING),
        }
    }
}

impl MeshPass {
    pub fn new(gpu: &Gpu, bindings: &Bindings, size: PictureSize, smoothing: Smoothing) -> Self {
        let source = concat!(include_str!("panel.wgsl"), include_str!("mesh.wgsl"));
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("mesh"),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let build = |shaders, drawing| pipeline(gpu, bindings, &module, shaders, smoothing, drawing);
        Self {
            soft: match smoothing {
                Smoothing::Samples => build(["place", "soft"], Drawing::Surfaces),
                Smoothing::Edges => build(["place_lit", "lit"], Drawing::Surfaces),
            },
            matt: build(["place", "matt"], Drawing::Surfaces),
            wipe: build(["wipe", "nothing"], Drawing::Ground),
            smoothing,
            targets: Targets::new(gpu, size, smoothing),
            vertices: GrowingBuffer::new(gpu, wgpu::BufferUsages::VERTEX),
            indices: GrowingBuffer::new(gpu, wgpu::BufferUsages::INDEX),
        }
    }

    /// Draws pictures of another size from now on.
    pub fn resize(&mut self, gpu: &Gpu, size: PictureSize) {
        self.targets = Targets::new(gpu, size, self.smoothing);
    }

    /// The finished layer.
    pub fn layer(&self) -> &wgpu::TextureView {
        &self.targets.layer
    }

    /// Draws the meshes of all panels.
    pub fn record(
        &mut self,
        gpu: &Gpu,
        bindings: &Bindings,
        commands: &mut wgpu::CommandEncoder,
        scene: &Scene,
        inputs: &MeshInputs,
    ) -> Result<(), RenderError> {
        let draws = self.upload(gpu, scene, inputs.textures.len())?;
        if draws.is_empty() {
            return Ok(());
        }
        let Targets { samples, depth, layer } = &self.targets;
        let (view, resolve_target) = match samples {
            Some(samples) => (samples, Some(layer)),
            None => (layer, None),
        };
        // Several samples a pixel are emptied and resolved as a whole, one is wiped where it will be looked at.
        let (load, load_depth, store) = match self.smoothing {
            Smoothing::Samples => (
                wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
                wgpu::LoadOp::Clear(1.0),
                wgpu::StoreOp::Discard,
            ),
            Smoothing::Edges => (wgpu::LoadOp::Load, wgpu::LoadOp::Load, wgpu::StoreOp::Store),
        };
        let mut pass = commands.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("meshes"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view,
                depth_slice: None,
                resolve_target,
                ops: wgpu::Operations { load, store },
            })],
            depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                view: depth,
                depth_ops: Some(wgpu::Operations { load: load_depth, store }),
                stencil_ops: None,
            }),
            ..wgpu::RenderPassDescriptor::default()
        });
        pass.set_vertex_buffer(0, self.vertices.buffer.slice(..));
        pass.set_index_buffer(self.indices.buffer.slice(..), wgpu::IndexFormat::Uint32);
        if self.smoothing == Smoothing::Edges {
            pass.set_pipeline(&self.wipe);
            pass.set_bind_group(0, inputs.panels, &[bindings.panel_offset(0)]);
            pass.set_bind_group(1, inputs.blank, &[]);
            for part in inputs.parts.iter().flatten() {
                // The neighbours of its pixels are looked at too.
                let PixelRange { low, high } = part.grown(1, inputs.size);
                pass.set_scissor_rect(low[0], low[1], high[0] - low[0], high[1] - low[1]);
                pass.draw(0..3, 0..1);
            }
        }
        for draw in draws {
            let area = scene.panels[draw.panel].area.within(inputs.size);
            let Some([x, y, width, height]) = area else { continue };
            pass.set_scissor_rect(x, y, width, height);
            let (pipeline, texture) = match draw.texture {
                Some(TextureId(number)) => (&self.matt, &inputs.textures[number]),
                None => (&self.soft, inputs.blank),
            };
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, inputs.panels, &[bindings.panel_offset(draw.panel)]);
            pass.set_bind_group(1, texture, &[]);
            pass.draw_indexed(draw.first_index..draw.first_index + draw.indices, draw.first_vertex, 0..1);
        }
        Ok(())
    }

    /// Puts all meshes into the common buffers.
    fn upload(&mut self, gpu: &Gpu, scene: &Scene, textures: usize) -> Result<Vec<Draw>, RenderError> {
        let mut draws = Vec::new();
        let mut vertices: Vec<Vertex> = Vec::new();
        let mut indices: Vec<u32> = Vec::new();
        for (panel, mesh) in
            scene.panels.iter().enumerate().flat_map(|(i, p)| p.meshes.iter().map(move |m| (i, m)))
        {
            check(mesh, textures)?;
            let first_index = indices.len() as u32;
            indices.extend(mesh.seen_faces(&scene.panels[panel].view).flatten());
            draws.push(Draw {
                panel,
                first_index,
                indices: indices.len() as u32 - first_index,
                first_vertex: vertices.len() as i32,
                texture: match mesh.paint {
                    Paint::Texture { texture, .. } => Some(texture),
                    Paint::Plain(_) | Paint::PerVertex(_) => None,
                },
            });
            vertices.extend(mesh.positions.iter().zip(&mesh.normals).enumerate().map(|(i, (p, n))| {
                let (coordinate, colour) = match &mesh.paint {
                    Paint::Plain(colour) => ([0.0; 2], colour.0),
                    Paint::PerVertex(colours) => ([0.0; 2], colours[i].0),
                    Paint::Texture { coordinates, .. } => (coordinates[i], [255; 4]),
                };
                Vertex { position: (*p).into(), normal: (*n).into(), coordinate, colour }
            }));
        }
        self.vertices.write(gpu, bytemuck::cast_slice(&vertices));
        self.indices.write(gpu, bytemuck::cast_slice(&indices));
        Ok(draws)
    }
}

/// Refuses meshes whose parts do not fit each other.
fn check(mesh: &Mesh, textures: usize) -> Result<(), RenderError> {
    let vertices = mesh.positions.len();
    let paint_fits = match &mesh.paint {
        Paint::Plain(_) => true,
        Paint::PerVertex(colours) => colours.len() == vertices,
        Paint::Texture { coordinates, texture } => coordinates.len() == vertices && texture.0 < textures,
    };
    let problem = if mesh.normals.len() != vertices {
        "has another number of normals"
    } else if !paint_fits {
        "has another number of colours, or a texture the renderer does not know"
    } else if mesh.faces.as_flattened().iter().any(|&v| v as usize >= vertices) {
        "has a triangle with a vertex beyond the last"
    } else {
        return Ok(());
    };
    Err(RenderError::Mesh { vertices, problem })
}

/// What a pipeline of the pass draws.
enum Drawing {
    /// Triangles, hidden by nearer ones.
    Surfaces,
    /// What is behind all surfaces.
    Ground,
}

fn pipeline(
    gpu: &Gpu,
    bindings: &Bindings,
    module: &wgpu::ShaderModule,
    [place, shading]: [&str; 2],
    smoothing: Smoothing,
    drawing: Drawing,
) -> wgpu::RenderPipeline {
    let vertices = [Some(wgpu::VertexBufferLayout {
        array_stride: size_of::<Vertex>() as u64,
        step_mode: wgpu::VertexStepMode::Vertex,
        attributes: &VERTEX_PARTS,
    })];
    let (depth_compare, buffers) = match drawing {
        Drawing::Surfaces => (wgpu::CompareFunction::Less, vertices.as_slice()),
        Drawing::Ground => (wgpu::CompareFunction::Always, [].as_slice()),
    };
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("mesh"),
        layout: Some(&bindings.layout),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some(place),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers,
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: Some(wgpu::DepthStencilState {
            format: DEPTH_FORMAT,
            depth_write_enabled: Some(true),
            depth_compare: Some(depth_compare),
            stencil: wgpu::StencilState::default(),
            bias: wgpu::DepthBiasState::default(),
        }),
        multisample: wgpu::MultisampleState {
            count: smoothing.samples(),
            ..wgpu::MultisampleState::default()
        },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(shading),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(FORMAT.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
