//! The windowed decoder on the device: its layers written down as the steps of `kernels/decoder.cu`.
//!
//! It is the absorbed form of [`crate::haptic::full::Decoder`]: keys and values of features are never formed, and
//! what the first layer gathers from a frame's crop is computed once a frame.

mod program;
mod step;
mod weights;

pub(super) use program::{DecoderLists, DecoderMemory, DeviceDecoder, Program, SlotMemory};
