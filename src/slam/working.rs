//! Odometry looks at smaller pictures than hands do.

use std::borrow::Cow;

use super::odometry::PixelBox;
use super::remap::Remap;
use crate::frame::{Frame, PictureSize};
use crate::geometry::CameraModel;

/// Longest side of the pictures that odometry works on, pixels.
pub const WORKING_SIDE: usize = 720;

/// How pictures of one camera become pictures of the working size: blocks of pixels are averaged and, for back ends
/// that need it, the lens's distortion is taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkingSize {
    full: PictureSize,
    block: usize,
    camera: CameraModel,
    remap: Option<Remap>,
}

impl WorkingSize {
    /// For pictures of `camera`: the smallest blocks that make no side longer than `longest_side`.
    pub fn new(camera: &CameraModel, longest_side: usize) -> Self {
        let full = camera.size;
        let block = full.width.max(full.height).div_ceil(longest_side.max(1)).max(1);
        let scale = block as f64;
        // Pixel centres are whole numbers, so the corner of the picture lies at -0.5.
        let centre = |c: f64| (c + 0.5) / scale - 0.5;
        let small = CameraModel {
            fx: camera.fx / scale,
            fy: camera.fy / scale,
            cx: centre(camera.cx),
            cy: centre(camera.cy),
            size: PictureSize::new(full.width / block, full.height / block),
            ..camera.clone()
        };
        Self { full, block, camera: small, remap: None }
    }

    /// The same for a back end that cannot work with a lens that distorts: pictures are those of a pinhole.
    pub fn undistorted(mut self) -> Self {
        self.remap = Remap::new(&self.camera);
        if self.remap.is_some() {
            self.camera.distortion = [0.0; 5];
        }
        self
    }

    /// The intrinsics at the working size.
    pub fn camera(&self) -> &CameraModel {
        &self.camera
    }

