//! Upright square crops of a frame as the backbone's pictures (HaMeR, Pavlakos et al. 2024; its released
//! pre-processing).
//!
//! The square is scaled to 256 x 256 about its centre, bilinear, zeros outside the frame, and the backbone
//! reads columns 32..224. Left hands are cut from the mirrored frame, so that the network sees right hands
//! only.

use nalgebra::Vector2;

use super::mix::{PADDING, mix_columns, mix_rows};
use super::picture::{MARGIN, NORMALISED, Picture, SQUARE};
use super::taps::{Axis, AxisPlan, Direction, Sampling};
use crate::event::Side;
use crate::frame::{Frame, PictureSize};

/// Above this many source pixels for two output pixels HaMeR blurs before sampling.
const BLUR_ABOVE: f64 = 1.1;
/// The blur's kernel ends at this many standard deviations.
const BLUR_REACH: f64 = 4.0;
/// Largest side of a crop in longer sides of the frame.
const LARGEST_CROP: f64 = 4.0;
/// Smallest side of a crop, pixels.
const SMALLEST_CROP: f64 = 1.0;

/// An upright square of a frame, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Square {
    centre: Vector2<f64>,
    side: f64,
}

impl Square {
    /// The square about `centre`; `None` where a number is not finite, the square is smaller than a pixel,
    /// or it is more than four times as large as frames of `size` or farther away.
    pub fn new(centre: Vector2<f64>, side: f64, size: PictureSize) -> Option<Self> {
        let largest = LARGEST_CROP * size.width.max(size.height) as f64;
        let near = centre.iter().all(|c| c.abs() <= largest);
        (near && (SMALLEST_CROP..=largest).contains(&side)).then_some(Self { centre, side })
    }

    /// The square that HaPTIC fits the whole frame into; `None` for an empty frame.
    pub fn whole(size: PictureSize) -> Option<Self> {
        let (width, height) = (size.width as f64, size.height as f64);
        Self::new(Vector2::new(width, height) / 2.0, width.max(height), size)
    }

    /// The centre, pixels of the frame as captured.
    pub fn centre(&self) -> Vector2<f64> {
        self.centre
    }

    /// The side, pixels.
    pub fn side(&self) -> f64 {
        self.side
    }
}

/// What is cut out of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Where.
    pub square: Square,
    /// Which hand it is for: a left hand's picture is mirrored.
    pub side: Side,
    /// HaMeR blurs large crops before they are made small; HaPTIC does not.
    pub blurred: bool,
}

/// The sums that make the picture of a cut, for a device that makes them itself: output pixel (x, y) is the sum of
/// some columns and rows of the frame, each times its share, zero where nothing has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CutPlan {
    /// Frame columns and frame rows that an output pixel mixes.
    pub taps: [usize; 2],
    /// The first frame column of each output column, then the first frame row of each output row.
    pub starts: Vec<i32>,
    /// The shares in the same order, as many for each as there are taps.
    pub shares: Vec<f32>,
    /// Whether colours are rounded to whole steps of 255, halves upward.
    pub rounded: bool,
}

/// Cuts pictures out of frames; keeps the memory that this takes.
#[derive(Clone, Debug, Default)]
pub struct Cropper {
    sampling: Sampling,
    columns: Axis,
    rows: Axis,
    mixed: Vec<f32>,
}

impl Cropper {
    /// A cropper that reads between pixels as `sampling` says.
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, ..Self::default() }
    }

    /// Writes the picture of `cut` into `out`. A frame whose bytes do not fill its size is black.
    pub fn cut(&mut self, frame: &Frame, cut: &Cut, out: &mut Picture) {
        if frame.size.rgb_bytes() == 0 || frame.pixels.len() < frame.size.rgb_bytes() {
            return blacken(out.planes_mut().zip(NORMALISED));
        }
        let rounded = self.plan(frame.size, cut);
        let width = frame.size.width * 3;
        let span = self.columns.span();
        let base = span.start;
        self.mixed.clear();
        self.mixed.resize(span.len() * 3 + PADDING, 0.0);
        let bytes = span.start * 3..span.end * 3;
        let mut planes = out.planes_mut();
        let (Some(red), Some(green), Some(blue)) = (planes.next(), planes.next(), planes.next()) else {
            return;
        };
        let colours = [red, green, blue].map(|plane| plane.chunks_exact_mut(Picture::COLUMNS));
        let [reds, greens, blues] = colours;
        for (((red, green), blue), (first, shares)) in reds.zip(greens).zip(blues).zip(self.rows.outputs()) {
            let source = frame.pixels.chunks_exact(width).skip(first);
            let source = source.filter_map(|row| row.get(bytes.clone()));
            let out = [red, green, blue];
            if mix_rows(source.zip(shares.iter().copied()), &mut self.mixed) {
                mix_columns(&self.mixed, base, &self.columns, rounded, out);
            } else {
                blacken(out.into_iter().zip(NORMALISED));
            }
        }
    }

    /// Plans the picture of `cut` out of frames of `size`, which have at least one pixel.
    pub fn plan_cut(&mut self, size: PictureSize, cut: &Cut, plan: &mut CutPlan) {
        plan.rounded = self.plan(size, cut);
        plan.taps = [self.columns.taps(), self.rows.taps()];
        plan.starts.clear();
        plan.shares.clear();
        for (start, shares) in self.columns.outputs().chain(self.rows.outputs()) {
            plan.starts.push(start as i32);
            plan.shares.extend_from_slice(shares);
        }
    }

    /// Plans both axes; says whether colours are rounded.
    fn plan(&mut self, size: PictureSize, cut: &Cut) -> bool {
        let mirrored = cut.side == Side::Left;
        let Square { centre, side } = cut.square;
        let kernel = if cut.blurred { blur_kernel(side) } else { None };
        let blur = kernel.as_deref().unwrap_or(&[1.0]);
        let x = if mirrored { size.width as f64 - centre.x - 1.0 } else { centre.x };
        let plan = AxisPlan {
            direction: Direction::Columns,
            centre: x,
            side,
            length: size.width,
            mirrored,
            sampling: self.sampling,
            blur,
        };
        self.columns.plan(MARGIN..SQUARE - MARGIN, &plan);
        let plan = AxisPlan {
            direction: Direction::Rows,
            centre: centre.y,
            length: size.height,
            mirrored: false,
            ..plan
        };
        self.rows.plan(0..SQUARE, &plan);
        self.sampling == Sampling::OpenCv4 && kernel.is_none()
    }
}

