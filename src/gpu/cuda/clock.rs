//! Times by the card's own clock.

use cudarc::driver::{result, sys};

use super::CudaBackend;
use super::context::{call, ended};
use crate::gpu::error::GpuError;

/// A moment on the card.
struct Event(sys::CUevent);

impl Event {
    fn new() -> Result<Self, GpuError> {
        let timed = sys::CUevent_flags::CU_EVENT_DEFAULT;
        Ok(Self(call("an event", result::event::create(timed))?))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is this value's own.
        ended(unsafe { result::event::destroy(self.0) });
    }
}

impl CudaBackend {
    /// How long the card takes for what `work` gives it, milliseconds, for each of `runs` times; the work is given a
    /// few times before.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn time(
        &self,
        runs: usize,
        mut work: impl FnMut() -> Result<(), GpuError>,
    ) -> Result<Vec<f64>, GpuError> {
        const WARM_UP: usize = 5;
        self.context.bind()?;
        let (start, end) = (Event::new()?, Event::new()?);
        let mut times = Vec::with_capacity(runs);
        for run in 0..WARM_UP + runs {
            // SAFETY: events and stream are this backend's.
            let milliseconds = unsafe {
                call("an event", result::event::record(start.0, self.stream.0))?;
                work()?;
                call("an event", result::event::record(end.0, self.stream.0))?;
                call("waiting for the card", result::event::synchronize(end.0))?;
                call("a time", result::event::elapsed(start.0, end.0))?
            };
            if run >= WARM_UP {
                times.push(f64::from(milliseconds));
            }
        }
        Ok(times)
    }
}
