//! The small operators, which cost little and need no intrinsics.

/// 2x2 maximum with stride 2: `out[x]` is the largest of two pixels in each of two rows.
///
/// All slices hold whole pixels of `pitch` floats; the inputs hold twice as many as `out`.
pub(in crate::detect::net) fn max_pool_row(upper: &[f32], lower: &[f32], pitch: usize, out: &mut [f32]) {
    let pairs = upper.chunks_exact(2 * pitch).zip(lower.chunks_exact(2 * pitch));
    for (pixel, (upper, lower)) in out.chunks_exact_mut(pitch).zip(pairs) {
        let (upper_left, upper_right) = upper.split_at(pitch);
        let (lower_left, lower_right) = lower.split_at(pitch);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let above = larger(upper_left[channel], upper_right[channel]);
            *value = larger(above, larger(lower_left[channel], lower_right[channel]));
        }
    }
}

/// The larger of two numbers; unlike `f32::max` it is one instruction.
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Doubles a row of pixels by linear interpolation between pixel centres, and mixes in the next row.
///
/// The row is `near` times 0.75 plus `far` times 0.25 (equal rows at the border give the row itself); the
/// same rule then holds along the row: each output takes 0.75 of its own input pixel and 0.25 of the
/// neighbour on its side, where there is one.
pub(in crate::detect::net) fn upsample_row(near: &[f32], far: &[f32], pitch: usize, out: &mut [f32]) {
    let last = (near.len() / pitch).saturating_sub(1);
    for (x, pixel) in out.chunks_exact_mut(pitch).enumerate() {
        let own = x / 2;
        let neighbour = if x % 2 == 0 { own.saturating_sub(1) } else { (own + 1).min(last) };
        let at = |row: &[f32], x: usize, channel: usize| row[x * pitch + channel];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let upper = 0.75 * at(near, own, channel) + 0.25 * at(near, neighbour, channel);
            let lower = 0.75 * at(far, own, channel) + 0.25 * at(far, neighbour, channel);
            *value = 0.75 * upper + 0.25 * lower;
        }
    }
}

/// Adds the pixels of a row to `sums`, one sum per channel.
pub(in crate::detect::net) fn add_pixels(row: &[f32], sums: &mut [f32]) {
    for pixel in row.chunks_exact(sums.len().max(1)) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
}

/// The logistic function of every value.
pub(in crate::detect::net) fn logistic(values: &[f32], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = 1.0 / (1.0 + (-value).exp());
    }
}
