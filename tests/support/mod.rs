//! What several test targets share: where test material lies, and how a test says that it skips.
#![allow(dead_code, reason = "each test target uses its own part")]

use std::path::PathBuf;

/// A file of the shared test material: below `$HANDSTREAM_SHARED` (default `../shared`).
///
/// Returns `None`, with a printed reason, where the material is absent and the variable is not set.
///
/// # Panics
/// When the variable is set and the file is missing: then the material was promised.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let promised = std::env::var_os("HANDSTREAM_SHARED");
    let root = promised
        .clone()
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(promised.is_none(), "HANDSTREAM_SHARED is set but {} is missing", path.display());
    println!("skipped: no {} (set HANDSTREAM_SHARED to the shared test material)", path.display());
    None
}
