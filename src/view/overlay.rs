//! One frame with its hands drawn over it, beside a side view in metres.

use std::path::Path;
use std::sync::Arc;

use super::film::FilmError;
use super::hand_scene::{HandScene, Part};
use super::layout::Layout;
use crate::event::{FrameHands, Refinement, RunInfo};
use crate::files::WriteError;
use crate::frame::{Frame, PictureSize};
use crate::hand::HandModel;
use crate::render::{PendingPicture, RenderError, Renderer, Scene};

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Drawing failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The film failed.
    #[error(transparent)]
    Film(#[from] FilmError),
    /// A picture could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Draws frames with their hands: on the left the picture with meshes, bones, key points and captions
/// over it, on the right the same hands from the side, with the paths of their wrists, and in runs with a second
/// pass the world from above below it.
pub struct Overlay {
    renderer: Renderer,
    scene: HandScene,
}

impl Overlay {
    /// For the frames of one run, with or without a second pass.
    ///
    /// # Errors
    /// [`RenderError`] where this machine cannot draw.
    pub fn new(run: &RunInfo, hand_model: Arc<HandModel>, second_pass: bool) -> Result<Self, RenderError> {
        let layout = Layout::film(run.size, second_pass);
        Ok(Self { renderer: Renderer::new(layout.canvas)?, scene: HandScene::new(run, hand_model, layout) })
    }

    /// Size of the pictures drawn: both parts together.
    pub fn size(&self) -> PictureSize {
        self.renderer.size()
    }

    /// Starts drawing a frame. Frames come in the order of their time.
    ///
    /// # Errors
    /// [`RenderError`] when the frame's bytes do not fit its size.
    pub fn submit(&mut self, frame: &Frame, hands: &FrameHands) -> Result<PendingPicture, RenderError> {
        self.scene.advance(hands);
        let meshes = self.scene.meshes(hands, &Part::ALL);
        self.renderer.submit(&Scene::of(self.scene.panels(frame, hands, &meshes, &Part::ALL)))
    }

    /// Takes frames that the second pass is through with.
    pub fn refined(&mut self, refinement: &Refinement) {
        self.scene.refined(refinement);
    }

    /// Draws a frame: RGB bytes of [`Self::size`]. Frames come in the order of their time.
    ///
    /// # Errors
    /// As [`Self::submit`], or when the driver fails.
    pub fn draw(&mut self, frame: &Frame, hands: &FrameHands) -> Result<Vec<u8>, RenderError> {
        self.submit(frame, hands)?.wait()
    }
}

/// Writes a picture as PNG; it gets its name when it is complete.
///
/// # Errors
/// [`WriteError`] when the folder cannot be written to, the disk is full, or the bytes do not fit.
pub fn save_png(path: &Path, rgb: &[u8], size: PictureSize) -> Result<(), WriteError> {
    use image::ImageEncoder;
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new_with_quality(
        &mut bytes,
        image::codecs::png::CompressionType::Best,
        image::codecs::png::FilterType::Adaptive,
    )
    .write_image(rgb, size.width as u32, size.height as u32, image::ExtendedColorType::Rgb8)
    .map_err(|error| WriteError::new(path, std::io::Error::other(error)))?;
    let mut file = crate::files::PartFile::create(path)?;
    file.write(&bytes)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nalgebra::Vector3;

    use super::*;
    use crate::event::{HandPose, PoseState, Side, TrackId, TrackedHand};
    use crate::frame::Timestamp;
    use crate::geometry::{CameraModel, Pixel};

    const SIZE: PictureSize = PictureSize { width: 640, height: 360 };
    const GREY: u8 = 90;

    fn run() -> RunInfo {
        RunInfo {
            source: "test".into(),
            size: SIZE,
            fps: 30.0,
            frame_count: None,
            camera: CameraModel::guess(SIZE),
            hand_model: "open".into(),
        }
    }

    fn hand(model: &HandModel, camera: &CameraModel, side: Side) -> TrackedHand {
        let x = if side == Side::Left { 0.15 } else { -0.15 };
        let pose = HandPose {
            global_orient: Vector3::new(0.3, 0.2, 1.2),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: Vector3::new(x, 0.05, 0.6),
        };
        let joints = model.posed(&pose, side).joints;
        TrackedHand {
            track: TrackId(u32::from(side == Side::Right)),
            side,
            score: 0.97,
            state: PoseState::Provisional,
            box_px: [250.0, 100.0, 330.0, 200.0],
            keypoints_px: joints.map(|joint| camera.project(joint).unwrap()),
            joints_camera: joints,
            pose,
        }
    }

    #[test]
    fn hands_are_drawn_in_their_colour_where_the_camera_projects_them() {
        let model = Arc::new(HandModel::open());
        let run = run();
        let mut overlay = match Overlay::new(&run, Arc::clone(&model), true) {
            Ok(overlay) => overlay,
            Err(error) => return println!("skipped: {error}"),
        };
        let frame = Frame {
            pixels: vec![GREY; SIZE.rgb_bytes()],
            size: SIZE,
            timestamp: Timestamp::default(),
            sequence: 0,
        };
        let hands = FrameHands {
            sequence: 0,
            timestamp: frame.timestamp,
            hands: [Side::Left, Side::Right].map(|side| hand(&model, &run.camera, side)).to_vec(),
            world_from_camera: None,
            stages: Vec::new(),
            total: Duration::from_millis(5),
        };
        let picture = overlay.draw(&frame, &hands).unwrap();
        let at = |pixel: Pixel| {
            let start = (pixel.y.round() as usize * overlay.size().width + pixel.x.round() as usize) * 3;
            [picture[start], picture[start + 1], picture[start + 2]].map(i32::from)
        };
        for hand in &hands.hands {
            // The middle of the palm: flesh, and no bone drawn over it.
            let [wrist, index, middle] = [0, 5, 9].map(|joint| hand.joints_camera[joint].0);
            let palm = (wrist + index + middle) / 3.0;
            let [red, _, blue] = at(run.camera.project(crate::geometry::CameraPoint(palm)).unwrap());
            match hand.side {
                Side::Left => assert!(blue > red + 20, "left palm is red {red} blue {blue}"),
                Side::Right => assert!(red > blue + 20, "right palm is red {red} blue {blue}"),
            }
        }
        assert_eq!(at(Pixel::new(5.0, 5.0)), [i32::from(GREY); 3]);
    }
}
