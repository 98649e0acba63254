"""The open right hand's joints in numpy, and what biomechanical limits are measured on."""

import math
import pathlib

import numpy as np
from safetensors.numpy import load_file

WEIGHTS = pathlib.Path(__file__).resolve().parents[2]
PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
DISTAL = [15, 3, 6, 12, 9]
OPENPOSE_FROM_MANO = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
# (joint, axis) of each free angle; axes: 0 flexion, 1 abduction, 2 twist.
FREE = [(joint + offset, axis) for joint in (1, 4, 7, 10) for offset, axis in ((0, 0), (0, 1), (1, 0), (2, 0))]
FREE += [(13, 0), (13, 1), (13, 2), (14, 0), (15, 0)]
UNIT_JOINT = 9
DEGREE = math.pi / 180


def unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def dot(a, b):
    return np.sum(a * b, axis=-1)


def turn(axis, angle):
    """Rotation matrices [N,3,3] about unit axes [3] or [N,3] by angles [N]."""
    x, y, z = np.moveaxis(np.broadcast_to(axis, (*np.shape(angle), 3)), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


class OpenHand:
    """Joints of the open right hand."""

    def __init__(self):
        model = {name: array.astype(float) for name, array in load_file(str(WEIGHTS / "open_hand_right.safetensors")).items()}
        regressor, tips = model["J_regressor"], model["tip_vertices"].astype(int)
        regressor = regressor / regressor.sum(1, keepdims=True)
        shape = model["shapedirs"]
        self.rest = np.concatenate([regressor @ model["v_template"], model["v_template"][tips]])
        self.change = np.concatenate([np.einsum("jv,vck->jck", regressor, shape), shape[tips]])
        bone = unit(model["bone_dirs"][1:])
        flexion = model["flexion_axes"][1:]
        flexion = unit(flexion - bone * dot(flexion, bone)[:, None])
        self.axes = np.stack([flexion, np.cross(flexion, bone), bone], 1)

    def joints(self, angles, betas):
        """Joints [N,21,3] in openpose21 order for free angles [N,21] (radians) and shapes [N,10]."""
        rest = self.rest + np.einsum("jck,nk->njc", self.change, betas)
        rotations = np.tile(np.eye(3), (len(angles), 16, 1, 1))
        for k, (joint, axis) in enumerate(FREE):
            rotations[:, joint] = rotations[:, joint] @ turn(self.axes[joint - 1, axis], angles[:, k])
        places = [rest[:, 0]]
        for joint in range(1, 16):
            parent = PARENTS[joint]
            rotations[:, joint] = rotations[:, parent] @ rotations[:, joint]
            places.append(places[parent] + np.einsum("nij,nj->ni", rotations[:, parent], rest[:, joint] - rest[:, parent]))
        for finger, joint in enumerate(DISTAL):
            bone = rest[:, 16 + finger] - rest[:, joint]
            places.append(places[joint] + np.einsum("nij,nj->ni", rotations[:, joint], bone))
        return np.stack(places, 1)[:, OPENPOSE_FROM_MANO]


def measures(joints):
    """What limits are about, of right hands [N,21,3] divided by the distance from wrist to middle knuckle.

    Returns lengths [N,20], curvatures [N,4], spreads [N,4] and bends [N,15,2] (flexion and abduction; first
    bones of thumb to little finger, then second, then third), as in `src/refine/terms/biomechanics`.
    """
    joints = joints / np.linalg.norm(joints[:, UNIT_JOINT] - joints[:, 0], axis=-1)[:, None, None]
    starts = joints[:, [0 if (k - 1) % 4 == 0 else k - 1 for k in range(1, 21)]]
    bones = joints[:, 1:] - starts
    roots = bones[:, 0::4]
    between = unit(np.cross(roots[:, 1:], roots[:, :-1]))
    at = np.concatenate([between[:, :1], unit(between[:, 1:] + between[:, :-1]), between[:, -1:]], 1)
    across = roots[:, 1:] - roots[:, :-1]
    curvatures = dot(at[:, 1:] - at[:, :-1], across) / dot(across, across)
    spreads = np.arccos(dot(unit(roots[:, 1:]), unit(roots[:, :-1])))
    bends = np.zeros((len(joints), 15, 2))
    for finger in range(5):
        z = unit(roots[:, finger])
        x = -(between[:, 1] if finger == 1 else at[:, finger])
        y = unit(np.cross(z, x))
        for level in range(3):
            bone = bones[:, 4 * finger + 1 + level]
            on_x, on_y, on_z = dot(bone, x), dot(bone, y), dot(bone, z)
            bends[:, 5 * level + finger, 0] = np.arctan2(on_x, on_z)
            bends[:, 5 * level + finger, 1] = np.arctan2(on_y, np.hypot(on_x, on_z))
            axis = np.cross(z, unit(bone))
            sine = np.linalg.norm(axis, axis=-1)
            turned = turn(axis / np.maximum(sine, 1e-12)[:, None], np.arctan2(sine, dot(z, unit(bone))))
            x, y = (np.einsum("nij,nj->ni", turned, v) for v in (x, y))
            z = unit(bone)
    return np.linalg.norm(bones, axis=-1), curvatures, spreads, bends
