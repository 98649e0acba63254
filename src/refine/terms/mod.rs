//! What a refined motion is held to: one file per residual, each with its value and its derivatives.

pub mod biomechanics;
pub mod penetration;
