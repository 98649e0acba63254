//! HaMeR and HaPTIC as released: `cargo test --release --test parity -- haptic`.

mod pictures;
