//! Where a patch went: Lucas-Kanade alignment from coarse to fine.
//!
//! The inverse compositional form (Baker and Matthews, "Lucas-Kanade 20 years on", 2004): gradients are
//! those of the patch looked for, so its normal matrix is made once. A constant change of brightness is
//! a third unknown, eliminated by taking the mean off the gradients.

#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{LANES, Lanes, Line, Portable};
use super::pyramid::{Level, Pyramid, READ, Window, to_level};
use crate::geometry::Pixel;

/// Side of a patch, pixels.
const SIDE: usize = 13;
const HALF: isize = (SIDE / 2) as isize;
const AREA: f32 = (SIDE * SIDE) as f32;
/// Side of the patch with a pixel around it, for central differences.
const WIDE: usize = SIDE + 2;
/// Numbers of the wide patch, and three more, because the last lanes of its last row look beyond it.
const WIDE_NUMBERS: usize = WIDE * LANES + 3;
/// Longest step of a round, pixels.
const LONGEST_STEP: f32 = 4.0;
/// One for columns of the patch; rows of memory are longer, and what lies there does not count.
const MASK: [f32; LANES] = {
    let mut mask = [0.0; LANES];
    let mut x = 0;
    while x < SIDE {
        mask[x] = 1.0;
        x += 1;
    }
    mask
};

/// Settings of the alignment.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowConfig {
    /// Steps at most on each level.
    pub rounds: usize,
    /// A step below this many pixels ends a level.
    pub converged: f32,
    /// Least smaller eigenvalue of the normal matrix, squared grey levels a pixel.
    pub least_texture: f32,
    /// Least correlation of the two patches at the end, -1..1.
    pub least_correlation: f32,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self { rounds: 10, converged: 0.02, least_texture: 1.0, least_correlation: 0.75 }
    }
}

/// The rows of a patch, from the top, between pixels by bilinear weights.
struct Lines<'a, L> {
    rows: Window<'a>,
    above: L,
    ax: L,
    ay: L,
}

impl<'a, L: Lanes> Lines<'a, L> {
    /// The patch around `pixel` of `level`, `side` by `side`. `None` where it leaves the picture's border.
    ///
    /// # Safety
    /// The instruction set of `L` is on.
    #[inline(always)]
    unsafe fn new(level: &'a Level, pixel: Pixel, side: usize) -> Option<Self> {
        let (fx, fy) = (pixel.x.floor(), pixel.y.floor());
        if !(fx.abs() < 1e6 && fy.abs() < 1e6) {
            return None;
        }
        let half = (side / 2) as isize;
        let mut rows = level.window(fx as isize - half, fy as isize - half, side + 1)?;
        // SAFETY: as for the caller.
        unsafe {
            let (ax, ay) = (L::splat(pixel.x - fx), L::splat(pixel.y - fy));
            let above = across(rows.next()?, ax)?;
            Some(Self { rows, above, ax, ay })
        }
    }

    /// # Safety
    /// The instruction set of `L` is on.
    #[inline(always)]
    unsafe fn next(&mut self) -> Option<L> {
        // SAFETY: as for the caller.
        unsafe {
            let below: L = across(self.rows.next()?, self.ax)?;
            let line = self.above.plus(self.ay.times(below.minus(self.above)));
            self.above = below;
            Some(line)
        }
    }
}

/// Values between neighbours of a row.
///
/// # Safety
/// The instruction set of `L` is on.
#[inline(always)]
unsafe fn across<L: Lanes>(row: &[u8; READ], ax: L) -> Option<L> {
    // SAFETY: as for the caller.
    unsafe {
        let (left, right) = (L::pixels(row.first_chunk()?), L::pixels(row.last_chunk()?));
        Some(left.plus(ax.times(right.minus(left))))
    }
}

/// The patch looked for, on one level. Columns beyond the patch are zero.
struct Template {
    values: [Line; SIDE],
    gradient_x: [Line; SIDE],
    gradient_y: [Line; SIDE],
    /// Inverse of the normal matrix: xx, xy, yy.
    inverse: [f32; 3],
}

impl Template {
    /// Nothing yet.
    const EMPTY: Self = Self {
        values: [[0.0; LANES]; SIDE],
        gradient_x: [[0.0; LANES]; SIDE],
        gradient_y: [[0.0; LANES]; SIDE],
        inverse: [0.0; 3],
    };

