//! Pictures of numbers, channels last, and the convolution over them.

use crate::net::{CheckpointError, Isa, Linear, Scope};

/// `height * width` pixels of `channels` numbers, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Numbers of a pixel.
    pub channels: usize,
    /// The numbers.
    pub data: Vec<f32>,
}

impl Map {
    /// A map of zeros.
    pub fn zeros(width: usize, height: usize, channels: usize) -> Self {
        Self { width, height, channels, data: vec![0.0; width * height * channels] }
    }

    /// The numbers of a pixel; `None` outside the map.
    pub fn pixel(&self, x: isize, y: isize) -> Option<&[f32]> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        if x >= self.width || y >= self.height {
            return None;
        }
        let first = (y * self.width + x) * self.channels;
        self.data.get(first..first + self.channels)
    }

    /// The square of `(2 r + 1)^2` numbers per channel about a place between pixels, `[row, column, channel]`,
    /// bilinear, zero outside the map.
    pub fn patch(&self, x: f64, y: f64, radius: usize) -> Vec<f32> {
        let side = 2 * radius + 1;
        let (left, top) = (x.floor(), y.floor());
        let (right_share, low_share) = ((x - left) as f32, (y - top) as f32);
        let first = |corner: f64| (corner.clamp(-1e6, 1e6)) as isize - radius as isize;
        let (left, top) = (first(left), first(top));
        let mut patch = vec![0.0; side * side * self.channels];
        for (at, out) in patch.chunks_exact_mut(self.channels.max(1)).enumerate() {
            let (row, column) = ((at / side) as isize, (at % side) as isize);
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let share = (if dx == 0 { 1.0 - right_share } else { right_share })
                    * (if dy == 0 { 1.0 - low_share } else { low_share });
                if let Some(pixel) = self.pixel(left + column + dx, top + row + dy) {
                    for (out, value) in out.iter_mut().zip(pixel) {
                        *out += share * value;
                    }
                }
            }
        }
        patch
    }

    /// The mean of each square of `side * side` pixels; what is left over at the right and the bottom is cut.
    pub fn averaged(&self, side: usize) -> Self {
        let mut small = Self::zeros(self.width / side, self.height / side, self.channels);
        let share = 1.0 / (side * side) as f32;
        let width = small.width;
        for (at, out) in small.data.chunks_exact_mut(self.channels.max(1)).enumerate() {
            let (x, y) = (at % width * side, at / width * side);
            for row in y..y + side {
                let first = (row * self.width + x) * self.channels;
                for pixel in self.data[first..][..side * self.channels].chunks_exact(self.channels) {
                    for (out, value) in out.iter_mut().zip(pixel) {
                        *out += value * share;
                    }
                }
            }
        }
        small
    }

    /// Applies `f` to every number.
    pub fn apply(&mut self, f: impl Fn(f32) -> f32) {
        for value in &mut self.data {
            *value = f(*value);
        }
    }
}

/// A convolution with a square kernel, the same padding on all sides so that a stride of 1 keeps the size.
pub struct Convolution {
    /// Weights of a patch, row by row, channels last.
    layer: Linear,
    kernel: usize,
    stride: usize,
    channels: usize,
}

impl Convolution {
    /// Reads `weight` `[outputs, channels, kernel, kernel]` and `bias` `[outputs]`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(
        scope: &Scope,
        [outputs, channels, kernel]: [usize; 3],
        stride: usize,
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let weight = scope.tensor("weight", &[outputs, channels, kernel, kernel])?;
        let bias = scope.tensor("bias", &[outputs])?;
        let area = kernel * kernel;
        let mut ordered = vec![0.0; weight.len()];
        for (output, own) in weight.chunks_exact(channels * area).enumerate() {
            for (channel, plane) in own.chunks_exact(area).enumerate() {
                for (place, &value) in plane.iter().enumerate() {
                    ordered[output * channels * area + place * channels + channel] = value;
                }
            }
        }
        Ok(Self { layer: Linear::new(&ordered, &bias, isa), kernel, stride, channels })
    }

    /// The convolution of `map`.
    ///
    /// # Panics
    /// When the map has other channels.
    pub fn apply(&self, map: &Map) -> Map {
        assert_eq!(map.channels, self.channels, "channels of a convolution");
        let (pad, stride) = (self.kernel / 2, self.stride);
        let reduced = |size: usize| (size + 2 * pad).saturating_sub(self.kernel) / stride + 1;
        let mut out = Map {
            width: reduced(map.width),
            height: reduced(map.height),
            channels: self.layer.pitch(),
            data: Vec::new(),
        };
        out.data.reserve(out.width * out.height * out.channels);
        let row = map.width * self.channels;
        let (run, patch) = (self.kernel * self.channels, self.kernel * self.kernel * self.channels);
        // A row of the map with zeros on both sides, for each row of the kernel.
        let mut padded = vec![0.0; row + 2 * pad * self.channels];
        let (mut patches, mut values) = (vec![0.0; out.width * patch], Vec::new());
        for y in 0..out.height {
            for kernel_row in 0..self.kernel {
                let inner = &mut padded[pad * self.channels..][..row];
                match (y * stride + kernel_row).checked_sub(pad).filter(|source| *source < map.height) {
                    Some(source) => inner.copy_from_slice(&map.data[source * row..][..row]),
                    None => inner.fill(0.0),
                }
                for (x, patch) in patches.chunks_exact_mut(patch).enumerate() {
                    patch[kernel_row * run..][..run]
                        .copy_from_slice(&padded[x * stride * self.channels..][..run]);
                }
            }
            self.layer.apply(&patches, patch, &mut values);
            out.data.extend_from_slice(&values);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_between_pixels_is_mixed_and_outside_is_zero() {
        let map = Map { width: 2, height: 2, channels: 1, data: vec![1.0, 3.0, 5.0, 7.0] };
        assert_eq!(map.patch(0.5, 0.5, 0), [4.0]);
        assert_eq!(map.patch(1.5, 0.0, 0), [1.5]);
        assert_eq!(map.patch(-5.0, 0.0, 1), [0.0; 9]);
        assert_eq!(map.patch(0.0, 0.0, 1), [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 0.0, 5.0, 7.0]);
        assert!(map.patch(f64::NAN, f64::INFINITY, 1).len() == 9);
    }

    #[test]
    fn averaging_cuts_what_is_left_over() {
        let map = Map { width: 3, height: 2, channels: 1, data: vec![1.0, 3.0, 9.0, 5.0, 7.0, 9.0] };
        assert_eq!(map.averaged(2), Map { width: 1, height: 1, channels: 1, data: vec![4.0] });
    }
}