/// HaMeR's blur for a crop of this side: a Gaussian of deviation `(k - 1) / 2` with `k = side / 512`;
/// nothing up to `k = 1.1`.
fn blur_kernel(side: f64) -> Option<Vec<f64>> {
    let shrunk = side / (2.0 * SQUARE as f64);
    if shrunk <= BLUR_ABOVE {
        return None;
    }
    let deviation = (shrunk - 1.0) / 2.0;
    let reach = (BLUR_REACH * deviation + 0.5) as i32;
    let bell = (-reach..=reach).map(|at| (-0.5 * (f64::from(at) / deviation).powi(2)).exp());
    let bell: Vec<f64> = bell.collect();
    let sum: f64 = bell.iter().sum();
    Some(bell.into_iter().map(|value| value / sum).collect())
}

/// Makes planes, or parts of them, black.
fn blacken<'a>(planes: impl Iterator<Item = (&'a mut [f32], [f32; 2])>) {
    for (plane, [_, black]) in planes {
        plane.fill(black);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Timestamp;

    fn noise(width: usize, height: usize) -> Frame {
        let size = PictureSize::new(width, height);
        let pixels = (0..size.rgb_bytes()).map(|i| (i * 7919 % 251) as u8).collect();
        Frame { pixels, size, timestamp: Timestamp(0), sequence: 0 }
    }

    fn cut(frame: &Frame, cut: &Cut, sampling: Sampling) -> Picture {
        let mut out = Picture::new();
        Cropper::new(sampling).cut(frame, cut, &mut out);
        out
    }

    #[test]
    fn a_left_hands_picture_is_the_right_hands_of_the_mirrored_frame() {
        let frame = noise(61, 47);
        let mut mirrored = frame.clone();
        for row in mirrored.pixels.chunks_exact_mut(61 * 3) {
            row.as_chunks_mut::<3>().0.reverse();
        }
        for (x, side) in [(20.5, 30.0), (3.0, 90.0), (59.25, 13.7)] {
            let square = |x| Square::new(Vector2::new(x, 22.0), side, frame.size).unwrap();
            let left = Cut { square: square(x), side: Side::Left, blurred: false };
            let right = Cut { square: square(61.0 - x - 1.0), side: Side::Right, blurred: false };
            assert!(cut(&frame, &left, Sampling::OpenCv4) == cut(&mirrored, &right, Sampling::OpenCv4));
        }
    }

    #[test]
    fn whatever_lies_outside_the_frame_is_black() {
        let frame = noise(61, 47);
        let square = Square::new(Vector2::new(-80.0, 22.0), 90.0, frame.size).unwrap();
        let outside = cut(&frame, &Cut { square, side: Side::Right, blurred: false }, Sampling::Bilinear);
        let black = Picture::from_square(&vec![0; 3 * SQUARE * SQUARE]).unwrap();
        assert!(outside == black);
        let short = Frame { pixels: vec![200; 9], ..frame };
        assert!(cut(&short, &Cut { square, side: Side::Left, blurred: true }, Sampling::Bilinear) == black);
    }

    #[test]
    fn squares_that_are_no_place_in_a_frame_are_refused() {
        let size = PictureSize::new(640, 480);
        let square = |x: f64, side: f64| Square::new(Vector2::new(x, 0.0), side, size);
        for (x, side) in [(f64::NAN, 9.0), (9.0, f64::NAN), (9.0, 0.0), (9.0, -5.0), (9.0, 3e3), (1e9, 9.0)] {
            assert_eq!(square(x, side), None, "{x} {side}");
        }
        assert!(square(-100.0, 2000.0).is_some());
        assert_eq!(Square::whole(PictureSize::new(0, 0)), None);
    }

    #[test]
    fn frames_of_any_size_can_be_cut() {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3)] {
            let frame = noise(width, height);
            let square = Square::whole(frame.size).unwrap();
            for side in [Side::Left, Side::Right] {
                let picture = cut(&frame, &Cut { square, side, blurred: true }, Sampling::OpenCv4);
                assert!(picture.values().iter().all(|v| v.is_finite()));
            }
        }
        let large = noise(1400, 700);
        let square = Square::whole(large.size).unwrap();
        let blurred = cut(&large, &Cut { square, side: Side::Left, blurred: true }, Sampling::OpenCv4);
        assert!(blurred.values().iter().all(|v| v.abs() < 3.0));
    }
}