    /// Becomes the patch around `pixel`; `None` where it has no texture or leaves the picture.
    ///
    /// # Safety
    /// The instruction set of `L` is on.
    #[inline(always)]
    unsafe fn take<L: Lanes>(&mut self, level: &Level, pixel: Pixel, least_texture: f32) -> Option<()> {
        let mut wide = [0.0; WIDE_NUMBERS];
        // SAFETY: as for the caller.
        let (xx, xy, yy) = unsafe {
            let mut lines = Lines::<L>::new(level, pixel, WIDE)?;
            for y in 0..WIDE {
                lines.next()?.store(wide[y * LANES..].first_chunk_mut()?);
            }
            let (mask, half, zero) = (L::load(&MASK), L::splat(0.5), L::splat(0.0));
            let (mut sum_x, mut sum_y) = (zero, zero);
            for y in 0..SIDE {
                let at = |dy: usize, dx: usize| wide[(y + dy) * LANES + dx..].first_chunk();
                let (left, here, right) = (L::load(at(1, 0)?), L::load(at(1, 1)?), L::load(at(1, 2)?));
                let (above, below) = (L::load(at(0, 1)?), L::load(at(2, 1)?));
                let gx = right.minus(left).times(half).times(mask);
                let gy = below.minus(above).times(half).times(mask);
                (sum_x, sum_y) = (sum_x.plus(gx), sum_y.plus(gy));
                here.times(mask).store(&mut self.values[y]);
                gx.store(&mut self.gradient_x[y]);
                gy.store(&mut self.gradient_y[y]);
            }
            let mean_x = L::splat(sum_x.total() / AREA).times(mask);
            let mean_y = L::splat(sum_y.total() / AREA).times(mask);
            let (mut xx, mut xy, mut yy) = (zero, zero, zero);
            for (x, y) in self.gradient_x.iter_mut().zip(&mut self.gradient_y) {
                let (gx, gy) = (L::load(x).minus(mean_x), L::load(y).minus(mean_y));
                gx.store(x);
                gy.store(y);
                (xx, xy, yy) = (xx.plus(gx.times(gx)), xy.plus(gx.times(gy)), yy.plus(gy.times(gy)));
            }
            (xx.total(), xy.total(), yy.total())
        };
        let least = (xx + yy - ((xx - yy) * (xx - yy) + 4.0 * xy * xy).sqrt()) * (0.5 / AREA);
        if least.is_nan() || least < least_texture {
            return None;
        }
        let scale = 1.0 / (xx * yy - xy * xy);
        self.inverse = [yy * scale, -xy * scale, xx * scale];
        Some(())
    }

    /// The step from `place` towards where the patch lies; `None` where it leaves the picture.
    ///
    /// # Safety
    /// The instruction set of `L` is on.
    #[inline(always)]
    unsafe fn step<L: Lanes>(&self, level: &Level, place: Pixel) -> Option<(f32, f32)> {
        // SAFETY: as for the caller.
        let (bx, by) = unsafe {
            let mut lines = Lines::<L>::new(level, place, SIDE)?;
            let (mut bx, mut by) = (L::splat(0.0), L::splat(0.0));
            for y in 0..SIDE {
                let error = lines.next()?.minus(L::load(&self.values[y]));
                bx = bx.plus(L::load(&self.gradient_x[y]).times(error));
                by = by.plus(L::load(&self.gradient_y[y]).times(error));
            }
            (bx.total(), by.total())
        };
        let [xx, xy, yy] = self.inverse;
        // A patch cannot tell a step longer than itself.
        let clamped = |v: f32| v.clamp(-LONGEST_STEP, LONGEST_STEP);
        Some((clamped(-(xx * bx + xy * by)), clamped(-(xy * bx + yy * by))))
    }

