//! The lower right part of an overlay: the world from above, with the ways of camera and wrists.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, UnitQuaternion, Vector2, Vector3};

use super::marks::colour;
use super::text;
use crate::event::{FrameHands, Refinement, Side, TrackedHand};
use crate::frame::Timestamp;
use crate::geometry::Pixel;
use crate::render::{Area, Background, Colour, Light, Mesh, Panel, Projection, Stroke, View};

/// Frames whose ways are shown: ten seconds of an ordinary camera.
const FRAMES_SHOWN: usize = 300;
/// Most frames of which the hands that the front end gave wait for the second pass.
const FRAMES_WAITING: usize = 1200;
/// Refined frames come in chunks and are shown at the pace of the run; so many to come, and it goes faster.
const FRAMES_AHEAD: usize = 160;
/// Frames lost between two that still make one line.
const LOST: u64 = 5;
/// Least width of what is shown, and room around it, metres: wrists are counted, and fingers reach further.
const NARROWEST: f64 = 0.6;
const ROOM_AROUND: f64 = 0.12;
/// Part of the way to the wished section gone in each frame.
const EASE: f64 = 0.1;
/// Lines on the ground are this far apart at least, pixels.
const LINES_APART: f32 = 46.0;
/// Half widths of the ways, pixels.
const THIN: f32 = 0.6;
const THICK: f32 = 2.0;
const CAMERA_WAY: f32 = 1.1;
/// Size of the camera's mark, metres along and across its view.
const CAMERA_MARK: [f64; 2] = [0.07, 0.04];
/// Height of letters and their distance from the edges, pixels.
const TEXT: f32 = 10.0;
const TITLE: f32 = 12.0;
const EDGE: f32 = 14.0;
/// Rows at the top and at the bottom that belong to the words.
const WORDS: [f64; 2] = [34.0, 22.0];

const GROUND: Colour = Colour::rgb(20, 23, 29);
const GRID: Colour = Colour::rgb(37, 42, 51);
const LABEL: Colour = Colour::rgb(150, 160, 176);
const CAMERA: Colour = Colour::rgb(196, 204, 218);

/// Where things were in one refined frame: x and z of the world.
struct Place {
    timestamp: Timestamp,
    camera: Isometry3<f64>,
    /// The refined hands, camera space.
    hands: Vec<TrackedHand>,
    refined: [Option<Vector2<f64>>; 2],
    provisional: [Option<Vector2<f64>>; 2],
}

/// The world of a run, as far as it is refined.
pub(super) struct WorldView {
    area: Area,
    /// Wrists in camera space as the front end gave them, left and right.
    provisional: BTreeMap<u64, [Option<Vector3<f64>>; 2]>,
    places: BTreeMap<u64, Place>,
    /// The refined frame that is shown.
    shown: Option<u64>,
    /// Middle and width of the section that is shown.
    section: Option<(Vector2<f64>, f64)>,
}

impl WorldView {
    pub fn new(area: Area) -> Self {
        Self { area, provisional: BTreeMap::new(), places: BTreeMap::new(), shown: None, section: None }
    }

    /// Puts the view elsewhere.
    pub fn place(&mut self, area: Area) {
        self.area = area;
    }

    /// Takes the hands of the next frame.
    pub fn advance(&mut self, hands: &FrameHands) {
        self.provisional.insert(hands.sequence, wrists(hands));
        if self.provisional.len() > FRAMES_WAITING {
            self.provisional.pop_first();
        }
        let ahead = self.to_come().count();
        let next = self.to_come().nth(usize::from(ahead > FRAMES_AHEAD));
        if let Some(next) = next {
            self.shown = Some(next);
            let oldest = self.places.range(..=next).rev().nth(FRAMES_SHOWN).map(|(&oldest, _)| oldest);
            if let Some(oldest) = oldest {
                self.places = self.places.split_off(&oldest);
            }
        }
        self.ease();
    }

    /// Numbers of the refined frames that are not shown yet.
    fn to_come(&self) -> impl Iterator<Item = u64> {
        self.places.range(self.shown.map_or(0, |shown| shown + 1)..).map(|(&number, _)| number)
    }

    /// The refined hands that are shown.
    pub fn hands(&self) -> impl Iterator<Item = &TrackedHand> {
        self.shown.and_then(|shown| self.places.get(&shown)).into_iter().flat_map(|place| &place.hands)
    }

