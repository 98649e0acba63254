//! Two sequences of one hand brought together frame by frame, gaps and unknown joints included.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::MetricError;
use crate::event::KEYPOINTS;

/// A frame counts where estimate and truth have at least this many joints in common.
const LEAST_JOINTS: usize = 12;

/// Joints of one hand in metres, `openpose21`; `None` where a joint is not known.
pub type KnownJoints = [Option<Vector3<f64>>; KEYPOINTS];

/// One hand in one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct HandSample {
    /// The joints, metres.
    pub joints: KnownJoints,
    /// Vertices of the mesh, metres; empty where there is no mesh.
    pub vertices: Vec<Vector3<f64>>,
    /// Number of the track, where there is one.
    pub track: Option<u32>,
}

/// One hand over time, by frame number. Numbers that follow each other are neighbours in time.
pub type HandSequence = BTreeMap<u64, HandSample>;

/// Joints by frame, estimate first, truth second; `None` where one of the two is unknown.
type Pairs = BTreeMap<u64, [Option<(Vector3<f64>, Vector3<f64>)>; KEYPOINTS]>;

/// A sequence of point sets.
pub type PointSets = Vec<Vec<Vector3<f64>>>;

/// Estimate and truth of one hand in the frames that both have.
#[derive(Clone, Debug)]
pub struct MatchedHand {
    pairs: Pairs,
    vertices: BTreeMap<u64, (PointSet, PointSet)>,
    tracks: BTreeMap<u64, u32>,
    truth_frames: usize,
    fps: f64,
}

type PointSet = Vec<Vector3<f64>>;

impl MatchedHand {
    /// Brings `estimate` and `truth` together by frame number, at `fps` frames per second.
    ///
    /// Frames with fewer than twelve joints in common are left out. Vertices count where both have the
    /// same number of them.
    pub fn new(estimate: &HandSequence, truth: &HandSequence, fps: f64) -> Self {
        let mut matched = Self {
            pairs: Pairs::new(),
            vertices: BTreeMap::new(),
            tracks: BTreeMap::new(),
            truth_frames: truth.len(),
            fps,
        };
        for (&frame, truth) in truth {
            let Some(estimate) = estimate.get(&frame) else { continue };
            let pair: [_; KEYPOINTS] = std::array::from_fn(|k| estimate.joints[k].zip(truth.joints[k]));
            if pair.iter().flatten().count() < LEAST_JOINTS {
                continue;
            }
            matched.pairs.insert(frame, pair);
            matched.tracks.extend(estimate.track.map(|track| (frame, track)));
            if !truth.vertices.is_empty() && estimate.vertices.len() == truth.vertices.len() {
                matched.vertices.insert(frame, (estimate.vertices.clone(), truth.vertices.clone()));
            }
        }
        matched
    }

    /// Frames compared.
    pub fn frames(&self) -> usize {
        self.pairs.len()
    }

    /// Frames in which the truth knows the hand.
    pub fn truth_frames(&self) -> usize {
        self.truth_frames
    }

    /// Frames per second.
    pub fn fps(&self) -> f64 {
        self.fps
    }

    /// Tracks of the estimate that take part, lowest number first.
    pub fn tracks(&self) -> Vec<u32> {
        let mut tracks: Vec<u32> = self.tracks.values().copied().collect();
        tracks.sort_unstable();
        tracks.dedup();
        tracks
    }

    /// The frames that one track of the estimate covers.
    pub fn of_track(&self, track: u32) -> Self {
        let mut part = self.clone();
        part.pairs.retain(|frame, _| self.tracks.get(frame) == Some(&track));
        part.vertices.retain(|frame, _| self.tracks.get(frame) == Some(&track));
        part.tracks.retain(|_, of| *of == track);
        part
    }

    /// Common joints of each frame: estimate and truth.
    pub fn points(&self) -> (PointSets, PointSets) {
        self.pairs.values().map(|pair| pair.iter().flatten().copied().unzip()).unzip()
    }

    /// Common joints of the frames whose root (joint 0) is known, root first.
    pub fn rooted_points(&self) -> (PointSets, PointSets) {
        let rooted = self.pairs.values().filter(|pair| pair[0].is_some());
        rooted.map(|pair| pair.iter().flatten().copied().unzip()).unzip()
    }

    /// Vertices of the frames that have them, without alignment.
    pub fn vertices(&self) -> (PointSets, PointSets) {
        self.vertices.values().cloned().unzip()
    }

    /// Vertices relative to the root joint of their own hand.
    pub fn rooted_vertices(&self) -> (PointSets, PointSets) {
        let rooted = self.vertices.iter().filter_map(|(frame, (estimate, truth))| {
            let (estimate_root, truth_root) = self.pairs.get(frame)?[0]?;
            let relative =
                |points: &PointSet, root| points.iter().map(|point| point - root).collect::<PointSet>();
            Some((relative(estimate, estimate_root), relative(truth, truth_root)))
        });
        rooted.unzip()
    }

    /// Frame number and roots (estimate, truth) of the frames whose root is known.
    pub fn roots(&self) -> impl Iterator<Item = (u64, Vector3<f64>, Vector3<f64>)> {
        self.pairs.iter().filter_map(|(&frame, pair)| pair[0].map(|(e, t)| (frame, e, t)))
    }

    /// The same with every frame relative to its own root.
    pub fn root_relative(&self) -> Self {
        self.moved(|pair| {
            let (estimate_root, truth_root) = pair[0]?;
            Some(pair.map(|joint| joint.map(|(e, t)| (e - estimate_root, t - truth_root))))
        })
    }