    /// The frame at the working size, in `memory` where it is another picture. One of another size than the camera's is
    /// left as it is, for the back end to refuse.
    pub fn frame<'a>(&self, frame: &'a Frame, memory: Vec<u8>) -> Cow<'a, Frame> {
        let as_claimed = frame.size == self.full && frame.pixels.len() == frame.size.rgb_bytes();
        if !as_claimed {
            return Cow::Borrowed(frame);
        }
        let small = (self.block > 1).then(|| self.blocks(frame, memory));
        let pixels = match &self.remap {
            Some(remap) => Some(remap.pixels(small.as_deref().unwrap_or(&frame.pixels))),
            None => small,
        };
        let Some(pixels) = pixels else { return Cow::Borrowed(frame) };
        let Frame { timestamp, sequence, .. } = *frame;
        Cow::Owned(Frame { pixels, size: self.camera.size, timestamp, sequence })
    }

    /// The means of blocks of pixels.
    fn blocks(&self, frame: &Frame, mut pixels: Vec<u8>) -> Vec<u8> {
        let (size, block) = (self.camera.size, self.block);
        let area = (block * block) as u32;
        pixels.clear();
        pixels.reserve_exact(size.rgb_bytes());
        let mut sums = vec![0_u32; size.width * 3];
        for rows in frame.pixels.chunks_exact((block * self.full.width * 3).max(1)).take(size.height) {
            sums.fill(0);
            for row in rows.chunks_exact((self.full.width * 3).max(1)) {
                for (sum, part) in sums.as_chunks_mut::<3>().0.iter_mut().zip(row.chunks_exact(block * 3)) {
                    for pixel in part.as_chunks::<3>().0 {
                        for (sum, &value) in sum.iter_mut().zip(pixel) {
                            *sum += u32::from(value);
                        }
                    }
                }
            }
            pixels.extend(sums.iter().map(|&sum| ((sum + area / 2) / area) as u8));
        }
        pixels
    }

    /// A box of the full picture at the working size.
    pub fn pixel_box(&self, full: &PixelBox) -> PixelBox {
        let small = |v: f32| (v + 0.5) / self.block as f32 - 0.5;
        let small = PixelBox {
            left: small(full.left),
            top: small(full.top),
            right: small(full.right),
            bottom: small(full.bottom),
        };
        self.remap.as_ref().map_or(small, |remap| remap.pixel_box(&small))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Timestamp;
    use crate::geometry::{CameraPoint, Pixel};

    #[test]
    fn a_point_is_seen_at_the_same_place_of_the_smaller_picture() {
        let camera = CameraModel::from_fov(60.0, PictureSize::new(1280, 720));
        let working = WorkingSize::new(&camera, WORKING_SIDE);
        assert_eq!(working.camera().size, PictureSize::new(640, 360));
        let mut frame = Frame {
            pixels: vec![0; camera.size.rgb_bytes()],
            size: camera.size,
            timestamp: Timestamp(0),
            sequence: 4,
        };
        // A white block of two by two pixels where the point is seen.
        let point = CameraPoint::new(0.1, -0.05, 0.7);
        let (large, small) = (camera.project(point).unwrap(), working.camera().project(point).unwrap());
        let block = |v: f32| 2 * ((v + 0.5) / 2.0) as usize;
        let (column, row) = (block(large.x), block(large.y));
        for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let start = ((row + y) * 1280 + column + x) * 3;
            frame.pixels[start..start + 3].fill(255);
        }
        let frame = working.frame(&frame, Vec::new());
        let white = frame.pixels.iter().position(|&value| value == 255).unwrap() / 3;
        let seen = (small.x.round() as usize, small.y.round() as usize);
        assert_eq!((white % 640, white / 640), seen);
        assert_eq!((frame.size, frame.sequence), (PictureSize::new(640, 360), 4));
        let around =
            PixelBox { left: large.x - 4.0, top: large.y - 4.0, right: large.x + 4.0, bottom: large.y + 4.0 };
        let hidden = working.pixel_box(&around);
        assert!(hidden.contains(small) && (hidden.right - hidden.left - 4.0).abs() < 1e-4);
    }

    #[test]
    fn an_undistorted_picture_shows_a_point_where_a_pinhole_would() {
        let ideal = CameraModel::from_fov(80.0, PictureSize::new(1280, 720));
        let camera = CameraModel { distortion: [-0.25, 0.05, 0.001, -0.002, 0.0], ..ideal };
        let working = WorkingSize::new(&camera, WORKING_SIDE).undistorted();
        assert_eq!(working.camera().distortion, [0.0; 5]);
        let point = CameraPoint::new(0.35, -0.2, 0.7);
        let (seen, ideal) = (camera.project(point).unwrap(), working.camera().project(point).unwrap());
        // A soft spot around where the lens shows the point.
        let light = |x: usize, y: usize| {
            let distance = Pixel::new(x as f32, y as f32).distance(seen);
            (250.0 - 25.0 * distance).max(0.0) as u8
        };
        let pixels = (0..720).flat_map(|y| (0..1280).flat_map(move |x| [light(x, y); 3])).collect();
        let frame = Frame { pixels, size: camera.size, timestamp: Timestamp(0), sequence: 0 };
        let frame = working.frame(&frame, Vec::new());
        let (mut sum, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
        for (number, &[value, ..]) in frame.pixels.as_chunks::<3>().0.iter().enumerate() {
            let value = f32::from(value);
            sum += value;
            x_sum += value * (number % 640) as f32;
            y_sum += value * (number / 640) as f32;
        }
        assert!(Pixel::new(x_sum / sum, y_sum / sum).distance(ideal) < 0.2, "{ideal:?}");
        let around =
            PixelBox { left: seen.x - 4.0, top: seen.y - 4.0, right: seen.x + 4.0, bottom: seen.y + 4.0 };
        assert!(working.pixel_box(&around).contains(ideal));
    }

    #[test]
    fn small_pictures_stay_and_broken_frames_are_left_to_the_back_end() {
        let small = CameraModel::from_fov(60.0, PictureSize::new(540, 360));
        assert_eq!(WorkingSize::new(&small, WORKING_SIDE).camera(), &small);
        let large = CameraModel::from_fov(60.0, PictureSize::new(1920, 1081));
        let working = WorkingSize::new(&large, WORKING_SIDE);
        assert_eq!(working.camera().size, PictureSize::new(640, 360));
        let torn = Frame { pixels: vec![7; 100], size: large.size, timestamp: Timestamp(0), sequence: 0 };
        assert_eq!(working.frame(&torn, Vec::new()).pixels.len(), 100);
    }
}
