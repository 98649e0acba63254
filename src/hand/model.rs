//! The hand model: parameters in, mesh and joints out.

use std::path::{Path, PathBuf};

use nalgebra::{Matrix3, Vector3};

use super::anatomy::Anatomy;
use super::arrays::{Malformed, NamedArrays};
use super::joints::{FINGERS, MANO_JOINTS, MANO_PARENTS, openpose_from_mano};
use super::keypoints::KeypointSkin;
use super::lbs::Mesh;
use super::mano::read_pickle;
use super::mirror::{mirror_faces, mirror_point, mirror_pose};
use super::npz::read_npz;
use super::open::{OPEN_HAND, OPEN_HAND_NAME, read_safetensors};
use super::parameters::Parameters;
use super::seal::sealed;
use super::skeleton::{Skeleton, forward_kinematics};
use super::tips::TipVertices;
use crate::event::{HandPose, KEYPOINTS, Side};
use crate::geometry::CameraPoint;
use crate::geometry::rotation::matrix_from_axis_angle;

/// Largest hand model file read, bytes; MANO's has 4 MB.
const MOST_BYTES: u64 = 64 << 20;
/// Added to the name of a model whose finger tips are manopth's.
const MANOPTH_SUFFIX: &str = "+manopth_tips";

/// A skinned hand with MANO's joints: the embedded open hand, or a user's own file.
pub struct HandModel {
    name: String,
    mesh: Mesh,
    tips: [usize; FINGERS],
    faces_right: Vec<[u32; 3]>,
    faces_left: Vec<[u32; 3]>,
    skeleton: Skeleton,
    keypoints: KeypointSkin,
}

/// A hand in metres in camera space.
#[derive(Clone, Debug)]
pub struct PosedHand {
    /// Vertices of the mesh.
    pub vertices: Vec<CameraPoint>,
    /// Joints in `openpose21` order; the tips are vertices of the mesh.
    pub joints: [CameraPoint; KEYPOINTS],
}

/// The numbers of a right hand, metres, joints in MANO's order.
#[derive(Clone, Debug)]
pub struct HandTables {
    /// Vertices in rest, `[V, 3]`.
    pub rest: Vec<f32>,
    /// Shape blend shapes, `[10, V, 3]`.
    pub shape: Vec<f32>,
    /// Pose blend shapes, `[135, V, 3]`; empty where the model has none.
    pub pose: Vec<f32>,
    /// Share of each joint in each vertex, `[V, 16]`.
    pub weights: Vec<f32>,
    /// Joints in rest, `[16, 3]`.
    pub joints: Vec<f32>,
    /// How they move with the shape, `[16, 10, 3]`.
    pub joint_shape: Vec<f32>,
    /// Vertices at the tips.
    pub tips: [usize; FINGERS],
    /// Which of the 21 points in `openpose21` order each joint, and then each tip, is.
    pub point_of: [usize; KEYPOINTS],
}

