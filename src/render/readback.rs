//! Drawn pictures on their way back to the program.

use std::sync::{Arc, Mutex, PoisonError};

use super::device::{Gpu, RenderError, extent};
use crate::frame::PictureSize;

/// Buffers between device and program, used again and again.
pub(super) struct Readback {
    size: PictureSize,
    row_bytes: usize,
    free: Arc<Mutex<Vec<wgpu::Buffer>>>,
}

impl Readback {
    /// For pictures of `size`.
    pub fn new(size: PictureSize) -> Self {
        let alignment = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as usize;
        Self { size, row_bytes: (4 * size.width).next_multiple_of(alignment), free: Arc::default() }
    }

    /// Adds the copy of `target` to the commands and sends them off.
    pub fn submit(
        &self,
        gpu: &Gpu,
        mut commands: wgpu::CommandEncoder,
        target: &wgpu::Texture,
    ) -> PendingPicture {
        let reused = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = reused.unwrap_or_else(|| {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: (self.row_bytes * self.size.height) as u64,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        });
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(self.row_bytes as u32),
            rows_per_image: None,
        };
        let destination = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        commands.copy_texture_to_buffer(target.as_image_copy(), destination, extent(self.size));
        let submission = gpu.queue.submit([commands.finish()]);
        // Whether mapping worked shows when the range is asked for.
        buffer.map_async(wgpu::MapMode::Read, .., |_| ());
        PendingPicture {
            gpu: gpu.clone(),
            buffer,
            submission,
            size: self.size,
            row_bytes: self.row_bytes,
            free: Arc::clone(&self.free),
        }
    }
}

/// A picture that is being drawn. Submitting the next scene before waiting for this one keeps device
/// and program busy at the same time.
#[must_use = "a picture is only read when waited for"]
pub struct PendingPicture {
    gpu: Gpu,
    buffer: wgpu::Buffer,
    submission: wgpu::SubmissionIndex,
    size: PictureSize,
    row_bytes: usize,
    free: Arc<Mutex<Vec<wgpu::Buffer>>>,
}

impl PendingPicture {
    /// The finished picture: `height * width * 3` bytes, R G B, rows top to bottom.
    ///
    /// # Errors
    /// [`RenderError::Drawing`] when the device failed or is stuck.
    pub fn wait(self) -> Result<Vec<u8>, RenderError> {
        self.gpu.wait(self.submission)?;
        let mut rgb = Vec::with_capacity(self.size.rgb_bytes());
        {
            let view =
                self.buffer.get_mapped_range(..).map_err(|error| RenderError::Drawing(error.to_string()))?;
            for row in view.chunks_exact(self.row_bytes) {
                rgb.extend(row[..4 * self.size.width].chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]));
            }
        }
        self.buffer.unmap();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.buffer);
        Ok(rgb)
    }
}
