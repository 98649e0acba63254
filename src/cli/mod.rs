//! The command line, one file per command.

pub mod doctor;
pub mod setup;