    /// Takes frames that were refined.
    pub fn refined(&mut self, refinement: &Refinement) {
        for frame in &refinement.frames {
            let Some(camera) = frame.world_from_camera else { continue };
            let from_above = |wrists: [Option<Vector3<f64>>; 2]| {
                wrists.map(|wrist| wrist.map(|wrist| flat((camera * Point3::from(wrist)).coords)))
            };
            let provisional = self.provisional.get(&frame.sequence).copied().unwrap_or_default();
            let place = Place {
                timestamp: frame.timestamp,
                camera,
                hands: frame.hands.clone(),
                refined: from_above(wrists(frame)),
                provisional: from_above(provisional),
            };
            self.places.insert(frame.sequence, place);
        }
    }

    /// The panel at the time `now` with the `meshes` of [`Self::hands`].
    pub fn panel<'a>(&self, now: Timestamp, meshes: Vec<&'a Mesh>) -> Panel<'a> {
        let mut strokes = Vec::new();
        let (centre, width) = self.section.unwrap_or((Vector2::zeros(), NARROWEST));
        let scale = self.room().min() / width;
        let middle = Vector2::new(0.0, WORDS[0]) + self.room() / 2.0;
        let at = |place: Vector2<f64>| {
            let away = (place - centre) * scale;
            Pixel::new((middle.x + away.x) as f32, (middle.y - away.y) as f32)
        };
        self.grid(&mut strokes, centre, middle, scale);
        for (row, side) in [Side::Left, Side::Right].into_iter().enumerate() {
            self.way(&mut strokes, THIN, colour(side), &at, |place| place.provisional[row]);
            self.way(&mut strokes, THICK, colour(side), &at, |place| place.refined[row]);
        }
        self.way(&mut strokes, CAMERA_WAY, CAMERA, &at, |place| Some(flat(place.camera.translation.vector)));
        let shown = self.shown.and_then(|shown| self.places.get(&shown));
        let camera = shown.map_or_else(Isometry3::identity, |place| place.camera);
        if shown.is_some() {
            camera_mark(&mut strokes, &camera, &at);
        }
        let mut over = Vec::new();
        self.title(&mut over, shown.map(|place| now.since(place.timestamp).as_secs_f64()));
        let ground = Vector3::new(centre.x, 0.0, centre.y);
        let view = View {
            projection: Projection::Orthographic {
                pixels_per_metre: scale as f32,
                centre: Pixel::new(middle.x as f32, middle.y as f32),
            },
            viewer_from_scene: (seen_from_above(ground) * camera).cast(),
            mirrored: false,
            light: Light::default(),
        };
        Panel { area: self.area, background: Background::Plain(GROUND), under: strokes, view, meshes, over }
    }

    /// Width and height, pixels, of what the words leave.
    fn room(&self) -> Vector2<f64> {
        let (width, height) = (self.area.size.width as f64, self.area.size.height as f64);
        Vector2::new(width, height - WORDS[0] - WORDS[1]).sup(&Vector2::repeat(1.0))
    }

    /// Brings the section nearer to what is there.
    fn ease(&mut self) {
        let points = self.places.range(..=self.shown.unwrap_or(0)).flat_map(|(_, place)| {
            let camera = flat(place.camera.translation.vector);
            place.refined.into_iter().flatten().chain([camera])
        });
        let range = points.fold(None, |range: Option<(Vector2<f64>, Vector2<f64>)>, point| {
            Some(range.map_or((point, point), |(low, high)| (low.inf(&point), high.sup(&point))))
        });
        let Some((low, high)) = range else { return };
        let aspect = self.room() / self.room().min();
        let width = (high - low).component_div(&aspect).max() + 2.0 * ROOM_AROUND;
        let wish = ((low + high) / 2.0, width.max(NARROWEST));
        let shown = self.section.get_or_insert(wish);
        shown.0 += (wish.0 - shown.0) * EASE;
        shown.1 += (wish.1 - shown.1) * EASE;
    }

    /// One line through the places, parted where there is none.
    fn way(
        &self,
        strokes: &mut Vec<Stroke>,
        thickness: f32,
        colour: Colour,
        at: &impl Fn(Vector2<f64>) -> Pixel,
        of: impl Fn(&Place) -> Option<Vector2<f64>>,
    ) {
        let mut before: Option<(u64, Pixel)> = None;
        for (&number, place) in self.places.range(..=self.shown.unwrap_or(0)) {
            let now = of(place).map(|place| (number, at(place)));
            if let (Some((last, from)), Some((_, to))) = (before, now)
                && number <= last + 1 + LOST
            {
                strokes.push(Stroke::line(from, to, thickness, colour));
            }
            before = now;
        }
    }

    /// Lines on the ground every 10 cm, or wider apart where much is shown; `centre` lies at the pixel `middle`.
    fn grid(&self, strokes: &mut Vec<Stroke>, centre: Vector2<f64>, middle: Vector2<f64>, scale: f64) {
        let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
        let step = steps.into_iter().find(|step| (step * scale) as f32 >= LINES_APART).unwrap_or(10.0);
        let (width, height) = (self.area.size.width as f32, self.area.size.height as f32);
        // Pixels from 0 to `to` through which lines go, where the world's zero is at the pixel `zero`.
        let lines = |zero: f64, to: f32| {
            let apart = step * scale;
            let first = (-zero / apart).ceil() as i64;
            (first..=((f64::from(to) - zero) / apart).floor() as i64)
                .map(move |line| (zero + line as f64 * apart) as f32)
        };
        for across in lines(middle.x - centre.x * scale, width) {
            strokes.push(Stroke::line(Pixel::new(across, 0.0), Pixel::new(across, height), 0.6, GRID));
        }
        for down in lines(middle.y + centre.y * scale, height) {
            strokes.push(Stroke::line(Pixel::new(0.0, down), Pixel::new(width, down), 0.6, GRID));
        }
        let words = format!("lines {step} m apart");
        text::write(strokes, Pixel::new(EDGE, height - TEXT), TEXT, LABEL, &words);
    }

    /// `ago` seconds ago was what is shown.
    fn title(&self, strokes: &mut Vec<Stroke>, ago: Option<f64>) {
        let title = ago.map_or("refined".into(), |ago| format!("refined, {ago:.1} s ago"));
        text::write(strokes, Pixel::new(EDGE, 26.0), TITLE, CAMERA, &title);
        let words =
            if ago.is_none() { "first chunk under way" } else { "from above; thin: as it was at once" };
        let x = self.area.size.width as f32 - EDGE - text::width(words, TEXT);
        if x > text::width(&title, TITLE) + 2.0 * EDGE {
            text::write(strokes, Pixel::new(x, 25.0), TEXT, LABEL, words);
        }
    }
}

