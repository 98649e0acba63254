//! Bodies bounded by triangle meshes: holes closed, and where a point is inside.

use std::collections::{BTreeMap, HashSet};

use nalgebra::Vector3;

/// Cells along one side of the grid that finds the triangles above a point.
const CELLS: usize = 24;

/// The triangles of a mesh with its holes closed (hand meshes are open at the wrist): a fan from each
/// hole's rim to the mean of the rim.
#[derive(Clone, Debug)]
pub struct ClosedSurface {
    faces: Vec<[u32; 3]>,
    rims: Vec<Vec<u32>>,
    vertices: usize,
}

impl ClosedSurface {
    /// Closes a mesh of `vertices` vertices; `faces` run counter-clockwise seen from outside. A triangle
    /// with an index that no vertex has is left out.
    pub fn new(faces: &[[u32; 3]], vertices: usize) -> Self {
        let known = |face: &&[u32; 3]| face.iter().all(|&vertex| (vertex as usize) < vertices);
        let mut faces: Vec<[u32; 3]> = faces.iter().filter(known).copied().collect();
        let mut open: BTreeMap<u32, u32> = BTreeMap::new();
        let edges = || faces.iter().flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)]);
        let all: HashSet<(u32, u32)> = edges().collect();
        open.extend(edges().filter(|&(a, b)| !all.contains(&(b, a))));
        let mut rims = Vec::new();
        while let Some((first, mut next)) = open.pop_first() {
            let centre = (vertices + rims.len()) as u32;
            let mut rim = vec![first];
            faces.push([next, first, centre]);
            while let Some(after) = open.remove(&next) {
                rim.push(next);
                faces.push([after, next, centre]);
                next = after;
            }
            rims.push(rim);
        }
        Self { faces, rims, vertices }
    }

    /// The triangles, those that close the holes included. The middle of hole `i` has the number that follows
    /// the vertices' by `i`.
    pub fn faces(&self) -> &[[u32; 3]] {
        &self.faces
    }

    /// The vertices around each hole.
    pub fn rims(&self) -> &[Vec<u32>] {
        &self.rims
    }

    /// The corners of all triangles, those that close the holes included; empty for another mesh's points.
    fn triangles(&self, points: &[Vector3<f64>]) -> Vec<Triangle> {
        if points.len() != self.vertices {
            return Vec::new();
        }
        let mean = |rim: &Vec<u32>| {
            rim.iter().map(|&vertex| points[vertex as usize]).sum::<Vector3<f64>>() / rim.len() as f64
        };
        let points: Vec<_> = points.iter().copied().chain(self.rims.iter().map(mean)).collect();
        self.faces.iter().map(|face| face.map(|vertex| points[vertex as usize])).collect()
    }
}

/// The corners of a triangle.
pub(super) type Triangle = [Vector3<f64>; 3];

/// Where a line along z meets a triangle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    /// Height at which it does.
    pub z: f64,
    /// 1 where the line goes in, -1 where it comes out.
    pub turn: i32,
}

/// Where the line along z through (`x`, `y`) meets a triangle. A line through an edge meets exactly one of
/// the triangles beside it, so that crossings of a closed surface always pair up.
pub(super) fn crossing(&[p, q, r]: &Triangle, x: f64, y: f64) -> Option<Crossing> {
    let beside = |a: Vector3<f64>, b: Vector3<f64>| {
        let (low, high) = if (a.y, a.x) < (b.y, b.x) { (a, b) } else { (b, a) };
        (low.y > y) != (high.y > y) && x < low.x + (y - low.y) / (high.y - low.y) * (high.x - low.x)
    };
    if !(beside(p, q) ^ beside(q, r) ^ beside(r, p)) {
        return None;
    }
    let area = (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    if area == 0.0 || !area.is_finite() {
        return None;
    }
    let share = |a: Vector3<f64>, b: Vector3<f64>| ((a.x - x) * (b.y - y) - (a.y - y) * (b.x - x)) / area;
    let z = share(q, r) * p.z + share(r, p) * q.z + share(p, q) * r.z;
    Some(Crossing { z, turn: if area < 0.0 { 1 } else { -1 } })
}

/// A box along the axes: its least and its greatest corner.
pub(super) type Extent = (Vector3<f64>, Vector3<f64>);

/// The box around points; of no points, one that meets nothing.
pub(super) fn extent<'a>(points: impl IntoIterator<Item = &'a Vector3<f64>>) -> Extent {
    let ends = (Vector3::repeat(f64::INFINITY), Vector3::repeat(f64::NEG_INFINITY));
    points.into_iter().fold(ends, |(low, high), point| (low.inf(point), high.sup(point)))
}

/// The box that two boxes have in common, if any.
pub(super) fn common(a: Extent, b: Extent) -> Option<Extent> {
    let (low, high) = (a.0.sup(&b.0), a.1.inf(&b.1));
    (0..3).all(|axis| low[axis] < high[axis]).then_some((low, high))
}

/// A closed surface somewhere in space.
#[derive(Clone, Debug)]
pub struct Solid {
    pub(super) triangles: Vec<Triangle>,
    pub(super) extent: Extent,
}

impl Solid {
    /// The body whose surface has its vertices at `points`; nothing is inside where they are another mesh's.
    pub fn new(surface: &ClosedSurface, points: &[Vector3<f64>]) -> Self {
        let triangles = surface.triangles(points);
        Self { extent: extent(triangles.iter().flatten()), triangles }
    }

