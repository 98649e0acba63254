//! Where to look for a hand: rotated squares of the picture, from a palm or from the last key points.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use crate::event::KEYPOINTS;
use crate::geometry::Pixel;

/// Side of a region in units of the palm box.
const PALM_SCALE: f32 = 2.6;
/// How far a palm's region moves from the box towards the fingers, in box heights.
const PALM_SHIFT: f32 = 0.5;
/// Side of a region in units of the box around [`STEADY`].
const HAND_SCALE: f32 = 2.0;
/// How far a hand's region moves from the box towards the fingers, in box heights.
const HAND_SHIFT: f32 = 0.1;
/// Key points that move little when the fingers bend: wrist, thumb without tip, the lower two of each finger.
const STEADY: [usize; 12] = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18];
/// Regions beyond this many pixels (side, or distance of the centre from the corner) are no use.
const FARTHEST: f32 = 1e6;

/// A square of the picture, turned so that the hand's fingers point up in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Middle of the square.
    pub center: Pixel,
    /// Length of its sides, pixels.
    pub side: f32,
    /// Clockwise turn against the picture, radians in -pi..pi.
    pub rotation: f32,
}

impl Region {
    /// The region the released graph looks at for a palm detected in the box `bounds` (x0 y0 x1 y1), whose
    /// direction is from the `wrist` to the base of the `middle` finger.
    pub fn from_palm(bounds: [f32; 4], wrist: Pixel, middle: Pixel) -> Self {
        let [x0, y0, x1, y1] = bounds;
        let rotation = direction(wrist, middle);
        Self::grown(
            Pixel::new((x0 + x1) / 2.0, (y0 + y1) / 2.0),
            [x1 - x0, y1 - y0],
            rotation,
            PALM_SHIFT,
            PALM_SCALE,
        )
    }

    /// The region in which the released graph expects a hand in the frame after the one with these
    /// key points.
    pub fn from_keypoints(keypoints: &[Pixel; KEYPOINTS]) -> Self {
        let wrist = keypoints[0];
        let knuckles = midpoint(midpoint(keypoints[5], keypoints[13]), keypoints[9]);
        let rotation = direction(wrist, knuckles);
        let (sin, cos) = rotation.sin_cos();
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in STEADY.map(|i| keypoints[i]) {
            let (x, y) = (point.x - wrist.x, point.y - wrist.y);
            for (axis, value) in [cos * x + sin * y, cos * y - sin * x].into_iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        let (x, y) = ((low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0);
        let center = Pixel::new(wrist.x + cos * x - sin * y, wrist.y + sin * x + cos * y);
        Self::grown(center, [high[0] - low[0], high[1] - low[1]], rotation, HAND_SHIFT, HAND_SCALE)
    }

    /// A square of `scale` times the longer side of a box, moved `shift` box heights along its up direction.
    fn grown(center: Pixel, [width, height]: [f32; 2], rotation: f32, shift: f32, scale: f32) -> Self {
        let (sin, cos) = rotation.sin_cos();
        Self {
            center: Pixel::new(center.x + height * shift * sin, center.y - height * shift * cos),
            side: width.max(height) * scale,
            rotation,
        }
    }

    /// True where the numbers make a region that can be cropped.
    pub fn usable(&self) -> bool {
        let within = |v: f32| v.abs() < FARTHEST;
        within(self.center.x)
            && within(self.center.y)
            && self.side > 0.0
            && within(self.side)
            && self.rotation.is_finite()
    }

    /// Intersection over union of two regions, as if neither were rotated.
    pub fn overlap(&self, other: &Region) -> f32 {
        intersection_over_union(self.bounds(), other.bounds())
    }

    fn bounds(&self) -> [f32; 4] {
        let half = self.side / 2.0;
        [self.center.x - half, self.center.y - half, self.center.x + half, self.center.y + half]
    }
}

/// Intersection over union of two boxes x0 y0 x1 y1; zero where they do not meet.
pub fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if width <= 0.0 || height <= 0.0 {
        return 0.0;
    }
    let area = |r: [f32; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let shared = width * height;
    shared / (area(a) + area(b) - shared)
}

/// Turn that brings "up" onto the direction from one point to the other, in -pi..pi.
fn direction(from: Pixel, to: Pixel) -> f32 {
    let angle = FRAC_PI_2 - (from.y - to.y).atan2(to.x - from.x);
    angle - TAU * ((angle + PI) / TAU).floor()
}

fn midpoint(a: Pixel, b: Pixel) -> Pixel {
    Pixel::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn region(x: f32, y: f32, side: f32, rotation: f32) -> Region {
        Region { center: Pixel::new(x, y), side, rotation }
    }

    /// A flat open hand of height 2 `size`, wrist at (x, y), fingers pointing along `rotation`.
    pub(crate) fn open_hand(x: f32, y: f32, size: f32, rotation: f32) -> [Pixel; KEYPOINTS] {
        let (sin, cos) = rotation.sin_cos();
        std::array::from_fn(|i| {
            let (finger, joint) = (i.div_ceil(4), (i + 3) % 4);
            let (across, along) = if i == 0 {
                (0.0, 0.0)
            } else {
                (finger as f32 * 0.2 - 0.6, 1.0 - (finger == 1) as u8 as f32 * 0.5 + joint as f32 * 0.25)
            };
            let (u, v) = (across * size, -along * size);
            Pixel::new(x + cos * u - sin * v, y + sin * u + cos * v)
        })
    }

    #[test]
    fn an_upright_palm_gives_a_region_shifted_up_by_half_its_box() {
        let (wrist, middle) = (Pixel::new(100.0, 240.0), Pixel::new(100.0, 180.0));
        let found = Region::from_palm([80.0, 180.0, 120.0, 240.0], wrist, middle);
        assert_eq!(found, region(100.0, 180.0, 156.0, 0.0));
    }

    #[test]
    fn a_region_turns_moves_and_grows_with_its_hand() {
        let upright = Region::from_keypoints(&open_hand(0.0, 0.0, 50.0, 0.0));
        for turn in [0.4f32, 1.7, -2.9] {
            let turned = Region::from_keypoints(&open_hand(300.0, 200.0, 100.0, turn));
            let (sin, cos) = turn.sin_cos();
            let c = upright.center;
            let expected =
                Pixel::new(300.0 + 2.0 * (cos * c.x - sin * c.y), 200.0 + 2.0 * (sin * c.x + cos * c.y));
            assert!(turned.center.distance(expected) < 1e-2, "{turned:?} {expected:?}");
            assert!((turned.side - 2.0 * upright.side).abs() < 1e-2);
            assert!((turned.rotation - upright.rotation - turn).abs() < 1e-5);
        }
    }

    #[test]
    fn overlap_is_one_for_the_same_square_and_zero_apart() {
        let a = region(10.0, 10.0, 10.0, 0.3);
        assert_eq!(a.overlap(&a), 1.0);
        assert_eq!(a.overlap(&region(30.0, 10.0, 10.0, 0.0)), 0.0);
        assert!((a.overlap(&region(15.0, 10.0, 10.0, 0.0)) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn numbers_without_meaning_make_no_usable_region() {
        assert!(region(1.0, 1.0, 2.0, 0.0).usable());
        for bad in [region(f32::NAN, 0.0, 1.0, 0.0), region(0.0, 0.0, 0.0, 0.0), region(0.0, 0.0, 1e30, 0.0)]
        {
            assert!(!bad.usable(), "{bad:?}");
        }
    }
}
