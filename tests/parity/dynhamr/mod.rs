//! Dyn-HaMR and HMP as released: `cargo test --release --test parity -- dynhamr`.

mod bio;
mod hmp;
mod penetration;
mod recipe;
mod variant;
