"""From a population to a shape space: added variety, principal components, joint regressor, tips."""

import numpy as np
from scipy.optimize import nnls

from layout import FINGERS, PARENTS, THUMB, TIP_ORDER, unit
from population import hand_lengths

CHOSEN = 700
SEED = 7
SHAPES = 10
HAND_LENGTH = 0.190  # wrist joint to middle tip of the average adult, metres

# MakeHuman puts the finger roots at the web; the knuckle is this far behind, metres.
KNUCKLE_SHIFT = 0.011

# MakeHuman's hands differ almost only in size. Standard deviations of the logarithm of ...
BONE_LENGTH, FINGER_LENGTH, FINGER_GIRTH = 0.025, 0.02, 0.035
PALM_LENGTH, PALM_THICKNESS, PALM_WIDTH = 0.02, 0.04, 0.025

SUPPORT = 64  # vertices that may tell where a joint is
REGRESSED_ON = 100  # people the regressor is fitted to


def knuckles_moved(joints):
    """Joints with the finger roots at the knuckles, in proportion to the middle finger."""
    moved = joints.copy()
    first_bone = np.linalg.norm(joints[:, 5] - joints[:, 4], axis=1)
    shift = KNUCKLE_SHIFT * (first_bone / first_bone.mean())
    for chain in FINGERS[:THUMB]:
        moved[:, chain[0]] += unit(joints[:, 0] - joints[:, chain[0]]) * shift[:, None]
    return moved


def varied(rng, weights, directions, vertices, joints, tips):
    """One hand with bones, fingers and palm stretched at random."""
    length = np.exp(rng.normal(0, BONE_LENGTH, 16))
    girth = np.ones(16)
    for chain in FINGERS:
        length[chain] *= np.exp(rng.normal(0, FINGER_LENGTH))
        girth[chain] *= np.exp(rng.normal(0, FINGER_GIRTH))
    spreads = (PALM_LENGTH, PALM_THICKNESS, PALM_WIDTH)
    palm = np.diag([np.exp(rng.normal(0, spread)) for spread in spreads])
    stretch = [palm] * 16
    joints_out, tips_out = joints.copy(), tips.copy()
    joints_out[0] = 0
    for finger, chain in enumerate(FINGERS):
        position = palm @ joints[chain[0]]
        for k, joint in enumerate(chain):
            along = np.outer(directions[joint], directions[joint])
            stretch[joint] = girth[joint] * np.eye(3) + (length[joint] - girth[joint]) * along
            joints_out[joint] = position
            position = position + stretch[joint] @ ((joints[chain[k + 1]] if k < 2 else tips[finger]) - joints[joint])
        tips_out[finger] = position
    moved = sum(weights[:, j : j + 1] * ((vertices - joints[j]) @ stretch[j].T + joints_out[j]) for j in range(16))
    return moved, joints_out, tips_out


def build(weights, directions, vertices, joints, tips, adult):
    """Mean adult shape, ten shape directions (one standard deviation each), joint regressor and tips."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(len(vertices), CHOSEN, replace=False)
    scale = HAND_LENGTH / hand_lengths(joints, tips)[adult].mean()
    joints = knuckles_moved(joints)
    hands = [
        varied(rng, weights, directions, vertices[i] * scale, joints[i] * scale, tips[i] * scale) for i in chosen
    ]
    vertices, joints, tips = map(np.array, zip(*hands))
    template = vertices[adult[chosen]].mean(0)
    shapes = principal_components(vertices, template)
    regressor = joint_regressor(rng, weights, vertices, joints)
    return template, shapes, regressor, tip_vertices(weights, directions, template, regressor @ template)


def principal_components(vertices, template):
    """V x 3 x 10: displacement of one standard deviation along each principal component."""
    count = len(vertices)
    centred = (vertices - vertices.mean(0)).reshape(count, -1)
    # There are fewer people than coordinates, so the small matrix of inner products has the same spectrum.
    variance, vectors = np.linalg.eigh(centred @ centred.T)
    variance, vectors = variance[::-1][:SHAPES], vectors[:, ::-1][:, :SHAPES]
    directions = (vectors.T @ centred) / np.sqrt(variance)[:, None]
    deviations = directions * np.sqrt(variance / (count - 1))[:, None]
    shapes = deviations.reshape(SHAPES, -1, 3).transpose(1, 2, 0)
    # Plus means longer.
    longer = np.sign(np.einsum("vk,v->k", shapes[:, 0], template[:, 0]))
    explained = 100 * variance / np.sum(centred**2)
    print("principal components explain", explained.round(2), f"together {explained.sum():.1f} %")
    return shapes * longer


def joint_regressor(rng, weights, vertices, joints):
    """16 x V non-negative shares with rows adding up to one, from the vertices around each joint."""
    people = rng.choice(len(vertices), REGRESSED_ON, replace=False)
    mean, mean_joints = vertices.mean(0), joints.mean(0)
    regressor = np.zeros((16, len(mean)))
    for joint in range(16):
        own = weights[:, joint] + (weights[:, PARENTS[joint]] if joint else 0)
        nearest = np.argsort(np.linalg.norm(mean - mean_joints[joint], axis=1) + (own < 0.2))[:SUPPORT]
        rows = vertices[people][:, nearest].transpose(0, 2, 1).reshape(-1, SUPPORT) * 100
        wanted = joints[people][:, joint].reshape(-1) * 100
        # A heavy last row makes the shares add up to one.
        shares, _ = nnls(np.vstack([rows, np.full((1, SUPPORT), 1000.0)]), np.append(wanted, 1000.0))
        regressor[joint, nearest] = shares / shares.sum()
    error = np.linalg.norm(np.einsum("jv,nvc->njc", regressor, vertices) - joints, axis=2)
    print(f"joint regressor is off by {1000 * error.mean():.2f} mm on average, {1000 * error.max():.2f} mm at most")
    return regressor


def tip_vertices(weights, directions, template, joints):
    """The vertex farthest along and closest to the axis of each last bone."""
    tips = []
    for finger in TIP_ORDER:
        joint = FINGERS[finger][2]
        reach = template - joints[joint]
        along = reach @ directions[joint]
        beside = np.linalg.norm(reach - along[:, None] * directions[joint], axis=1)
        tips.append(int(np.argmax(np.where(weights[:, joint] > 0.5, along - beside, -1))))
    return tips
