//! Threads, the latest slot and the front end they serve: the only room that knows a thread.
//!
//! ```text
//! capture thread ──► newest slot or read-ahead queue ──► front-end thread ──► listener (the caller)
//! caller ──► newest slot or queue ──► odometry thread ──► steps, path
//! listener ──► second pass (odometry thread ──► chunks ──► refinement thread) ──► refined frames ──► listener
//! ```

mod as_paused;
mod background;
mod capture;
mod crew;
mod device;
mod exchange;
mod fitted;
mod front_end;
mod gate;
mod held_back;
mod odometry;
mod on_path;
mod paired;
mod pictured;
mod pose_store;
mod poser;
mod priority;
mod published;
mod recorder;
mod refine;
mod run;
mod second_pass;
mod session;
mod stream;
mod supply;
mod watchdog;
mod workers;

pub use as_paused::AsPaused;
pub use background::BackgroundThread;
pub use capture::Delivery;
pub use device::Device;
pub use exchange::Exchange;
pub use front_end::{
    FrontEndConfig, FrontEndError, HandFrontEnd, PairNetworkChoice, PictureNetwork, Profile,
};
pub use odometry::{OdometryStep, OdometryThread, OdometryThreadError, Waiting};
pub use on_path::OnPath;
pub use pose_store::{HandAt, HandsAt, PoseBasis, PoseStore, PoseStoreConfig};
pub use priority::run_first;
pub use recorder::{Recorded, Recorder};
pub use refine::{Backlog, BacklogCounts, RefineSchedule, RefineThread, RefineThreadError, RefinedWork};
pub use run::{FrontEnd, Processed, Run, SettledHand};
pub use second_pass::{CameraWay, SecondPass, SecondPassConfig};
pub use session::Session;
pub use stream::{HandStream, HandStreamError};
pub use supply::{Maker, Supply};
pub use watchdog::Watchdog;
