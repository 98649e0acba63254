//! The released graph's loop: look where hands were, and search the picture while one may be missing.
//!
//! Regions followed from the last frame always go through the landmark network (they win over palms
//! that overlap them), so the palm detector can run beside them; only palms that overlap no followed
//! region wait for its answer. The results are those of the released graph, which works in order.

use std::time::{Duration, Instant};

use super::error::DetectError;
use super::landmark::{FoundHand, LandmarkNetwork};
use super::palm::{Palm, PalmDetector};
use super::region::Region;
use crate::frame::Frame;
use crate::jobs::{Job, Jobs};

/// Landmark networks that can run side by side.
const LANES: usize = 2;
/// Of two regions that overlap by more than this, the later one stays.
const SAME_REGION_OVERLAP: f32 = 0.5;

/// The loop's thresholds.
#[derive(Clone, Copy, Debug)]
pub struct FollowConfig {
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
    new: Vec<Region>,
    hands: Vec<FoundHand>,
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
        let lane = || {
            let network = LandmarkNetwork::new(landmark_model)?;
            Ok(Lane { network, regions: Vec::new(), found: Vec::new(), took: Duration::ZERO })
        };
        Ok(Self {
            config,
            palm: PalmDetector::new(palm_model)?,
            lanes: (0..LANES).map(|_| lane()).collect::<Result<_, DetectError>>()?,
            followed: Vec::new(),
            new: Vec::new(),
            hands: Vec::new(),
        })
    }

    /// Replaces the regions to look at in the next frame; none makes it start afresh.
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
        let search = self.followed.len() < self.config.max_hands;
        // New palms come before followed hands in the released graph's list.
        let stays = |(i, region): (usize, &Region)| {
            let beaten = |later: &Region| later.overlap(region) > SAME_REGION_OVERLAP;
            !self.followed[i + 1..].iter().any(beaten)
        };
        let staying = self.followed.iter().enumerate().filter(|&entry| stays(entry));
        share(&mut self.lanes, staying.map(|(i, region)| (self.config.max_hands + i, *region)));

        let mut times = FollowTimes::default();
        let mut round: Vec<Job<'_>> = Vec::with_capacity(1 + LANES);
        if search {
            let (palm, followed, new, config) = (&mut self.palm, &self.followed, &mut self.new, &self.config);
            let took = &mut times.palm;
            round.push(Box::new(move || {
                let start = Instant::now();
                let palms = palm.detect(frame, config.min_detection_confidence);
                *new = unseen(palms, followed, config.max_hands);
                *took = start.elapsed();
            }));
        } else {
            self.new.clear();
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
        unseen.retain(|earlier| region.overlap(earlier) <= SAME_REGION_OVERLAP);
        unseen.push(region);
    }
    unseen.retain(|region| followed.iter().all(|f| f.overlap(region) <= SAME_REGION_OVERLAP));
    unseen
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
