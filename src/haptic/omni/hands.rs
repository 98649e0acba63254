//! The network on a stream: a frame and the 2D hands in it in, hands in metres that know each other out.

use std::collections::{HashMap, VecDeque};

use nalgebra::Vector3;

use super::network::{PairNetwork, PairPictures, PairRow, PairTokens, PairWindow, SeenHand};
use super::tokens::{Kept, Tokens};
use crate::event::{Side, TrackId};
use crate::fit::pairing::{Single, pairs};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::haptic::HandInput;
use crate::haptic::full::{
    CropRule, CropView, Cut, FullHand, HandBox, HeadRow, NetworkError, Picture, Pictures, Sampling, Square,
    SteadyConfig, SteadySquare, WeakCamera,
};
use crate::haptic::stream::FrameDepth;
use crate::jobs::Jobs;

/// Settings of the network on a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct OmniConfig {
    /// Frames from one place of a window to the next. Default 10: what the released video demo does. It was
    /// trained with 5.
    pub gap: usize,
    /// Whether frames are also answered for from the middle of their windows, half a window later, as the
    /// release does. Default: no.
    pub centre: bool,
    /// Time without the hand after which its windows start afresh, seconds. Default 0.5.
    pub longest_gap_seconds: f64,
    /// How frames are read between their pixels.
    pub sampling: Sampling,
    /// How steadily crops follow the hands.
    pub steady: SteadyConfig,
}

impl Default for OmniConfig {
    fn default() -> Self {
        Self {
            gap: 10,
            centre: false,
            longest_gap_seconds: 0.5,
            sampling: Sampling::default(),
            steady: SteadyConfig::default(),
        }
    }
}

/// What the network says of one hand.
#[derive(Clone, Debug, PartialEq)]
pub struct OmniHand {
    /// Its track.
    pub track: TrackId,
    /// Which hand it is.
    pub side: Side,
    /// Its pose, right-hand space.
    pub hand: FullHand,
}

/// Two hands of one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HandPair {
    /// The right hand's track.
    pub right: TrackId,
    /// The left hand's track.
    pub left: TrackId,
    /// Joint 9 of the left hand (the middle finger's knuckle) from the right hand's, metres, camera axes.
    pub left_from_right: Vector3<f64>,
    /// How much their boxes in the picture overlap, part of what both cover.
    pub overlap: f64,
}

/// The hands of one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OmniFrame {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// Every hand that has an answer.
    pub hands: Vec<OmniHand>,
    /// Those of them that see each other.
    pub pairs: Vec<HandPair>,
}

/// One hand's stream.
struct Track {
    run: u32,
    side: Side,
    steady: SteadySquare,
    last: Timestamp,
    tokens: Tokens,
}

/// A hand with its crop.
#[derive(Clone, Copy)]
struct Cropped {
    single: Single,
    square: Square,
}

/// A frame that is still to be the middle of a window.
struct Waiting {
    number: u64,
    sequence: u64,
    pairs: Vec<[Option<TrackId>; 2]>,
}

/// OmniHands with the tokens of all tracks.
///
/// Each frame goes through the backbone and the spatial reasoning once, and a token of each hand is kept for
/// half a window, or for a whole one with [`OmniConfig::centre`]: memory does not grow with the stream. Newest
/// frames are answered for at once from windows whose second half repeats them, as the release does at the end
/// of a film.
pub struct OmniHands {
    network: Box<dyn PairNetwork>,
    config: OmniConfig,
    tracks: HashMap<TrackId, Track>,
    pictures: Pictures,
    /// Frames so far.
    frames: u64,
    waiting: VecDeque<Waiting>,
}

impl OmniHands {
    /// The network on a stream.
    pub fn new(network: Box<dyn PairNetwork>, config: OmniConfig) -> Self {
        let pictures = Pictures::new(config.sampling);
        Self { network, config, tracks: HashMap::new(), pictures, frames: 0, waiting: VecDeque::new() }
    }

    /// Frames that must follow until a frame is the middle of its window.
    pub fn half_window(&self) -> usize {
        self.network.window() / 2 * self.config.gap
    }

    /// Tokens that are kept at the moment, of all tracks.
    pub fn kept_tokens(&self) -> usize {
        self.tracks.values().map(|track| track.tokens.len()).sum()
    }

