//! One frame with its hands drawn over it, beside a side view in metres.

use std::path::Path;
use std::sync::Arc;

use nalgebra::Vector3;

use super::film::FilmError;
use super::marks::colour;
use super::picture;
use super::side::SideView;
use super::world::WorldView;
use crate::event::{FrameHands, Refinement, RunInfo, Side, TrackedHand};
use crate::files::WriteError;
use crate::frame::{Frame, PictureSize};
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::render::{Area, Mesh, Paint, PendingPicture, Projection, RenderError, Renderer, Scene, View};

/// Longer side of the camera's picture on the canvas, pixels: larger frames shrink, smaller ones grow.
const LONGER_SIDE: [usize; 2] = [640, 1280];

/// Width of the side view as a part of the longer side of the picture.
const SIDE_VIEW: f32 = 0.5;

/// Height of the world from above as a part of the picture's, in runs that have one.
const WORLD_VIEW: f32 = 0.46;

/// Opacity of the hands over the picture.
const OPACITY: f32 = 0.75;

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
    hand_model: Arc<HandModel>,
    faces: [Arc<[[u32; 3]]>; 2],
    camera: CameraModel,
    picture: Area,
    side_view: SideView,
    world_view: Option<WorldView>,
}

impl Overlay {
    /// For the frames of one run, with or without a second pass.
    ///
    /// # Errors
    /// [`RenderError`] where this machine cannot draw.
    pub fn new(run: &RunInfo, hand_model: Arc<HandModel>, second_pass: bool) -> Result<Self, RenderError> {
        let (width, height) = (run.size.width as f32, run.size.height as f32);
        let longer = width.max(height).max(1.0);
        let scale = longer.clamp(LONGER_SIDE[0] as f32, LONGER_SIDE[1] as f32) / longer;
        let even = |pixels: f32| (pixels / 2.0).round().max(1.0) as usize * 2;
        let size = PictureSize::new(even(width * scale), even(height * scale));
        let world_height = if second_pass { even(size.height as f32 * WORLD_VIEW) } else { 0 };
        let side_size = PictureSize::new(even(longer * scale * SIDE_VIEW), size.height - world_height);
        let canvas = PictureSize::new(size.width + side_size.width, size.height);
        let world_area = Area {
            x: size.width,
            y: side_size.height,
            size: PictureSize::new(side_size.width, world_height),
        };
        let faces = |side| Arc::from(hand_model.faces(side));
        Ok(Self {
            renderer: Renderer::new(canvas)?,
            faces: [faces(Side::Left), faces(Side::Right)],
            camera: run.camera.clone(),
            picture: Area::whole(size),
            side_view: SideView::new(Area { x: size.width, y: 0, size: side_size }, &run.camera),
            world_view: second_pass.then(|| WorldView::new(world_area)),
            hand_model,
        })
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
        self.side_view.advance(hands);
        let meshes: Vec<Mesh> = hands.hands.iter().map(|hand| self.mesh(hand)).collect();
        let meshes: Vec<&Mesh> = meshes.iter().collect();
        let view = View {
            projection: Projection::Camera(self.camera.clone()),
            viewer_from_scene: nalgebra::Isometry3::identity(),
            light: crate::render::Light::default(),
        };
        let left = picture::panel(self.picture, frame, hands, view, meshes.clone());
        let right = self.side_view.panel(hands, meshes);
        let below = self.world_view.as_mut().map(|world| {
            world.advance(hands);
            world.panel()
        });
        self.renderer.submit(&Scene { panels: [left, right].into_iter().chain(below).collect() })
    }

    /// Takes frames that the second pass is through with.
    pub fn refined(&mut self, refinement: &Refinement) {
        if let Some(world) = &mut self.world_view {
            world.refined(refinement);
        }
    }

    /// Draws a frame: RGB bytes of [`Self::size`]. Frames come in the order of their time.
    ///
    /// # Errors
    /// As [`Self::submit`], or when the driver fails.
    pub fn draw(&mut self, frame: &Frame, hands: &FrameHands) -> Result<Vec<u8>, RenderError> {
        self.submit(frame, hands)?.wait()
    }

    fn mesh(&self, hand: &TrackedHand) -> Mesh {
        let posed = self.hand_model.posed(&hand.pose, hand.side);
        let positions: Vec<Vector3<f32>> = posed.vertices.into_iter().map(|vertex| vertex.0).collect();
        let faces = &self.faces[usize::from(hand.side == Side::Right)];
        Mesh::smooth(positions, Arc::clone(faces), Paint::Plain(colour(hand.side).with_opacity(OPACITY)))
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

    use super::*;
    use crate::event::{HandPose, PoseState, TrackId};
    use crate::frame::Timestamp;
    use crate::geometry::Pixel;

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