/// Why a hand model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum HandModelError {
    /// The file could not be read.
    #[error("cannot read the hand model {path} ({source}): check the path")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no hand model, or a damaged one.
    #[error("{path} is not a usable hand model: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl HandModel {
    /// The embedded open hand (CC0).
    pub fn open() -> Self {
        Self::from_arrays(OPEN_HAND_NAME, read_safetensors(OPEN_HAND), TipVertices::default())
            .expect("a test loads the embedded hand, whose bytes are fixed at build time")
    }

    /// As [`Self::load_with_tips`], with HaMeR's finger tips.
    ///
    /// # Errors
    /// [`HandModelError`] where the file cannot be read or is no hand model.
    pub fn load(path: &Path) -> Result<Self, HandModelError> {
        Self::load_with_tips(path, TipVertices::default())
    }

    /// Reads a right hand from a file: `.safetensors` as the embedded one, MANO's own
    /// `MANO_RIGHT.pkl`, or an `.npz` with the same arrays. Nothing in the file is executed.
    ///
    /// A file without anatomy (MANO's) borrows the open hand's, see [`Anatomy`]. `tips` are the finger tips
    /// of a mesh that is MANO's and lists none; where they are not HaMeR's, the model's name says so.
    ///
    /// # Errors
    /// [`HandModelError`] where the file cannot be read or is no hand model.
    pub fn load_with_tips(path: &Path, tips: TipVertices) -> Result<Self, HandModelError> {
        let malformed = |what: String| HandModelError::Malformed { path: path.to_owned(), what };
        let unreadable = |source| HandModelError::Unreadable { path: path.to_owned(), source };
        let size = std::fs::metadata(path).map_err(unreadable)?.len();
        if size > MOST_BYTES {
            return Err(malformed(format!("it has {size} bytes, and hand models stay below {MOST_BYTES}")));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let arrays = match extension.as_str() {
            "safetensors" => read_safetensors(&bytes),
            "pkl" => read_pickle(&bytes),
            "npz" => read_npz(&bytes),
            other => Err(Malformed::new(format!("`.{other}` is unknown; use .safetensors, .pkl or .npz"))),
        };
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let name = match tips {
            TipVertices::Hamer => name,
            TipVertices::Manopth => name + MANOPTH_SUFFIX,
        };
        Self::from_arrays(&name, arrays, tips).map_err(|fault| malformed(fault.to_string()))
    }

    fn from_arrays(
        name: &str,
        arrays: Result<NamedArrays, Malformed>,
        tips: TipVertices,
    ) -> Result<Self, Malformed> {
        let parameters = Parameters::from_arrays(&arrays?, tips)?;
        let skeleton = skeleton(&parameters)?;
        Ok(Self {
            name: name.to_owned(),
            mesh: Mesh::new(&parameters),
            tips: parameters.tips,
            faces_left: mirror_faces(&parameters.faces),
            keypoints: KeypointSkin::new(&parameters, &skeleton),
            skeleton,
            faces_right: parameters.faces,
        })
    }

    /// Name of the model, as written to run files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the embedded open hand, whose shape coefficients are not MANO's.
    pub fn is_open(&self) -> bool {
        self.name == OPEN_HAND_NAME
    }

    /// Number of vertices of the mesh.
    pub fn vertex_count(&self) -> usize {
        self.mesh.vertex_count()
    }

    /// Every number that [`Self::posed`] needs, for whoever poses hands elsewhere.
    pub fn tables(&self) -> HandTables {
        let [rest, shape, pose, weights] = self.mesh.planes();
        let shapes = self.skeleton.joint_shape.iter().flatten();
        let places = openpose_from_mano(
            &std::array::from_fn::<usize, MANO_JOINTS, _>(|joint| joint),
            &std::array::from_fn(|finger| MANO_JOINTS + finger),
        );
        let mut point_of = [0; KEYPOINTS];
        for (point, from) in places.into_iter().enumerate() {
            point_of[from] = point;
        }
        HandTables {
            rest,
            shape,
            pose,
            weights,
            joints: self.skeleton.joints.iter().flatten().map(|&number| number as f32).collect(),
            joint_shape: shapes.flatten().map(|&number| number as f32).collect(),
            tips: self.tips,
            point_of,
        }
    }

    /// Triangles of one side's mesh, counter-clockwise seen from outside.
    pub fn faces(&self, side: Side) -> &[[u32; 3]] {
        match side {
            Side::Left => &self.faces_left,
            Side::Right => &self.faces_right,
        }
    }

    /// The same with the wrist's opening covered, so that nobody looks into the hand.
    pub fn sealed_faces(&self, side: Side) -> Vec<[u32; 3]> {
        sealed(self.faces(side))
    }

    /// The right hand's bones in rest pose.
    pub fn skeleton(&self) -> &Skeleton {
        &self.skeleton
    }

    /// The right hand's 21 joints with the way back of a gradient.
    pub fn keypoint_skin(&self) -> &KeypointSkin {
        &self.keypoints
    }

    /// Mesh and joints of a pose.
    ///
    /// `hand_pose` is the full axis-angle of each finger joint (MANO's flat-hand convention: its mean
    /// pose `hands_mean` is not added). The hand turns about its own wrist joint, then moves by
    /// `translation`: `v = R (v - J0) + J0 + t`, as in smplx. A left hand is the mirror image of the
    /// right hand in the mirrored pose.
    pub fn posed(&self, pose: &HandPose, side: Side) -> PosedHand {
        match side {
            Side::Right => self.posed_right(pose, |point| point),
            Side::Left => self.posed_right(&mirror_pose(pose), mirror_point),
        }
    }

    fn posed_right(&self, pose: &HandPose, place: impl Fn(Vector3<f32>) -> Vector3<f32>) -> PosedHand {
        let mut rotations = [matrix_from_axis_angle(pose.global_orient); MANO_JOINTS];
        for (rotation, &axis_angle) in rotations[1..].iter_mut().zip(&pose.hand_pose) {
            *rotation = matrix_from_axis_angle(axis_angle);
        }
        let placed = self.posed_by_matrices(&rotations, &pose.betas);
        let place = |point: Vector3<f32>| CameraPoint(place(point + pose.translation));
        PosedHand { vertices: placed.0.into_iter().map(place).collect(), joints: placed.1.map(place) }
    }

    /// Vertices and `openpose21` joints of the right hand for joint rotations, not yet translated.
    fn posed_by_matrices(
        &self,
        rotations: &[Matrix3<f32>; MANO_JOINTS],
        betas: &[f32; 10],
    ) -> (Vec<Vector3<f32>>, [Vector3<f32>; KEYPOINTS]) {
        let rest = self.skeleton.shaped_joints(&betas.map(f64::from)).map(|joint| joint.cast());
        let transforms = forward_kinematics(&rest, rotations);
        let vertices = self.mesh.posed(betas, rotations, &rest, &transforms);
        let tips = self.tips.map(|tip| vertices[tip]);
        let joints = openpose_from_mano(&transforms.map(|joint| joint.position), &tips);
        (vertices, joints)
    }
}