    /// The numbers of those `points` around which the surface winds at least once.
    ///
    /// Exact: the surface's crossings above each point are counted, which for a closed surface gives the
    /// generalised winding number (Jacobson et al. 2013) without its solid angles.
    pub fn inside(&self, points: &[Vector3<f64>]) -> Vec<usize> {
        let Some((low, high)) = common(self.extent, extent(points)) else { return Vec::new() };
        let within = |point: &Vector3<f64>| (0..3).all(|k| low[k] <= point[k] && point[k] <= high[k]);
        let candidates: Vec<usize> = (0..points.len()).filter(|&i| within(&points[i])).collect();
        if candidates.is_empty() {
            return candidates;
        }
        let grid = Grid::new(&self.triangles, low, high);
        candidates.into_iter().filter(|&i| grid.winding(&self.triangles, &points[i]) >= 1).collect()
    }
}

/// Which triangles lie above and below the cells of a rectangle of x and y.
struct Grid {
    low: Vector3<f64>,
    per_length: [f64; 2],
    /// Triangles of cell `i * CELLS + j`.
    cells: Vec<Vec<u32>>,
}

impl Grid {
    fn new(triangles: &[Triangle], low: Vector3<f64>, high: Vector3<f64>) -> Self {
        let per_length = [0, 1].map(|axis| CELLS as f64 / (high[axis] - low[axis]));
        let mut grid = Self { low, per_length, cells: vec![Vec::new(); CELLS * CELLS] };
        for (number, triangle) in triangles.iter().enumerate() {
            let (least, most) = extent(triangle);
            // What ends below every point of the rectangle is above none.
            if most.z < low.z || (0..2).any(|axis| most[axis] < low[axis] || least[axis] > high[axis]) {
                continue;
            }
            let range = |axis: usize| grid.cell(axis, least[axis])..=grid.cell(axis, most[axis]);
            let (rows, columns) = (range(0), range(1));
            for row in rows {
                for column in columns.clone() {
                    grid.cells[row * CELLS + column].push(number as u32);
                }
            }
        }
        grid
    }

    fn cell(&self, axis: usize, at: f64) -> usize {
        (((at - self.low[axis]) * self.per_length[axis]).max(0.0) as usize).min(CELLS - 1)
    }

    /// How often the surface winds around a point of the rectangle.
    fn winding(&self, triangles: &[Triangle], point: &Vector3<f64>) -> i32 {
        let cell = self.cell(0, point.x) * CELLS + self.cell(1, point.y);
        let above = self.cells[cell]
            .iter()
            .filter_map(|&number| crossing(&triangles[number as usize], point.x, point.y))
            .filter(|crossing| crossing.z > point.z);
        -above.map(|crossing| crossing.turn).sum::<i32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{HandPose, Side};
    use crate::hand::HandModel;

    /// Jacobson et al. 2013, eq. 5 with the solid angles of van Oosterom and Strackee.
    fn winding_by_solid_angles(triangles: &[Triangle], at: &Vector3<f64>) -> f64 {
        let angles = triangles.iter().map(|triangle| {
            let [a, b, c] = triangle.map(|corner| corner - at);
            let (la, lb, lc) = (a.norm(), b.norm(), c.norm());
            let below = la * lb * lc + a.dot(&b) * lc + b.dot(&c) * la + c.dot(&a) * lb;
            2.0 * a.dot(&b.cross(&c)).atan2(below)
        });
        angles.sum::<f64>() / (4.0 * std::f64::consts::PI)
    }

    #[test]
    fn inside_is_where_the_solid_angles_say_so() {
        let model = HandModel::open();
        let pose = HandPose {
            global_orient: Vector3::new(0.2, 0.9, -0.4),
            hand_pose: [Vector3::new(0.1, 0.05, 0.3); 15],
            betas: [0.5; 10],
            translation: Vector3::zeros(),
        };
        let surface = ClosedSurface::new(model.faces(Side::Left), model.vertex_count());
        let points: Vec<_> =
            model.posed(&pose, Side::Left).vertices.iter().map(|v| v.0.cast::<f64>()).collect();
        let solid = Solid::new(&surface, &points);
        let places: Vec<_> = points.iter().map(|p| p * 0.97 + Vector3::new(0.004, -0.003, 0.002)).collect();
        let inside = solid.inside(&places);
        assert!(inside.len() > 50 && inside.len() < places.len() - 50, "{}", inside.len());
        for (i, place) in places.iter().enumerate() {
            let winding = winding_by_solid_angles(&solid.triangles, place);
            assert_eq!(inside.contains(&i), winding > 0.5, "vertex {i}: {winding}");
        }
    }

    #[test]
    fn a_line_through_an_edge_or_a_corner_counts_once() {
        // An octahedron, in which the lines through its middle meet edges and corners.
        let corners = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)];
        let points = corners.map(|(x, y, z)| Vector3::new(f64::from(x), f64::from(y), f64::from(z)));
        let faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]];
        let solid = Solid::new(&ClosedSurface::new(&faces, 6), &points);
        let places = [
            Vector3::zeros(),
            Vector3::new(0.5, 0.0, 0.1),
            Vector3::new(0.0, -0.25, -0.2),
            Vector3::new(0.9, 0.9, 0.0),
            Vector3::new(0.0, 0.0, 1.5),
        ];
        assert_eq!(solid.inside(&places), [0, 1, 2]);
    }
}
