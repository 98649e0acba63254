//! The graphics device: which driver draws, and what goes wrong with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::frame::PictureSize;

/// Longest wait for one picture; a device that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No driver on this machine can draw.
    #[error(
        "no graphics driver for drawing ({reason}): install a Vulkan driver (Debian, Ubuntu: `apt install \
         mesa-vulkan-drivers libvulkan1`, which also draws on the CPU), or unset WGPU_BACKEND if it is set"
    )]
    NoAdapter {
        /// The graphics library's own words.
        reason: String,
    },
    /// The driver is there and refuses to work.
    #[error("the graphics driver {adapter} cannot be used: {reason}")]
    Device {
        /// Name of the driver's device.
        adapter: String,
        /// The graphics library's own words.
        reason: String,
    },
    /// The picture is empty or larger than the device can draw.
    #[error("cannot draw a picture of {size} pixels: this device draws 1x1 to {limit}x{limit}")]
    Size {
        /// The size asked for.
        size: PictureSize,
        /// Longest side the device can draw.
        limit: usize,
    },
    /// A picture's bytes do not fit its size.
    #[error("a picture of {size} pixels has {bytes} bytes instead of {}", size.rgb_bytes())]
    PictureBytes {
        /// The size stated.
        size: PictureSize,
        /// The bytes given.
        bytes: usize,
    },
    /// A mesh's parts do not fit each other.
    #[error("a mesh of {vertices} vertices {problem}")]
    Mesh {
        /// Number of its vertices.
        vertices: usize,
        /// What does not fit.
        problem: &'static str,
    },
    /// Drawing failed on the way.
    #[error("the graphics driver failed while drawing: {0}")]
    Drawing(String),
}

/// An open device with its queue, shared by all passes of one renderer.
#[derive(Clone)]
pub(super) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// Name of the adapter, for people.
    pub adapter: String,
    /// Whether the processor itself draws.
    pub software: bool,
    /// First error the device reported outside a call; wgpu's own reaction would be a panic.
    fault: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens the fastest adapter among the backends that `WGPU_BACKEND` allows (all by default).
    pub fn open() -> Result<Self, RenderError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = fastest_adapter(&instance, None)?;
        Self::of(&adapter)
    }

    /// Opens the fastest adapter that can also show pictures in `window`. The configuration fits a window
    /// of `size` and is not yet in use.
    pub fn open_window(
        window: wgpu::SurfaceTarget<'static>,
        size: PictureSize,
    ) -> Result<(Self, wgpu::Surface<'static>, wgpu::SurfaceConfiguration), RenderError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let no_adapter = |reason| RenderError::NoAdapter { reason };
        let surface = instance.create_surface(window).map_err(|error| no_adapter(error.to_string()))?;
        let adapter = fastest_adapter(&instance, Some(&surface))?;
        let modes = surface.get_capabilities(&adapter).present_modes;
        let mut config = surface
            .get_default_config(&adapter, size.width as u32, size.height as u32)
            .ok_or_else(|| no_adapter("none can show pictures in a window".into()))?;
        // The newest picture at the next refresh, where the system can; else it waits in line.
        config.present_mode = match modes.contains(&wgpu::PresentMode::Mailbox) {
            true => wgpu::PresentMode::Mailbox,
            false => wgpu::PresentMode::Fifo,
        };
        config.desired_maximum_frame_latency = 1;
        Ok((Self::of(&adapter)?, surface, config))
    }

    fn of(adapter: &wgpu::Adapter) -> Result<Self, RenderError> {
        let info = adapter.get_info();
        let (name, software) = (info.name, info.device_type == wgpu::DeviceType::Cpu);
        let limits = wgpu::Limits {
            max_texture_dimension_2d: adapter.limits().max_texture_dimension_2d,
            ..wgpu::Limits::downlevel_defaults()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("handstream"),
            required_limits: limits,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| RenderError::Device { adapter: name.clone(), reason: error.to_string() })?;
        let fault = Arc::new(Mutex::new(None));
        let report = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            report.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
        }));
        Ok(Self { device, queue, adapter: name, software, fault })
    }

    /// Waits until the device is through with what was submitted.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), RenderError> {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIMEOUT) };
        self.device.poll(wait).map_err(|error| RenderError::Drawing(error.to_string()))?;
        self.check_fault()
    }

    /// Refuses sizes that the device has no texture for.
    pub fn check_size(&self, size: PictureSize) -> Result<(), RenderError> {
        let limit = self.device.limits().max_texture_dimension_2d as usize;
        let fits = |side: usize| (1..=limit).contains(&side);
        if fits(size.width) && fits(size.height) { Ok(()) } else { Err(RenderError::Size { size, limit }) }
    }

    /// The error the device reported since the last call, if any.
    pub fn check_fault(&self) -> Result<(), RenderError> {
        match self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(message) => Err(RenderError::Drawing(message)),
            None => Ok(()),
        }
    }
}

fn fastest_adapter(
    instance: &wgpu::Instance,
    compatible_surface: Option<&wgpu::Surface>,
) -> Result<wgpu::Adapter, RenderError> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        compatible_surface,
        ..wgpu::RequestAdapterOptions::default()
    };
    pollster::block_on(instance.request_adapter(&options))
        .map_err(|error| RenderError::NoAdapter { reason: error.to_string() })
}

/// A picture's size as the device counts it.
pub(super) fn extent(size: PictureSize) -> wgpu::Extent3d {
    wgpu::Extent3d { width: size.width as u32, height: size.height as u32, depth_or_array_layers: 1 }
}
