//! Numbers of the released systems: `cargo test --release --test parity -- mediapipe`.

mod hand;
mod mediapipe;
mod metrics;
#[path = "../support/mod.rs"]
mod support;
mod tensors;
