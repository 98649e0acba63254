//! DPVO as released: `cargo test --release --test parity -- dpvo`.

mod bundle;
mod frames;
mod networks;
mod projection;
mod se3;
mod start;
mod traces;
mod variant;
