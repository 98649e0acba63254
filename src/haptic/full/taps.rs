//! One axis of a crop: which pixels of the source each output pixel mixes, and in which shares.
//!
//! A crop is upright, so its two axes are sampled one after the other. An axis knows the sampling rule, the
//! blur, the mirror and the border; what is left for the picture is a sum of products.

use super::picture::SQUARE;

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

/// Steps of a position between two pixels as OpenCV 4 rounds it.
const STEPS: i64 = 32;
/// OpenCV 4 adds positions that are rounded to this part of a pixel, and then drops five bits.
const FINE_STEPS: f64 = 1024.0;
/// Half of what dropping those bits takes off.
const HALF_STEP: i64 = 16;

/// The axis of the source that is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Left to right.
    Columns,
    /// Top to bottom.
    Rows,
}

/// What an axis is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisPlan<'a> {
    pub direction: Direction,
    /// The crop's centre and side in pixels of the source, mirrored where `mirrored` says so.
    pub centre: f64,
    pub side: f64,
    /// Pixels of the source on this axis; at least one.
    pub length: usize,
    /// The source is read backwards.
    pub mirrored: bool,
    pub sampling: Sampling,
    /// Kernel of the blur before sampling, of odd length; one 1 for none.
    pub blur: &'a [f64],
}

/// Shares of the source's pixels in each output pixel.
#[derive(Clone, Debug, Default)]
pub(super) struct Axis {
    /// Pixels that each output pixel mixes.
    taps: usize,
    /// The first of them.
    starts: Vec<usize>,
    /// Their shares, `taps` for each output pixel; zeros for what lies beyond the border.
    shares: Vec<f32>,
}

impl Axis {
    /// Plans the output pixels `outputs` of the 256.
    pub fn plan(&mut self, outputs: std::ops::Range<usize>, plan: &AxisPlan) {
        let reach = (plan.blur.len() / 2) as i64;
        let last = plan.length as i64 - 1;
        self.taps = plan.length.min(plan.blur.len() + 1);
        self.starts.clear();
        self.shares.clear();
        self.shares.resize(outputs.len() * self.taps, 0.0);
        for (output, shares) in outputs.zip(self.shares.chunks_exact_mut(self.taps)) {
            let (left, fraction) = plan.position(output);
            // Wide enough for both neighbours and the blur around them, and inside the source.
            let start = left.saturating_sub(reach).clamp(0, (plan.length - self.taps) as i64);
            for (neighbour, weight) in [(left, 1.0 - fraction), (left.saturating_add(1), fraction)] {
                if !(0..=last).contains(&neighbour) {
                    continue;
                }
                // The blur repeats the border; sampling finds zeros beyond it.
                for (pixel, blur) in (neighbour - reach..).zip(plan.blur) {
                    if let Some(share) = shares.get_mut((pixel.clamp(0, last) - start) as usize) {
                        *share += (weight * blur) as f32;
                    }
                }
            }
            let start = start as usize;
            self.starts.push(if plan.mirrored { plan.length - start - self.taps } else { start });
            if plan.mirrored {
                shares.reverse();
            }
        }
    }

    /// Pixels that each output pixel mixes.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// For each output pixel the first source pixel and the shares from there on.
    pub fn outputs(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.starts.iter().copied().zip(self.shares.chunks_exact(self.taps.max(1)))
    }

    /// The same by `N` output pixels; `N` that do not divide the outputs leave the last ones out.
    pub fn groups<const N: usize>(&self) -> impl Iterator<Item = (&[usize; N], &[f32])> {
        self.starts.as_chunks().0.iter().zip(self.shares.chunks_exact((N * self.taps).max(1)))
    }

    /// The source pixels that have a share anywhere; empty where the crop lies outside.
    pub fn span(&self) -> std::ops::Range<usize> {
        let seen = || self.outputs().filter(|(_, shares)| shares.iter().any(|&share| share != 0.0));
        let start = seen().map(|(start, _)| start).min().unwrap_or(0);
        let end = seen().map(|(start, _)| start + self.taps).max().unwrap_or(0);
        start..end
    }
}

