//! Pictures as an ideal lens would have taken them.

use super::odometry::PixelBox;
use crate::geometry::{CameraModel, CameraPoint, Pixel};

/// Parts of a pixel that places are rounded to.
const PARTS: u32 = 256;

/// Where a pixel comes from: four pixels and how much of each.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Origin {
    /// Number of the upper left of the four.
    first: u32,
    /// Parts of a pixel to the right of it, and below it.
    right: u8,
    down: u8,
}

/// Takes pictures of a lens that distorts to those of a pinhole with the same focal lengths and size. What the lens
/// did not see repeats the picture's edge.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remap {
    lens: CameraModel,
    origins: Vec<Origin>,
}

impl Remap {
    /// For the pictures of `lens`. `None` where it does not distort or its pictures have no four pixels.
    pub fn new(lens: &CameraModel) -> Option<Self> {
        let size = lens.size;
        if lens.distortion == [0.0; 5] || size.width < 2 || size.height < 2 {
            return None;
        }
        let origin = |column: usize, row: usize| {
            let (x, y) = ((column as f64 - lens.cx) / lens.fx, (row as f64 - lens.cy) / lens.fy);
            let place = lens.project(CameraPoint::new(x as f32, y as f32, 1.0)).unwrap_or_default();
            // Not a number becomes zero.
            let parts = |v: f32, count: usize| {
                let most = (count - 1) as u32 * PARTS - 1;
                ((v * PARTS as f32).round() as u32).min(most)
            };
            let (x, y) = (parts(place.x, size.width), parts(place.y, size.height));
            Origin {
                first: y / PARTS * size.width as u32 + x / PARTS,
                right: (x % PARTS) as u8,
                down: (y % PARTS) as u8,
            }
        };
        let places = (0..size.height).flat_map(|row| (0..size.width).map(move |column| (column, row)));
        Some(Self { lens: lens.clone(), origins: places.map(|(column, row)| origin(column, row)).collect() })
    }

    /// The colours of a picture of the lens's size, as the pinhole would see it.
    pub fn pixels(&self, seen: &[u8]) -> Vec<u8> {
        let (seen, _) = seen.as_chunks::<3>();
        let below = self.lens.size.width;
        let mut out = Vec::with_capacity(self.origins.len() * 3);
        for origin in &self.origins {
            let first = origin.first as usize;
            let (Some([a, b]), Some([c, d])) = (
                seen.get(first..).and_then(<[_]>::first_chunk::<2>),
                seen.get(first + below..).and_then(<[_]>::first_chunk::<2>),
            ) else {
                out.extend([0; 3]);
                continue;
            };
            let (right, down) = (u32::from(origin.right), u32::from(origin.down));
            for channel in 0..3 {
                let [a, b, c, d] = [a, b, c, d].map(|pixel| u32::from(pixel[channel]));
                let (upper, lower) = (a * (PARTS - right) + b * right, c * (PARTS - right) + d * right);
                let sum = upper * (PARTS - down) + lower * down;
                out.push(((sum + PARTS * PARTS / 2) / (PARTS * PARTS)) as u8);
            }
        }
        out
    }

    /// A box around what a box of the lens's picture shows.
    pub fn pixel_box(&self, seen: &PixelBox) -> PixelBox {
        let lens = &self.lens;
        let (middle_x, middle_y) = ((seen.left + seen.right) / 2.0, (seen.top + seen.bottom) / 2.0);
        let mut around = PixelBox {
            left: f32::INFINITY,
            top: f32::INFINITY,
            right: f32::NEG_INFINITY,
            bottom: f32::NEG_INFINITY,
        };
        // A lens bends edges, so their middles count too.
        for x in [seen.left, middle_x, seen.right] {
            for y in [seen.top, middle_y, seen.bottom] {
                let ray = lens.ray(Pixel::new(x, y));
                let (x, y) = ((lens.fx * ray.x + lens.cx) as f32, (lens.fy * ray.y + lens.cy) as f32);
                around.left = around.left.min(x);
                around.right = around.right.max(x);
                around.top = around.top.min(y);
                around.bottom = around.bottom.max(y);
            }
        }
        around
    }
}
