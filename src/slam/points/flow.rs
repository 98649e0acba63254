//! Where a patch went: Lucas-Kanade alignment from coarse to fine.
//!
//! The inverse compositional form (Baker and Matthews, "Lucas-Kanade 20 years on", 2004): gradients are
//! those of the patch looked for, so its normal matrix is made once. A constant change of brightness is
//! a third unknown, eliminated by taking the mean off the gradients.

use super::pyramid::{Level, Pyramid, to_level};
use crate::geometry::Pixel;

/// Side of a patch, pixels.
const SIDE: usize = 13;
const HALF: isize = (SIDE / 2) as isize;
const AREA: usize = SIDE * SIDE;
/// Side of the patch with a pixel around it, for central differences.
const WIDE: usize = SIDE + 2;

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

/// A patch around `pixel` of level `level`, `N` by `N`, between pixels by bilinear weights. `None` where
/// it leaves the picture's border.
#[inline(always)]
fn sample<const N: usize>(level: &Level, pixel: Pixel, patch: &mut [[f32; N]; N]) -> Option<()> {
    let (fx, fy) = (pixel.x.floor(), pixel.y.floor());
    if !(fx.abs() < 1e6 && fy.abs() < 1e6) {
        return None;
    }
    let (ax, ay) = (pixel.x - fx, pixel.y - fy);
    let (left, top) = (fx as isize - (N / 2) as isize, fy as isize - (N / 2) as isize);
    let weights = [(1.0 - ax) * (1.0 - ay), ax * (1.0 - ay), (1.0 - ax) * ay, ax * ay];
    for (y, line) in patch.iter_mut().enumerate() {
        let above = level.run(left, top + y as isize, N + 1)?;
        let below = level.run(left, top + y as isize + 1, N + 1)?;
        for (x, value) in line.iter_mut().enumerate() {
            *value = weights[0] * f32::from(above[x])
                + weights[1] * f32::from(above[x + 1])
                + weights[2] * f32::from(below[x])
                + weights[3] * f32::from(below[x + 1]);
        }
    }
    Some(())
}

/// The patch looked for, on one level.
struct Template {
    values: [f32; AREA],
    gradient_x: [f32; AREA],
    gradient_y: [f32; AREA],
    /// Inverse of the normal matrix: xx, xy, yy.
    inverse: [f32; 3],
}

impl Template {
    fn new(level: &Level, pixel: Pixel, least_texture: f32) -> Option<Self> {
        let mut wide = [[0.0; WIDE]; WIDE];
        sample(level, pixel, &mut wide)?;
        let mut values = [0.0; AREA];
        let (mut gradient_x, mut gradient_y) = ([0.0; AREA], [0.0; AREA]);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let at = y * SIDE + x;
                values[at] = wide[y + 1][x + 1];
                gradient_x[at] = (wide[y + 1][x + 2] - wide[y + 1][x]) * 0.5;
                gradient_y[at] = (wide[y + 2][x + 1] - wide[y][x + 1]) * 0.5;
            }
        }
        for plane in [&mut gradient_x, &mut gradient_y] {
            let mean = plane.iter().sum::<f32>() / AREA as f32;
            plane.iter_mut().for_each(|v| *v -= mean);
        }
        let (xx, xy, yy) =
            (dot(&gradient_x, &gradient_x), dot(&gradient_x, &gradient_y), dot(&gradient_y, &gradient_y));
        let least = (xx + yy - ((xx - yy) * (xx - yy) + 4.0 * xy * xy).sqrt()) * (0.5 / AREA as f32);
        if least.is_nan() || least < least_texture {
            return None;
        }
        let scale = 1.0 / (xx * yy - xy * xy);
        Some(Self { values, gradient_x, gradient_y, inverse: [yy * scale, -xy * scale, xx * scale] })
    }
}

/// Sum of products, in eight lanes so that it vectorises.
#[inline(always)]
fn dot(a: &[f32; AREA], b: &[f32; AREA]) -> f32 {
    let mut lanes = [0.0; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for k in 0..8 {
            lanes[k] += a[k] * b[k];
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Follows `pixel` of `from` into `to`, where it is expected near `guess`, from level `coarsest` down.
///
/// `None` where the patch has no texture, leaves the picture, or does not look like itself at the end.
pub(super) fn follow(
    from: &Pyramid,
    pixel: Pixel,
    to: &Pyramid,
    guess: Pixel,
    coarsest: usize,
    config: &FlowConfig,
) -> Option<Pixel> {
    let mut shift = (guess.x - pixel.x, guess.y - pixel.y);
    let levels = from.levels.iter().zip(&to.levels).enumerate().take(coarsest + 1);
    for (index, (source, target)) in levels.rev() {
        let scale = (1_u32 << index) as f32;
        let start = to_level(pixel, index);
        let Some(template) = Template::new(source, start, config.least_texture) else {
            // A coarse level may have nothing to say; the finest must.
            if index == 0 {
                return None;
            }
            continue;
        };
        let mut place = Pixel::new(start.x + shift.0 / scale, start.y + shift.1 / scale);
        let mut patch = [[0.0; SIDE]; SIDE];
        for _ in 0..config.rounds {
            if sample(target, place, &mut patch).is_none() {
                if index == 0 {
                    return None;
                }
                break;
            }
            let mut error = [0.0; AREA];
            for (error, (value, wanted)) in
                error.iter_mut().zip(patch.as_flattened().iter().zip(&template.values))
            {
                *error = value - wanted;
            }
            let (bx, by) = (dot(&template.gradient_x, &error), dot(&template.gradient_y, &error));
            let [xx, xy, yy] = template.inverse;
            let (dx, dy) = (xx * bx + xy * by, xy * bx + yy * by);
            // A patch cannot tell a step longer than itself.
            let (dx, dy) = (dx.clamp(-4.0, 4.0), dy.clamp(-4.0, 4.0));
            place = Pixel::new(place.x - dx, place.y - dy);
            if dx.hypot(dy) < config.converged {
                break;
            }
        }
        if index == 0 {
            sample(target, place, &mut patch)?;
            let alike = correlation(patch.as_flattened(), &template.values);
            return (target.holds(place, HALF as f32 / 2.0) && alike >= config.least_correlation)
                .then_some(place);
        }
        shift = ((place.x - start.x) * scale, (place.y - start.y) * scale);
    }
    None
}

/// Correlation of two patches, -1..1; 0 for a flat one.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let count = a.len() as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / count, b.iter().sum::<f32>() / count);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
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
