//! Numbers of the released systems: `cargo test --release --test parity -- mediapipe`.

mod mediapipe;
#[path = "../support/mod.rs"]
mod support;
