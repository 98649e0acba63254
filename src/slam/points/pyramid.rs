//! Grey pictures with a border, each half the size of the one before.

use super::lanes::LANES;
use crate::frame::Frame;
use crate::geometry::Pixel;

/// Pixels repeated around a level, so that a patch at the edge needs no test for each of its pixels.
pub(super) const BORDER: usize = 24;

/// Pixels of a window's row that are read at once, also where the window is narrower.
pub(super) const READ: usize = LANES + 1;

/// A grey picture; rows carry the repeated border.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// Columns without the border.
    pub width: usize,
    /// Rows without the border.
    pub height: usize,
    stride: usize,
    pixels: Vec<u8>,
}

impl Level {
    /// A picture whose value at column, row is `value(column, row)`.
    #[cfg(test)]
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> u8) -> Self {
        let mut level = Self::empty(width, height);
        for row in 0..height {
            for (column, pixel) in level.row_mut(row).iter_mut().enumerate() {
                *pixel = value(column, row);
            }
        }
        level.repeat_edges();
        level
    }

    /// Luma of a colour frame (ITU-R BT.601 in 8-bit weights); the frame's buffer must hold its pixels.
    pub fn from_frame(frame: &Frame) -> Self {
        let mut level = Self::empty(frame.size.width, frame.size.height);
        for (row, colours) in frame.pixels.chunks_exact(frame.size.width * 3).enumerate() {
            for (grey, rgb) in level.row_mut(row).iter_mut().zip(colours.as_chunks::<3>().0) {
                let [r, g, b] = rgb.map(u32::from);
                *grey = ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8;
            }
        }
        level.repeat_edges();
        level
    }

    /// The mean of each two by two pixels.
    fn half(&self) -> Self {
        let mut half = Self::empty(self.width / 2, self.height / 2);
        for row in 0..half.height {
            let (upper, lower) = (self.row(2 * row), self.row(2 * row + 1));
            let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            for (mean, (above, below)) in half.row_mut(row).iter_mut().zip(pairs) {
                let sum =
                    u16::from(above[0]) + u16::from(above[1]) + u16::from(below[0]) + u16::from(below[1]);
                *mean = ((sum + 2) >> 2) as u8;
            }
        }
        half.repeat_edges();
        half
    }

    /// The mean over five by five pixels, which makes single comparisons of pixels repeatable.
    pub fn smoothed(&self) -> Self {
        let mut smooth = Self::empty(self.width, self.height);
        let mut sums = vec![0_u16; self.stride];
        let bordered = |row: usize| &self.pixels[row * self.stride..(row + 1) * self.stride];
        for row in 0..self.height {
            sums.fill(0);
            for near in row + BORDER - 2..=row + BORDER + 2 {
                for (sum, &pixel) in sums.iter_mut().zip(bordered(near)) {
                    *sum += u16::from(pixel);
                }
            }
            for (pixel, window) in smooth.row_mut(row).iter_mut().zip(sums[BORDER - 2..].windows(5)) {
                *pixel = ((u32::from(window.iter().sum::<u16>()) * 1311) >> 15) as u8;
            }
        }
        smooth.repeat_edges();
        smooth
    }

    /// One row without its border.
    pub fn row(&self, row: usize) -> &[u8] {
        let start = (row + BORDER) * self.stride + BORDER;
        &self.pixels[start..start + self.width]
    }

    /// `count` pixels of the row `row` from column `column` on; both may lie in the border. `None` beyond it.
    #[inline]
    pub fn run(&self, column: isize, row: isize, count: usize) -> Option<&[u8]> {
        let (column, row) = (column + BORDER as isize, row + BORDER as isize);
        if column < 0 || row < 0 || column as usize + count > self.stride {
            return None;
        }
        let start = row as usize * self.stride + column as usize;
        self.pixels.get(start..start + count)
    }

    /// `side` rows from `row` on of a window as wide, whose first column is `column`; both may lie in the border.
    /// `None` beyond it.
    #[inline(always)]
    pub fn window(&self, column: isize, row: isize, side: usize) -> Option<Window<'_>> {
        let (column, row) = (column + BORDER as isize, row + BORDER as isize);
        let height = self.height + 2 * BORDER;
        if column < 0 || row < 0 || column as usize + side > self.stride || row as usize + side > height {
            return None;
        }
        let pixels = self.pixels.get(row as usize * self.stride + column as usize..)?;
        Some(Window { pixels, stride: self.stride })
    }

    /// Whether a pixel lies at least `margin` inside the picture.
    pub fn holds(&self, pixel: Pixel, margin: f32) -> bool {
        let (right, bottom) = (self.width as f32 - 1.0 - margin, self.height as f32 - 1.0 - margin);
        pixel.x >= margin && pixel.y >= margin && pixel.x <= right && pixel.y <= bottom
    }

    fn empty(width: usize, height: usize) -> Self {
        let stride = width + 2 * BORDER;
        Self { width, height, stride, pixels: vec![0; stride * (height + 2 * BORDER) + READ] }
    }

    fn row_mut(&mut self, row: usize) -> &mut [u8] {
        let start = (row + BORDER) * self.stride + BORDER;
        &mut self.pixels[start..start + self.width]
    }

    fn repeat_edges(&mut self) {
        if self.width == 0 || self.height == 0 {
            return;
        }
        for row in self.pixels.chunks_exact_mut(self.stride).skip(BORDER).take(self.height) {
            let (first, last) = (row[BORDER], row[BORDER + self.width - 1]);
            row[..BORDER].fill(first);
            row[BORDER + self.width..].fill(last);
        }
        let top = BORDER * self.stride;
        let bottom = (BORDER + self.height - 1) * self.stride;
        for row in 0..BORDER {
            self.pixels.copy_within(top..top + self.stride, row * self.stride);
            self.pixels.copy_within(bottom..bottom + self.stride, (BORDER + self.height + row) * self.stride);
        }
    }
}

