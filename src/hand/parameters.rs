//! The numbers of a hand model, checked: from named arrays, under MANO's names, to typed fields.

use nalgebra::Vector3;

use super::anatomy::{Anatomy, FINGER_JOINTS, radians};
use super::arrays::{Array, Malformed, NamedArrays};
use super::joints::{DISTAL_JOINTS, FINGERS, MANO_JOINTS, MANO_PARENTS};
use super::skeleton::SHAPES;
use super::tips::TipVertices;

/// Entries of the pose blend shapes: nine of each finger joint's rotation matrix.
pub(super) const POSE_FEATURES: usize = 9 * FINGER_JOINTS;

/// Most vertices of a hand mesh.
const MOST_VERTICES: usize = 10_000;

/// Vertices of MANO's mesh.
const MANO_VERTICES: usize = 778;

/// Rows of weights add up to one; half precision and rounding leave them this far off at most.
const SUM_TOLERANCE: f64 = 0.01;

/// A hand model's numbers, right hand, metres, MANO joint order.
pub(super) struct Parameters {
    /// Mean shape in rest pose, V.
    pub template: Vec<Vector3<f64>>,
    /// Displacement of each vertex per shape coefficient, V x 10.
    pub shape: Vec<[Vector3<f64>; SHAPES]>,
    /// Displacement of each vertex per entry of the pose feature, V x 135 flat; empty where the model has none.
    pub pose: Vec<Vector3<f64>>,
    /// Share of each vertex in each joint's rest position, 16 x V.
    pub joint_regressor: [Vec<f64>; MANO_JOINTS],
    /// Share of each joint in each vertex's motion, V.
    pub weights: Vec<[f64; MANO_JOINTS]>,
    /// Triangles, outward counter-clockwise.
    pub faces: Vec<[u32; 3]>,
    /// Vertices at the tips of thumb, index, middle, ring, pinky.
    pub tips: [usize; FINGERS],
    /// Bend axes and limits, where the file has them.
    pub anatomy: Option<Anatomy>,
}

impl Parameters {
    /// Checks every array's presence, shape and values.
    pub fn from_arrays(arrays: &NamedArrays, tips: TipVertices) -> Result<Self, Malformed> {
        let template = get(arrays, "v_template")?;
        let vertices = template.shape.first().copied().unwrap_or(0);
        if vertices == 0 || vertices > MOST_VERTICES {
            return Err(Malformed::new(format!("v_template has {vertices} vertices")));
        }
        let template = sized(template, "v_template", &[vertices, 3])?;
        let joint_regressor = sized(get(arrays, "J_regressor")?, "J_regressor", &[MANO_JOINTS, vertices])?;
        let weights = sized(get(arrays, "weights")?, "weights", &[vertices, MANO_JOINTS])?;
        let weights: Vec<[f64; MANO_JOINTS]> = unit_rows(weights, "weights", MANO_JOINTS)?
            .iter()
            .map(|row| std::array::from_fn(|j| row[j]))
            .collect();
        let joint_regressor: [Vec<f64>; MANO_JOINTS] = unit_rows(joint_regressor, "J_regressor", vertices)?
            .try_into()
            .map_err(|_| Malformed::new("J_regressor does not have 16 rows"))?;
        check_tree(arrays)?;
        let template = points(template);
        let mut parameters = Self {
            shape: shape_directions(arrays, vertices)?,
            pose: pose_directions(arrays, vertices)?,
            faces: faces(arrays, vertices)?,
            tips: [0; FINGERS],
            anatomy: anatomy(arrays)?,
            template,
            joint_regressor,
            weights,
        };
        parameters.tips = parameters.find_tips(arrays, tips)?;
        parameters.check_side()?;
        Ok(parameters)
    }

    /// Rest position of a joint from per-vertex positions or displacements.
    pub fn regress(&self, joint: usize, of_vertex: impl Fn(usize) -> Vector3<f64>) -> Vector3<f64> {
        let row = self.joint_regressor[joint].iter().enumerate();
        row.filter(|(_, share)| **share != 0.0)
            .fold(Vector3::zeros(), |sum, (vertex, &share)| sum + of_vertex(vertex) * share)
    }

    /// MANO's right hand points along -x in its rest pose, its left hand along +x.
    fn check_side(&self) -> Result<(), Malformed> {
        let [wrist, knuckle] = [0, 4].map(|joint| self.regress(joint, |vertex| self.template[vertex]));
        if knuckle.x < wrist.x {
            return Ok(());
        }
        Err(Malformed::new(
            "it is a left hand; give the right one (MANO_RIGHT), the left is its mirror image",
        ))
    }

    /// The file's tips, `tips` where the mesh is MANO's, and otherwise the vertices farthest out.
    fn find_tips(&self, arrays: &NamedArrays, tips: TipVertices) -> Result<[usize; FINGERS], Malformed> {
        if let Some(listed) = arrays.get("tip_vertices") {
            let listed =
                indices(sized(listed, "tip_vertices", &[FINGERS])?, "tip_vertices", self.template.len())?;
            return Ok(std::array::from_fn(|f| listed[f] as usize));
        }
        if self.template.len() == MANO_VERTICES {
            return Ok(tips.of_mano());
        }
        Ok(DISTAL_JOINTS.map(|distal| {
            let joint = self.regress(distal, |vertex| self.template[vertex]);
            let reach = |vertex: usize| self.weights[vertex][distal] * (self.template[vertex] - joint).norm();
            (0..self.template.len()).max_by(|&a, &b| reach(a).total_cmp(&reach(b))).unwrap_or(0)
        }))
    }
}

