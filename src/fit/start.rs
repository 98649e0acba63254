//! Where a new track may begin: postures from the landmarks in metres, placed by the key points.

use nalgebra::{Matrix3, Rotation3, Vector2, Vector3};

use super::kinematics::{Bent, Bones, Chain, angles_of, parent_of};
use super::observation::Evidence;
use super::parameters::{ANGLES, Posture};
use super::prior::USUAL_ANGLES;
use crate::event::KEYPOINTS;
use crate::geometry::alignment::align_rigid;

/// Angles by which the landmarks' orientation is varied: they err by up to this much.
const TILTS: [f64; 2] = [-0.6, 0.6];
/// Depth assumed where key points give none, metres.
const FALLBACK_DEPTH: f64 = 0.5;
/// Nearest start, metres.
const NEAREST_START: f64 = 0.1;
/// Rotations that show the palm and the back of a right hand, fingers up, to the camera.
const FACINGS: [[f64; 9]; 2] =
    [[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0]];

/// The posture of a track of which nothing is known yet: usual bends, straight ahead.
pub(super) fn anywhere(chain: &Chain) -> Posture {
    let mut posture = Posture {
        rotation: Rotation3::from_matrix_unchecked(Matrix3::from_row_slice(&FACINGS[0])),
        wrist: Vector3::z() * FALLBACK_DEPTH,
        angles: USUAL_ANGLES,
    };
    posture.clamp(&chain.limits);
    posture
}

/// Candidate postures for the first frame of a track.
///
/// The orientation comes from the landmarks (Kabsch), from its mirror image in depth (a flat hand
/// looks alike from both sides of a tilt) and from tilted copies; without landmarks from the two
/// facings turned in the picture. A network's belief comes first where there is one. The wrist is then placed linearly (`place`).
pub(super) fn candidates(chain: &Chain, bones: &Bones, evidence: &Evidence) -> Vec<Posture> {
    let mut start = anywhere(chain);
    let believed = evidence.belief.as_ref().map(|belief| belief.posture.clone());
    let mut rotations = Vec::new();
    if let Some(landmarks) = &evidence.landmarks {
        start.angles = bends_of(landmarks);
        start.clamp(&chain.limits);
        let rest = chain.bend(bones, &Posture { rotation: Rotation3::identity(), ..start.clone() });
        let rotation = align_rigid(&rest.keypoints, landmarks)
            .map_or(start.rotation, |rigid| Rotation3::from_matrix_unchecked(rigid.rotation));
        rotations.push(rotation);
        rotations.push(mirrored_in_depth(&rotation));
        for tilt in TILTS {
            rotations.push(Rotation3::from_axis_angle(&Vector3::x_axis(), tilt) * rotation);
            rotations.push(Rotation3::from_axis_angle(&Vector3::y_axis(), tilt) * rotation);
        }
    } else {
        for facing in FACINGS {
            let facing = Rotation3::from_matrix_unchecked(Matrix3::from_row_slice(&facing));
            let bent = chain.bend(bones, &Posture { rotation: facing, ..start.clone() });
            rotations.push(turned_in_picture(&bent, evidence) * facing);
        }
    }
    let seen = rotations.into_iter().map(|rotation| Posture { rotation, ..start.clone() });
    believed
        .into_iter()
        .chain(seen)
        .map(|mut posture| {
            posture.wrist = place(&chain.bend(bones, &posture), evidence);
            posture
        })
        .collect()
}

/// The wrist position that brings the bent hand's key points closest to their rays: the linear
/// least-squares solution of `x + t_x = u (z + t_z)`, `y + t_y = v (z + t_z)` over all key points.
fn place(bent: &Bent, evidence: &Evidence) -> Vector3<f64> {
    let (mut system, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (point, ray) in bent.keypoints.iter().zip(&evidence.rays) {
        for (axis, u) in [ray.x, ray.y].into_iter().enumerate() {
            let mut row = Vector3::new(0.0, 0.0, -u);
            row[axis] = 1.0;
            system += row * row.transpose();
            right += row * (u * point.z - point[axis]);
        }
    }
    let centre = evidence.rays.iter().sum::<Vector2<f64>>() / KEYPOINTS as f64;
    match system.cholesky().map(|c| c.solve(&right)) {
        Some(wrist) if wrist.z > NEAREST_START && wrist.iter().all(|v| v.is_finite()) => wrist,
        _ => Vector3::new(centre.x, centre.y, 1.0) * FALLBACK_DEPTH,
    }
}

/// Flexions as the angles between successive landmark bones; the rest as usual.
fn bends_of(landmarks: &[Vector3<f64>; KEYPOINTS]) -> [f64; ANGLES] {
    let bone = |k: usize| landmarks[k] - landmarks[parent_of(k)];
    let mut angles = USUAL_ANGLES;
    for k in (5..KEYPOINTS).filter(|k| k % 4 != 1) {
        // The last angle that moves this key point is the flexion of the joint before it, or for the
        // base joint the abduction, whose flexion stands before.
        let range = angles_of(k);
        let at = if k % 4 == 2 { range.start } else { range.end - 1 };
        angles[at] = bone(parent_of(k)).angle(&bone(k));
    }
    angles
}

/// The orientation in which the palm's plane (rest x and z axes) tilts the other way.
fn mirrored_in_depth(rotation: &Rotation3<f64>) -> Rotation3<f64> {
    let flip = |v: Vector3<f64>| Vector3::new(v.x, v.y, -v.z);
    let (x, z) = (flip(rotation * Vector3::x()), flip(rotation * Vector3::z()));
    Rotation3::from_matrix_unchecked(Matrix3::from_columns(&[x, z.cross(&x), z]))
}

/// The rotation in the picture that brings the bent hand closest to the key points' shape.
fn turned_in_picture(bent: &Bent, evidence: &Evidence) -> Rotation3<f64> {
    let (mut cosine, mut sine) = (0.0, 0.0);
    for (point, ray) in bent.keypoints.iter().zip(&evidence.rays) {
        let (p, r) = (point.xy() - bent.keypoints[0].xy(), ray - evidence.rays[0]);
        cosine += p.dot(&r);
        sine += p.perp(&r);
    }
    Rotation3::from_axis_angle(&Vector3::z_axis(), sine.atan2(cosine))
}
