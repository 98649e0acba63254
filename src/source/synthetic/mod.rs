//! The built-in scene: two hands that move as people's do, a room, a moving camera, and the truth about
//! all of it.

mod keyframes;
mod motion;
mod room;
mod seen;
mod skin;
mod texture;

use std::sync::Arc;

use nalgebra::{Isometry3, Vector3};

pub use self::motion::CameraStyle;
use self::motion::{CameraMotion, HandMotion};
use super::{Source, SourceError, SourceInfo};
use crate::event::{HandPose, KEYPOINTS, Side};
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint};
use crate::hand::HandModel;
use crate::render::{
    Area, Background, Colour, Light, Mesh, Paint, Panel, PendingPicture, Projection, RenderError, Renderer,
    Scene, View,
};

/// Both hands, in the order of a scene's lists.
const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// Elbow of the right arm in the frame of the body, metres.
const ELBOW: Vector3<f64> = Vector3::new(0.27, 0.42, 0.26);

/// The sleeves, left and right.
const CLOTH: [Colour; 2] = [Colour::rgb(66, 84, 112), Colour::rgb(66, 84, 112)];

/// What a scene shows and how.
#[derive(Clone, Debug)]
pub struct SceneConfig {
    /// Picture size; 1280x720 by default.
    pub size: PictureSize,
    /// Frames a second; 30 by default.
    pub fps: f64,
    /// Number of frames; 150 by default.
    pub frames: u64,
    /// Horizontal field of view in degrees; 70 by default.
    pub fov_degrees: f64,
    /// Chooses hands, motion, camera path and textures; the same seed gives the same scene.
    pub seed: u64,
    /// How the camera moves; swaying by default.
    pub camera: CameraStyle,
    /// Whether the hands are drawn; true by default. The truth has them in any case.
    pub hands: bool,
    /// Distance of the wrists as a share of the ordinary one (about half a metre); 1 by default. Smaller
    /// values hide more of the room.
    pub nearness: f64,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self {
            size: PictureSize::new(1280, 720),
            fps: 30.0,
            frames: 150,
            fov_degrees: 70.0,
            seed: 1,
            camera: CameraStyle::default(),
            hands: true,
            nearness: 1.0,
        }
    }
}

/// What is true of one frame.
#[derive(Clone, Debug)]
pub struct SceneTruth {
    /// When the frame was taken.
    pub timestamp: Timestamp,
    /// The camera's pose; the world is the camera of the first frame.
    pub world_from_camera: Isometry3<f64>,
    /// Left hand, right hand.
    pub hands: [HandTruth; 2],
}

/// What is true of one hand in one frame.
#[derive(Clone, Debug)]
pub struct HandTruth {
    /// Which hand.
    pub side: Side,
    /// Its pose in the camera's frame.
    pub pose_camera: HandPose,
    /// The same pose in the world's frame.
    pub pose_world: HandPose,
    /// Its joints in the camera's frame, metres, `openpose21`.
    pub joints_camera: [CameraPoint; KEYPOINTS],
}

/// The built-in scene as a source of frames, drawn as they are asked for.
pub struct SyntheticScene {
    config: SceneConfig,
    info: SourceInfo,
    camera: CameraModel,
    hand_model: Arc<HandModel>,
    camera_motion: CameraMotion,
    hands: [HandMotion; 2],
    renderer: Renderer,
    room: Vec<Mesh>,
    skin: Arc<[Colour]>,
    faces: [Arc<[[u32; 3]]>; 2],
    next: u64,
    /// The next frame is drawn while the current one is looked at.
    ahead: Option<PendingPicture>,
}

