"""The hand's layout: MANO's joints, their parents, the fingers, and the canonical hand frame."""

import numpy as np

# MANO order: wrist, then index, middle, pinky, ring, thumb from base to last joint.
PARENTS = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])
FINGERS = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15]]
INDEX, MIDDLE, PINKY, RING, THUMB = range(5)
# Tips are listed as in most key point orders.
TIP_ORDER = [THUMB, INDEX, MIDDLE, RING, PINKY]


def unit(v):
    """Vectors scaled to length one along the last axis."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def hand_frame(joints):
    """Rotation into the canonical frame of a right hand: fingers -x, palm -y, thumb +z (as MANO)."""
    fingers = unit(joints[4] - joints[0])
    across = joints[1] - joints[7]
    across = unit(across - fingers * (across @ fingers))
    return np.stack([-fingers, np.cross(across, -fingers), across])


def rotation_between(a, b):
    """The shortest rotation that takes direction a to direction b."""
    a, b = unit(a), unit(b)
    axis = np.cross(a, b)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + k + k @ k / (1 + a @ b)
