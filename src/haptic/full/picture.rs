//! The picture that the backbone reads: 256 rows of 192 columns, normalised.

use super::PictureError;

/// Side of the square that a crop is sampled to, output pixels.
pub(super) const SQUARE: usize = 256;
/// Columns of that square left of those that the backbone reads; as many are left out on the right.
pub(super) const MARGIN: usize = (SQUARE - Picture::COLUMNS) / 2;

/// Mean and standard deviation of the ImageNet pictures, red, green, blue, of colours in 0..1.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// Factor that takes a colour in 0..255 to the normalised one, and what is added after it.
pub(super) const NORMALISED: [[f32; 2]; 3] = {
    let mut lines = [[0.0; 2]; 3];
    let mut c = 0;
    while c < 3 {
        lines[c] = [(1.0 / (255.0 * DEVIATION[c])) as f32, (-MEAN[c] / DEVIATION[c]) as f32];
        c += 1;
    }
    lines
};

/// A picture as HaMeR's ViT reads it: `[3, 256, 192]`, RGB, `(colour - 255 mean) / (255 deviation)` with the
/// mean and deviation of ImageNet. These are columns 32..224 of the square crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture(Box<[f32]>);

impl Picture {
    /// Rows.
    pub const ROWS: usize = SQUARE;
    /// Columns.
    pub const COLUMNS: usize = 192;
    /// Numbers of a picture.
    pub const LEN: usize = 3 * Self::ROWS * Self::COLUMNS;

    /// A picture of zeros, to be written over.
    pub fn new() -> Self {
        Self(vec![0.0; Self::LEN].into())
    }

    /// A picture of numbers that are already normalised, `[3, 256, 192]` in row-major order.
    ///
    /// # Errors
    /// [`PictureError::Length`].
    pub fn from_values(values: Vec<f32>) -> Result<Self, PictureError> {
        if values.len() != Self::LEN {
            return Err(PictureError::Length { given: values.len(), wanted: Self::LEN });
        }
        Ok(Self(values.into()))
    }

    /// The picture of a square crop of bytes, `[3, 256, 256]` RGB in row-major order.
    ///
    /// # Errors
    /// [`PictureError::Length`].
    pub fn from_square(bytes: &[u8]) -> Result<Self, PictureError> {
        const WANTED: usize = 3 * SQUARE * SQUARE;
        if bytes.len() != WANTED {
            return Err(PictureError::Length { given: bytes.len(), wanted: WANTED });
        }
        let mut picture = Self::new();
        let planes = bytes.chunks_exact(SQUARE * SQUARE);
        for ((plane, bytes), [factor, offset]) in picture.planes_mut().zip(planes).zip(NORMALISED) {
            for (row, bytes) in plane.chunks_exact_mut(Self::COLUMNS).zip(bytes.chunks_exact(SQUARE)) {
                for (value, &byte) in row.iter_mut().zip(bytes.iter().skip(MARGIN)) {
                    *value = f32::from(byte) * factor + offset;
                }
            }
        }
        Ok(picture)
    }

    /// Factor and offset that take a colour in 0..255 to the picture's number: red, green, blue.
    pub fn normal() -> [[f32; 2]; 3] {
        NORMALISED
    }

    /// The numbers, `[3, 256, 192]` in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The red, the green and the blue plane.
    pub(super) fn planes_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        self.0.chunks_exact_mut(Self::ROWS * Self::COLUMNS)
    }
}

impl Default for Picture {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_of_bytes_loses_its_sides_and_is_normalised() {
        let mut bytes = vec![0_u8; 3 * SQUARE * SQUARE];
        // Green, row 7, the second column that stays.
        bytes[SQUARE * SQUARE + 7 * SQUARE + MARGIN + 1] = 200;
        let picture = Picture::from_square(&bytes).unwrap();
        let at =
            |c: usize, y: usize, x: usize| picture.values()[(c * Picture::ROWS + y) * Picture::COLUMNS + x];
        assert!((at(1, 7, 1) - (200.0 / 255.0 - 0.456) / 0.224).abs() < 1e-6);
        for (c, black) in [(0, -0.485 / 0.229), (1, -0.456 / 0.224), (2, -0.406 / 0.225)] {
            assert!((at(c, 7, 2) - black).abs() < 1e-6);
        }
    }

    #[test]
    fn numbers_that_fill_no_picture_are_refused() {
        assert!(Picture::from_square(&[0; 12]).is_err());
        let error = Picture::from_values(vec![0.0; 3]).unwrap_err().to_string();
        assert_eq!(error, "a picture of 147456 numbers cannot be made of 3: give all of them");
    }
}
