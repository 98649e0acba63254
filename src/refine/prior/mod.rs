//! What is known of hands' motion before they are seen.

pub mod hmp;
mod learned;

pub use learned::LearnedPrior;
