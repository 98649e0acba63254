//! Windows: the released demo's over a whole film, and a stream's that end at every frame.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use handstream::frame::{Frame, PictureSize};
use handstream::geometry::CameraModel;
use handstream::haptic::full::{
    CpuNetwork, CropView, DecoderForm, DemoDepth, FullConfig, FullHaptic, HandPictures, HeadRow,
    NetworkError, NetworkShape, Picture, Slot, WeakCamera, WindowNetwork, demo_places, demo_windows,
};
use handstream::haptic::{HandInput, StreamConfig};
use handstream::jobs::{InOrder, Jobs};
use nalgebra::{Vector2, Vector3};

use super::decoder::{OUTPUTS, flat};
use super::network::{decode, filled, network};
use super::variant::{Variant, off};
use crate::support::ring::{noisy_frame, ring_hand, side_of};
use crate::tensors::Fixture;

/// Of a stream from its windows run from scratch.
const STREAMED: f64 = 1e-5;

/// What the released demo knows of its film.
struct Film {
    centres: Vec<Vector2<f64>>,
    sides: Vec<f64>,
    focal: f64,
    principal: Vector2<f64>,
    width: f64,
}

impl Film {
    fn read(inputs: &Fixture) -> Self {
        let (intrinsics, size) = (inputs.numbers("intr"), inputs.numbers("img_size_wh"));
        let centres = inputs.numbers("box_center").as_chunks::<2>().0.iter().map(|&c| c.into()).collect();
        Self {
            centres,
            sides: inputs.numbers("box_size"),
            focal: intrinsics[0],
            principal: Vector2::new(intrinsics[2], intrinsics[5]),
            width: size[0],
        }
    }

    /// The crop of a frame as the demo sees it: all crops of a window have the mean side.
    fn view(&self, frame: usize, side: f64, mirrored: bool) -> CropView {
        let mut centre = self.centres[frame];
        if mirrored {
            centre.x = self.width - centre.x;
        }
        CropView { ray: (centre - self.principal) / self.focal, side: side / self.focal }
    }
}

fn points(points: &[Vector3<f64>]) -> Vec<f64> {
    points.iter().flat_map(|point| [point.x, point.y, point.z]).collect()
}

#[test]
fn the_released_demos_windows_and_depths_are_reproduced() {
    for variant in Variant::all() {
        let expected = variant.file("haptic_stream");
        let mut network = filled(&variant, DecoderForm::Absorbed);
        let film = Film::read(&variant.file("haptic_inputs"));
        let frames = film.sides.len();
        let mut chain = DemoDepth::default();
        let mut kept = vec![Vector3::zeros(); frames];
        for (number, window) in demo_windows(frames).into_iter().enumerate() {
            let theirs = |name: &str| expected.numbers(&format!("w{number}.{name}"));
            assert_eq!(window.map(|frame| frame as f64).to_vec(), theirs("index"));
            let rows = decode(&mut network, &[&window.map(Slot)]);
            let cameras: Vec<WeakCamera> = rows.iter().map(|row| WeakCamera::new(row.camera)).collect();
            let side = window.iter().map(|&frame| film.sides[frame]).sum::<f64>() / window.len() as f64;
            let view = |place: usize, mirrored| film.view(window[place], side, mirrored);
            let weak: Vec<f64> = (0..8).map(|at| view(at, false).weak_depth(&cameras[at])).collect();
            let depths = chain.window(weak[0], std::array::from_fn(|at| f64::from(rows[at].depth)));
            let place =
                |at: usize, depth: &[f64], mirrored| view(at, mirrored).translation(&cameras[at], depth[at]);
            let all = |depths: &[f64], mirrored| {
                let places: Vec<_> = (0..8).map(|at| place(at, depths, mirrored)).collect();
                points(&places)
            };
            for (name, ours) in [
                ("pred_cam", rows.iter().flat_map(|row| row.camera.map(f64::from)).collect()),
                ("pred_depth_net", rows.iter().map(|row| f64::from(row.depth)).collect()),
                ("pred_depth_abs", depths.to_vec()),
                ("depth0", vec![depths[0]]),
                ("cam_full", all(&depths, false)),
                ("cam_full_if_left", all(&depths, true)),
                ("cam_full_weak2full", all(&weak, false)),
            ] {
                let off = off(ours, &theirs(name));
                assert!(off < OUTPUTS, "window {number}, {name}: {off:.1e}");
            }
            for at in demo_places(number) {
                kept[window[at]] = place(at, &depths, false);
            }
        }
        let off = off(points(&kept), &expected.numbers("final.cam_full"));
        println!("{}: the film is within {off:.1e}", variant.name());
        assert!(off < OUTPUTS, "{off:.1e}");
    }
}

/// Frames of the streamed film, and milliseconds from one to the next.
const FRAMES: usize = 40;
const STEP: i64 = 40;
const SIZE: PictureSize = PictureSize { width: 160, height: 120 };

