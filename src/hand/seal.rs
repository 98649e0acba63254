//! The opening of a hand's mesh, covered.

use std::collections::{BTreeMap, BTreeSet};

/// `faces` and a fan of triangles over each opening of their mesh, wound so that the cover looks outward as they do.
///
/// A loop of the border that meets itself at a vertex is covered once around that vertex; what cannot be walked in one
/// loop stays open.
pub(super) fn sealed(faces: &[[u32; 3]]) -> Vec<[u32; 3]> {
    let edges = || faces.iter().flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)]);
    let known: BTreeSet<(u32, u32)> = edges().collect();
    let mut border: BTreeMap<u32, u32> = edges().filter(|&(a, b)| !known.contains(&(b, a))).collect();
    let mut sealed = faces.to_vec();
    while let Some((first, mut last)) = border.pop_first() {
        while let Some(next) = border.remove(&last).filter(|next| *next != first) {
            sealed.push([first, next, last]);
            last = next;
        }
    }
    sealed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;
    use crate::hand::HandModel;

    /// A tetrahedron without the face it stands on.
    const TENT: [[u32; 3]; 3] = [[0, 1, 3], [1, 2, 3], [2, 0, 3]];

    #[test]
    fn every_edge_of_a_sealed_mesh_is_run_along_once_in_each_direction() {
        let model = HandModel::open();
        let hands = [Side::Left, Side::Right].map(|side| model.faces(side).to_vec());
        for open in [TENT.to_vec(), hands[0].clone(), hands[1].clone()] {
            let faces = sealed(&open);
            assert!(faces.len() > open.len() && faces.starts_with(&open));
            let edges: Vec<_> = faces.iter().flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)]).collect();
            let known: BTreeSet<_> = edges.iter().copied().collect();
            assert_eq!(known.len(), edges.len());
            assert!(known.iter().all(|&(a, b)| known.contains(&(b, a))));
        }
    }

    #[test]
    fn a_closed_mesh_stays_as_it_is() {
        let closed = sealed(&TENT);
        assert_eq!(closed.len(), 4);
        assert_eq!(sealed(&closed), closed);
    }
}
