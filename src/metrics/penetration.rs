//! How much of two hands is in the same place.

use nalgebra::Vector3;

use super::solid::{ClosedSurface, Solid, Triangle, common, crossing, extent};

/// Distance of the rays on which the volume is measured, metres.
const RAY_DISTANCE: f64 = 1e-3;
/// Where in its cell a ray runs: off the middle, so that rays miss the edges of regular meshes.
const RAY_PLACE: [f64; 2] = [0.414, 0.618];
/// Most rays along one side of the common box; larger bodies are measured more coarsely.
const MOST_RAYS: f64 = 400.0;
/// Cubic centimetres in a cubic metre.
const CM3: f64 = 1e6;

/// Volume that two bodies have in common, cm^3: "Pen" of Dyn-HaMR, of which no code was published. Each
/// body is its surface and its vertices in metres, both in the same space.
///
/// Exact along parallel rays a millimetre apart; a point is inside where the surface winds around it.
pub fn interpenetration_volume(
    a: (&ClosedSurface, &[Vector3<f64>]),
    b: (&ClosedSurface, &[Vector3<f64>]),
) -> f64 {
    let bodies = [a, b].map(|(surface, points)| Solid::new(surface, points));
    let Some((low, high)) = common(bodies[0].extent, bodies[1].extent) else { return 0.0 };
    let size = high - low;
    let step = RAY_DISTANCE.max(size.x.max(size.y) / MOST_RAYS);
    let rays = [(size.x / step).ceil() as usize, (size.y / step).ceil() as usize];
    let mut crossings: Vec<Vec<BodyCrossing>> = vec![Vec::new(); rays[0] * rays[1]];
    for (body, solid) in bodies.iter().enumerate() {
        for triangle in &solid.triangles {
            cross(triangle, body, low, step, rays, &mut crossings);
        }
    }
    crossings.iter_mut().map(|ray| common_length(ray)).sum::<f64>() * step * step * CM3
}

/// Where a ray meets a body's surface.
#[derive(Clone, Copy)]
struct BodyCrossing {
    z: f64,
    body: usize,
    turn: i32,
}

/// Notes where the rays meet one triangle.
fn cross(
    triangle: &Triangle,
    body: usize,
    low: Vector3<f64>,
    step: f64,
    rays: [usize; 2],
    crossings: &mut [Vec<BodyCrossing>],
) {
    let (least, most) = extent(triangle);
    let range = |axis: usize| {
        let cell = |at: f64| (at - low[axis]) / step - RAY_PLACE[axis];
        (cell(least[axis]).ceil().max(0.0) as usize)
            ..((cell(most[axis]).floor() + 1.0).max(0.0) as usize).min(rays[axis])
    };
    let (rows, columns) = (range(0), range(1));
    for i in rows {
        for j in columns.clone() {
            let (x, y) = (low.x + (i as f64 + RAY_PLACE[0]) * step, low.y + (j as f64 + RAY_PLACE[1]) * step);
            if let Some(crossing) = crossing(triangle, x, y) {
                let crossing = BodyCrossing { z: crossing.z, body, turn: crossing.turn };
                crossings[i * rays[1] + j].push(crossing);
            }
        }
    }
}

/// Length of a ray inside both bodies.
fn common_length(crossings: &mut [BodyCrossing]) -> f64 {
    crossings.sort_by(|a, b| a.z.total_cmp(&b.z));
    let (mut winding, mut length, mut before) = ([0, 0], 0.0, 0.0);
    for crossing in crossings {
        if winding.iter().all(|&turns| turns > 0) {
            length += crossing.z - before;
        }
        winding[crossing.body] += crossing.turn;
        before = crossing.z;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACES: [[u32; 3]; 12] = [
        [0, 2, 1],
        [1, 2, 3],
        [4, 5, 6],
        [5, 7, 6],
        [0, 1, 4],
        [1, 5, 4], //
        [2, 6, 3],
        [3, 6, 7],
        [0, 4, 2],
        [2, 4, 6],
        [1, 3, 5],
        [3, 7, 5],
    ];

    /// A cube with sides of 4 cm.
    fn cube(at: Vector3<f64>) -> Vec<Vector3<f64>> {
        let corner = |k: usize| Vector3::new((k & 1) as f64, (k >> 1 & 1) as f64, (k >> 2) as f64) * 0.04;
        (0..8).map(|k| corner(k) + at).collect()
    }

    #[test]
    fn two_cubes_share_the_box_in_which_they_overlap() {
        let surface = ClosedSurface::new(&FACES, 8);
        let volume = |by: Vector3<f64>| {
            interpenetration_volume((&surface, &cube(Vector3::zeros())), (&surface, &cube(by)))
        };
        assert!((volume(Vector3::new(0.0301, 0.0203, 0.02)) - 0.99 * 1.97 * 2.0).abs() < 0.2);
        assert!((volume(Vector3::new(0.0, 0.0, 0.01)) - 48.0).abs() < 2.0);
        assert_eq!(volume(Vector3::new(0.05, 0.0, 0.0)), 0.0);
    }

    #[test]
    fn an_open_side_is_closed_before_it_is_measured() {
        let (whole, open) = (ClosedSurface::new(&FACES, 8), ClosedSurface::new(&FACES[2..], 8));
        let (at, other) = (cube(Vector3::zeros()), cube(Vector3::new(0.001, 0.002, 0.02)));
        let of = |surface| interpenetration_volume((surface, &at), (&whole, &other));
        assert!((of(&open) - of(&whole)).abs() < 1e-9 && of(&open) > 25.0);
        assert_eq!(interpenetration_volume((&whole, &at[1..]), (&whole, &other)), 0.0);
    }

    #[test]
    fn the_hand_has_the_volume_of_a_hand() {
        let model = crate::hand::HandModel::open();
        let pose = crate::event::HandPose {
            global_orient: Vector3::zeros(),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: Vector3::zeros(),
        };
        let side = crate::event::Side::Right;
        let surface = ClosedSurface::new(model.faces(side), model.vertex_count());
        let points: Vec<_> = model.posed(&pose, side).vertices.iter().map(|v| v.0.cast()).collect();
        let volume = interpenetration_volume((&surface, &points), (&surface, &points));
        assert!((200.0..600.0).contains(&volume), "{volume} cm^3");
    }
}
