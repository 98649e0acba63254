//! The surfaces of a left and a right hand in one world.

use nalgebra::Vector3;

use super::hand::HandChain;
use crate::event::Side;
use crate::hand::HandModel;
use crate::hand::mirror::mirror_point;
use crate::metrics::ClosedSurface;
use crate::refine::output::right_pose;
use crate::refine::solver::HandEstimate;

/// A left and a right hand.
pub(in crate::refine) type Pair<'a> = [(&'a HandChain, &'a HandEstimate); 2];

/// Meshes of both hands.
pub(in crate::refine) struct Meshes<'a> {
    model: &'a HandModel,
    pub surfaces: [ClosedSurface; 2],
}

impl<'a> Meshes<'a> {
    /// For the hands of `model`.
    pub fn new(model: &'a HandModel) -> Self {
        let surface = |side| ClosedSurface::new(model.faces(side), model.vertex_count());
        Self { model, surfaces: [surface(Side::Left), surface(Side::Right)] }
    }

    /// The vertices of one hand at node `node`, in the world.
    pub fn vertices(&self, hands: Pair, side: usize, node: usize) -> Vec<Vector3<f64>> {
        let (hand, own) = hands[side];
        let pose = right_pose(self.model, hand, node, &own.betas, &own.postures[node]);
        let vertices = self.model.posed(&pose, Side::Right).vertices;
        vertices.iter().map(|v| to_world(v.0.cast(), side)).collect()
    }
}

/// Nodes of the left and of the right hand in the frames that have both.
pub(in crate::refine) fn common_nodes(hands: Pair) -> impl Iterator<Item = [usize; 2]> {
    let [left, right] = hands.map(|(hand, _)| &hand.nodes);
    right.iter().enumerate().filter_map(|(node, of_right)| {
        let other = left.binary_search_by_key(&of_right.frame, |of_left| of_left.frame).ok()?;
        Some([other, node])
    })
}

/// A point of a hand's own space in the world, and back: the left hand's is mirrored.
pub(in crate::refine) fn to_world(point: Vector3<f64>, side: usize) -> Vector3<f64> {
    if side == 0 { mirror_point(point) } else { point }
}
