//! Where the parts of a picture lie.

use crate::frame::PictureSize;
use crate::render::Area;

/// Longer side of the camera's picture in a film, pixels: larger frames shrink, smaller ones grow.
const FILM_LONGER_SIDE: [usize; 2] = [640, 1280];
/// Width of the side view in a film as a part of the longer side of the picture.
const FILM_SIDE_VIEW: f32 = 0.5;
/// Height of the world from above as a part of the side view's column, in runs that have one.
const WORLD_VIEW: f32 = 0.46;
/// Least width of the side view in a window as a part of it.
const WINDOW_SIDE_VIEW: f32 = 0.25;
/// Height of the numbers in a window, pixels, and at most as a part of it.
const NUMBERS: f32 = 180.0;
const NUMBERS_PART: f32 = 0.4;

/// Where the parts of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// The whole picture.
    pub canvas: PictureSize,
    /// The camera's picture.
    pub picture: Area,
    /// The hands from the side.
    pub side_view: Area,
    /// The world from above, in runs that have one.
    pub world_view: Option<Area>,
    /// The numbers of a live run.
    pub numbers: Option<Area>,
}

impl Layout {
    /// Of a film of `frame`s: picture and side view, side by side, all sides even; in runs with a second pass the
    /// world from above takes a part of the side view's height.
    pub fn film(frame: PictureSize, second_pass: bool) -> Self {
        let (width, height) = (frame.width as f32, frame.height as f32);
        let longer = width.max(height).max(1.0);
        let scale = longer.clamp(FILM_LONGER_SIDE[0] as f32, FILM_LONGER_SIDE[1] as f32) / longer;
        let even = |pixels: f32| (pixels / 2.0).round().max(1.0) as usize * 2;
        let size = PictureSize::new(even(width * scale), even(height * scale));
        let world_height = if second_pass { even(size.height as f32 * WORLD_VIEW) } else { 0 };
        let side_size = PictureSize::new(even(longer * scale * FILM_SIDE_VIEW), size.height - world_height);
        let world_view = Area {
            x: size.width,
            y: side_size.height,
            size: PictureSize::new(side_size.width, world_height),
        };
        Self {
            canvas: PictureSize::new(size.width + side_size.width, size.height),
            picture: Area::whole(size),
            side_view: Area { x: size.width, y: 0, size: side_size },
            world_view: second_pass.then_some(world_view),
            numbers: None,
        }
    }

    /// Of a window: the picture as large as it fits beside the side view and above the numbers; in runs with a second
    /// pass the world from above takes a part of the side view's height.
    pub fn window(canvas: PictureSize, frame: PictureSize, numbers: bool, second_pass: bool) -> Self {
        let (width, height) = (canvas.width as f32, canvas.height as f32);
        let strip = if numbers { NUMBERS.min(NUMBERS_PART * height).round() } else { 0.0 };
        let room = [width * (1.0 - WINDOW_SIDE_VIEW), height - strip];
        let scale = (room[0] / frame.width.max(1) as f32).min(room[1] / frame.height.max(1) as f32);
        let sized = |pixels: usize| ((pixels as f32 * scale).round() as usize).max(1);
        let size = PictureSize::new(sized(frame.width), sized(frame.height));
        let above = canvas.height - strip as usize;
        let beside = canvas.width.saturating_sub(size.width).max(1);
        let world = if second_pass { (above as f32 * WORLD_VIEW) as usize } else { 0 };
        let side_size = PictureSize::new(beside, (above - world).max(1));
        Self {
            canvas,
            picture: Area { x: 0, y: above.saturating_sub(size.height) / 2, size },
            side_view: Area { x: size.width, y: 0, size: side_size },
            world_view: (world > 0).then(|| Area {
                x: size.width,
                y: side_size.height,
                size: PictureSize::new(beside, world),
            }),
            numbers: numbers.then(|| Area {
                x: 0,
                y: above,
                size: PictureSize::new(canvas.width, strip as usize),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(area: Area, canvas: PictureSize) -> bool {
        area.x + area.size.width <= canvas.width && area.y + area.size.height <= canvas.height
    }

    #[test]
    fn all_parts_lie_in_the_window_and_the_picture_keeps_its_sides() {
        for frame in [PictureSize::new(1280, 720), PictureSize::new(640, 480), PictureSize::new(720, 1280)] {
            for canvas in
                [PictureSize::new(1280, 720), PictureSize::new(640, 360), PictureSize::new(900, 1400)]
            {
                for (numbers, second_pass) in [(true, true), (true, false), (false, true), (false, false)] {
                    let layout = Layout::window(canvas, frame, numbers, second_pass);
                    let parts =
                        [Some(layout.picture), Some(layout.side_view), layout.world_view, layout.numbers];
                    assert!(parts.into_iter().flatten().all(|area| inside(area, canvas)), "{layout:?}");
                    let [shown, real] =
                        [layout.picture.size, frame].map(|size| size.width as f32 / size.height as f32);
                    assert!((shown / real - 1.0).abs() < 0.02, "{layout:?}");
                    assert_eq!(
                        (layout.numbers.is_some(), layout.world_view.is_some()),
                        (numbers, second_pass)
                    );
                }
            }
        }
    }

    #[test]
    fn without_numbers_the_side_view_has_the_whole_height() {
        let canvas = PictureSize::new(1280, 720);
        let layout = Layout::window(canvas, canvas, false, false);
        assert_eq!(layout.side_view.size.height, 720);
        assert_eq!(Layout::window(canvas, canvas, true, false).picture.size, PictureSize::new(960, 540));
    }
}
