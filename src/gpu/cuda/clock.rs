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

/// Measures work on a stream.
pub(super) struct Clock {
    start: Event,
    end: Event,
}

impl Clock {
    pub fn new() -> Result<Self, GpuError> {
        Ok(Self { start: Event::new()?, end: Event::new()? })
    }

    /// How long the card takes for what `work` gives to `stream`, milliseconds; waits for it.
    pub fn time(
        &self,
        stream: sys::CUstream,
        work: impl FnOnce() -> Result<(), GpuError>,
    ) -> Result<f64, GpuError> {
        let Self { start, end } = self;
        // SAFETY: the events are this clock's, and the stream lives.
        let milliseconds = unsafe {
            call("an event", result::event::record(start.0, stream))?;
            work()?;
            call("an event", result::event::record(end.0, stream))?;
            call("waiting for the card", result::event::synchronize(end.0))?;
            call("a time", result::event::elapsed(start.0, end.0))?
        };
        Ok(f64::from(milliseconds))
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
        let clock = Clock::new()?;
        let times = (0..WARM_UP + runs).map(|_| clock.time(self.stream.0, &mut work));
        Ok(times.collect::<Result<Vec<f64>, GpuError>>()?.split_off(WARM_UP))
    }
}