    /// Correlation of the patch with what is seen at `place`, -1..1; 0 for a flat one.
    ///
    /// # Safety
    /// The instruction set of `L` is on.
    #[inline(always)]
    unsafe fn correlation<L: Lanes>(&self, level: &Level, place: Pixel) -> Option<f32> {
        let mut seen = [[0.0; LANES]; SIDE];
        // SAFETY: as for the caller.
        let (ab, aa, bb) = unsafe {
            let mut lines = Lines::<L>::new(level, place, SIDE)?;
            let (mask, zero) = (L::load(&MASK), L::splat(0.0));
            let (mut a, mut b) = (zero, zero);
            for (values, seen) in self.values.iter().zip(&mut seen) {
                let line = lines.next()?.times(mask);
                line.store(seen);
                (a, b) = (a.plus(L::load(values)), b.plus(line));
            }
            let mean_a = L::splat(a.total() / AREA).times(mask);
            let mean_b = L::splat(b.total() / AREA).times(mask);
            let (mut ab, mut aa, mut bb) = (zero, zero, zero);
            for (values, seen) in self.values.iter().zip(&seen) {
                let (a, b) = (L::load(values).minus(mean_a), L::load(seen).minus(mean_b));
                (ab, aa, bb) = (ab.plus(a.times(b)), aa.plus(a.times(a)), bb.plus(b.times(b)));
            }
            (ab.total(), aa.total(), bb.total())
        };
        Some(if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 })
    }
}

/// Follows `pixel` of `from` into `to`, where it is expected near `guess`, from level `coarsest` down.
///
/// `None` where the patch has no texture, leaves the picture, or does not look like itself at the end. The result is
/// the same on every processor.
pub(super) fn follow(
    from: &Pyramid,
    pixel: Pixel,
    to: &Pyramid,
    guess: Pixel,
    coarsest: usize,
    config: &FlowConfig,
) -> Option<Pixel> {
    let way = Way { from, pixel, to, guess, coarsest, config };
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512 F.
            return unsafe { follow_avx512(&way) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { follow_avx2(&way) };
        }
    }
    // SAFETY: plain numbers need nothing.
    unsafe { align::<Portable>(&way) }
}

