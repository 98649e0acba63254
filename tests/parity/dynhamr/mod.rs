//! Dyn-HaMR and HMP as released: `cargo test --release --test parity -- dynhamr`.

mod bio;
mod hand;
mod hmp;
mod init;
mod penetration;
mod recipe;
mod stage2;
mod stage3;
mod synthetic_hand;
mod variant;

pub use variant::fixtures;