fn get<'a>(arrays: &'a NamedArrays, name: &str) -> Result<&'a Array, Malformed> {
    arrays.get(name).ok_or_else(|| Malformed::new(format!("it has no array called {name}")))
}

/// The array's numbers, once its shape is right and all of them are finite.
fn sized<'a>(array: &'a Array, name: &str, shape: &[usize]) -> Result<&'a [f64], Malformed> {
    if array.shape != shape {
        return Err(Malformed::new(format!("{name} has shape {:?} instead of {shape:?}", array.shape)));
    }
    if let Some(odd) = array.data.iter().find(|value| !value.is_finite()) {
        return Err(Malformed::new(format!("{name} holds {odd}")));
    }
    Ok(&array.data)
}

fn points(numbers: &[f64]) -> Vec<Vector3<f64>> {
    numbers.chunks_exact(3).map(|p| Vector3::new(p[0], p[1], p[2])).collect()
}

/// Rows scaled to add up to exactly one.
fn unit_rows(numbers: &[f64], name: &str, columns: usize) -> Result<Vec<Vec<f64>>, Malformed> {
    let rows = numbers.chunks_exact(columns).enumerate().map(|(at, row)| {
        let sum: f64 = row.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(Malformed::new(format!("row {at} of {name} adds up to {sum} instead of 1")));
        }
        Ok(row.iter().map(|share| share / sum).collect())
    });
    rows.collect()
}

fn shape_directions(arrays: &NamedArrays, vertices: usize) -> Result<Vec<[Vector3<f64>; SHAPES]>, Malformed> {
    let array = get(arrays, "shapedirs")?;
    let known = array.shape.get(2).copied().unwrap_or(0);
    if known < SHAPES {
        return Err(Malformed::new(format!("shapedirs has {known} shapes instead of {SHAPES}")));
    }
    let numbers = sized(array, "shapedirs", &[vertices, 3, known])?;
    let of_vertex = |v: &[f64]| std::array::from_fn(|k| Vector3::new(v[k], v[known + k], v[2 * known + k]));
    Ok(numbers.chunks_exact(3 * known).map(of_vertex).collect())
}

fn pose_directions(arrays: &NamedArrays, vertices: usize) -> Result<Vec<Vector3<f64>>, Malformed> {
    let Some(array) = arrays.get("posedirs") else {
        return Ok(Vec::new());
    };
    let numbers = sized(array, "posedirs", &[vertices, 3, POSE_FEATURES])?;
    let n = POSE_FEATURES;
    let of_vertex =
        |v: &[f64]| -> Vec<_> { (0..n).map(|k| Vector3::new(v[k], v[n + k], v[2 * n + k])).collect() };
    Ok(numbers.chunks_exact(3 * n).flat_map(of_vertex).collect())
}

fn faces(arrays: &NamedArrays, vertices: usize) -> Result<Vec<[u32; 3]>, Malformed> {
    let array = get(arrays, "f")?;
    let rows = array.shape.first().copied().unwrap_or(0);
    let corners = indices(sized(array, "f", &[rows, 3])?, "f", vertices)?;
    Ok(corners.chunks_exact(3).map(|t| [t[0], t[1], t[2]]).collect())
}

/// Vertex numbers below `end`.
fn indices(numbers: &[f64], name: &str, end: usize) -> Result<Vec<u32>, Malformed> {
    let index = |&value: &f64| {
        let inside = value >= 0.0 && value < end as f64 && value.fract() == 0.0;
        inside
            .then_some(value as u32)
            .ok_or_else(|| Malformed::new(format!("{name} names vertex {value} of {end}")))
    };
    numbers.iter().map(index).collect()
}

/// MANO's joints must hang together as MANO's do: row 0 of `kintree_table` holds each joint's parent
/// (the wrist's is unused).
fn check_tree(arrays: &NamedArrays) -> Result<(), Malformed> {
    let table = sized(get(arrays, "kintree_table")?, "kintree_table", &[2, MANO_JOINTS])?;
    let same =
        MANO_PARENTS.iter().zip(table).all(|(parent, &given)| parent.is_none_or(|p| p as f64 == given));
    same.then_some(()).ok_or_else(|| Malformed::new("kintree_table does not describe MANO's sixteen joints"))
}

fn anatomy(arrays: &NamedArrays) -> Result<Option<Anatomy>, Malformed> {
    let Some(flexion) = arrays.get("flexion_axes") else {
        return Ok(None);
    };
    let flexion = points(sized(flexion, "flexion_axes", &[MANO_JOINTS, 3])?);
    let bones = points(sized(get(arrays, "bone_dirs")?, "bone_dirs", &[MANO_JOINTS, 3])?);
    let limits = sized(get(arrays, "joint_limits_deg")?, "joint_limits_deg", &[MANO_JOINTS, 3, 2])?;
    let limits: Vec<_> =
        limits.chunks_exact(6).map(|d| radians([[d[0], d[1]], [d[2], d[3]], [d[4], d[5]]])).collect();
    Ok(Some(Anatomy::new(
        &std::array::from_fn(|j| flexion[j + 1]),
        &std::array::from_fn(|j| bones[j + 1]),
        &std::array::from_fn(|j| limits[j + 1]),
    )))
}
