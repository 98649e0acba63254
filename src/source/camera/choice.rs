//! Which of a camera's modes to ask for.

use super::{CameraMode, CameraRequest};
use crate::frame::PictureSize;

/// Size chosen where none is asked for: what nearly every webcam has, and more than the networks use.
const USUAL_SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
/// Rates above this are only taken on request: each picture costs its decoding.
const HIGHEST_CHOSEN_FPS: u32 = 60;

/// The modes that meet the request, the best first.
pub(super) fn choose(modes: &[CameraMode], request: &CameraRequest) -> Vec<CameraMode> {
    let met = |mode: &&CameraMode| {
        request.size.is_none_or(|size| size == mode.size)
            && request.fps.is_none_or(|fps| fps == mode.fps)
            && request.format.is_none_or(|format| format == mode.format)
    };
    let rank = |mode: &CameraMode| {
        let size = mode.size;
        let off = size.width.abs_diff(USUAL_SIZE.width) + size.height.abs_diff(USUAL_SIZE.height);
        let too_fast = mode.fps > HIGHEST_CHOSEN_FPS;
        let rate = if too_fast { u32::MAX - mode.fps } else { mode.fps };
        (off, too_fast, std::cmp::Reverse(rate), mode.format)
    };
    let mut chosen: Vec<_> = modes.iter().filter(met).copied().collect();
    chosen.sort_by_key(rank);
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::CameraFormat;
    use super::super::stand_in::{HD, VGA, mode, webcam};
    use super::*;

    #[test]
    fn without_a_request_the_usual_size_comes_at_its_best_rate() {
        let first = |request| choose(&webcam(), &request).first().copied();
        assert_eq!(first(CameraRequest::default()), Some(mode(HD, 30, CameraFormat::Mjpeg)));
        let request = CameraRequest { size: Some(VGA), ..CameraRequest::default() };
        assert_eq!(first(request), Some(mode(VGA, 30, CameraFormat::Yuyv)));
        let request = CameraRequest { fps: Some(120), ..CameraRequest::default() };
        assert_eq!(first(request), Some(mode(HD, 120, CameraFormat::Mjpeg)));
    }
}
