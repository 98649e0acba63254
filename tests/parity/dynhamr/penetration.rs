//! Two hands in each other.

use handstream::metrics::{ClosedSurface, Solid};
use handstream::refine::terms::penetration::{Counting, contacts, gradient, value};
use nalgebra::Vector3;

use super::variant::{Comparison, fixtures, flat, off};
use crate::tensors::Fixture;

/// Relative: of values, of gradients.
const VALUE: f64 = 2e-4;
const GRADIENT: f64 = 1e-3;
/// Of winding numbers.
const WINDING: f64 = 1e-4;

/// A hand's surface, closed as the release closes it, and its vertices in every frame.
fn hand(fixture: &Fixture, side: &str) -> (ClosedSurface, Vec<Vec<Vector3<f64>>>) {
    let frames = fixture.shape(&format!("verts_{side}"));
    let vertices = fixture.points(&format!("verts_{side}"));
    let faces = fixture.numbers(&format!("faces_{side}_closed"));
    let faces: Vec<[u32; 3]> =
        faces.as_chunks().0.iter().map(|face: &[f64; 3]| face.map(|v| v as u32)).collect();
    (ClosedSurface::new(&faces, frames[1]), vertices.chunks(frames[1]).map(<[_]>::to_vec).collect())
}

#[test]
fn hands_in_each_other_cost_what_they_cost_in_the_release() {
    for (name, fixture) in fixtures("penetration") {
        let compare = Comparison { name: &name, fixture: &fixture };
        let hands = ["left", "right"].map(|side| hand(&fixture, side));
        for (hand, other, side) in [(0, 1, "left_in_right"), (1, 0, "right_in_left")] {
            let windings = hands[hand].1.iter().zip(&hands[other].1).flat_map(|(points, others)| {
                let inside = Solid::new(&hands[other].0, others).inside(points);
                (0..points.len()).map(move |i| f64::from(u8::from(inside.contains(&i))))
            });
            compare.absolute(&format!("winding_{side}"), windings.collect::<Vec<_>>(), WINDING);
        }
        let frames = hands[0].1.iter().zip(&hands[1].1);
        let contacts: Vec<_> = frames
            .map(|(left, right)| contacts([(&hands[0].0, left), (&hands[1].0, right)], Counting::Mutual))
            .collect();
        let values: Vec<f64> = contacts.iter().map(|contacts| value(contacts)).collect();
        compare.relative("loss_per_frame", values.iter().copied(), VALUE);
        compare.relative("loss_per_frame_f64", values.iter().copied(), 1e-6);
        compare.relative("loss_sum", [values.iter().sum()], VALUE);
        let places = hands.each_ref().map(|(_, frames)| frames[0].len());
        let mut gradients = [0, 1].map(|hand| vec![Vector3::zeros(); places[hand] * contacts.len()]);
        let mut tied = [0, 1].map(|hand| vec![false; gradients[hand].len()]);
        for (frame, contacts) in contacts.iter().enumerate() {
            gradient(contacts, |hand, vertex, by| gradients[hand][frame * places[hand] + vertex] += by);
            for contact in contacts {
                let (hand, other) = (contact.hand, 1 - contact.hand);
                let near = as_near(&hands[hand].1[frame][contact.vertex], &hands[other].1[frame]);
                if near.len() > 1 {
                    tied[hand][frame * places[hand] + contact.vertex] = true;
                    near.into_iter().for_each(|vertex| tied[other][frame * places[other] + vertex] = true);
                }
            }
        }
        for ((gradient, tied), side) in gradients.iter().zip(&tied).zip(["left", "right"]) {
            let name = format!("grad_verts_{side}");
            let released = fixture.points(&name);
            let largest = released.iter().map(Vector3::amax).fold(0.0, f64::max);
            let pairs = gradient.iter().zip(&released).zip(tied).filter(|&(_, &tied)| !tied);
            let (ours, theirs): (Vec<_>, Vec<_>) = pairs.map(|(pair, _)| pair).unzip();
            let ties = gradient.len() - ours.len();
            assert!(ties * 20 < gradient.len(), "{ties} vertices cannot be compared");
            let theirs: Vec<f64> = flat(theirs).collect();
            compare.within(&name, off(flat(ours), &theirs) / largest, GRADIENT);
        }
    }
}

/// The vertices of which each may be the nearest for 32-bit numbers, which the release reckons with: it takes
/// a squared distance as `a.a + b.b - 2 a.b`.
fn as_near(point: &Vector3<f64>, others: &[Vector3<f64>]) -> Vec<usize> {
    let squared: Vec<f64> = others.iter().map(|other| (other - point).norm_squared()).collect();
    let least = squared.iter().copied().fold(f64::INFINITY, f64::min);
    let doubt = 8.0 * f64::from(f32::EPSILON) * point.norm_squared();
    (0..others.len()).filter(|&i| squared[i] <= least + doubt).collect()
}
