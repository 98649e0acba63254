//! What every picture of a run shows: the camera's picture with the hands over it, the hands from the side,
//! and in runs with a second pass the world from above. Films and windows are made of it.

use std::sync::Arc;

use nalgebra::{Isometry3, Vector3};

use super::layout::Layout;
use super::marks::colour;
use super::picture;
use super::side::SideView;
use super::world::WorldView;
use crate::event::{FrameHands, Refinement, RunInfo, Side, TrackedHand};
use crate::frame::Frame;
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::render::{Light, Mesh, Paint, Panel, Projection, View};

/// Opacity of the hands over the picture.
const OPACITY: f32 = 0.75;

/// One of the views of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The camera's picture.
    Picture,
    /// The hands from the side.
    Side,
    /// The world from above.
    World,
}

impl Part {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Picture, Self::Side, Self::World];
}

/// The surfaces of one picture.
pub(super) struct Meshes {
    /// Of the frame's own hands.
    provisional: Vec<Mesh>,
    /// Of the refined hands of an earlier frame.
    refined: Vec<Mesh>,
}

/// The scene of a run.
pub(super) struct HandScene {
    hand_model: Arc<HandModel>,
    faces: [Arc<[[u32; 3]]>; 2],
    camera: CameraModel,
    layout: Layout,
    side_view: SideView,
    world_view: Option<WorldView>,
    /// The camera's picture as in a mirror.
    pub mirrored: bool,
}

impl HandScene {
    pub fn new(run: &RunInfo, hand_model: Arc<HandModel>, layout: Layout) -> Self {
        let faces = |side| Arc::from(hand_model.sealed_faces(side));
        Self {
            faces: [faces(Side::Left), faces(Side::Right)],
            camera: run.camera.clone(),
            side_view: SideView::new(layout.side_view, &run.camera),
            world_view: layout.world_view.map(WorldView::new),
            layout,
            hand_model,
            mirrored: false,
        }
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Puts the parts elsewhere.
    pub fn arrange(&mut self, layout: Layout) {
        self.side_view.place(layout.side_view);
        if let (Some(world), Some(area)) = (&mut self.world_view, layout.world_view) {
            world.place(area);
        }
        self.layout = layout;
    }

    /// Takes the hands of the next frame.
    pub fn advance(&mut self, hands: &FrameHands) {
        self.side_view.advance(hands);
        if let Some(world) = &mut self.world_view {
            world.advance(hands);
        }
    }

    /// Takes frames that the second pass is through with.
    pub fn refined(&mut self, refinement: &Refinement) {
        if let Some(world) = &mut self.world_view {
            world.refined(refinement);
        }
    }

    /// The surfaces that `parts` show: of a frame's hands, and of those that the second pass shows meanwhile.
    pub fn meshes(&self, hands: &FrameHands, parts: &[Part]) -> Meshes {
        let world_view = self.world_view.iter().filter(|_| parts.contains(&Part::World));
        let refined = world_view.flat_map(WorldView::hands);
        Meshes {
            provisional: hands.hands.iter().map(|hand| self.mesh(hand, OPACITY)).collect(),
            refined: refined.map(|hand| self.mesh(hand, 1.0)).collect(),
        }
    }

    /// Those of the `parts` of a frame that there are, with its `meshes`.
    pub fn panels<'a>(
        &self,
        frame: &'a Frame,
        hands: &FrameHands,
        meshes: &'a Meshes,
        parts: &[Part],
    ) -> Vec<Panel<'a>> {
        let provisional = || meshes.provisional.iter().collect();
        let panel = |part: &Part| match part {
            Part::Picture => {
                let view = View {
                    projection: Projection::Camera(self.camera.clone()),
                    viewer_from_scene: Isometry3::identity(),
                    mirrored: self.mirrored,
                    light: Light::default(),
                };
                Some(picture::panel(self.layout.picture, frame, hands, view, provisional()))
            }
            Part::Side => Some(self.side_view.panel(hands, provisional())),
            Part::World => {
                let refined = meshes.refined.iter().collect();
                self.world_view.as_ref().map(|world| world.panel(hands.timestamp, refined))
            }
        };
        parts.iter().filter_map(panel).collect()
    }

    fn mesh(&self, hand: &TrackedHand, opacity: f32) -> Mesh {
        let posed = self.hand_model.posed(&hand.pose, hand.side);
        let positions: Vec<Vector3<f32>> = posed.vertices.into_iter().map(|vertex| vertex.0).collect();
        let faces = &self.faces[usize::from(hand.side == Side::Right)];
        let paint = Paint::Plain(colour(hand.side).with_opacity(opacity));
        Mesh { closed: true, ..Mesh::smooth(positions, Arc::clone(faces), paint) }
    }
}
