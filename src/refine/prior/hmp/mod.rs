//! HMP (Duran et al. 2024, "HMP: Hand Motion Priors for Pose and Shape Estimation from Video") with the
//! user's own checkpoint: a hand's motion over 128 frames as one latent code.
//!
//! The network is NeMF's (He et al. 2022): [`MotionEncoder`] turns a motion ([`Features`]) into a Gaussian over
//! codes, [`MotionField`] a code into a motion ([`FingerMotion`]). [`HmpPrior`] makes it a prior of the refinement,
//! [`fitting`] is the search as released. Everything lives in right-hand space.

mod encoder;
mod features;
mod field;
mod files;
pub mod fitting;
mod head;
pub mod losses;
mod motion;
mod norm;
mod prior;
mod root;
pub mod rotation;
mod signal;
mod skeleton;

pub use encoder::{EncoderGradient, Encoding, MotionEncoder};
pub use features::{Features, Statistics};
pub use field::{Decoding, LOCAL_OUTPUTS, MotionField, time_code};
pub use files::{HmpError, HmpNetwork};
pub use motion::FingerMotion;
pub use prior::{HmpConfig, HmpPrior};
pub use root::{RootEncoder, RootEncoding, RootFeatures};
pub use signal::{CLIP_FRAMES, Signal};
