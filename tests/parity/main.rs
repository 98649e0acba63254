//! Numbers of the released systems: `cargo test --release --test parity -- mediapipe`, or `haptic`, `dpvo`, `dynhamr`, `hand`.

mod dpvo;
#[path = "../support/dpvo_weights.rs"]
mod dpvo_weights;
mod dynhamr;
mod hand;
mod haptic;
mod mediapipe;
mod metrics;
#[path = "../support/released_boxes.rs"]
mod released_boxes;
#[path = "../support/mod.rs"]
mod support;
mod tensors;
mod trajectory;
