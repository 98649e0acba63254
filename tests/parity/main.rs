//! Numbers of the released systems: `cargo test --release --test parity -- mediapipe`, or `haptic`, `dpvo`, `dynhamr`, `omnihands`, `hand`.

mod dpvo;
#[path = "../support/dpvo_weights.rs"]
mod dpvo_weights;
mod dynhamr;
mod hand;
mod haptic;
mod mediapipe;
mod metrics;
mod omnihands;
#[path = "../support/released_boxes.rs"]
mod released_boxes;
#[path = "../support/mod.rs"]
mod support;
mod tensors;
mod trajectory;