    /// Takes in all hands of `frame`, which `camera` captured, and answers for it from what was seen so far.
    ///
    /// There is no answer for what cannot be a hand, for a second hand under one track's name, and where the
    /// network's numbers are no hand: the track goes on without this frame.
    ///
    /// # Errors
    /// [`NetworkError`] where the network failed; then every track begins anew.
    pub fn update(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        camera: &CameraModel,
        jobs: &dyn Jobs,
    ) -> Result<OmniFrame, NetworkError> {
        let number = self.frames;
        self.frames += 1;
        let (singles, views) = self.prepare(frame, hands, camera);
        let pairs = pairs(&singles.iter().map(|hand| hand.single).collect::<Vec<_>>());
        let answer = self.encode(frame, &singles, &views, &pairs, number, jobs).and_then(|()| {
            let tracks = |pair: &[Option<usize>; 2]| pair.map(|at| at.map(|at| singles[at].single.track));
            let pairs: Vec<[Option<TrackId>; 2]> = pairs.iter().map(tracks).collect();
            let answer = self.answer(number, frame.sequence, &pairs, jobs)?;
            if self.config.centre {
                self.waiting.push_back(Waiting { number, sequence: frame.sequence, pairs });
            }
            Ok(answer)
        });
        if answer.is_err() {
            self.tracks.clear();
            self.waiting.clear();
        }
        self.forget(frame.timestamp);
        answer
    }

