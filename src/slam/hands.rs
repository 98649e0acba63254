//! The part of a picture that hands and forearms hide.

use super::odometry::PixelBox;
use crate::event::KEYPOINTS;
use crate::geometry::Pixel;

/// Numbers of the wrist and of the middle finger's knuckle in `openpose21`: a palm's length apart.
const WRIST: usize = 0;
const KNUCKLE: usize = 9;
/// Numbers of wrist, thumb base and knuckles: the corners of the palm.
const PALM: [usize; 6] = [WRIST, 1, 5, KNUCKLE, 13, 17];
/// Key points lie inside the skin, and a patch around a corner of the scene must not reach it: boxes grow by
/// this part of the palm's length.
const MARGIN: f32 = 0.22;
/// Where boxes on the forearm have their centres, in palms behind the wrist.
const FOREARM: [f32; 4] = [0.5, 1.4, 2.3, 3.2];
/// Half the side of a box on the forearm, in palms: half an arm in its sleeve.
const FOREARM_HALF: f32 = 0.6;
/// Bones of the fingers beyond the palm.
const BONES: usize = 15;

/// Boxes that cover a hand and the forearm behind it, in the pixels of its key points (`openpose21`): one
/// around the palm, one around each bone of the fingers, four along the forearm. Many small boxes leave
/// the scene between spread fingers in sight, where one large box would hide half the picture.
pub fn hand_boxes(keypoints: &[Pixel; KEYPOINTS]) -> [PixelBox; 1 + BONES + FOREARM.len()] {
    let (wrist, knuckle) = (keypoints[WRIST], keypoints[KNUCKLE]);
    let (palm_x, palm_y) = (wrist.x - knuckle.x, wrist.y - knuckle.y);
    let palm = palm_x.hypot(palm_y);
    std::array::from_fn(|number| match number {
        0 => around(PALM.map(|corner| keypoints[corner]), MARGIN * palm),
        1..=BONES => {
            let bone = number - 1;
            // Four points a finger, the first of them its base.
            let start = 4 * (bone / 3) + 1 + bone % 3;
            around([keypoints[start], keypoints[start + 1]], MARGIN * palm)
        }
        _ => {
            let palms = FOREARM[number - 1 - BONES];
            let centre = Pixel::new(wrist.x + palms * palm_x, wrist.y + palms * palm_y);
            around([centre], FOREARM_HALF * palm)
        }
    })
}

/// The box of some points, grown on every side.
fn around<const N: usize>(points: [Pixel; N], margin: f32) -> PixelBox {
    let least = |of: fn(Pixel) -> f32| points.map(of).into_iter().fold(f32::INFINITY, f32::min) - margin;
    let largest =
        |of: fn(Pixel) -> f32| points.map(of).into_iter().fold(f32::NEG_INFINITY, f32::max) + margin;
    PixelBox { left: least(|p| p.x), top: least(|p| p.y), right: largest(|p| p.x), bottom: largest(|p| p.y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_hides_itself_and_its_forearm_but_not_what_is_between_spread_fingers() {
        // Fingers up and spread like a fan, 40 pixels from wrist to knuckles.
        let wrist = Pixel::new(100.0, 140.0);
        let mut keypoints = [wrist; KEYPOINTS];
        for finger in 0..5 {
            let angle = (finger as f32 - 2.0) * 0.5;
            for joint in 0..4 {
                let length = 40.0 + 18.0 * joint as f32;
                keypoints[4 * finger + 1 + joint] =
                    Pixel::new(wrist.x + length * angle.sin(), wrist.y - length * angle.cos());
            }
        }
        let boxes = hand_boxes(&keypoints);
        let hidden = |x: f32, y: f32| boxes.iter().any(|part| part.contains(Pixel::new(x, y)));
        for point in keypoints {
            assert!(hidden(point.x, point.y) && hidden(point.x + 8.0, point.y - 8.0), "{point:?}");
        }
        assert!(hidden(100.0, 120.0) && hidden(100.0, 180.0) && hidden(115.0, 270.0));
        assert!(!hidden(122.0, 52.0), "between the tips of middle and ring finger");
        assert!(!hidden(100.0, 30.0) && !hidden(60.0, 190.0) && !hidden(160.0, 150.0));
    }
}
