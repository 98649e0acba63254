//! Dyn-HaMR and HMP as released: `cargo test --release --test parity -- dynhamr`.

mod bio;
mod hand;
mod hmp;
mod penetration;
mod recipe;
mod stage3;
mod variant;

pub use variant::fixtures;
