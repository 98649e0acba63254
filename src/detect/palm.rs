//! The palm detector: one network over the whole picture, its anchors, and the merging of its answers.
//!
//! MediaPipe's single-shot detector (Zhang et al. 2020, "MediaPipe Hands"): each of 2016 anchors gives
//! a score, a box and seven key points; overlapping answers are averaged by score instead of dropped.

use super::crop::{Outside, crop};
use super::error::DetectError;
use super::net::Network;
use super::region::{Region, intersection_over_union};
use crate::frame::{Frame, PictureSize};
use crate::geometry::Pixel;

/// Side of the network's square input, pixels.
const INPUT: usize = 192;
/// Cells per side and anchors per cell of the two output layers.
const LAYERS: [(usize, usize); 2] = [(24, 2), (12, 6)];
/// All anchors of both layers.
const ANCHORS: usize = 24 * 24 * 2 + 12 * 12 * 6;
/// Key points of a palm.
const PALM_KEYPOINTS: usize = 7;
/// Key points that span the hand's direction: centre of the wrist and base of the middle finger.
const WRIST: usize = 0;
const MIDDLE_BASE: usize = 2;
/// Numbers per anchor: box centre and size, then the key points.
const VALUES: usize = 4 + 2 * PALM_KEYPOINTS;
/// Scores are cut to this range before the sigmoid.
const LOGIT_LIMIT: f32 = 100.0;
/// Boxes that overlap the best one by more than this are averaged into it.
const MERGE_OVERLAP: f32 = 0.3;
/// Part of a search that is done at least each time, so that it ends even where nobody ever has time for it.
const LEAST_PART: f32 = 0.125;

/// A detected palm in picture pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palm {
    /// Probability of a palm, 0..1.
    pub score: f32,
    /// Box x0 y0 x1 y1.
    pub bounds: [f32; 4],
    /// Wrist, then the bases of index, middle, ring and little finger, then two points of the thumb.
    pub keypoints: [Pixel; PALM_KEYPOINTS],
}

impl Palm {
    /// Where its hand is looked for.
    pub fn region(&self) -> Region {
        Region::from_palm(self.bounds, self.keypoints[WRIST], self.keypoints[MIDDLE_BASE])
    }
}

/// The network with what it needs around it.
pub struct PalmDetector {
    network: Network,
    anchors: Vec<[f32; 2]>,
    candidates: Vec<Palm>,
    palms: Vec<Palm>,
}

impl PalmDetector {
    /// Reads the network from the bytes of `palm_detection_full.tflite`.
    ///
    /// # Errors
    /// Where the file is no readable model, or another model than this.
    pub fn new(model: &[u8]) -> Result<Self, DetectError> {
        let network = Network::from_bytes(model).map_err(DetectError::PalmModel)?;
        if !fits(&network, INPUT, &[ANCHORS * VALUES, ANCHORS]) {
            return Err(DetectError::NotThePalmModel);
        }
        Ok(Self { network, anchors: anchors(), candidates: Vec::new(), palms: Vec::new() })
    }

    /// Palms with a score of at least `min_score`, best first.
    pub fn detect(&mut self, frame: &Frame, min_score: f32) -> &[Palm] {
        self.begin(frame);
        self.network.run();
        self.palms(frame.size, min_score)
    }

    /// Takes a picture up, to be searched by [`advance`](Self::advance).
    pub fn begin(&mut self, frame: &Frame) {
        crop::<INPUT>(frame, &letterbox(frame.size), Outside::Black, self.network.input_mut());
        self.network.begin();
    }

    /// Searches on until `pause` says so; the palms once the search is complete. `size` is that of the picture.
    pub fn advance(
        &mut self,
        size: PictureSize,
        min_score: f32,
        pause: &dyn Fn() -> bool,
    ) -> Option<&[Palm]> {
        self.network.advance(LEAST_PART, pause).then(|| self.palms(size, min_score))
    }

    fn palms(&mut self, size: PictureSize, min_score: f32) -> &[Palm] {
        let (boxes, logits) = (self.network.output(0), self.network.output(1));
        decode(boxes, logits, &self.anchors, size, min_score, &mut self.candidates);
        merge(&mut self.candidates, &mut self.palms);
        &self.palms
    }
}

/// True where a network takes RGB pictures of `side` x `side` and has outputs of these lengths.
pub(super) fn fits(network: &Network, side: usize, outputs: &[usize]) -> bool {
    network.input_shape() == [1, side, side, 3]
        && network.outputs() == outputs.len()
        && outputs.iter().enumerate().all(|(i, &length)| network.output(i).len() == length)
}

/// The square around the whole picture that the network looks at.
fn letterbox(size: PictureSize) -> Region {
    let (width, height) = (size.width as f32, size.height as f32);
    Region { center: Pixel::new(width / 2.0, height / 2.0), side: width.max(height), rotation: 0.0 }
}

/// Centres of all anchors in the network's input, 0..1.
fn anchors() -> Vec<[f32; 2]> {
    let mut anchors = Vec::with_capacity(ANCHORS);
    for (cells, copies) in LAYERS {
        let center = |i: usize| (i as f32 + 0.5) / cells as f32;
        for y in 0..cells {
            for x in 0..cells {
                anchors.extend(std::iter::repeat_n([center(x), center(y)], copies));
            }
        }
    }
    anchors
}

