//! OmniHands on a stream, with small random networks in the release's layout.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use handstream::event::{Side, TrackId};
use handstream::frame::{Frame, PictureSize};
use handstream::geometry::CameraModel;
use handstream::haptic::HandInput;
use handstream::haptic::full::{Cropper, Cut, HandBox, HeadRow, NetworkError, Picture, Square};
use handstream::haptic::omni::{
    CpuPairNetwork, OmniConfig, OmniFile, OmniHands, PairNetwork, PairPictures, PairRow, PairTokens,
    PairWindow, RelationMode, SeenHand, WINDOW,
};
use handstream::jobs::{InOrder, Jobs};
use nalgebra::Vector2;

#[path = "support/mod.rs"]
mod support;

use support::omni_release::OmniRelease;
use support::ring::{noisy_frame, ring_hand, side_of};

/// Frames of the film, and milliseconds from one to the next.
const FRAMES: u64 = 60;
const STEP: i64 = 33;
const SIZE: PictureSize = PictureSize { width: 160, height: 120 };
/// Of a stream from its windows run from scratch.
const STREAMED: f64 = 1e-5;
/// Frames from one place of a window to the next.
const GAP: usize = 3;

#[test]
fn the_generated_layout_is_the_released_one_name_by_name() {
    let Some(path) = support::shared("fixtures/omnihands/tensor_names.txt") else { return };
    let listed = std::fs::read_to_string(path).unwrap();
    let tensors = OmniRelease::full().tensors();
    let ours: BTreeMap<&str, String> = tensors
        .iter()
        .map(|tensor| {
            let sizes: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
            let comma = if sizes.len() == 1 { "," } else { "" };
            (tensor.name.as_str(), format!("({}{comma})", sizes.join(", ")))
        })
        .collect();
    let mut count = 0;
    for line in listed.lines().filter(|line| !line.is_empty()) {
        let (name, sizes) = line.split_once(' ').unwrap();
        assert_eq!(ours.get(name).map(String::as_str), Some(sizes), "{name}");
        count += 1;
    }
    let modules = ["map_head.", "mano_head.", "time_head."];
    let own = ours.keys().filter(|name| modules.iter().any(|module| name.starts_with(module)));
    assert_eq!((count, own.count()), (273, 273));
}

#[test]
fn the_released_files_are_told_apart_and_foreign_ones_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let release = OmniRelease::small();
    for (name, window) in [("Demo_Video.pth", 9), ("Demo_Image.pth", 1)] {
        let file = OmniFile::open(release.install(folder.path(), name)).unwrap();
        assert_eq!(file.window(), window);
        assert_eq!((file.backbone().heads, file.shape().spatial_heads), (2, 2));
        assert_eq!((file.shape().decoder.heads, file.shape().temporal.heads), (1, 2));
        let refusal = file.network(RelationMode::Paper).map(|_| ()).unwrap_err().to_string();
        assert!(refusal.contains(name) && refusal.contains("map_join.weight"), "{refusal}");
    }
    let paper = OmniRelease { paper: true, ..release }.install(folder.path(), "paper.pth");
    let paper = OmniFile::open(paper).unwrap();
    assert!(paper.network(RelationMode::Paper).is_ok() && paper.network(RelationMode::Release).is_err());
    let hamer = support::release::Release::small_hamer().install(folder.path());
    let refusal = OmniFile::open(hamer).unwrap_err().to_string();
    assert!(refusal.contains("hamer.ckpt") && refusal.contains("Demo_Video.pth"), "{refusal}");
}

/// One hand's picture and its place.
type Shown = (Picture, HandBox);

/// What a [`Recording`] network was shown and what it said, call by call.
#[derive(Default)]
struct Record {
    /// Right and left hand of each frame's pair.
    shown: Vec<[Option<Shown>; 2]>,
    said: VecDeque<PairRow>,
}

/// A network that writes down what it does for a single pair.
struct Recording {
    network: CpuPairNetwork,
    record: Arc<Mutex<Record>>,
}

impl PairNetwork for Recording {
    fn window(&self) -> usize {
        self.network.window()
    }

