//! The landmark network: 21 key points, presence and handedness of the hand in one region.

use nalgebra::Vector3;

use super::crop::{Outside, crop};
use super::error::DetectError;
use super::net::Network;
use super::palm::fits;
use super::region::Region;
use crate::event::KEYPOINTS;
use crate::frame::Frame;
use crate::geometry::Pixel;

/// Side of the network's square input, pixels.
const INPUT: usize = 224;
/// The network's depths are this much larger than its columns and rows.
const DEPTH_SCALE: f32 = 0.4;
/// The network's outputs, in its order.
const KEYPOINT_OUTPUT: usize = 0;
const PRESENCE_OUTPUT: usize = 1;
const HANDEDNESS_OUTPUT: usize = 2;
const METRIC_OUTPUT: usize = 3;

/// What the network says about one region, as the released graph reports it.
#[derive(Clone, Debug)]
pub struct FoundHand {
    /// Probability that the region holds a hand, 0..1.
    pub presence: f32,
    /// Probability of MediaPipe's label "Left": a left hand if the picture is mirrored, else a right one.
    pub label_left: f32,
    /// Key points in picture pixels, `mediapipe21`.
    pub keypoints: [Pixel; KEYPOINTS],
    /// Depth of the key points against the wrist, towards the camera negative, in picture pixels.
    pub depth: [f32; KEYPOINTS],
    /// Key points in metres, axes of the camera, origin at the hand's own centre.
    pub metric: [Vector3<f32>; KEYPOINTS],
    /// Where the network looked.
    pub region: Region,
}

impl FoundHand {
    /// Where the hand is expected in the next frame.
    pub fn next_region(&self) -> Region {
        Region::from_keypoints(&self.keypoints)
    }
}

/// The network with its input and output rules.
pub struct LandmarkNetwork {
    network: Network,
}

impl LandmarkNetwork {
    /// Reads the network from the bytes of `hand_landmark_full.tflite`.
    ///
    /// # Errors
    /// Where the file is no readable model, or another model than this.
    pub fn new(model: &[u8]) -> Result<Self, DetectError> {
        let network = Network::from_bytes(model).map_err(DetectError::LandmarkModel)?;
        if !fits(&network, INPUT, &[KEYPOINTS * 3, 1, 1, KEYPOINTS * 3]) {
            return Err(DetectError::NotTheLandmarkModel);
        }
        Ok(Self { network })
    }

    /// The same network to run beside this one, with the same weights.
    pub fn sibling(&self) -> Self {
        Self { network: self.network.sibling() }
    }

    /// The hand in `region`, or `None` where its presence is not above `min_presence`.
    ///
    /// The region must be [usable](Region::usable).
    pub fn find(&mut self, frame: &Frame, region: Region, min_presence: f32) -> Option<FoundHand> {
        crop::<INPUT>(frame, &region, Outside::Edge, self.network.input_mut());
        self.network.run();
        let presence = self.network.output(PRESENCE_OUTPUT).first().copied()?;
        let label_left = self.network.output(HANDEDNESS_OUTPUT).first().copied()?;
        let points = self.network.output(KEYPOINT_OUTPUT);
        let metres = self.network.output(METRIC_OUTPUT);
        let sound = points.iter().chain(metres).chain([&label_left]).all(|v| v.is_finite());
        if !(presence > min_presence && sound) {
            return None;
        }
        let mut hand = FoundHand {
            presence,
            label_left,
            keypoints: [Pixel::default(); KEYPOINTS],
            depth: [0.0; KEYPOINTS],
            metric: [Vector3::zeros(); KEYPOINTS],
            region,
        };
        let (sin, cos) = region.rotation.sin_cos();
        let scale = region.side / INPUT as f32;
        let middle = INPUT as f32 / 2.0;
        for (i, (point, metre)) in points.chunks_exact(3).zip(metres.chunks_exact(3)).enumerate() {
            let (u, v) = ((point[0] - middle) * scale, (point[1] - middle) * scale);
            hand.keypoints[i] =
                Pixel::new(region.center.x + cos * u - sin * v, region.center.y + sin * u + cos * v);
            hand.depth[i] = point[2] * scale / DEPTH_SCALE;
            hand.metric[i] =
                Vector3::new(cos * metre[0] - sin * metre[1], sin * metre[0] + cos * metre[1], metre[2]);
        }
        Some(hand)
    }
}
