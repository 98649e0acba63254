"""The open hand's skeleton in torch: joints from rotations and shape, rotations from free angles."""

import math
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

WEIGHTS = pathlib.Path(__file__).resolve().parents[2]
MODEL_FILE = WEIGHTS / "open_hand_right.safetensors"

# MANO order: wrist, then index, middle, pinky, ring, thumb from base to last joint.
BASES, MIDDLES, LASTS = [1, 4, 7, 10, 13], [2, 5, 8, 11, 14], [3, 6, 9, 12, 15]
PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
# Tips of thumb, index, middle, ring, pinky follow the sixteen joints; here per finger in MANO order.
TIPS = [17, 18, 20, 19, 16]
OPENPOSE_FROM_MANO = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
# Parent of each openpose21 key point along its finger; the wrist's bone leads on to the middle knuckle.
OPENPOSE_PARENT = [0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]
MIDDLE_KNUCKLE = 9

FREE_ANGLES = 21
# (joint, axis) of each free angle; axes: 0 flexion, 1 abduction, 2 twist.
FREE = [(joint + offset, axis) for joint in (1, 4, 7, 10) for offset, axis in ((0, 0), (0, 1), (1, 0), (2, 0))]
FREE += [(13, 0), (13, 1), (13, 2), (14, 0), (15, 0)]


class OpenHand:
    """Joints of the open right hand, wrist at the origin."""

    def __init__(self, path=MODEL_FILE):
        model = {name: tensor.float() for name, tensor in load_file(str(path)).items()}
        regressor, tips = model["J_regressor"], model["tip_vertices"].long()
        regressor = regressor / regressor.sum(1, keepdim=True)
        rest = torch.cat([regressor @ model["v_template"], model["v_template"][tips]])
        shape = model["shapedirs"]
        change = torch.cat([torch.einsum("jv,vck->jck", regressor, shape), shape[tips]])
        self.rest, self.change = rest - rest[:1], change - change[:1]
        bone = F.normalize(model["bone_dirs"], dim=-1)
        flexion = model["flexion_axes"]
        flexion = F.normalize(flexion - bone * (flexion * bone).sum(-1, keepdim=True), dim=-1)
        self.axes = torch.stack([flexion, torch.cross(flexion, bone, dim=-1), bone], 1)
        limits = model["joint_limits_deg"] * (math.pi / 180)
        self.lower = torch.stack([limits[joint, axis, 0] for joint, axis in FREE])
        self.upper = torch.stack([limits[joint, axis, 1] for joint, axis in FREE])

    def joints(self, rotations, betas):
        """Joints [N,21,3] (openpose21, metres) for rotations [N,16,3,3] and shape [N,10]."""
        rest = self.rest + (betas @ self.change.reshape(-1, 10).T).reshape(-1, 21, 3)
        root = rotations[:, 0]
        base = (rest[:, BASES] - rest[:, :1]) @ root.transpose(1, 2)
        turn, at, chain = root[:, None], base, [base]
        for parents, children in ((BASES, MIDDLES), (MIDDLES, LASTS), (LASTS, TIPS)):
            turn = turn @ rotations[:, parents]
            at = at + (turn @ (rest[:, children] - rest[:, parents])[..., None])[..., 0]
            chain.append(at)
        # chain: base, middle, last, tip, each [N,5,3] with fingers in MANO order.
        fingers = torch.stack(chain, 2)[:, [4, 0, 1, 3, 2]]
        return torch.cat([torch.zeros_like(base[:, :1]), fingers.flatten(1, 2)], 1)

    def rotations(self, angles):
        """Finger rotations [N,15,3,3] for free angles [N,21] in radians."""
        full = angles.new_zeros(angles.shape[0], 15, 3)
        for k, (joint, axis) in enumerate(FREE):
            full[:, joint - 1, axis] = angles[:, k]
        turns = axis_rotation(self.axes[1:].expand(len(angles), -1, -1, -1), full)
        result = turns[:, :, 0].clone()
        result[:, 0::3] = turns[:, 0::3, 0] @ turns[:, 0::3, 1]
        result[:, 12] = result[:, 12] @ turns[:, 12, 2]
        return result


def axis_rotation(axis, angle):
    """Rotation matrices about unit axes [...,3] by angles [...]."""
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    sine, cosine = torch.sin(angle)[..., None, None], torch.cos(angle)[..., None, None]
    outer = axis[..., :, None] * axis[..., None, :]
    return cosine * torch.eye(3) + sine * cross + (1 - cosine) * outer


def rotation_from_6d(six):
    """Rotation matrices from their first two columns [...,6], made orthonormal (Zhou et al. 2019)."""
    first = F.normalize(six[..., :3], dim=-1)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1)
    return torch.stack([first, second, torch.cross(first, second, dim=-1)], -1)


def quaternion_product(a, b):
    """Hamilton product of quaternions (w, x, y, z)."""
    w, v, u, s = a[..., :1], a[..., 1:], b[..., 1:], b[..., :1]
    scalar = w * s - (v * u).sum(-1, keepdim=True)
    return torch.cat([scalar, w * u + s * v + torch.cross(v, u, dim=-1)], -1)


def rotation_from_quaternion(q):
    """Rotation matrices of unit quaternions (w, x, y, z)."""
    w, x, y, z = q.unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]
    rows += [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]
    rows += [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
