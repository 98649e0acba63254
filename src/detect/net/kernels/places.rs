//! Where the pixels of a tile are read and written.

/// Where pixels lie that come in picture rows.
#[derive(Clone, Copy)]
pub(in crate::detect::net) struct PixelGrid {
    /// Pixels of a row.
    pub width: usize,
    /// Floats from pixel to pixel within a row.
    pub pitch: usize,
    /// Floats from row to row.
    pub row: usize,
}

impl PixelGrid {
    /// Whether `pixels` pixels of `channels` channels lie within `floats` floats.
    pub fn covers(&self, pixels: usize, channels: usize, floats: usize) -> bool {
        let last = pixels - 1;
        (1..=u32::MAX as usize).contains(&self.width)
            && u32::try_from(last).is_ok()
            && self.row >= self.width * self.pitch
            && last / self.width * self.row + last.min(self.width - 1) * self.pitch + channels <= floats
    }

    /// The place of the first of `count` pixels that lie in one row, `None` where they do not.
    #[inline(always)]
    pub fn row_of_tile(&self, pixel: usize, count: usize) -> Option<usize> {
        // Short division is several times faster, and `covers` keeps pixels within its range.
        let (row, column) = (pixel as u32 / self.width as u32, pixel as u32 % self.width as u32);
        (column as usize + count <= self.width)
            .then(|| row as usize * self.row + column as usize * self.pitch)
    }

    /// The places of `R` pixels in order.
    #[inline(always)]
    pub fn places<const R: usize>(&self, pixel: usize) -> [usize; R] {
        let mut column = (pixel as u32 % self.width as u32) as usize;
        let mut place = (pixel as u32 / self.width as u32) as usize * self.row + column * self.pitch;
        std::array::from_fn(|_| {
            let this = place;
            column += 1;
            place += self.pitch;
            if column == self.width {
                column = 0;
                place += self.row - self.width * self.pitch;
            }
            this
        })
    }
}

/// The inputs of up to 14 pixels, `step` apart, in a form that costs no address arithmetic.
///
/// Every pixel is one of two pointers plus one of four offsets times 1, 2, 4 or 8: an address that x86
/// loads form by themselves. Left alone, the compiler recomputes the addresses for every input.
#[derive(Clone, Copy)]
pub(super) struct TileInput {
    /// Pixel 0.
    low: *const f32,
    /// Pixel 9.
    high: *const f32,
    /// The step times 1, 3, 5 and 7.
    steps: [usize; 4],
}

impl TileInput {
    #[inline(always)]
    pub fn new(low: *const f32, step: usize) -> Self {
        // The detour keeps the compiler from seeing how the numbers hang together.
        let steps = [1, 3, 5, 7].map(|factor| std::hint::black_box(factor * step));
        Self { low, high: std::hint::black_box(low.wrapping_add(9 * step)), steps }
    }

    /// Moves on to the next input of every pixel.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.low = self.low.wrapping_add(1);
        self.high = self.high.wrapping_add(1);
    }

    #[inline(always)]
    pub fn pixel(&self, r: usize) -> *const f32 {
        let (base, r) = if r < 9 { (self.low, r) } else { (self.high, r - 9) };
        let [one, three, five, seven] = self.steps;
        base.wrapping_add([0, one, 2 * one, three, 4 * one, five, 2 * three, seven, 8 * one][r])
    }
}