/// The newest camera: a triangle that opens where it looks.
fn camera_mark(strokes: &mut Vec<Stroke>, camera: &Isometry3<f64>, at: &impl Fn(Vector2<f64>) -> Pixel) {
    let [along, across] = CAMERA_MARK;
    let corner = |x: f64| at(flat((camera * Point3::new(x, 0.0, along)).coords));
    let (eye, left, right) = (at(flat(camera.translation.vector)), corner(-across), corner(across));
    for (from, to) in [(eye, left), (eye, right), (left, right)] {
        strokes.push(Stroke::line(from, to, 1.2, CAMERA));
    }
}

/// From the world to one who looks down on it from above, `middle` below: the camera's y points down.
fn seen_from_above(middle: Vector3<f64>) -> Isometry3<f64> {
    let turn = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);
    let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(turn));
    Isometry3::from_parts((turn * -middle).into(), turn)
}

/// Seen from above: x to the right, z ahead.
fn flat(point: Vector3<f64>) -> Vector2<f64> {
    Vector2::new(point.x, point.z)
}

/// The wrists of the best left and right hand, camera space.
fn wrists(hands: &FrameHands) -> [Option<Vector3<f64>>; 2] {
    [Side::Left, Side::Right].map(|side| {
        let of_side = hands.hands.iter().filter(|hand| hand.side == side);
        let best = of_side.max_by(|a, b| a.score.total_cmp(&b.score));
        best.map(|hand| hand.joints_camera[0].0.cast())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::PictureSize;

    fn frame(sequence: u64) -> FrameHands {
        FrameHands {
            sequence,
            timestamp: Timestamp(sequence as i64),
            hands: Vec::new(),
            world_from_camera: Some(Isometry3::identity()),
            stages: Vec::new(),
            total: Duration::ZERO,
        }
    }

    fn refinement(frames: std::ops::Range<u64>) -> Refinement {
        Refinement {
            revision: 1,
            frames: frames.map(frame).collect(),
            settled: 0,
            world_scale: None,
            age: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn refined_frames_are_shown_at_the_pace_of_the_run_and_the_oldest_forgotten() {
        let mut view = WorldView::new(Area::whole(PictureSize::new(100, 100)));
        view.advance(&frame(0));
        assert_eq!(view.shown, None);
        view.refined(&refinement(0..128));
        for number in 1..=40 {
            view.advance(&frame(number));
            assert_eq!(view.shown, Some(number - 1));
        }
        assert_eq!(view.places.len(), 128);
        view.refined(&refinement(112..1000));
        (41..1000).for_each(|number| view.advance(&frame(number)));
        assert_eq!(view.shown, Some(999));
        assert!(view.places.len() <= FRAMES_SHOWN + 1);
    }
}