impl SyntheticScene {
    /// Builds the scene.
    ///
    /// # Errors
    /// [`SourceError::Render`] where this machine cannot draw.
    pub fn new(config: SceneConfig, hand_model: Arc<HandModel>) -> Result<Self, SourceError> {
        let mut renderer = Renderer::new(config.size)?;
        let camera = CameraModel::from_fov(config.fov_degrees, config.size);
        let seconds = config.frames as f64 / config.fps;
        Ok(Self {
            info: SourceInfo {
                name: format!("synthetic scene {}", config.seed),
                size: config.size,
                fps: config.fps,
                frame_count: Some(config.frames),
                live: false,
                camera: Some(camera.clone()),
            },
            camera,
            camera_motion: CameraMotion::new(config.camera, config.seed),
            hands: SIDES
                .map(|side| HandMotion::new(side, config.seed, seconds, config.nearness, &hand_model)),
            room: room::room(&mut renderer, config.seed)?,
            skin: skin::skin(&hand_model),
            faces: SIDES.map(|side| Arc::from(hand_model.faces(side))),
            renderer,
            hand_model,
            config,
            next: 0,
            ahead: None,
        })
    }

    /// What is true of frame `sequence`; `None` beyond the last.
    pub fn truth(&self, sequence: u64) -> Option<SceneTruth> {
        (sequence < self.config.frames).then(|| {
            let timestamp = self.timestamp(sequence);
            let time = timestamp.seconds();
            let world_from_camera = self.camera_motion.world_from_camera(time);
            let world_from_body = self.camera_motion.world_from_body(time);
            let camera_from_body = world_from_camera.inverse() * world_from_body;
            let hands = [0, 1].map(|hand| {
                let pose_camera = self.hands[hand].pose(time, &camera_from_body, &self.hand_model);
                HandTruth {
                    side: SIDES[hand],
                    pose_world: self.hands[hand].pose(time, &world_from_body, &self.hand_model),
                    joints_camera: self.hand_model.posed(&pose_camera, SIDES[hand]).joints,
                    pose_camera,
                }
            });
            SceneTruth { timestamp, world_from_camera, hands }
        })
    }

    /// The camera of the scene.
    pub fn camera(&self) -> &CameraModel {
        &self.camera
    }

    fn timestamp(&self, sequence: u64) -> Timestamp {
        Timestamp::from_seconds(sequence as f64 / self.config.fps)
    }

    /// Starts drawing a frame; `None` beyond the last.
    fn submit(&mut self, sequence: u64) -> Result<Option<PendingPicture>, RenderError> {
        let Some(truth) = self.truth(sequence) else { return Ok(None) };
        let world_from_body = self.camera_motion.world_from_body(truth.timestamp.seconds());
        let mut meshes = Vec::new();
        for (hand, faces) in truth.hands.iter().zip(&self.faces).filter(|_| self.config.hands) {
            let posed = self.hand_model.posed(&hand.pose_world, hand.side);
            let positions = posed.vertices.into_iter().map(|vertex| vertex.0).collect();
            let paint = Paint::PerVertex(Arc::clone(&self.skin));
            meshes.push(Mesh::smooth(positions, Arc::clone(faces), paint));
            let elbow = match hand.side {
                Side::Right => ELBOW,
                Side::Left => crate::hand::mirror::mirror_point(ELBOW),
            };
            let elbow = world_from_body.transform_point(&elbow.into()).coords.cast();
            let cloth = CLOTH[usize::from(hand.side == Side::Right)];
            meshes.push(skin::sleeve(&self.hand_model, &hand.pose_world, hand.side, elbow, cloth));
        }
        let panel = Panel {
            area: Area::whole(self.config.size),
            background: Background::Plain(Colour::rgb(0, 0, 0)),
            under: Vec::new(),
            view: View {
                projection: Projection::Camera(self.camera.clone()),
                viewer_from_scene: truth.world_from_camera.inverse().cast(),
                mirrored: false,
                light: Light { to_lamp: Vector3::new(-0.5, -0.85, -0.7), ..Light::default() },
            },
            meshes: self.room.iter().chain(&meshes).collect(),
            over: Vec::new(),
        };
        self.renderer.submit(&Scene::of(vec![panel])).map(Some)
    }
}

