//! The screen of a window: shows what a renderer has drawn.

use super::device::Gpu;
use super::pipeline::Bindings;
use crate::frame::PictureSize;

/// What surrounds a picture whose sides are not as the window's.
const AROUND: wgpu::Color = wgpu::Color { r: 0.055, g: 0.062, b: 0.08, a: 1.0 };

/// The drawable area of a window, fed by [`Renderer::show`](super::Renderer::show).
pub struct Screen {
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    /// Format in which the shader writes: colours are sRGB bytes already.
    written: wgpu::TextureFormat,
    /// For pictures of the window's own size, and for others.
    same: wgpu::RenderPipeline,
    fitted: wgpu::RenderPipeline,
}

impl Screen {
    pub(super) fn new(
        gpu: &Gpu,
        bindings: &Bindings,
        surface: wgpu::Surface<'static>,
        mut config: wgpu::SurfaceConfiguration,
    ) -> Self {
        let written = config.format.remove_srgb_suffix();
        if written != config.format {
            config.view_formats = vec![written];
        }
        let [same, fitted] = ["same", "canvas"].map(|shader| pipeline(gpu, bindings, written, shader));
        surface.configure(&gpu.device, &config);
        Self { surface, config, written, same, fitted }
    }

    /// Fits the screen to its window; a window without area keeps the size it had.
    pub(super) fn resize(&mut self, gpu: &Gpu, size: PictureSize) {
        if gpu.check_size(size).is_ok() {
            (self.config.width, self.config.height) = (size.width as u32, size.height as u32);
            self.surface.configure(&gpu.device, &self.config);
        }
    }

    /// The picture to draw on next; `None` when the system wants none just now.
    pub(super) fn next_picture(&mut self, gpu: &Gpu) -> Option<wgpu::SurfaceTexture> {
        use wgpu::CurrentSurfaceTexture::{Lost, Outdated, Suboptimal, Success};
        match self.surface.get_current_texture() {
            Success(picture) | Suboptimal(picture) => Some(picture),
            Outdated | Lost => {
                self.surface.configure(&gpu.device, &self.config);
                None
            }
            _ => None,
        }
    }

    /// Adds the copying of the drawn `canvas` of `size` to the commands.
    pub(super) fn record(
        &self,
        commands: &mut wgpu::CommandEncoder,
        picture: &wgpu::SurfaceTexture,
        canvas: &wgpu::BindGroup,
        size: PictureSize,
    ) {
        let view = picture.texture.create_view(&wgpu::TextureViewDescriptor {
            format: Some(self.written),
            ..wgpu::TextureViewDescriptor::default()
        });
        let mut pass = commands.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("screen"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(AROUND), store: wgpu::StoreOp::Store },
            })],
            ..wgpu::RenderPassDescriptor::default()
        });
        let [x, y, width, height] = fitted(size, [self.config.width as f32, self.config.height as f32]);
        pass.set_viewport(x, y, width, height, 0.0, 1.0);
        pass.set_bind_group(0, canvas, &[]);
        let same = [width, height] == [size.width as f32, size.height as f32] && x == 0.0 && y == 0.0;
        pass.set_pipeline(if same { &self.same } else { &self.fitted });
        pass.draw(0..4, 0..1);
    }
}

/// The largest rectangle (x, y, width, height) with the sides of `size` in the middle of a window, on
/// whole pixels so that a picture of the window's own size arrives unchanged.
fn fitted(size: PictureSize, window: [f32; 2]) -> [f32; 4] {
    let (width, height) = (size.width as f32, size.height as f32);
    let scale = (window[0] / width).min(window[1] / height);
    let (width, height) = ((width * scale).round().min(window[0]), (height * scale).round().min(window[1]));
    [((window[0] - width) / 2.0).floor(), ((window[1] - height) / 2.0).floor(), width, height]
}

fn pipeline(
    gpu: &Gpu,
    bindings: &Bindings,
    format: wgpu::TextureFormat,
    shader: &str,
) -> wgpu::RenderPipeline {
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("screen"),
        source: wgpu::ShaderSource::Wgsl(include_str!("screen.wgsl").into()),
    });
    gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("screen"),
        layout: Some(&bindings.picture_layout(gpu)),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("fill"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..wgpu::PrimitiveState::default()
        },
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some(shader),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(format.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_sides_in_any_window() {
        let picture = PictureSize::new(1280, 720);
        assert_eq!(fitted(picture, [1280.0, 720.0]), [0.0, 0.0, 1280.0, 720.0]);
        assert_eq!(fitted(picture, [1280.0, 1000.0]), [0.0, 140.0, 1280.0, 720.0]);
        assert_eq!(fitted(picture, [3000.0, 720.0]), [860.0, 0.0, 1280.0, 720.0]);
    }
}
