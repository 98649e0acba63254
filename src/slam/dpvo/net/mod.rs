//! DPVO's networks: encoders, correlation, update operator.

mod correlation;
mod encoder;
mod map;
mod update;

pub use correlation::{CORRELATIONS, FEATURES, FeatureMaps};
pub use encoder::{Encoder, Norm};
pub use map::{Convolution, Map};
pub use update::{EdgeSight, Neighbours, UpdateOperator, WIDTH};
