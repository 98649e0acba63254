//! The released graph's loop: look where hands were, and search the picture while one may be missing.
//!
//! Regions followed from the last frame always go through the landmark network (they win over palms
//! that overlap them), so the palm detector can run beside them; only palms that overlap no followed
//! region wait for its answer. The results are those of the released graph, which works in order.
//!
//! Live, the search can come [behind](Search::Behind) instead: a frame's followed hands are published first, and the
//! palm detector works in the time that is left until the next frame. A new hand is then seen one frame later.

use std::time::{Duration, Instant};

use super::error::DetectError;
use super::landmark::{FoundHand, LandmarkNetwork};
use super::palm::{Palm, PalmDetector};
use super::region::Region;
use crate::frame::{Frame, PictureSize};
use crate::jobs::{Job, Jobs};

/// Landmark networks that can run side by side.
const LANES: usize = 2;
/// Of two regions that overlap by more than this, the later one stays.
const SAME_REGION_OVERLAP: f32 = 0.5;

/// When the picture is searched for hands that are not followed yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Search {
    /// Before the frame's hands are published, as in the released graph.
    #[default]
    WithFrame,
    /// Behind the publication, by [`Follower::search_behind`]: the hands that are followed do not wait for it.
    /// While there are none, with the frame.
    Behind,
}

/// The loop's settings.
#[derive(Clone, Copy, Debug)]
pub struct FollowConfig {
    /// When the palm detector runs.
    pub search: Search,
    /// The palm detector runs while fewer regions than this are followed, and gives at most this many.
    pub max_hands: usize,
    /// Least score of a palm.
    pub min_detection_confidence: f32,
    /// Least presence of a hand.
    pub min_tracking_confidence: f32,
}

/// How long the two networks took in the last step; they overlap where jobs run side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowTimes {
    /// Palm detector with its crop; zero where it was not needed.
    pub palm: Duration,
    /// Landmark network with its crops, the busiest lane.
    pub landmark: Duration,
}

/// The loop and what it remembers: the regions to look at in the next frame.
pub struct Follower {
    config: FollowConfig,
    palm: PalmDetector,
    lanes: Vec<Lane>,
    followed: Vec<Region>,
    /// Regions of palms found, not yet looked at.
    new: Vec<Region>,
    behind: Option<SearchBehind>,
    hands: Vec<FoundHand>,
}

/// A search that goes on behind the frames.
struct SearchBehind {
    /// Size of its picture.
    size: PictureSize,
    /// What was followed there.
    followed: Vec<Region>,
}

/// One landmark network with the regions it is to look at and what it found there.
struct Lane {
    network: LandmarkNetwork,
    regions: Vec<(usize, Region)>,
    found: Vec<(usize, FoundHand)>,
    took: Duration,
}

impl Lane {
    fn work(&mut self, frame: &Frame, min_presence: f32) {
        let start = Instant::now();
        for (order, region) in self.regions.drain(..) {
            let hand = self.network.find(frame, region, min_presence);
            self.found.extend(hand.map(|hand| (order, hand)));
        }
        self.took += start.elapsed();
    }
}

impl Follower {
    /// Reads both networks.
    ///
    /// # Errors
    /// Where a file is no readable model, or not the one it should be.
    pub fn new(palm_model: &[u8], landmark_model: &[u8], config: FollowConfig) -> Result<Self, DetectError> {
        let palm = PalmDetector::new(palm_model)?;
        let landmark = LandmarkNetwork::new(landmark_model)?;
        let lane = |network| Lane { network, regions: Vec::new(), found: Vec::new(), took: Duration::ZERO };
        let mut lanes: Vec<Lane> = (1..LANES).map(|_| lane(landmark.sibling())).collect();
        lanes.push(lane(landmark));
        Ok(Self {
            config,
            palm,
            lanes,
            followed: Vec::new(),
            new: Vec::new(),
            behind: None,
            hands: Vec::new(),
        })
    }

    /// Forgets everything, as at the start.
    pub fn reset(&mut self) {
        self.followed.clear();
        self.new.clear();
        self.behind = None;
    }

    /// Replaces the regions to look at in the next frame.
    pub fn follow(&mut self, regions: impl IntoIterator<Item = Region>) {
        self.followed.clear();
        self.followed.extend(regions);
    }

