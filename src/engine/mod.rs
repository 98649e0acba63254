//! Threads, the latest slot and statistics: the only room that knows a thread.
//!
//! ```text
//! capture thread ──► newest slot or read-ahead queue ──► front-end thread ──► listener (the caller)
//! ```

mod capture;
mod run;

pub use capture::Delivery;
pub use run::{FrontEnd, run};
