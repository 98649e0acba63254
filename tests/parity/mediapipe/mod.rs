//! The MediaPipe networks and the detect-and-follow loop against Google's own runs.

mod networks;
mod pipeline;