/// Applies the joint regressor to template and shape directions, and finds the anatomy.
fn skeleton(parameters: &Parameters) -> Result<Skeleton, Malformed> {
    let joints = std::array::from_fn(|j| parameters.regress(j, |vertex| parameters.template[vertex]));
    let tips = parameters.tips.map(|tip| parameters.template[tip]);
    let anatomy = match &parameters.anatomy {
        Some(anatomy) => anatomy.clone(),
        None => borrowed_anatomy(&joints, &tips)?,
    };
    Ok(Skeleton {
        joint_shape: std::array::from_fn(|j| {
            std::array::from_fn(|k| parameters.regress(j, |vertex| parameters.shape[vertex][k]))
        }),
        joints,
        tips,
        tip_shape: parameters.tips.map(|tip| parameters.shape[tip]),
        parents: MANO_PARENTS,
        anatomy,
    })
}

/// The open hand's anatomy fitted to another hand's rest joints, for files that bring none (MANO).
fn borrowed_anatomy(
    joints: &[Vector3<f64>; MANO_JOINTS],
    tips: &[Vector3<f64>; FINGERS],
) -> Result<Anatomy, Malformed> {
    let open = Parameters::from_arrays(&read_safetensors(OPEN_HAND)?, TipVertices::default())?;
    let skeleton = skeleton(&open)?;
    Ok(skeleton.anatomy.carried_to((&skeleton.joints, &skeleton.tips), (joints, tips)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::anatomy::FREE_ANGLES;
    use crate::hand::joints::DISTAL_JOINTS;

    fn still() -> HandPose {
        HandPose {
            global_orient: Vector3::zeros(),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: Vector3::zeros(),
        }
    }

    fn bent(model: &HandModel) -> HandPose {
        let limits = model.skeleton().anatomy.limits();
        let angles: [f64; FREE_ANGLES] =
            std::array::from_fn(|k| limits[k][0] + (limits[k][1] - limits[k][0]) * (0.2 + 0.03 * k as f64));
        HandPose {
            global_orient: Vector3::new(0.4, -1.2, 0.8),
            hand_pose: model.skeleton().anatomy.hand_pose(&angles),
            betas: [0.5, -1.0, 0.3, 0.0, 1.2, -0.4, 0.1, 0.9, -0.2, 0.6],
            translation: Vector3::new(0.1, -0.05, 0.6),
        }
    }

    #[test]
    fn the_embedded_hand_loads_and_is_the_size_of_a_hand() {
        let model = HandModel::open();
        let joints = model.posed(&still(), Side::Right).joints;
        let length = (joints[12].0 - joints[0].0).norm();
        assert!((0.17..0.21).contains(&length), "wrist to middle tip {length} m");
        assert_eq!(model.name(), OPEN_HAND_NAME);
    }

    #[test]
    fn without_a_pose_the_joints_are_the_rest_joints() {
        let model = HandModel::open();
        let (joints, tips) =
            crate::hand::joints::mano_from_openpose(&model.posed(&still(), Side::Right).joints);
        for (posed, rest) in joints.iter().zip(model.skeleton().joints) {
            assert!((posed.0.cast() - rest).norm() < 1e-6);
        }
        for (posed, rest) in tips.iter().zip(model.skeleton().tips) {
            assert!((posed.0.cast() - rest).norm() < 1e-6);
        }
    }

    #[test]
    fn bones_keep_their_lengths_in_every_pose() {
        let model = HandModel::open();
        let pose = bent(&model);
        let rest = model.skeleton().shaped_joints(&pose.betas.map(f64::from));
        let (joints, _) = crate::hand::joints::mano_from_openpose(&model.posed(&pose, Side::Right).joints);
        for (joint, parent) in MANO_PARENTS.into_iter().enumerate() {
            let Some(parent) = parent else { continue };
            let length = f64::from((joints[joint].0 - joints[parent].0).norm());
            assert!((length - (rest[joint] - rest[parent]).norm()).abs() < 1e-6, "bone {parent}-{joint}");
        }
    }

    #[test]
    fn skeleton_and_mesh_agree_on_joints_and_tips() {
        let model = HandModel::open();
        let pose = bent(&model);
        let mut rotations = [matrix_from_axis_angle(pose.global_orient.cast()); MANO_JOINTS];
        for (rotation, axis_angle) in rotations[1..].iter_mut().zip(pose.hand_pose) {
            *rotation = matrix_from_axis_angle(axis_angle.cast());
        }
        let bones = model.skeleton().pose(&rotations, &pose.betas.map(f64::from), pose.translation.cast());
        for (bone, mesh) in bones.iter().zip(model.posed(&pose, Side::Right).joints) {
            assert!((bone - mesh.0.cast::<f64>()).norm() < 2e-6);
        }
    }

    #[test]
    fn a_left_hand_is_the_mirror_image_of_the_right_hand_in_the_mirrored_pose() {
        let model = HandModel::open();
        let pose = bent(&model);
        let right = model.posed(&pose, Side::Right);
        let left = model.posed(&mirror_pose(&pose), Side::Left);
        for (r, l) in right.vertices.iter().chain(&right.joints).zip(left.vertices.iter().chain(&left.joints))
        {
            assert!((mirror_point(r.0) - l.0).norm() < 1e-6);
        }
    }

    #[test]
    fn faces_look_outward_on_both_sides() {
        let model = HandModel::open();
        for side in [Side::Left, Side::Right] {
            let hand = model.posed(&still(), side);
            let corner = |v: u32| hand.vertices[v as usize].0;
            let volume: f32 = model
                .faces(side)
                .iter()
                .map(|&[a, b, c]| corner(a).dot(&corner(b).cross(&corner(c))) / 6.0)
                .sum();
            assert!((1e-4..1e-3).contains(&volume), "{} hand has volume {volume} m3", side.name());
        }
    }

    #[test]
    fn positive_flexion_brings_every_finger_tip_toward_the_palm() {
        let model = HandModel::open();
        let anatomy = &model.skeleton().anatomy;
        let rest = model.skeleton();
        // The palm looks along -y in the rest pose.
        for (finger, distal) in DISTAL_JOINTS.into_iter().enumerate().skip(1) {
            let mut rotations = [Matrix3::identity(); MANO_JOINTS];
            for (bone, rotation) in rotations[distal - 2..=distal].iter_mut().enumerate() {
                *rotation = anatomy.joints[distal - 3 + bone].rotation([0.8, 0.0, 0.0]);
            }
            let tip = rest.pose(&rotations, &[0.0; 10], Vector3::zeros())[4 * finger + 4];
            assert!(tip.y < rest.tips[finger].y - 0.02, "finger {finger} tip {tip}");
        }
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
    }

    #[test]
    fn a_hand_from_a_pickle_poses_like_the_same_hand_from_an_archive() {
        let pickle = HandModel::load(&fixture("mano_like_python2.pkl")).unwrap();
        let archive = HandModel::load(&fixture("mano_like_full.npz")).unwrap();
        let pose = bent(&pickle);
        for side in [Side::Left, Side::Right] {
            let (a, b) = (pickle.posed(&pose, side), archive.posed(&pose, side));
            assert_eq!(a.vertices, b.vertices);
            assert_eq!(a.joints, b.joints);
        }
        assert_eq!(pickle.name(), "mano_like_python2");
    }

    #[test]
    fn a_hand_without_anatomy_bends_toward_the_palm_all_the_same() {
        let model = HandModel::load(&fixture("mano_like.npz")).unwrap();
        for joint in &model.skeleton().anatomy.joints[..12] {
            let [flexion, abduction, bone] = joint.axes;
            assert!(flexion.dot(&bone).abs() < 1e-9 && flexion.dot(&abduction).abs() < 1e-9);
            let moved = joint.rotation([0.5, 0.0, 0.0]) * bone - bone;
            assert!(moved.y < -0.2, "flexion moves the bone by {moved}");
        }
    }

    #[test]
    fn a_left_hand_and_a_hand_with_missing_or_odd_arrays_are_refused() {
        let fault = |change: &dyn Fn(&mut NamedArrays)| {
            let mut arrays = read_npz(include_bytes!("../../tests/fixtures/mano_like.npz")).unwrap();
            change(&mut arrays);
            HandModel::from_arrays("changed", Ok(arrays), TipVertices::default())
                .err()
                .map_or_else(String::new, |fault| fault.to_string())
        };
        let change = |name: &'static str, at: usize, to: f64| {
            fault(&move |arrays| arrays.get_mut(name).unwrap().data[at] = to)
        };
        assert_eq!(fault(&|_| ()), "");
        assert_eq!(fault(&|a| drop(a.remove("weights"))), "it has no array called weights");
        assert!(fault(&|a| a.get_mut("v_template").unwrap().shape = vec![10, 6]).contains("shape [10, 6]"));
        assert!(
            fault(&|a| a.get_mut("v_template").unwrap().data.iter_mut().for_each(|x| *x = -*x))
                .contains("left")
        );
        assert_eq!(change("shapedirs", 7, f64::NAN), "shapedirs holds NaN");
        assert!(change("f", 0, 20.0).contains("vertex 20 of 20"));
        assert!(change("f", 0, -1.0).contains("vertex -1"));
        assert!(change("weights", 3, 9.0).contains("adds up to"));
        assert!(change("kintree_table", 2, 7.0).contains("sixteen joints"));
    }

    #[test]
    fn a_missing_file_and_a_foreign_file_are_sentences() {
        let missing = HandModel::load(Path::new("no/such/hand.safetensors")).err().map(|e| e.to_string());
        assert!(missing.is_some_and(|text| text.starts_with("cannot read the hand model no/such/hand")));
        let foreign = HandModel::load(Path::new("Cargo.toml")).err().map(|e| e.to_string());
        assert!(foreign.is_some_and(|text| text.contains("`.toml` is unknown")));
    }
}
