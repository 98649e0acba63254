//! Flags that say how the engine's threads are looked after.

use std::time::Duration;

use clap::Args;
use handstream::engine::Watchdog;

/// Flags of `track` and `live`.
#[derive(Args, Clone)]
pub struct WorkerArgs {
    /// A part of the engine that does not answer for so long is told and replaced; 0 waits for ever. Default: 10
    /// for a frame, 5 for a camera, 120 for a chunk of the second pass.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    watchdog: Option<Duration>,
    /// Give the front end a core of its own and let it run before other programs, where the system allows it.
    #[arg(long)]
    pin: bool,
}

impl WorkerArgs {
    /// The times that were asked for, or `default`.
    pub fn watchdog(&self, default: Watchdog) -> Watchdog {
        match self.watchdog {
            None => default,
            Some(limit) => Watchdog::every((limit > Duration::ZERO).then_some(limit)),
        }
    }

    /// Whether the front end is pinned.
    pub fn pin(&self) -> bool {
        self.pin
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text} is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} is no number of seconds"))
}
