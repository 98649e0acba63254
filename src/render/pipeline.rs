//! What both passes are built from: panel numbers for the shaders, bindings, buffers that grow.

use bytemuck::{Pod, Zeroable};

use super::device::Gpu;
use super::scene::{Background, Colour, Panel, Projection};
use crate::frame::PictureSize;

/// Depths drawn through a camera, metres: from a hand at the lens to the far wall of a hall.
const CAMERA_DEPTHS: [f32; 2] = [0.02, 50.0];

/// Depths drawn without perspective, metres.
const ORTHOGRAPHIC_DEPTHS: [f32; 2] = [-50.0, 50.0];

/// The struct `Panel` of panel.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub(super) struct PanelUniform {
    viewer_from_scene: [[f32; 4]; 4],
    target_size: [f32; 2],
    area_origin: [f32; 2],
    area_size: [f32; 2],
    scale: [f32; 2],
    focal: [f32; 2],
    centre: [f32; 2],
    radial: [f32; 4],
    tangential: [f32; 2],
    depth_range: [f32; 2],
    lamp: [f32; 4],
    ambience: [f32; 4],
    ground: [f32; 4],
}

impl PanelUniform {
    /// The numbers of `panel` in a picture of `target`.
    pub fn new(panel: &Panel, target: PictureSize) -> Self {
        let pair = |size: PictureSize| [size.width as f32, size.height as f32];
        let view = &panel.view;
        let light = view.light;
        let lamp = (view.viewer_from_scene.rotation * light.to_lamp).normalize();
        let size = panel.area.size;
        let mut uniform = Self {
            viewer_from_scene: view.viewer_from_scene.to_homogeneous().into(),
            target_size: pair(target),
            area_origin: [panel.area.x as f32, panel.area.y as f32],
            area_size: pair(size),
            lamp: [lamp.x, lamp.y, lamp.z, light.key],
            ambience: [light.ambient, light.rim, f32::from(view.mirrored), 0.0],
            ground: match panel.background {
                Background::Plain(Colour(rgba)) => rgba.map(|level| f32::from(level) / 255.0),
                Background::Picture { .. } => [0.0; 4],
            },
            ..Self::zeroed()
        };
        match &view.projection {
            Projection::Camera(camera) => {
                let [k1, k2, p1, p2, k3] = camera.distortion.map(|k| k as f32);
                let full = pair(camera.size);
                uniform.scale = [size.width as f32 / full[0], size.height as f32 / full[1]];
                uniform.focal = [camera.fx as f32, camera.fy as f32];
                uniform.centre = [camera.cx as f32, camera.cy as f32];
                uniform.radial = [k1, k2, k3, 1.0];
                uniform.tangential = [p1, p2];
                uniform.depth_range = CAMERA_DEPTHS;
            }
            Projection::Orthographic { pixels_per_metre, centre } => {
                uniform.scale = [1.0, 1.0];
                uniform.focal = [*pixels_per_metre; 2];
                uniform.centre = [centre.x, centre.y];
                uniform.depth_range = ORTHOGRAPHIC_DEPTHS;
            }
        }
        uniform
    }
}

/// What lies outside a picture.
#[derive(Clone, Copy)]
pub(super) enum Edge {
    /// The picture again.
    Repeat,
    /// Its border.
    Clamp,
}

/// Bindings that both passes share: group 0 the panel, group 1 a picture and how it is sampled.
pub(super) struct Bindings {
    pub layout: wgpu::PipelineLayout,
    picture: wgpu::BindGroupLayout,
    panel: wgpu::BindGroupLayout,
    repeating: wgpu::Sampler,
    clamped: wgpu::Sampler,
    stride: usize,
}

impl Bindings {
    pub fn new(gpu: &Gpu) -> Self {
        let device = &gpu.device;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
            ty,
            count: None,
        };
        let panel_numbers = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: true,
            min_binding_size: wgpu::BufferSize::new(size_of::<PanelUniform>() as u64),
        };
        let panel = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("panel"),
            entries: &[entry(0, panel_numbers)],
        });
        let texture = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
        let picture = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("picture"),
            entries: &[entry(0, texture), entry(1, sampler)],
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("panel and picture"),
            bind_group_layouts: &[Some(&panel), Some(&picture)],
            ..wgpu::PipelineLayoutDescriptor::default()
        });
        let sampler = |address| {
            device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("smooth"),
                address_mode_u: address,
                address_mode_v: address,
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                mipmap_filter: wgpu::MipmapFilterMode::Linear,
                ..wgpu::SamplerDescriptor::default()
            })
        };
        let alignment = device.limits().min_uniform_buffer_offset_alignment as usize;
        let stride = size_of::<PanelUniform>().next_multiple_of(alignment.max(1));
        Self {
            layout,
            picture,
            panel,
            repeating: sampler(wgpu::AddressMode::Repeat),
            clamped: sampler(wgpu::AddressMode::ClampToEdge),
            stride,
        }
    }

    /// For shaders that only need a picture, as group 0.
    pub fn picture_layout(&self, gpu: &Gpu) -> wgpu::PipelineLayout {
        gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("picture"),
            bind_group_layouts: &[Some(&self.picture)],
            ..wgpu::PipelineLayoutDescriptor::default()
        })
    }

    /// A picture with how it is sampled: group 1 of [`Self::layout`], group 0 of [`Self::picture_layout`].
    pub fn picture(&self, gpu: &Gpu, view: &wgpu::TextureView, edge: Edge) -> wgpu::BindGroup {
        let sampler = match edge {
            Edge::Repeat => &self.repeating,
            Edge::Clamp => &self.clamped,
        };
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.picture,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(sampler) },
            ],
        })
    }

    /// All panels for group 0; panel `i` is bound at [`Self::panel_offset`].
    pub fn panels(&self, gpu: &Gpu, buffer: &mut GrowingBuffer, panels: &[PanelUniform]) -> wgpu::BindGroup {
        let mut bytes = vec![0; self.stride * panels.len()];
        for (slot, uniform) in bytes.chunks_exact_mut(self.stride).zip(panels) {
            slot[..size_of::<PanelUniform>()].copy_from_slice(bytemuck::bytes_of(uniform));
        }
        buffer.write(gpu, &bytes);
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("panels"),
            layout: &self.panel,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffer.buffer,
                    offset: 0,
                    size: wgpu::BufferSize::new(size_of::<PanelUniform>() as u64),
                }),
            }],
        })
    }

    /// Offset of panel `index` in group 0.
    pub fn panel_offset(&self, index: usize) -> u32 {
        (self.stride * index) as u32
    }
}

/// A device buffer that takes any number of bytes.
pub(super) struct GrowingBuffer {
    pub buffer: wgpu::Buffer,
    usage: wgpu::BufferUsages,
}

impl GrowingBuffer {
    pub fn new(gpu: &Gpu, usage: wgpu::BufferUsages) -> Self {
        const FIRST_BYTES: u64 = 1 << 16;
        Self { buffer: Self::allocate(gpu, FIRST_BYTES, usage), usage }
    }

    /// Replaces the content.
    pub fn write(&mut self, gpu: &Gpu, bytes: &[u8]) {
        if bytes.len() as u64 > self.buffer.size() {
            self.buffer = Self::allocate(gpu, (bytes.len() as u64).next_power_of_two(), self.usage);
        }
        gpu.queue.write_buffer(&self.buffer, 0, bytes);
    }

    fn allocate(gpu: &Gpu, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("growing"),
            size,
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }
}