impl Source for SyntheticScene {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let sequence = self.next;
        let current = match self.ahead.take() {
            Some(pending) => Some(pending),
            None => self.submit(sequence)?,
        };
        let Some(current) = current else { return Ok(None) };
        self.next += 1;
        self.ahead = self.submit(self.next)?;
        let pixels = current.wait()?;
        Ok(Some(Frame { pixels, size: self.config.size, timestamp: self.timestamp(sequence), sequence }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small scene, or `None` with a printed reason where this machine cannot draw.
    fn scene(model: &Arc<HandModel>) -> Option<SyntheticScene> {
        let config = SceneConfig { size: PictureSize::new(320, 180), frames: 3, ..SceneConfig::default() };
        match SyntheticScene::new(config, Arc::clone(model)) {
            Ok(scene) => Some(scene),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    #[test]
    fn the_truth_lies_on_the_hands_that_are_seen() {
        let model = Arc::new(HandModel::open());
        let Some(mut scene) = scene(&model) else { return };
        let frame = scene.next_frame().unwrap().unwrap();
        let skin = |point: CameraPoint| {
            let pixel = scene.camera().project(point).unwrap();
            let start = (pixel.y.round() as usize * frame.size.width + pixel.x.round() as usize) * 3;
            frame.pixels[start] > frame.pixels[start + 2] + 20
        };
        for hand in scene.truth(0).unwrap().hands {
            let joints = hand.joints_camera;
            let on_skin = joints.iter().filter(|joint| skin(**joint)).count();
            assert!(on_skin >= 18, "{} of 21 joints of the {} hand are on skin", on_skin, hand.side.name());
            // Beyond the tip of the middle finger there is wall.
            let beyond = joints[12].0 + (joints[12].0 - joints[9].0) * 0.3;
            assert!(!skin(CameraPoint(beyond)));
        }
    }

    #[test]
    fn the_poses_in_world_and_camera_are_one_hand() {
        let model = Arc::new(HandModel::open());
        let Some(scene) = scene(&model) else { return };
        let truth = scene.truth(2).unwrap();
        for hand in &truth.hands {
            let world = model.posed(&hand.pose_world, hand.side).joints;
            for (in_world, in_camera) in world.iter().zip(hand.joints_camera) {
                let moved = truth.world_from_camera * nalgebra::Point3::from(in_camera.0.cast());
                assert!((moved.coords - in_world.0.cast::<f64>()).norm() < 1e-5);
            }
        }
    }

    #[test]
    fn the_world_is_the_first_camera() {
        let Some(scene) = scene(&Arc::new(HandModel::open())) else { return };
        assert_eq!(scene.truth(0).unwrap().world_from_camera, Isometry3::identity());
        assert!(scene.truth(3).is_none());
    }

    #[test]
    fn a_camera_on_a_stand_stays_a_turning_one_turns_and_a_carried_one_goes_metres() {
        let way = |style| {
            let motion = CameraMotion::new(style, 5);
            let poses: Vec<_> = (0..600).map(|k| motion.world_from_camera(f64::from(k) / 30.0)).collect();
            let steps =
                poses.windows(2).map(|pair| (pair[1].translation.vector - pair[0].translation.vector).norm());
            let turns = poses.iter().map(|pose| pose.rotation.angle());
            (steps.sum::<f64>(), turns.fold(0.0, f64::max))
        };
        assert_eq!(way(CameraStyle::Still), (0.0, 0.0));
        let (path, turn) = way(CameraStyle::Turning);
        assert!(path == 0.0 && turn > 0.3);
        let (path, turn) = way(CameraStyle::HandHeld);
        assert!((3.0..20.0).contains(&path) && turn > 0.2, "{path} m, {turn} rad");
    }

    #[test]
    fn the_same_seed_gives_the_same_frames() {
        let model = Arc::new(HandModel::open());
        let (Some(mut once), Some(mut twice)) = (scene(&model), scene(&model)) else { return };
        let mut frames = 0;
        while let Some(frame) = once.next_frame().unwrap() {
            assert_eq!(frame.pixels, twice.next_frame().unwrap().unwrap().pixels);
            frames += 1;
        }
        assert_eq!(frames, 3);
    }
}
