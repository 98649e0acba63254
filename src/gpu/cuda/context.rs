//! The driver and one card.

use std::sync::Arc;

use cudarc::driver::{DriverError, result, sys};

use crate::gpu::error::GpuError;

/// The oldest cards that the kernels run on: 16-bit floats in the matrix units, asynchronous copies.
const OLDEST: (i32, i32) = (8, 0);

/// What is known of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardInfo {
    /// Its name.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
    /// Its processors.
    pub processors: usize,
    /// Bytes of its memory.
    pub memory: usize,
    /// The newest CUDA that the driver knows, major and minor.
    pub driver: (i32, i32),
}

impl CardInfo {
    /// What kernels are compiled for.
    pub fn architecture(&self) -> String {
        let (major, minor) = self.capability;
        format!("sm_{major}{minor}")
    }
}

/// One card's context.
pub(super) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    info: CardInfo,
}

// SAFETY: the driver takes calls from any thread; a thread binds the context before it calls.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// The driver's answer as an error that names what was asked for.
pub(super) fn call<T>(what: &'static str, answer: Result<T, DriverError>) -> Result<T, GpuError> {
    answer.map_err(|error| GpuError::Call { call: what, reason: format!("{:?}", error.0) })
}

/// The end of something on the card, which nobody waits for: what goes wrong is logged.
pub(super) fn ended<E: std::fmt::Debug>(answer: Result<(), E>) {
    if let Err(error) = answer {
        tracing::warn!("something on the card did not end well: {error:?}");
    }
}

impl Context {
    /// Opens card number `card`.
    pub fn open(card: usize) -> Result<Arc<Self>, GpuError> {
        // SAFETY: this only looks for the driver's library.
        if !unsafe { sys::is_culib_present() } {
            return Err(GpuError::Missing {
                what: "NVIDIA's driver (libcuda)",
                remedy: "install it where there is an NVIDIA GPU, and use --device cpu where there is none",
            });
        }
        // Without a card the driver fails to start.
        result::init().map_err(|_| GpuError::NoDevice)?;
        let count = call("counting cards", result::device::get_count())?;
        if card >= usize::try_from(count).unwrap_or(0) {
            return Err(GpuError::NoDevice);
        }
        let device = call("finding a card", result::device::get(card as i32))?;
        let info = info(device)?;
        if info.capability < OLDEST {
            let (major, minor) = info.capability;
            return Err(GpuError::TooOld { name: info.name, major, minor });
        }
        // SAFETY: the device was just given by the driver.
        let context = call("a context", unsafe { result::primary_ctx::retain(device) })?;
        let context = Arc::new(Self { device, context, info });
        context.bind()?;
        Ok(context)
    }

    /// Makes the card this thread's.
    pub fn bind(&self) -> Result<(), GpuError> {
        // SAFETY: the context is held until this value is dropped.
        call("choosing a card", unsafe { result::ctx::set_current(self.context) })
    }

    /// What is known of the card.
    pub fn info(&self) -> &CardInfo {
        &self.info
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once, by `open`.
        ended(unsafe { result::primary_ctx::release(self.device) });
    }
}

fn info(device: sys::CUdevice) -> Result<CardInfo, GpuError> {
    use sys::CUdevice_attribute_enum as Attribute;
    // SAFETY: the device was given by the driver.
    let attribute =
        |attribute| call("asking a card", unsafe { result::device::get_attribute(device, attribute) });
    let mut version = 0;
    // SAFETY: the driver writes one number.
    let known = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    call("asking the driver", known.result())?;
    let processors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    Ok(CardInfo {
        name: call("asking a card's name", result::device::get_name(device))?,
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        processors: usize::try_from(processors).unwrap_or(1),
        // SAFETY: as above.
        memory: call("asking a card's memory", unsafe { result::device::total_mem(device) })?,
        driver: (version / 1000, version % 1000 / 10),
    })
}
