//! Odometry on corner points, the default that needs no weights.
//!
//! One frame ([`PointOdometry`], `front.rs`): the picture becomes a pyramid; points of the last frame are followed
//! into it (`track.rs`, `flow.rs`); those that the map knows give the pose (`p3p.rs`, `pose.rs`); where they thin
//! out, descriptors find more (`relocalise.rs`, `descriptor.rs`), and patches find the map's other points. When
//! enough of the picture is new it becomes a keyframe (`growth.rs`): points seen from far enough apart join the map
//! (`triangulation.rs`, `map.rs`), empty cells get corners (`corners.rs`), and the last keyframes are adjusted
//! together (`bundle.rs`), in order or on another thread.
//!
//! Before there is a map, directions give the rotation of a camera that turns on the spot for as long as it does
//! (`beginning.rs`); the first two keyframes come from them once the camera has moved (`start.rs`, `two_view.rs`).
//! A camera that stands, with a map or without, is told by points that lie where they lay (`rest.rs`).
//!
//! After a loss the map is looked for by descriptor for some frames; then a new section is begun where the old one
//! was lost, its scale set by the depths last seen, and the old one is still looked for (`lost.rs`).

mod adjuster;
mod beginning;
mod bundle;
mod config;
mod corners;
mod descriptor;
mod flow;
mod front;
mod growth;
mod lanes;
mod lost;
mod map;
mod p3p;
mod pose;
mod pyramid;
mod relocalise;
mod rest;
mod start;
#[cfg(test)]
mod tests;
mod track;
mod triangulation;
mod two_view;

pub use config::PointOdometryConfig;
pub use front::PointOdometry;