/// Rows of part of a picture.
pub(super) struct Window<'a> {
    pixels: &'a [u8],
    stride: usize,
}

impl<'a> Window<'a> {
    /// The next row, with what follows it in memory: never fewer than [`READ`] pixels.
    #[inline(always)]
    pub fn next(&mut self) -> Option<&'a [u8; READ]> {
        let row = self.pixels.first_chunk();
        self.pixels = self.pixels.get(self.stride..).unwrap_or_default();
        row
    }
}

/// A picture at several sizes, the full one first.
#[derive(Clone, Debug)]
pub(super) struct Pyramid {
    /// Level `k` is the picture divided by `2^k`.
    pub levels: Vec<Level>,
}

impl Pyramid {
    /// Least width and height of a level.
    const LEAST_SIDE: usize = 16;

    /// Up to `levels` levels above `full`, fewer where a level would be tiny.
    pub fn new(full: Level, levels: usize) -> Self {
        let mut all = vec![full];
        while let Some(last) = all
            .last()
            .filter(|last| all.len() < levels && last.width.min(last.height) >= 2 * Self::LEAST_SIDE)
        {
            all.push(last.half());
        }
        Self { levels: all }
    }

    /// The full picture.
    pub fn full(&self) -> &Level {
        &self.levels[0]
    }
}

/// Where a pixel of the full picture lies in level `level`; a half-size pixel is the mean of two by two,
/// so its centre lies between theirs.
#[inline]
pub(super) fn to_level(pixel: Pixel, level: usize) -> Pixel {
    let scale = 1.0 / (1_u32 << level) as f32;
    Pixel::new((pixel.x + 0.5) * scale - 0.5, (pixel.y + 0.5) * scale - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_mean_of_the_pixels_it_stands_for_and_repeats_its_edge() {
        let full = Level::from_fn(64, 48, |column, row| (column * 2 + row) as u8);
        let pyramid = Pyramid::new(full, 4);
        assert_eq!(pyramid.levels.len(), 2);
        let half = &pyramid.levels[1];
        assert_eq!((half.width, half.height), (32, 24));
        assert_eq!(half.row(3)[5], (2 * 10 + 6 + 2) as u8);
        assert_eq!(half.run(-4, 3, 1), Some(&half.row(3)[..1]));
        assert_eq!(half.run(-(BORDER as isize) - 1, 3, 1), None);
    }

    #[test]
    fn smoothing_keeps_a_flat_picture_flat() {
        let smooth = Level::from_fn(40, 30, |_, _| 200).smoothed();
        assert!(smooth.row(0).iter().chain(smooth.row(29)).all(|&v| v == 200));
    }
}
