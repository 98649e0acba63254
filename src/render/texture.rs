//! Pictures on the device, with smaller copies for far surfaces.

use super::device::{Gpu, RenderError, extent};
use crate::frame::PictureSize;

/// Number of a picture handed to a renderer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextureId(pub(super) usize);

/// Colours are kept as they come (sRGB bytes); the shaders turn them into light themselves.
pub(super) const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Whether a picture gets smaller copies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mips {
    None,
    Full,
}

/// A picture on the device that may be filled again and again.
pub(super) struct Picture {
    texture: wgpu::Texture,
    pub view: wgpu::TextureView,
    pub size: PictureSize,
    rgba: Vec<u8>,
}

impl Picture {
    /// An empty picture of `size`.
    pub fn new(gpu: &Gpu, size: PictureSize, mips: Mips) -> Result<Self, RenderError> {
        gpu.check_size(size)?;
        let levels = if mips == Mips::Full { size.width.max(size.height).ilog2() + 1 } else { 1 };
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: extent(size),
            mip_level_count: levels,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Ok(Self { texture, view, size, rgba: Vec::new() })
    }

    /// Fills the picture and its smaller copies from `size.rgb_bytes()` bytes.
    pub fn fill(&mut self, gpu: &Gpu, rgb: &[u8]) -> Result<(), RenderError> {
        if rgb.len() != self.size.rgb_bytes() {
            return Err(RenderError::PictureBytes { size: self.size, bytes: rgb.len() });
        }
        self.rgba.resize(self.size.width * self.size.height * 4, 255);
        for (out, pixel) in self.rgba.chunks_exact_mut(4).zip(rgb.chunks_exact(3)) {
            out[..3].copy_from_slice(pixel);
        }
        let mut size = self.size;
        self.write_level(gpu, 0, size);
        for level in 1..self.texture.mip_level_count() {
            (self.rgba, size) = halved(&self.rgba, size);
            self.write_level(gpu, level, size);
        }
        Ok(())
    }

    fn write_level(&self, gpu: &Gpu, level: u32, size: PictureSize) {
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(4 * size.width as u32),
            rows_per_image: None,
        };
        let target = wgpu::TexelCopyTextureInfo { mip_level: level, ..self.texture.as_image_copy() };
        gpu.queue.write_texture(target, &self.rgba, layout, extent(size));
    }
}

/// The RGBA picture at half the size, each pixel the mean of four.
fn halved(rgba: &[u8], size: PictureSize) -> (Vec<u8>, PictureSize) {
    let half = PictureSize::new((size.width / 2).max(1), (size.height / 2).max(1));
    let mut out = Vec::with_capacity(half.width * half.height * 4);
    for y in 0..half.height {
        let rows = [2 * y, (2 * y + 1).min(size.height - 1)];
        for x in 0..half.width {
            let columns = [2 * x, (2 * x + 1).min(size.width - 1)];
            for channel in 0..4 {
                let at =
                    |row: usize, column: usize| u32::from(rgba[(row * size.width + column) * 4 + channel]);
                let sum: u32 = rows.iter().flat_map(|&r| columns.iter().map(move |&c| at(r, c))).sum();
                out.push(((sum + 2) / 4) as u8);
            }
        }
    }
    (out, half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_takes_the_mean_of_four_pixels() {
        let pixel = |v: u8| [v, 2 * v, 0, 255];
        let rgba: Vec<u8> = [10, 20, 30, 40].into_iter().flat_map(pixel).collect();
        let (half, size) = halved(&rgba, PictureSize::new(2, 2));
        assert_eq!((half, size), (vec![25, 50, 0, 255], PictureSize::new(1, 1)));
    }
}
