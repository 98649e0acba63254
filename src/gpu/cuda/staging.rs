//! Copies between the processor's memory and the card's through memory that the card can reach by itself.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{result, sys};

use super::context::{Context, call, ended};
use crate::gpu::error::GpuError;

/// Bytes of the memory in between: a full-size frame with its plans, several times.
const BYTES: usize = 32 << 20;
/// Copies begin on multiples of this.
const ALIGNMENT: usize = 256;

/// The memory in between. What was written into it is not written over before the card has read it.
pub(super) struct Staging {
    start: *mut u8,
    /// Bytes that the card may still have to read.
    used: usize,
    context: Arc<Context>,
}

// SAFETY: the memory is this value's own.
unsafe impl Send for Staging {}

impl Staging {
    pub fn new(context: &Arc<Context>) -> Result<Self, GpuError> {
        // SAFETY: nothing is read before it is written.
        let start = call("memory for copies", unsafe { result::malloc_host(BYTES, 0) })?;
        Ok(Self { start: start.cast(), used: 0, context: context.clone() })
    }

    /// Copies `bytes` to the card, after the work that was given before; returns as soon as `bytes` may change.
    pub fn write(&mut self, to: u64, bytes: &[u8], stream: sys::CUstream) -> Result<(), GpuError> {
        for (number, part) in bytes.chunks(BYTES).enumerate() {
            if self.used + part.len() > BYTES {
                self.wait(stream)?;
            }
            // SAFETY: the memory has room for the part behind what is used, and the card reads the part before this
            // place is written over.
            unsafe {
                let place = self.start.add(self.used);
                std::ptr::copy_nonoverlapping(part.as_ptr(), place, part.len());
                let staged = std::slice::from_raw_parts(place, part.len());
                let to = to + (number * BYTES) as u64;
                call("a copy to the card", result::memcpy_htod_async(to, staged, stream))?;
            }
            self.used = (self.used + part.len()).next_multiple_of(ALIGNMENT);
        }
        Ok(())
    }

    /// Copies from the card into `bytes`, after all work that was given before.
    pub fn read(&mut self, from: u64, bytes: &mut [u8], stream: sys::CUstream) -> Result<(), GpuError> {
        for (number, part) in bytes.chunks_mut(BYTES).enumerate() {
            if self.used + part.len() > BYTES {
                self.wait(stream)?;
            }
            // SAFETY: the memory has room for the part, which is read after the card has written it.
            unsafe {
                let staged = std::slice::from_raw_parts_mut(self.start.add(self.used), part.len());
                let from = from + (number * BYTES) as u64;
                call("a copy from the card", result::memcpy_dtoh_async(staged, from, stream))?;
                call("waiting for the card", result::stream::synchronize(stream))?;
                part.copy_from_slice(staged);
            }
            self.used = 0;
        }
        if bytes.is_empty() { self.wait(stream) } else { Ok(()) }
    }

    fn wait(&mut self, stream: sys::CUstream) -> Result<(), GpuError> {
        // SAFETY: the stream is the backend's.
        call("waiting for the card", unsafe { result::stream::synchronize(stream) })?;
        self.used = 0;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the memory is this value's own; the card has read what it had to once it is idle.
            unsafe {
                ended(result::ctx::synchronize());
                ended(result::free_host(self.start.cast::<c_void>()));
            }
        }
    }
}
