//! DPVO as released: `cargo test --release --test parity -- dpvo`.

mod bundle;
mod projection;
mod se3;
mod traces;
mod variant;
