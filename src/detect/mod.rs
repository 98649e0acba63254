//! 2D hands in a picture: model file reader, CPU networks, palm detector, landmarks, the detect-and-follow loop.

pub mod net;
