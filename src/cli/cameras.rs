//! `handstream cameras`: the cameras of this machine and their modes.

use anyhow::Result;

/// Prints every camera with its modes, or one sentence where there is none.
///
/// # Errors
/// One sentence for the user.
#[cfg(feature = "camera")]
pub fn run() -> Result<()> {
    use handstream::source::{CameraListing, NativeCameras};
    print!("{}", CameraListing::of(&NativeCameras)?);
    Ok(())
}

/// Says that this build has no cameras.
///
/// # Errors
/// Always.
#[cfg(not(feature = "camera"))]
pub fn run() -> Result<()> {
    Err(handstream::source::SourceError::NoCameraSupport.into())
}
