//! The part of a picture that hands and forearms hide.

use super::odometry::PixelBox;
use crate::event::KEYPOINTS;
use crate::geometry::Pixel;

/// Key points lie inside the skin: the box around them grows by this part of its longer side.
const HAND_MARGIN: f32 = 0.2;
/// Numbers of the wrist and of the middle finger's knuckle in `openpose21`.
const WRIST: usize = 0;
const KNUCKLE: usize = 9;
/// Where boxes on the forearm have their centres, in palms behind the wrist.
const FOREARM: [f32; 3] = [0.6, 1.3, 2.0];
/// Half the side of a box on the forearm, in palms: half an arm in its sleeve.
const FOREARM_HALF: f32 = 0.6;

/// Boxes that cover a hand and the forearm behind it, in the pixels of its key points (`openpose21`).
pub fn hand_boxes(keypoints: &[Pixel; KEYPOINTS]) -> [PixelBox; 1 + FOREARM.len()] {
    let range = |of: fn(&Pixel) -> f32| {
        let values = keypoints.iter().map(of);
        (values.clone().fold(f32::INFINITY, f32::min), values.fold(f32::NEG_INFINITY, f32::max))
    };
    let ((left, right), (top, bottom)) = (range(|p| p.x), range(|p| p.y));
    let margin = HAND_MARGIN * (right - left).max(bottom - top);
    let (wrist, knuckle) = (keypoints[WRIST], keypoints[KNUCKLE]);
    let (palm_x, palm_y) = (wrist.x - knuckle.x, wrist.y - knuckle.y);
    let half = FOREARM_HALF * palm_x.hypot(palm_y);
    let around = |left: f32, top: f32, right: f32, bottom: f32, by: f32| PixelBox {
        left: left - by,
        top: top - by,
        right: right + by,
        bottom: bottom + by,
    };
    let forearm = FOREARM.map(|palms| {
        let (x, y) = (wrist.x + palms * palm_x, wrist.y + palms * palm_y);
        around(x, y, x, y, half)
    });
    let hand = around(left, top, right, bottom, margin);
    let [near, middle, far] = forearm;
    [hand, near, middle, far]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_with_fingers_up_hides_itself_and_what_is_below_it() {
        let mut keypoints = [Pixel::new(100.0, 100.0); KEYPOINTS];
        keypoints[WRIST] = Pixel::new(100.0, 140.0);
        keypoints[12] = Pixel::new(100.0, 60.0);
        keypoints[4] = Pixel::new(70.0, 110.0);
        let boxes = hand_boxes(&keypoints);
        let hidden = |x: f32, y: f32| boxes.iter().any(|part| part.contains(Pixel::new(x, y)));
        assert!(hidden(60.0, 50.0) && hidden(100.0, 200.0) && hidden(115.0, 220.0));
        assert!(!hidden(100.0, 40.0) && !hidden(60.0, 190.0) && !hidden(160.0, 100.0));
    }
}