/// What a [`Checked`] network found.
#[derive(Default)]
struct Found {
    worst: f64,
    /// Of the last decoding, the frames of each window.
    windows: Vec<Vec<usize>>,
}

/// A network that holds each of its windows against another network, which encodes the window's pictures
/// anew and computes in the plain form.
struct Checked {
    network: CpuNetwork,
    scratch: CpuNetwork,
    /// The frame in each slot, by the count of encodings.
    slots: HashMap<Slot, (usize, [Picture; 2])>,
    encodings: usize,
    found: Arc<Mutex<Found>>,
}

impl WindowNetwork for Checked {
    fn shape(&self) -> &NetworkShape {
        self.network.shape()
    }

    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], jobs: &dyn Jobs) -> Result<(), NetworkError> {
        for (slot, hand) in hands {
            let pictures = [hand.crop.clone(), hand.frame.unwrap().clone()];
            self.slots.insert(*slot, (self.encodings, pictures));
        }
        self.encodings += 1;
        self.network.encode(hands, jobs)
    }

    fn decode(
        &mut self,
        windows: &[&[Slot]],
        jobs: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError> {
        let mut found = self.found.lock().unwrap();
        let rows = decode(&mut self.network, windows);
        let mut first = 0;
        found.windows.clear();
        for window in windows {
            let frames: Vec<_> = window.iter().map(|slot| &self.slots[slot]).collect();
            let hands = frames
                .iter()
                .enumerate()
                .map(|(at, (_, [crop, frame]))| (Slot(at), HandPictures { crop, frame: Some(frame) }));
            let hands: Vec<_> = hands.collect();
            self.scratch.encode(&hands, jobs)?;
            let slots: Vec<Slot> = hands.iter().map(|(slot, _)| *slot).collect();
            let expected = decode(&mut self.scratch, &[&slots]);
            let ours = &rows[first..first + window.len()];
            first += window.len();
            let numbers = |rows: &[HeadRow]| rows.iter().flat_map(flat).collect::<Vec<f64>>();
            found.worst = found.worst.max(off(numbers(ours), &numbers(&expected)));
            found.windows.push(frames.iter().map(|(frame, _)| *frame).collect());
        }
        out.extend(rows);
        Ok(())
    }
}

fn frame(number: usize) -> Frame {
    noisy_frame(SIZE, number as u64, STEP)
}

/// Key points on a circle that moves.
fn hand(track: usize, frame: usize) -> HandInput {
    let (track, x) = (track as u32, 50.0 + 15.0 * track as f32 + 0.5 * frame as f32);
    ring_hand(track, side_of(track), x, [15.0, 12.0])
}

/// Whether a track is seen in a frame: one throughout, one that begins late, misses frames for a short time,
/// then for a long time and comes back, and one that ends.
fn is_seen(track: usize, frame: usize) -> bool {
    match track {
        0 => true,
        1 => (5..12).contains(&frame) || (16..22).contains(&frame) || frame >= 37,
        _ => frame < 25,
    }
}

/// The window that ends at `frame`: the last eight frames in which the track was seen, back to its last gap.
fn window_at(track: usize, frame: usize) -> Vec<usize> {
    let longest = (StreamConfig::default().longest_gap_seconds * 1e3 / STEP as f64) as usize;
    let mut window: Vec<usize> = vec![frame];
    for earlier in (0..frame).rev().filter(|&earlier| is_seen(track, earlier)) {
        if window.len() == 8 || window[window.len() - 1] - earlier > longest {
            break;
        }
        window.push(earlier);
    }
    window.reverse();
    window
}

#[test]
fn forty_frames_streamed_equal_their_windows_run_from_scratch() {
    for variant in Variant::all() {
        let weights = variant.file("haptic_weights");
        let found = Arc::new(Mutex::new(Found::default()));
        let checked = Checked {
            network: network(&variant, &weights, DecoderForm::Absorbed),
            scratch: network(&variant, &weights, DecoderForm::Plain),
            slots: HashMap::new(),
            encodings: 0,
            found: Arc::clone(&found),
        };
        let mut stream = FullHaptic::new(Box::new(checked), FullConfig::default()).unwrap();
        let mut lengths = HashSet::new();
        for number in 0..FRAMES {
            let tracks: Vec<usize> = (0..3).filter(|&track| is_seen(track, number)).collect();
            let hands: Vec<HandInput> = tracks.iter().map(|&track| hand(track, number)).collect();
            stream.update(&frame(number), &hands, &CameraModel::guess(SIZE), &InOrder).unwrap();
            let found = found.lock().unwrap();
            let expected: Vec<Vec<usize>> = tracks.iter().map(|&track| window_at(track, number)).collect();
            assert_eq!(found.windows, expected, "frame {number}");
            assert!(found.worst < STREAMED, "frame {number}: {:.1e}", found.worst);
            lengths.extend(expected.iter().map(Vec::len));
        }
        println!("{}: every window within {:.1e}", variant.name(), found.lock().unwrap().worst);
        assert_eq!(lengths.len(), 8, "windows of all lengths");
    }
}