/// What is followed.
struct Way<'a> {
    from: &'a Pyramid,
    pixel: Pixel,
    to: &'a Pyramid,
    guess: Pixel,
    coarsest: usize,
    config: &'a FlowConfig,
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn follow_avx512(way: &Way) -> Option<Pixel> {
    // SAFETY: the instruction set is on.
    unsafe { align::<Avx512>(way) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn follow_avx2(way: &Way) -> Option<Pixel> {
    // SAFETY: the instruction set is on.
    unsafe { align::<Avx2>(way) }
}

/// # Safety
/// The instruction set of `L` is on.
#[inline(always)]
unsafe fn align<L: Lanes>(way: &Way) -> Option<Pixel> {
    let &Way { from, pixel, to, guess, coarsest, config } = way;
    let mut template = Template::EMPTY;
    let mut shift = (guess.x - pixel.x, guess.y - pixel.y);
    for index in (0..=coarsest).rev() {
        let (Some(source), Some(target)) = (from.levels.get(index), to.levels.get(index)) else { continue };
        let scale = (1_u32 << index) as f32;
        let start = to_level(pixel, index);
        // SAFETY: as for the caller.
        if unsafe { template.take::<L>(source, start, config.least_texture) }.is_none() {
            // A coarse level may have nothing to say; the finest must.
            if index == 0 {
                return None;
            }
            continue;
        }
        let mut place = Pixel::new(start.x + shift.0 / scale, start.y + shift.1 / scale);
        for _ in 0..config.rounds {
            // SAFETY: as for the caller.
            let Some((dx, dy)) = (unsafe { template.step::<L>(target, place) }) else {
                if index == 0 {
                    return None;
                }
                break;
            };
            place = Pixel::new(place.x + dx, place.y + dy);
            if dx * dx + dy * dy < config.converged * config.converged {
                break;
            }
        }
        if index == 0 {
            // SAFETY: as for the caller.
            let alike = unsafe { template.correlation::<L>(target, place) }?;
            return (target.holds(place, HALF as f32 / 2.0) && alike >= config.least_correlation)
                .then_some(place);
        }
        shift = ((place.x - start.x) * scale, (place.y - start.y) * scale);
    }
    None
}

/// The shift in pixels of the full picture that brings the coarsest levels of two pyramids closest, looked
/// for over `reach` of the picture's sides.
pub(super) fn whole_shift(from: &Pyramid, to: &Pyramid, reach: f32) -> (f32, f32) {
    let level = from.levels.len().min(to.levels.len()) - 1;
    let (a, b) = (&from.levels[level], &to.levels[level]);
    let (across, down) = ((a.width as f32 * reach) as isize, (a.height as f32 * reach) as isize);
    let mut best = (f32::MAX, 0, 0);
    for dy in -down..=down {
        for dx in -across..=across {
            let difference = mean_difference(a, b, dx, dy);
            if difference < best.0 {
                best = (difference, dx, dy);
            }
        }
    }
    let scale = (1_u32 << level) as f32;
    (best.1 as f32 * scale, best.2 as f32 * scale)
}

/// Mean squared difference of `a` and `b` moved by (`dx`, `dy`) over what they share, brightness apart.
fn mean_difference(a: &Level, b: &Level, dx: isize, dy: isize) -> f32 {
    let columns = (-dx).max(0)..a.width as isize - dx.max(0);
    let rows = (-dy).max(0)..a.height as isize - dy.max(0);
    let (mut sum, mut squares) = (0_i64, 0_i64);
    let width = (columns.end - columns.start).max(0) as usize;
    let mut count = 0;
    for y in rows {
        let (Some(a), Some(b)) = (a.run(columns.start, y, width), b.run(columns.start + dx, y + dy, width))
        else {
            continue;
        };
        let (mut line, mut line_squares) = (0_i32, 0_i32);
        for (a, b) in a.iter().zip(b) {
            let difference = i32::from(*a) - i32::from(*b);
            line += difference;
            line_squares += difference * difference;
        }
        sum += i64::from(line);
        squares += i64::from(line_squares);
        count += width;
    }
    let count = count.max(1) as f32;
    let mean = sum as f32 / count;
    squares as f32 / count - mean * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth picture with detail everywhere, moved by (`dx`, `dy`).
    fn waves(dx: f32, dy: f32) -> Pyramid {
        let level = Level::from_fn(200, 150, |x, y| {
            let (x, y) = (x as f32 - dx, y as f32 - dy);
            let fine = (x * 0.41).sin() + (y * 0.43 + x * 0.15).cos();
            let coarse = (x * 0.08 + y * 0.03).sin() + (y * 0.09 - x * 0.02).cos();
            (fine * 15.0 + coarse * 40.0 + 128.0) as u8
        });
        Pyramid::new(level, 4)
    }

    #[test]
    fn a_patch_is_followed_to_a_fraction_of_a_pixel_over_a_long_way() {
        let (from, to) = (waves(0.0, 0.0), waves(11.3, -6.6));
        for (x, y) in [(60.0, 70.0), (91.4, 60.2), (120.0, 90.7)] {
            let pixel = Pixel::new(x, y);
            let found = follow(&from, pixel, &to, pixel, 2, &FlowConfig::default()).unwrap();
            assert!(found.distance(Pixel::new(x + 11.3, y - 6.6)) < 0.05, "{found:?}");
        }
    }

    #[test]
    fn every_processor_finds_the_same() {
        let (from, to) = (waves(0.0, 0.0), waves(3.3, -2.6));
        let config = FlowConfig::default();
        for k in 0..20 {
            let pixel = Pixel::new(30.3 + 7.1 * k as f32, 40.2 + 3.7 * k as f32);
            let way = Way { from: &from, pixel, to: &to, guess: pixel, coarsest: 2, config: &config };
            // SAFETY: plain numbers need nothing.
            let plain = unsafe { align::<Portable>(&way) };
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                assert_eq!(unsafe { follow_avx2(&way) }, plain);
            }
            assert_eq!(follow(&from, pixel, &to, pixel, 2, &config), plain);
        }
    }

    #[test]
    fn a_flat_patch_and_one_that_left_are_not_followed() {
        let flat = Pyramid::new(Level::from_fn(200, 150, |_, _| 90), 4);
        let (config, middle) = (FlowConfig::default(), Pixel::new(90.0, 70.0));
        assert_eq!(follow(&flat, middle, &flat, middle, 3, &config), None);
        assert_eq!(follow(&waves(0.0, 0.0), middle, &flat, middle, 3, &config), None);
        let waves = waves(0.0, 0.0);
        assert_eq!(follow(&waves, middle, &waves, Pixel::new(f32::NAN, 0.0), 0, &config), None);
    }

    #[test]
    fn the_whole_picture_s_shift_is_found_to_a_coarse_pixel() {
        let (dx, dy) = whole_shift(&waves(0.0, 0.0), &waves(24.0, -8.0), 0.4);
        assert!((dx - 24.0).abs() <= 8.0 && (dy + 8.0).abs() <= 8.0, "{dx} {dy}");
    }
}