    fn encode(
        &mut self,
        pairs: &[PairPictures<'_>],
        jobs: &dyn Jobs,
        out: &mut Vec<PairTokens>,
    ) -> Result<(), NetworkError> {
        assert_eq!(pairs.len(), 1, "pairs of a frame");
        let shown = |hand: Option<SeenHand>| hand.map(|hand| (hand.crop.clone(), hand.place));
        self.record.lock().unwrap().shown.push([shown(pairs[0].right), shown(pairs[0].left)]);
        self.network.encode(pairs, jobs, out)
    }

    fn decode(
        &mut self,
        windows: &[PairWindow<'_>],
        jobs: &dyn Jobs,
        out: &mut Vec<PairRow>,
    ) -> Result<(), NetworkError> {
        self.network.decode(windows, jobs, out)?;
        self.record.lock().unwrap().said.extend(out.iter().copied());
        Ok(())
    }
}

fn network() -> CpuPairNetwork {
    let folder = tempfile::tempdir().unwrap();
    let path = OmniRelease::small().install(folder.path(), "Demo_Video.pth");
    OmniFile::open(path).unwrap().network(RelationMode::Release).unwrap()
}

fn frame(number: u64) -> Frame {
    noisy_frame(SIZE, number, STEP)
}

/// Key points on a circle that moves.
fn hand(track: u32, frame: u64) -> HandInput {
    let x = 40.0 + 50.0 * track as f32 + 0.4 * frame as f32;
    ring_hand(track, side_of(track), x, [15.0, 12.0])
}

/// The frame with which the left hand comes back after a pause that begins its windows anew.
const LONG_PAUSE_ENDS: usize = 50;

/// One hand throughout; the other begins late, is missing for a short and then for a long time.
fn seen(number: u64) -> Vec<HandInput> {
    let left = (4..20).contains(&number) || (24..30).contains(&number) || number >= LONG_PAUSE_ENDS as u64;
    let tracks = (0..2).filter(|&track| track == 0 || left);
    tracks.map(|track| hand(track, number)).collect()
}

/// All numbers of a row.
fn numbers(row: &PairRow) -> Vec<f64> {
    let hand = |hand: HeadRow| {
        let numbers = hand.rotations.into_iter().flatten().chain(hand.betas).chain(hand.camera);
        numbers.collect::<Vec<f32>>()
    };
    let hands = [row.right, row.left].into_iter().flatten().flat_map(hand);
    hands.chain(row.left_from_right.into_iter().flatten()).map(f64::from).collect()
}

fn difference(ours: &PairRow, theirs: &PairRow) -> f64 {
    let (ours, theirs) = (numbers(ours), numbers(theirs));
    assert_eq!(ours.len(), theirs.len(), "the same hands");
    ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// The window about frame `centre` of a hand whose token each frame has or has not, when no frame after `last`
/// is known: where the hand is not seen, the nearest frame of its run.
fn window<'a>(tokens: &[Option<&'a [f32]>], run: Range<usize>, centre: usize, last: usize) -> Vec<&'a [f32]> {
    if tokens[centre].is_none() {
        return Vec::new();
    }
    let nearest = |wanted: i64| {
        let known = run.clone().filter(|&at| at <= last && tokens[at].is_some());
        known.min_by_key(|&at| (at as i64 - wanted).abs()).and_then(|at| tokens[at])
    };
    let wanted = (0..WINDOW as i64).map(|place| centre as i64 + (place - WINDOW as i64 / 2) * GAP as i64);
    wanted.filter_map(nearest).collect()
}

