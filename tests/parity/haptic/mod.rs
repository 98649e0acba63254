//! HaMeR and HaPTIC as released: `cargo test --release --test parity -- haptic`.

mod boxes;
mod cameras;
mod checkpoints;
mod decoder;
mod faults;
mod network;
mod pictures;
mod stream;
pub mod variant;
mod vit;
