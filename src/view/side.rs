//! The right part of an overlay: the hands from the side, depth to the right, height up, in metres.

use std::collections::{BTreeMap, VecDeque};

use nalgebra::{Isometry3, Matrix3, Rotation3, UnitQuaternion, Vector3};

use super::marks::{bones, colour};
use super::text;
use crate::event::{FrameHands, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::{CameraModel, Pixel};
use crate::render::{Area, Background, Colour, Light, Mesh, Panel, Projection, Stroke, View};

/// How long a wrist's path stays visible, seconds.
const PATH_SECONDS: f64 = 2.5;

/// Depth shown when hands are near, and at most, metres.
const DEPTH_SHOWN: [f32; 2] = [0.7, 6.0];

/// Room behind the farthest wrist, metres.
const ROOM_BEHIND: f32 = 0.15;

/// Part of the way to the wished scale gone in each frame; jumps would hide the hands' own motion.
const EASE: f32 = 0.08;

/// Left of the camera, pixels.
const MARGIN: f32 = 44.0;

/// Height of letters and their distance from the edges, pixels.
const TEXT: f32 = 10.0;
const TITLE: f32 = 12.0;
const EDGE: f32 = 14.0;

const GROUND: Colour = Colour::rgb(24, 27, 34);
const GRID: Colour = Colour::rgb(41, 46, 56);
const AXIS: Colour = Colour::rgb(74, 82, 97);
const LABEL: Colour = Colour::rgb(150, 160, 176);
const FRUSTUM: Colour = Colour([120, 132, 155, 110]);
const CAMERA: Colour = Colour::rgb(196, 204, 218);
const BONE: Colour = Colour([255, 255, 255, 110]);

/// The side view of a run: it remembers where wrists were and how far it shows.
pub(super) struct SideView {
    area: Area,
    /// Slopes y/z of the picture's upper and lower edge.
    edges: [f32; 2],
    depth_shown: f32,
    paths: BTreeMap<TrackId, WristPath>,
}

struct WristPath {
    side: Side,
    points: VecDeque<(Timestamp, Vector3<f32>)>,
}

impl SideView {
    pub fn new(area: Area, camera: &CameraModel) -> Self {
        let edge = |row: f64| camera.ray(Pixel::new(camera.cx as f32, row as f32)).y as f32;
        let edges = [edge(-0.5), edge(camera.size.height as f64 - 0.5)];
        Self { area, edges, depth_shown: DEPTH_SHOWN[0], paths: BTreeMap::new() }
    }

    /// Puts the view elsewhere.
    pub fn place(&mut self, area: Area) {
        self.area = area;
    }

    /// Takes the hands of the next frame.
    pub fn advance(&mut self, hands: &FrameHands) {
        for hand in &hands.hands {
            let path = self
                .paths
                .entry(hand.track)
                .or_insert_with(|| WristPath { side: hand.side, points: VecDeque::new() });
            path.side = hand.side;
            path.points.push_back((hands.timestamp, hand.joints_camera[0].0));
        }
        for path in self.paths.values_mut() {
            while path.points.front().is_some_and(|(time, _)| age(*time, hands.timestamp) > PATH_SECONDS) {
                path.points.pop_front();
            }
        }
        self.paths.retain(|_, path| !path.points.is_empty());
        let farthest = |depths: &mut dyn Iterator<Item = f32>| {
            (depths.fold(0.0, f32::max) + ROOM_BEHIND).clamp(DEPTH_SHOWN[0], DEPTH_SHOWN[1])
        };
        let wish = farthest(&mut self.paths.values().flat_map(|path| &path.points).map(|(_, point)| point.z));
        let needed = farthest(&mut hands.hands.iter().map(|hand| hand.joints_camera[0].0.z));
        // A hand that is there must be seen at once.
        self.depth_shown = (self.depth_shown + EASE * (wish - self.depth_shown)).max(needed);
    }

    /// The panel of the current frame.
    pub fn panel<'a>(&self, hands: &FrameHands, meshes: Vec<&'a Mesh>) -> Panel<'a> {
        let view = self.view();
        let at = |depth: f32, up: f32| {
            let point = Vector3::new(0.0, -up, depth);
            view.project(point, self.area.size).unwrap_or_default()
        };
        let mut under = Vec::new();
        self.grid(&mut under, &at);
        self.camera(&mut under, &at);
        self.draw_paths(&mut under, hands.timestamp, &at);
        let mut over = Vec::new();
        for hand in &hands.hands {
            let joints = hand.joints_camera.map(|joint| view.project(joint.0, self.area.size));
            bones(&mut over, &joints, 0.7, BONE);
        }
        self.title(&mut over);
        Panel { area: self.area, background: Background::Plain(GROUND), under, view, meshes, over }
    }

    fn pixels_per_metre(&self) -> f32 {
        (self.area.size.width as f32 - MARGIN) / self.depth_shown
    }

    /// Looks from the camera's right to its left: depth to the right, the camera's y down.
    fn view(&self) -> View {
        let turn = Matrix3::new(0.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0);
        let turn = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(turn));
        View {
            projection: Projection::Orthographic {
                pixels_per_metre: self.pixels_per_metre(),
                centre: Pixel::new(MARGIN, self.area.size.height as f32 / 2.0),
            },
            viewer_from_scene: Isometry3::from_parts(Vector3::zeros().into(), turn),
            mirrored: false,
            light: Light { to_lamp: Vector3::new(0.7, -0.8, -0.35), ..Light::default() },
        }
    }

    /// Lines every 10 cm (wider when far things are shown), with labels in metres.
    fn grid(&self, strokes: &mut Vec<Stroke>, at: &impl Fn(f32, f32) -> Pixel) {
        const NARROWEST: f32 = 46.0;
        let scale = self.pixels_per_metre();
        let step = [0.1, 0.2, 0.5].into_iter().find(|step| step * scale >= NARROWEST).unwrap_or(1.0);
        let half_height = self.area.size.height as f32 / 2.0 / scale;
        let decimals = usize::from(step < 1.0);
        for line in 0..=(self.depth_shown / step) as i32 {
            let depth = line as f32 * step;
            let colour = if line == 0 { AXIS } else { GRID };
            strokes.push(Stroke::line(at(depth, -half_height), at(depth, half_height), 0.6, colour));
        }
        let rows = (half_height / step) as i32;
        for line in -rows..=rows {
            let up = line as f32 * step;
            let colour = if line == 0 { AXIS } else { GRID };
            strokes.push(Stroke::line(at(-1.0, up), at(self.depth_shown, up), 0.6, colour));
        }
        for line in 1..=(self.depth_shown / step) as i32 {
            let words = format!("{:.decimals$}", line as f32 * step);
            let x = at(line as f32 * step, 0.0).x - text::width(&words, TEXT) / 2.0;
            let y = self.area.size.height as f32 - TEXT;
            text::write(strokes, Pixel::new(x, y), TEXT, LABEL, &words);
        }
        for line in (-rows..=rows).filter(|line| *line != 0) {
            let words = format!("{:.decimals$}", line as f32 * step);
            let start = Pixel::new(
                MARGIN - 10.0 - text::width(&words, TEXT),
                at(0.0, line as f32 * step).y + TEXT / 2.0,
            );
            if start.y > 5.0 * TEXT && start.y < self.area.size.height as f32 - 2.5 * TEXT {
                text::write(strokes, start, TEXT, LABEL, &words);
            }
        }
    }

    /// The camera as a small box with its field of view.
    fn camera(&self, strokes: &mut Vec<Stroke>, at: &impl Fn(f32, f32) -> Pixel) {
        let eye = at(0.0, 0.0);
        for slope in self.edges {
            let far = at(self.depth_shown, -slope * self.depth_shown);
            strokes.push(Stroke::line(eye, far, 0.7, FRUSTUM));
        }
        strokes.push(Stroke::line(
            Pixel::new(eye.x - 17.0, eye.y),
            Pixel::new(eye.x - 8.0, eye.y),
            7.0,
            CAMERA,
        ));
        strokes.push(Stroke::line(
            Pixel::new(eye.x - 3.0, eye.y - 5.0),
            Pixel::new(eye.x - 3.0, eye.y + 5.0),
            2.0,
            CAMERA,
        ));
    }

    /// Where wrists were, fading with age.
    fn draw_paths(&self, strokes: &mut Vec<Stroke>, now: Timestamp, at: &impl Fn(f32, f32) -> Pixel) {
        for path in self.paths.values() {
            let points: Vec<_> =
                path.points.iter().map(|(time, p)| (age(*time, now), at(p.z, -p.y))).collect();
            for ends in points.windows(2) {
                let fresh = 1.0 - (ends[1].0 / PATH_SECONDS) as f32;
                let colour = faded(colour(path.side), 0.75 * fresh.clamp(0.0, 1.0));
                strokes.push(Stroke::line(ends[0].1, ends[1].1, 1.4, colour));
            }
        }
    }

    fn title(&self, strokes: &mut Vec<Stroke>) {
        let title = "side view";
        text::write(strokes, Pixel::new(EDGE, 26.0), TITLE, CAMERA, title);
        let words = "metres: depth right, height up";
        let x = self.area.size.width as f32 - EDGE - text::width(words, TEXT);
        if x > text::width(title, TITLE) + 2.0 * EDGE {
            text::write(strokes, Pixel::new(x, 25.0), TEXT, LABEL, words);
        }
    }
}

/// The colour as it looks over the ground with `opacity`; truly transparent pieces of a path would
/// show where they overlap.
fn faded(colour: Colour, opacity: f32) -> Colour {
    let mix = |k: usize| f32::from(GROUND.0[k]) * (1.0 - opacity) + f32::from(colour.0[k]) * opacity;
    Colour::rgb(mix(0) as u8, mix(1) as u8, mix(2) as u8)
}

fn age(time: Timestamp, now: Timestamp) -> f64 {
    now.since(time).as_secs_f64()
}
