//! The `handstream` program: see `cli` for its commands.

mod cli;

fn main() {}
