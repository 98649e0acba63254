//! `handstream bench`: how fast this machine tracks hands, measured so that it can be quoted.

mod film;
#[cfg(feature = "window")]
mod glass;
mod gpu;
mod latency;
mod machine;
mod mediapipe;
mod paced;
mod report;
mod soak;
mod statistics;
mod throughput;
mod watch;
#[cfg(feature = "render")]
mod window;

use anyhow::Result;
use clap::{Args, Subcommand};

#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Replay a film as a camera would give it, and measure from each picture's due time to its pose.
    Latency(latency::LatencyArgs),
    /// Track as fast as frames go: one after the other, and one stream on every core.
    Throughput(throughput::ThroughputArgs),
    /// The released network at full size on an NVIDIA card: its numbers beside the processor's, times beside floors.
    Gpu(gpu::GpuArgs),
    /// Flash this screen before a camera: the time until its picture shows the flash.
    #[cfg(feature = "window")]
    Glass(glass::GlassArgs),
    /// Draw the live window off-screen: the time of a picture.
    #[cfg(feature = "render")]
    Window(window::WindowArgs),
    /// Run for long with things that go wrong, and see that all is told and nothing grows.
    Soak(soak::SoakArgs),
}

impl BenchArgs {
    /// Measures and prints.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        match self.what {
            Bench::Latency(args) => args.run(),
            Bench::Throughput(args) => args.run(),
            Bench::Gpu(args) => args.run(),
            #[cfg(feature = "window")]
            Bench::Glass(args) => args.run(),
            #[cfg(feature = "render")]
            Bench::Window(args) => args.run(),
            Bench::Soak(args) => args.run(),
        }
    }
}