    /// Looks at one frame. [`hands`](Self::hands) are then the hands found, and each is followed.
    ///
    /// The frame must hold `frame.size.rgb_bytes()` bytes and at least one pixel.
    pub fn step(&mut self, frame: &Frame, jobs: &dyn Jobs) -> FollowTimes {
        self.hands.clear();
        let min_presence = self.config.min_tracking_confidence;
        self.new.retain(|region| is_apart(region, &self.followed));
        let behind = self.config.search == Search::Behind && self.followed.len() + self.new.len() > 0;
        let search = self.followed.len() < self.config.max_hands && !behind;
        // New palms come before followed hands in the released graph's list.
        let stays = |(i, region): (usize, &Region)| {
            let beaten = |later: &Region| later.overlap(region) > SAME_REGION_OVERLAP;
            !self.followed[i + 1..].iter().any(beaten)
        };
        let staying = self.followed.iter().enumerate().filter(|&entry| stays(entry));
        let staying = staying.map(|(i, region)| (self.config.max_hands + i, *region));
        share(&mut self.lanes, self.new.drain(..).enumerate().chain(staying));

        let mut times = FollowTimes::default();
        let mut round: Vec<Job<'_>> = Vec::with_capacity(1 + LANES);
        if search {
            self.behind = None;
            let (palm, followed, new, config) = (&mut self.palm, &self.followed, &mut self.new, &self.config);
            let took = &mut times.palm;
            round.push(Box::new(move || {
                let start = Instant::now();
                let palms = palm.detect(frame, config.min_detection_confidence);
                *new = unseen(palms, followed, config.max_hands);
                *took = start.elapsed();
            }));
        }
        push_lanes(&mut round, &mut self.lanes, frame, min_presence);
        jobs.run(round);

        share(&mut self.lanes, self.new.drain(..).enumerate());
        let mut round: Vec<Job<'_>> = Vec::with_capacity(LANES);
        push_lanes(&mut round, &mut self.lanes, frame, min_presence);
        jobs.run(round);
        self.collect(&mut times);
        times
    }

    /// Searches `frame`, that of the last step, or an earlier one that was not done yet, until `pause` says so.
    /// Does nothing where every frame is [searched at once](Search::WithFrame) or all hands are followed.
    pub fn search_behind(&mut self, frame: &Frame, pause: &dyn Fn() -> bool) {
        let followed = self.followed.len();
        if self.config.search == Search::WithFrame || followed == 0 || followed >= self.config.max_hands {
            self.behind = None;
            return;
        }
        let search = self.behind.take().unwrap_or_else(|| {
            self.palm.begin(frame);
            SearchBehind { size: frame.size, followed: self.followed.clone() }
        });
        match self.palm.advance(search.size, self.config.min_detection_confidence, pause) {
            Some(palms) => self.new = unseen(palms, &search.followed, self.config.max_hands),
            None => self.behind = Some(search),
        }
    }

    /// The hands of the last step: new ones first, best palm first, then followed ones in their old order.
    pub fn hands(&self) -> &[FoundHand] {
        &self.hands
    }

    fn collect(&mut self, times: &mut FollowTimes) {
        let mut found: Vec<(usize, FoundHand)> = Vec::new();
        for lane in &mut self.lanes {
            found.append(&mut lane.found);
            times.landmark = times.landmark.max(std::mem::take(&mut lane.took));
        }
        found.sort_by_key(|(order, _)| *order);
        self.hands.extend(found.into_iter().map(|(_, hand)| hand));
        let next = self.hands.iter().map(FoundHand::next_region).filter(Region::usable);
        self.followed.clear();
        self.followed.extend(next);
    }
}

/// Regions of the best palms that overlap no followed region.
fn unseen(palms: &[Palm], followed: &[Region], max_hands: usize) -> Vec<Region> {
    let regions = palms.iter().take(max_hands).map(Palm::region);
    let mut unseen: Vec<Region> = Vec::with_capacity(max_hands);
    for region in regions.filter(Region::usable) {
        unseen.retain(|earlier| is_apart(&region, std::slice::from_ref(earlier)));
        unseen.push(region);
    }
    unseen.retain(|region| is_apart(region, followed));
    unseen
}

/// Whether no other region overlaps this one so far that both mean the same hand.
fn is_apart(region: &Region, others: &[Region]) -> bool {
    others.iter().all(|other| other.overlap(region) <= SAME_REGION_OVERLAP)
}

/// Deals regions, each with its place in the result, to the lanes in turn.
fn share(lanes: &mut [Lane], regions: impl Iterator<Item = (usize, Region)>) {
    for (i, region) in regions.enumerate() {
        lanes[i % LANES].regions.push(region);
    }
}

/// One job for each lane that has something to look at.
fn push_lanes<'a>(round: &mut Vec<Job<'a>>, lanes: &'a mut [Lane], frame: &'a Frame, min_presence: f32) {
    for lane in lanes.iter_mut().filter(|lane| !lane.regions.is_empty()) {
        round.push(Box::new(move || lane.work(frame, min_presence)));
    }
}