    /// The frame that has become the middle of its window, answered for once more, with all of its window. Asked
    /// for after every frame; `ended` says that no frame will follow: then the frames left are answered for one
    /// by one, from windows that repeat the last frame.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn centre(&mut self, ended: bool, jobs: &dyn Jobs) -> Result<Option<OmniFrame>, NetworkError> {
        let half = self.half_window() as u64;
        let due = |waiting: &Waiting| ended || waiting.number + half < self.frames;
        if !self.waiting.front().is_some_and(due) {
            return Ok(None);
        }
        let Some(waiting) = self.waiting.pop_front() else { return Ok(None) };
        self.answer(waiting.number, waiting.sequence, &waiting.pairs, jobs).map(Some)
    }

    /// The usable hands and how their crops are seen.
    fn prepare(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        camera: &CameraModel,
    ) -> (Vec<Cropped>, Vec<CropView>) {
        let (mut singles, mut views): (Vec<Cropped>, Vec<CropView>) = (Vec::new(), Vec::new());
        for hand in hands {
            let side = hand.observation.side;
            if singles.iter().any(|earlier| earlier.single.track == hand.track) {
                continue;
            }
            let Some(seen) = HandBox::around(&hand.observation.keypoints_px)
                .and_then(|found| CropRule::Hamer.square(&found, frame.size))
            else {
                continue;
            };
            let track = self.tracks.entry(hand.track).or_insert_with(|| Track {
                run: 0,
                side,
                steady: SteadySquare::default(),
                last: frame.timestamp,
                tokens: Tokens::default(),
            });
            let pause = frame.timestamp.since(track.last).as_secs_f64();
            if track.side != side || pause > self.config.longest_gap_seconds {
                // What was seen in one hand's space means nothing in the other's.
                track.run += 1;
                track.side = side;
                track.steady = SteadySquare::default();
            }
            track.last = frame.timestamp;
            let square = track.steady.update(seen, frame.timestamp, frame.size, &self.config.steady);
            if let Some(view) = CropView::new(&square, side, camera) {
                let single = Single { track: hand.track, side, centre: square.centre() };
                singles.push(Cropped { single, square });
                views.push(view);
            }
        }
        (singles, views)
    }

    /// Pictures to tokens, which the tracks keep.
    fn encode(
        &mut self,
        frame: &Frame,
        singles: &[Cropped],
        views: &[CropView],
        pairs: &[[Option<usize>; 2]],
        number: u64,
        jobs: &dyn Jobs,
    ) -> Result<(), NetworkError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let cut = |hand: &Cropped| Cut {
            square: hand.square,
            side: hand.single.side,
            blurred: CropRule::Hamer.blurs(),
        };
        self.pictures.cut(frame, &singles.iter().map(cut).collect::<Vec<_>>(), false, jobs);
        let crops: Vec<&Picture> = self.pictures.crops().collect();
        let seen = |at: usize| Some(SeenHand { crop: crops.get(at)?, place: place(&singles[at].square) });
        let of = |pair: &[Option<usize>; 2]| {
            let [right, left] = pair.map(|at| at.and_then(seen));
            PairPictures { right, left }
        };
        let mut tokens: Vec<PairTokens> = Vec::with_capacity(pairs.len());
        self.network.encode(&pairs.iter().map(of).collect::<Vec<_>>(), jobs, &mut tokens)?;
        for (pair, tokens) in pairs.iter().zip(tokens) {
            for (at, token) in pair.iter().zip([tokens.right, tokens.left]) {
                let Some((at, token)) = at.zip(token) else { continue };
                let Cropped { single: Single { track, side, .. }, square } = singles[at];
                if let Some(track) = self.tracks.get_mut(&track) {
                    let (run, view) = (track.run, views[at]);
                    track.tokens.push(Kept { number, run, side, square, view, token });
                }
            }
        }
        Ok(())
    }

    /// The hands of frame `number` in the middle of their windows, as far as these were seen.
    fn answer(
        &mut self,
        number: u64,
        sequence: u64,
        pairs: &[[Option<TrackId>; 2]],
        jobs: &dyn Jobs,
    ) -> Result<OmniFrame, NetworkError> {
        let (length, gap) = (self.network.window(), self.config.gap as u64);
        let window = |track: Option<TrackId>| {
            let tokens = track.and_then(|track| self.tracks.get(&track)).map(|track| &track.tokens);
            let window = tokens.and_then(|tokens| tokens.window(number, length, gap)).unwrap_or_default();
            window.into_iter().map(|kept| kept.token.as_slice()).collect::<Vec<&[f32]>>()
        };
        let windows =
            pairs.iter().map(|&[right, left]| PairWindow { right: window(right), left: window(left) });
        let windows: Vec<PairWindow> = windows.collect();
        let mut rows: Vec<PairRow> = Vec::with_capacity(windows.len());
        if !windows.is_empty() {
            self.network.decode(&windows, jobs, &mut rows)?;
        }
        let mut answer = OmniFrame { sequence, ..OmniFrame::default() };
        for (&[right, left], row) in pairs.iter().zip(rows) {
            let hands =
                [(right, row.right), (left, row.left)].map(|(track, row)| self.hand(track?, number, &row?));
            if let ([Some(right), Some(left)], Some(relative)) = (&hands, row.left_from_right) {
                let left_from_right = Vector3::from(relative).cast();
                let (right, left) = (right.track, left.track);
                let overlap = self.overlap(right, left, number);
                answer.pairs.push(HandPair { right, left, left_from_right, overlap });
            }
            answer.hands.extend(hands.into_iter().flatten());
        }
        Ok(answer)
    }

    /// The hand of one row; without one the frame is forgotten.
    fn hand(&mut self, id: TrackId, number: u64, row: &HeadRow) -> Option<OmniHand> {
        let track = self.tracks.get_mut(&id)?;
        let (view, side) = track.tokens.at(number).map(|kept| (kept.view, kept.side))?;
        let depth = view.weak_depth(&WeakCamera::new(row.camera));
        let placed = FrameDepth { depth, weak: depth, change: None };
        let hand = row.is_finite().then(|| FullHand::new(row, &view, &placed)).flatten();
        if hand.is_none() {
            track.tokens.forget(number);
        }
        hand.map(|hand| OmniHand { track: id, side, hand })
    }

    /// How much the boxes of two hands overlap in frame `number`. A hand's box is half as large as its crop.
    fn overlap(&self, right: TrackId, left: TrackId, number: u64) -> f64 {
        let square = |track| Some(self.tracks.get(&track)?.tokens.at(number)?.square);
        let Some((a, b)) = square(right).zip(square(left)) else { return 0.0 };
        let (a_side, b_side) = (a.side() / 2.0, b.side() / 2.0);
        let away = (a.centre() - b.centre()).abs();
        let common = away.map(|away| ((a_side + b_side) / 2.0 - away).clamp(0.0, a_side.min(b_side)));
        let common = common.x * common.y;
        common / (a_side * a_side + b_side * b_side - common)
    }

    /// Forgets what no window to come can need.
    fn forget(&mut self, now: Timestamp) {
        let half = self.half_window() as u64;
        let first_centre = self.waiting.front().map_or(self.frames, |waiting| waiting.number);
        let first = first_centre.saturating_sub(half);
        let patience = self.config.longest_gap_seconds;
        self.tracks.retain(|_, track| {
            track.tokens.forget_before(first);
            now.since(track.last).as_secs_f64() <= patience || !track.tokens.end_before(first_centre)
        });
    }
}

/// The box of a square.
fn place(square: &Square) -> HandBox {
    HandBox { centre: square.centre(), size: nalgebra::Vector2::repeat(square.side()) }
}
