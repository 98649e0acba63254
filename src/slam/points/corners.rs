//! Corners spread over the picture: the strongest of each cell that is still empty.

use super::pyramid::Level;
use crate::geometry::Pixel;

/// Half side of the square over which the structure tensor is summed.
const HALF_WINDOW: usize = 3;

/// Cells are worked on with this many pixels around them: gradients, window, and one for the peak's fit.
const AROUND: usize = HALF_WINDOW + 2;

/// Largest cell.
pub(super) const LARGEST_CELL: usize = 48;

/// Which cells of a picture are taken.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    cell: usize,
    columns: usize,
    rows: usize,
    taken: Vec<bool>,
}

impl Cells {
    /// Empty cells of `cell` pixels over a picture.
    pub fn new(level: &Level, cell: usize) -> Self {
        let cell = cell.clamp(4, LARGEST_CELL);
        let (columns, rows) = (level.width / cell, level.height / cell);
        Self { cell, columns, rows, taken: vec![false; columns * rows] }
    }

    /// Marks the cell of a pixel; false where it was taken or lies outside.
    pub fn take(&mut self, pixel: Pixel) -> bool {
        let index = |v: f32, count: usize| {
            let cell = (v / self.cell as f32).floor();
            (cell >= 0.0 && cell < count as f32).then_some(cell as usize)
        };
        match (index(pixel.x, self.columns), index(pixel.y, self.rows)) {
            (Some(column), Some(row)) => {
                !std::mem::replace(&mut self.taken[row * self.columns + column], true)
            }
            _ => false,
        }
    }

    /// The strongest corner of every empty cell that reaches `least_strength` (Shi and Tomasi, "Good
    /// features to track", 1994), its place refined by a parabola through the strengths around it.
    pub fn fill(&self, level: &Level, least_strength: f32) -> Vec<Pixel> {
        let mut scratch = Scratch::default();
        let empty = (0..self.taken.len()).filter(|&index| !self.taken[index]);
        empty
            .filter_map(|index| {
                let (column, row) = (index % self.columns * self.cell, index / self.columns * self.cell);
                scratch.strongest(level, column, row, self.cell, least_strength)
            })
            .collect()
    }
}

/// Rows of one cell's computation.
const SIDE: usize = LARGEST_CELL + 2 * AROUND;

struct Scratch {
    xx: Vec<f32>,
    xy: Vec<f32>,
    yy: Vec<f32>,
    strength: Vec<f32>,
}

impl Default for Scratch {
    fn default() -> Self {
        let plane = || vec![0.0; SIDE * SIDE];
        Self { xx: plane(), xy: plane(), yy: plane(), strength: plane() }
    }
}

impl Scratch {
    fn strongest(
        &mut self,
        level: &Level,
        column: usize,
        row: usize,
        cell: usize,
        least: f32,
    ) -> Option<Pixel> {
        // Products of gradients over the cell and its surroundings.
        let side = cell + 2 * (AROUND - 1);
        let (left, top) = (column as isize - AROUND as isize + 1, row as isize - AROUND as isize + 1);
        for y in 0..side {
            let at = top + y as isize;
            let here = level.run(left - 1, at, side + 2)?;
            let above = level.run(left, at - 1, side)?;
            let below = level.run(left, at + 1, side)?;
            let line = y * SIDE..y * SIDE + side;
            let (xx, xy, yy) = (&mut self.xx[line.clone()], &mut self.xy[line.clone()], &mut self.yy[line]);
            for x in 0..side {
                let gx = (f32::from(here[x + 2]) - f32::from(here[x])) * 0.5;
                let gy = (f32::from(below[x]) - f32::from(above[x])) * 0.5;
                (xx[x], xy[x], yy[x]) = (gx * gx, gx * gy, gy * gy);
            }
        }
        // Strengths over the cell and one pixel around it.
        let inner = cell + 2;
        for plane in [&mut self.xx, &mut self.xy, &mut self.yy] {
            window_sums(plane, side, inner);
        }
        const AREA: f32 = ((2 * HALF_WINDOW + 1) * (2 * HALF_WINDOW + 1)) as f32;
        for y in 0..inner {
            for x in 0..inner {
                let at = y * SIDE + x;
                let (a, b, c) = (self.xx[at], self.xy[at], self.yy[at]);
                self.strength[at] = (a + c - ((a - c) * (a - c) + 4.0 * b * b).sqrt()) * (0.5 / AREA);
            }
        }
        let (mut best, mut place) = (least, None);
        for y in 1..=cell {
            for x in 1..=cell {
                if self.strength[y * SIDE + x] > best {
                    (best, place) = (self.strength[y * SIDE + x], Some((x, y)));
                }
            }
        }
        let (x, y) = place?;
        let at = y * SIDE + x;
        let shift = |before: f32, after: f32| {
            let bend = before + after - 2.0 * best;
            // A peak cut off by the cell's edge has no top inside.
            if bend < 0.0 { ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 }
        };
        let pixel = Pixel::new(
            (column + x - 1) as f32 + shift(self.strength[at - 1], self.strength[at + 1]),
            (row + y - 1) as f32 + shift(self.strength[at - SIDE], self.strength[at + SIDE]),
        );
        level.holds(pixel, AROUND as f32).then_some(pixel)
    }
}

/// Sums over the square window, left at its upper left corner.
fn window_sums(plane: &mut [f32], side: usize, inner: usize) {
    const WINDOW: usize = 2 * HALF_WINDOW + 1;
    for y in 0..side {
        let line = &mut plane[y * SIDE..y * SIDE + side];
        for x in 0..inner {
            line[x] = line[x..x + WINDOW].iter().sum();
        }
    }
    for y in 0..inner {
        for x in 0..inner {
            plane[y * SIDE + x] = (0..WINDOW).map(|k| plane[(y + k) * SIDE + x]).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_of_a_square_is_found_and_a_taken_cell_gives_none() {
        let level = Level::from_fn(80, 80, |x, y| if x >= 47 && y >= 33 { 200 } else { 40 });
        let mut cells = Cells::new(&level, 40);
        let corners = cells.fill(&level, 10.0);
        let nearest = corners.iter().map(|c| c.distance(Pixel::new(46.5, 32.5))).fold(f32::MAX, f32::min);
        assert!(nearest < HALF_WINDOW as f32 + 0.5, "{corners:?}");
        assert!(cells.take(Pixel::new(46.0, 33.0)));
        assert!(!cells.take(Pixel::new(50.0, 20.0)));
        assert!(cells.fill(&level, 10.0).len() < corners.len());
    }

    #[test]
    fn an_edge_and_a_flat_picture_have_no_corner() {
        let edge = Level::from_fn(80, 80, |x, _| if x > 30 { 200 } else { 40 });
        assert!(Cells::new(&edge, 20).fill(&edge, 1.0).is_empty());
    }
}
