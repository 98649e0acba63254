//! The left part of an overlay: the camera's picture with the hands over it.

use super::marks::{bones, colour};
use super::text;
use crate::event::{FrameHands, TrackedHand};
use crate::frame::{Frame, PictureSize};
use crate::geometry::Pixel;
use crate::render::{Area, Background, Colour, Mesh, Panel, Stroke, View};

/// Height of captions, pixels.
const TEXT: f32 = 12.0;
/// Height of a caption with its ground, pixels.
const CAPTION_HEIGHT: f32 = 2.1 * TEXT;

const BONE: Colour = Colour([255, 255, 255, 170]);
const KEYPOINT: Colour = Colour::rgb(255, 226, 84);
const KEYPOINT_EDGE: Colour = Colour([20, 20, 24, 150]);
const CAPTION: Colour = Colour::rgb(245, 245, 245);
const CAPTION_GROUND: Colour = Colour([18, 20, 26, 185]);

/// The panel of a frame.
pub(super) fn panel<'a>(
    area: Area,
    frame: &'a Frame,
    hands: &FrameHands,
    view: View,
    meshes: Vec<&'a Mesh>,
) -> Panel<'a> {
    let mut over = Vec::new();
    let scale = Scale::new(frame.size, area.size);
    for hand in &hands.hands {
        let joints = hand.joints_camera.map(|joint| view.project(joint.0, area.size));
        bones(&mut over, &joints, 1.0, BONE);
        for &keypoint in &hand.keypoints_px {
            let at = view.mirror(scale.apply(keypoint), area.size);
            over.push(Stroke::disc(at, 3.4, KEYPOINT_EDGE));
            over.push(Stroke::disc(at, 2.2, KEYPOINT));
        }
    }
    let mut taken = Vec::new();
    for hand in &hands.hands {
        hand_caption(&mut over, &mut taken, hand, scale, &view, area.size);
    }
    let words = format!(
        "frame {}   {:.2} s   {:.1} ms",
        hands.sequence,
        hands.timestamp.seconds(),
        hands.total.as_secs_f64() * 1e3
    );
    caption(&mut over, Pixel::new(14.0, area.size.height as f32 - 14.0), &words, None);
    let background = Background::Picture { rgb: &frame.pixels, size: frame.size };
    Panel { area, background, under: Vec::new(), view, meshes, over }
}

/// From pixels of the frame to pixels of the panel.
#[derive(Clone, Copy)]
struct Scale {
    x: f32,
    y: f32,
}

impl Scale {
    fn new(from: PictureSize, to: PictureSize) -> Self {
        Self { x: to.width as f32 / from.width as f32, y: to.height as f32 / from.height as f32 }
    }

    fn apply(self, pixel: Pixel) -> Pixel {
        Pixel::new((pixel.x + 0.5) * self.x - 0.5, (pixel.y + 0.5) * self.y - 0.5)
    }
}

/// Where a caption stands: left and right end and base line, pixels.
struct CaptionPlace {
    left: f32,
    right: f32,
    y: f32,
}

/// Track, side, score and distance above the hand's box, kept inside the picture and clear of the captions
/// that are `taken`.
fn hand_caption(
    strokes: &mut Vec<Stroke>,
    taken: &mut Vec<CaptionPlace>,
    hand: &TrackedHand,
    scale: Scale,
    view: &View,
    size: PictureSize,
) {
    let centimetres = hand.joints_camera[0].0.norm() * 100.0;
    let words = format!("#{} {}   {:.2}   {centimetres:.0} cm", hand.track.0, hand.side.name(), hand.score);
    let [x0, y0, x1, _] = hand.box_px;
    let above = view.mirror(scale.apply(Pixel::new((x0 + x1) / 2.0, y0)), size);
    let half = text::width(&words, TEXT) / 2.0 + 2.0 * TEXT;
    let x = above.x.clamp(half, (size.width as f32 - half).max(half)) - half + TEXT;
    let (top, bottom) = (2.0 * TEXT, (size.height as f32 - 4.0 * TEXT).max(2.0 * TEXT));
    let mut place =
        CaptionPlace { left: x, right: x + 2.0 * half, y: (above.y - 1.6 * TEXT).clamp(top, bottom) };
    for _ in 0..=taken.len() {
        let Some(other) = taken.iter().find(|other| place.covers(other)) else { break };
        // Upwards where there is room, for below lies the hand.
        let up = other.y - CAPTION_HEIGHT;
        place.y = if up >= top { up } else { other.y + CAPTION_HEIGHT };
    }
    let y = place.y;
    taken.push(place);
    caption(strokes, Pixel::new(x, y), &words, Some(colour(hand.side)));
}

impl CaptionPlace {
    fn covers(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && (self.y - other.y).abs() < CAPTION_HEIGHT
    }
}

/// Words on a dark pill, with a coloured dot in front where there is a colour.
pub(super) fn caption(strokes: &mut Vec<Stroke>, start: Pixel, words: &str, dot: Option<Colour>) {
    let lead = if dot.is_some() { 1.3 * TEXT } else { 0.0 };
    let middle = start.y - TEXT / 2.0;
    let end = start.x + lead + text::width(words, TEXT);
    strokes.push(Stroke::line(Pixel::new(start.x, middle), Pixel::new(end, middle), TEXT, CAPTION_GROUND));
    if let Some(dot) = dot {
        strokes.push(Stroke::disc(Pixel::new(start.x + 0.25 * TEXT, middle), 0.42 * TEXT, dot));
    }
    text::write(strokes, Pixel::new(start.x + lead, start.y), TEXT, CAPTION, words);
}
