//! What may be wrong with the networks' files.

use super::net::ModelError;

/// Why the tracker could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The palm detector's file cannot be read.
    #[error("the palm detector cannot be read: {0}; fetch palm_detection_full.tflite again")]
    PalmModel(#[source] ModelError),
    /// The landmark network's file cannot be read.
    #[error("the landmark network cannot be read: {0}; fetch hand_landmark_full.tflite again")]
    LandmarkModel(#[source] ModelError),
    /// A readable model, but not the palm detector.
    #[error("the file given as palm detector is another model: give palm_detection_full.tflite")]
    NotThePalmModel,
    /// A readable model, but not the landmark network.
    #[error("the file given as landmark network is another model: give hand_landmark_full.tflite")]
    NotTheLandmarkModel,
}