/// Turns network output into palms in picture pixels, in the order of the anchors.
fn decode(
    boxes: &[f32],
    logits: &[f32],
    anchors: &[[f32; 2]],
    size: PictureSize,
    min_score: f32,
    palms: &mut Vec<Palm>,
) {
    palms.clear();
    let square = letterbox(size);
    let left = square.center.x - square.side / 2.0;
    let top = square.center.y - square.side / 2.0;
    for ((values, &logit), anchor) in boxes.chunks_exact(VALUES).zip(logits).zip(anchors) {
        let score = 1.0 / (1.0 + (-logit.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).exp());
        let (width, height) = (values[2] / INPUT as f32, values[3] / INPUT as f32);
        let meant = score >= min_score && width >= 0.0 && height >= 0.0;
        if !meant || values.iter().any(|v| !v.is_finite()) {
            continue;
        }
        let place = |i: usize| {
            let x = values[i] / INPUT as f32 + anchor[0];
            let y = values[i + 1] / INPUT as f32 + anchor[1];
            Pixel::new(x * square.side + left, y * square.side + top)
        };
        let (center, half) = (place(0), [width * square.side / 2.0, height * square.side / 2.0]);
        palms.push(Palm {
            score,
            bounds: [center.x - half[0], center.y - half[1], center.x + half[0], center.y + half[1]],
            keypoints: std::array::from_fn(|k| place(4 + 2 * k)),
        });
    }
}

/// Weighted non-maximum suppression: averages each best palm with all that overlap it. Empties `candidates`.
fn merge(candidates: &mut Vec<Palm>, palms: &mut Vec<Palm>) {
    palms.clear();
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    while let Some(&best) = candidates.first() {
        let mut total = 0.0;
        let mut sum = Palm { bounds: [0.0; 4], keypoints: Default::default(), ..best };
        let mut first = true;
        candidates.retain(|palm| {
            // A box without area overlaps nothing, not even itself, yet must leave the list.
            let joins = first || intersection_over_union(palm.bounds, best.bounds) > MERGE_OVERLAP;
            first = false;
            if joins {
                total += palm.score;
                for (sum, value) in sum.bounds.iter_mut().zip(palm.bounds) {
                    *sum += value * palm.score;
                }
                for (sum, point) in sum.keypoints.iter_mut().zip(palm.keypoints) {
                    *sum = Pixel::new(sum.x + point.x * palm.score, sum.y + point.y * palm.score);
                }
            }
            !joins
        });
        palms.push(Palm {
            bounds: sum.bounds.map(|v| v / total),
            keypoints: sum.keypoints.map(|p| Pixel::new(p.x / total, p.y / total)),
            ..best
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn palm(score: f32, x: f32, size: f32) -> Palm {
        let keypoints = [Pixel::new(x, x); PALM_KEYPOINTS];
        Palm { score, bounds: [x, 0.0, x + size, size], keypoints }
    }

    #[test]
    fn anchors_go_row_by_row_through_both_layers() {
        let anchors = anchors();
        assert_eq!(anchors.len(), ANCHORS);
        assert_eq!(anchors[1], [0.5 / 24.0, 0.5 / 24.0]);
        assert_eq!(anchors[2], [1.5 / 24.0, 0.5 / 24.0]);
        assert_eq!(anchors[48], [0.5 / 24.0, 1.5 / 24.0]);
        assert_eq!(anchors[24 * 24 * 2 + 6], [1.5 / 12.0, 0.5 / 12.0]);
        assert_eq!(anchors[ANCHORS - 1], [11.5 / 12.0, 11.5 / 12.0]);
    }

    #[test]
    fn an_anchor_without_offsets_lies_at_its_cell_in_the_picture_without_the_letterbox() {
        let (mut boxes, mut logits) = (vec![0.0; ANCHORS * VALUES], vec![-9.0; ANCHORS]);
        let index = 2 * (12 * 24 + 12);
        logits[index] = 9.0;
        boxes[index * VALUES + 2] = 19.2;
        boxes[index * VALUES + 3] = 38.4;
        let mut palms = Vec::new();
        decode(&boxes, &logits, &anchors(), PictureSize::new(480, 240), 0.5, &mut palms);
        assert_eq!(palms.len(), 1);
        assert!(palms[0].keypoints[3].distance(Pixel::new(250.0, 130.0)) < 1e-3);
        let expected = [226.0, 82.0, 274.0, 178.0];
        assert!(palms[0].bounds.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-3), "{palms:?}");
    }

    #[test]
    fn palms_that_overlap_are_averaged_by_score_and_others_stay() {
        let mut candidates = vec![palm(0.6, 2.0, 10.0), palm(0.7, 50.0, 10.0), palm(0.9, 0.0, 10.0)];
        let mut palms = Vec::new();
        merge(&mut candidates, &mut palms);
        assert_eq!(palms.len(), 2);
        assert_eq!(palms[0].score, 0.9);
        assert!((palms[0].bounds[0] - 0.8).abs() < 1e-6 && (palms[0].keypoints[6].y - 0.8).abs() < 1e-6);
        assert!((palms[1].bounds[2] - 60.0).abs() < 1e-4);
    }

    #[test]
    fn a_box_without_area_does_not_hang_the_merging() {
        let mut palms = Vec::new();
        merge(&mut vec![palm(0.9, 0.0, 0.0), palm(0.8, 0.0, 0.0)], &mut palms);
        assert_eq!(palms.len(), 2);
    }
}
