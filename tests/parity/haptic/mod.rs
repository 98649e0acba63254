//! HaMeR and HaPTIC as released: `cargo test --release --test parity -- haptic`.

mod boxes;
mod cameras;
mod checkpoints;
mod decoder;
mod pictures;
mod variant;
mod vit;
