//! The command line, one file per command.

#[cfg(feature = "render")]
mod accuracy;
mod bench;
mod camera_request;
mod cameras;
#[cfg(feature = "window")]
mod controls;
mod convert;
#[cfg(feature = "render")]
mod demo;
mod device;
mod doctor;
mod eval;
mod eval_path;
mod gpu;
mod intrinsics;
mod known_path;
mod live;
mod motion_prior;
#[cfg(not(feature = "render"))]
mod no_film;
mod odometry;
mod omnihands;
mod own_files;
mod pipeline;
mod profile;
mod progress;
mod record;
mod refine;
mod replay;
mod second_pass;
mod settings;
mod setup;
mod sources;
mod track;
mod workers;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Two hands in metres from one camera, frame by frame.
#[derive(Parser)]
#[command(name = "handstream", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Track the hands of a video, a folder of images, a webcam or the built-in scene.
    Track(track::TrackArgs),
    /// Show the hands of a webcam, a video or the built-in scene in a window while they move.
    Live(live::LiveArgs),
    /// Run the built-in scene through the whole engine and compare with its known truth.
    #[cfg(feature = "render")]
    Demo(demo::DemoArgs),
    /// Follow the camera of a video, a folder of images or a webcam, and write its path.
    Odometry(odometry::OdometryArgs),
    /// Refine hands that were found earlier: world coordinates, gaps filled, both hands together.
    Refine(refine::RefineArgs),
    /// Play what --record recorded and compare its hands with those of then.
    Replay(replay::ReplayArgs),
    /// Compare the hands or the camera path of a run with a known truth: every error measure of the papers.
    Eval(eval::EvalArgs),
    /// Fetch the two MediaPipe networks, or note where your own checkpoints and MANO lie, once.
    Setup(SetupArgs),
    /// Rewrite a HaMeR, HaPTIC or OmniHands checkpoint small: only the network, in 16 or 32 bits.
    Convert(convert::ConvertArgs),
    /// Measure how fast this machine tracks hands.
    Bench(bench::BenchArgs),
    /// Look at the NVIDIA card of this machine, and compile its kernels ahead.
    Gpu(gpu::GpuArgs),
    /// List the cameras of this machine and what each of them offers.
    Cameras,
    /// Say what is there and what is missing, with the next step for each.
    Doctor(DoctorArgs),
}

#[derive(Args)]
struct SetupArgs {
    /// A wheel of mediapipe 0.10.21 fetched by hand, for machines without network.
    #[arg(long, value_name = "FILE")]
    wheel: Option<PathBuf>,
    #[command(flatten)]
    own: own_files::OwnFileArgs,
}

#[derive(Args)]
struct DoctorArgs {
    /// Also look at a hand model of yours: MANO_RIGHT.pkl, a .npz or .safetensors.
    #[arg(long, value_name = "PATH")]
    hand_model: Option<PathBuf>,
}

impl Cli {
    /// Does what the command line asks for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Track(args) => args.run(),
            Command::Live(args) => args.run(),
            #[cfg(feature = "render")]
            Command::Demo(args) => args.run(),
            Command::Odometry(args) => args.run(),
            Command::Refine(args) => args.run(),
            Command::Replay(args) => args.run(),
            Command::Eval(args) => args.run(),
            Command::Setup(args) => match args.own.register()? && args.wheel.is_none() {
                true => Ok(()),
                false => setup::run(args.wheel.as_deref()),
            },
            Command::Convert(args) => args.run(),
            Command::Bench(args) => args.run(),
            Command::Gpu(args) => args.run(),
            Command::Cameras => cameras::run(),
            Command::Doctor(args) => doctor::run(args.hand_model.as_deref()),
        }
    }
}
