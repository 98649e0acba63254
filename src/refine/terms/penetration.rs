//! Two hands are not in each other: every vertex of one that lies inside the other is drawn to the other's
//! nearest vertex (eq. 13 of Dyn-HaMR).

use nalgebra::Vector3;

use crate::metrics::{ClosedSurface, Solid};

/// Residuals are in centimetres, as in the release.
const PER_METRE: f64 = 100.0;

/// When vertices inside the other hand count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Only in frames in which each hand has some: what Dyn-HaMR's release does.
    Mutual,
    /// Always: a fingertip in a palm often holds no vertex of the palm.
    Each,
}

/// A vertex of one hand inside the other.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    /// The hand whose vertex it is, 0 or 1.
    pub hand: usize,
    /// The vertex.
    pub vertex: usize,
    /// The other hand's vertex that is nearest.
    pub nearest: usize,
    /// From the nearest vertex to this one, centimetres: the residual of a Gauss-Newton step, whose
    /// derivative by `vertex` is [`Self::SLOPE`] and by `nearest` the negative of that.
    pub residual: Vector3<f64>,
}

impl Contact {
    /// Derivative of each component of a residual by the same component of the vertex in metres.
    pub const SLOPE: f64 = PER_METRE;
}

/// The vertices of two hands in metres, in one space, that are inside the other hand. Each is a surface and
/// its vertices.
pub fn contacts(hands: [(&ClosedSurface, &[Vector3<f64>]); 2], counting: Counting) -> Vec<Contact> {
    let of = |hand: usize| {
        let ((_, vertices), (surface, others)) = (hands[hand], hands[1 - hand]);
        let inside = Solid::new(surface, others).inside(vertices);
        inside.into_iter().filter_map(move |vertex| {
            let nearest = nearest(&vertices[vertex], others)?;
            let residual = (vertices[vertex] - others[nearest]) * PER_METRE;
            Some(Contact { hand, vertex, nearest, residual })
        })
    };
    let mut contacts: Vec<Contact> = of(0).collect();
    if counting == Counting::Mutual && contacts.is_empty() {
        return contacts;
    }
    let of_first = contacts.len();
    contacts.extend(of(1));
    if counting == Counting::Mutual && contacts.len() == of_first {
        contacts.clear();
    }
    contacts
}

/// The term's value: the sum of squared residuals.
pub fn value(contacts: &[Contact]) -> f64 {
    contacts.iter().map(|contact| contact.residual.norm_squared()).sum()
}

/// Calls `add` with hand, vertex and gradient of [`value`] by that vertex, for every vertex of a contact.
/// Which vertex is nearest is taken as fixed.
pub fn gradient(contacts: &[Contact], mut add: impl FnMut(usize, usize, Vector3<f64>)) {
    for contact in contacts {
        let by_vertex = contact.residual * (2.0 * PER_METRE);
        add(contact.hand, contact.vertex, by_vertex);
        add(1 - contact.hand, contact.nearest, -by_vertex);
    }
}

fn nearest(point: &Vector3<f64>, others: &[Vector3<f64>]) -> Option<usize> {
    let distances = others.iter().map(|other| (other - point).norm_squared());
    distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{HandPose, Side};
    use crate::hand::HandModel;

    fn hand(model: &HandModel, side: Side, at: Vector3<f32>) -> Vec<Vector3<f64>> {
        let pose = HandPose {
            global_orient: Vector3::zeros(),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: at,
        };
        model.posed(&pose, side).vertices.iter().map(|vertex| vertex.0.cast()).collect()
    }

    #[test]
    fn hands_apart_have_no_contacts_and_hands_in_each_other_are_drawn_apart() {
        let model = HandModel::open();
        let surfaces =
            [Side::Left, Side::Right].map(|side| ClosedSurface::new(model.faces(side), model.vertex_count()));
        let cost = |gap: f32, counting| {
            let left = hand(&model, Side::Left, Vector3::new(-gap, 0.001, 0.002));
            let right = hand(&model, Side::Right, Vector3::new(gap, 0.0, 0.0));
            let contacts = contacts([(&surfaces[0], &left), (&surfaces[1], &right)], counting);
            let (mut push, mut sum) = (Vector3::zeros(), Vector3::zeros());
            gradient(&contacts, |hand, _, by_vertex| {
                sum += by_vertex;
                if hand == 1 {
                    push -= by_vertex;
                }
            });
            assert!(sum.norm() <= 1e-6 * (1.0 + push.norm()), "what pushes one hand pushes the other back");
            value(&contacts)
        };
        let deep = (0..40).map(|k| cost(-0.12 + 0.006 * k as f32, Counting::Each)).fold(0.0, f64::max);
        assert!(deep > 1.0, "{deep}");
        assert_eq!(cost(0.5, Counting::Each), 0.0);
    }

    #[test]
    fn a_finger_that_pokes_without_holding_a_vertex_counts_only_where_each_does() {
        // A thin needle through one face of a large cube: no corner of the cube is inside the needle.
        let cube_faces = [
            [0, 2, 1],
            [1, 2, 3],
            [4, 5, 6],
            [5, 7, 6],
            [0, 1, 4],
            [1, 5, 4],
            [2, 6, 3],
            [3, 6, 7],
            [0, 4, 2],
            [2, 4, 6],
            [1, 3, 5],
            [3, 7, 5],
        ];
        let surface = ClosedSurface::new(&cube_faces, 8);
        let block = |size: [f64; 3], at: [f64; 3]| -> Vec<Vector3<f64>> {
            let corner = |k: usize| [k & 1, k >> 1 & 1, k >> 2].map(|bit| bit as f64);
            let place = |k| Vector3::from_fn(|axis, _| at[axis] + size[axis] * corner(k)[axis]);
            (0..8).map(place).collect()
        };
        let cube = block([0.1; 3], [0.0; 3]);
        let needle = block([0.01, 0.012, 0.1], [0.04, 0.03, 0.06]);
        let of = |counting| contacts([(&surface, &cube), (&surface, &needle)], counting).len();
        assert_eq!((of(Counting::Each), of(Counting::Mutual)), (4, 0));
    }
}
