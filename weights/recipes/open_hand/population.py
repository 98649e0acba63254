"""People with hands of many shapes, all brought into one rest pose."""

import numpy as np

import makehuman as mh
from layout import FINGERS, MIDDLE, THUMB, hand_frame, rotation_between, unit

PEOPLE = 1500
SEED = 0
CHILDREN = 0.15

# Where MakeHuman's sliders reach their named targets.
ANCHORS = {
    "gender": (mh.GENDERS, [0, 1]),
    "age": (mh.AGES, [1 / 3, 2 / 3, 1.0]),
    "muscle": (mh.MUSCLES, [0, 0.5, 1]),
    "weight": (mh.WEIGHTS, [0, 0.5, 1]),
    "height": (mh.HEIGHTS, [0, 1]),
    "proportion": (mh.PROPORTIONS, [0, 1]),
}
AVERAGE = dict(gender=0.5, age=0.75, muscle=0.5, weight=0.5, height=0.5, proportion=0.5, race=[1 / 3] * 3, hand={})


def random_person(rng):
    """Slider positions of a random person, and whether it is a child."""
    child = rng.random() < CHILDREN
    age = rng.uniform(0.36, 0.6) if child else rng.uniform(0.63, 1.0)
    gender = float(rng.random() < 0.5) if rng.random() < 0.8 else rng.random()
    slider = lambda spread: np.clip(rng.normal(0.5, spread), 0, 1)
    person = dict(
        gender=gender,
        age=age,
        muscle=slider(0.13),
        weight=slider(0.16),
        height=slider(0.07),  # narrower than MakeHuman's own, which makes hands of very different size
        proportion=slider(0.15),
        race=rng.dirichlet([0.5] * 3),
        hand={
            "fingers-diameter": rng.normal(0, 0.3),
            "fingers-length": rng.normal(0, 0.25),
            "scale": rng.normal(0, 0.12),
            "wrist": rng.normal(0, 0.25),
        },
    )
    return person, child


def shares(value, names, anchors):
    """How much each of the two targets around a slider's position counts."""
    count = dict.fromkeys(names, 0.0)
    for k in range(len(anchors) - 1):
        if value <= anchors[k + 1] or k == len(anchors) - 2:
            t = np.clip((value - anchors[k]) / (anchors[k + 1] - anchors[k]), 0, 1)
            count[names[k]], count[names[k + 1]] = 1 - t, t
            break
    return count


def shaped(hand, targets, person):
    """The body's vertices for a person's sliders."""
    share = {name: shares(person[name], *anchors) for name, anchors in ANCHORS.items()}
    build = lambda key: np.prod([share[n][k] for n, k in zip(("gender", "age", "muscle", "weight"), key)])
    points = hand.base.copy()
    for (kind, *key), displacement in targets.items():
        if kind == "race":
            race, gender, age = key
            amount = person["race"][mh.RACES.index(race)] * share["gender"][gender] * share["age"][age]
        elif kind == "build":
            amount = build(key)
        elif kind in ("height", "proportion"):
            amount = build(key[:4]) * share[kind][key[4]]
        else:
            name, direction = key
            amount = max(person["hand"].get(name, 0.0) * (1 if direction == "incr" else -1), 0)
        if amount:
            points = points + amount * displacement
    return points


def in_hand_frame(hand, points):
    """Mesh, joints and tips with the wrist at the origin, fingers -x, palm -y."""
    vertices, joints, tips = hand.parts(points)
    turn, wrist = hand_frame(joints), joints[0]
    return tuple((part - wrist) @ turn.T for part in (vertices, joints, tips))


def rest_directions(joints, tips):
    """Where each bone points in the rest pose: fingers straight and level, the thumb almost straight."""
    directions = np.zeros((16, 3))
    directions[0] = [-1, 0, 0]
    for finger, chain in enumerate(FINGERS):
        ends = np.vstack([joints[chain], tips[finger]])
        bones = unit(np.diff(ends, axis=0))
        if finger == THUMB:
            directions[chain] = bones
            directions[chain[2]] = unit(bones[1] * 0.7 + bones[2] * 0.3)
        else:
            directions[chain] = unit(bones[0] * [1, 0, 1])
    return directions


def straightened(hand, vertices, joints, tips, directions):
    """The hand bent into the rest pose by skinning each bone onto its direction."""
    rotations = [np.eye(3)] * 16
    offsets = [np.zeros(3)] * 16
    joints_out, tips_out = joints.copy(), tips.copy()
    for finger, chain in enumerate(FINGERS):
        position, parent = joints[chain[0]], np.eye(3)
        for k, joint in enumerate(chain):
            bone = (joints[chain[k + 1]] if k < 2 else tips[finger]) - joints[joint]
            rotations[joint] = parent = rotation_between(parent @ bone, directions[joint]) @ parent
            joints_out[joint], offsets[joint] = position, position - parent @ joints[joint]
            position = position + parent @ bone
        tips_out[finger] = position
    vertices = sum(hand.weights[:, j : j + 1] * (vertices @ rotations[j].T + offsets[j]) for j in range(16))
    return vertices, joints_out, tips_out


def sample(hand):
    """Vertices, joints and tips of all people in rest pose, who is adult, and the rest directions."""
    targets = hand.targets()
    _, joints, tips = in_hand_frame(hand, shaped(hand, targets, AVERAGE))
    directions = rest_directions(joints, tips)
    rng = np.random.default_rng(SEED)
    people, adult = [], []
    for _ in range(PEOPLE):
        person, child = random_person(rng)
        in_frame = in_hand_frame(hand, shaped(hand, targets, person))
        people.append(straightened(hand, *in_frame, directions))
        adult.append(not child)
    vertices, joints, tips = map(np.array, zip(*people))
    return vertices, joints, tips, np.array(adult), directions


def hand_lengths(joints, tips):
    """Wrist joint to tip of the middle finger along its bones."""
    chain = FINGERS[MIDDLE]
    points = np.concatenate([joints[:, [0] + chain], tips[:, [MIDDLE]]], axis=1)
    return np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)