impl AxisPlan<'_> {
    /// The pixel left of where `output` looks, and how far beyond it, 0..1.
    ///
    /// Output pixel `u` looks at `centre + (u - 128) side / 256`: HaMeR's affine has no half-pixel term.
    fn position(&self, output: usize) -> (i64, f64) {
        let step = self.side / SQUARE as f64;
        let origin = self.centre - self.side / 2.0;
        let along = step * output as f64;
        match self.sampling {
            Sampling::Bilinear => {
                let at = origin + along;
                (at.floor() as i64, at - at.floor())
            }
            Sampling::OpenCv4 => {
                let fine = |at: f64| (at * FINE_STEPS).round_ties_even() as i64;
                // `warpAffine` rounds the way along a row apart from the row's beginning.
                let sum = match self.direction {
                    Direction::Columns => fine(origin).saturating_add(fine(along)),
                    Direction::Rows => fine(origin + along),
                };
                let steps = sum.saturating_add(HALF_STEP).div_euclid(FINE_STEPS as i64 / STEPS);
                (steps.div_euclid(STEPS), steps.rem_euclid(STEPS) as f64 / STEPS as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_BLUR: &[f64] = &[1.0];

    fn axis(centre: f64, side: f64, length: usize, mirrored: bool, blur: &[f64]) -> Axis {
        let (direction, sampling) = (Direction::Columns, Sampling::OpenCv4);
        let mut axis = Axis::default();
        axis.plan(0..SQUARE, &AxisPlan { direction, centre, side, length, mirrored, sampling, blur });
        axis
    }

    /// The dense row of shares of one output pixel.
    fn shares(axis: &Axis, output: usize, length: usize) -> Vec<f32> {
        let mut dense = vec![0.0; length];
        let (start, shares) = axis.outputs().nth(output).unwrap();
        dense[start..start + shares.len()].copy_from_slice(shares);
        dense
    }

    #[test]
    fn the_middle_of_the_output_is_the_centre_of_the_crop() {
        let axis = axis(10.25, 64.0, 40, false, NO_BLUR);
        let dense = shares(&axis, 128, 40);
        assert_eq!(dense[10..12], [0.75, 0.25]);
        assert_eq!(dense.iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn nothing_beyond_the_border_has_a_share() {
        let axis = axis(-0.25, 1.0, 3, false, NO_BLUR);
        assert_eq!(shares(&axis, 128, 3), [0.75, 0.0, 0.0]);
        assert_eq!(super::tests::axis(9000.0, 1.0, 3, false, NO_BLUR).span(), 0..0);
    }

    #[test]
    fn a_mirrored_axis_reads_the_source_backwards() {
        let (plain, mirrored) = (axis(10.3, 30.0, 40, false, NO_BLUR), axis(10.3, 30.0, 40, true, NO_BLUR));
        for output in 0..SQUARE {
            let mut backwards = shares(&mirrored, output, 40);
            backwards.reverse();
            assert_eq!(shares(&plain, output, 40), backwards);
        }
    }

    #[test]
    fn the_blur_repeats_the_border_and_keeps_the_sum() {
        let blur = [0.1, 0.2, 0.4, 0.2, 0.1];
        let wide = axis(0.0, 64.0, 40, false, &blur);
        let at_border = shares(&wide, 128, 40);
        assert!((at_border[0] - 0.7).abs() < 1e-6 && (at_border[2] - 0.1).abs() < 1e-6);
        // A source narrower than the kernel.
        let narrow = axis(1.0, 2.0, 3, false, &blur);
        assert!((shares(&narrow, 128, 3).iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_source_of_one_pixel_can_be_sampled() {
        let one = axis(0.0, 1.0, 1, true, NO_BLUR);
        assert_eq!(shares(&one, 128, 1), [1.0]);
    }
}