    /// The same with every frame of the estimate aligned to the truth by itself (Procrustes).
    pub fn procrustes(&self) -> Self {
        self.moved(|pair| {
            let (estimate, truth): (Vec<_>, Vec<_>) = pair.iter().flatten().copied().unzip();
            let similarity = crate::geometry::alignment::align_similarity(&estimate, &truth)?;
            Some(pair.map(|joint| joint.map(|(e, t)| (similarity.apply(e), t))))
        })
    }

    fn moved(&self, place: impl Fn(&Pair) -> Option<Pair>) -> Self {
        let pairs = self.pairs.iter().filter_map(|(&frame, pair)| Some((frame, place(pair)?)));
        Self { pairs: pairs.collect(), ..self.clone() }
    }

    /// Mean of `measure` over each joint's own runs of frames that follow each other, every stretch of
    /// `length` frames counted once.
    ///
    /// # Errors
    /// [`MetricError::TooShort`] where no joint has such a run, and what `measure` returns.
    pub fn mean_over_runs(
        &self,
        length: usize,
        measure: impl Fn(&[[Vector3<f64>; 1]], &[[Vector3<f64>; 1]]) -> Result<f64, MetricError>,
    ) -> Result<f64, MetricError> {
        let joints = (0..KEYPOINTS).flat_map(|k| {
            runs(self.pairs.iter().map(move |(&frame, pair)| (frame, pair[k].map(|(e, t)| ([e], [t])))))
        });
        weighted_mean(joints, length, measure)
    }

    /// The same over runs of frames in which every joint is known.
    ///
    /// # Errors
    /// As [`MatchedHand::mean_over_runs`].
    pub fn mean_over_whole_runs(
        &self,
        length: usize,
        measure: impl Fn(&[PointSet], &[PointSet]) -> Result<f64, MetricError>,
    ) -> Result<f64, MetricError> {
        let whole =
            |pair: &Pair| pair.iter().copied().collect::<Option<Vec<_>>>().map(|p| p.into_iter().unzip());
        let frames = runs(self.pairs.iter().map(|(&frame, pair)| (frame, whole(pair))));
        weighted_mean(frames.into_iter(), length, measure)
    }
}

type Pair = [Option<(Vector3<f64>, Vector3<f64>)>; KEYPOINTS];

/// Splits at missing frames and missing values.
fn runs<P>(frames: impl Iterator<Item = (u64, Option<(P, P)>)>) -> Vec<(Vec<P>, Vec<P>)> {
    let mut runs: Vec<(Vec<P>, Vec<P>)> = Vec::new();
    let mut next = None;
    for (frame, value) in frames {
        let Some((estimate, truth)) = value else { continue };
        match runs.last_mut().filter(|_| next == Some(frame)) {
            Some(run) => {
                run.0.push(estimate);
                run.1.push(truth);
            }
            None => runs.push((vec![estimate], vec![truth])),
        }
        next = Some(frame + 1);
    }
    runs
}

fn weighted_mean<P>(
    runs: impl Iterator<Item = (Vec<P>, Vec<P>)>,
    length: usize,
    measure: impl Fn(&[P], &[P]) -> Result<f64, MetricError>,
) -> Result<f64, MetricError> {
    let (mut sum, mut stretches, mut longest) = (0.0, 0, 0);
    for (estimate, truth) in runs {
        longest = longest.max(estimate.len());
        if estimate.len() >= length {
            let count = estimate.len() - length + 1;
            sum += measure(&estimate, &truth)? * count as f64;
            stretches += count;
        }
    }
    if stretches == 0 {
        return Err(MetricError::TooShort { frames: longest, needed: length });
    }
    Ok(sum / stretches as f64)
}

#[cfg(test)]
mod tests {
    use super::super::acceleration_error;
    use super::*;

    fn sample(t: u64, jump: f64) -> HandSample {
        let joint = |k: usize| {
            Some(Vector3::new(0.01 * k as f64 + jump, (1.3 * k as f64).sin() * 0.05, 0.5 + 0.001 * t as f64))
        };
        HandSample { joints: std::array::from_fn(joint), vertices: Vec::new(), track: Some((t / 6) as u32) }
    }

    #[test]
    fn a_gap_parts_a_run_and_no_acceleration_is_made_up_across_it() {
        let truth: HandSequence = (0..12).map(|t| (t, sample(t, 0.0))).collect();
        let shift = |t| if t < 6 { 0.0 } else { 1.0 };
        let mut estimate: HandSequence = (0..12).map(|t| (t, sample(t, shift(t)))).collect();
        let jumping = MatchedHand::new(&estimate, &truth, 30.0);
        let acceleration =
            |matched: &MatchedHand| matched.mean_over_runs(3, |e, t| acceleration_error(e, t, None)).unwrap();
        assert!(acceleration(&jumping) > 100.0);

        estimate.remove(&5);
        let parted = MatchedHand::new(&estimate, &truth, 30.0);
        assert_eq!((parted.frames(), parted.truth_frames()), (11, 12));
        assert!(acceleration(&parted) < 1e-9);
        assert_eq!(parted.tracks(), [0, 1]);
        assert_eq!(parted.of_track(1).frames(), 6);
    }

    #[test]
    fn frames_with_few_common_joints_do_not_count() {
        let truth: HandSequence = (0..3).map(|t| (t, sample(t, 0.0))).collect();
        let mut estimate = truth.clone();
        estimate.get_mut(&1).unwrap().joints[..10].fill(None);
        assert_eq!(MatchedHand::new(&estimate, &truth, 30.0).frames(), 2);
        let never = MatchedHand::new(&HandSequence::new(), &truth, 30.0);
        let error = never.mean_over_runs(3, |e, t| acceleration_error(e, t, None)).unwrap_err();
        assert_eq!(error, MetricError::TooShort { frames: 0, needed: 3 });
    }
}
