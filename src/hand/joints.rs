//! Joint orders, by name, and the way from one to the other.
//!
//! MANO's order puts the little finger before the ring finger; mixing orders up is the commonest
//! mistake in hand tracking, so every file names its order and converts here.

/// Joints of the MANO skeleton: the wrist and three a finger.
pub const MANO_JOINTS: usize = 16;

/// Fingers, and finger tips.
pub const FINGERS: usize = 5;

/// Parent of each joint in MANO order; the wrist has none.
pub const MANO_PARENTS: [Option<usize>; MANO_JOINTS] = [
    None,
    Some(0),
    Some(1),
    Some(2),
    Some(0),
    Some(4),
    Some(5),
    Some(0),
    Some(7),
    Some(8),
    Some(0),
    Some(10),
    Some(11),
    Some(0),
    Some(13),
    Some(14),
];

/// The last joint of thumb, index, middle, ring and little finger in MANO order: what each tip hangs on.
pub const DISTAL_JOINTS: [usize; FINGERS] = [15, 3, 6, 12, 9];

/// Where each `openpose21` joint stands in MANO's 16 joints followed by the tips of thumb, index,
/// middle, ring and little finger.
const OPENPOSE_FROM_MANO: [usize; 21] =
    [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20];

/// An order of joints that a file may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JointOrder {
    /// Wrist, then index, middle, pinky, ring, thumb from base to last joint; no tips.
    Mano16,
    /// Wrist, then thumb, index, middle, ring, pinky from base to tip; also MediaPipe's order.
    OpenPose21,
}

impl JointOrder {
    /// The order's name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            JointOrder::Mano16 => "mano16",
            JointOrder::OpenPose21 => "openpose21",
        }
    }

    /// The order that a file names; `mediapipe21` is `openpose21`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "mano16" | "mano" => Some(JointOrder::Mano16),
            "openpose21" | "mediapipe21" => Some(JointOrder::OpenPose21),
            _ => None,
        }
    }

    /// Names of the joints, in order.
    pub fn joint_names(self) -> &'static [&'static str] {
        match self {
            JointOrder::Mano16 => &MANO_NAMES,
            JointOrder::OpenPose21 => &OPENPOSE_NAMES,
        }
    }
}

const MANO_NAMES: [&str; MANO_JOINTS] = [
    "wrist", "index1", "index2", "index3", "middle1", "middle2", "middle3", "pinky1", "pinky2", "pinky3",
    "ring1", "ring2", "ring3", "thumb1", "thumb2", "thumb3",
];

const OPENPOSE_NAMES: [&str; 21] = [
    "wrist",
    "thumb1",
    "thumb2",
    "thumb3",
    "thumb_tip",
    "index1",
    "index2",
    "index3",
    "index_tip",
    "middle1",
    "middle2",
    "middle3",
    "middle_tip",
    "ring1",
    "ring2",
    "ring3",
    "ring_tip",
    "pinky1",
    "pinky2",
    "pinky3",
    "pinky_tip",
];

/// MANO's joints and the tips (thumb, index, middle, ring, pinky) in `openpose21` order.
pub fn openpose_from_mano<T: Copy>(joints: &[T; MANO_JOINTS], tips: &[T; FINGERS]) -> [T; 21] {
    OPENPOSE_FROM_MANO.map(|at| if at < MANO_JOINTS { joints[at] } else { tips[at - MANO_JOINTS] })
}

/// MANO's joints and the tips (thumb, index, middle, ring, pinky) of `openpose21` joints.
pub fn mano_from_openpose<T: Copy>(points: &[T; 21]) -> ([T; MANO_JOINTS], [T; FINGERS]) {
    let mut joints = [points[0]; MANO_JOINTS];
    let mut tips = [points[0]; FINGERS];
    for (&point, at) in points.iter().zip(OPENPOSE_FROM_MANO) {
        if at < MANO_JOINTS {
            joints[at] = point;
        } else {
            tips[at - MANO_JOINTS] = point;
        }
    }
    (joints, tips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joints_come_back_from_a_trip_through_the_other_order() {
        let points: [usize; 21] = std::array::from_fn(|k| k + 100);
        let (joints, tips) = mano_from_openpose(&points);
        assert_eq!(openpose_from_mano(&joints, &tips), points);
    }

    #[test]
    fn conversion_keeps_every_joint_at_its_name() {
        let tips = ["thumb_tip", "index_tip", "middle_tip", "ring_tip", "pinky_tip"];
        assert_eq!(openpose_from_mano(&MANO_NAMES, &tips), OPENPOSE_NAMES);
    }

    #[test]
    fn an_order_is_found_by_its_name_and_by_its_other_name() {
        for order in [JointOrder::Mano16, JointOrder::OpenPose21] {
            assert_eq!(JointOrder::from_name(order.name()), Some(order));
        }
        assert_eq!(JointOrder::from_name("mediapipe21"), Some(JointOrder::OpenPose21));
        assert_eq!(JointOrder::from_name("smplx"), None);
    }

    #[test]
    fn tips_hang_on_joints_without_children() {
        for distal in DISTAL_JOINTS {
            assert!(!MANO_PARENTS.contains(&Some(distal)), "{distal} has a child");
        }
    }
}
