//! How much of two hands is in the same place.

use nalgebra::Vector3;

use super::solid::{ClosedSurface, Solid, crossing, extent};

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
    CommonRays::new(a, b, RAY_DISTANCE).volume(0.0)
}

/// Where rays along z run inside two bodies: tells how much these have in common wherever one of them is
/// moved along z.
#[derive(Clone, Debug)]
pub struct CommonRays {
    /// Stretches of one ray inside the first and inside the second body.
    pairs: Vec<[Stretch; 2]>,
    /// Cross section of a ray, m^2.
    area: f64,
}

/// Part of a ray: where it begins and where it ends.
type Stretch = [f64; 2];

impl CommonRays {
    /// Rays `distance` metres apart through two bodies, each its surface and its vertices in metres.
    pub fn new(
        a: (&ClosedSurface, &[Vector3<f64>]),
        b: (&ClosedSurface, &[Vector3<f64>]),
        distance: f64,
    ) -> Self {
        let bodies = [a, b].map(|(surface, points)| Solid::new(surface, points));
        let (low, high) =
            (bodies[0].extent.0.sup(&bodies[1].extent.0), bodies[0].extent.1.inf(&bodies[1].extent.1));
        let size = high - low;
        if !(size.x > 0.0 && size.y > 0.0) {
            return Self { pairs: Vec::new(), area: 0.0 };
        }
        let step = distance.max(size.x.max(size.y) / MOST_RAYS);
        let rays = [(size.x / step).ceil() as usize, (size.y / step).ceil() as usize];
        let [first, second] = bodies.map(|solid| stretches(&solid, low, step, rays));
        let mut pairs = Vec::new();
        let mut from = 0;
        for (ray, stretch) in first {
            from += second[from..].partition_point(|(other, _)| *other < ray);
            let others = second[from..].iter().take_while(|(other, _)| *other == ray);
            pairs.extend(others.map(|(_, other)| [stretch, *other]));
        }
        Self { pairs, area: step * step }
    }

    /// The common volume, cm^3, with the second body moved by `shift` metres along z.
    pub fn volume(&self, shift: f64) -> f64 {
        let length = |[a, b]: &[Stretch; 2]| (a[1].min(b[1] + shift) - a[0].max(b[0] + shift)).max(0.0);
        self.pairs.iter().map(length).sum::<f64>() * self.area * CM3
    }
}

/// The stretches of rays inside a body, by the number of their ray.
fn stretches(solid: &Solid, low: Vector3<f64>, step: f64, rays: [usize; 2]) -> Vec<(usize, Stretch)> {
    let mut crossings = Vec::new();
    for triangle in &solid.triangles {
        let (least, most) = extent(triangle);
        let range = |axis: usize| {
            let cell = |at: f64| (at - low[axis]) / step - RAY_PLACE[axis];
            (cell(least[axis]).ceil().max(0.0) as usize)
                ..((cell(most[axis]).floor() + 1.0).max(0.0) as usize).min(rays[axis])
        };
        let (rows, columns) = (range(0), range(1));
        for i in rows {
            for j in columns.clone() {
                let (x, y) =
                    (low.x + (i as f64 + RAY_PLACE[0]) * step, low.y + (j as f64 + RAY_PLACE[1]) * step);
                if let Some(crossing) = crossing(triangle, x, y) {
                    crossings.push((i * rays[1] + j, crossing.z, crossing.turn));
                }
            }
        }
    }
    crossings.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut stretches = Vec::new();
    let (mut winding, mut begins) = (0, 0.0);
    for (ray, z, turn) in crossings {
        let before = winding;
        winding += turn;
        if before <= 0 && winding > 0 {
            begins = z;
        } else if before > 0 && winding <= 0 {
            stretches.push((ray, [begins, z]));
        }
    }
    stretches
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
    fn a_body_moved_along_the_rays_has_in_common_what_it_would_have_there() {
        let surface = ClosedSurface::new(&FACES, 8);
        let (fixed, by) = (cube(Vector3::zeros()), Vector3::new(0.0301, 0.0203, 0.02));
        let rays = CommonRays::new((&surface, &fixed), (&surface, &cube(by)), RAY_DISTANCE);
        for shift in [-0.05, -0.013, 0.0, 0.015, 0.03] {
            let moved = cube(by + Vector3::z() * shift);
            let there = interpenetration_volume((&surface, &fixed), (&surface, &moved));
            assert!((rays.volume(shift) - there).abs() < 1e-6, "{shift}: {} {there}", rays.volume(shift));
        }
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