#[test]
fn sixty_frames_streamed_equal_the_windows_of_the_whole_film() {
    let record = Arc::new(Mutex::new(Record::default()));
    let recording = Recording { network: network(), record: record.clone() };
    let config = OmniConfig { gap: GAP, centre: true, ..OmniConfig::default() };
    let mut stream = OmniHands::new(Box::new(recording), config);
    let half = stream.half_window();
    assert_eq!(half, 4 * GAP);
    let (mut newest, mut centres) = (Vec::new(), Vec::new());
    let said = || record.lock().unwrap().said.pop_front().unwrap();
    for number in 0..FRAMES {
        let hands = seen(number);
        let answer = stream.update(&frame(number), &hands, &CameraModel::guess(SIZE), &InOrder).unwrap();
        assert_eq!(answer.hands.len(), hands.len(), "frame {number}: no hand is without an answer");
        assert_eq!(answer.pairs.len(), hands.len() - 1);
        newest.push(said());
        if let Some(centre) = stream.centre(false, &InOrder).unwrap() {
            assert_eq!(centre.sequence + half as u64, number);
            centres.push(said());
        }
    }
    while stream.centre(true, &InOrder).unwrap().is_some() {
        centres.push(said());
    }
    assert_eq!(centres.len() as u64, FRAMES);

    // The film through a network of its own: first all tokens, then every window.
    let record = record.lock().unwrap();
    let hands: usize = (0..FRAMES).map(|number| seen(number).len()).sum();
    let pictures = record.shown.iter().flatten().flatten().count();
    assert_eq!(pictures, hands, "the backbone sees a frame's hand once");
    let (mut film, mut tokens) = (network(), Vec::new());
    for [right, left] in &record.shown {
        let [right, left] =
            [right, left].map(|hand| hand.as_ref().map(|(crop, place)| SeenHand { crop, place: *place }));
        film.encode(&[PairPictures { right, left }], &InOrder, &mut tokens).unwrap();
    }
    let rights: Vec<Option<&[f32]>> = tokens.iter().map(|pair| pair.right.as_deref()).collect();
    let lefts: Vec<Option<&[f32]>> = tokens.iter().map(|pair| pair.left.as_deref()).collect();
    let all = FRAMES as usize;
    let mut worst = [0.0_f64; 2];
    for centre in 0..all {
        let run = if centre < LONG_PAUSE_ENDS { 0..LONG_PAUSE_ENDS } else { LONG_PAUSE_ENDS..all };
        for (kind, (ours, last)) in [(&newest, centre), (&centres, centre + half)].into_iter().enumerate() {
            let right = window(&rights, 0..all, centre, last);
            let left = window(&lefts, run.clone(), centre, last);
            let mut rows = Vec::new();
            film.decode(&[PairWindow { right, left }], &InOrder, &mut rows).unwrap();
            let off = difference(&ours[centre], &rows[0]);
            assert!(off < STREAMED, "frame {centre}: {off:.1e}");
            worst[kind] = worst[kind].max(off);
        }
    }
    let apart = newest.iter().zip(&centres).map(|(newest, centre)| difference(newest, centre));
    let apart = apart.fold(0.0, f64::max);
    println!("newest frames within {:.1e}, centre frames within {:.1e}", worst[0], worst[1]);
    assert!(apart > 1e-3, "looking ahead changes nothing: {apart:.1e}");
}

#[test]
fn a_hand_alone_is_what_it_is_beside_its_far_mirror_image() {
    let mut network = network();
    let picture = |number: u64| {
        let mut picture = Picture::new();
        let square = Square::whole(SIZE).unwrap();
        Cropper::default().cut(
            &frame(number),
            &Cut { square, side: Side::Right, blurred: false },
            &mut picture,
        );
        picture
    };
    let (crop, other) = (picture(0), picture(1));
    let place = HandBox::from_corners(Vector2::new(10.0, 10.0), Vector2::new(60.0, 60.0));
    let away = |distance: f64| HandBox { centre: place.centre.add_scalar(distance), ..place };
    let right = Some(SeenHand { crop: &crop, place });
    let mut token = |left: Option<SeenHand>| {
        let mut tokens = Vec::new();
        network.encode(&[PairPictures { right, left }], &InOrder, &mut tokens).unwrap();
        tokens.remove(0)
    };
    let alone = token(None);
    assert!(alone.left.is_none());
    let off = |other: &PairTokens| {
        let pairs = alone.right.iter().flatten().zip(other.right.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max)
    };
    assert!(off(&token(Some(SeenHand { crop: &crop, place: away(1e5) }))) < 1e-5);
    let near = off(&token(Some(SeenHand { crop: &other, place: away(20.0) })));
    assert!(near > 1e-3, "another hand nearby makes no difference: {near}");
}

#[test]
fn minutes_of_hands_that_come_and_go_keep_no_more_than_a_window() {
    let record = Arc::new(Mutex::new(Record::default()));
    for centre in [false, true] {
        let network = Recording { network: network(), record: record.clone() };
        let config = OmniConfig { gap: GAP, centre, ..OmniConfig::default() };
        let mut stream = OmniHands::new(Box::new(network), config);
        let mut most = 0;
        for number in 0..400 {
            // A new track every seven frames.
            let mut hand = hand(0, number % 60);
            hand.track = TrackId(number as u32 / 7);
            stream.update(&frame(number), &[hand], &CameraModel::guess(SIZE), &InOrder).unwrap();
            stream.centre(false, &InOrder).unwrap();
            most = most.max(stream.kept_tokens());
            record.lock().unwrap().shown.clear();
        }
        // Tracks of the last half second are still known, and windows reach half of one to either side.
        let windows = 8 * GAP + 2;
        assert!(most <= 15 + windows, "{most} tokens kept");
    }
}
