//! Upright square crops of a frame as the backbone's pictures (HaMeR, Pavlakos et al. 2024; its released
//! pre-processing).
//!
//! The square is scaled to 256 x 256 about its centre, bilinear, zeros outside the frame, and the backbone
//! reads columns 32..224. Left hands are cut from the mirrored frame, so that the network sees right hands
//! only.

use nalgebra::Vector2;

use super::picture::{MARGIN, NORMALISED, Picture, SQUARE};
use super::taps::{Axis, AxisPlan, Direction};
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

/// How a picture is read between its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sampling {
    /// At the exact place.
    #[default]
    Bilinear,
    /// As `warpAffine` of OpenCV 4 does, which the released systems call: places rounded to 1/32 pixel and,
    /// where the frame was not blurred before, colours to whole steps. Differs from the exact rule by at most
    /// one step of 255 on smooth pictures.
    OpenCv4,
}

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
            return blacken(out);
        }
        let rounded = self.plan(frame.size, cut);
        let width = frame.size.width * 3;
        let span = self.columns.span();
        let base = span.start;
        // One float more: the last pixel is read as four.
        self.mixed.clear();
        self.mixed.resize(span.len() * 3 + 1, 0.0);
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
            mix_rows(source.zip(shares.iter().copied()), &mut self.mixed);
            mix_columns(&self.mixed, base, &self.columns, rounded, [red, green, blue]);
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

/// The sum of rows of bytes, each times its share.
fn mix_rows<'a>(rows: impl Iterator<Item = (&'a [u8], f32)>, out: &mut [f32]) {
    let mut rows = rows.filter(|(_, share)| *share != 0.0);
    let mut fresh = true;
    while let Some((row, share)) = rows.next() {
        // Two rows at a time: without blur there are no more.
        let (other, other_share) = rows.next().unwrap_or((row, 0.0));
        for ((sum, &a), &b) in out.iter_mut().zip(row).zip(other) {
            let mixed = f32::from(a) * share + f32::from(b) * other_share;
            *sum = if fresh { mixed } else { *sum + mixed };
        }
        fresh = false;
    }
    if fresh {
        out.fill(0.0);
    }
}

/// One row of the picture: mixes the pixels of `row`, whose first is column `base` of the frame.
fn mix_columns(row: &[f32], base: usize, columns: &Axis, rounded: bool, out: [&mut [f32]; 3]) {
    let [red, green, blue] = out;
    let places = columns.outputs().zip(red.iter_mut().zip(green).zip(blue));
    for ((start, shares), ((red, green), blue)) in places {
        let mut sum = [0.0_f32; 4];
        let pixels = row.get(start.saturating_sub(base) * 3..).unwrap_or_default();
        for (tap, &share) in shares.iter().enumerate() {
            if let Some(pixel) = pixels.get(tap * 3..).and_then(|pixels| pixels.first_chunk::<4>()) {
                for (sum, colour) in sum.iter_mut().zip(pixel) {
                    *sum += colour * share;
                }
            }
        }
        if rounded {
            sum = sum.map(rounded_step);
        }
        let [[r, r0], [g, g0], [b, b0]] = NORMALISED;
        *red = sum[0] * r + r0;
        *green = sum[1] * g + g0;
        *blue = sum[2] * b + b0;
    }
}

/// The nearest whole number, halves upward, of a multiple of 1/1024 in 0..=255.
fn rounded_step(value: f32) -> f32 {
    /// Floats of this size have no fraction, so that adding it rounds; every processor does that in vectors.
    const WHOLE: f32 = 8_388_608.0;
    const HALF_UP: f32 = 1.0 / 2048.0;
    (value + HALF_UP + WHOLE) - WHOLE
}

fn blacken(out: &mut Picture) {
    for (plane, [_, black]) in out.planes_mut().zip(NORMALISED) {
        plane.fill(black);
    }
}
